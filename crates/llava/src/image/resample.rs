//! Pillow's bicubic resize, bit for bit, over a picture that may lie inside padding.
//!
//! The model saw its training pictures through Pillow, so the same fixed-point arithmetic is
//! done here (Pillow `Resample.c` semantics): a = -0.5, the kernel widened when shrinking,
//! weights with 22 fractional bits, a horizontal pass rounded to 8 bits, then a vertical one.
//! The padded square itself is never built: padding is one colour, so its share of each output
//! pixel is one product. A strip of 1 x 50,000 pixels therefore costs what it holds, not
//! 50,000 x 50,000.
//!
//! All sums wrap. The true totals fit in 31 bits (the absolute weights sum to less than
//! 1.5 * 2^22 and a pixel is at most 255), so wrapping in between changes nothing, and it lets
//! the compiler use vector instructions where overflow checks would forbid them.

use std::ops::Range;

use rayon::prelude::*;

/// Fractional bits of a weight.
const BITS: u32 = 22;
/// One half, so that the final shift rounds.
const HALF: i32 = 1 << (BITS - 1);
/// Taps are padded with zeros to a multiple of this, for one straight inner loop.
const LANES: usize = 8;
/// Weights are cut in two at this bit, so that each part fits 16 bits.
const SPLIT: u32 = 15;
/// More bands than this repeat too many rows at their borders.
const MAX_BANDS: usize = 8;
/// Below this many pixels a second thread costs more than it brings.
const PARALLEL_FROM: usize = 1 << 18;

/// One direction of the resize, as the caller describes it.
#[derive(Debug, Clone)]
pub(super) struct Span {
    /// Length of the padded picture in pixels.
    pub(super) padded: usize,
    /// Padding before the real pixels.
    pub(super) lead: usize,
    /// Real pixels.
    pub(super) real: usize,
    /// Length after the resize.
    pub(super) resized: usize,
    /// The part of the result that is kept.
    pub(super) kept: Range<usize>,
}

/// What one output position takes from the real pixels and from the padding.
struct Window {
    /// First real pixel.
    start: usize,
    /// Number of real pixels; 0 when only padding is seen.
    len: usize,
    /// Where the weights lie in [`Axis::weights`].
    at: usize,
    /// Sum of the weights that fall on padding.
    outside: i32,
    /// Sum of all weights.
    total: i32,
}

/// The weights of one direction.
struct Axis {
    windows: Vec<Window>,
    weights: Vec<i32>,
}

/// Pillow's bicubic kernel.
fn kernel(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// To fixed point, away from zero at one half, as Pillow does.
fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1u32 << BITS);
    (if weight < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i32
}

impl Axis {
    fn new(span: &Span) -> Self {
        let mut axis = Self {
            windows: Vec::with_capacity(span.kept.len()),
            weights: Vec::new(),
        };
        if span.padded == span.resized {
            // Pillow skips this pass. A single weight of one gives the same bits:
            // (v * 2^22 + 2^21) >> 22 is v.
            for position in span.kept.clone() {
                axis.push(span, position, &[1 << BITS]);
            }
            return axis;
        }
        let scale = span.padded as f64 / span.resized as f64;
        let widened = scale.max(1.0);
        let support = 2.0 * widened;
        let inverse = 1.0 / widened;
        let (mut exact, mut rounded) = (Vec::new(), Vec::new());
        for position in span.kept.clone() {
            let centre = (position as f64 + 0.5) * scale;
            // The casts truncate towards zero and saturate at zero from below, which is what
            // the reference's cast and its test for negative numbers do together.
            let first = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(span.padded);
            exact.clear();
            exact.extend((first..end).map(|at| kernel((at as f64 - centre + 0.5) * inverse)));
            let sum: f64 = exact.iter().sum();
            rounded.clear();
            rounded.extend(
                exact
                    .iter()
                    .map(|w| fixed(if sum == 0.0 { *w } else { w / sum })),
            );
            axis.push(span, first, &rounded);
        }
        axis
    }

