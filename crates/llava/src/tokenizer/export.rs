//! A tokenizer.json as the vocabulary with scores that GGUF files carry.
//!
//! Only the order of the scores matters: SentencePiece joins the adjacent pair whose union scores
//! highest. A piece therefore scores by the first merge that makes it, and what no merge makes
//! (single characters) comes after all of those.

use super::{PieceKind, SpecialIds, Tokenizer, byte_of, fault, file};
use crate::Result;
use std::collections::HashMap;
use std::path::Path;

/// Pieces by id, one for each row of the embedding table.
pub(crate) struct Exported {
    pub(crate) pieces: Vec<String>,
    pub(crate) scores: Vec<f32>,
    pub(crate) kinds: Vec<PieceKind>,
    pub(crate) special: SpecialIds,
    pub(crate) unknown: Option<u32>,
    pub(crate) padding: Option<u32>,
}

/// What llama.cpp's converters give to rows without a piece.
const UNUSED_SCORE: f32 = -10000.0;

/// Reads the tokenizer.json at `path` and fills it up to `rows` with unused pieces.
///
/// # Errors
/// As [`Tokenizer::from_file`]; also when the vocabulary cut up again from its scores alone would
/// split text in another way.
pub(crate) fn export(path: &Path, rows: usize) -> Result<Exported> {
    let parts = file::read(path)?;
    let unused = |id: usize| format!("[PAD{id}]");
    let mut out = Exported {
        pieces: (0..rows).map(unused).collect(),
        scores: vec![UNUSED_SCORE; rows],
        kinds: vec![PieceKind::Unused; rows],
        special: SpecialIds {
            bos: parts.bos,
            eos: parts.eos,
        },
        unknown: None,
        padding: None,
    };
    let mut rank: HashMap<String, usize> = HashMap::new();
    for (left, right) in &parts.merges {
        let next = rank.len();
        rank.entry(format!("{left}{right}")).or_insert(next);
    }
    let merged = rank.len();
    for (piece, id) in &parts.vocabulary {
        let byte = byte_of(piece).is_some();
        let kind = if byte {
            PieceKind::Byte
        } else {
            PieceKind::Normal
        };
        let place = rank.get(piece.as_str()).copied();
        let score = -(place.unwrap_or(merged + *id as usize) as f32);
        out.set(*id, piece, kind, if byte { 0.0 } else { score }, path)?;
    }
    for marker in &parts.markers {
        let unknown = parts.unknown.as_ref() == Some(&marker.content);
        let kind = match (unknown, marker.special) {
            (true, _) => PieceKind::Unknown,
            (_, true) => PieceKind::Control,
            _ => PieceKind::UserDefined,
        };
        out.set(marker.id, &marker.content, kind, 0.0, path)?;
        if unknown {
            out.unknown = Some(marker.id);
        }
        if marker.content == "<pad>" {
            out.padding = Some(marker.id);
        }
    }
    check_same(&out, path, rows)?;
    Ok(out)
}

impl Exported {
    fn set(
        &mut self,
        id: u32,
        piece: &str,
        kind: PieceKind,
        score: f32,
        path: &Path,
    ) -> Result<()> {
        let at = id as usize;
        let slots = (
            self.pieces.get_mut(at),
            self.scores.get_mut(at),
            self.kinds.get_mut(at),
        );
        let (Some(pieces), Some(scores), Some(kinds)) = slots else {
            return Err(fault(
                path,
                format!("the piece {piece:?} has the id {id}, past the model's embedding table"),
            ));
        };
        *pieces = piece.to_owned();
        *scores = score;
        *kinds = kind;
        Ok(())
    }
}

/// Every piece and every pair of neighbours in the vocabulary must be split as before.
fn check_same(exported: &Exported, path: &Path, rows: usize) -> Result<()> {
    let before = Tokenizer::from_file(path, rows)?;
    let after = Tokenizer::from_vocabulary(
        &exported.pieces,
        &exported.scores,
        &exported.kinds,
        exported.special,
        path,
        rows,
    )?;
    let mut last = "";
    for (piece, kind) in exported.pieces.iter().zip(&exported.kinds) {
        if *kind != PieceKind::Normal {
            continue;
        }
        let text = format!("{last}{piece} {piece}").replace('▁', " ");
        if before.encode(&text)? != after.encode(&text)? {
            return Err(fault(
                path,
                format!(
                    "this tokenizer cannot be written as a GGUF vocabulary: {text:?} would be split differently"
                ),
            ));
        }
        last = piece;
    }
    Ok(())
}
