//! Finding the two files of a LLaVA model in GGUF: the language model and the vision tower
//! ("mmproj") that belongs to it.

use super::cursor::Fault;
use super::file::{Gguf, split_name};
use super::{language, vision};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// What a GGUF file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Language,
    Vision,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Language => "language model",
            Self::Vision => "vision tower (mmproj)",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Language => Self::Vision,
            Self::Vision => Self::Language,
        }
    }
}

/// A file that may be one of the two.
struct Candidate {
    gguf: Gguf,
    kind: Kind,
    /// Width of the language model that it is, or that it was made for.
    width: usize,
    /// What it calls itself, if it does (`general.name`).
    title: Option<String>,
}

impl Candidate {
    fn open(path: &Path) -> Result<Self> {
        let gguf = Gguf::open(path)?;
        let (kind, width) = classify(&gguf).map_err(|why| gguf.fault(why))?;
        let title = gguf.meta().text("general.name");
        let title = title.map_err(|why| gguf.fault(why))?;
        let title = title.filter(|t| !t.is_empty()).map(str::to_owned);
        Ok(Self {
            gguf,
            kind,
            width,
            title,
        })
    }

    fn name(&self) -> String {
        file_name(self.gguf.path())
    }
}

/// The GGUF files of a folder that could make a model.
#[derive(Default)]
struct Found {
    languages: Vec<Candidate>,
    visions: Vec<Candidate>,
    /// Why the others are of no use.
    others: Vec<String>,
}

impl Found {
    fn add(&mut self, candidate: Candidate) {
        match candidate.kind {
            Kind::Language => self.languages.push(candidate),
            Kind::Vision => self.visions.push(candidate),
        }
    }

    /// Places of the language models and vision towers that fit together: by width, and where
    /// that leaves several, by the name that both give themselves.
    fn fitting(&self) -> Vec<(usize, usize)> {
        let mut fitting = Vec::new();
        let mut namesakes = Vec::new();
        for (l, language) in self.languages.iter().enumerate() {
            for (v, vision) in self.visions.iter().enumerate() {
                if language.width == vision.width {
                    fitting.push((l, v));
                    if language.title.is_some() && language.title == vision.title {
                        namesakes.push((l, v));
                    }
                }
            }
        }
        if fitting.len() > 1 && namesakes.len() == 1 {
            return namesakes;
        }
        fitting
    }

    /// Opens the GGUF files of a folder. Beside a named file only the other kind is of interest.
    fn look(&mut self, folder: &Path, named: Option<&Candidate>) -> Result<()> {
        for path in gguf_files(folder)? {
            if named.is_some_and(|n| file_name(n.gguf.path()) == file_name(&path)) {
                continue;
            }
            match Candidate::open(&path) {
                Ok(candidate) if named.is_some_and(|n| n.kind == candidate.kind) => {}
                Ok(candidate) => self.add(candidate),
                // Of use only when nothing is found.
                Err(why) => self.others.push(why.to_string()),
            }
        }
        Ok(())
    }
}

/// The language model and the vision tower at `path`: either of the files, or their folder.
pub(super) fn find(path: &Path) -> Result<(Gguf, Gguf)> {
    let mut found = Found::default();
    let mut named = None;
    if path.is_dir() {
        found.look(path, None)?;
    } else {
        let candidate = Candidate::open(path)?;
        let folder = super::super::folder_of(path)?;
        found.look(&folder, Some(&candidate))?;
        named = Some(candidate.kind);
        found.add(candidate);
    }
    pick(path, found, named)
}

/// GGUF files of a folder in the order of their names, of split ones the first part.
fn gguf_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |e| Error::io(folder, e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let later_part = split_name(&path).is_some_and(|name| name.number != 1);
        if has_extension(&path) && path.is_file() && !later_part {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether there are GGUF files in a folder.
pub(in crate::checkpoint) fn any_in(folder: &Path) -> bool {
    gguf_files(folder).is_ok_and(|files| !files.is_empty())
}

pub(super) fn has_extension(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gguf"))
}

fn classify(gguf: &Gguf) -> std::result::Result<(Kind, usize), Fault> {
    let meta = gguf.meta();
    match language::architecture(&meta)? {
        "llama" => Ok((Kind::Language, meta.required("llama.embedding_length")?)),
        "clip" => Ok((Kind::Vision, vision::width(&meta)?)),
        other => Err(format!(
            "this is a \"{other}\" model; Visavis runs LLaVA-1.5 (a \"llama\" language model with a \"clip\" vision tower)"
        )),
    }
}

/// The one pair that fits, or why there is not exactly one.
fn pick(path: &Path, mut found: Found, named: Option<Kind>) -> Result<(Gguf, Gguf)> {
    let fitting = found.fitting();
    match (
        fitting.as_slice(),
        found.languages.first(),
        found.visions.first(),
    ) {
        ([(l, v)], ..) => Ok((
            found.languages.swap_remove(*l).gguf,
            found.visions.swap_remove(*v).gguf,
        )),
        ([], Some(language), Some(vision)) => Err(mismatch(language, vision)),
        ([], language, vision) => Err(missing(path, language.or(vision), &found.others)),
        (several, ..) => Err(ambiguous(path, &found, several, named)),
    }
}

fn mismatch(language: &Candidate, vision: &Candidate) -> Error {
    vision.gguf.fault(format!(
        "this vision tower was made for a language model of width {}, but {} has width {}; \
         use the mmproj file that was published with it (7B: 4096, 13B: 5120)",
        vision.width,
        language.name(),
        language.width
    ))
}

fn missing(path: &Path, half: Option<&Candidate>, others: &[String]) -> Error {
    let also = match others {
        [] => String::new(),
        others => format!(" (not usable: {})", others.join("; ")),
    };
    match half {
        Some(half) => half.gguf.fault(format!(
            "this is the {} of a LLaVA model; its {} must lie in the same folder, and does not: \
             download it too{also}",
            half.kind.words(),
            half.kind.other().words()
        )),
        None => Error::checkpoint(
            path,
            format!("there is no LLaVA-1.5 model in GGUF files here{also}"),
        ),
    }
}

fn ambiguous(path: &Path, found: &Found, fitting: &[(usize, usize)], named: Option<Kind>) -> Error {
    let names = |all: &[Candidate], fits: &dyn Fn(usize) -> bool| {
        let fitting = all.iter().enumerate().filter(|(i, _)| fits(*i));
        let mut names: Vec<String> = fitting.map(|(_, c)| c.name()).collect();
        names.sort();
        names
    };
    let languages = names(&found.languages, &|i| fitting.iter().any(|(l, _)| *l == i));
    let visions = names(&found.visions, &|i| fitting.iter().any(|(_, v)| *v == i));
    let advice = match named {
        Some(Kind::Language) => {
            "name the mmproj file that you want, or give each pair a folder of its own"
        }
        None if languages.len() == 1 => "name the mmproj file that you want",
        None | Some(Kind::Vision) => {
            "name the file of the language model that you want, or give each pair a folder of its own"
        }
    };
    Error::checkpoint(
        path,
        format!(
            "several models are here (language models: {}; vision towers: {}); {advice}",
            languages.join(", "),
            visions.join(", ")
        ),
    )
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
