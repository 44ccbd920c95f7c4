//! LLaVA-1.5 in GGUF files, as llama.cpp and its relatives publish it: a language model and,
//! beside it, the vision tower with the connector ("mmproj").
//!
//! The features are computed as the paper's model computes them, from the stored blocks in full
//! and with the class token first, whatever other programs make of the same file. q and k rows
//! lie permuted, so rotary embeddings pair neighbouring elements ([`RopeLayout::Interleaved`]).

mod cursor;
mod file;
mod ggml_type;
mod header;
mod language;
mod meta;
mod pair;
mod value;
mod vision;
mod vocabulary;

pub(crate) use ggml_type::id_of;
pub(crate) use language::{
    LAYER_TENSORS as LANGUAGE_LAYER_TENSORS, OUTER_TENSORS as LANGUAGE_TENSORS,
};
pub(super) use pair::any_in;
pub(crate) use vision::{BLOCK_TENSORS as VISION_BLOCK_TENSORS, OUTER_TENSORS as VISION_TENSORS};

use super::weights::WeightEntry;
use super::{Checkpoint, RopeLayout, StoredType, Weights};
use crate::config::Config;
use crate::tokenizer::Tokenizer;
use crate::tokenizer::export::Exported;
use crate::{Error, Result};
use file::Gguf;
use meta::Meta;
use std::collections::BTreeMap;
use std::path::Path;
use visavis_kernels::DType;
use vision::Vision;

/// Whether `path` is a GGUF file: by its name, or by how it begins.
pub(super) fn is_gguf(path: &Path) -> bool {
    if pair::has_extension(path) {
        return true;
    }
    let mut magic = [0; 4];
    let read =
        std::fs::File::open(path).and_then(|mut f| std::io::Read::read_exact(&mut f, &mut magic));
    read.is_ok() && &magic == b"GGUF"
}

/// Opens the model at `path`: one of its files, or their folder.
pub(super) fn open(path: &Path) -> Result<Checkpoint> {
    let (language, vision) = pair::find(path)?;
    let tower = Vision::read(&vision.meta()).map_err(|why| vision.fault(why))?;
    let (decoder, context) =
        language::config(&language.meta()).map_err(|why| language.fault(why))?;
    if tower.width != decoder.hidden {
        return Err(vision.fault(format!(
            "this vision tower was made for a language model of width {}, but {} has width {}",
            tower.width,
            language.path().display(),
            decoder.hidden
        )));
    }
    let config = Config {
        vision: tower.config.clone(),
        connector: tower.connector.clone(),
        language: decoder,
        context,
    };
    config.check().map_err(|why| language.fault(why))?;
    let tokenizer = tokenizer(&language, config.language.vocab_rows)?;
    let mut entries = language_entries(&language, config.language.layers)?;
    let words = |part: &BTreeMap<String, WeightEntry>| main_type(part);
    let language_type = words(&entries);
    let seen = vision_entries(&vision, &tower)?;
    let format = format!(
        "GGUF, {language_type} language model, {} vision tower",
        words(&seen)
    );
    entries.extend(seen);
    Ok(Checkpoint {
        path: path.to_owned(),
        config,
        preprocess: tower.preprocess,
        tokenizer,
        weights: Weights {
            path: path.to_owned(),
            files: [language.parts, vision.parts].concat(),
            entries,
        },
        rope: RopeLayout::Interleaved,
        format,
    })
}

fn tokenizer(language: &Gguf, rows: usize) -> Result<Tokenizer> {
    let meta = language.meta();
    let vocabulary = vocabulary::read(&meta).map_err(|why| language.fault(why))?;
    Tokenizer::from_vocabulary(
        &vocabulary.pieces,
        &vocabulary.scores,
        &vocabulary.kinds,
        vocabulary.special,
        language.path(),
        rows,
    )
}

