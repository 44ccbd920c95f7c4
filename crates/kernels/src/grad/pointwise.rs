//! Derivatives of the activations, and sums over rows.

use crate::isa::Level;
use crate::math::{erf, exp, sigmoid};
use crate::pool;
use crate::simd::{Kernel, Simd, dispatch};
use std::f32::consts::FRAC_1_SQRT_2;

/// Values worked on at a time: what fits the first-level cache several times over.
const PIECE: usize = 2048;

/// A function of `I` vectors with `O` results.
pub(super) trait Function<const I: usize, const O: usize>: Sync {
    fn apply<S: Simd>(&self, s: S, x: [S::V; I]) -> [S::V; O];
}

/// `outputs = f(inputs)`, all of one length.
pub(super) fn apply<F: Function<I, O>, const I: usize, const O: usize>(
    inputs: [&[f32]; I],
    outputs: [&mut [f32]; O],
    f: &F,
) {
    let len = outputs.first().map_or(0, |o| o.len());
    assert!(
        inputs.iter().all(|x| x.len() == len) && outputs.iter().all(|x| x.len() == len),
        "operands of one length"
    );
    let outputs = &Outputs(outputs.map(<[f32]>::as_mut_ptr));
    let level = Level::current();
    // An exponential is about as much work as ten multiplications.
    pool::for_each(len.div_ceil(PIECE), len * 10, |piece| {
        let from = piece * PIECE;
        let len = PIECE.min(len - from);
        let inputs = inputs.map(|x| &x[from..from + len]);
        // SAFETY: inside every output; pieces are disjoint.
        let outputs = outputs
            .0
            .map(|p| unsafe { std::slice::from_raw_parts_mut(p.add(from), len) });
        dispatch(level, Piece { inputs, outputs, f });
    });
}

struct Outputs<const O: usize>([*mut f32; O]);

// SAFETY: exclusively borrowed while `apply` runs, whose tasks write disjoint pieces.
unsafe impl<const O: usize> Sync for Outputs<O> {}

struct Piece<'a, F, const I: usize, const O: usize> {
    inputs: [&'a [f32]; I],
    outputs: [&'a mut [f32]; O],
    f: &'a F,
}

impl<F: Function<I, O>, const I: usize, const O: usize> Kernel for Piece<'_, F, I, O> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Some(len) = self.outputs.first().map(|o| o.len()) else {
            return;
        };
        let inputs = self.inputs.map(<[f32]>::as_ptr);
        let outputs = self.outputs.map(<[f32]>::as_mut_ptr);
        let whole = len - len % S::LANES;
        let mut at = 0;
        while at < whole {
            // SAFETY: at + LANES <= len, the length of every operand, as asserted in `apply`.
            unsafe {
                let y = self.f.apply(s, inputs.map(|p| s.load(p.add(at))));
                for (out, y) in outputs.into_iter().zip(y) {
                    s.store(out.add(at), y);
                }
            }
            at += S::LANES;
        }
        let rest = len - whole;
        if rest > 0 {
            // SAFETY: the last `rest` < LANES values of every operand.
            unsafe {
                let y = self
                    .f
                    .apply(s, inputs.map(|p| s.load_part(p.add(at), rest)));
                for (out, y) in outputs.into_iter().zip(y) {
                    s.store_part(out.add(at), y, rest);
                }
            }
        }
    }
}

/// The derivative of [`crate::quick_gelu`]: `dx` from its input `x` and the result's gradient `dy`.
///
/// # Panics
/// When the lengths differ.
pub fn quick_gelu_backward(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    apply([x, dy], [dx], &QuickGelu);
}

/// The derivative of [`crate::gelu_erf`].
///
/// # Panics
/// When the lengths differ.
pub fn gelu_erf_backward(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    apply([x, dy], [dx], &GeluErf);
}

/// The derivatives of [`crate::silu_mul`] by `gate` and `up`.
///
/// # Panics
/// When the lengths differ.
pub fn silu_mul_backward(gate: &[f32], up: &[f32], dy: &[f32], dgate: &mut [f32], dup: &mut [f32]) {
    apply([gate, up, dy], [dgate, dup], &SiluMul);
}

/// Adds the rows of `x` (rows, cols) to `out` (cols): the gradient of a bias.
///
/// # Panics
/// When `x` is not whole rows.
pub fn sum_rows(x: &[f32], out: &mut [f32]) {
    let cols = out.len();
    assert!(cols > 0 && x.len().is_multiple_of(cols), "whole rows");
    let level = Level::current();
    each_block(out, x.len(), |first, out| {
        dispatch(
            level,
            SumRows {
                x,
                cols,
                first,
                out,
            },
        );
    });
}

