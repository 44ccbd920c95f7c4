//! A GGUF file as it is written: settings, tensor table, then one tensor after the other.
//!
//! Nothing is held but the rows in work. The file appears under its name only when it is whole
//! and on the disk.

use crate::checkpoint::gguf::id_of;
use crate::watch::{Stage, Watch};
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use visavis_kernels::DType;

const ALIGNMENT: u64 = 32;
/// Bytes of encoded rows in work.
const CHUNK: usize = 8 << 20;

/// A setting's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Setting {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
}

/// A tensor that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    /// In the GGUF file.
    pub(super) name: String,
    /// llava-hf's.
    pub(super) canonical: String,
    /// Outermost dimension first.
    pub(super) shape: Vec<usize>,
    pub(super) dtype: DType,
    /// Rows are reordered within this many heads, for rotary embeddings of neighbours.
    pub(super) heads: Option<usize>,
}

impl Tensor {
    /// Rows and columns: a vector is one row, the patch kernel has a row for each output. Only
    /// matrices have types with blocks.
    pub(super) fn size(&self) -> (usize, usize) {
        match self.shape.as_slice() {
            [rows, rest @ ..] if !rest.is_empty() => (*rows, rest.iter().product()),
            _ => (1, self.shape.iter().product()),
        }
    }

    pub(super) fn row_bytes(&self) -> usize {
        self.size().1 / self.dtype.block_len() * self.dtype.block_bytes()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.size().0 as u64 * self.row_bytes() as u64
    }
}

/// A file to write.
pub(super) struct Output {
    pub(super) path: PathBuf,
    pub(super) settings: Vec<(String, Setting)>,
    pub(super) tensors: Vec<Tensor>,
}

/// Where the encoded rows come from.
pub(super) trait Rows {
    /// Fills `out` with the encoded rows `rows` of `tensor`.
    fn fill(&self, tensor: &Tensor, rows: Range<usize>, out: &mut [u8]) -> Result<()>;
}

/// How far the writing of all files is.
pub(super) struct Progress<'a> {
    pub(super) watch: &'a dyn Watch,
    pub(super) done: u64,
    pub(super) total: u64,
}

impl Progress<'_> {
    pub(super) fn add(&mut self, bytes: u64) -> Result<()> {
        self.done += bytes;
        Ok(self
            .watch
            .progress(Stage::Converting, self.done, self.total)?)
    }
}

/// A written file under its temporary name; removed unless it is kept.
pub(super) struct Unnamed {
    temporary: PathBuf,
    path: PathBuf,
    kept: bool,
}

impl Unnamed {
    /// Gives the file its name.
    pub(super) fn keep(mut self) -> Result<PathBuf> {
        std::fs::rename(&self.temporary, &self.path).map_err(|e| failed(&self.path, &e))?;
        self.kept = true;
        sync_folder(&self.path);
        Ok(self.path.clone())
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed stays as a .part file, which nothing reads.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

impl Output {
    /// Bytes of all tensors.
    pub(super) fn bytes(&self) -> u64 {
        self.tensors.iter().map(Tensor::bytes).sum()
    }

    /// Fails when the file is there already and may not be replaced, or is no file at all.
    pub(super) fn check_free(&self, replace: bool) -> Result<()> {
        match std::fs::symlink_metadata(&self.path) {
            Err(_) => Ok(()),
            Ok(meta) if !meta.is_file() => Err(Error::checkpoint(
                &self.path,
                "there is something of this name that is no file; remove it or choose another folder",
            )),
            Ok(_) if replace => Ok(()),
            Ok(_) => Err(Error::Exists {
                path: self.path.clone(),
            }),
        }
    }

    /// Writes the file under a temporary name beside its own.
    pub(super) fn write(&self, rows: &dyn Rows, progress: &mut Progress<'_>) -> Result<Unnamed> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let unnamed = Unnamed {
            temporary: self.path.with_file_name(name),
            path: self.path.clone(),
            kept: false,
        };
        let io = |e: std::io::Error| failed(&self.path, &e);
        let file = File::create(&unnamed.temporary).map_err(io)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(&self.header()?).map_err(io)?;
        let mut chunk = Vec::new();
        for tensor in &self.tensors {
            let (count, _) = tensor.size();
            let row_bytes = tensor.row_bytes().max(1);
            let at_once = (CHUNK / row_bytes).max(1);
            for first in (0..count).step_by(at_once) {
                let last = (first + at_once).min(count);
                chunk.clear();
                chunk.resize((last - first) * row_bytes, 0);
                rows.fill(tensor, first..last, &mut chunk)?;
                out.write_all(&chunk).map_err(io)?;
                progress.add(chunk.len() as u64)?;
            }
            let padding = tensor.bytes().next_multiple_of(ALIGNMENT) - tensor.bytes();
            out.write_all(&[0; ALIGNMENT as usize][..padding as usize])
                .map_err(io)?;
        }
        let file = out.into_inner().map_err(|e| io(e.into_error()))?;
        file.sync_all().map_err(io)?;
        Ok(unnamed)
    }

    fn header(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        out.extend_from_slice(b"GGUF");
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.settings.len() as u64).to_le_bytes());
        for (key, setting) in &self.settings {
            text(&mut out, key);
            setting.write(&mut out);
        }
        let mut offset = 0u64;
        for tensor in &self.tensors {
            text(&mut out, &tensor.name);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            for size in tensor.shape.iter().rev() {
                out.extend((*size as u64).to_le_bytes());
            }
            let kind = id_of(tensor.dtype).ok_or_else(|| {
                let name = tensor.dtype.name();
                Error::checkpoint(&self.path, format!("GGUF files have no type {name}"))
            })?;
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += tensor.bytes().next_multiple_of(ALIGNMENT);
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
        Ok(out)
    }
}

impl Setting {
    fn write(&self, out: &mut Vec<u8>) {
        const LIST: u32 = 9;
        let kind: u32 = match self {
            Self::U32(_) => 4,
            Self::I32s(_) => 5,
            Self::F32(_) | Self::F32s(_) => 6,
            Self::Bool(_) => 7,
            Self::Text(_) | Self::Texts(_) => 8,
        };
        let mut list = |len: usize| {
            out.extend(LIST.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend((len as u64).to_le_bytes());
        };
        match self {
            Self::Texts(v) => list(v.len()),
            Self::F32s(v) => list(v.len()),
            Self::I32s(v) => list(v.len()),
            _ => out.extend(kind.to_le_bytes()),
        }
        match self {
            Self::U32(v) => out.extend(v.to_le_bytes()),
            Self::F32(v) => out.extend(v.to_le_bytes()),
            Self::Bool(v) => out.push(u8::from(*v)),
            Self::Text(v) => text(out, v),
            Self::Texts(v) => v.iter().for_each(|v| text(out, v)),
            Self::F32s(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
            Self::I32s(v) => v.iter().for_each(|v| out.extend(v.to_le_bytes())),
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn failed(path: &Path, e: &std::io::Error) -> Error {
    Error::checkpoint(
        path,
        format!("the file cannot be written ({e}); make room or choose another folder"),
    )
}

/// Makes a rename last through a power cut, where the system has a way to.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent()
        && let Ok(folder) = File::open(folder)
    {
        // Windows has no such call; the rename itself has succeeded.
        let _ = folder.sync_all();
    }
}
