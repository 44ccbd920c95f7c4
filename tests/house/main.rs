//! The rules that hold the crates apart, read from the manifests and the sources themselves.
//!
//! ARCHITECTURE.md gives the picture and its reasons. It stays true because a dependency against
//! the grain, or `unsafe` code in a new place, fails here with a sentence that says what to do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dependencies;
mod source;

use std::path::{Path, PathBuf};

/// The repository's root folder.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

/// Fails with every fault at once, one on a line.
fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
