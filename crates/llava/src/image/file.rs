//! Reading a picture file, and saying plainly why one cannot be read.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use super::MAX_FILE_BYTES;

/// The bytes of the file, or the reason for the person.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    // A program that is still writing the file may finish in the meantime: one more try.
    for _ in 0..2 {
        if let Some(bytes) = read_once(path)? {
            return Ok(bytes);
        }
    }
    Err("the file was being changed while it was read; try again when it is complete".into())
}

/// `None` when the file changed under the reading.
fn read_once(path: &Path) -> Result<Option<Vec<u8>>, String> {
    // Looked at before it is opened: opening a pipe would wait for its writer.
    check(&std::fs::metadata(path).map_err(|error| explain(&error))?)?;
    let mut file = File::open(path).map_err(|error| explain(&error))?;
    let before = file.metadata().map_err(|error| explain(&error))?;
    check(&before)?;
    let mut bytes = Vec::with_capacity(usize::try_from(before.len()).unwrap_or(0));
    // One byte more than announced is enough to see that the file has grown.
    file.by_ref()
        .take(before.len() + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| explain(&error))?;
    let after = file.metadata().map_err(|error| explain(&error))?;
    let unchanged = bytes.len() as u64 == before.len()
        && after.len() == before.len()
        && after.modified().ok() == before.modified().ok();
    Ok(unchanged.then_some(bytes))
}

/// Refuses what is not an ordinary file of a sensible length.
fn check(metadata: &Metadata) -> Result<(), String> {
    if metadata.is_dir() {
        return Err("this is a folder, not a picture; name a picture inside it".into());
    }
    if !metadata.is_file() {
        return Err(
            "this is not an ordinary file but a pipe, a socket or a device; \
                    save the picture to a file first"
                .into(),
        );
    }
    if metadata.len() == 0 {
        return Err("the file is empty; copy or download it again".into());
    }
    if metadata.len() >= MAX_FILE_BYTES {
        return Err(format!(
            "the file has {:.1} GB, and pictures are read up to {:.1} GB; save a smaller copy",
            metadata.len() as f64 / 1e9,
            MAX_FILE_BYTES as f64 / 1e9,
        ));
    }
    Ok(())
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; check its name and folder".into(),
        io::ErrorKind::PermissionDenied => {
            "this file may not be read; check its permissions".into()
        }
        _ => format!("the file could not be read ({error}); check its disk and try again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(path: &Path) -> String {
        read(path).unwrap_err()
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(reason(&at("nothing.jpg")).contains("no such file"));
        assert!(reason(folder.path()).contains("folder"));
        std::fs::write(at("empty.png"), b"").unwrap();
        assert!(reason(&at("empty.png")).contains("empty"));
        // A sparse file: its length is announced, no byte of it is stored or read.
        File::create(at("huge.tif"))
            .unwrap()
            .set_len(MAX_FILE_BYTES)
            .unwrap();
        assert!(reason(&at("huge.tif")).contains("2.0 GB"));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_and_a_device_are_refused_without_waiting() {
        use std::os::unix::net::UnixListener;
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.jpg");
        let made = std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap();
        assert!(made.success());
        assert!(reason(&pipe).contains("not an ordinary file"));
        let socket = folder.path().join("socket.jpg");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(reason(&socket).contains("not an ordinary file"));
        assert!(reason(Path::new("/dev/zero")).contains("not an ordinary file"));
    }

    #[test]
    fn a_whole_file_comes_back_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(read(&path).unwrap(), b"abc");
    }
}