/// The vocabulary of the model at `path`, to be written into another file.
pub(crate) fn exported(path: &Path) -> Result<Exported> {
    let (language, _) = pair::find(path)?;
    vocabulary::exported(&language.meta()).map_err(|why| language.fault(why))
}

/// Every tensor under its llava-hf name. A tensor without one means that the file is of another
/// model, which would give wrong answers if it were left out.
fn language_entries(gguf: &Gguf, layers: usize) -> Result<BTreeMap<String, WeightEntry>> {
    let mut entries = BTreeMap::new();
    for (name, info) in &gguf.tensors {
        let entry = gguf.entry(name, info)?;
        if name == language::ROPE_FACTORS {
            if is_all_ones(&entry) {
                continue;
            }
            return Err(gguf.fault(
                "its rotary embedding is scaled, which LLaVA-1.5's is not; this is another model",
            ));
        }
        let canonical = language::canonical(name, layers);
        let canonical = canonical.ok_or_else(|| stranger(gguf, name, "language model"))?;
        entries.insert(canonical, entry);
    }
    Ok(entries)
}

fn vision_entries(gguf: &Gguf, tower: &Vision) -> Result<BTreeMap<String, WeightEntry>> {
    let mut entries = BTreeMap::new();
    for (name, info) in &gguf.tensors {
        let canonical = tower.canonical(name);
        let canonical = canonical.ok_or_else(|| stranger(gguf, name, "vision tower"))?;
        let Some(canonical) = canonical else {
            continue;
        };
        let mut entry = gguf.entry(name, info)?;
        // Some files give the class token and the vectors dimensions of 1.
        if name == "v.class_embd" {
            entry.shape = vec![entry.shape.iter().product()];
        }
        entries.insert(canonical, entry);
    }
    Ok(entries)
}

fn stranger(gguf: &Gguf, name: &str, what: &str) -> Error {
    gguf.fault(format!(
        "it holds a tensor {name:?}, which LLaVA-1.5's {what} does not have; this is another model, \
         and Visavis does not run it"
    ))
}

fn is_all_ones(entry: &WeightEntry) -> bool {
    let bytes = entry.file.bytes();
    let bytes = bytes.get(entry.offset..entry.offset + entry.bytes);
    entry.stored == StoredType::Float(DType::F32)
        && bytes.is_some_and(|b| {
            b.as_chunks::<4>()
                .0
                .iter()
                .all(|v| *v == 1f32.to_le_bytes())
        })
}

/// The type that most of the bytes have.
fn main_type(entries: &BTreeMap<String, WeightEntry>) -> &'static str {
    let mut bytes: BTreeMap<&'static str, usize> = BTreeMap::new();
    for entry in entries.values() {
        *bytes.entry(entry.stored.name()).or_default() += entry.bytes;
    }
    bytes
        .into_iter()
        .max_by_key(|(_, bytes)| *bytes)
        .map_or("empty", |(name, _)| name)
}

/// Checks the bytes of a GGUF file as opening it does, up to the weights themselves: the header,
/// then the settings and the vocabulary of whichever half of a model it is. For files of unknown
/// origin, and for fuzzing.
///
/// # Errors
/// A sentence that says what is wrong, without the file's name.
pub fn check_bytes(bytes: &[u8]) -> std::result::Result<(), String> {
    let header = header::parse(bytes)?;
    let meta = Meta {
        bytes,
        values: &header.values,
        tensors: &header.tensors,
    };
    match language::architecture(&meta)? {
        "llama" => {
            let (config, _) = language::config(&meta)?;
            let vocabulary = vocabulary::read(&meta)?;
            Tokenizer::from_vocabulary(
                &vocabulary.pieces,
                &vocabulary.scores,
                &vocabulary.kinds,
                vocabulary.special,
                Path::new("these bytes"),
                config.vocab_rows,
            )
            .map_err(|e| e.to_string())?;
        }
        "clip" => {
            let tower = Vision::read(&meta)?;
            for name in header.tensors.keys() {
                tower.canonical(name);
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
