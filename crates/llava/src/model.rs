//! The whole model: picture to features, and ragged batches of positions to logits.

mod whole;

use crate::cache::{KvCache, LayerCache};
use crate::checkpoint::{Checkpoint, Weights};
use crate::config::Config;
use crate::connector::Connector;
use crate::device::{self, DeviceChoice};
use crate::image::Preprocess;
use crate::language::LanguageModel;
use crate::ops::{CandleOps, HostOps, Ops, Segment};
use crate::vision::VisionTower;
use crate::watch::{Stage, Watch};
use crate::{Error, Result, Tokenizer};
use candle_core::{DType, Device, Tensor};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A picture after vision tower and connector: `(image_tokens, hidden)` rows of the language model.
#[derive(Clone)]
pub struct ImageFeatures {
    rows: Tensor,
    bytes: usize,
}

impl ImageFeatures {
    /// Positions the picture takes.
    pub fn len(&self) -> usize {
        self.rows.dims().first().copied().unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

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

impl Input {
    /// Positions in the run.
    pub fn len(&self) -> usize {
        match self {
            Self::Tokens(ids) => ids.len(),
            Self::Image { rows, .. } => rows.len(),
        }
    }

    /// Whether the run is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
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

impl Step<'_> {
    fn rows(&self) -> usize {
        self.input.iter().map(Input::len).sum()
    }
}

/// A loaded LLaVA-1.5 checkpoint.
pub struct Model {
    config: Config,
    preprocess: Preprocess,
    tokenizer: Tokenizer,
    weights: Weights,
    choice: DeviceChoice,
    ops: Box<dyn Ops>,
    vision: VisionTower,
    connector: Connector,
    language: LanguageModel,
}

impl Model {
    /// Opens the checkpoint at `path` (a folder in llava-hf layout, or GGUF files) on a device.
    pub fn load(path: &Path, device: DeviceChoice, watch: &dyn Watch) -> Result<Self> {
        // A device that is not there is said before anything is read.
        let (choice, device) = device::open(device)?;
        let checkpoint = Checkpoint::open(path)?;
        let ops: Box<dyn Ops> = match &device {
            Device::Cpu => Box::new(HostOps::for_weights(&checkpoint.weights)),
            device => Box::new(CandleOps {
                device: device.clone(),
                dtype: device_dtype(&checkpoint.weights),
            }),
        };
        Self::build(checkpoint, choice, ops, watch)
    }

    /// Builds the model over given operations: for training, and for tests that compare two kinds.
    pub fn build(
        checkpoint: Checkpoint,
        choice: DeviceChoice,
        ops: Box<dyn Ops>,
        watch: &dyn Watch,
    ) -> Result<Self> {
        let weights = checkpoint.weights.clone();
        let copied = choice != DeviceChoice::Cpu;
        // Copying to a card takes long, so the reading is reported first. Mapped weights are
        // checked first: what will not run should say so before gigabytes are read.
        if copied {
            weights.warm(watch)?;
        }
        let model = Self::assemble(checkpoint, choice, ops, watch)?;
        if !copied {
            weights.warm(watch)?;
        }
        Ok(model)
    }

    /// Finds and checks every tensor; on the processor nothing but norms and biases is read.
    pub(crate) fn assemble(
        checkpoint: Checkpoint,
        choice: DeviceChoice,
        ops: Box<dyn Ops>,
        watch: &dyn Watch,
    ) -> Result<Self> {
        watch.progress(Stage::Loading, 0, checkpoint.weights.file_bytes())?;
        Ok(Self {
            vision: VisionTower::load(&*ops, &checkpoint.weights, &checkpoint.config.vision)?,
            connector: Connector::load(&*ops, &checkpoint.weights, &checkpoint.config)?,
            language: LanguageModel::load(&*ops, &checkpoint)?,
            config: checkpoint.config,
            preprocess: checkpoint.preprocess,
            tokenizer: checkpoint.tokenizer,
            weights: checkpoint.weights,
            choice,
            ops,
        })
    }

    /// The checkpoint's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The checkpoint's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How pictures are prepared for this checkpoint.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The device's name as the contract writes it: `cpu`, `cuda:0`, `metal`.
    pub fn device_name(&self) -> String {
        self.choice.to_string()
    }

    /// Positions one picture takes (576 for LLaVA-1.5).
    pub fn image_tokens(&self) -> usize {
        self.config.vision.image_tokens()
    }

    /// Fails when a weight file was cut or replaced since loading; asked before each request.
    pub fn check_unchanged(&self) -> Result<()> {
        self.weights.check_unchanged()
    }

    /// Runs vision tower and connector on `(3, size, size)` pixels. Reports [`Stage::Seeing`] per block.
    pub fn see(&self, pixels: &[f32], watch: &dyn Watch) -> Result<ImageFeatures> {
        let side = self.config.vision.image_size;
        if pixels.len() != 3 * side * side {
            return Err(Error::Request(format!(
                "a picture of {} values came where 3 x {side} x {side} are needed",
                pixels.len()
            )));
        }
        let features = self.vision.forward(&*self.ops, pixels, watch)?;
        let rows = self.connector.forward(&*self.ops, &features)?;
        let bytes = rows.elem_count() * rows.dtype().size_in_bytes();
        Ok(ImageFeatures { rows, bytes })
    }

    /// A picture's features as `(image_tokens, hidden)` floats.
    pub fn features_to_host(&self, features: &ImageFeatures) -> Result<Vec<f32>> {
        self.ops.to_host(&features.rows)
    }

    /// An empty cache for a new sequence.
    pub fn new_cache(&self) -> KvCache {
        let heads = self.language.heads();
        KvCache::new(
            (0..self.language.layer_count())
                .map(|_| self.ops.new_cache(heads))
                .collect(),
        )
    }

    /// One forward pass over the new positions of several sequences. Returns, in the order of
    /// `steps`, the logits of each last position where asked (length: the tokenizer's pieces).
    ///
    /// The bits of a row do not depend on what else is in the batch or on chunking (CPU).
    /// `watch` is called per layer with [`Stage::Reading`], counting layers. On an error or
    /// interruption the caches are as they were before.
    pub fn forward(
        &self,
        steps: &mut [Step<'_>],
        watch: &dyn Watch,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let before: Vec<usize> = steps.iter().map(|s| s.cache.len()).collect();
        self.check(steps, &before)?;
        let result = self.run(steps, &before, watch);
        if result.is_err() {
            for (step, len) in steps.iter_mut().zip(before) {
                step.cache.truncate(len);
            }
        }
        result
    }

    fn check(&self, steps: &[Step<'_>], before: &[usize]) -> Result<()> {
        for (step, start) in steps.iter().zip(before) {
            if step.rows() == 0 {
                return Err(Error::Request(
                    "a sequence without new positions cannot be computed".into(),
                ));
            }
            let end = start + step.rows();
            if end > self.config.context {
                return Err(Error::ContextFull {
                    prompt: end,
                    answer: 0,
                    limit: self.config.context,
                });
            }
            for input in &step.input {
                if let Input::Image { features, rows } = input
                    && rows.end > features.len()
                {
                    return Err(Error::Request(
                        "a chunk reaches past its picture's features".into(),
                    ));
                }
            }
        }
        Ok(())
    }

    fn run(
        &self,
        steps: &mut [Step<'_>],
        before: &[usize],
        watch: &dyn Watch,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        let ops = &*self.ops;
        let layers = self.language.layer_count();
        let mut x = self.embed(steps)?;
        let positions = positions(steps, before);
        watch.progress(Stage::Reading, 0, layers as u64)?;
        for index in 0..layers {
            let mut segments = segments(steps, index);
            x = self
                .language
                .layer(ops, index, &x, &positions, &mut segments)?;
            watch.progress(Stage::Reading, index as u64 + 1, layers as u64)?;
        }
        self.last_logits(steps, &x)
    }

    /// The rows of all steps, one after the other: `(rows, hidden)`.
    fn embed(&self, steps: &[Step<'_>]) -> Result<Tensor> {
        let mut parts = Vec::new();
        for input in steps
            .iter()
            .flat_map(|s| &s.input)
            .filter(|i| !i.is_empty())
        {
            parts.push(match input {
                Input::Tokens(ids) => self.language.embed(&*self.ops, ids)?,
                Input::Image { features, rows } => {
                    features.rows.narrow(0, rows.start, rows.len())?
                }
            });
        }
        Ok(Tensor::cat(&parts, 0)?)
    }

    fn last_logits(&self, steps: &[Step<'_>], x: &Tensor) -> Result<Vec<Option<Vec<f32>>>> {
        let mut rows = Vec::new();
        let mut end = 0;
        for step in steps {
            end += step.rows();
            if step.logits {
                rows.push(x.narrow(0, end - 1, 1)?);
            }
        }
        if rows.is_empty() {
            return Ok(steps.iter().map(|_| None).collect());
        }
        let logits = self
            .ops
            .to_host(&self.language.logits(&*self.ops, &Tensor::cat(&rows, 0)?)?)?;
        // Padding rows of the table are random draws in the released files: they never leave here.
        let pieces = self.tokenizer.pieces().min(self.config.language.vocab_rows);
        let mut each = logits
            .chunks_exact(self.config.language.vocab_rows)
            .map(|row| row[..pieces].to_vec());
        Ok(steps
            .iter()
            .map(|s| if s.logits { each.next() } else { None })
            .collect())
    }
}

fn positions(steps: &[Step<'_>], before: &[usize]) -> Vec<u32> {
    steps
        .iter()
        .zip(before)
        .flat_map(|(step, &start)| (start..start + step.rows()).map(|p| p as u32))
        .collect()
}

fn segments<'a>(steps: &'a mut [Step<'_>], layer: usize) -> Vec<Segment<'a>> {
    steps
        .iter_mut()
        .map(|step| {
            let rows = step.rows();
            let cache: &mut LayerCache = &mut step.cache.layers[layer];
            Segment { rows, cache }
        })
        .collect()
}

/// Graphics cards compute 16-bit checkpoints in their own type, and quantised ones in f16.
fn device_dtype(weights: &Weights) -> DType {
    use crate::checkpoint::StoredType;
    use visavis_kernels::DType as Stored;
    let stored = weights
        .iter()
        .find(|(name, _)| name.ends_with("q_proj.weight"))
        .map(|(_, e)| e.stored);
    match stored {
        Some(StoredType::Float(Stored::F16)) => DType::F16,
        Some(StoredType::Float(Stored::BF16)) => DType::BF16,
        Some(StoredType::Float(stored)) if stored.is_quantised() => DType::F16,
        _ => DType::F32,
    }
}
