//! What Visavis keeps: threads, messages, pictures, drafts and settings.
//!
//! One SQLite database and the picture files beside it, in one data folder. Everything that is
//! said to be saved is on the disk when the call comes back: write-ahead log, `synchronous=FULL`,
//! one writer, `BEGIN IMMEDIATE`. Nobody outside this crate knows SQL, and nothing in here knows
//! what a model is.

mod backup;
mod bulk;
mod connection;
mod drafts;
mod error;
mod files;
mod lock;
mod messages;
mod migrate;
mod models;
mod open;
mod pictures;
mod rescue;
mod search;
mod settings;
pub mod spacing;
mod threads;

pub use backup::{BackupFile, CheckedBackup};
pub use bulk::WholeThread;
pub use drafts::Draft;
pub use error::{Error, Result};
pub use messages::{
    Asked, Finished, Message, MessageStatus, NewQuestion, PictureUse, Role, Siblings,
};
pub use models::KnownModel;
pub use open::{Opened, Store, Whole};
pub use pictures::{PictureId, PictureRow};
pub use rescue::Rescued;
pub use search::{Hit, SearchQuery, TitleHit};
pub use threads::{Cursor, Thread};

/// Milliseconds since 1970, by the system's clock; 0 before 1970.
pub fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
