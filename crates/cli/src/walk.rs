//! Finding the pictures in folders: every one once, in the same order every time, whatever else
//! lies in there.

use crate::text::shown;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::FileType;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Extensions of picture files, lower case. The last four cannot be decoded yet; they are listed
/// so that such a picture is reported rather than silently left out.
const EXTENSIONS: [&str; 15] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "gif", "tif", "tiff", "heic",
    "heif", "avif", "jxl",
];

/// One thing that a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A file that is a picture by its extension, by its first bytes, or because it was named.
    Picture(PathBuf),
    /// Something that cannot be looked into.
    Problem {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What a walk found, in order.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Pictures and problems: sources in the order given, entries of a folder by name.
    pub(crate) found: Vec<Found>,
    /// Links that were not followed.
    pub(crate) links_skipped: usize,
    follow_links: bool,
    seen: HashSet<PathBuf>,
}

struct Entry {
    name: OsString,
    path: PathBuf,
    kind: std::io::Result<FileType>,
}

impl Walk {
    /// Walks `sources`, files and folders. `stop` is asked at every folder.
    pub(crate) fn through(
        sources: &[PathBuf],
        follow_links: bool,
        stop: impl Fn() -> bool,
    ) -> Self {
        let mut walk = Self {
            follow_links,
            ..Self::default()
        };
        for source in sources {
            // A source is followed if it is a link: a person named it.
            match std::fs::metadata(source) {
                Ok(metadata) if metadata.is_dir() => walk.folder(source, &stop),
                // Named files are taken whatever they are called; reading tells what they are.
                Ok(_) => walk.picture(source.clone()),
                Err(error) => walk.problem(source.clone(), &error),
            }
        }
        walk
    }

    fn folder(&mut self, root: &Path, stop: &impl Fn() -> bool) {
        // A stack of what is left in each folder instead of recursion: depth costs no stack.
        let mut open = vec![self.entries(root)];
        while let Some(entries) = open.last_mut() {
            let Some(entry) = entries.next() else {
                open.pop();
                continue;
            };
            if let Some(folder) = self.entry(entry) {
                if stop() {
                    return;
                }
                open.push(self.entries(&folder));
            }
        }
    }

    /// The entries of a folder by name; none if it was seen before or cannot be read.
    fn entries(&mut self, folder: &Path) -> std::vec::IntoIter<Entry> {
        let mut entries = Vec::new();
        // Two names of one folder (a link, overlapping sources) are visited once.
        let known = folder
            .canonicalize()
            .is_ok_and(|folder| !self.seen.insert(folder));
        match std::fs::read_dir(folder) {
            _ if known => {}
            Err(error) => self.problem(folder.to_owned(), &error),
            Ok(listing) => {
                for entry in listing {
                    match entry {
                        Ok(entry) => entries.push(Entry {
                            name: entry.file_name(),
                            path: entry.path(),
                            kind: entry.file_type(),
                        }),
                        Err(error) => self.problem(folder.to_owned(), &error),
                    }
                }
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.into_iter()
    }

    /// Takes a file; returns a folder to go into.
    fn entry(&mut self, entry: Entry) -> Option<PathBuf> {
        if is_hidden(&entry) {
            return None;
        }
        let kind = match entry.kind {
            Ok(kind) if kind.is_symlink() && !self.follow_links => {
                // What it points to is found under its own name, or lies outside.
                self.links_skipped += 1;
                return None;
            }
            Ok(kind) if kind.is_symlink() => match std::fs::metadata(&entry.path) {
                Ok(metadata) => metadata.file_type(),
                Err(error) => {
                    self.problem(entry.path, &error);
                    return None;
                }
            },
            Ok(kind) => kind,
            Err(error) => {
                self.problem(entry.path, &error);
                return None;
            }
        };
        if kind.is_dir() {
            return Some(entry.path);
        }
        // Pipes, sockets and devices are no files; opening one may wait for ever.
        if kind.is_file() && is_picture(&entry.path) {
            self.picture(entry.path);
        }
        None
    }

    fn picture(&mut self, path: PathBuf) {
        let first = path
            .canonicalize()
            .map_or(true, |path| self.seen.insert(path));
        if first {
            self.found.push(Found::Picture(path));
        }
    }

    fn problem(&mut self, path: PathBuf, error: &std::io::Error) {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("{}: there is no such file or folder", shown(&path))
            }
            _ => format!("{}: cannot be read ({error})", shown(&path)),
        };
        self.found.push(Found::Problem { path, reason });
    }
}

/// Whether a file's extension is a picture's.
pub(crate) fn has_picture_extension(name: &Path) -> bool {
    let extension = name.extension().map(OsStr::to_ascii_lowercase);
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}

/// By extension; a file without one by its first bytes. (Other extensions are believed: opening
/// every file of a folder would be slow, and would fetch what a cloud folder keeps elsewhere.)
fn is_picture(path: &Path) -> bool {
    has_picture_extension(path) || (path.extension().is_none() && begins_like_a_picture(path))
}

