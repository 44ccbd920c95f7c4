//! Softmax of a row: of attention scores, and of anything else.

use crate::isa::Level;
use crate::math::exp;
use crate::pool;
use crate::simd::{Fold, Kernel, Map, Simd, dispatch, fold, map};

/// Softmax of each row of `x` (rows, cols) in place, with the maximum taken off first.
/// A NaN makes its whole row NaN.
///
/// # Panics
/// When `x` is not whole rows.
pub fn softmax_rows(x: &mut [f32], cols: usize) {
    let level = Level::current();
    // An exponential is about as much work as ten multiplications.
    pool::for_each_row(x, cols, 10, |_, row| dispatch(level, Softmax(row)));
}

struct Softmax<'a>(&'a mut [f32]);

impl Kernel for Softmax<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        softmax(s, self.0);
    }
}

/// Softmax of one row in place.
#[inline(always)]
pub(crate) fn softmax<S: Simd>(s: S, row: &mut [f32]) {
    let max = s.max_lane(fold(s, row, &Max));
    map(s, row, &ExpMinus(max));
    let sum = s.sum(fold(s, row, &Sum));
    map(s, row, &Times(1.0 / sum));
}

/// The largest value. NaN may be lost: it comes back in the exponentials.
struct Max;

impl Fold for Max {
    const START: f32 = f32::NEG_INFINITY;
    #[inline(always)]
    fn fill(&self) -> f32 {
        f32::NEG_INFINITY
    }
    #[inline(always)]
    fn step<S: Simd>(&self, s: S, acc: S::V, x: S::V) -> S::V {
        s.max(x, acc)
    }
    #[inline(always)]
    fn join<S: Simd>(&self, s: S, a: S::V, b: S::V) -> S::V {
        s.max(a, b)
    }
}

/// The sum.
pub(crate) struct Sum;

impl Fold for Sum {
    const START: f32 = 0.0;
    #[inline(always)]
    fn fill(&self) -> f32 {
        0.0
    }
    #[inline(always)]
    fn step<S: Simd>(&self, s: S, acc: S::V, x: S::V) -> S::V {
        s.add(acc, x)
    }
    #[inline(always)]
    fn join<S: Simd>(&self, s: S, a: S::V, b: S::V) -> S::V {
        s.add(a, b)
    }
}

struct ExpMinus(f32);

impl Map for ExpMinus {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, x: S::V) -> S::V {
        exp(s, s.sub(x, s.splat(self.0)))
    }
}

struct Times(f32);

impl Map for Times {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, x: S::V) -> S::V {
        s.mul(x, s.splat(self.0))
    }
}
