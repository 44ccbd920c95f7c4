//! A model as the world reads it: a llava-hf folder that appears whole or not at all.

use crate::ops::Parameter;
use crate::{Error, Result};
use safetensors::tensor::{Dtype, View};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use visavis_kernels::{DType, Matrix};
use visavis_llava::checkpoint::{StoredType, WeightEntry, Weights};

/// Values as they are stored.
pub enum Stored {
    /// 32-bit.
    F32(Vec<f32>),
    /// Any type, as bytes.
    Raw(Dtype, Vec<u8>),
    /// Where they lie in another checkpoint's file.
    Mapped(Dtype, Matrix),
}

/// A tensor to write.
pub struct Tensor {
    /// llava-hf's classic name.
    pub name: String,
    /// Outermost first.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Stored,
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        match &self.values {
            Stored::F32(_) => Dtype::F32,
            Stored::Raw(dtype, _) | Stored::Mapped(dtype, _) => *dtype,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.values {
            Stored::F32(values) => values
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect::<Vec<u8>>()
                .into(),
            Stored::Raw(_, bytes) => bytes.into(),
            Stored::Mapped(_, matrix) => matrix.data().into(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.values {
            Stored::F32(values) => values.len() * 4,
            Stored::Raw(_, bytes) => bytes.len(),
            Stored::Mapped(_, matrix) => matrix.data().len(),
        }
    }
}

/// Bytes of a weight file; a larger model gets several behind an index.
const SHARD: usize = 5_000_000_000;

/// Writes a model folder: JSON files, files copied as they are, and weights. What was there under
/// the name is replaced in one move; a half-written folder never has the name.
///
/// # Errors
/// A file cannot be read or written.
pub fn write(
    folder: &Path,
    json: &[(&str, Value)],
    copied: &[PathBuf],
    tensors: &[Tensor],
) -> Result<()> {
    replace(folder, |part| {
        for (name, value) in json {
            let text = format!("{value:#}\n");
            write_file(&part.join(name), text.as_bytes())?;
        }
        for from in copied {
            let name = from.file_name().unwrap_or_default();
            let bytes = std::fs::read(from).map_err(|e| Error::read(from, e))?;
            write_file(&part.join(name), &bytes)?;
        }
        weights(part, tensors)
    })
}

/// Fills a folder beside `folder` and then gives it its name.
pub(crate) fn replace(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (part, old) = (beside(folder, "part"), beside(folder, "old"));
    recover(folder)?;
    clear(&part)?;
    std::fs::create_dir_all(&part).map_err(|e| Error::write(&part, e))?;
    let filled = fill(&part);
    if filled.is_err() {
        // What cannot be removed now is removed at the next start.
        let _ = std::fs::remove_dir_all(&part);
        return filled;
    }
    sync(&part);
    if folder.exists() {
        std::fs::rename(folder, &old).map_err(|e| Error::write(&old, e))?;
    }
    std::fs::rename(&part, folder).map_err(|e| Error::write(folder, e))?;
    sync(folder.parent().unwrap_or(Path::new(".")));
    clear(&old)
}

/// Puts back what a crash between the two moves of [`replace`] took away.
pub(crate) fn recover(folder: &Path) -> Result<()> {
    let old = beside(folder, "old");
    if old.exists() && !folder.exists() {
        std::fs::rename(&old, folder).map_err(|e| Error::write(folder, e))?;
    }
    clear(&old)
}

fn beside(folder: &Path, what: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(what);
    folder.with_file_name(name)
}

fn clear(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::write(folder, e)),
        _ => Ok(()),
    }
}

/// Writes a file and waits until it is on the disk.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::write(path, e))?;
    let file = File::open(path).map_err(|e| Error::write(path, e))?;
    file.sync_all().map_err(|e| Error::write(path, e))
}

/// Makes a rename last through a power cut, where the system has a way to.
fn sync(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        // Windows has no such call; the rename itself has succeeded.
        let _ = folder.sync_all();
    }
}

