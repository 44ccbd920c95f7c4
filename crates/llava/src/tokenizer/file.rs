//! Reading `tokenizer.json`: the pieces, merges and markers of a SentencePiece-like BPE.
//!
//! The file's own pipeline (normaliser, pre-tokenizer, decoder) is not run, only checked to be
//! one of those that stand for SentencePiece; see the module above.

use super::{Marker, Parts, fault};
use crate::{Error, Result};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// Far above any LLaMA tokenizer (4 MB), far below what would trouble the memory.
const LARGEST_FILE: u64 = 64 << 20;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: HashMap<String, u32>,
    #[serde(default)]
    merges: Vec<Merge>,
    unk_token: Option<String>,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
}

/// `"l r"` in older files, `["l", "r"]` in newer ones.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Line(String),
    Pair(String, String),
}

pub(super) fn read(path: &Path) -> Result<Parts> {
    let size = std::fs::metadata(path)
        .map_err(|e| Error::io(path, e))?
        .len();
    if size > LARGEST_FILE {
        return Err(fault(
            path,
            format!("{size} bytes is too large for a tokenizer"),
        ));
    }
    let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let file: File = serde_json::from_slice(&text).map_err(|e| {
        fault(
            path,
            format!("not a tokenizer.json of a LLaMA model, or damaged ({e}); fetch it again"),
        )
    })?;
    check_kind(&file, path)?;
    let markers: Vec<Marker> = file
        .added_tokens
        .into_iter()
        .map(|t| Marker {
            // A file may repeat a piece under another number; the vocabulary's number counts.
            id: file.model.vocab.get(&t.content).copied().unwrap_or(t.id),
            special: t.special || ["<s>", "</s>", "<unk>"].contains(&t.content.as_str()),
            content: t.content,
        })
        .collect();
    assemble(file.model, markers, path)
}

fn assemble(model: Model, mut markers: Vec<Marker>, path: &Path) -> Result<Parts> {
    let unknown = model.unk_token.or_else(|| {
        let usual = "<unk>".to_owned();
        model.vocab.contains_key(&usual).then_some(usual)
    });
    let mut special = |content: &str| -> Option<u32> {
        let listed = markers.iter().find(|m| m.content == content).map(|m| m.id);
        let id = listed.or_else(|| model.vocab.get(content).copied())?;
        if listed.is_none() {
            markers.push(Marker {
                content: content.to_owned(),
                id,
                special: true,
            });
        }
        Some(id)
    };
    if let Some(unknown) = &unknown {
        special(unknown);
    }
    let [bos, eos] = ["<s>", "</s>"].map(|content| {
        special(content).ok_or_else(|| {
            let message = format!(
                "it has no {content} piece, so it is not the tokenizer of a LLaVA-1.5 model; \
                 use the one that came with the model"
            );
            fault(path, message)
        })
    });
    let (bos, eos) = (bos?, eos?);
    let merges = model
        .merges
        .into_iter()
        .map(|merge| match merge {
            Merge::Pair(left, right) => Ok((left, right)),
            Merge::Line(line) => line
                .split_once(' ')
                .map(|(left, right)| (left.to_owned(), right.to_owned()))
                .ok_or_else(|| fault(path, format!("damaged: {line:?} is no merge"))),
        })
        .collect::<Result<_>>()?;
    Ok(Parts {
        vocabulary: model.vocab.into_iter().collect(),
        merges,
        markers,
        bos,
        eos,
        unknown,
        fuse_unknown: model.fuse_unk,
        byte_fallback: model.byte_fallback,
    })
}

fn check_kind(file: &File, path: &Path) -> Result<()> {
    let wrong = |what: String| {
        fault(
            path,
            format!(
                "{what}, so it is not the tokenizer of a LLaVA-1.5 model; use the one that came with the model"
            ),
        )
    };
    if let Some(kind) = file.model.kind.as_deref().filter(|kind| *kind != "BPE") {
        return Err(wrong(format!("its model is {kind}, not BPE")));
    }
    let steps = [
        ("normalizer", &file.normalizer),
        ("pre_tokenizer", &file.pre_tokenizer),
    ];
    for (name, step) in steps {
        if let Some(kind) = step.as_ref().and_then(first_foreign) {
            return Err(wrong(format!("its {name} is {kind}")));
        }
    }
    Ok(())
}

/// The first step of a pipeline that SentencePiece's identity normalisation does not know.
fn first_foreign(step: &Value) -> Option<String> {
    let kind = step.get("type").and_then(Value::as_str).unwrap_or_default();
    let content = |key: &str| step.get(key).and_then(Value::as_str);
    match kind {
        "Sequence" => ["normalizers", "pretokenizers"]
            .iter()
            .filter_map(|key| step.get(key).and_then(Value::as_array))
            .flatten()
            .find_map(first_foreign),
        "Prepend" if content("prepend") == Some("▁") => None,
        "Metaspace" if content("replacement") == Some("▁") => None,
        "Replace"
            if step.pointer("/pattern/String").and_then(Value::as_str) == Some(" ")
                && content("content") == Some("▁") =>
        {
            None
        }
        _ if step.is_null() => None,
        other => Some(if other.is_empty() {
            "unknown".to_owned()
        } else {
            other.to_owned()
        }),
    }
}
