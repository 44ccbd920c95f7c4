//! GGUF files put together by hand: settings, tensor table, data.

use crate::checkpoint::{pieces, tokenizer};
use crate::spec::TinySpec;
use std::collections::HashMap;

/// A setting: its key, the number of its type, and its bytes.
pub(crate) type Setting = (&'static str, u32, Vec<u8>);

fn number(key: &'static str, value: usize) -> Setting {
    (key, 4, (value as u32).to_le_bytes().to_vec())
}

fn fraction(key: &'static str, value: f64) -> Setting {
    (key, 6, (value as f32).to_le_bytes().to_vec())
}

fn yes(key: &'static str, value: bool) -> Setting {
    (key, 7, vec![u8::from(value)])
}

fn text(key: &'static str, value: &str) -> Setting {
    (key, 8, string(value))
}

fn list(key: &'static str, kind: u32, items: Vec<Vec<u8>>) -> Setting {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend((items.len() as u64).to_le_bytes());
    bytes.extend(items.concat());
    (key, 9, bytes)
}

fn string(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes()[..], value.as_bytes()].concat()
}

pub(crate) fn language_settings(spec: &TinySpec) -> Vec<Setting> {
    let t = &spec.text;
    let mut settings = vec![
        text("general.architecture", "llama"),
        number("llama.context_length", t.context),
        number("llama.embedding_length", t.hidden),
        number("llama.block_count", t.layers),
        number("llama.feed_forward_length", t.intermediate),
        number("llama.attention.head_count", t.heads),
        number("llama.attention.head_count_kv", t.kv_heads),
        number("llama.rope.dimension_count", t.hidden / t.heads),
        fraction("llama.attention.layer_norm_rms_epsilon", t.rms_norm_eps),
        text("tokenizer.ggml.model", "llama"),
    ];
    settings.extend(vocabulary(t.vocab_rows));
    settings
}

/// Pieces, scores and kinds. A piece scores by the first merge that makes it.
fn vocabulary(rows: usize) -> [Setting; 3] {
    let tokenizer = tokenizer();
    let model = &tokenizer["model"];
    let mut rank = HashMap::new();
    for merge in model["merges"].as_array().expect("merges") {
        let next = rank.len();
        let whole = merge.as_str().expect("two pieces").replace(' ', "");
        rank.entry(whole).or_insert(next);
    }
    let mut tokens: Vec<String> = (0..rows).map(|n| format!("[PAD{n}]")).collect();
    let mut scores = vec![-10000f32; rows];
    let mut kinds = vec![5i32; rows];
    for (piece, id) in model["vocab"].as_object().expect("a vocabulary") {
        let id = id.as_u64().expect("an id") as usize;
        scores[id] = -(rank.get(piece).copied().unwrap_or(rank.len() + id) as f32);
        kinds[id] = match id {
            0 => 2,
            1 | 2 => 3,
            _ if piece.starts_with("<0x") => 6,
            _ => 1,
        };
        tokens[id] = piece.clone();
    }
    for (id, marker) in [(pieces(), "<image>"), (pieces() + 1, "<pad>")] {
        (tokens[id], kinds[id]) = (marker.to_owned(), 3);
    }
    let bytes = |v: [u8; 4]| v.to_vec();
    [
        list(
            "tokenizer.ggml.tokens",
            8,
            tokens.iter().map(|t| string(t)).collect(),
        ),
        list(
            "tokenizer.ggml.scores",
            6,
            scores.iter().map(|v| bytes(v.to_le_bytes())).collect(),
        ),
        list(
            "tokenizer.ggml.token_type",
            5,
            kinds.iter().map(|v| bytes(v.to_le_bytes())).collect(),
        ),
    ]
}

pub(crate) fn vision_settings(spec: &TinySpec, old: bool) -> Vec<Setting> {
    let v = &spec.vision;
    let run = (v.layers as i64 + spec.feature_layer + 1) as usize;
    let mut settings = vec![
        text("general.architecture", "clip"),
        yes("clip.has_text_encoder", false),
        yes("clip.has_vision_encoder", true),
        yes("clip.has_llava_projector", true),
        yes("clip.use_gelu", false),
        number("clip.vision.image_size", v.image_size),
        number("clip.vision.patch_size", v.patch_size),
        number("clip.vision.embedding_length", v.hidden),
        number("clip.vision.feed_forward_length", v.intermediate),
        number("clip.vision.block_count", run),
        number("clip.vision.attention.head_count", v.heads),
        fraction("clip.vision.attention.layer_norm_epsilon", v.layer_norm_eps),
    ];
    if !old {
        settings.push(text("clip.projector_type", "mlp"));
        let layer = (run as i32).to_le_bytes().to_vec();
        settings.push(list("clip.vision.feature_layer", 5, vec![layer]));
    }
    settings
}

/// A file in the making.
pub(crate) struct File {
    settings: Vec<Setting>,
    /// Entries of the tensor table without their offsets, and data.
    tensors: Vec<(Vec<u8>, Vec<u8>)>,
}

impl File {
    pub(crate) fn new(settings: Vec<Setting>) -> Self {
        Self {
            settings,
            tensors: Vec::new(),
        }
    }

    /// Adds a tensor of the type that files number `id`.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize], id: u32, data: Vec<u8>) {
        let mut entry = string(name);
        entry.extend((shape.len() as u32).to_le_bytes());
        for size in shape.iter().rev() {
            entry.extend((*size as u64).to_le_bytes());
        }
        entry.extend(id.to_le_bytes());
        self.tensors.push((entry, data));
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        const ALIGNMENT: usize = 32;
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.settings.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.settings {
            out.extend(string(key));
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        let mut offset = 0u64;
        for (entry, data) in &self.tensors {
            out.extend(entry);
            out.extend(offset.to_le_bytes());
            offset += data.len().next_multiple_of(ALIGNMENT) as u64;
        }
        for (_, data) in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            out.extend(data);
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out
    }
}
