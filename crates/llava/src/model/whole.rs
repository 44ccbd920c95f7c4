//! The forward pass of whole sequences in its parts, for training.
//!
//! Training wants what answering does not: every row's logits, gradients through all of it, and
//! boundaries between the parts, where activations are forgotten and computed again. The parts
//! are the same functions that answering runs.

use super::Model;
use crate::ops::{Ops, Segment};
use crate::watch::Silent;
use crate::{Error, Result};
use candle_core::Tensor;

impl Model {
    /// What the model computes with.
    pub fn ops(&self) -> &dyn Ops {
        &*self.ops
    }

    /// Decoder layers.
    pub fn layers(&self) -> usize {
        self.language.layer_count()
    }

    /// The vision tower over `(pictures, 3, size, size)` pixels:
    /// `(pictures * image_tokens, vision hidden)`.
    ///
    /// # Errors
    /// When the pixels are not whole pictures.
    pub fn features(&self, pixels: &[f32]) -> Result<Tensor> {
        let side = self.config.vision.image_size;
        if pixels.is_empty() || !pixels.len().is_multiple_of(3 * side * side) {
            return Err(Error::Request(format!(
                "{} values are not whole pictures of 3 x {side} x {side}",
                pixels.len()
            )));
        }
        self.vision.forward(self.ops(), pixels, &Silent)
    }

    /// The connector: `(rows, vision hidden)` to `(rows, hidden)`.
    ///
    /// # Errors
    /// The device's.
    pub fn connect(&self, features: &Tensor) -> Result<Tensor> {
        self.connector.forward(self.ops(), features)
    }

    /// The token table's rows: `(ids, hidden)`.
    ///
    /// # Errors
    /// When an id is not in the table.
    pub fn embed_ids(&self, ids: &[u32]) -> Result<Tensor> {
        self.language.embed(self.ops(), ids)
    }

    /// One decoder layer over whole sequences of `lengths` rows, which lie one after the other:
    /// `(rows, hidden)` to `(rows, hidden)`.
    ///
    /// # Errors
    /// When a sequence is longer than the model's context.
    pub fn layer(&self, index: usize, x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        let positions: Vec<u32> = lengths
            .iter()
            .flat_map(|len| (0..*len).map(|p| p as u32))
            .collect();
        let heads = self.language.heads();
        let mut caches: Vec<_> = lengths.iter().map(|_| self.ops.new_cache(heads)).collect();
        let mut segments: Vec<Segment<'_>> = caches
            .iter_mut()
            .zip(lengths)
            .map(|(cache, &rows)| Segment { rows, cache })
            .collect();
        self.language
            .layer(self.ops(), index, x, &positions, &mut segments)
    }

    /// Rows after the last layer to logits: `(rows, hidden)` to `(rows, vocab rows)`, padding rows
    /// of the table included, as the reference trains them.
    ///
    /// # Errors
    /// The device's.
    pub fn row_logits(&self, x: &Tensor) -> Result<Tensor> {
        self.language.logits(self.ops(), x)
    }
}
