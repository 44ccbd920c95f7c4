//! The tokenizer of a GGUF language model, from its vocabulary.

use super::cursor::Fault;
use super::meta::{Meta, missing};
use crate::tokenizer::export::Exported;
use crate::tokenizer::{PieceKind, SpecialIds};

pub(super) struct Vocabulary<'a> {
    pub(super) pieces: Vec<&'a str>,
    pub(super) scores: Vec<f32>,
    pub(super) kinds: Vec<PieceKind>,
    pub(super) special: SpecialIds,
}

pub(super) fn read<'a>(meta: &Meta<'a>) -> Result<Vocabulary<'a>, Fault> {
    const MODEL: &str = "tokenizer.ggml.model";
    const TOKENS: &str = "tokenizer.ggml.tokens";
    const SCORES: &str = "tokenizer.ggml.scores";
    match meta.text(MODEL)?.ok_or_else(|| missing(MODEL))? {
        "llama" => {}
        other => {
            return Err(format!(
                "the tokenizer is a \"{other}\"; LLaVA-1.5 has LLaMA's SentencePiece (\"llama\"), so this is another model"
            ));
        }
    }
    if meta.yes("tokenizer.ggml.add_space_prefix")? == Some(false) {
        return Err(
            "the tokenizer puts no space before a text (tokenizer.ggml.add_space_prefix is false), \
             as LLaVA-1.5's does; this is another model"
                .into(),
        );
    }
    let pieces = meta.texts(TOKENS)?.ok_or_else(|| missing(TOKENS))?;
    let scores = meta.fractions(SCORES)?.ok_or_else(|| missing(SCORES))?;
    let kinds = match meta.wholes("tokenizer.ggml.token_type")? {
        Some(numbers) => numbers.into_iter().map(kind).collect::<Result<_, _>>()?,
        None => pieces.iter().map(|piece| guess(piece)).collect(),
    };
    Ok(Vocabulary {
        pieces,
        scores: scores.into_iter().map(|s| s as f32).collect(),
        kinds,
        special: SpecialIds {
            bos: id(meta, "tokenizer.ggml.bos_token_id", 1)?,
            eos: id(meta, "tokenizer.ggml.eos_token_id", 2)?,
        },
    })
}

/// The vocabulary as another file can carry it on.
pub(super) fn exported(meta: &Meta<'_>) -> Result<Exported, Fault> {
    let vocabulary = read(meta)?;
    // Some converters write -1 where there is none.
    let id = |n: i64| u32::try_from(n).ok();
    let optional = |key: &str| Ok::<_, Fault>(meta.whole(key)?.and_then(id));
    Ok(Exported {
        pieces: vocabulary.pieces.iter().map(|p| (*p).to_owned()).collect(),
        scores: vocabulary.scores,
        kinds: vocabulary.kinds,
        special: vocabulary.special,
        unknown: optional("tokenizer.ggml.unknown_token_id")?,
        padding: optional("tokenizer.ggml.padding_token_id")?,
    })
}

fn kind(number: i64) -> Result<PieceKind, Fault> {
    let kind = i32::try_from(number).ok().and_then(PieceKind::from_number);
    kind.ok_or_else(|| {
        format!("tokenizer.ggml.token_type has the entry {number}, which means nothing; the file is damaged")
    })
}

/// For the few files without kinds: LLaMA's markers and bytes are known by their spelling.
fn guess(piece: &str) -> PieceKind {
    match piece {
        "<unk>" => PieceKind::Unknown,
        "<s>" | "</s>" => PieceKind::Control,
        _ if piece.starts_with("<0x") && piece.len() == 6 => PieceKind::Byte,
        _ => PieceKind::Normal,
    }
}

fn id(meta: &Meta<'_>, key: &str, default: u32) -> Result<u32, Fault> {
    match meta.whole(key)? {
        None => Ok(default),
        Some(n) => u32::try_from(n).map_err(|_| format!("{key} is {n}; the file is damaged")),
    }
}
