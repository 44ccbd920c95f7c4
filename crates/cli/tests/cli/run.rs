//! Running the program and reading what it left behind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .unwrap()
                .replace("visavis.exe", "visavis")
        };
        Self {
            status: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ran {
    /// Succeeded; returns standard output.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Failed as the contract wants it: status 1, nothing on standard output, an error that names
    /// `culprit`, no trace of a panic. Returns standard error.
    #[track_caller]
    pub(crate) fn failed_over(self, culprit: &str) -> String {
        assert_eq!(self.status, Some(1), "{}", self.stderr);
        assert_eq!(self.stdout, "");
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        assert!(
            self.stderr.contains(culprit),
            "{culprit} is not named in: {}",
            self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self.stderr
    }
}

/// The program, in a world without other models than those a test makes.
pub(crate) fn program(nowhere: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_visavis"));
    command
        .current_dir(nowhere)
        .env("VISAVIS_DATA_DIR", nowhere.join("data"))
        .env_remove("VISAVIS_MODEL")
        .env_remove("VISAVIS_LOG")
        .stdin(Stdio::null());
    command
}

/// Runs the program with `words`.
pub(crate) fn run<S: AsRef<OsStr>>(nowhere: &Path, words: impl IntoIterator<Item = S>) -> Ran {
    program(nowhere).args(words).output().unwrap().into()
}

/// An empty folder; its path has no links in it.
pub(crate) struct Folder {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    /// Writes a file into it, with the folders around it.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}
