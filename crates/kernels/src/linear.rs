//! The linear layer.

use crate::{KernelError, Matrix};

/// `y = x W^T + b` with the weight read where it lies.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Matrix,
    bias: Option<Vec<f32>>,
}

impl Linear {
    /// A layer of `weight` (out, in) and, if there is one, `bias` (out).
    ///
    /// # Errors
    /// When the bias has another length than the weight has rows.
    pub fn new(weight: Matrix, bias: Option<Vec<f32>>) -> Result<Self, KernelError> {
        if let Some(found) = bias.as_ref().map(Vec::len)
            && found != weight.rows()
        {
            let expected = weight.rows();
            return Err(KernelError::SizeMismatch {
                what: "bias",
                expected,
                found,
            });
        }
        Ok(Self { weight, bias })
    }

    /// The weight (out, in).
    pub fn weight(&self) -> &Matrix {
        &self.weight
    }

    /// The bias (out).
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// Length of an input row.
    pub fn in_features(&self) -> usize {
        self.weight.cols()
    }

    /// Length of an output row.
    pub fn out_features(&self) -> usize {
        self.weight.rows()
    }

    /// `y = x W^T + b` for `x` (rows, in) and `y` (rows, out).
    ///
    /// # Panics
    /// When the length of `x` or `y` does not fit.
    pub fn forward(&self, x: &[f32], rows: usize, y: &mut [f32]) {
        let (n, k) = (self.weight.rows(), self.weight.cols());
        assert_eq!(x.len(), rows * k, "input of a linear layer");
        assert_eq!(y.len(), rows * n, "output of a linear layer");
        if self.weight.dtype().is_quantised() {
            return crate::quant::forward(&self.weight, self.bias(), x, rows, y);
        }
        let mut w = vec![0.0; k];
        for j in 0..n {
            self.weight.row_to_f32(j, &mut w);
            for i in 0..rows {
                let dot: f32 = x[i * k..][..k].iter().zip(&w).map(|(a, b)| a * b).sum();
                y[i * n + j] = dot + self.bias.as_ref().map_or(0.0, |b| b[j]);
            }
        }
    }
}
