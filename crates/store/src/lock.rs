//! Who uses the data folder: one window at a time, and whether the last one ended as it should.

use crate::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

const NAME: &str = "visavis.lock";
/// Stands in the file while the folder is in use. Found at the start: the last use was cut short.
const IN_USE: &[u8] = b"in use";

/// Holds the data folder until it is dropped; the system lets go of it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// Whether the last use ended without saying so.
    pub(crate) cut_short: bool,
}

impl Lock {
    /// Takes the folder, or says that somebody else has it.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| Error::io(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    path: folder.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(&path, error)),
        }
        let mut found = Vec::new();
        file.read_to_end(&mut found)
            .map_err(|error| Error::io(&path, error))?;
        let lock = Self {
            file,
            cut_short: found == IN_USE,
        };
        // A full disk must not keep the folder from being opened and read.
        lock.mark(IN_USE);
        Ok(lock)
    }

    /// Says that the use ended as it should.
    pub(crate) fn ended(&self) {
        self.mark(b"");
    }

    fn mark(&self, word: &[u8]) {
        let mut file = &self.file;
        let written = file
            .rewind()
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all(word));
        if let Err(error) = written {
            tracing::warn!(%error, "the lock file cannot be written");
        }
    }
}
