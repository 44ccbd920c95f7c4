//! Everything that can end a training run before its last step.

use std::path::{Path, PathBuf};

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why training stopped. The message names the file, row or setting and the next step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error(
        "cannot write {path}: {source}; make room or choose another folder, then start again with the same command: training goes on from the last checkpoint"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A row of a data file cannot be learned from.
    #[error("{path}, row {row} ({id}): {reason}")]
    Row {
        /// The data file.
        path: PathBuf,
        /// Its number, from 1.
        row: usize,
        /// What the row calls itself.
        id: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A data file as a whole is not what it should be.
    #[error("{path}: {reason}")]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A setting that cannot be used.
    #[error("{0}")]
    Setting(String),
    /// The loss or a gradient was not a number.
    #[error(
        "the loss of step {step} is {loss}, which is not a number to learn from; the last good checkpoint is {kept}: \
         start again from it with a lower learning rate or with clipping (--clip 1)"
    )]
    NotANumber {
        /// The step, from 1.
        step: u64,
        /// What the loss was.
        loss: f64,
        /// Where the last good checkpoint lies.
        kept: String,
    },
    /// The caller stopped the work; what was learned is saved.
    #[error("stopped after step {step}; the same command goes on from there")]
    Stopped {
        /// The last finished step.
        step: u64,
    },
    /// A checkpoint, a picture or the tokenizer.
    #[error(transparent)]
    Model(#[from] visavis_llava::Error),
    /// The tensor library failed (most likely: out of memory on the device).
    #[error("the computation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// An [`Error::Read`] for `path`.
    pub fn read(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Read {
            path: path.as_ref().to_owned(),
            source,
        }
    }

    /// An [`Error::Write`] for `path`.
    pub fn write(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Write {
            path: path.as_ref().to_owned(),
            source,
        }
    }

    /// An [`Error::Data`] for `path`.
    pub fn data(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Data {
            path: path.as_ref().to_owned(),
            reason: reason.into(),
        }
    }
}
