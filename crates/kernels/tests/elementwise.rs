//! Norms, activations, softmax and rotary embedding: correct against f64, and the same bits for a
//! row however it is computed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Random, assert_bits, assert_close, each_isa, each_setting};
use visavis_kernels::{
    Isa, KernelError, RopeTable, add_assign, gelu_erf, layer_norm, quick_gelu, rms_norm, rope_half,
    rope_interleaved, silu_mul, softmax_rows, with_isa,
};

fn erf(x: f64) -> f64 {
    // The Taylor series, alternating: accurate to 1e-9 in f64 as far as 3.5, where it is used.
    if x.abs() > 3.5 {
        // 1 - erf(3.5) = 7.4e-7; the continued fraction of erfc from there on.
        let mut fraction = 0.0;
        for n in (1..60).rev() {
            fraction = f64::from(n) / 2.0 / (x.abs() + fraction);
        }
        let erfc = (-x * x).exp() / std::f64::consts::PI.sqrt() / (x.abs() + fraction);
        return (1.0 - erfc).copysign(x);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..120 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

/// From -30 to 30 in fine steps, then the far ends.
fn inputs() -> Vec<f32> {
    let mut x: Vec<f32> = (-30_000..=30_001).map(|i| i as f32 * 0.001).collect();
    x.extend([
        -1e30, -1e4, -88.0, -1e-30, -0.0, 0.0, 1e-30, 88.0, 1e4, 1e30,
    ]);
    x
}

fn close_map(f: fn(&mut [f32]), reference: impl Fn(f64) -> f64, relative: f64, absolute: f64) {
    let x = inputs();
    let expected: Vec<f64> = x.iter().map(|&v| reference(f64::from(v))).collect();
    each_setting(|isa, threads| {
        let mut y = x.clone();
        f(&mut y);
        let limit = |i: usize| relative * expected[i].abs() + absolute;
        assert_close(&y, &expected, limit, &format!("{isa:?}"));
        let alone: Vec<f32> = x
            .iter()
            .flat_map(|&v| {
                let mut y = [v];
                f(&mut y);
                y
            })
            .collect();
        assert_bits(&y, &alone, &format!("{isa:?} {threads} threads"));
        let mut odd = [f32::NAN, 1.0];
        f(&mut odd);
        assert!(odd[0].is_nan() && !odd[1].is_nan(), "{isa:?}");
    });
}

#[test]
fn quick_gelu_agrees_with_f64() {
    // The constant itself is an f32, as it is in the reference implementations.
    close_map(
        quick_gelu,
        |x| x / (1.0 + (-f64::from(1.702_f32) * x).exp()),
        3e-6,
        1e-37,
    );
}

#[test]
fn gelu_erf_agrees_with_f64() {
    let half = |x: f64| 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2));
    close_map(gelu_erf, half, 1.5e-7, 3e-7);
}

#[test]
fn silu_mul_agrees_with_f64() {
    let gate = inputs();
    let up = Random(20).values(gate.len());
    let expected: Vec<f64> = gate
        .iter()
        .zip(&up)
        .map(|(&g, &u)| f64::from(g) / (1.0 + f64::from(-g).exp()) * f64::from(u))
        .collect();
    each_setting(|isa, _| {
        let mut out = vec![f32::NAN; gate.len()];
        silu_mul(&gate, &up, &mut out);
        let limit = |i: usize| 1e-6 * expected[i].abs() + 1e-37;
        assert_close(&out, &expected, limit, &format!("{isa:?}"));
        let mut part = vec![f32::NAN; 1003];
        silu_mul(&gate[37..1040], &up[37..1040], &mut part);
        assert_bits(&part, &out[37..1040], &format!("{isa:?}"));
    });
}

#[test]
fn add_assign_adds() {
    let mut random = Random(21);
    let (x, y) = (random.extreme(200_003), random.extreme(200_003));
    let expected: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
    each_setting(|isa, _| {
        let mut found = x.clone();
        add_assign(&mut found, &y);
        assert_bits(&found, &expected, &format!("{isa:?}"));
    });
}

/// Checks `f(x, cols, out)` over row lengths against `reference(row)`, and each row alone.
fn close_rows(
    f: impl Fn(&[f32], usize, &mut [f32]) + Sync,
    reference: impl Fn(&[f32]) -> Vec<f64>,
    limit: f64,
) {
    for (cols, rows) in [(1, 3), (5, 7), (16, 4), (64, 577), (1027, 130), (4096, 65)] {
        let x: Vec<f32> = Random(cols as u64)
            .values(rows * cols)
            .iter()
            .map(|v| v * 9.0 + 2.0)
            .collect();
        let expected: Vec<f64> = x.chunks_exact(cols).flat_map(&reference).collect();
        each_setting(|isa, threads| {
            let what = format!("{isa:?} {threads} threads, {rows} x {cols}");
            let mut out = vec![f32::NAN; x.len()];
            f(&x, cols, &mut out);
            assert_close(&out, &expected, |_| limit, &what);
            let mut alone = vec![f32::NAN; cols];
            for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact(cols)) {
                f(x, cols, &mut alone);
                assert_bits(out, &alone, &what);
            }
        });
    }
}

