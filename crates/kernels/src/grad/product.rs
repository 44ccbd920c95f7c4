//! `out = a b` for matrices read with any strides, so that no operand is ever transposed in memory.

use crate::pool;
use gemm::Parallelism;

/// A matrix `(rows, cols)` in a slice.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    values: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> View<'a> {
    /// `(rows, cols)`, one row after the other.
    ///
    /// # Panics
    /// When the slice is too short.
    pub fn new(values: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(values, rows, cols, cols)
    }

    /// `(rows, cols)` with `stride` values from one row to the next.
    ///
    /// # Panics
    /// When the slice is too short.
    pub fn strided(values: &'a [f32], rows: usize, cols: usize, stride: usize) -> Self {
        let needed = extent(rows, cols, stride);
        assert!(values.len() >= needed, "values of a matrix");
        Self {
            values,
            rows,
            cols,
            row_stride: stride,
            col_stride: 1,
        }
    }

    /// The transposed matrix `(cols, rows)`.
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// Values from the first to the last element of a matrix, both included.
fn extent(rows: usize, cols: usize, stride: usize) -> usize {
    if rows == 0 || cols == 0 {
        return 0;
    }
    (rows - 1) * stride + cols
}

/// `out = scale * a b`, or with `add` `out += scale * a b`, for `a` (m, k), `b` (k, n) and `out`
/// (m, n) with `stride` values from one row to the next.
///
/// # Panics
/// When the sizes do not fit.
pub fn product(a: View<'_>, b: View<'_>, scale: f32, add: bool, out: &mut [f32], stride: usize) {
    assert!(out.len() >= extent(a.rows, b.cols, stride), "product");
    assert!(b.cols <= stride || a.rows <= 1, "rows of a product");
    let threads = pool::threads();
    let parallelism = match threads {
        0 | 1 => Parallelism::None,
        n => Parallelism::Rayon(n),
    };
    let mut call = || {
        // SAFETY: `out` holds the product, as asserted.
        unsafe { product_at(a, b, scale, add, out.as_mut_ptr(), stride, parallelism) }
    };
    if threads <= 1 {
        call();
    } else {
        pool::install(call);
    }
}

/// [`product`] to a pointer, on this thread alone unless told otherwise.
///
/// # Safety
/// `(m, n)` values, `stride` apart from row to row, can be written at `out` (and read, with `add`),
/// and nobody else touches them meanwhile.
pub(super) unsafe fn product_at(
    a: View<'_>,
    b: View<'_>,
    scale: f32,
    add: bool,
    out: *mut f32,
    stride: usize,
    parallelism: Parallelism,
) {
    assert_eq!(a.cols, b.rows, "inner sizes of a product");
    if a.rows == 0 || b.cols == 0 {
        return;
    }
    // SAFETY: the views were checked against their slices when they were made; `out` by contract.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out,
            1,
            stride as isize,
            add,
            a.values.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
        let mut out = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                out[i * n + j] = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
            }
        }
        out
    }

    #[test]
    fn every_orientation_gives_the_product() {
        let (m, k, n) = (7, 19, 11);
        let a: Vec<f32> = (0..m * k).map(|i| ((i * 37) % 23) as f32 - 11.0).collect();
        let b: Vec<f32> = (0..k * n).map(|i| ((i * 29) % 19) as f32 - 9.0).collect();
        let wide = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let exact = plain(&wide(&a), &wide(&b), m, k, n);
        let transposed = |v: &[f32], rows: usize, cols: usize| -> Vec<f32> {
            (0..rows * cols)
                .map(|i| v[(i % rows) * cols + i / rows])
                .collect()
        };
        let (at, bt) = (transposed(&a, m, k), transposed(&b, k, n));
        for a in [View::new(&a, m, k), View::new(&at, k, m).t()] {
            for b in [View::new(&b, k, n), View::new(&bt, n, k).t()] {
                let mut out = vec![1.0; m * n];
                product(a, b, 0.5, false, &mut out, n);
                product(a, b, 0.5, true, &mut out, n);
                // Whole numbers of this size are exact in f32.
                assert!(out.iter().zip(&exact).all(|(x, y)| f64::from(*x) == *y));
            }
        }
    }

    #[test]
    fn rows_may_lie_apart() {
        let a = [1.0, 2.0, 9.0, 3.0, 4.0];
        let b = [1.0, 0.0, 0.0, 1.0];
        let mut out = [7.0; 5];
        product(
            View::strided(&a, 2, 2, 3),
            View::new(&b, 2, 2),
            1.0,
            false,
            &mut out,
            3,
        );
        assert_eq!(out, [1.0, 2.0, 7.0, 3.0, 4.0]);
    }
}
