//! Tiny models for tests: checkpoints written from a formula, the damage that downloads and
//! disks do to them, and what the reference computes from them.
//!
//! The weights follow from tensor name and index ([`formula`]), the same in tests/golden/formula.py,
//! so the repository holds only the reference's outputs ([`golden`]). Everything here may panic:
//! it runs in tests, where a panic is a failed test.

// A fixture that cannot be built is a failed test; each message says what was being built.
#![allow(clippy::unwrap_used)]

pub mod blocks;
pub mod checkpoint;
pub mod faults;
pub mod formula;
mod gguf_file;
pub mod golden;
pub mod spec;

pub use checkpoint::write_checkpoint;
pub use spec::{Layout, StoredAs, TinySpec, TinyText, TinyVision, preset, presets};

use std::path::Path;

/// A temporary folder with a checkpoint in it; removed when dropped.
pub struct TinyModel {
    folder: tempfile::TempDir,
    /// What was written.
    pub spec: TinySpec,
}

impl TinyModel {
    /// Writes the preset `name` into a fresh temporary folder.
    pub fn preset(name: &str) -> Self {
        Self::new(preset(name))
    }

    /// Writes `spec` into a fresh temporary folder.
    pub fn new(spec: TinySpec) -> Self {
        let folder = temporary_folder();
        write_checkpoint(&spec, folder.path());
        Self { folder, spec }
    }

    /// The checkpoint's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A fresh temporary folder; removed when dropped.
pub fn temporary_folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("visavis-test-")
        .tempdir()
        .expect("a temporary folder")
}
