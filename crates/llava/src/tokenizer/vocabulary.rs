//! A tokenizer from a bare SentencePiece vocabulary: pieces, scores, kinds.
//!
//! GGUF files carry no merges. They follow from the scores: SentencePiece always joins the
//! adjacent pair whose union scores highest, so every way to cut a piece into two pieces is a
//! merge, ranked by the piece's score. LLaMA's vocabulary gives 61,249 of them, the same list
//! that its tokenizer.json holds.

use super::{Marker, Parts, fault};
use crate::Result;
use std::collections::HashMap;
use std::path::Path;

/// Longer pieces than this are damage, and would make the search for cuts long.
const LONGEST_PIECE: usize = 1024;

/// What a piece of a vocabulary is (`tokenizer.ggml.token_type`, SentencePiece's `Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// 1: text.
    Normal,
    /// 2: stands for what cannot be written.
    Unknown,
    /// 3: `<s>`, `</s>` and other marks without text.
    Control,
    /// 4: added by hand; kept apart from text here.
    UserDefined,
    /// 5: a row without a piece.
    Unused,
    /// 6: one byte, `<0x00>` to `<0xFF>`.
    Byte,
}

impl PieceKind {
    /// The kind that a file numbers so.
    pub fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }

    /// How a file numbers the kind.
    pub fn number(self) -> i32 {
        match self {
            Self::Normal => 1,
            Self::Unknown => 2,
            Self::Control => 3,
            Self::UserDefined => 4,
            Self::Unused => 5,
            Self::Byte => 6,
        }
    }
}

/// The ids that open and close a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialIds {
    /// `<s>`, `tokenizer.ggml.bos_token_id`.
    pub bos: u32,
    /// `</s>`, `tokenizer.ggml.eos_token_id`.
    pub eos: u32,
}

pub(super) fn parts<S: AsRef<str>>(
    pieces: &[S],
    scores: &[f32],
    kinds: &[PieceKind],
    special: SpecialIds,
    origin: &Path,
) -> Result<Parts> {
    let count = pieces.len();
    if scores.len() != count || kinds.len() != count {
        let (scores, kinds) = (scores.len(), kinds.len());
        let message =
            format!("damaged: {count} pieces, {scores} scores, {kinds} kinds in its vocabulary");
        return Err(fault(origin, message));
    }
    if [special.bos, special.eos]
        .iter()
        .any(|id| *id as usize >= count)
    {
        return Err(fault(
            origin,
            "damaged: <s> or </s> is not among its pieces",
        ));
    }
    if scores.iter().any(|score| score.is_nan()) {
        return Err(fault(
            origin,
            "damaged: a score of its vocabulary is not a number",
        ));
    }
    if let Some(long) = pieces
        .iter()
        .map(|p| p.as_ref().len())
        .find(|len| *len > LONGEST_PIECE)
    {
        return Err(fault(
            origin,
            format!("damaged: a piece of {long} bytes in its vocabulary"),
        ));
    }
    // Ids are 32 bits wide in every format; a longer list is refused with the embedding table.
    let numbered: Vec<(&str, u32)> = pieces.iter().map(AsRef::as_ref).zip(0..).collect();
    let is_text = |id: u32| {
        let kind = kinds.get(id as usize);
        kind == Some(&PieceKind::Normal) && id != special.bos && id != special.eos
    };
    let is_marker = |id: u32| !is_text(id) && kinds.get(id as usize) != Some(&PieceKind::Byte);
    let unknown = numbered
        .iter()
        .find(|(_, id)| kinds.get(*id as usize) == Some(&PieceKind::Unknown));
    Ok(Parts {
        merges: merges(&numbered, scores, is_text),
        markers: numbered
            .iter()
            .filter(|(_, id)| is_marker(*id))
            .map(|(piece, id)| Marker {
                content: (*piece).to_owned(),
                id: *id,
                special: true,
            })
            .collect(),
        unknown: unknown.map(|(piece, _)| (*piece).to_owned()),
        vocabulary: numbered
            .iter()
            .map(|(piece, id)| ((*piece).to_owned(), *id))
            .collect(),
        bos: special.bos,
        eos: special.eos,
        fuse_unknown: true,
        byte_fallback: true,
    })
}

/// Every cut of a text piece into two, highest score first; cuts of one piece, and pieces of one
/// score, in the order of their ids.
fn merges(
    numbered: &[(&str, u32)],
    scores: &[f32],
    is_text: impl Fn(u32) -> bool,
) -> Vec<(String, String)> {
    let text: HashMap<&str, u32> = numbered
        .iter()
        .filter(|(_, id)| is_text(*id))
        .copied()
        .collect();
    let mut ranked = Vec::new();
    for ((piece, id), score) in numbered.iter().zip(scores) {
        if !is_text(*id) {
            continue;
        }
        let mut cuts: Vec<_> = piece
            .char_indices()
            .skip(1)
            .map(|(at, _)| piece.split_at(at))
            .filter_map(|(left, right)| Some((*text.get(left)?, *text.get(right)?, left, right)))
            .collect();
        cuts.sort_unstable();
        ranked.extend(
            cuts.into_iter()
                .map(|(_, _, left, right)| (*score, left, right)),
        );
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked
        .into_iter()
        .map(|(_, left, right)| (left.to_owned(), right.to_owned()))
        .collect()
}