    /// Adds an output position whose weights begin at `first` of the padded picture.
    fn push(&mut self, span: &Span, first: usize, weights: &[i32]) {
        let sum = |part: &[i32]| part.iter().fold(0i32, |a, w| a.wrapping_add(*w));
        let end = first + weights.len();
        let real_first = first.max(span.lead).min(end);
        let real_end = end.min(span.lead + span.real).max(real_first);
        let inside = &weights[real_first - first..real_end - first];
        let total = sum(weights);
        self.windows.push(Window {
            start: real_first.saturating_sub(span.lead),
            len: inside.len(),
            at: self.weights.len(),
            outside: total.wrapping_sub(sum(inside)),
            total,
        });
        self.weights.extend_from_slice(inside);
        let padded = inside.len().next_multiple_of(LANES);
        self.weights
            .resize(self.weights.len() + padded - inside.len(), 0);
    }

    /// The output positions that see at least one real pixel: always one unbroken run.
    fn active(&self) -> Range<usize> {
        let first = self.windows.iter().position(|w| w.len > 0);
        let last = self.windows.iter().rposition(|w| w.len > 0);
        first
            .zip(last)
            .map_or(0..0, |(first, last)| first..last + 1)
    }

    /// The real pixels that the positions in `positions` look at.
    fn reach(&self, positions: Range<usize>) -> Range<usize> {
        let seen = || self.windows[positions.clone()].iter().filter(|w| w.len > 0);
        let first = seen().map(|w| w.start).min().unwrap_or(0);
        first..seen().map(|w| w.start + w.len).max().unwrap_or(first)
    }
}

