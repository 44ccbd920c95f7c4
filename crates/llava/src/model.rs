//! The whole model: picture to features, and ragged batches of positions to logits.

use crate::cache::KvCache;
use crate::config::Config;
use crate::device::DeviceChoice;
use crate::image::Preprocess;
use crate::{Result, Tokenizer, Watch};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A picture after vision tower and connector: `(image_tokens, hidden)` rows of the language model.
#[derive(Clone)]
pub struct ImageFeatures(pub(crate) candle_core::Tensor);

/// A run of consecutive positions of one sequence.
#[derive(Clone)]
pub enum Input {
    /// Vocabulary ids.
    Tokens(Vec<u32>),
    /// Rows of a picture's features.
    Image {
        /// The picture.
        features: Arc<ImageFeatures>,
        /// Which of its rows (a chunk may begin or end inside a picture).
        rows: Range<usize>,
    },
}

/// One sequence's part in a batched forward pass. The cache grows by the input's positions.
pub struct Step<'a> {
    /// The sequence's keys and values so far.
    pub cache: &'a mut KvCache,
    /// The positions to compute now, in order; at least one.
    pub input: Vec<Input>,
    /// Whether the last position's logits are wanted.
    pub logits: bool,
}

/// A loaded LLaVA-1.5 checkpoint.
pub struct Model {}

impl Model {
    /// Opens the checkpoint at `path` (a folder in llava-hf layout) on a device.
    pub fn load(_path: &Path, _device: DeviceChoice, _watch: &dyn Watch) -> Result<Self> {
        todo!()
    }

    /// The checkpoint's configuration.
    pub fn config(&self) -> &Config {
        todo!()
    }

    /// The checkpoint's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        todo!()
    }

    /// How pictures are prepared for this checkpoint.
    pub fn preprocess(&self) -> &Preprocess {
        todo!()
    }

    /// The device's name as the contract writes it: `cpu`, `cuda:0`, `metal`.
    pub fn device_name(&self) -> String {
        todo!()
    }

    /// Positions one picture takes (576 for LLaVA-1.5).
    pub fn image_tokens(&self) -> usize {
        todo!()
    }

    /// Runs vision tower and connector on `(3, size, size)` pixels. Reports `Stage::Seeing` per block.
    pub fn see(&self, _pixels: &[f32], _watch: &dyn Watch) -> Result<ImageFeatures> {
        todo!()
    }

    /// An empty cache for a new sequence.
    pub fn new_cache(&self) -> KvCache {
        todo!()
    }

    /// One forward pass over the new positions of several sequences. Returns, in the order of
    /// `steps`, the logits of each last position where asked (length: the tokenizer's pieces).
    ///
    /// The bits of a row do not depend on what else is in the batch or on chunking (CPU).
    /// `watch` is called per layer with `Stage::Reading`, counting layers. On an error or
    /// interruption the caches are as they were before.
    pub fn forward(
        &self,
        _steps: &mut [Step<'_>],
        _watch: &dyn Watch,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        todo!()
    }
}
