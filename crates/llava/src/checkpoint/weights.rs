//! Named tensors that lie in mapped files.

use super::mapped::MappedFile;
use crate::watch::{Stage, Watch};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use visavis_kernels::{DType, Matrix, Storage};

/// How a tensor's elements are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredType {
    /// A type the kernels read where it lies.
    Float(DType),
    /// Anything else, by its name in the file.
    Other(&'static str),
}

impl StoredType {
    /// The type's name as the file formats write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float(dtype) => dtype.name(),
            Self::Other(name) => name,
        }
    }
}

/// One tensor in a file.
#[derive(Clone)]
pub struct WeightEntry {
    pub(super) file: Arc<MappedFile>,
    /// Its name in the file.
    pub stored_name: String,
    /// Element type.
    pub stored: StoredType,
    /// Outermost dimension first.
    pub shape: Vec<usize>,
    /// First byte in the file.
    pub offset: usize,
    /// Bytes in the file.
    pub bytes: usize,
}

impl WeightEntry {
    /// The file it lies in.
    pub fn path(&self) -> &std::path::Path {
        self.file.path()
    }
}

/// All tensors of a checkpoint by canonical name (llava-hf's classic layout).
#[derive(Clone)]
pub struct Weights {
    pub(super) path: PathBuf,
    pub(super) files: Vec<Arc<MappedFile>>,
    pub(super) entries: BTreeMap<String, WeightEntry>,
}

impl Weights {
    /// Canonical names and tensors, in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &WeightEntry)> {
        self.entries
            .iter()
            .map(|(name, entry)| (name.as_str(), entry))
    }

    /// Whether the checkpoint has a tensor.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Whether the language model's weights are block-quantised.
    pub fn quantised(&self) -> bool {
        let language = |name: &str| name.starts_with("language_model.");
        let blocks = |stored| matches!(stored, StoredType::Float(dtype) if dtype.is_quantised());
        self.iter()
            .any(|(name, e)| language(name) && blocks(e.stored))
    }

    /// Bytes of all files.
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|f| f.len() as u64).sum()
    }

    /// The files and their sizes.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        self.files
            .iter()
            .map(|f| (f.path().to_owned(), f.len() as u64))
            .collect()
    }

    /// The tensor `name`, whose shape must be `shape` and whose type must be a float.
    pub fn entry(&self, name: &str, shape: &[usize]) -> Result<(&WeightEntry, DType)> {
        let entry = self.entries.get(name).ok_or_else(|| {
            Error::checkpoint(
                &self.path,
                format!("the tensor {name} is missing; the download is incomplete or damaged, download the model again"),
            )
        })?;
        if entry.shape != shape {
            return Err(Error::checkpoint(
                entry.file.path(),
                format!(
                    "the tensor {} has the shape {:?}, but the model's settings say {shape:?}; the files do not belong together",
                    entry.stored_name, entry.shape
                ),
            ));
        }
        match entry.stored {
            StoredType::Float(dtype) => Ok((entry, dtype)),
            StoredType::Other(kind) => Err(Error::checkpoint(
                entry.file.path(),
                format!(
                    "the tensor {} is stored as {kind}; Visavis reads F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K, Q3_K, Q2_K, Q5_0, Q5_1, Q4_0 and Q4_1",
                    entry.stored_name
                ),
            )),
        }
    }

    /// A matrix `(rows, cols)` where it lies in the file. Higher-rank tensors are flattened to
    /// `(first dimension, rest)` (the patch kernel).
    pub fn matrix(&self, name: &str, shape: &[usize]) -> Result<Matrix> {
        let (entry, dtype) = self.entry(name, shape)?;
        let rows = shape.first().copied().unwrap_or(1);
        let cols = shape.iter().skip(1).product();
        let storage = Storage::from(entry.file.clone() as Arc<dyn AsRef<[u8]> + Send + Sync>);
        Matrix::new(storage, entry.offset, dtype, rows, cols).map_err(|e| {
            Error::checkpoint(
                entry.file.path(),
                format!("the tensor {}: {e}", entry.stored_name),
            )
        })
    }

    /// A vector, widened to f32 (biases, norms, class embedding).
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>> {
        Ok(self.matrix(name, &[len])?.to_f32())
    }

    /// Reads every page of the files once, so that the first question does not wait for the
    /// disk. Counts bytes.
    pub fn warm(&self, watch: &dyn Watch) -> Result<()> {
        let total = self.file_bytes();
        let mut done = 0;
        watch.progress(Stage::Loading, 0, total)?;
        for file in &self.files {
            for chunk in file.bytes().chunks(64 << 20) {
                super::mapped::touch(chunk);
                done += chunk.len() as u64;
                watch.progress(Stage::Loading, done, total)?;
            }
        }
        Ok(())
    }

    /// Fails when a file was cut or replaced since it was opened.
    ///
    /// A map of a file that shrank kills the process on access, so this is asked before every
    /// request; what shrinks within a step cannot be caught.
    pub fn check_unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(|f| f.check_unchanged())
    }
}
