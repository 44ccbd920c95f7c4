//! Derivatives of the norms.

use super::pointwise::each_block;
use crate::isa::Level;
use crate::pool;
use crate::simd::{Kernel, Simd, dispatch};

/// Derivatives of [`crate::rms_norm`] for `x`, `dy` and `dx` (rows, cols): writes `dx`, and adds
/// to the weight's gradient `dw` (cols) if it is wanted.
///
/// # Panics
/// When lengths do not fit.
pub fn rms_norm_backward(
    x: &[f32],
    weight: &[f32],
    eps: f32,
    dy: &[f32],
    dx: &mut [f32],
    dw: Option<&mut [f32]>,
) {
    let norm = Norm {
        x,
        weight,
        eps,
        dy,
        centred: false,
    };
    norm.backward(dx, dw, None);
}

/// Derivatives of [`crate::layer_norm`]: writes `dx`, and adds to the gradients of weight and bias
/// if they are wanted.
///
/// # Panics
/// When lengths do not fit.
pub fn layer_norm_backward(
    x: &[f32],
    weight: &[f32],
    eps: f32,
    dy: &[f32],
    dx: &mut [f32],
    parameters: Option<(&mut [f32], &mut [f32])>,
) {
    let norm = Norm {
        x,
        weight,
        eps,
        dy,
        centred: true,
    };
    let (dw, db) = parameters.unzip();
    norm.backward(dx, dw, db);
}

#[derive(Clone, Copy)]
struct Norm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    dy: &'a [f32],
    /// Whether the mean is taken off.
    centred: bool,
}

/// What a row was normalised with.
#[derive(Clone, Copy, Default)]
struct Moments {
    mean: f32,
    scale: f32,
}

impl Norm<'_> {
    fn backward(self, dx: &mut [f32], dw: Option<&mut [f32]>, db: Option<&mut [f32]>) {
        let cols = self.weight.len();
        assert!(cols > 0 && self.x.len().is_multiple_of(cols), "whole rows");
        assert!(
            self.dy.len() == self.x.len() && dx.len() == self.x.len(),
            "operands of a norm"
        );
        let level = Level::current();
        pool::for_each_row(dx, cols, 6, |row, dx| {
            dispatch(
                level,
                Row {
                    norm: self,
                    row,
                    dx,
                },
            );
        });
        let Some(dw) = dw else { return };
        assert_eq!(dw.len(), cols, "weight of a norm");
        let rows = self.x.len() / cols;
        let moments: Vec<Moments> = (0..rows)
            .map(|row| dispatch(level, RowMoments { norm: self, row }))
            .collect();
        let moments = &moments;
        each_block(dw, 4 * self.x.len(), |first, dw| {
            dispatch(
                level,
                WeightGrad {
                    norm: self,
                    moments,
                    first,
                    dw,
                },
            );
        });
        if let Some(db) = db {
            super::sum_rows(self.dy, db);
        }
    }

    #[inline(always)]
    fn row<'b>(&self, values: &'b [f32], row: usize) -> &'b [f32] {
        let cols = self.weight.len();
        &values[row * cols..][..cols]
    }

    #[inline(always)]
    fn moments(&self, row: usize) -> Moments {
        let x = self.row(self.x, row);
        let n = x.len() as f32;
        let mean = if self.centred { sum(x, |x| x) / n } else { 0.0 };
        let variance = sum(x, |x| (x - mean) * (x - mean)) / n;
        Moments {
            mean,
            scale: 1.0 / (variance + self.eps).sqrt(),
        }
    }
}

/// A sum in eight chains, which the compiler makes a vector of.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut chains = [0.0f32; 8];
    let (eights, rest) = x.as_chunks::<8>();
    for eight in eights {
        for (chain, x) in chains.iter_mut().zip(eight) {
            *chain += f(*x);
        }
    }
    for (chain, x) in chains.iter_mut().zip(rest) {
        *chain += f(*x);
    }
    chains.iter().sum()
}

/// As [`sum`], of a function of three rows.
#[inline(always)]
fn sum3(x: &[f32], y: &[f32], z: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut chains = [0.0f32; 8];
    let ((xs, xr), (ys, yr), (zs, zr)) =
        (x.as_chunks::<8>(), y.as_chunks::<8>(), z.as_chunks::<8>());
    for ((x, y), z) in xs.iter().zip(ys).zip(zs) {
        for (((chain, x), y), z) in chains.iter_mut().zip(x).zip(y).zip(z) {
            *chain += f(*x, *y, *z);
        }
    }
    for (((chain, x), y), z) in chains.iter_mut().zip(xr).zip(yr).zip(zr) {
        *chain += f(*x, *y, *z);
    }
    chains.iter().sum()
}

struct RowMoments<'a> {
    norm: Norm<'a>,
    row: usize,
}

