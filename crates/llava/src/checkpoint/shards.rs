//! safetensors files: one, or several behind an index.

use super::mapped::MappedFile;
use super::names::canonical;
use super::weights::{StoredType, WeightEntry, Weights};
use crate::{Error, Result};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use visavis_kernels::DType;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Maps the weights of a llava-hf folder. Also returns the names as stored.
pub(super) fn open(folder: &Path) -> Result<(Weights, Vec<String>)> {
    let mut weights = Weights {
        path: folder.to_owned(),
        files: Vec::new(),
        entries: BTreeMap::new(),
    };
    let mut stored = Vec::new();
    for path in files(folder)? {
        let file = Arc::new(MappedFile::open(&path)?);
        for entry in read_header(&file)? {
            stored.push(entry.stored_name.clone());
            if let Some(twice) = weights.entries.insert(canonical(&entry.stored_name), entry) {
                return Err(Error::checkpoint(
                    &path,
                    format!("the tensor {} is there twice", twice.stored_name),
                ));
            }
        }
        weights.files.push(file);
    }
    Ok((weights, stored))
}

/// Whether there are safetensors weights in a folder.
pub(super) fn any_in(folder: &Path) -> bool {
    folder.join(SINGLE).exists() || folder.join(INDEX).exists()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let single = folder.join(SINGLE);
    if single.exists() {
        return Ok(vec![single]);
    }
    let index_path = folder.join(INDEX);
    if !index_path.exists() {
        return Err(Error::checkpoint(folder, no_weights(folder)));
    }
    let text = std::fs::read_to_string(&index_path).map_err(|e| Error::io(&index_path, e))?;
    let index: Index = serde_json::from_str(&text).map_err(|e| {
        Error::checkpoint(
            &index_path,
            format!("not a readable index ({e}); download it again"),
        )
    })?;
    let names: BTreeSet<&String> = index.weight_map.values().collect();
    if names.is_empty() {
        return Err(Error::checkpoint(
            &index_path,
            "the index names no files; download it again",
        ));
    }
    names
        .into_iter()
        .map(|name| shard(folder, &index_path, name))
        .collect()
}

/// A shard's path. The name comes from a file of unknown origin: only a plain name is taken.
fn shard(folder: &Path, index: &Path, name: &str) -> Result<PathBuf> {
    let mut parts = Path::new(name).components();
    if !matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    ) {
        return Err(Error::checkpoint(
            index,
            format!("names the file {name:?}, which is not a plain file name"),
        ));
    }
    let path = folder.join(name);
    if !path.exists() {
        return Err(Error::checkpoint(
            &path,
            "this part of the model is missing; download the model again",
        ));
    }
    Ok(path)
}

fn no_weights(folder: &Path) -> String {
    let names: Vec<String> = std::fs::read_dir(folder)
        .map(|dir| {
            dir.flatten()
                .map(|e| e.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    let is_bin = |n: &String| {
        n.ends_with(".bin") && (n.starts_with("pytorch_model") || n.starts_with("mm_projector"))
    };
    if names.iter().any(is_bin) {
        return super::ORIGINAL_LAYOUT.into();
    }
    format!("there are no weights here ({SINGLE} or {INDEX}); download the model again")
}

/// Reads and checks one file's header.
fn read_header(file: &Arc<MappedFile>) -> Result<Vec<WeightEntry>> {
    let damaged = |why: String| {
        Error::checkpoint(
            file.path(),
            format!("the file is damaged or incomplete ({why}); download it again"),
        )
    };
    let (header, metadata) =
        SafeTensors::read_metadata(file.bytes()).map_err(|e| damaged(e.to_string()))?;
    let start = header + 8;
    let expected = start + metadata.data_len();
    if expected != file.len() {
        return Err(damaged(format!(
            "its header promises {expected} bytes, it has {}",
            file.len()
        )));
    }
    let mut entries = Vec::new();
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        entries.push(WeightEntry {
            file: file.clone(),
            stored_name: name,
            stored: stored_type(info.dtype),
            shape: info.shape.clone(),
            offset: start + from,
            bytes: to - from,
        });
    }
    Ok(entries)
}

fn stored_type(dtype: Dtype) -> StoredType {
    match dtype {
        Dtype::F32 => StoredType::Float(DType::F32),
        Dtype::F16 => StoredType::Float(DType::F16),
        Dtype::BF16 => StoredType::Float(DType::BF16),
        Dtype::F64 => StoredType::Other("F64"),
        Dtype::I8 => StoredType::Other("I8"),
        Dtype::U8 => StoredType::Other("U8"),
        Dtype::I64 => StoredType::Other("I64"),
        _ => StoredType::Other("an unusual type"),
    }
}
