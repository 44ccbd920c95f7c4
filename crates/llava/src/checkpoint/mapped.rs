//! Memory-mapped files that know when they have changed underneath.

use crate::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A read-only map of a whole file.
pub(crate) struct MappedFile {
    path: PathBuf,
    map: Mmap,
    modified: Option<SystemTime>,
}

impl MappedFile {
    /// Maps `path`. An empty file is an error.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let file = File::open(path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        if !meta.is_file() {
            return Err(Error::checkpoint(path, "this is not a file"));
        }
        if meta.len() == 0 {
            return Err(Error::checkpoint(
                path,
                "the file is empty; download it again",
            ));
        }
        // SAFETY: the map is read-only and private. Should another program change the file, the
        // bytes change (weights become wrong numbers, which is not undefined for plain data read
        // through raw loads); should it shrink, access faults: `check_unchanged` runs first.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(Self {
            path: path.to_owned(),
            map,
            modified: meta.modified().ok(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Brings the pages of `bytes` into memory: from the disk where they are not cached, and in
    /// any case into this process's page tables.
    pub(crate) fn bring_in(&self, bytes: Range<usize>) {
        // In one call where the system has one (Linux 5.14), else page by page.
        #[cfg(target_os = "linux")]
        if self
            .map
            .advise_range(memmap2::Advice::PopulateRead, bytes.start, bytes.len())
            .is_ok()
        {
            return;
        }
        touch(self.map.get(bytes).unwrap_or_default());
    }

    /// Fails when the file's length or time differ from what was mapped.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let meta = std::fs::metadata(&self.path).map_err(|e| Error::io(&self.path, e))?;
        if meta.len() == self.map.len() as u64 && meta.modified().ok() == self.modified {
            return Ok(());
        }
        Err(Error::checkpoint(
            &self.path,
            "the file was changed while the model was loaded; load the model again",
        ))
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

fn touch(bytes: &[u8]) {
    const PAGE: usize = 4096;
    let sum = bytes
        .iter()
        .step_by(PAGE)
        .fold(0u8, |a, b| a.wrapping_add(*b));
    std::hint::black_box(sum);
}
