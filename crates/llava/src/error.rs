//! Everything that can go wrong between a path and an answer.

use std::path::{Path, PathBuf};

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the model crate. The message names the file or value and the next step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A picture could not be used; the message names it.
    #[error(transparent)]
    Picture(#[from] crate::image::PictureError),
    /// A checkpoint is damaged, incomplete or of a kind this program does not run.
    #[error("{path}: {message}")]
    Checkpoint {
        /// The checkpoint folder or the file at fault.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// A file that was to be written is there already.
    #[error("{path}: there is a file of this name already; remove it or choose another folder")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The tokenizer is damaged or belongs to another model.
    #[error("{path}: {message}")]
    Tokenizer {
        /// The tokenizer file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// A conversation or an option that the model cannot take.
    #[error("{0}")]
    Request(String),
    /// The prompt and the room for an answer exceed the model's context.
    #[error(
        "the conversation needs {prompt} positions and the answer {answer}, but this model holds {limit}; \
         start a new conversation or ask for a shorter answer"
    )]
    ContextFull {
        /// Positions of the prompt, each picture counted with all of its positions.
        prompt: usize,
        /// Positions asked for the answer.
        answer: usize,
        /// `max_position_embeddings` of the checkpoint.
        limit: usize,
    },
    /// The asked device is not there.
    #[error("{0}")]
    Device(String),
    /// A logit was not a number: the weights are damaged, or overflowed.
    #[error(
        "the model produced values that are not numbers; its files may be damaged (visavis inspect checks them)"
    )]
    NotANumber,
    /// The caller stopped the work.
    #[error(transparent)]
    Interrupted(#[from] crate::watch::Interrupted),
    /// The tensor library failed (most likely: out of memory on the device).
    #[error("the computation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// An [`Error::Io`] for `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.as_ref().to_owned(),
            source,
        }
    }

    /// An [`Error::Checkpoint`] for `path`.
    pub fn checkpoint(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Checkpoint {
            path: path.as_ref().to_owned(),
            message: message.into(),
        }
    }
}