fn begins_like_a_picture(path: &Path) -> bool {
    let mut head = Vec::with_capacity(12);
    let read = std::fs::File::open(path).and_then(|file| file.take(12).read_to_end(&mut head));
    let begins = |magic: &[u8]| head.starts_with(magic);
    read.is_ok()
        && (begins(&[0xff, 0xd8, 0xff])
            || begins(b"\x89PNG\r\n\x1a\n")
            || begins(b"GIF87a")
            || begins(b"GIF89a")
            || begins(b"II*\0")
            || begins(b"MM\0*")
            || (begins(b"RIFF") && head.ends_with(b"WEBP")))
}

fn is_hidden(entry: &Entry) -> bool {
    entry.name.as_encoded_bytes().first() == Some(&b'.') || has_hidden_attribute(&entry.path)
}

#[cfg(windows)]
fn has_hidden_attribute(path: &Path) -> bool {
    use std::os::windows::fs::MetadataExt;
    const FILE_ATTRIBUTE_HIDDEN: u32 = 0x2;
    std::fs::symlink_metadata(path)
        .is_ok_and(|data| data.file_attributes() & FILE_ATTRIBUTE_HIDDEN != 0)
}

#[cfg(not(windows))]
fn has_hidden_attribute(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        folder
    }

    fn pictures(root: &Path, follow_links: bool) -> Vec<String> {
        let walk = Walk::through(&[root.to_owned()], follow_links, || false);
        walk.found.iter().map(|found| name(root, found)).collect()
    }

    fn name(root: &Path, found: &Found) -> String {
        match found {
            Found::Picture(path) => path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .into_owned(),
            Found::Problem { reason, .. } => format!("! {reason}"),
        }
    }

    #[test]
    fn folders_stand_at_their_place_in_name_order() {
        let folder = folder_with(&[
            "c.PNG",
            "b/z.jpg",
            "b/a/x.webp",
            "a.jpeg",
            "notes.txt",
            ".hidden/h.jpg",
            ".h.jpg",
        ]);
        let expected = ["a.jpeg", "b/a/x.webp", "b/z.jpg", "c.PNG"];
        assert_eq!(pictures(folder.path(), false), expected);
    }

    #[test]
    fn a_file_without_extension_is_known_by_its_first_bytes() {
        let folder = folder_with(&["LICENSE", "data.bin"]);
        std::fs::write(folder.path().join("scan"), b"\x89PNG\r\n\x1a\n----").unwrap();
        std::fs::write(folder.path().join("web"), b"RIFF\0\0\0\0WEBP").unwrap();
        assert_eq!(pictures(folder.path(), false), ["scan", "web"]);
    }

    #[test]
    fn what_is_named_is_taken_once_and_what_is_missing_is_told() {
        let folder = folder_with(&["a.jpg", "odd.name"]);
        let at = |name: &str| folder.path().join(name);
        let sources = [
            at("odd.name"),
            folder.path().to_owned(),
            at("a.jpg"),
            at("gone"),
        ];
        let walk = Walk::through(&sources, false, || false);
        let names: Vec<_> = walk
            .found
            .iter()
            .map(|found| name(folder.path(), found))
            .collect();
        assert_eq!(names[..2], ["odd.name", "a.jpg"]);
        assert!(
            names[2].contains("gone") && names[2].contains("no such file"),
            "{names:?}"
        );
        assert_eq!(names.len(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_left_alone_or_followed_without_going_round() {
        use std::os::unix::fs::symlink;
        let outside = folder_with(&["far.jpg"]);
        let folder = folder_with(&["a/b.jpg"]);
        symlink(folder.path(), folder.path().join("a/loop")).unwrap();
        symlink(outside.path(), folder.path().join("out")).unwrap();
        symlink(folder.path().join("nowhere"), folder.path().join("z.jpg")).unwrap();
        let walk = Walk::through(&[folder.path().to_owned()], false, || false);
        assert_eq!(walk.found, [Found::Picture(folder.path().join("a/b.jpg"))]);
        assert_eq!(walk.links_skipped, 3);
        let followed = pictures(folder.path(), true);
        assert_eq!(followed[..2], ["a/b.jpg", "out/far.jpg"]);
        assert!(
            followed[2].starts_with("! ") && followed.len() == 3,
            "{followed:?}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_named_like_a_picture_is_no_picture() {
        let folder = folder_with(&["a.jpg"]);
        let made = std::process::Command::new("mkfifo")
            .arg(folder.path().join("b.jpg"))
            .status();
        assert!(made.unwrap().success());
        assert_eq!(pictures(folder.path(), false), ["a.jpg"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_utf8_are_kept_as_they_are() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(OsStr::from_bytes(b"caf\xe9.jpg"));
        std::fs::write(&path, "x").unwrap();
        let walk = Walk::through(&[folder.path().to_owned()], false, || false);
        assert_eq!(walk.found, [Found::Picture(path)]);
    }
}
