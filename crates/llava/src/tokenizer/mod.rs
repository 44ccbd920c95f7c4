//! The LLaMA tokenizer, for text that is always plain text.
//!
//! Every string is encoded as a fresh SentencePiece string: one dummy space in front, spaces
//! shown as `▁`, the BPE merges, bytes where no piece fits. A tokenizer.json describes the same
//! thing in several ways (a `Prepend` normaliser in older llava-hf files, a `Metaspace`
//! pre-tokenizer with `prepend_scheme` `first` or `always` in newer ones) that differ after
//! special tokens and before leading spaces; LLaVA-1.5 was trained and measured with
//! SentencePiece itself, so all of them are read for their pieces and merges only, and encoded
//! that one way ("legacy" in transformers' words).
//!
//! Markers (`<s>`, `</s>`, `<unk>`, `<image>`, `<pad>` and whatever else a file adds) are no
//! part of the merging vocabulary at all. Nothing that a person types can become one of them.

pub(crate) mod export;
mod file;
mod vocabulary;

pub use vocabulary::{PieceKind, SpecialIds};

use crate::generate::TextStream;
use crate::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokenizers::Model as _;
use tokenizers::models::bpe::{BPE, Vocab};

/// How SentencePiece writes a space inside a piece.
const SPACE: char = '▁';

/// SentencePiece BPE with byte fallback. Cheap to clone.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    bpe: BPE,
    /// By id.
    shown: Vec<Shown>,
    bos: u32,
    eos: u32,
    pieces: usize,
    never: Vec<u32>,
    words_split: bool,
}

/// What an id looks like in decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing: a special token, or an id without a piece.
    Nothing,
    /// One byte of UTF-8.
    Byte(u8),
    /// Text, with spaces as spaces.
    Text(Box<str>),
}

/// An id that stands for no text of its own: what a file lists under `added_tokens`, or a
/// GGUF vocabulary as control, unknown, user-defined or unused.
struct Marker {
    content: String,
    id: u32,
    /// Left out of decoded text.
    special: bool,
}

/// A vocabulary in the form all sources agree on.
struct Parts {
    /// Every piece of the base vocabulary with its id; may include markers.
    vocabulary: Vec<(String, u32)>,
    /// In the order of their rank.
    merges: Vec<(String, String)>,
    markers: Vec<Marker>,
    bos: u32,
    eos: u32,
    unknown: Option<String>,
    fuse_unknown: bool,
    byte_fallback: bool,
}

impl Tokenizer {
    /// Loads `tokenizer.json`; `vocab_rows` is the embedding table's height, which every id must
    /// stay below.
    ///
    /// # Errors
    /// The file is missing, damaged, not SentencePiece-like BPE, lacks `<s>` or `</s>`, or has
    /// more ids than the embedding table has rows.
    pub fn from_file(path: &Path, vocab_rows: usize) -> Result<Self> {
        Self::build(file::read(path)?, path, vocab_rows)
    }

    /// Builds the tokenizer from a SentencePiece vocabulary, as GGUF files carry it
    /// (`tokenizer.ggml.tokens`, `.scores`, `.token_type`); the index is the id. The merges are
    /// recovered from the scores. `origin` is the file to name in errors.
    ///
    /// # Errors
    /// As [`Tokenizer::from_file`]; also when the three lists differ in length or a score is
    /// not a number.
    pub fn from_vocabulary<S: AsRef<str>>(
        pieces: &[S],
        scores: &[f32],
        kinds: &[PieceKind],
        special: SpecialIds,
        origin: &Path,
        vocab_rows: usize,
    ) -> Result<Self> {
        Self::build(
            vocabulary::parts(pieces, scores, kinds, special, origin)?,
            origin,
            vocab_rows,
        )
    }

