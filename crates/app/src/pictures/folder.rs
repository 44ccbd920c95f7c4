//! What was dropped or chosen, as a list of files.

use super::add::Refused;
use crate::{AppError, Code};
use std::path::{Path, PathBuf};

/// Endings of pictures, for folders only: a file that a person names is judged by its content.
const ENDINGS: [&str; 14] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif",
    "avif", "jp2",
];
/// Entries of a folder that are looked at.
const MOST_ENTRIES: usize = 10_000;

/// The files, and what is none.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) files: Vec<PathBuf>,
    pub(super) refused: Vec<Refused>,
}

/// Files as they are; folders as the pictures right inside them, by name.
pub(super) fn expand(paths: Vec<PathBuf>) -> Listed {
    let mut listed = Listed::default();
    for path in paths {
        if let Some(address) = web_address(&path) {
            listed.refused.push(Refused {
                name: address,
                error: AppError::new(
                    Code::NotAFile,
                    "This is an address on the web, not a picture on this computer.",
                )
                .hint("Copy the picture itself in the browser and paste it here."),
            });
        } else if path.is_dir() {
            let pictures = pictures_in(&path);
            if pictures.is_empty() {
                listed.refused.push(Refused {
                    name: shown(&path),
                    error: AppError::new(Code::BadPicture, "There are no pictures in this folder.")
                        .hint("Open it and choose one."),
                });
            }
            listed.files.extend(pictures);
        } else {
            listed.files.push(path);
        }
    }
    listed
}

/// An address that a browser gave in place of a file. Systems turn `https://a/b` into a path in
/// several ways.
fn web_address(path: &Path) -> Option<String> {
    let text = path.to_string_lossy();
    let text = text.trim_start_matches('/');
    let web = ["http:/", "https:/", "data:", "blob:"];
    (web.iter().any(|start| text.starts_with(start)) && !path.exists())
        .then(|| text.chars().take(200).collect())
}

fn shown(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn pictures_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_picture = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        let ending = ending.to_lowercase();
        !name.starts_with('.') && ENDINGS.contains(&ending.as_str()) && path.is_file()
    };
    let mut found: Vec<PathBuf> = entries
        .take(MOST_ENTRIES)
        .flatten()
        .map(|entry| entry.path())
        .filter(is_picture)
        .collect();
    found.sort_by_key(|path| shown(path).to_lowercase());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_their_pictures_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.PNG", "a.jpg", ".hidden.png", "notes.txt", "c.webp"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("inner.png")).unwrap();
        let listed = expand(vec![folder.path().to_owned()]);
        let names: Vec<String> = listed.files.iter().map(|path| shown(path)).collect();
        assert_eq!(names, ["a.jpg", "b.PNG", "c.webp"]);
    }

    #[test]
    fn what_is_no_file_is_said_so() {
        let empty = tempfile::tempdir().unwrap();
        let listed = expand(vec![
            empty.path().to_owned(),
            "https://example.org/cat.jpg".into(),
            "/https:/example.org/cat.jpg".into(),
        ]);
        let codes: Vec<Code> = listed.refused.iter().map(|r| r.error.code).collect();
        assert_eq!(codes, [Code::BadPicture, Code::NotAFile, Code::NotAFile]);
        assert!(listed.files.is_empty());
    }
}
