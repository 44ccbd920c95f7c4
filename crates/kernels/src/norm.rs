//! Normalisation over rows.

use crate::isa::Level;
use crate::pool;
use crate::simd::{Fold, Kernel, Map2, Simd, add_into, dispatch, fold, map2};
use crate::softmax::Sum;

/// `out = x / sqrt(mean(x^2) + eps) * weight` per row, for `x` and `out` (rows, cols) and
/// `weight` (cols). The root mean square norm of LLaMA.
///
/// # Panics
/// When lengths do not fit.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, cols: usize, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "input and output of a norm");
    assert_eq!(weight.len(), cols, "weight of a norm");
    let level = Level::current();
    pool::for_each_row(out, cols, 2, |row, out| {
        let x = &x[row * cols..][..cols];
        dispatch(
            level,
            Rms {
                x,
                weight,
                eps,
                out,
            },
        );
    });
}

/// `out = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias` per row, with the biased variance,
/// for `x` and `out` (rows, cols), `weight` and `bias` (cols).
///
/// # Panics
/// When lengths do not fit.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, cols: usize, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "input and output of a norm");
    assert!(
        weight.len() == cols && bias.len() == cols,
        "weight and bias of a norm"
    );
    let level = Level::current();
    pool::for_each_row(out, cols, 3, |row, out| {
        let x = &x[row * cols..][..cols];
        dispatch(
            level,
            Layer {
                x,
                weight,
                bias,
                eps,
                out,
            },
        );
    });
}

struct Rms<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for Rms<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mean = s.sum(fold(s, self.x, &Squares { from: 0.0 })) / self.x.len() as f32;
        let scale = 1.0 / (mean + self.eps).sqrt();
        map2(
            s,
            self.x,
            self.weight,
            self.out,
            &Normalise { from: 0.0, scale },
        );
    }
}

struct Layer<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for Layer<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let cols = self.x.len() as f32;
        let from = s.sum(fold(s, self.x, &Sum)) / cols;
        let variance = s.sum(fold(s, self.x, &Squares { from })) / cols;
        let scale = 1.0 / (variance + self.eps).sqrt();
        map2(s, self.x, self.weight, self.out, &Normalise { from, scale });
        add_into(s, self.out, self.bias);
    }
}

/// The sum of the squared distances from a value.
struct Squares {
    from: f32,
}

impl Fold for Squares {
    const START: f32 = 0.0;
    #[inline(always)]
    fn fill(&self) -> f32 {
        self.from
    }
    #[inline(always)]
    fn step<S: Simd>(&self, s: S, acc: S::V, x: S::V) -> S::V {
        let x = s.sub(x, s.splat(self.from));
        s.fma(x, x, acc)
    }
    #[inline(always)]
    fn join<S: Simd>(&self, s: S, a: S::V, b: S::V) -> S::V {
        s.add(a, b)
    }
}

/// `(x - from) * scale * weight`.
struct Normalise {
    from: f32,
    scale: f32,
}

impl Map2 for Normalise {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, x: S::V, weight: S::V) -> S::V {
        s.mul(
            s.mul(s.sub(x, s.splat(self.from)), s.splat(self.scale)),
            weight,
        )
    }
}