    /// Encodes plain text as a fresh SentencePiece string (leading `▁`), without BOS; markers
    /// such as `</s>` in it are letters. Empty text has no ids.
    ///
    /// # Errors
    /// None for a tokenizer that loaded; the merging library's signature allows for one.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let mut normal = String::with_capacity(text.len() + text.len() / 4 + SPACE.len_utf8());
        normal.push(SPACE);
        normal.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
        let tokens = self.inner.bpe.tokenize(&normal).map_err(|e| {
            fault(
                &self.inner.path,
                format!("the text could not be split into pieces: {e}"),
            )
        })?;
        Ok(tokens.into_iter().map(|token| token.id).collect())
    }

    /// Decodes ids, without special tokens, as transformers' `decode(skip_special_tokens=True)`
    /// does for LLaMA: `▁` is a space, a run of byte pieces is its UTF-8 (or one U+FFFD for each
    /// of its bytes when the run as a whole is not UTF-8), one leading space is dropped. Ids
    /// without a piece are left out.
    ///
    /// # Errors
    /// None at present.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut stream = TextStream::new(self);
        let mut text: String = ids.iter().filter_map(|&id| stream.push(id)).collect();
        text.extend(stream.finish());
        Ok(text)
    }

    /// `<s>`.
    pub fn bos(&self) -> u32 {
        self.inner.bos
    }

    /// `</s>`.
    pub fn eos(&self) -> u32 {
        self.inner.eos
    }

    /// The number of real pieces (32,000 for LLaMA): ids from here on never win.
    pub fn pieces(&self) -> usize {
        self.inner.pieces
    }

    /// Ids below [`Tokenizer::pieces`] that never win either: a file's own `<image>` and `<pad>`
    /// where they stand among the pieces. Empty for LLaMA.
    pub fn never(&self) -> &[u32] {
        &self.inner.never
    }

    /// Whether no piece reaches over the beginning of a word, so that the ids of a text stay the
    /// same whatever follows after a space. True for LLaMA.
    pub fn words_split(&self) -> bool {
        self.inner.words_split
    }

    /// What `id` adds to decoded text.
    pub(crate) fn shown(&self, id: u32) -> &Shown {
        usize::try_from(id)
            .ok()
            .and_then(|i| self.inner.shown.get(i))
            .unwrap_or(&Shown::Nothing)
    }

    fn build(parts: Parts, path: &Path, vocab_rows: usize) -> Result<Self> {
        let fits = |id: u32| usize::try_from(id).is_ok_and(|id| id < vocab_rows);
        let ids = parts
            .vocabulary
            .iter()
            .map(|(_, id)| *id)
            .chain(parts.markers.iter().map(|m| m.id));
        let highest = ids.max().unwrap_or(0);
        if !fits(highest) {
            return Err(fault(
                path,
                format!(
                    "a tokenizer that does not match: it has ids up to {highest}, the model's \
                     embedding table has {vocab_rows} rows; use the tokenizer that came with this model"
                ),
            ));
        }
        let shown = shown_by_id(&parts, path, highest)?;
        let (pieces, never) = may_win(&parts);
        let words_split = parts
            .vocabulary
            .iter()
            .all(|(piece, _)| starts_words_only(piece));
        let (bos, eos) = (parts.bos, parts.eos);
        let bpe = merging_model(parts, path)?;
        let inner = Inner {
            path: path.to_owned(),
            bpe,
            shown,
            bos,
            eos,
            pieces,
            never,
            words_split,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inner {
            path,
            pieces,
            bos,
            eos,
            ..
        } = &*self.inner;
        f.debug_struct("Tokenizer")
            .field("path", path)
            .field("pieces", pieces)
            .field("bos", bos)
            .field("eos", eos)
            .finish_non_exhaustive()
    }
}

fn fault(path: &Path, message: impl Into<String>) -> Error {
    Error::Tokenizer {
        path: path.to_owned(),
        message: message.into(),
    }
}

/// The byte that a piece such as `<0x0A>` stands for.
fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2)
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// Whether `▁` stands only at the beginning of `piece`.
fn starts_words_only(piece: &str) -> bool {
    !piece.trim_start_matches(SPACE).contains(SPACE)
}

