//! Text files beside pictures: what they are called, and writing them so that a crash leaves
//! the old file or the new one, never half of one.

use crate::failure::Failure;
use crate::text::shown;
use crate::walk::has_picture_extension;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The names of sidecars. They depend on what lies in a folder and not on what is asked now, so
/// that `a.jpg` today and `a.png` tomorrow never share a file.
#[derive(Default)]
pub(crate) struct Names {
    folders: HashMap<PathBuf, HashSet<OsString>>,
}

impl Names {
    /// `a.txt` for `a.jpg`; `a.jpg.txt` where another picture would be given the same name.
    pub(crate) fn for_picture(&mut self, picture: &Path) -> PathBuf {
        let folder = folder_of(picture);
        let long = self
            .folders
            .entry(folder.to_owned())
            .or_insert_with(|| long_names(&listing(folder)));
        let name = picture.file_name().unwrap_or_default();
        let sidecar = if long.contains(name) {
            long_name(name)
        } else {
            short_name(name)
        };
        picture.with_file_name(sidecar)
    }
}

/// The folder a file lies in; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The files of a folder that may be pictures.
fn listing(folder: &Path) -> Vec<OsString> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter(|name| {
            let name = Path::new(name);
            has_picture_extension(name) || name.extension().is_none()
        })
        .collect()
}

fn short_name(picture: &OsStr) -> OsString {
    Path::new(picture).with_extension("txt").into_os_string()
}

fn long_name(picture: &OsStr) -> OsString {
    let mut name = picture.to_owned();
    name.push(".txt");
    name
}

/// The pictures that take the long name: those whose short names meet, and those whose short
/// name meets a long one. Letters that differ in case only meet, as they do on most disks.
fn long_names(pictures: &[OsString]) -> HashSet<OsString> {
    let key = |name: &OsStr| name.to_string_lossy().to_lowercase();
    let mut sharing: HashMap<String, usize> = HashMap::new();
    for picture in pictures {
        *sharing.entry(key(&short_name(picture))).or_default() += 1;
    }
    let mut long: HashSet<OsString> = HashSet::new();
    let mut taken: HashSet<String> = HashSet::new();
    loop {
        let before = long.len();
        for picture in pictures {
            let short = key(&short_name(picture));
            let meets =
                sharing.get(&short).is_some_and(|count| *count > 1) || taken.contains(&short);
            if meets && long.insert(picture.clone()) {
                taken.insert(key(&long_name(picture)));
            }
        }
        if long.len() == before {
            return long;
        }
    }
}

/// Puts `text` and a line end into `path`, in one step as others see it.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", shown(path)));
    let (part, mut file) = part_file(folder_of(path)).map_err(failed)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&part);
    }
    written.map_err(failed)
}

/// Whether files can be made in `folder`: asked before a long run rather than after it.
pub(crate) fn check_writable(folder: &Path) -> std::io::Result<()> {
    let (part, file) = part_file(folder)?;
    drop(file);
    std::fs::remove_file(part)
}

/// A new hidden file in `folder`, with a short name of its own.
fn part_file(folder: &Path) -> std::io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".visavis-{}-{number}.part", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            // Left by a run that was killed.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(pictures: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for picture in pictures {
            std::fs::write(folder.path().join(picture), "x").unwrap();
        }
        let mut names = Names::default();
        let name = |picture: &&str| {
            let path = names.for_picture(&folder.path().join(picture));
            path.file_name().unwrap().to_string_lossy().into_owned()
        };
        pictures.iter().map(name).collect()
    }

    #[test]
    fn a_picture_alone_takes_the_short_name() {
        assert_eq!(
            named(&["a.jpg", "b.tar.png", "scan"]),
            ["a.txt", "b.tar.txt", "scan.txt"]
        );
    }

    #[test]
    fn pictures_never_share_a_sidecar() {
        assert_eq!(named(&["a.jpg", "a.png"]), ["a.jpg.txt", "a.png.txt"]);
        assert_eq!(named(&["scan", "scan.jpg"]), ["scan.txt", "scan.jpg.txt"]);
        // The third would meet the first's long name.
        let crossed = named(&["a.jpg", "a.png", "a.jpg.png"]);
        assert_eq!(crossed, ["a.jpg.txt", "a.png.txt", "a.jpg.png.txt"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_differing_in_case_do_not_meet_on_any_disk() {
        assert_eq!(named(&["a.jpg", "A.png"]), ["a.jpg.txt", "A.png.txt"]);
    }

    #[test]
    fn writing_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "old").unwrap();
        write(&path, "A dog.").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "A dog.\n");
        check_writable(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_names_the_file_and_cleans_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::create_dir(&path).unwrap();
        assert!(write(&path, "x").unwrap_err().message().contains("a.txt"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(check_writable(&folder.path().join("missing")).is_err());
    }
}