impl Kernel for RowMoments<'_> {
    type Out = Moments;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Moments {
        self.norm.moments(self.row)
    }
}

/// `dx = scale * (g - mean(g) - xhat * mean(g * xhat))` with `g = dy * weight`; without centring
/// the mean of g stays in.
struct Row<'a, 'b> {
    norm: Norm<'a>,
    row: usize,
    dx: &'b mut [f32],
}

impl Kernel for Row<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let norm = self.norm;
        let Moments { mean, scale } = norm.moments(self.row);
        let (x, dy, w) = (
            norm.row(norm.x, self.row),
            norm.row(norm.dy, self.row),
            norm.weight,
        );
        let n = x.len() as f32;
        let along = sum3(x, dy, w, |x, dy, w| (x - mean) * (dy * w)) * scale / n;
        let level = if norm.centred {
            sum3(x, dy, w, |_, dy, w| dy * w) / n
        } else {
            0.0
        };
        for (((dx, x), dy), w) in self.dx.iter_mut().zip(x).zip(dy).zip(w) {
            *dx = scale * (dy * w - level - (x - mean) * scale * along);
        }
    }
}

struct WeightGrad<'a, 'b> {
    norm: Norm<'a>,
    moments: &'a [Moments],
    first: usize,
    dw: &'b mut [f32],
}

impl Kernel for WeightGrad<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let n = self.dw.len();
        for (row, m) in self.moments.iter().enumerate() {
            let x = &self.norm.row(self.norm.x, row)[self.first..][..n];
            let dy = &self.norm.row(self.norm.dy, row)[self.first..][..n];
            for ((dw, x), dy) in self.dw.iter_mut().zip(x).zip(dy) {
                *dw += dy * ((x - m.mean) * m.scale);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLS: usize = 13;
    const ROWS: usize = 3;

    fn values(seed: usize, n: usize) -> Vec<f64> {
        (0..n)
            .map(|i| (((i * 7 + seed * 13) % 29) as f64 - 14.0) / 9.0)
            .collect()
    }

    /// `sum(dy * norm(x))` in f64.
    fn value(x: &[f64], w: &[f64], b: &[f64], dy: &[f64], centred: bool) -> f64 {
        let mut total = 0.0;
        for (x, dy) in x.chunks(COLS).zip(dy.chunks(COLS)) {
            let mean = if centred {
                x.iter().sum::<f64>() / COLS as f64
            } else {
                0.0
            };
            let var = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / COLS as f64;
            let scale = 1.0 / (var + 1e-5).sqrt();
            for c in 0..COLS {
                total += dy[c] * ((x[c] - mean) * scale * w[c] + b[c]);
            }
        }
        total
    }

    fn numeric(at: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let mut x = at.to_vec();
        (0..x.len())
            .map(|i| {
                let keep = x[i];
                x[i] = keep + 1e-6;
                let up = f(&x);
                x[i] = keep - 1e-6;
                let down = f(&x);
                x[i] = keep;
                (up - down) / 2e-6
            })
            .collect()
    }

    fn assert_near(ours: &[f32], exact: &[f64]) {
        let largest = exact.iter().fold(0.0f64, |m, e| m.max(e.abs()));
        assert!(largest > 0.1);
        for (o, e) in ours.iter().zip(exact) {
            assert!(
                (f64::from(*o) - e).abs() < 1e-5 * largest,
                "{o} against {e}"
            );
        }
    }

    #[test]
    fn slopes_of_both_norms() {
        let (x, dy) = (values(1, ROWS * COLS), values(2, ROWS * COLS));
        let (w, b) = (values(3, COLS), values(4, COLS));
        let narrow = |v: &[f64]| v.iter().map(|x| *x as f32).collect::<Vec<_>>();
        let (xs, dys, ws) = (narrow(&x), narrow(&dy), narrow(&w));
        let zero = vec![0.0; COLS];
        let mut dx = vec![0.0; xs.len()];
        let (mut dw, mut db) = (vec![0.0; COLS], vec![0.0; COLS]);
        rms_norm_backward(&xs, &ws, 1e-5, &dys, &mut dx, Some(&mut dw));
        assert_near(&dx, &numeric(&x, |x| value(x, &w, &zero, &dy, false)));
        assert_near(&dw, &numeric(&w, |w| value(&x, w, &zero, &dy, false)));
        dw.fill(0.0);
        layer_norm_backward(&xs, &ws, 1e-5, &dys, &mut dx, Some((&mut dw, &mut db)));
        assert_near(&dx, &numeric(&x, |x| value(x, &w, &b, &dy, true)));
        assert_near(&dw, &numeric(&w, |w| value(&x, w, &b, &dy, true)));
        assert_near(&db, &numeric(&b, |b| value(&x, &w, b, &dy, true)));
    }
}
