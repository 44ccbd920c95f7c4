//! GGUF pairs whose blocks follow from a formula, byte for byte as in tests/golden/block_formula.py,
//! so that the reference can compute what the blocks mean without anything being committed.
//!
//! The files are put together here and not by the program's own writer: what both of them got
//! wrong would otherwise look right. Files of the types that were usual in 2023 are spelled as
//! files of that year are.

use crate::formula::{fnv1a64, mix, scale_offset, tensor, uniform};
use crate::gguf_file::{File, language_settings, vision_settings};
use crate::spec::TinySpec;
use half::f16;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// The types and mixes that the reference computed.
pub const KINDS: [&str; 12] = [
    "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q4_K_M",
];

/// Name and number of a type, values and bytes of a block, where d and the minimum lie in it, the
/// minimum's ratio to d, and the deviation that d = 1 gives.
struct Layout(
    &'static str,
    u32,
    usize,
    usize,
    usize,
    Option<usize>,
    f32,
    f64,
);

const LAYOUTS: [Layout; 10] = [
    Layout("Q4_0", 2, 32, 18, 0, None, 0.0, 4.6),
    Layout("Q4_1", 3, 32, 20, 0, Some(2), -7.5, 4.6),
    Layout("Q5_0", 6, 32, 22, 0, None, 0.0, 9.2),
    Layout("Q5_1", 7, 32, 24, 0, Some(2), -15.5, 9.2),
    Layout("Q8_0", 8, 32, 34, 0, None, 0.0, 74.0),
    Layout("Q2_K", 10, 256, 84, 80, Some(82), 1.5, 16.0),
    Layout("Q3_K", 11, 256, 110, 108, None, 0.0, 43.0),
    Layout("Q4_K", 12, 256, 144, 0, Some(2), 7.5, 270.0),
    Layout("Q5_K", 13, 256, 176, 0, Some(2), 15.5, 560.0),
    Layout("Q6_K", 14, 256, 210, 208, None, 0.0, 1365.0),
];

/// The shape of every such model.
pub fn spec() -> TinySpec {
    serde_json::from_str(include_str!("../blocks.json")).expect("blocks.json")
}

/// A GGUF pair in a temporary folder.
pub struct BlockModel {
    folder: tempfile::TempDir,
    /// Of names, types and bytes of all tensors, as the reference computed it.
    pub sha256: String,
}

impl BlockModel {
    /// Writes the pair whose matrices are of the type or mix `kind`, one of [`KINDS`].
    pub fn new(kind: &str) -> Self {
        let spec = spec();
        let old = ["Q4_0", "Q5_0", "Q8_0"].contains(&kind);
        let mut language = File::new(language_settings(&spec));
        let mut vision = File::new(vision_settings(&spec, old));
        let mut digest = Sha256::new();
        let run = spec.vision.layers as i64 + spec.feature_layer + 1;
        for (classic, shape) in spec.tensors() {
            let Some(name) = gguf_name(&classic).filter(|name| block_of(name) < run) else {
                continue;
            };
            let of = type_of(kind, &name, &shape, spec.text.layers);
            let bytes = stored(of, &name, &classic, &shape, &spec);
            digest.update(format!("{name} {of}"));
            digest.update(&bytes);
            let file = if name.starts_with("v.") || name.starts_with("mm.") {
                &mut vision
            } else {
                &mut language
            };
            let spelled = if old { swapped(&name) } else { name };
            file.tensor(&spelled, &shape, number_of(of), bytes);
        }
        let folder = crate::temporary_folder();
        for (name, file) in [("model.gguf", language), ("mmproj.gguf", vision)] {
            std::fs::write(folder.path().join(name), file.bytes()).expect("a written file");
        }
        let sha256 = digest
            .finalize()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        Self { folder, sha256 }
    }

    /// The language model's file.
    pub fn language(&self) -> PathBuf {
        self.folder.path().join("model.gguf")
    }

    /// The vision tower's file.
    pub fn vision(&self) -> PathBuf {
        self.folder.path().join("mmproj.gguf")
    }
}

/// Which vision block a tensor belongs to; -1 for every other tensor.
fn block_of(name: &str) -> i64 {
    let index = name
        .strip_prefix("v.blk.")
        .and_then(|n| n.split('.').next());
    index.map_or(-1, |n| n.parse().expect("a block's number"))
}

/// fc1 and fc2 by each other's names.
fn swapped(name: &str) -> String {
    match name.starts_with("v.") {
        true if name.contains("ffn_up") => name.replace("ffn_up", "ffn_down"),
        true => name.replace("ffn_down", "ffn_up"),
        false => name.to_owned(),
    }
}

