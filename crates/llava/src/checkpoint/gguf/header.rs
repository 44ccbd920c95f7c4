//! The header of a GGUF file, checked completely before anything in it is used.
//!
//! What a crafted or damaged file may claim (counts, lengths, offsets, an alignment of zero,
//! sizes whose product wraps, names twice, tensors over one another) is an error here, found
//! without allocating more than a few times what has been read.

use super::cursor::{Cursor, Fault};
use super::ggml_type::{self, GgmlType};
use super::value::Value;
use std::collections::BTreeMap;
use std::ops::Range;

/// Entries and tensors a header may have: the largest LLaVA has under a thousand.
const MOST_ENTRIES: u64 = 1 << 16;
const LONGEST_KEY: usize = 1 << 10;
/// ggml itself stops at 64.
const LONGEST_NAME: usize = 256;
const MOST_DIMENSIONS: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;
const LARGEST_ALIGNMENT: u64 = 1 << 16;

/// A checked header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) values: BTreeMap<String, Value>,
    pub(super) tensors: BTreeMap<String, TensorInfo>,
}

/// A checked tensor.
#[derive(Debug, Clone)]
pub(super) struct TensorInfo {
    pub(super) kind: GgmlType,
    /// Outermost dimension first (the file has them the other way round).
    pub(super) shape: Vec<usize>,
    /// Which file of a split model it lies in, from 0.
    pub(super) part: usize,
    /// In that file.
    pub(super) bytes: Range<usize>,
}

/// Reads and checks the header of the file whose bytes these are.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, Fault> {
    let mut cursor = Cursor::new(bytes, 0);
    magic(&mut cursor)?;
    let tensor_count = cursor.u64().map_err(damaged)?;
    let value_count = cursor.u64().map_err(damaged)?;
    // The shortest tensor entry has 33 bytes, the shortest value 14.
    let fits = |count: u64, least: u64| {
        count <= MOST_ENTRIES && count.saturating_mul(least) <= bytes.len() as u64
    };
    if !fits(tensor_count, 33) || !fits(value_count, 14) {
        return Err(damaged(format!(
            "it claims {tensor_count} tensors and {value_count} settings, in {} bytes",
            bytes.len()
        )));
    }
    let values = read_values(&mut cursor, value_count).map_err(damaged)?;
    let alignment = alignment(bytes, &values).map_err(damaged)?;
    let mut tensors = Vec::new();
    for _ in 0..tensor_count {
        tensors.push(Entry::read(&mut cursor)?);
    }
    let tensors = place(tensors, cursor.at(), alignment, bytes.len()).map_err(damaged)?;
    Ok(Header { values, tensors })
}

/// The sentence for a file that is not as it was written.
pub(super) fn damaged(why: String) -> Fault {
    format!("the file is damaged or incomplete ({why}); download it again")
}

fn magic(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    let magic = cursor
        .take(4)
        .map_err(|_| damaged("it is shorter than its first field".into()))?;
    match magic {
        b"GGUF" => {}
        b"lmgg" | b"fmgg" | b"tjgg" | b"algg" => {
            return Err(
                "this file is of the GGML format that GGUF replaced in 2023; get the same model as GGUF"
                    .into(),
            );
        }
        b"vers" => {
            return Err(
                "this is not the model but a Git LFS note about it; download the file itself"
                    .into(),
            );
        }
        _ => {
            return Err(
                "this is not a GGUF file (it does not begin with GGUF); download it again".into(),
            );
        }
    }
    let version = cursor.u32().map_err(damaged)?;
    match version {
        2 | 3 => Ok(()),
        1 => Err("this is GGUF version 1, of a few weeks in 2023; get a newer file of the same model".into()),
        other if matches!(other.swap_bytes(), 1..=3) => Err(
            "this is a big-endian GGUF file, for other processors than this one; get the usual little-endian file".into(),
        ),
        other => Err(format!(
            "this is GGUF version {other}; Visavis reads versions 2 and 3"
        )),
    }
}

fn read_values(cursor: &mut Cursor<'_>, count: u64) -> Result<BTreeMap<String, Value>, Fault> {
    let mut values = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.name(LONGEST_KEY)?;
        let value = Value::read(cursor).map_err(|why| format!("setting {key:?}: {why}"))?;
        if values.insert(key.to_owned(), value).is_some() {
            return Err(format!("the setting {key:?} is there twice"));
        }
    }
    Ok(values)
}

