//! Picture files on their way into a request.

use crate::failure::Failure;
use crate::text::shown;
use std::fs::Metadata;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use visavis_engine::RequestPicture;
use visavis_llava::image::{DecodeOptions, Picture};

/// Reads and decodes a picture file. Follows links; opens nothing that is not a regular file,
/// so that a pipe or a device cannot make it wait for ever.
pub(crate) fn read(path: &Path) -> Result<RequestPicture, Failure> {
    let before = regular(path)?;
    let first = decode(path);
    let Ok(after) = regular(path) else {
        return first;
    };
    if same(&before, &after) {
        return first;
    }
    // The file was being written. Once more, then it is somebody else's turn.
    let second = decode(path);
    match regular(path) {
        Ok(last) if same(&after, &last) => second,
        _ => Err(Failure::new(format!(
            "{}: another program is writing this file",
            shown(path)
        ))),
    }
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

fn regular(path: &Path) -> Result<Metadata, Failure> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::new(format!("{}: there is no such file", shown(path)))
        }
        _ => Failure::new(format!("{}: cannot be read ({error})", shown(path))),
    })?;
    if metadata.is_dir() {
        return Err(
            Failure::new(format!("{}: this is a folder, not a picture", shown(path)))
                .hint("`visavis caption` takes folders"),
        );
    }
    if !metadata.is_file() {
        return Err(
            Failure::new(format!("{}: this is not a regular file", shown(path)))
                .hint("save the picture to a file first"),
        );
    }
    if metadata.len() == 0 {
        return Err(Failure::new(format!("{}: the file is empty", shown(path))));
    }
    Ok(metadata)
}

fn decode(path: &Path) -> Result<RequestPicture, Failure> {
    // Decoders meet hostile files; a panic in one is that file's failure and nobody else's.
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| {
        Picture::open(path, &DecodeOptions::default())
    }));
    match decoded {
        Ok(Ok(Picture { width, height, rgb })) => Ok(RequestPicture {
            width,
            height,
            rgb: Arc::new(rgb),
        }),
        Ok(Err(error)) => Err(Failure::new(error.to_string())),
        Err(_) => Err(
            Failure::new(format!("{}: the picture could not be decoded", shown(path)))
                .hint("the file may be damaged; opening and saving it in another program may help"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.png");
        std::fs::write(&empty, "").unwrap();
        let missing = folder.path().join("missing.png");
        for (path, word) in [
            (empty, "empty"),
            (missing, "no such file"),
            (folder.path().to_owned(), "folder"),
        ] {
            let failure = read(&path).err().unwrap();
            assert!(failure.message().contains(word), "{failure:?}");
            assert!(failure.message().contains(&shown(&path)), "{failure:?}");
        }
    }
}
