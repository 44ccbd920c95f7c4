//! The vision tower and connector ("mmproj" file): `general.architecture = "clip"`.

use super::cursor::Fault;
use super::language::numbered;
use super::meta::Meta;
use crate::config::{ConnectorActivation, ConnectorConfig, VisionConfig};
use crate::image::{Aspect, Preprocess};

/// Parts of an encoder block, and where llava-hf has them. The two of the MLP change places in
/// older files.
pub(crate) const BLOCK_TENSORS: [(&str, &str); 8] = [
    ("ln1", "layer_norm1"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_out", "self_attn.out_proj"),
    ("ln2", "layer_norm2"),
    ("ffn_up", "mlp.fc1"),
    ("ffn_down", "mlp.fc2"),
];

/// Tensors before the blocks.
pub(crate) const OUTER_TENSORS: [(&str, &str); 5] = [
    ("v.class_embd", "embeddings.class_embedding"),
    ("v.patch_embd.weight", "embeddings.patch_embedding.weight"),
    (
        "v.position_embd.weight",
        "embeddings.position_embedding.weight",
    ),
    ("v.pre_ln.weight", "pre_layrnorm.weight"),
    ("v.pre_ln.bias", "pre_layrnorm.bias"),
];

/// Blocks of CLIP ViT-L. A file that holds them all still means the second-last one's output.
const CLIP_BLOCKS: usize = 24;

/// What an mmproj file describes.
pub(super) struct Vision {
    pub(super) config: VisionConfig,
    pub(super) connector: ConnectorConfig,
    pub(super) preprocess: Preprocess,
    /// Width of the connector's output: the language model's hidden size.
    pub(super) width: usize,
    /// fc1 is stored as `ffn_down` and fc2 as `ffn_up`, as in files of 2023 and 2024.
    swapped: bool,
}

impl Vision {
    pub(super) fn read(meta: &Meta<'_>) -> Result<Self, Fault> {
        refuse_variants(meta)?;
        let stored = stored_blocks(meta);
        let config = config(meta, stored)?;
        check_positions(meta, &config)?;
        let (connector, width) = connector(meta)?;
        let preprocess = preprocess(meta, config.image_size)?;
        let swapped = swapped(meta, config.hidden, config.intermediate);
        Ok(Self {
            config,
            connector,
            preprocess,
            width,
            swapped,
        })
    }

    /// The llava-hf name of a tensor; `Some(None)` for one that is not needed.
    pub(super) fn canonical(&self, name: &str) -> Option<Option<String>> {
        let tower = "vision_tower.vision_model";
        if let Some((_, hf)) = OUTER_TENSORS.iter().find(|(gguf, _)| *gguf == name) {
            return Some(Some(format!("{tower}.{hf}")));
        }
        if name.starts_with("v.post_ln.") {
            // LLaVA reads the blocks' output before the last norm.
            return Some(None);
        }
        if let Some((index, tail)) = numbered(name, "mm.") {
            let depth = index / 2 + 1;
            let fits = index % 2 == 0 && depth <= self.connector.depth && is_weight_or_bias(tail);
            return fits.then(|| Some(format!("multi_modal_projector.linear_{depth}.{tail}")));
        }
        let (index, tail) = numbered(name, "v.blk.")?;
        let (part, tail) = tail.split_once('.')?;
        let part = match (part, self.swapped) {
            ("ffn_up", true) => "ffn_down",
            ("ffn_down", true) => "ffn_up",
            _ => part,
        };
        let (_, hf) = BLOCK_TENSORS.iter().find(|(gguf, _)| *gguf == part)?;
        let fits = index < self.config.layers && is_weight_or_bias(tail);
        fits.then(|| Some(format!("{tower}.encoder.layers.{index}.{hf}.{tail}")))
    }
}

fn is_weight_or_bias(tail: &str) -> bool {
    matches!(tail, "weight" | "bias")
}

fn refuse_variants(meta: &Meta<'_>) -> Result<(), Fault> {
    for key in ["clip.projector_type", "clip.vision.projector_type"] {
        // The first files had no such setting; there was only the MLP.
        if let Some(kind) = meta.text(key)?
            && kind != "mlp"
        {
            return Err(format!(
                "the connector is a \"{kind}\"; LLaVA-1.5 has an \"mlp\", and Visavis runs no other"
            ));
        }
    }
    let no = |key: &str, what: &str| match meta.yes(key)? {
        Some(true) => Err(format!(
            "{what}; LLaVA-1.5's vision tower has quick GELU ({key} is true)"
        )),
        _ => Ok(()),
    };
    no("clip.use_gelu", "the vision tower has exact GELU")?;
    no("clip.use_silu", "the vision tower has SiLU")?;
    if meta.yes("clip.has_vision_encoder")? == Some(false)
        || meta.yes("clip.has_llava_projector")? == Some(false)
    {
        return Err("this file has no vision tower with a LLaVA connector in it".into());
    }
    if meta.has("clip.vision.image_grid_pinpoints")
        || !matches!(
            meta.text("clip.vision.mm_patch_merge_type")?,
            None | Some("flat")
        )
    {
        return Err("this is the vision tower of LLaVA-1.6 (several tiles a picture); Visavis runs LLaVA-1.5".into());
    }
    Ok(())
}

/// Blocks in the file, counted without gaps.
fn stored_blocks(meta: &Meta<'_>) -> usize {
    let has = |i: usize| {
        meta.tensors
            .contains_key(&format!("v.blk.{i}.attn_q.weight"))
    };
    (0..meta.tensors.len()).take_while(|i| has(*i)).count()
}

fn config(meta: &Meta<'_>, stored: usize) -> Result<VisionConfig, Fault> {
    let stated = meta.required("clip.vision.block_count")?;
    // The converter leaves the last of CLIP's blocks out; some still state its number.
    if stored == 0 || stated > stored + 1 {
        return Err(format!(
            "there are {stored} of {stated} vision blocks in it; the file is incomplete, download it again"
        ));
    }
    Ok(VisionConfig {
        hidden: meta.required("clip.vision.embedding_length")?,
        intermediate: meta.required("clip.vision.feed_forward_length")?,
        layers: stored,
        heads: meta.required("clip.vision.attention.head_count")?,
        image_size: meta.required("clip.vision.image_size")?,
        patch_size: meta.required("clip.vision.patch_size")?,
        layer_norm_eps: meta.epsilon("clip.vision.attention.layer_norm_epsilon")?,
        blocks_run: blocks_run(meta, stored)?,
        keep_class_token: false,
    })
}

/// Hidden state k is the output of block k, counted from 1.
fn blocks_run(meta: &Meta<'_>, stored: usize) -> Result<usize, Fault> {
    const KEY: &str = "clip.vision.feature_layer";
    let layers = match meta.values.get(KEY) {
        None => None,
        Some(super::value::Value::Single(..)) => meta.whole(KEY)?.map(|n| vec![n]),
        Some(_) => meta.wholes(KEY)?,
    };
    match layers.as_deref() {
        None if stored == CLIP_BLOCKS => Ok(CLIP_BLOCKS - 1),
        None => Ok(stored),
        Some([layer]) => usize::try_from(*layer)
            .ok()
            .filter(|n| (1..=stored).contains(n))
            .ok_or_else(|| format!("{KEY} asks for the output of block {layer} of {stored}")),
        Some(several) => Err(format!(
            "{KEY} names {} layers; LLaVA-1.5 has one",
            several.len()
        )),
    }
}

fn check_positions(meta: &Meta<'_>, config: &VisionConfig) -> Result<(), Fault> {
    let name = "v.position_embd.weight";
    let table = meta
        .tensors
        .get(name)
        .ok_or_else(|| format!("the tensor {name} is missing; the file is incomplete"))?;
    if config.patch_size > config.image_size {
        return Err(format!(
            "patches of {} pixels are larger than pictures of {}; the file is damaged",
            config.patch_size, config.image_size
        ));
    }
    let positions = config.positions();
    match table.shape.as_slice() {
        [rows, _] if *rows == positions => Ok(()),
        shape => Err(format!(
            "{name} has the shape {shape:?}, but pictures of {} pixels in patches of {} have {positions} \
             positions (the class token first); the file is damaged or of another model",
            config.image_size, config.patch_size
        )),
    }
}

/// The connector, and the width of what it hands on.
fn connector(meta: &Meta<'_>) -> Result<(ConnectorConfig, usize), Fault> {
    let layer = |i: usize| meta.tensors.get(&format!("mm.{}.weight", 2 * i));
    let depth = (0..16).take_while(|i| layer(*i).is_some()).count();
    let last = depth.checked_sub(1).and_then(layer);
    let width = last.and_then(|t| t.shape.first().copied()).ok_or(
        "the connector (mm.0.weight) is missing; the file is incomplete or of another model",
    )?;
    let config = ConnectorConfig {
        depth,
        activation: ConnectorActivation::Gelu,
        bias: meta.tensors.contains_key("mm.0.bias"),
    };
    Ok((config, width))
}

fn preprocess(meta: &Meta<'_>, size: usize) -> Result<Preprocess, Fault> {
    let mut preprocess = Preprocess {
        size: size as u32,
        aspect: Aspect::Pad,
        mean: super::super::processor::CLIP_MEAN,
        std: super::super::processor::CLIP_STD,
    };
    if let Some(mean) = triple(meta, "clip.vision.image_mean")? {
        preprocess.mean = mean;
    }
    if let Some(std) = triple(meta, "clip.vision.image_std")? {
        if std.contains(&0.0) {
            return Err("clip.vision.image_std has a zero in it; the file is damaged".into());
        }
        preprocess.std = std;
    }
    Ok(preprocess)
}

fn triple(meta: &Meta<'_>, key: &str) -> Result<Option<[f32; 3]>, Fault> {
    let Some(list) = meta.fractions(key)? else {
        return Ok(None);
    };
    match list.as_slice() {
        [r, g, b] if list.iter().all(|v| v.is_finite()) => {
            Ok(Some([*r as f32, *g as f32, *b as f32]))
        }
        _ => Err(format!("{key} is not three numbers; the file is damaged")),
    }
}

/// Whether the MLP's names are the wrong way round: then `ffn_down` widens.
fn swapped(meta: &Meta<'_>, hidden: usize, intermediate: usize) -> bool {
    let down = meta.tensors.get("v.blk.0.ffn_down.weight");
    hidden != intermediate && down.is_some_and(|t| t.shape == [intermediate, hidden])
}

/// The width of the language model that a vision tower was made for.
pub(super) fn width(meta: &Meta<'_>) -> Result<usize, Fault> {
    connector(meta).map(|(_, width)| width)
}