/// Calls `f` with blocks of columns of `out` and where each begins; `cost` is the work in all.
pub(super) fn each_block(
    out: &mut [f32],
    cost: usize,
    f: impl Fn(usize, &mut [f32]) + Send + Sync,
) {
    /// Columns summed at a time: four cache lines of each row.
    const COLUMNS: usize = 64;
    let len = out.len();
    let outputs = Outputs([out.as_mut_ptr()]);
    let outputs = &outputs;
    pool::for_each(len.div_ceil(COLUMNS), cost, |block| {
        let first = block * COLUMNS;
        let [out] = outputs.0;
        // SAFETY: inside `out`, which is borrowed here; blocks are disjoint.
        let out =
            unsafe { std::slice::from_raw_parts_mut(out.add(first), COLUMNS.min(len - first)) };
        f(first, out);
    });
}

struct SumRows<'a> {
    x: &'a [f32],
    cols: usize,
    first: usize,
    out: &'a mut [f32],
}

impl Kernel for SumRows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for row in self.x.chunks_exact(self.cols) {
            let row = &row[self.first..][..self.out.len()];
            for (sum, x) in self.out.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

struct QuickGelu;

impl Function<2, 1> for QuickGelu {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x, dy]: [S::V; 2]) -> [S::V; 1] {
        // g(1 + ax(1 - g)) with g = sigmoid(ax)
        let ax = s.mul(x, s.splat(1.702));
        let g = sigmoid(s, ax);
        let slope = s.fma(s.mul(ax, s.sub(s.splat(1.0), g)), g, g);
        [s.mul(dy, slope)]
    }
}

struct GeluErf;

impl Function<2, 1> for GeluErf {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x, dy]: [S::V; 2]) -> [S::V; 1] {
        // Phi(x) + x phi(x)
        let area = s.add(erf(s, s.mul(x, s.splat(FRAC_1_SQRT_2))), s.splat(1.0));
        let density = exp(s, s.mul(s.mul(x, x), s.splat(-0.5)));
        let density = s.mul(density, s.splat(0.398_942_3));
        let slope = s.fma(x, density, s.mul(area, s.splat(0.5)));
        [s.mul(dy, slope)]
    }
}

struct SiluMul;

impl Function<3, 2> for SiluMul {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [gate, up, dy]: [S::V; 3]) -> [S::V; 2] {
        let g = sigmoid(s, gate);
        let silu = s.mul(gate, g);
        // g(1 + gate(1 - g)) = g + silu(1 - g)
        let slope = s.fma(silu, s.sub(s.splat(1.0), g), g);
        [s.mul(s.mul(dy, up), slope), s.mul(dy, silu)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slope by central differences in f64.
    fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
        (f(x + 1e-5) - f(x - 1e-5)) / 2e-5
    }

    fn inputs() -> Vec<f32> {
        (-333..=333).map(|i| i as f32 * 0.03).collect()
    }

    fn assert_near(ours: &[f32], exact: impl Fn(f64) -> f64) {
        for (x, y) in inputs().iter().zip(ours) {
            let e = exact(f64::from(*x));
            assert!(
                (f64::from(*y) - e).abs() < 2e-6 * e.abs().max(1.0),
                "{x}: {y} against {e}"
            );
        }
    }

    fn erf64(x: f64) -> f64 {
        // Simpson's rule; enough for 1e-10 on this range.
        let n = 2000;
        let h = x / f64::from(n);
        let f = |t: f64| (-t * t).exp() * std::f64::consts::FRAC_2_SQRT_PI;
        (0..n)
            .map(|i| {
                let a = f64::from(i) * h;
                (f(a) + 4.0 * f(a + h / 2.0) + f(a + h)) * h / 6.0
            })
            .sum()
    }

    #[test]
    fn slopes_of_the_activations() {
        let x = inputs();
        let dy = vec![1.0; x.len()];
        let mut dx = vec![0.0; x.len()];
        quick_gelu_backward(&x, &dy, &mut dx);
        assert_near(&dx, |x| slope(|x| x / (1.0 + (-1.702 * x).exp()), x));
        gelu_erf_backward(&x, &dy, &mut dx);
        let gelu = |x: f64| x / 2.0 * (1.0 + erf64(x * std::f64::consts::FRAC_1_SQRT_2));
        assert_near(&dx, |x| slope(gelu, x));
        let up = vec![1.5; x.len()];
        let mut dup = vec![0.0; x.len()];
        silu_mul_backward(&x, &up, &dy, &mut dx, &mut dup);
        let silu = |x: f64| x / (1.0 + (-x).exp());
        assert_near(&dx, |x| 1.5 * slope(silu, x));
        assert_near(&dup, silu);
    }

    #[test]
    fn rows_are_summed_column_by_column() {
        for cols in [1, 5, 64, 130, 192] {
            let x: Vec<f32> = (0..7 * cols).map(|i| i as f32).collect();
            let mut out = vec![1.0; cols];
            sum_rows(&x, &mut out);
            for (c, sum) in out.iter().enumerate() {
                let exact: usize = (0..7).map(|r| r * cols + c).sum();
                assert_eq!(*sum, 1.0 + exact as f32, "{cols}");
            }
        }
    }
}
