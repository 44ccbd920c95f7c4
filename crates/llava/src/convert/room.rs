//! Whether a disk has room for what is about to be written, asked before hours are spent on it.

use crate::{Error, Result};
use std::path::Path;

/// Header and vocabulary, with a margin: they are not counted as tensors.
const BESIDE_TENSORS: u64 = 16 << 20;

/// Fails when the disk of `folder` says that it has less room than `bytes`. A disk that does not
/// say is tried.
pub(super) fn check(folder: &Path, bytes: u64) -> Result<()> {
    judge(folder, bytes, fs4::available_space(folder).ok())
}

fn judge(folder: &Path, bytes: u64, free: Option<u64>) -> Result<()> {
    let needed = bytes.saturating_add(BESIDE_TENSORS);
    match free {
        Some(free) if free < needed => Err(Error::checkpoint(
            folder,
            format!(
                "the files take {}, but this disk has only {} left; make room or choose another folder",
                gigabytes(needed),
                gigabytes(free)
            ),
        )),
        _ => Ok(()),
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_is_said_with_both_numbers() {
        let folder = Path::new("models");
        assert!(judge(folder, 4 << 30, Some(5 << 30)).is_ok());
        assert!(judge(folder, 4 << 30, None).is_ok());
        let message = judge(folder, 4_000_000_000, Some(1_500_000_000));
        let message = message.unwrap_err().to_string();
        assert!(
            message.contains("models: ")
                && message.contains("4.0 GB")
                && message.contains("1.5 GB"),
            "{message}"
        );
        assert!(judge(folder, u64::MAX, Some(1 << 40)).is_err());
    }

    #[test]
    fn a_disk_says_how_much_is_left() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path(), 1).is_ok());
        assert!(check(folder.path(), u64::MAX / 2).is_err());
    }
}
