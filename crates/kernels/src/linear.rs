//! The linear layer.

use crate::simd::{Bf16, F16, F32};
use crate::{DType, KernelError, Matrix, gemm, quant};

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
        match self.weight.dtype() {
            DType::F32 => gemm::forward::<F32>(&self.weight, self.bias(), x, rows, y),
            DType::F16 => gemm::forward::<F16>(&self.weight, self.bias(), x, rows, y),
            DType::BF16 => gemm::forward::<Bf16>(&self.weight, self.bias(), x, rows, y),
            _ => quant::forward(&self.weight, self.bias(), x, rows, y),
        }
    }
}
