//! What went wrong, for the page: a code that it translates, and the words it falls back on.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// An error that a person is shown. The page has its own sentence for each code and puts
/// `details` below it; `message` and `hint` are English, for logs and for codes it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AppError {
    /// The kind of error.
    pub code: ErrorCode,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The thing at fault, in the words of whoever noticed: a file's name and the reason.
    pub details: Option<String>,
}

/// The kinds of error. Closed: the page translates every one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The data folder cannot be written.
    DataFolderReadOnly,
    /// Another Visavis uses the data folder.
    DataFolderInUse,
    /// The database was written by a newer Visavis; it was left as it is.
    DataTooNew,
    /// The database is damaged and nothing of it could be read.
    DataDamaged,
    /// The disk is full; nothing that was saved before is lost.
    DiskFull,
    /// The database or a file of ours could not be read or written.
    Storage,
    /// The thread, message or picture is no longer there.
    NotFound,
    /// No model is loaded.
    NoModel,
    /// The model is being loaded.
    ModelLoading,
    /// The chosen file or folder is no model that runs here.
    BadModel,
    /// The model needs more memory than there is.
    NotEnoughMemory,
    /// The model stopped with an internal error and was unloaded.
    ModelCrashed,
    /// The model's files are damaged: it produced values that are not numbers.
    ModelDamaged,
    /// The device is not there or does not work.
    Device,
    /// The thread and the question do not fit into the model's context.
    ContextFull,
    /// The question lacks something that its answer style needs.
    BadQuestion,
    /// The file is no picture, damaged, or of a kind that is not read.
    BadPicture,
    /// There is no such file, or it may not be read.
    FileUnreadable,
    /// What was dropped is not a file on this computer.
    NotAFile,
    /// More pictures at once than a question takes.
    TooManyPictures,
    /// The answer is still being written.
    Busy,
    /// The person stopped it.
    Cancelled,
    /// The file is no backup of Visavis, or a damaged one.
    BadBackup,
    /// The link is not one that is opened.
    BadLink,
    /// Something that should not happen; the details help a report.
    Internal,
}
