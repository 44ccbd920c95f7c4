//! Picture files: the bytes as they came, under the name of what is in them.
//!
//! `pictures/ab/<sha256>.<ext>` holds originals, `thumbnails/ab/<sha256>.<rendition>` what was
//! made from them and can be made again. A file is there whole or not at all.

use crate::{Error, PictureId, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const ORIGINALS: &str = "pictures";
const RENDITIONS: &str = "thumbnails";

/// The two folders of pictures.
#[derive(Debug, Clone)]
pub(crate) struct PictureFiles {
    originals: PathBuf,
    renditions: PathBuf,
}

impl PictureFiles {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            originals: folder.join(ORIGINALS),
            renditions: folder.join(RENDITIONS),
        }
    }

    /// Where an original lies.
    pub(crate) fn original(&self, id: &PictureId, extension: &str) -> PathBuf {
        within(&self.originals, id, extension)
    }

    /// Where a rendition lies, or would lie.
    pub(crate) fn rendition(&self, id: &PictureId, rendition: &str) -> PathBuf {
        within(&self.renditions, id, rendition)
    }

    /// Writes an original; on the disk when this returns.
    pub(crate) fn put(&self, bytes: &[u8], extension: &str) -> Result<PictureId> {
        let id = digest(bytes);
        let path = self.original(&id, extension);
        let there = fs::metadata(&path).is_ok_and(|found| found.len() == bytes.len() as u64);
        if !there {
            write_whole(&path, bytes, true)?;
        }
        Ok(id)
    }

    /// Writes a rendition. It can be made again, so nobody waits for the disk.
    pub(crate) fn put_rendition(&self, id: &PictureId, name: &str, bytes: &[u8]) -> Result<()> {
        write_whole(&self.rendition(id, name), bytes, false)
    }

    /// Removes an original and everything made from it; what is not there is no error.
    pub(crate) fn remove(&self, id: &PictureId, extension: &str) -> Result<()> {
        remove_file(&self.original(id, extension))?;
        for path in entries(&folder_of(&self.renditions, id))? {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy());
            if stem.is_some_and(|stem| stem == id.as_str()) {
                remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Removes all of them.
    pub(crate) fn remove_all(&self) -> Result<()> {
        for folder in [&self.originals, &self.renditions] {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(folder, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Every original on the disk, and what a write that was cut short left behind (no id).
    pub(crate) fn all(&self) -> Result<Vec<(Option<PictureId>, PathBuf)>> {
        let mut found = Vec::new();
        for folder in entries(&self.originals)? {
            for path in entries(&folder)? {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                found.push((stem.and_then(|stem| stem.parse().ok()), path));
            }
        }
        Ok(found)
    }
}

/// sha256 of the bytes.
pub(crate) fn digest(bytes: &[u8]) -> PictureId {
    PictureId::from_digest(&Sha256::digest(bytes))
}

fn folder_of(root: &Path, id: &PictureId) -> PathBuf {
    root.join(id.as_str().get(..2).unwrap_or("00"))
}

fn within(root: &Path, id: &PictureId, extension: &str) -> PathBuf {
    folder_of(root, id).join(format!("{id}.{extension}"))
}

/// The paths in a folder; none when there is no folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(Error::io(folder, error)),
    }
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}

/// Writes beside the place and renames, so that a reader never meets half a file.
fn write_whole(path: &Path, bytes: &[u8], durable: bool) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        if durable {
            file.as_file().sync_all()?;
        }
        file.persist(path)?;
        if durable && cfg!(unix) {
            // The name, too, has to reach the disk.
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(|error: std::io::Error| Error::io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let files = PictureFiles::new(folder.path());
        let first = files.put(b"abc", "png").unwrap();
        let second = files.put(b"abc", "png").unwrap();
        assert_eq!(first, second);
        assert_eq!(
            first.as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(fs::read(files.original(&first, "png")).unwrap(), b"abc");
        assert_eq!(files.all().unwrap().len(), 1);
    }

    #[test]
    fn renditions_go_with_their_original() {
        let folder = tempfile::tempdir().unwrap();
        let files = PictureFiles::new(folder.path());
        let id = files.put(b"abc", "png").unwrap();
        files.put_rendition(&id, "small", b"x").unwrap();
        files.put_rendition(&id, "seen", b"y").unwrap();
        files.remove(&id, "png").unwrap();
        assert!(!files.rendition(&id, "small").exists());
        assert!(!files.rendition(&id, "seen").exists());
        assert!(files.all().unwrap().is_empty());
        // Twice is no error.
        files.remove(&id, "png").unwrap();
    }
}
