//! What the engine needs of a model, so that scheduling can be tested on a model of a few lines.

use crate::message::RequestPicture;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use visavis_llava::cache::KvCache;
use visavis_llava::device::DeviceChoice;
use visavis_llava::image::Picture;
use visavis_llava::{ImageFeatures, Input, Model, Result, Step, Tokenizer, Watch};

/// Opens checkpoints; lives on the engine thread.
pub(crate) trait Loader: Send + 'static {
    /// What it opens.
    type Backend: Backend;

    /// Opens the checkpoint at `path`, reporting bytes to `watch`.
    fn load(
        &mut self,
        path: &Path,
        device: DeviceChoice,
        watch: &dyn Watch,
    ) -> Result<Self::Backend>;
}

/// A sequence's keys and values, as far as the engine looks into them.
pub(crate) trait Cache {
    /// Positions held.
    fn len(&self) -> usize;
    /// Bytes of memory held.
    fn bytes(&self) -> usize;
    /// Forgets every position from `len` on.
    fn truncate(&mut self, len: usize);
}

/// A loaded model. The contract of each function is that of [`visavis_llava::Model`].
pub(crate) trait Backend: 'static {
    /// A sequence's keys and values.
    type Cache: Cache;
    /// A picture after vision tower and connector.
    type Features;

    /// `cpu`, `cuda:0`, `metal`.
    fn device_name(&self) -> String;
    /// Positions a sequence may have.
    fn context(&self) -> usize;
    /// Positions a picture takes.
    fn image_tokens(&self) -> usize;
    /// The checkpoint's tokenizer.
    fn tokenizer(&self) -> &Tokenizer;
    /// Fails when a file under the mapped weights was cut or replaced.
    fn check_unchanged(&self) -> Result<()>;
    /// Vision tower and connector on one picture.
    fn see(&self, picture: &RequestPicture, watch: &dyn Watch) -> Result<Self::Features>;
    /// An empty cache.
    fn new_cache(&self) -> Self::Cache;
    /// One pass over the new positions of several sequences; logits where a row asks for them.
    fn forward(
        &self,
        rows: &mut [Row<'_, Self::Cache, Self::Features>],
        watch: &dyn Watch,
    ) -> Result<Vec<Option<Vec<f32>>>>;
}

/// One sequence's part in a pass.
pub(crate) struct Row<'a, C, F> {
    /// Keys and values so far; grows by the input's positions.
    pub(crate) cache: &'a mut C,
    /// The positions to compute, in order.
    pub(crate) input: Vec<Piece<F>>,
    /// Whether the last position's logits are wanted.
    pub(crate) logits: bool,
}

/// A run of consecutive positions.
#[derive(Debug)]
pub(crate) enum Piece<F> {
    /// Vocabulary ids.
    Tokens(Vec<u32>),
    /// Rows of a picture's features.
    Image {
        /// The picture.
        features: Arc<F>,
        /// Which of its rows.
        rows: Range<usize>,
    },
}

/// Opens real checkpoints.
pub(crate) struct LlavaLoader;

impl Loader for LlavaLoader {
    type Backend = Model;

    fn load(&mut self, path: &Path, device: DeviceChoice, watch: &dyn Watch) -> Result<Model> {
        Model::load(path, device, watch)
    }
}

impl Cache for KvCache {
    fn len(&self) -> usize {
        KvCache::len(self)
    }

    fn bytes(&self) -> usize {
        KvCache::bytes(self)
    }

    fn truncate(&mut self, len: usize) {
        KvCache::truncate(self, len);
    }
}

impl Backend for Model {
    type Cache = KvCache;
    type Features = ImageFeatures;

    fn device_name(&self) -> String {
        Model::device_name(self)
    }

    fn context(&self) -> usize {
        self.config().context
    }

    fn image_tokens(&self) -> usize {
        Model::image_tokens(self)
    }

    fn tokenizer(&self) -> &Tokenizer {
        Model::tokenizer(self)
    }

    fn check_unchanged(&self) -> Result<()> {
        Model::check_unchanged(self)
    }

    fn see(&self, picture: &RequestPicture, watch: &dyn Watch) -> Result<ImageFeatures> {
        let picture = Picture {
            width: picture.width,
            height: picture.height,
            rgb: picture.rgb.as_ref().clone(),
        };
        Model::see(self, &self.preprocess().pixels(&picture), watch)
    }

    fn new_cache(&self) -> KvCache {
        Model::new_cache(self)
    }

    fn forward(
        &self,
        rows: &mut [Row<'_, KvCache, ImageFeatures>],
        watch: &dyn Watch,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        let mut steps: Vec<Step<'_>> = rows
            .iter_mut()
            .map(|row| Step {
                cache: &mut *row.cache,
                input: std::mem::take(&mut row.input)
                    .into_iter()
                    .map(Input::from)
                    .collect(),
                logits: row.logits,
            })
            .collect();
        Model::forward(self, &mut steps, watch)
    }
}

impl From<Piece<ImageFeatures>> for Input {
    fn from(piece: Piece<ImageFeatures>) -> Self {
        match piece {
            Piece::Tokens(ids) => Self::Tokens(ids),
            Piece::Image { features, rows } => Self::Image { features, rows },
        }
    }
}
