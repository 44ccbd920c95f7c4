//! What is in a checkpoint, whether it will run, and what it needs, without running it.

use super::{Checkpoint, WeightEntry};
use crate::config::Config;
use crate::ops::HostOps;
use crate::watch::Silent;
use crate::{Model, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A checkpoint in words and numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// `llava-hf safetensors, classic layout`.
    pub format: String,
    /// Element types of the weights and how many tensors have each.
    pub types: BTreeMap<String, usize>,
    /// Parameters that run (the unused last vision block is not counted).
    pub parameters: u64,
    /// Bytes of the weight files.
    pub bytes: u64,
    /// Each weight file and its bytes.
    pub files: Vec<(PathBuf, u64)>,
    /// The vision tower in words.
    pub vision: String,
    /// The connector in words.
    pub connector: String,
    /// The language model in words.
    pub language: String,
    /// Side of the square picture in pixels.
    pub image_size: usize,
    /// Positions one picture takes.
    pub image_tokens: usize,
    /// Positions a conversation may have.
    pub context: usize,
    /// Pieces of the tokenizer that can be answered with.
    pub vocabulary: usize,
    /// Bytes of memory a picture and an answer of 512 tokens need on the processor.
    pub memory_bytes: u64,
    /// Why it will not run; empty when it will.
    pub problems: Vec<String>,
}

/// Looks at the checkpoint at `path`. What keeps it from running is in `problems`; an error is
/// only what keeps it from being looked at.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let checkpoint = Checkpoint::open(path)?;
    let config = checkpoint.config.clone();
    let weights = &checkpoint.weights;
    let ops = HostOps::for_weights(weights);
    let mut inspection = Inspection {
        format: checkpoint.format.clone(),
        types: types(weights.iter().map(|(_, e)| e)),
        parameters: config.parameters(),
        bytes: weights.file_bytes(),
        files: weights.files(),
        vision: vision_words(&config),
        connector: connector_words(&config),
        language: language_words(&config),
        image_size: config.vision.image_size,
        image_tokens: config.vision.image_tokens(),
        context: config.context,
        vocabulary: checkpoint.tokenizer.pieces(),
        memory_bytes: memory(
            &config,
            weights.file_bytes(),
            if ops.half_cache { 2 } else { 4 },
        ),
        problems: Vec::new(),
    };
    // Building maps every tensor the model needs and checks its name, shape and type.
    let built = Model::assemble(
        checkpoint,
        crate::device::DeviceChoice::Cpu,
        Box::new(ops),
        &Silent,
    );
    if let Err(problem) = built {
        inspection.problems.push(problem.to_string());
    }
    Ok(inspection)
}

fn types<'a>(entries: impl Iterator<Item = &'a WeightEntry>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts.entry(entry.stored.name().to_owned()).or_insert(0) += 1;
    }
    counts
}

/// Files, a cache of one picture and 1,024 further positions, and working space of a chunk.
fn memory(config: &Config, file_bytes: u64, cache_element: usize) -> u64 {
    let positions = (config.vision.image_tokens() + 1024).min(config.context);
    let cache = positions * config.kv_bytes_per_position(cache_element);
    let widest = config
        .language
        .intermediate
        .max(config.vision.intermediate)
        .max(config.language.hidden);
    let working = 6 * 640 * widest * 4;
    file_bytes + (cache + working) as u64
}

fn vision_words(config: &Config) -> String {
    let v = &config.vision;
    format!(
        "CLIP ViT, {} of {} blocks, width {}, {} heads, {} x {} patches of {} pixels",
        v.blocks_run,
        v.layers,
        v.hidden,
        v.heads,
        v.grid(),
        v.grid(),
        v.patch_size
    )
}

fn connector_words(config: &Config) -> String {
    match config.connector.depth {
        1 => "linear".into(),
        n => format!("mlp{n}x_gelu"),
    }
}

fn language_words(config: &Config) -> String {
    let l = &config.language;
    format!(
        "LLaMA, {} layers, width {}, {} heads ({} for keys and values)",
        l.layers, l.hidden, l.heads, l.kv_heads
    )
}
