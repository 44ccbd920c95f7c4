//! What can go wrong with the data folder, told apart as far as a person can act on it.

use std::io;
use std::path::{Path, PathBuf};

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or the database in it cannot be written.
    #[error("{path} cannot be written; check its permissions, or choose another data folder")]
    ReadOnly {
        /// The folder or file.
        path: PathBuf,
    },
    /// Another program holds the data folder.
    #[error("{path} is in use by another Visavis; close that one first")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "{path} was written by a newer Visavis (data version {found}; this one knows {known}); \
         install the newer version"
    )]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The database is damaged.
    #[error("the database is damaged ({0}); start Visavis again to rescue what can be read")]
    Damaged(String),
    /// There is no room left on the disk.
    #[error("the disk is full; free some space and try again (nothing that was saved is lost)")]
    Full,
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// What was asked for is not there (any more).
    #[error("there is no such {0} any more")]
    NotFound(&'static str),
    /// A file is no backup, or a damaged one.
    #[error("{path} cannot be restored: {reason}")]
    BadBackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The database reported something else.
    #[error("the database reported: {0}")]
    Database(String),
}

impl Error {
    /// The error for a failed operation on `path`.
    pub(crate) fn io(path: impl AsRef<Path>, source: io::Error) -> Self {
        let path = path.as_ref().to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path }
            }
            _ => Self::Io { path, source },
        }
    }

    /// Whether the database itself is at fault, so that rescuing it makes sense.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }
}

/// SQLite's primary result codes (sqlite.org/rescode.html).
const READONLY: i64 = 8;
const CORRUPT: i64 = 11;
const FULL: i64 = 13;
const NOTADB: i64 = 26;
/// The index of a search reports its own damage with this extended code.
const CORRUPT_VTAB: i64 = 267;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            return match error {
                sqlx::Error::RowNotFound => Self::NotFound("entry"),
                sqlx::Error::Io(source) => Self::io("the database", source),
                other => Self::Database(other.to_string()),
            };
        };
        let code: i64 = database
            .code()
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        match code & 0xff {
            FULL => Self::Full,
            READONLY => Self::ReadOnly {
                path: "the database".into(),
            },
            CORRUPT | NOTADB => Self::Damaged(database.message().to_owned()),
            _ => Self::Database(format!("{} ({code})", database.message())),
        }
    }
}

/// Whether an error is the search index's own: the index can be built anew from the messages.
pub(crate) fn is_index_damage(error: &sqlx::Error) -> bool {
    let code = match error {
        sqlx::Error::Database(database) => database.code().and_then(|c| c.parse::<i64>().ok()),
        _ => None,
    };
    code.is_some_and(|code| code == CORRUPT_VTAB || code & 0xff == CORRUPT)
}
