//! The mixture's rows on their way: written once as they come, then copied in random order, so
//! that memory holds their places and not their texts.

use super::Source;
use crate::scenes::dice::Dice;
use crate::{Error, Result};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How many conversations a data set gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The data set.
    pub kind: String,
    /// Entries of its files that were read: questions, regions, conversations.
    pub entries: usize,
    /// Entries that were left out because something in them is missing or not wanted.
    pub left_out: usize,
    /// Conversations that they make.
    pub made: usize,
    /// Conversations that are in the mixture.
    pub kept: usize,
    /// Questions of these.
    pub turns: usize,
}

/// Where a row lies in the unordered file.
#[derive(Clone, Copy)]
struct Span {
    at: u64,
    length: usize,
    turns: usize,
}

/// A row of the LLaVA format.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    conversations: Vec<Said<'a>>,
}

#[derive(Serialize)]
struct Said<'a> {
    from: &'static str,
    value: std::borrow::Cow<'a, str>,
}

/// Collects rows.
pub(super) struct Rows {
    out: PathBuf,
    unordered: PathBuf,
    file: BufWriter<File>,
    end: u64,
    /// Rows of finished data sets.
    kept: Vec<Span>,
    /// Rows of the present one.
    open: Vec<Span>,
    counts: Counts,
    images: String,
}

impl Rows {
    pub(super) fn create(out: &Path) -> Result<Self> {
        let mut unordered = out.as_os_str().to_owned();
        unordered.push(".unordered");
        let unordered = PathBuf::from(unordered);
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&unordered)
            .map_err(|error| Error::write(&unordered, error))?;
        Ok(Self {
            out: out.to_owned(),
            unordered,
            file: BufWriter::new(file),
            end: 0,
            kept: Vec::new(),
            open: Vec::new(),
            counts: Counts::default(),
            images: String::new(),
        })
    }

    /// The rows that follow are this data set's.
    pub(super) fn begin(&mut self, source: &Source) {
        self.counts = Counts {
            kind: source.kind.name().to_owned(),
            ..Counts::default()
        };
        self.images = source.images.trim_end_matches('/').to_owned();
    }

    /// An entry was read.
    pub(super) fn read(&mut self) {
        self.counts.entries += 1;
    }

    /// The entry read last is left out.
    pub(super) fn leave_out(&mut self) {
        self.counts.left_out += 1;
    }

    /// A conversation about a picture, or without one. Questions come without a mark.
    pub(super) fn push(
        &mut self,
        id: &str,
        image: Option<&str>,
        turns: &[(String, String)],
    ) -> Result<()> {
        let mut conversations = Vec::with_capacity(turns.len() * 2);
        for (at, (question, answer)) in turns.iter().enumerate() {
            let value = match (at, image) {
                (0, Some(_)) => format!("<image>\n{question}").into(),
                _ => question.as_str().into(),
            };
            conversations.push(Said {
                from: "human",
                value,
            });
            conversations.push(Said {
                from: "gpt",
                value: answer.as_str().into(),
            });
        }
        let image = image.map(|image| match self.images.as_str() {
            "" => image.to_owned(),
            folder => format!("{folder}/{image}"),
        });
        let row = Row {
            id,
            image,
            conversations,
        };
        self.write(&row, turns.len())
    }

    /// A row that is in the LLaVA format already.
    pub(super) fn push_value(&mut self, value: &serde_json::Value, turns: usize) -> Result<()> {
        self.write(value, turns)
    }

    fn write(&mut self, row: &impl Serialize, turns: usize) -> Result<()> {
        let failed = |error| Error::write(&self.unordered, error);
        // Strings and lists of strings are JSON; only writing can fail.
        let bytes = serde_json::to_vec(row).map_err(|error| failed(error.into()))?;
        self.file.write_all(&bytes).map_err(failed)?;
        self.open.push(Span {
            at: self.end,
            length: bytes.len(),
            turns,
        });
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// The present data set is complete: at most `limit` of its rows, drawn, are kept.
    pub(super) fn end(&mut self, limit: Option<usize>, dice: &mut Dice) -> Counts {
        self.counts.made = self.open.len();
        if let Some(limit) = limit.filter(|limit| *limit < self.open.len()) {
            dice.shuffle(&mut self.open);
            self.open.truncate(limit);
            self.open.sort_unstable_by_key(|span| span.at);
        }
        self.counts.kept = self.open.len();
        self.counts.turns = self.open.iter().map(|span| span.turns).sum();
        self.kept.append(&mut self.open);
        std::mem::take(&mut self.counts)
    }

    /// Writes all rows in random order; the file appears complete or not at all.
    pub(super) fn finish(mut self, dice: &mut Dice) -> Result<()> {
        dice.shuffle(&mut self.kept);
        let mut part = self.out.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let copied = self
            .copy(&part)
            .and_then(|()| std::fs::rename(&part, &self.out));
        // The unordered rows have served, or serve nobody.
        let _ = std::fs::remove_file(&self.unordered);
        copied.map_err(|error| Error::write(&self.out, error))
    }

    fn copy(&mut self, part: &Path) -> std::io::Result<()> {
        self.file.flush()?;
        let from = self.file.get_mut();
        let mut to = BufWriter::new(File::create(part)?);
        to.write_all(b"[")?;
        let mut bytes = Vec::new();
        for (at, span) in self.kept.iter().enumerate() {
            to.write_all(if at == 0 { b"\n" } else { b",\n" })?;
            bytes.resize(span.length, 0);
            from.seek(SeekFrom::Start(span.at))?;
            from.read_exact(&mut bytes)?;
            to.write_all(&bytes)?;
        }
        to.write_all(b"\n]\n")?;
        to.into_inner()
            .map_err(|error| error.into_error())?
            .sync_all()
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // Left behind only when something failed before the end.
        let _ = std::fs::remove_file(&self.unordered);
    }
}