/// One safetensors file.
pub(crate) fn safetensors(path: &Path, tensors: &[&Tensor]) -> Result<()> {
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let views = tensors.iter().map(|t| (t.name.as_str(), *t));
    safetensors::serialize_to_file(views, Some(metadata), path).map_err(|e| {
        let source = match e {
            safetensors::SafeTensorError::IoError(e) => e,
            other => std::io::Error::other(other.to_string()),
        };
        Error::write(path, source)
    })?;
    let file = File::open(path).map_err(|e| Error::write(path, e))?;
    file.sync_all().map_err(|e| Error::write(path, e))
}

fn weights(folder: &Path, tensors: &[Tensor]) -> Result<()> {
    let mut parts: Vec<Vec<&Tensor>> = vec![Vec::new()];
    let mut size = 0;
    for tensor in tensors {
        let bytes = tensor.data_len();
        if size > 0 && size + bytes > SHARD {
            parts.push(Vec::new());
            size = 0;
        }
        size += bytes;
        if let Some(part) = parts.last_mut() {
            part.push(tensor);
        }
    }
    if let [one] = parts.as_slice() {
        return safetensors(&folder.join("model.safetensors"), one);
    }
    let mut map = BTreeMap::new();
    for (n, part) in parts.iter().enumerate() {
        let name = format!("model-{:05}-of-{:05}.safetensors", n + 1, parts.len());
        safetensors(&folder.join(&name), part)?;
        map.extend(part.iter().map(|t| (t.name.clone(), name.clone())));
    }
    let total: usize = tensors.iter().map(|t| t.data_len()).sum();
    let index = serde_json::json!({"metadata": {"total_size": total}, "weight_map": map});
    write_file(
        &folder.join("model.safetensors.index.json"),
        format!("{index:#}\n").as_bytes(),
    )
}

/// Every tensor of `weights`, those in `learned` with their present values, in the type that the
/// checkpoint stores (or in f32).
///
/// # Errors
/// A type that is not written, or the device's.
pub fn tensors(weights: &Weights, learned: &[Parameter], full: bool) -> Result<Vec<Tensor>> {
    let learned: BTreeMap<&str, &Parameter> =
        learned.iter().map(|p| (p.name.as_str(), p)).collect();
    weights
        .iter()
        .map(|(name, entry)| tensor(weights, name, entry, learned.get(name).copied(), full))
        .collect()
}

fn tensor(
    weights: &Weights,
    name: &str,
    entry: &WeightEntry,
    learned: Option<&Parameter>,
    full: bool,
) -> Result<Tensor> {
    let dtype = match entry.stored {
        StoredType::Float(DType::F32) => Dtype::F32,
        StoredType::Float(DType::F16) => Dtype::F16,
        StoredType::Float(DType::BF16) => Dtype::BF16,
        other => {
            let reason = format!(
                "the tensor {name} is stored as {}, which cannot be trained",
                other.name()
            );
            return Err(Error::data(entry.path(), reason));
        }
    };
    let matrix = weights.matrix(name, &entry.shape)?;
    let values = match learned {
        Some(parameter) => {
            let values = parameter.var.flatten_all()?.to_vec1::<f32>()?;
            if full {
                Stored::F32(values)
            } else {
                narrow(values, dtype)
            }
        }
        None if full => Stored::F32(matrix.to_f32()),
        None => Stored::Mapped(dtype, matrix),
    };
    Ok(Tensor {
        name: name.to_owned(),
        shape: entry.shape.clone(),
        values,
    })
}

/// Rounds to a 16-bit type.
pub(crate) fn narrow(values: Vec<f32>, dtype: Dtype) -> Stored {
    let bytes = |f: &dyn Fn(f32) -> [u8; 2]| values.iter().flat_map(|&v| f(v)).collect();
    match dtype {
        Dtype::F16 => Stored::Raw(dtype, bytes(&|v| half::f16::from_f32(v).to_le_bytes())),
        Dtype::BF16 => Stored::Raw(dtype, bytes(&|v| half::bf16::from_f32(v).to_le_bytes())),
        _ => Stored::F32(values),
    }
}

/// The files of a model folder besides its weights: configuration, tokenizer, preprocessing.
pub fn companions(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::read(folder, e))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::read(folder, e))?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let wanted = ["json", "model", "txt", "md", "jinja"]
            .iter()
            .any(|e| path.extension().is_some_and(|x| x == *e))
            || name.starts_with("LICENSE")
            || name.starts_with("NOTICE");
        if path.is_file() && wanted && name != "model.safetensors.index.json" {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
