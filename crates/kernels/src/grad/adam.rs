//! AdamW (Loshchilov and Hutter), in torch's order of operations, and the sums around it.

use crate::isa::Level;
use crate::pool;
use crate::simd::{Kernel, Simd, dispatch};

/// The numbers of one step of AdamW.
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// Learning rate.
    pub rate: f64,
    /// Decay of the mean gradient.
    pub beta1: f64,
    /// Decay of the mean squared gradient.
    pub beta2: f64,
    /// Added to the root.
    pub eps: f64,
    /// Share of the weight taken off, times the rate.
    pub weight_decay: f64,
    /// Number of this step, from 1.
    pub step: u64,
    /// The gradient is multiplied by this first (clipping).
    pub grad_scale: f32,
}

/// Values of a task.
const PIECE: usize = 16 << 10;

/// One step: changes the weights `p`, the mean gradient `m` and the mean square `v`.
///
/// # Panics
/// When the lengths differ.
pub fn adamw(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], step: &AdamStep) {
    let len = p.len();
    assert!(
        g.len() == len && m.len() == len && v.len() == len,
        "operands of AdamW"
    );
    let bias1 = 1.0 - step.beta1.powf(step.step as f64);
    let bias2 = 1.0 - step.beta2.powf(step.step as f64);
    let numbers = Numbers {
        keep: (1.0 - step.rate * step.weight_decay) as f32,
        grad_scale: step.grad_scale,
        beta2: step.beta2 as f32,
        rest1: (1.0 - step.beta1) as f32,
        rest2: (1.0 - step.beta2) as f32,
        root_bias2: bias2.sqrt() as f32,
        eps: step.eps as f32,
        step_size: (step.rate / bias1) as f32,
    };
    let level = Level::current();
    let pieces = p
        .chunks_mut(PIECE)
        .zip(m.chunks_mut(PIECE))
        .zip(v.chunks_mut(PIECE));
    for (((p, m), v), g) in pieces.zip(g.chunks(PIECE)) {
        dispatch(
            level,
            Adam {
                p,
                g,
                m,
                v,
                n: numbers,
            },
        );
    }
}

#[derive(Clone, Copy)]
struct Numbers {
    keep: f32,
    grad_scale: f32,
    beta2: f32,
    rest1: f32,
    rest2: f32,
    root_bias2: f32,
    eps: f32,
    step_size: f32,
}

struct Adam<'a> {
    p: &'a mut [f32],
    g: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    n: Numbers,
}

impl Kernel for Adam<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let n = self.n;
        for (((p, g), m), v) in self.p.iter_mut().zip(self.g).zip(self.m).zip(self.v) {
            let g = g * n.grad_scale;
            *m += (g - *m) * n.rest1;
            *v = *v * n.beta2 + g * g * n.rest2;
            let denominator = v.sqrt() / n.root_bias2 + n.eps;
            *p = *p * n.keep - n.step_size * (*m / denominator);
        }
    }
}

/// `x += scale * y`.
///
/// # Panics
/// When the lengths differ.
pub fn add_scaled(x: &mut [f32], y: &[f32], scale: f32) {
    assert_eq!(x.len(), y.len(), "operands of a sum");
    let level = Level::current();
    pool::for_each_piece(x, 1, |at, x| {
        let y = &y[at..][..x.len()];
        dispatch(level, AddScaled { x, y, scale });
    });
}

struct AddScaled<'a> {
    x: &'a mut [f32],
    y: &'a [f32],
    scale: f32,
}

impl Kernel for AddScaled<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (x, y) in self.x.iter_mut().zip(self.y) {
            *x += self.scale * y;
        }
    }
}

/// The sum of squares, in f64 and in a fixed order: the part of a norm that one tensor has.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    dispatch(Level::current(), Squares(x))
}

struct Squares<'a>(&'a [f32]);

impl Kernel for Squares<'_> {
    type Out = f64;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let mut chains = [0.0f64; 8];
        let (eights, rest) = self.0.as_chunks::<8>();
        for eight in eights {
            for (chain, x) in chains.iter_mut().zip(eight) {
                *chain += f64::from(*x) * f64::from(*x);
            }
        }
        for (chain, x) in chains.iter_mut().zip(rest) {
            *chain += f64::from(*x) * f64::from(*x);
        }
        chains.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_as_the_paper_writes_them() {
        let (rate, b1, b2, eps, decay) = (0.1, 0.9, 0.999, 1e-8, 0.05);
        let grads = [[0.3f32, -2.0, 0.0], [0.1, 1.0, -4.0]];
        let mut p = [1.0f32, -1.0, 2.0];
        let (mut m, mut v) = ([0.0f32; 3], [0.0f32; 3]);
        let mut exact: Vec<(f64, f64, f64)> = p.iter().map(|p| (f64::from(*p), 0.0, 0.0)).collect();
        for (t, g) in grads.iter().enumerate() {
            let step = AdamStep {
                rate,
                beta1: b1,
                beta2: b2,
                eps,
                weight_decay: decay,
                step: t as u64 + 1,
                grad_scale: 0.5,
            };
            adamw(&mut p, g, &mut m, &mut v, &step);
            for ((x, m, v), g) in exact.iter_mut().zip(g) {
                let g = f64::from(*g) * 0.5;
                let t = t as i32 + 1;
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                let (mhat, vhat) = (*m / (1.0 - b1.powi(t)), *v / (1.0 - b2.powi(t)));
                *x -= rate * decay * *x;
                *x -= rate * mhat / (vhat.sqrt() + eps);
            }
        }
        for (p, (x, ..)) in p.iter().zip(&exact) {
            assert!((f64::from(*p) - x).abs() < 1e-6, "{p} against {x}");
        }
    }

    #[test]
    fn squares_and_scaled_sums() {
        let x: Vec<f32> = (0..21).map(|i| i as f32).collect();
        assert_eq!(sum_of_squares(&x), 2870.0);
        let mut y = vec![1.0; 21];
        add_scaled(&mut y, &x, 2.0);
        assert!(
            y.iter()
                .enumerate()
                .all(|(i, y)| *y == 1.0 + 2.0 * i as f32)
        );
    }
}
