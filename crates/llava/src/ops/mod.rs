//! The seam between the model's structure and the arithmetic that runs it.
//!
//! The forward passes are written once, over [`Ops`]: mapped weights with our own row-invariant
//! kernels on the processor ([`HostOps`]), candle's tensors and kernels on a graphics card
//! ([`CandleOps`]), and differentiable operations in training (candle's fused norm, softmax and
//! rope carry no gradient).
//!
//! Activations are tensors of shape `(rows, width)`: the positions of all sequences of a batch
//! one after the other, without padding.

mod candle;
mod host;

pub use candle::CandleOps;
pub use host::HostOps;

use crate::Result;
use crate::cache::LayerCache;
use crate::checkpoint::{RopeLayout, Weights};
use candle_core::Tensor;
use std::sync::Arc;
use visavis_kernels::RopeTable;

/// A linear layer's weight `(out, in)` and bias, or an embedding table `(rows, width)`.
pub enum Weight {
    /// In a mapped file, read where it lies.
    Mapped(visavis_kernels::Linear),
    /// A tensor on a device, or a trainable variable.
    Tensor {
        /// `(out, in)`.
        weight: Tensor,
        /// `(out)`.
        bias: Option<Tensor>,
    },
    /// A weight and a low-rank update on top of it, kept apart (LoRA).
    Adapted {
        /// The weight `(out, in)`.
        base: Box<Weight>,
        /// `(rank, in)`.
        down: Box<Weight>,
        /// `(out, rank)`.
        up: Box<Weight>,
        /// The update is multiplied by this.
        scale: f64,
    },
}

/// Heads of an attention layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub query: usize,
    /// Key and value heads; divides `query`.
    pub kv: usize,
    /// Width of a head.
    pub dim: usize,
}

/// The consecutive rows of a batch that belong to one sequence.
pub struct Segment<'a> {
    /// Rows in the batch.
    pub rows: usize,
    /// What the sequence has computed before; grows by `rows`.
    pub cache: &'a mut LayerCache,
}

/// The operations of the forward passes. Shapes in, shapes out; errors are the device's.
pub trait Ops: Send + Sync {
    /// Takes a weight from a checkpoint: `(out, in)`, with its bias if it has one.
    fn load(&self, weights: &Weights, name: &str, shape: &[usize], bias: bool) -> Result<Weight>;

    /// Takes a vector (norm weight, bias, class embedding) from a checkpoint.
    fn load_vector(&self, weights: &Weights, name: &str, len: usize) -> Result<Tensor>;

    /// Takes a table `(rows, width)` that is added, not multiplied (position embedding).
    fn load_table(
        &self,
        weights: &Weights,
        name: &str,
        rows: usize,
        width: usize,
    ) -> Result<Tensor>;

    /// An activation from host data, `(rows, width)`.
    fn activation(&self, data: Vec<f32>, rows: usize, width: usize) -> Result<Tensor>;

    /// An empty cache for one layer of one sequence.
    fn new_cache(&self, heads: Heads) -> LayerCache;

    /// Rows of a table, `(ids, width)`.
    fn embed(&self, table: &Weight, ids: &[u32]) -> Result<Tensor>;

    /// `x W^T + b`: `(rows, in)` to `(rows, out)`.
    fn linear(&self, x: &Tensor, weight: &Weight) -> Result<Tensor>;

    /// `x / sqrt(mean(x^2) + eps) * weight` per row.
    fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor>;

    /// `(x - mean) / sqrt(variance + eps) * weight + bias` per row.
    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor>;

    /// `x * sigmoid(1.702 x)` (CLIP's MLP).
    fn quick_gelu(&self, x: &Tensor) -> Result<Tensor>;

    /// Exact erf GELU (the connector).
    fn gelu(&self, x: &Tensor) -> Result<Tensor>;

    /// `silu(gate) * up` (LLaMA's MLP).
    fn silu_mul(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor>;

    /// `a + b`, same shape.
    fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor>;

    /// Rotary embedding of `(rows, heads * dim)`; `positions` has one entry a row.
    fn rope(&self, x: &Tensor, dim: usize, rope: &Rope, positions: &[u32]) -> Result<Tensor>;

    /// Causal attention of each segment over its cache and itself; appends k and v to the caches.
    /// q is `(rows, query * dim)`, k and v `(rows, kv * dim)`.
    fn attend(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        heads: Heads,
        segments: &mut [Segment<'_>],
    ) -> Result<Tensor>;

    /// Unmasked self-attention inside each of `parts` runs of rows, equally long (the vision
    /// tower; a part is a picture).
    fn attend_all(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        heads: Heads,
        parts: usize,
    ) -> Result<Tensor>;

    /// The class token before each picture's patches, positions added to both:
    /// `(pictures * patches, hidden)` to `(pictures * (patches + 1), hidden)`; class is `(hidden)`,
    /// positions `(patches + 1, hidden)`.
    fn join_class(
        &self,
        patches: &Tensor,
        class: &Tensor,
        positions: &Tensor,
        pictures: usize,
    ) -> Result<Tensor> {
        let (each, width) = positions.dims2()?;
        let patches = patches.reshape((pictures, each - 1, width))?;
        let class = class
            .reshape((1, 1, width))?
            .broadcast_as((pictures, 1, width))?;
        let x = Tensor::cat(&[&class, &patches], 1)?.broadcast_add(positions)?;
        Ok(x.reshape((pictures * each, width))?)
    }

    /// Each picture's rows without the first: `(pictures * positions, hidden)` to
    /// `(pictures * (positions - 1), hidden)`.
    fn drop_class(&self, x: &Tensor, pictures: usize) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let each = rows / pictures.max(1);
        let x = x.reshape((pictures, each, width))?;
        let x = x.narrow(1, 1, each.saturating_sub(1))?.contiguous()?;
        Ok(x.reshape((rows - pictures, width))?)
    }

    /// A result as host data, rows in order.
    fn to_host(&self, x: &Tensor) -> Result<Vec<f32>>;
}

/// `base(x) + scale * up(down(x))`: what [`Ops::linear`] does with a [`Weight::Adapted`].
pub fn adapted(
    ops: &dyn Ops,
    x: &Tensor,
    base: &Weight,
    [down, up]: [&Weight; 2],
    scale: f64,
) -> Result<Tensor> {
    let update = ops.linear(&ops.linear(x, down)?, up)?;
    ops.add(&ops.linear(x, base)?, &(update * scale)?)
}

/// A checkpoint's rotary embedding.
pub struct Rope {
    /// Cosines and sines by position.
    pub table: Arc<RopeTable>,
    /// How elements are paired.
    pub layout: RopeLayout,
}
