//! A loaded tiny model beside what the reference computed from it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use visavis_llava::cache::KvCache;
use visavis_llava::checkpoint::Checkpoint;
use visavis_llava::device::DeviceChoice;
use visavis_llava::ops::CandleOps;
use visavis_llava::watch::Silent;
use visavis_llava::{ImageFeatures, Input, Model, Step};
use visavis_testkit::golden::{self, Golden, IMAGE, Run};
use visavis_testkit::{TinyModel, formula, presets};

pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) golden: Golden,
    pub(crate) model: Model,
    seen: RefCell<BTreeMap<u64, Arc<ImageFeatures>>>,
    _folder: TinyModel,
}

/// Loads the preset `name` on the processor.
pub(crate) fn load(name: &str) -> Loaded {
    load_with(name, |path| Model::load(path, DeviceChoice::Cpu, &Silent))
}

/// Loads the preset `name` over candle's tensors and kernels: what a graphics card runs.
pub(crate) fn load_on_candle(name: &str) -> Loaded {
    load_with(name, |path| {
        let ops = CandleOps {
            device: candle_core::Device::Cpu,
            dtype: candle_core::DType::F32,
        };
        Model::build(
            Checkpoint::open(path)?,
            DeviceChoice::Cpu,
            Box::new(ops),
            &Silent,
        )
    })
}

fn load_with(name: &str, open: impl FnOnce(&Path) -> visavis_llava::Result<Model>) -> Loaded {
    let folder = TinyModel::preset(name);
    let model = open(folder.path()).unwrap_or_else(|e| panic!("{name}: {e}"));
    with_model(name, model, folder)
}

/// `model`, made from the preset `name`, beside what the reference computed from that.
pub(crate) fn with_model(name: &str, model: Model, folder: TinyModel) -> Loaded {
    Loaded {
        name: name.to_owned(),
        golden: golden::load(name),
        model,
        seen: RefCell::default(),
        _folder: folder,
    }
}

/// Runs `check` on every preset.
pub(crate) fn each_preset(check: impl Fn(&Loaded)) {
    for spec in presets() {
        check(&load(&spec.name));
    }
}

impl Loaded {
    pub(crate) fn see(&self, picture: u64) -> Arc<ImageFeatures> {
        let mut seen = self.seen.borrow_mut();
        let features = seen.entry(picture).or_insert_with(|| {
            let pixels = formula::pixels(self.golden.spec.vision.image_size, picture);
            Arc::new(self.model.see(&pixels, &Silent).expect("features"))
        });
        features.clone()
    }

    /// A run's prompt as the model takes it.
    pub(crate) fn prompt(&self, run: &Run) -> Vec<Input> {
        let mut pictures = run.pictures.iter();
        let mut inputs: Vec<Input> = Vec::new();
        for &id in &run.ids {
            if id == IMAGE {
                let features = self.see(*pictures.next().expect("a picture"));
                let rows = 0..features.len();
                inputs.push(Input::Image { features, rows });
                continue;
            }
            let id = u32::try_from(id).expect("an id");
            match inputs.last_mut() {
                Some(Input::Tokens(ids)) => ids.push(id),
                _ => inputs.push(Input::Tokens(vec![id])),
            }
        }
        inputs
    }

    /// Computes `input` on top of `cache`; the last position's logits.
    pub(crate) fn forward(&self, cache: &mut KvCache, input: Vec<Input>) -> Vec<f32> {
        let step = Step {
            cache,
            input,
            logits: true,
        };
        let mut logits = self
            .model
            .forward(&mut [step], &Silent)
            .expect("a forward pass");
        logits.pop().flatten().expect("logits")
    }

    /// As [`Self::forward`], in chunks of `size` positions.
    pub(crate) fn forward_chunked(
        &self,
        cache: &mut KvCache,
        input: Vec<Input>,
        size: usize,
    ) -> Vec<f32> {
        let chunks = chunked(input, size);
        let last = chunks.len() - 1;
        let mut out = Vec::new();
        for (i, input) in chunks.into_iter().enumerate() {
            let step = Step {
                cache: &mut *cache,
                input,
                logits: i == last,
            };
            let mut logits = self.model.forward(&mut [step], &Silent).expect("a chunk");
            match logits.pop().flatten() {
                Some(row) => out = row,
                None => assert!(i < last, "the last chunk's logits were asked for"),
            }
        }
        out
    }

    /// Logits after a run's prompt, from an empty cache in one pass; and the cache.
    pub(crate) fn plain(&self, run: &Run) -> (KvCache, Vec<f32>) {
        let mut cache = self.model.new_cache();
        let logits = self.forward(&mut cache, self.prompt(run));
        (cache, logits)
    }
}

pub(crate) fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (i, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = i;
        }
    }
    best as u32
}

pub(crate) fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|v| v.to_bits()).collect()
}

pub(crate) fn positions(input: &[Input]) -> usize {
    input.iter().map(Input::len).sum()
}

/// The first `count` positions, and the rest.
pub(crate) fn split(input: Vec<Input>, count: usize) -> (Vec<Input>, Vec<Input>) {
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    let mut room = count;
    for part in input {
        let take = room.min(part.len());
        room -= take;
        let (first, second) = match part {
            Input::Tokens(mut ids) => {
                let rest = ids.split_off(take);
                (Input::Tokens(ids), Input::Tokens(rest))
            }
            Input::Image { features, rows } => {
                let middle = rows.start + take;
                let first = Input::Image {
                    features: features.clone(),
                    rows: rows.start..middle,
                };
                (
                    first,
                    Input::Image {
                        features,
                        rows: middle..rows.end,
                    },
                )
            }
        };
        head.extend((!first.is_empty()).then_some(first));
        tail.extend((!second.is_empty()).then_some(second));
    }
    (head, tail)
}

fn chunked(mut input: Vec<Input>, size: usize) -> Vec<Vec<Input>> {
    let mut chunks = Vec::new();
    while !input.is_empty() {
        let (head, tail) = split(input, size);
        chunks.push(head);
        input = tail;
    }
    chunks
}