fn shown_by_id(parts: &Parts, path: &Path, highest: u32) -> Result<Vec<Shown>> {
    // `highest` is below the embedding table's height, so the table is of sensible size.
    let mut shown = vec![Shown::Nothing; highest as usize + 1];
    let mut taken: HashMap<u32, &str> = HashMap::with_capacity(parts.vocabulary.len());
    let look = |piece: &str| match byte_of(piece) {
        Some(byte) => Shown::Byte(byte),
        None => Shown::Text(piece.replace(SPACE, " ").into()),
    };
    for (piece, id) in &parts.vocabulary {
        if let Some(other) = taken.insert(*id, piece) {
            return Err(fault(
                path,
                format!("damaged: the pieces {other:?} and {piece:?} share the id {id}"),
            ));
        }
        if let Some(slot) = shown.get_mut(*id as usize) {
            *slot = look(piece);
        }
    }
    for marker in &parts.markers {
        if let Some(slot) = shown.get_mut(marker.id as usize) {
            *slot = if marker.special {
                Shown::Nothing
            } else {
                look(&marker.content)
            };
        }
    }
    Ok(shown)
}

/// The number of ids that may win, and those below it that may not. The beginning, the end and
/// the unknown piece stay in: the reference lets them win too.
fn may_win(parts: &Parts) -> (usize, Vec<u32>) {
    let unknown = parts.unknown.as_deref();
    let barred: HashSet<u32> = parts
        .markers
        .iter()
        .filter(|m| m.id != parts.bos && m.id != parts.eos && Some(&*m.content) != unknown)
        .map(|m| m.id)
        .collect();
    let real = parts
        .vocabulary
        .iter()
        .map(|(_, id)| *id)
        .chain([parts.bos, parts.eos]);
    let last = real.filter(|id| !barred.contains(id)).max().unwrap_or(0);
    let mut never: Vec<u32> = barred.into_iter().filter(|id| *id < last).collect();
    never.sort_unstable();
    (last as usize + 1, never)
}

/// The merging model, without the markers.
fn merging_model(parts: Parts, path: &Path) -> Result<BPE> {
    let unknown = parts
        .unknown
        .filter(|u| parts.vocabulary.iter().any(|(piece, _)| piece == u));
    let bytes = parts
        .vocabulary
        .iter()
        .filter_map(|(piece, _)| byte_of(piece));
    let all_bytes = parts.byte_fallback && bytes.collect::<HashSet<u8>>().len() == 256;
    if !all_bytes && unknown.is_none() {
        return Err(fault(
            path,
            "the vocabulary has neither all 256 byte pieces nor an unknown piece, so some text \
             could not be written with it; use the tokenizer that came with this model",
        ));
    }
    let known: HashSet<&str> = parts
        .vocabulary
        .iter()
        .map(|(piece, _)| piece.as_str())
        .collect();
    let markers: HashSet<&str> = parts.markers.iter().map(|m| m.content.as_str()).collect();
    let letters = |piece: &str| !markers.contains(piece) && byte_of(piece).is_none();
    let mut merges = Vec::with_capacity(parts.merges.len());
    for (left, right) in &parts.merges {
        let whole = format!("{left}{right}");
        if [left, right, &whole]
            .iter()
            .any(|piece| !known.contains(piece.as_str()))
        {
            return Err(fault(
                path,
                format!(
                    "damaged: the merge {left:?} + {right:?} is of pieces that it does not list"
                ),
            ));
        }
        if letters(left) && letters(right) && letters(&whole) {
            merges.push((left.clone(), right.clone()));
        }
    }
    let kept = |piece: &str| !markers.contains(piece) || Some(piece) == unknown.as_deref();
    let vocabulary: Vocab = parts
        .vocabulary
        .iter()
        .filter(|(piece, _)| kept(piece))
        .map(|(piece, id)| (piece.clone(), *id))
        .collect();
    // No cache: prompts are single long strings that seldom come again.
    let mut builder = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .fuse_unk(parts.fuse_unknown)
        .byte_fallback(parts.byte_fallback)
        .cache_capacity(0);
    if let Some(unknown) = unknown {
        builder = builder.unk_token(unknown);
    }
    builder
        .build()
        .map_err(|e| fault(path, format!("damaged: {e}")))
}

#[cfg(test)]
pub(crate) mod tests;
