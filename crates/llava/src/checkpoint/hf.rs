//! llava-hf folders: config.json, preprocessor_config.json, tokenizer.json, safetensors.

use super::names::Layout;
use super::{Checkpoint, RopeLayout, processor, shards};
use crate::config::Config;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use std::path::Path;

/// Opens a llava-hf folder.
pub(super) fn open(folder: &Path) -> Result<Checkpoint> {
    let config_path = folder.join("config.json");
    if !config_path.exists() {
        return Err(Error::checkpoint(
            folder,
            "there is no config.json here, so this is not a model folder; \
             a LLaVA-1.5 model folder holds config.json, tokenizer.json and *.safetensors",
        ));
    }
    let config = Config::from_file(&config_path)?;
    let (weights, stored) = shards::open(folder)?;
    let layout = Layout::of(stored.iter().map(String::as_str));
    let tokenizer =
        Tokenizer::from_file(&folder.join("tokenizer.json"), config.language.vocab_rows)?;
    let preprocess = processor::open(folder, &config)?;
    Ok(Checkpoint {
        path: folder.to_owned(),
        config,
        preprocess,
        tokenizer,
        weights,
        rope: RopeLayout::Half,
        format: format!("llava-hf safetensors, {} layout", layout.name()),
    })
}
