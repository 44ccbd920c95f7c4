//! Super-blocks from f32 by least squares: many candidate steps, each with the scale (and
//! minimum) that fits its rounded values best, the best of them kept; after the scales themselves
//! are rounded, their neighbours are tried too.

use super::SUPER;
use super::scale as widen_scale;
use super::super_blocks::{Q4K, Q6K, pack_six_bit_scales};
use half::f16;

/// Partial sums run side by side, so that the compiler may use vectors.
const LANES: usize = 8;
/// Candidate steps lie this far apart, in quantisation levels over the whole range.
const APART: f32 = 0.1;
/// Magnitudes below this are as good as zero; their reciprocals would overflow.
const TINY: f32 = 1e-15;

/// Scale times level, less the minimum, of a sub-block.
#[derive(Clone, Copy, Default)]
struct Affine {
    scale: f32,
    min: f32,
}

pub(super) fn quantise_q4k(values: &[f32; SUPER]) -> Q4K {
    let subs = values.as_chunks::<32>().0;
    let mut weights = [[0.0; 32]; 8];
    let mut fits = [Affine::default(); 8];
    for ((sub, weights), fit) in subs.iter().zip(&mut weights).zip(&mut fits) {
        *weights = importance(sub);
        *fit = fit_affine(sub, weights);
    }
    let d = stored(fits.iter().fold(0.0f32, |a, f| a.max(f.scale)) / 63.0);
    let dmin = stored(fits.iter().fold(0.0f32, |a, f| a.max(f.min)) / 63.0);
    let (mut scales, mut mins, mut q) = ([0; 8], [0; 8], [0; 128]);
    for (i, (sub, (weights, fit))) in subs.iter().zip(weights.iter().zip(fits)).enumerate() {
        let near_scale = neighbours(level(fit.scale, d.1, 63));
        let near_min = neighbours(level(fit.min, dmin.1, 63));
        let mut best = f32::INFINITY;
        for scale in near_scale.clone() {
            for min in near_min.clone() {
                let (dl, ml) = (d.1 * f32::from(scale), dmin.1 * f32::from(min));
                let error = affine_error(sub, weights, dl, ml);
                if error < best {
                    best = error;
                    (scales[i], mins[i]) = (scale, min);
                }
            }
        }
        let (dl, ml) = (d.1 * f32::from(scales[i]), dmin.1 * f32::from(mins[i]));
        let inverse = reciprocal(dl);
        for (q, x) in q[32 * (i / 2)..].iter_mut().zip(sub) {
            let level = nearest((x + ml) * inverse).clamp(0.0, 15.0) as u8;
            *q |= level << (4 * (i % 2));
        }
    }
    Q4K {
        d: d.0,
        dmin: dmin.0,
        scales: pack_six_bit_scales(&scales, &mins),
        q,
    }
}

pub(super) fn quantise_q6k(values: &[f32; SUPER]) -> Q6K {
    let subs = values.as_chunks::<16>().0;
    let mut fits = [0.0f32; 16];
    for (sub, fit) in subs.iter().zip(&mut fits) {
        *fit = fit_symmetric(sub);
    }
    let largest = fits
        .iter()
        .fold(0.0f32, |a, &f| if f.abs() > a.abs() { f } else { a });
    // The largest scale lies on -128, the end of the range that reaches one step further.
    let d = stored(largest / -128.0);
    let mut block = Q6K {
        low: [0; 128],
        high: [0; 64],
        scales: [0; 16],
        d: d.0,
    };
    for (i, (sub, fit)) in subs.iter().zip(fits).enumerate() {
        let nearest_scale = nearest(fit * reciprocal(d.1)).clamp(-128.0, 127.0) as i8;
        let mut best = f32::INFINITY;
        for step in [0, -1, 1] {
            let scale = nearest_scale.saturating_add(step);
            let error = symmetric_error(sub, d.1 * f32::from(scale));
            if error < best {
                best = error;
                block.scales[i] = scale;
            }
        }
        let inverse = reciprocal(d.1 * f32::from(block.scales[i]));
        let (half, part) = (i / 8, i % 8);
        for (k, x) in sub.iter().enumerate() {
            let level = (nearest(x * inverse).clamp(-32.0, 31.0) as i8 + 32) as u8;
            block.low[64 * half + 16 * (part % 4) + k] |= (level & 15) << (4 * (part / 4));
            block.high[32 * half + 16 * (part % 2) + k] |= level >> 4 << (2 * (part / 2));
        }
    }
    block
}

/// Large weights carry more of an output than small ones: their errors count for more.
fn importance(sub: &[f32; 32]) -> [f32; 32] {
    let square: f32 = sub.iter().map(|x| x * x).sum();
    let typical = (square / 32.0).sqrt();
    sub.map(|x| typical + x.abs())
}