fn alignment(bytes: &[u8], values: &BTreeMap<String, Value>) -> Result<usize, Fault> {
    let alignment = match values.get("general.alignment") {
        None => DEFAULT_ALIGNMENT,
        Some(Value::Single(kind, at)) => bytes
            .get(at.clone())
            .and_then(|b| super::value::integer(*kind, b))
            .and_then(|n| u64::try_from(n).ok())
            .ok_or("general.alignment is not a whole number")?,
        Some(_) => return Err("general.alignment is not a whole number".into()),
    };
    if !alignment.is_power_of_two() || alignment > LARGEST_ALIGNMENT {
        return Err(format!(
            "general.alignment is {alignment}, not a power of two up to {LARGEST_ALIGNMENT}"
        ));
    }
    Ok(alignment as usize)
}

/// A tensor as its entry claims it.
struct Entry {
    name: String,
    kind: GgmlType,
    shape: Vec<usize>,
    size: usize,
    /// From the beginning of the data.
    offset: u64,
}

impl Entry {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let name = cursor.name(LONGEST_NAME).map_err(damaged)?.to_owned();
        let wrong = |why: String| damaged(format!("tensor {name:?}: {why}"));
        let dimensions = cursor.u32().map_err(wrong)?;
        if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
            return Err(wrong(format!("{dimensions} dimensions")));
        }
        let mut shape = Vec::new();
        let mut elements = 1usize;
        for _ in 0..dimensions {
            let size = cursor.u64().map_err(wrong)?;
            let size = usize::try_from(size).ok().filter(|s| *s > 0);
            let grown = size.and_then(|s| elements.checked_mul(s));
            let (Some(size), Some(grown)) = (size, grown) else {
                return Err(wrong("dimensions of impossible size".into()));
            };
            elements = grown;
            shape.push(size);
        }
        let id = cursor.u32().map_err(wrong)?;
        let kind = ggml_type::from_id(id).ok_or_else(|| {
            format!(
                "the tensor {name:?} has the type {id}, which this version does not know; \
                 get the model as Q4_K_M, Q8_0 or F16"
            )
        })?;
        let row = shape.first().copied().unwrap_or(0);
        if !row.is_multiple_of(kind.block_len) {
            return Err(wrong(format!(
                "rows of {row} values are not whole blocks of {}",
                kind.block_len
            )));
        }
        let size = (elements / kind.block_len)
            .checked_mul(kind.block_bytes)
            .ok_or_else(|| wrong("dimensions of impossible size".into()))?;
        let offset = cursor.u64().map_err(wrong)?;
        shape.reverse();
        Ok(Self {
            name,
            kind,
            shape,
            size,
            offset,
        })
    }
}

/// Checks where the tensors lie: aligned, inside the file, none over another.
fn place(
    mut entries: Vec<Entry>,
    header_end: usize,
    alignment: usize,
    file_len: usize,
) -> Result<BTreeMap<String, TensorInfo>, Fault> {
    // At most `file_len` and a bit: no overflow.
    let data = header_end.next_multiple_of(alignment);
    entries.sort_by_key(|e| e.offset);
    let mut tensors = BTreeMap::new();
    let mut free = 0u64;
    for entry in entries {
        let wrong = |why: String| Err(format!("tensor {:?}: {why}", entry.name));
        if !entry.offset.is_multiple_of(alignment as u64) {
            return wrong(format!(
                "its offset {} is not a multiple of {alignment}",
                entry.offset
            ));
        }
        if entry.offset < free {
            return wrong("it lies over another tensor".into());
        }
        let start = usize::try_from(entry.offset)
            .ok()
            .and_then(|o| o.checked_add(data));
        let end = start.and_then(|s| s.checked_add(entry.size));
        let (Some(start), Some(end)) = (start, end.filter(|e| *e <= file_len)) else {
            return wrong(format!(
                "{} bytes at {} reach past the end of the file at {file_len}",
                entry.size, entry.offset
            ));
        };
        free = entry.offset + entry.size as u64;
        let info = TensorInfo {
            kind: entry.kind,
            shape: entry.shape,
            part: 0,
            bytes: start..end,
        };
        if tensors.insert(entry.name.clone(), info).is_some() {
            return Err(format!("the tensor {:?} is there twice", entry.name));
        }
    }
    Ok(tensors)
}