fn gguf_name(classic: &str) -> Option<String> {
    const OUTER: [(&str, &str); 12] = [
        (
            "language_model.model.embed_tokens.weight",
            "token_embd.weight",
        ),
        ("language_model.model.norm.weight", "output_norm.weight"),
        ("language_model.lm_head.weight", "output.weight"),
        ("embeddings.class_embedding", "v.class_embd"),
        ("embeddings.patch_embedding.weight", "v.patch_embd.weight"),
        (
            "embeddings.position_embedding.weight",
            "v.position_embd.weight",
        ),
        ("pre_layrnorm.weight", "v.pre_ln.weight"),
        ("pre_layrnorm.bias", "v.pre_ln.bias"),
        ("multi_modal_projector.linear_1.weight", "mm.0.weight"),
        ("multi_modal_projector.linear_1.bias", "mm.0.bias"),
        ("multi_modal_projector.linear_2.weight", "mm.2.weight"),
        ("multi_modal_projector.linear_2.bias", "mm.2.bias"),
    ];
    const LAYER: [(&str, &str); 9] = [
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    const BLOCK: [(&str, &str); 8] = [
        ("layer_norm1", "ln1"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.out_proj", "attn_out"),
        ("layer_norm2", "ln2"),
        ("mlp.fc1", "ffn_up"),
        ("mlp.fc2", "ffn_down"),
    ];
    let tail = classic
        .strip_prefix("vision_tower.vision_model.")
        .unwrap_or(classic);
    if let Some((_, name)) = OUTER.iter().find(|(hf, _)| *hf == tail) {
        return Some((*name).to_owned());
    }
    let numbered = |prefix: &str, table: &[(&str, &str)], short: &str| {
        let (index, rest) = tail.strip_prefix(prefix)?.split_once('.')?;
        let (part, end) = rest.rsplit_once('.')?;
        let (_, name) = table.iter().find(|(hf, _)| *hf == part)?;
        Some(format!("{short}.{index}.{name}.{end}"))
    };
    numbered("language_model.model.layers.", &LAYER, "blk")
        .or_else(|| numbered("encoder.layers.", &BLOCK, "v.blk"))
}

/// The type of a tensor of a model of the type or mix `kind`.
fn type_of<'a>(kind: &'a str, name: &str, shape: &[usize], layers: usize) -> &'a str {
    if shape.len() == 1 || name == "v.position_embd.weight" {
        return "F32";
    }
    if name.starts_with("v.") || name.starts_with("mm.") {
        // Mmproj files come in types with blocks of 32; 588 values of a patch are no whole blocks.
        let old = kind.ends_with("_0") || kind.ends_with("_1");
        return if old && name != "v.patch_embd.weight" {
            kind
        } else {
            "F16"
        };
    }
    if kind != "Q4_K_M" {
        return kind;
    }
    let part = name.trim_end_matches(".weight").rsplit('.').next();
    let layer = name.strip_prefix("blk.").and_then(|n| n.split('.').next());
    let layer: usize = layer.map_or(0, |n| n.parse().expect("a layer's number"));
    let eighth = layers / 8;
    let more = layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
    match part {
        Some("output") => "Q6_K",
        Some("attn_v" | "ffn_down") if more => "Q6_K",
        _ => "Q4_K",
    }
}

/// The number that files give a type.
fn number_of(of: &str) -> u32 {
    match of {
        "F32" => 0,
        "F16" => 1,
        _ => LAYOUTS.iter().find(|l| l.0 == of).expect("a type").1,
    }
}

fn stored(of: &str, name: &str, classic: &str, shape: &[usize], spec: &TinySpec) -> Vec<u8> {
    let Some(layout) = LAYOUTS.iter().find(|l| l.0 == of) else {
        let values = tensor(classic, shape, spec);
        return match of {
            "F16" => values
                .iter()
                .flat_map(|v| f16::from_f32(*v).to_le_bytes())
                .collect(),
            _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
    };
    let &Layout(_, _, length, size, d_at, m_at, ratio, spread) = layout;
    let count = shape.iter().product::<usize>() / length;
    let mut data = raw(name, count * size, spec.seed);
    let (scale, _) = scale_offset(classic, shape, false);
    let base = (scale / (12f64.sqrt() * spread)) as f32;
    let of_scales = format!("{name}:scale");
    let scales = uniform(&of_scales, count, spec.seed);
    for (block, u) in data.chunks_exact_mut(size).zip(scales) {
        let u = u + 0.5;
        let d = base * (0.75 + 0.5 * u) * if u < 0.5 { 1.0 } else { -1.0 };
        let mut put =
            |at: usize, v: f32| block[at..at + 2].copy_from_slice(&f16::from_f32(v).to_le_bytes());
        put(d_at, d);
        if let Some(at) = m_at {
            put(at, d * ratio);
        }
    }
    data
}

fn raw(name: &str, count: usize, seed: u64) -> Vec<u8> {
    let state = fnv1a64(name) ^ mix(seed);
    let words = (0..count.div_ceil(8) as u64).map(|i| mix(state.wrapping_add(i)));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.truncate(count);
    bytes
}
