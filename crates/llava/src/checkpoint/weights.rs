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

    /// Brings the files into memory, so that the first question does not wait for the disk.
    /// Counts bytes.
    ///
    /// Files larger than the memory that is available are left on the disk: their pages would
    /// push out one another, and everybody else's, before the first question reads them.
    pub fn warm(&self, watch: &dyn Watch) -> Result<()> {
        self.warm_within(super::memory::available(), watch)?;
        Ok(())
    }

    /// Returns the bytes that were brought in.
    fn warm_within(&self, available: Option<u64>, watch: &dyn Watch) -> Result<u64> {
        const CHUNK: usize = 64 << 20;
        let total = self.file_bytes();
        if available.is_some_and(|available| total > available) {
            tracing::warn!(
                total,
                available,
                "the model is larger than the memory that is available; it is read from the disk as needed"
            );
            watch.progress(Stage::Loading, total, total)?;
            return Ok(0);
        }
        let mut done = 0;
        watch.progress(Stage::Loading, 0, total)?;
        for file in &self.files {
            for start in (0..file.len()).step_by(CHUNK) {
                let end = (start + CHUNK).min(file.len());
                file.bring_in(start..end);
                done += (end - start) as u64;
                watch.progress(Stage::Loading, done, total)?;
            }
        }
        Ok(done)
    }

    /// Fails when a file was cut or replaced since it was opened.
    ///
    /// A map of a file that shrank kills the process on access, so this is asked before every
    /// request; what shrinks within a step cannot be caught.
    pub fn check_unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(|f| f.check_unchanged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interrupted;
    use crate::watch::Silent;

    fn weights(sizes: &[usize]) -> (tempfile::TempDir, Weights) {
        let folder = tempfile::tempdir().unwrap();
        let file = |(i, size): (usize, &usize)| {
            let path = folder.path().join(i.to_string());
            std::fs::write(&path, vec![7; *size]).unwrap();
            Arc::new(MappedFile::open(&path).unwrap())
        };
        let files = sizes.iter().enumerate().map(file).collect();
        let weights = Weights {
            path: folder.path().to_owned(),
            files,
            entries: BTreeMap::new(),
        };
        (folder, weights)
    }

    #[test]
    fn what_fits_is_brought_in_and_what_does_not_is_left() {
        let (_folder, weights) = weights(&[5000, 3]);
        for (available, brought) in [(None, 5003), (Some(5003), 5003), (Some(5002), 0)] {
            assert_eq!(weights.warm_within(available, &Silent).unwrap(), brought);
        }
    }

    #[test]
    fn warming_tells_how_far_it_is_and_can_be_stopped() {
        let (_folder, weights) = weights(&[1000, 500]);
        let steps = std::cell::RefCell::new(Vec::new());
        let note = |_: Stage, done: u64, total: u64| {
            steps.borrow_mut().push((done, total));
            Ok(())
        };
        weights.warm(&note).unwrap();
        assert_eq!(*steps.borrow(), [(0, 1500), (1000, 1500), (1500, 1500)]);
        let stop = |_: Stage, done: u64, _: u64| if done > 0 { Err(Interrupted) } else { Ok(()) };
        assert!(weights.warm(&stop).is_err());
    }
}