/// The scale and minimum (neither below zero) that fit `x` best with levels 0..=15.
fn fit_affine(x: &[f32; 32], w: &[f32; 32]) -> Affine {
    let low = x.iter().fold(0.0f32, |a, &v| a.min(v));
    let high = x.iter().fold(low, |a, &v| a.max(v));
    let range = high - low;
    if !range.is_finite() {
        return Affine::default();
    }
    if range < TINY {
        // One value all through: it is the minimum.
        return Affine {
            scale: 0.0,
            min: -low,
        };
    }
    // The plain choice is there from the start: the search only ever improves on it.
    let mut best = Affine {
        scale: range / 15.0,
        min: -low,
    };
    let mut most = f32::NEG_INFINITY;
    for step in -10..=10 {
        let inverse = (15.0 + APART * step as f32) / range;
        let (fit, explained) = solve_affine(x, w, low, inverse);
        if explained > most {
            most = explained;
            best = fit;
        }
    }
    best
}

/// Rounds with the given step, then solves for scale and minimum. Also returns how much of the
/// weighted square of `x` they explain: more is better.
fn solve_affine(x: &[f32; 32], w: &[f32; 32], low: f32, inverse: f32) -> (Affine, f32) {
    let (mut s_w, mut s_x, mut s_q, mut s_qq, mut s_qx) = (
        [0.0f32; LANES],
        [0.0f32; LANES],
        [0.0f32; LANES],
        [0.0f32; LANES],
        [0.0f32; LANES],
    );
    for (x, w) in x
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(w.as_chunks::<LANES>().0)
    {
        for l in 0..LANES {
            let q = nearest((x[l] - low) * inverse).clamp(0.0, 15.0);
            let wq = w[l] * q;
            s_w[l] += w[l];
            s_x[l] += w[l] * x[l];
            s_q[l] += wq;
            s_qq[l] += wq * q;
            s_qx[l] += wq * x[l];
        }
    }
    let sum = |lanes: [f32; LANES]| lanes.iter().sum::<f32>();
    let (w, x, q, qq, qx) = (sum(s_w), sum(s_x), sum(s_q), sum(s_qq), sum(s_qx));
    let determinant = w * qq - q * q;
    if determinant > 0.0 {
        let scale = (w * qx - x * q) / determinant;
        let offset = (qq * x - q * qx) / determinant;
        if offset <= 0.0 && scale > 0.0 {
            let fit = Affine {
                scale,
                min: -offset,
            };
            return (fit, scale * qx + offset * x);
        }
    }
    let scale = if qq > 0.0 { (qx / qq).max(0.0) } else { 0.0 };
    (Affine { scale, min: 0.0 }, scale * qx)
}

/// Weighted squared error with levels 0..=15.
fn affine_error(x: &[f32; 32], w: &[f32; 32], scale: f32, min: f32) -> f32 {
    let inverse = reciprocal(scale);
    let mut sums = [0.0f32; LANES];
    for (x, w) in x
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(w.as_chunks::<LANES>().0)
    {
        for l in 0..LANES {
            let q = nearest((x[l] + min) * inverse).clamp(0.0, 15.0);
            let error = scale * q - min - x[l];
            sums[l] += w[l] * error * error;
        }
    }
    sums.iter().sum()
}

/// The scale (of either sign) that fits `x` best with levels -32..=31.
fn fit_symmetric(x: &[f32; 16]) -> f32 {
    let largest = x
        .iter()
        .fold(0.0f32, |a, &v| if v.abs() > a.abs() { v } else { a });
    if largest.abs() < TINY || !largest.is_finite() {
        return 0.0;
    }
    let (mut best, mut most) = (largest / -32.0, f32::NEG_INFINITY);
    for step in -9..=9 {
        let inverse = -(32.0 + APART * step as f32) / largest;
        let (mut s_qx, mut s_qq) = ([0.0f32; LANES], [0.0f32; LANES]);
        for x in x.as_chunks::<LANES>().0 {
            for l in 0..LANES {
                let q = nearest(x[l] * inverse).clamp(-32.0, 31.0);
                s_qx[l] += q * x[l];
                s_qq[l] += q * q;
            }
        }
        let (qx, qq) = (s_qx.iter().sum::<f32>(), s_qq.iter().sum::<f32>());
        if qq > 0.0 && qx * qx / qq > most {
            most = qx * qx / qq;
            best = qx / qq;
        }
    }
    best
}

fn symmetric_error(x: &[f32; 16], scale: f32) -> f32 {
    let inverse = reciprocal(scale);
    let mut sums = [0.0f32; LANES];
    for x in x.as_chunks::<LANES>().0 {
        for l in 0..LANES {
            let error = scale * nearest(x[l] * inverse).clamp(-32.0, 31.0) - x[l];
            sums[l] += error * error;
        }
    }
    sums.iter().sum()
}

/// Nearest whole number, ties to even; for magnitudes below 2^22, where the sum keeps no fraction.
fn nearest(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23
    (x + SHIFT) - SHIFT
}

/// A scale as it is stored, and as it will be read.
fn stored(scale: f32) -> ([u8; 2], f32) {
    let limit = f16::MAX.to_f32();
    let bytes = f16::from_f32(scale.clamp(-limit, limit)).to_le_bytes();
    (bytes, widen_scale(bytes))
}

fn reciprocal(x: f32) -> f32 {
    if x == 0.0 { 0.0 } else { 1.0 / x }
}

fn level(value: f32, unit: f32, top: u8) -> u8 {
    nearest(value * reciprocal(unit)).clamp(0.0, f32::from(top)) as u8
}

fn neighbours(level: u8) -> std::ops::RangeInclusive<u8> {
    level.saturating_sub(1)..=(level + 1).min(63)
}