/// Rounds a sum to a pixel.
fn clip(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

/// The horizontal pass, one row at a time.
struct Horizontal {
    axis: Axis,
    /// High and low part of every weight, so that a product fits the 16-bit multiply-add.
    high: Vec<i16>,
    low: Vec<i16>,
    /// Output columns that see the picture.
    active: Range<usize>,
    /// Real columns that are looked at.
    reach: Range<usize>,
    /// The colour around the picture.
    around: [u8; 3],
    /// What every output row is where only padding is seen.
    padding: Vec<u8>,
}

impl Horizontal {
    fn new(span: &Span, around: [u8; 3]) -> Self {
        let axis = Axis::new(span);
        let active = axis.active();
        let reach = axis.reach(active.clone());
        let padding = axis
            .windows
            .iter()
            .flat_map(|w| around.map(|v| clip(HALF.wrapping_add(w.total.wrapping_mul(v.into())))))
            .collect();
        // weight = high * 2^15 + low, with 0 <= low < 2^15 and |high| < 2^9.
        let high = axis.weights.iter().map(|w| (w >> SPLIT) as i16).collect();
        let low = axis
            .weights
            .iter()
            .map(|w| (w & ((1 << SPLIT) - 1)) as i16)
            .collect();
        Self {
            axis,
            high,
            low,
            active,
            reach,
            around,
            padding,
        }
    }

    /// Resizes the real pixels `row` (RGB) into the active columns of `out` (RGB).
    fn row(&self, row: &[u8], planes: &mut [Vec<i16>; 3], out: &mut [u8]) {
        let seen = &row[self.reach.start * 3..self.reach.end * 3];
        for (channel, plane) in planes.iter_mut().enumerate() {
            plane.clear();
            plane.extend(seen.iter().skip(channel).step_by(3).map(|v| i16::from(*v)));
            plane.resize(plane.len() + LANES, 0);
        }
        let windows = &self.axis.windows[self.active.clone()];
        for (window, pixel) in windows.iter().zip(out.as_chunks_mut::<3>().0) {
            let taps = window.len.next_multiple_of(LANES);
            let high = &self.high[window.at..window.at + taps];
            let low = &self.low[window.at..window.at + taps];
            let start = window.start - self.reach.start;
            for (channel, value) in pixel.iter_mut().enumerate() {
                let plane = &planes[channel][start..start + taps];
                let outside = window.outside.wrapping_mul(self.around[channel].into());
                let sum = dot(plane, high, low);
                *value = clip(sum.wrapping_add(outside).wrapping_add(HALF));
            }
        }
    }
}

/// `sum(pixels * weights)`, the weights in two parts; lengths are multiples of [`LANES`].
///
/// Written so that the compiler finds the pairwise 16-bit multiply-add that every x86-64 has;
/// a 32-bit multiply would need a later instruction set.
fn dot(pixels: &[i16], high: &[i16], low: &[i16]) -> i32 {
    let pair = |p: &[i16; LANES], w: &[i16; LANES], i: usize| {
        let product = |i: usize| i32::from(p[i]).wrapping_mul(i32::from(w[i]));
        product(2 * i).wrapping_add(product(2 * i + 1))
    };
    let (mut highs, mut lows) = ([0i32; LANES / 2], [0i32; LANES / 2]);
    let parts = high
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(low.as_chunks::<LANES>().0);
    for (p, (h, l)) in pixels.as_chunks::<LANES>().0.iter().zip(parts) {
        for i in 0..LANES / 2 {
            highs[i] = highs[i].wrapping_add(pair(p, h, i));
            lows[i] = lows[i].wrapping_add(pair(p, l, i));
        }
    }
    let total = |lanes: [i32; LANES / 2]| lanes.iter().fold(0i32, |a, v| a.wrapping_add(*v));
    (total(highs) << SPLIT).wrapping_add(total(lows))
}

/// Resizes `rgb`, a picture of `across.real` x `down.real` pixels that lies in padding of the
/// colour `around`, and returns the kept part: `down.kept * across.kept * 3` bytes.
pub(super) fn resize(rgb: &[u8], across: &Span, down: &Span, around: [u8; 3]) -> Vec<u8> {
    let horizontal = Horizontal::new(across, around);
    let vertical = Axis::new(down);
    let (width, height) = (across.kept.len(), down.kept.len());
    let mut out = vec![0u8; width * height * 3];
    let bands = if rgb.len() / 3 < PARALLEL_FROM {
        1
    } else {
        rayon::current_num_threads().clamp(1, MAX_BANDS)
    };
    let rows = height.div_ceil(bands).max(1);
    let source = Source {
        rgb,
        stride: across.real * 3,
    };
    out.par_chunks_mut((rows * width * 3).max(1))
        .enumerate()
        .for_each(|(index, band)| {
            let first = index * rows;
            let last = (first + rows).min(height);
            fill_band(&source, &horizontal, &vertical, first..last, band);
        });
    out
}

/// The rows of the picture.
struct Source<'a> {
    rgb: &'a [u8],
    stride: usize,
}