#[test]
fn rms_norm_agrees_with_f64() {
    let weight = Random(30).values(4096);
    close_rows(
        |x, cols, out| rms_norm(x, &weight[..cols], 1e-5, cols, out),
        |x| {
            let mean = x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / x.len() as f64;
            let scale = 1.0 / (mean + 1e-5).sqrt();
            x.iter()
                .zip(&weight)
                .map(|(&x, &w)| f64::from(x) * scale * f64::from(w))
                .collect()
        },
        2e-6,
    );
}

#[test]
fn layer_norm_agrees_with_f64() {
    let mut random = Random(31);
    let (weight, bias) = (random.values(4096), random.values(4096));
    close_rows(
        |x, cols, out| layer_norm(x, &weight[..cols], &bias[..cols], 1e-5, cols, out),
        |x| {
            let n = x.len() as f64;
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let var = x
                .iter()
                .map(|&v| (f64::from(v) - mean).powi(2))
                .sum::<f64>()
                / n;
            let scale = 1.0 / (var + 1e-5).sqrt();
            x.iter()
                .zip(weight.iter().zip(&bias))
                .map(|(&x, (&w, &b))| (f64::from(x) - mean) * scale * f64::from(w) + f64::from(b))
                .collect()
        },
        3e-6,
    );
}

#[test]
fn softmax_agrees_with_f64() {
    close_rows(
        |x, cols, out| {
            out.copy_from_slice(x);
            softmax_rows(out, cols);
        },
        |x| {
            let max = f64::from(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let powers: Vec<f64> = x.iter().map(|&v| (f64::from(v) - max).exp()).collect();
            let sum: f64 = powers.iter().sum();
            powers.iter().map(|p| p / sum).collect()
        },
        3e-7,
    );
}

#[test]
fn softmax_passes_nan_on_and_takes_masked_values() {
    each_isa(|isa| {
        for at in 0..40 {
            let mut row = vec![1.0; 40];
            row[at] = f32::NAN;
            softmax_rows(&mut row, 40);
            assert!(row.iter().all(|v| v.is_nan()), "{isa:?} NaN at {at}");
        }
        let mut row = [f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY, 0.0, f32::MIN];
        softmax_rows(&mut row, 5);
        assert_eq!(row, [0.0, 0.5, 0.0, 0.5, 0.0], "{isa:?}");
    });
}

#[test]
fn rope_turns_each_pair_by_its_angle() {
    let (rows, heads, d, theta) = (5, 3, 10, 10_000.0_f64);
    let positions = [0, 7, 3, 99, 1];
    let table = RopeTable::new(d, theta as f32, 100);
    let x = Random(40).values(rows * heads * d);
    let (mut by_half, mut interleaved) = (x.clone(), x.clone());
    rope_half(&mut by_half, rows, heads, &positions, &table).unwrap();
    rope_interleaved(&mut interleaved, rows, heads, &positions, &table).unwrap();
    for (at, x) in x.chunks_exact(d).enumerate() {
        for i in 0..d / 2 {
            let angle = f64::from(positions[at / heads]) / theta.powf(2.0 * i as f64 / d as f64);
            for (found, first, second) in
                [(&by_half, i, i + d / 2), (&interleaved, 2 * i, 2 * i + 1)]
            {
                let (a, b) = (f64::from(x[first]), f64::from(x[second]));
                let (sin, cos) = angle.sin_cos();
                // An angle of 99 has 4e-6 of rounding in f32.
                let close = |i: usize, e: f64| (f64::from(found[at * d + i]) - e).abs() < 1e-5;
                assert!(close(first, a * cos - b * sin), "head {at} value {first}");
                assert!(close(second, b * cos + a * sin), "head {at} value {second}");
            }
        }
    }
}

#[test]
fn rope_rows_do_not_depend_on_each_other() {
    let (rows, heads, d) = (300, 4, 128);
    let table = RopeTable::new(d, 10_000.0, 4096);
    let positions: Vec<u32> = (0..rows as u32).map(|p| p * 13).collect();
    let x = Random(41).values(rows * heads * d);
    each_setting(|isa, _| {
        let mut together = x.clone();
        rope_half(&mut together, rows, heads, &positions, &table).unwrap();
        let mut alone = x.clone();
        for (x, p) in alone.chunks_exact_mut(heads * d).zip(&positions) {
            rope_half(x, 1, heads, &[*p], &table).unwrap();
        }
        assert_bits(&together, &alone, &format!("{isa:?}"));
    });
}

#[test]
fn a_position_past_the_table_is_an_error_and_changes_nothing() {
    let table = RopeTable::new(4, 10_000.0, 10);
    let mut x = [1.0; 8];
    let error = rope_half(&mut x, 2, 1, &[9, 10], &table).unwrap_err();
    assert_eq!(
        error,
        KernelError::PositionOutOfRange {
            position: 10,
            limit: 10
        }
    );
    assert_eq!(x, [1.0; 8]);
}

#[test]
fn an_instruction_set_that_is_not_there_is_refused() {
    let missing = [Isa::Avx2, Isa::Avx512, Isa::Neon]
        .into_iter()
        .find(|isa| !Isa::available().contains(isa))
        .unwrap();
    let error = with_isa(missing, || panic!("must not run")).unwrap_err();
    assert_eq!(error, KernelError::IsaUnavailable(missing.name()));
    assert!(Isa::available().contains(&Isa::current()));
}
