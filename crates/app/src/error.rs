//! What went wrong, for the person: a code that the page translates, and plain words.

use serde::{Deserialize, Serialize};
use visavis_engine::{Failure, FailureCode};
use visavis_llava::image::PictureError;

/// The result type of the use cases.
pub type Result<T> = std::result::Result<T, AppError>;

/// An error that a person is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct AppError {
    /// The kind.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The thing at fault, in the words of whoever noticed.
    pub details: Option<String>,
}

/// The kinds of error; closed, because each is translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The data folder cannot be written.
    DataFolderReadOnly,
    /// Another Visavis uses it.
    DataFolderInUse,
    /// A newer Visavis wrote it.
    DataTooNew,
    /// Nothing of the database can be read.
    DataDamaged,
    /// No room on the disk.
    DiskFull,
    /// The database or a file of ours failed.
    Storage,
    /// It is no longer there.
    NotFound,
    /// No model is chosen.
    NoModel,
    /// The model is being loaded.
    ModelLoading,
    /// What was chosen is no model that runs here.
    BadModel,
    /// Too little memory.
    NotEnoughMemory,
    /// The model's code stopped with an error.
    ModelCrashed,
    /// The model's files are damaged.
    ModelDamaged,
    /// The device is missing or does not work.
    Device,
    /// It does not fit in the context.
    ContextFull,
    /// The question lacks something.
    BadQuestion,
    /// No picture that can be read.
    BadPicture,
    /// No file, or not readable.
    FileUnreadable,
    /// Not a file on this computer.
    NotAFile,
    /// More pictures than a question takes.
    TooManyPictures,
    /// An answer is still being written.
    Busy,
    /// Stopped by the person.
    Cancelled,
    /// No backup.
    BadBackup,
    /// No link that is opened.
    BadLink,
    /// Should not happen.
    Internal,
}

impl AppError {
    /// An error with what it says.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            details: None,
        }
    }

    /// With the next step.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the words of whoever noticed.
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Something that should not happen.
    pub(crate) fn internal(what: impl ToString) -> Self {
        Self::new(Code::Internal, "Something went wrong inside Visavis.")
            .hint("Please report it with the details below.")
            .details(what.to_string())
    }

    pub(crate) fn no_model() -> Self {
        Self::new(Code::NoModel, "No model is chosen yet.").hint("Choose a model first.")
    }
}

impl From<visavis_store::Error> for AppError {
    fn from(error: visavis_store::Error) -> Self {
        use visavis_store::Error as E;
        let details = error.to_string();
        let new = |code, message: &str| Self::new(code, message).details(details.clone());
        match error {
            E::ReadOnly { .. } => new(
                Code::DataFolderReadOnly,
                "The folder with your chats cannot be written.",
            )
            .hint("Check its permissions."),
            E::InUse { .. } => new(
                Code::DataFolderInUse,
                "Another Visavis uses the folder with your chats.",
            )
            .hint("Close the other one first."),
            E::TooNew { .. } => new(
                Code::DataTooNew,
                "Your chats were saved by a newer Visavis.",
            )
            .hint("Install the newer version. Nothing was changed."),
            E::Damaged(_) => new(Code::DataDamaged, "The database is damaged.")
                .hint("Start Visavis again: it saves what can be read."),
            E::Full => new(Code::DiskFull, "The disk is full.")
                .hint("Free some space and try again. Nothing that was saved is lost."),
            E::NotFound(_) => new(Code::NotFound, "It is no longer there."),
            E::BadBackup { .. } => new(Code::BadBackup, "This file cannot be restored."),
            E::Io { .. } | E::Database(_) => {
                new(Code::Storage, "Your data could not be read or written.")
            }
        }
    }
}

impl From<Failure> for AppError {
    fn from(failure: Failure) -> Self {
        let (code, message, hint) = match failure.code {
            FailureCode::NoModel => return Self::no_model(),
            FailureCode::BadModel => (
                Code::BadModel,
                "The model could not be used.",
                "Choose another model, or download this one again.",
            ),
            FailureCode::Device => (
                Code::Device,
                "The device does not work.",
                "Choose another one in the settings.",
            ),
            FailureCode::BadRequest => (
                Code::BadQuestion,
                "The model cannot take this question as it is.",
                "Change it and ask again.",
            ),
            FailureCode::ContextFull => (
                Code::ContextFull,
                "This chat no longer fits into what the model can hold.",
                "Begin a new chat with the same picture, or leave out the oldest messages.",
            ),
            FailureCode::NotANumber => (
                Code::ModelDamaged,
                "The model's files seem to be damaged.",
                "Check the model, or download it again.",
            ),
            FailureCode::Computation => (
                Code::NotEnoughMemory,
                "The computation failed, most likely for want of memory.",
                "Close other programs or choose a smaller model.",
            ),
            FailureCode::Crashed | FailureCode::Gone => (
                Code::ModelCrashed,
                "The model stopped with an error and was unloaded.",
                "Load it again.",
            ),
            FailureCode::Cancelled => (Code::Cancelled, "Stopped.", "Ask again."),
        };
        Self::new(code, message).hint(hint).details(failure.message)
    }
}

impl From<PictureError> for AppError {
    fn from(error: PictureError) -> Self {
        Self::new(Code::BadPicture, "This file cannot be used as a picture.").details(error.reason)
    }
}

impl From<visavis_llava::Error> for AppError {
    fn from(error: visavis_llava::Error) -> Self {
        use visavis_llava::Error as E;
        match error {
            E::Request(reason) => {
                Self::new(Code::BadQuestion, "The question lacks something.").details(reason)
            }
            E::Picture(error) => error.into(),
            other => Self::new(Code::BadModel, "This is no model that runs here.")
                .hint("Choose a LLaVA-1.5 model: a folder with config.json, or a GGUF file.")
                .details(other.to_string()),
        }
    }
}

impl From<tokio::task::JoinError> for AppError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(error)
    }
}