/// Computes the output rows `rows` into `band`, reading each input row once.
fn fill_band(
    source: &Source<'_>,
    horizontal: &Horizontal,
    vertical: &Axis,
    rows: Range<usize>,
    band: &mut [u8],
) {
    let row_len = horizontal.padding.len();
    let active = horizontal.active.start * 3..horizontal.active.end * 3;
    let mut sums = vec![HALF; rows.len() * row_len];
    for (window, sums) in vertical.windows[rows.clone()]
        .iter()
        .zip(sums.chunks_mut(row_len))
    {
        for (at, (sum, pad)) in sums.iter_mut().zip(&horizontal.padding).enumerate() {
            // Columns that never see the picture are the padding's value in every row.
            let weight = if active.contains(&at) {
                window.outside
            } else {
                window.total
            };
            *sum = sum.wrapping_add(weight.wrapping_mul((*pad).into()));
        }
    }
    let mut planes = [Vec::new(), Vec::new(), Vec::new()];
    let mut line = vec![0u8; active.len()];
    // Windows begin and end in order, so the rows that still need an input row are a run.
    let (mut open, mut close) = (rows.start, rows.start);
    for input in vertical.reach(rows.clone()) {
        let pixels = &source.rgb[input * source.stride..(input + 1) * source.stride];
        horizontal.row(pixels, &mut planes, &mut line);
        while close < rows.end
            && (vertical.windows[close].len == 0 || vertical.windows[close].start <= input)
        {
            close += 1;
        }
        while open < close && {
            let window = &vertical.windows[open];
            window.start + window.len <= input
        } {
            open += 1;
        }
        for row in open..close {
            let window = &vertical.windows[row];
            let Some(tap) = input
                .checked_sub(window.start)
                .filter(|tap| *tap < window.len)
            else {
                continue;
            };
            let weight = vertical.weights[window.at + tap];
            let from = (row - rows.start) * row_len;
            let sums = &mut sums[from + active.start..from + active.end];
            for (sum, value) in sums.iter_mut().zip(&line) {
                *sum = sum.wrapping_add(weight.wrapping_mul((*value).into()));
            }
        }
    }
    for (value, sum) in band.iter_mut().zip(&sums) {
        *value = clip(*sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(len: usize, resized: usize) -> Span {
        Span {
            padded: len,
            lead: 0,
            real: len,
            resized,
            kept: 0..resized,
        }
    }

    #[test]
    fn weights_sum_to_one_within_their_rounding() {
        for (len, resized) in [(1, 336), (2, 3), (337, 336), (4000, 336), (50_000, 84)] {
            for window in &Axis::new(&whole(len, resized)).windows {
                assert!((window.total - (1 << BITS)).unsigned_abs() as usize <= window.len);
            }
        }
    }

    #[test]
    fn same_size_is_the_same_picture() {
        let rgb: Vec<u8> = (0..7 * 5 * 3).map(|i| (i * 37 % 256) as u8).collect();
        assert_eq!(resize(&rgb, &whole(7, 7), &whole(5, 5), [0; 3]), rgb);
    }

    #[test]
    fn virtual_padding_equals_real_padding() {
        let around = [122, 116, 104];
        for (w, h, size) in [
            (9usize, 4usize, 6usize),
            (3, 17, 8),
            (2, 9, 9),
            (40, 31, 12),
            (1, 40, 3),
        ] {
            let rgb: Vec<u8> = (0..w * h * 3).map(|i| (i * 151 % 256) as u8).collect();
            let side = w.max(h);
            let (left, top) = ((side - w) / 2, (side - h) / 2);
            let mut padded: Vec<u8> = around
                .iter()
                .copied()
                .cycle()
                .take(side * side * 3)
                .collect();
            for y in 0..h {
                let at = ((y + top) * side + left) * 3;
                padded[at..at + w * 3].copy_from_slice(&rgb[y * w * 3..(y + 1) * w * 3]);
            }
            let expected = resize(&padded, &whole(side, size), &whole(side, size), [0; 3]);
            let span = |lead, real| Span {
                padded: side,
                lead,
                real,
                resized: size,
                kept: 0..size,
            };
            assert_eq!(
                resize(&rgb, &span(left, w), &span(top, h), around),
                expected
            );
        }
    }

    #[test]
    fn a_split_weight_multiplies_like_a_whole_one() {
        let weights = [
            1 << BITS,
            -(1 << 20),
            12_345,
            -1,
            0,
            4_789_000,
            -777_777,
            32_768,
        ];
        let pixels = [255i16, 0, 7, 255, 9, 201, 128, 1];
        let expected: i32 = weights
            .iter()
            .zip(pixels)
            .map(|(w, p)| w * i32::from(p))
            .sum();
        let high = weights.map(|w| (w >> SPLIT) as i16);
        let low = weights.map(|w| (w & 32_767) as i16);
        assert_eq!(dot(&pixels, &high, &low), expected);
    }
}
