//! The linear layer over quantised weights, by way of f32: right on every machine, and what the
//! fast kernels are compared with.

use crate::{Matrix, pool};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Rows of the weight that one task decodes.
const PANEL: usize = 32;
/// Partial sums of a dot product. Part of the definition of the result.
const LANES: usize = 16;

/// `y = x W^T + b`; lengths were checked by the caller.
pub(crate) fn forward(
    weight: &Matrix,
    bias: Option<&[f32]>,
    x: &[f32],
    rows: usize,
    y: &mut [f32],
) {
    let (n, k) = (weight.rows(), weight.cols());
    let panel = |first: usize| {
        let last = (first + PANEL).min(n);
        let mut w = vec![0.0; k];
        let mut out = Vec::with_capacity((last - first) * rows);
        for j in first..last {
            weight.row_to_f32(j, &mut w);
            let bias = bias.map_or(0.0, |b| b[j]);
            out.extend((0..rows).map(|i| dot(&x[i * k..][..k], &w) + bias));
        }
        (first, out)
    };
    let panels: Vec<(usize, Vec<f32>)> = pool::install(|| {
        (0..n.div_ceil(PANEL))
            .into_par_iter()
            .map(|p| panel(p * PANEL))
            .collect()
    });
    for (first, out) in panels {
        for (j, column) in out.chunks_exact(rows.max(1)).enumerate() {
            for (i, value) in column.iter().enumerate() {
                y[i * n + first + j] = *value;
            }
        }
    }
}

/// One fixed sequence of operations, whatever is computed beside it.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
