//! A GGUF file, or the files that one was split into, mapped and checked.

use super::header::{self, TensorInfo};
use super::meta::Meta;
use super::value::Value;
use crate::checkpoint::mapped::MappedFile;
use crate::checkpoint::weights::WeightEntry;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An opened GGUF file with all of its parts.
pub(super) struct Gguf {
    /// The first part.
    path: PathBuf,
    pub(super) parts: Vec<Arc<MappedFile>>,
    values: BTreeMap<String, Value>,
    pub(super) tensors: BTreeMap<String, TensorInfo>,
}

impl Gguf {
    /// Opens the file at `path`, which may be any part of a split one.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (file, header) = read(path)?;
        let named = split_name(path);
        let stated = part_count(&file, &header)?;
        let (count, number) = match (stated, &named) {
            (1, None) => (1, 1),
            (stated, Some(name)) if stated == name.count => (stated, name.number),
            (1, Some(_)) => (1, 1),
            (stated, _) => {
                return Err(Error::checkpoint(
                    path,
                    format!(
                        "this is one part of {stated}, but its name does not say which; \
                         name the parts as they were published: *-00001-of-{stated:05}.gguf"
                    ),
                ));
            }
        };
        let mut gguf = Self {
            path: path.to_owned(),
            parts: Vec::new(),
            values: BTreeMap::new(),
            tensors: BTreeMap::new(),
        };
        let mut opened = Some((file, header));
        for part in 1..=count {
            let (file, header) = match &named {
                Some(name) if count > 1 && part != number => name.open(path, part)?,
                // Taken once: `number` comes by once.
                _ => match opened.take() {
                    Some(opened) => opened,
                    None => read(path)?,
                },
            };
            if count > 1 {
                check_part(&file, &header, part, count)?;
            }
            gguf.add(file, header, part)?;
        }
        Ok(gguf)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Settings (of the first part) and tensors (of all).
    pub(super) fn meta(&self) -> Meta<'_> {
        Meta {
            bytes: self.parts.first().map_or(&[], |f| f.bytes()),
            values: &self.values,
            tensors: &self.tensors,
        }
    }

    pub(super) fn fault(&self, message: impl Into<String>) -> Error {
        Error::checkpoint(&self.path, message)
    }

    /// The tensor `name` as a weight.
    pub(super) fn entry(&self, name: &str, info: &TensorInfo) -> Result<WeightEntry> {
        let file = self.parts.get(info.part);
        Ok(WeightEntry {
            file: file
                .ok_or_else(|| self.fault(format!("{name} lies in a part that is not there")))?
                .clone(),
            stored_name: name.to_owned(),
            stored: info.kind.stored,
            shape: info.shape.clone(),
            offset: info.bytes.start,
            bytes: info.bytes.len(),
        })
    }

    fn add(&mut self, file: Arc<MappedFile>, header: header::Header, part: usize) -> Result<()> {
        if part == 1 {
            self.path = file.path().to_owned();
            self.values = header.values;
        }
        for (name, mut info) in header.tensors {
            info.part = part - 1;
            if self.tensors.insert(name.clone(), info).is_some() {
                return Err(Error::checkpoint(
                    file.path(),
                    format!(
                        "the tensor {name:?} is in another part too; these parts are not of one model, \
                         download them again"
                    ),
                ));
            }
        }
        self.parts.push(file);
        Ok(())
    }
}

fn read(path: &Path) -> Result<(Arc<MappedFile>, header::Header)> {
    let file = MappedFile::open(path)?;
    let header = header::parse(file.bytes()).map_err(|why| Error::checkpoint(path, why))?;
    Ok((Arc::new(file), header))
}

fn meta<'a>(file: &'a MappedFile, header: &'a header::Header) -> Meta<'a> {
    Meta {
        bytes: file.bytes(),
        values: &header.values,
        tensors: &header.tensors,
    }
}

/// `split.count`; 1 for a file that is whole.
fn part_count(file: &MappedFile, header: &header::Header) -> Result<usize> {
    let count = meta(file, header).whole("split.count");
    let count = count.map_err(|why| Error::checkpoint(file.path(), why))?;
    match count.unwrap_or(1) {
        0 => Ok(1),
        n => usize::try_from(n)
            .ok()
            .filter(|n| *n < 100_000)
            .ok_or_else(|| {
                Error::checkpoint(
                    file.path(),
                    format!("split.count is {n}; the file is damaged, download it again"),
                )
            }),
    }
}

fn check_part(file: &MappedFile, header: &header::Header, part: usize, count: usize) -> Result<()> {
    let number = meta(file, header)
        .whole("split.no")
        .map_err(|why| Error::checkpoint(file.path(), why))?;
    if part_count(file, header)? == count && number == Some(part as i64 - 1) {
        return Ok(());
    }
    Err(Error::checkpoint(
        file.path(),
        format!(
            "this file is not part {part} of {count}, as its name says; download the parts again"
        ),
    ))
}

/// `name-00001-of-00003.gguf`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SplitName {
    stem: String,
    pub(super) number: usize,
    count: usize,
}

impl SplitName {
    fn open(&self, beside: &Path, part: usize) -> Result<(Arc<MappedFile>, header::Header)> {
        let name = format!("{}-{part:05}-of-{:05}.gguf", self.stem, self.count);
        let path = beside.with_file_name(name);
        if !path.exists() {
            return Err(Error::checkpoint(
                &path,
                format!(
                    "this part of the model is missing; all {} parts must lie in one folder",
                    self.count
                ),
            ));
        }
        read(&path)
    }
}

pub(super) fn split_name(path: &Path) -> Option<SplitName> {
    let name = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
    let (rest, count) = name.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let five = |digits: &str| {
        let all = digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit());
        all.then(|| digits.parse::<usize>().ok()).flatten()
    };
    let (number, count) = (five(number)?, five(count)?);
    let inside = (1..=count).contains(&number);
    inside.then(|| SplitName {
        stem: stem.to_owned(),
        number,
        count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts() {
        let name = split_name(Path::new("a/llava-q4-00002-of-00003.gguf")).unwrap();
        assert_eq!(
            (name.stem.as_str(), name.number, name.count),
            ("llava-q4", 2, 3)
        );
        for other in [
            "llava.gguf",
            "llava-2-of-3.gguf",
            "llava-00004-of-00003.gguf",
            "llava-00000-of-00003.gguf",
            "llava-00001-of-00003.bin",
        ] {
            assert_eq!(split_name(Path::new(other)), None, "{other}");
        }
    }
}
