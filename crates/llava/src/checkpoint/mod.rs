//! Checkpoint formats: from a path to named, checked, memory-mapped weights.
//!
//! Every format ends in the same [`Checkpoint`]: weights under the names of llava-hf's classic
//! layout, whatever the file calls them. A further format is a further module with an `open`.

pub mod gguf;
mod hf;
mod inspect;
mod mapped;
mod memory;
mod names;
mod processor;
mod shards;
mod weights;

pub(crate) use processor::{CLIP_MEAN, CLIP_STD};

pub use inspect::{Inspection, inspect};
pub use weights::{StoredType, WeightEntry, Weights};

use crate::config::Config;
use crate::image::Preprocess;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// What a person who brings the original weights is told.
pub(crate) const ORIGINAL_LAYOUT: &str = "these are LLaVA-1.5 weights in the original layout (liuhaotian/llava-v1.5-*), \
     which has no vision tower in it; use the same model from llava-hf/llava-1.5-7b-hf or llava-hf/llava-1.5-13b-hf";

/// How rotary embeddings pair the elements of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeLayout {
    /// Element i with i + head_dim/2 (Hugging Face and original weights).
    Half,
    /// Element 2i with 2i + 1 (GGUF, whose q and k rows are permuted).
    Interleaved,
}

/// An opened checkpoint.
pub struct Checkpoint {
    /// The folder or file it was opened from.
    pub path: PathBuf,
    /// Its shape.
    pub config: Config,
    /// How pictures are prepared for it.
    pub preprocess: Preprocess,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Its weights.
    pub weights: Weights,
    /// How its q and k rows are ordered.
    pub rope: RopeLayout,
    /// What the files are, in words: `llava-hf safetensors, classic layout`.
    pub format: String,
}

impl Checkpoint {
    /// Opens the checkpoint at `path`: a folder, or any file in it.
    ///
    /// A GGUF file that is named is opened as such. In a folder safetensors come first, because
    /// they are the exact model; publishers of GGUF files often add a config.json to them.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = folder_of(path)?;
        if path.is_file() && gguf::is_gguf(path) {
            return gguf::open(path);
        }
        if !shards::any_in(&folder) && gguf::any_in(&folder) {
            return gguf::open(&folder);
        }
        hf::open(&folder)
    }
}

/// The checkpoint's folder: `path` itself, or the folder that the file `path` lies in.
pub(crate) fn folder_of(path: &Path) -> Result<PathBuf> {
    let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            Error::checkpoint(path, "there is no model here; check the path")
        }
        _ => Error::io(path, e),
    })?;
    if meta.is_dir() {
        return Ok(path.to_owned());
    }
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => Ok(p.to_owned()),
        _ => Ok(PathBuf::from(".")),
    }
}
