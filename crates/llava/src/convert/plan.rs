//! What stands in the two files of a model: settings and tensors, complete enough for llama.cpp's
//! loader, which the names and kinds of the settings are for.

use super::output::{Output, Setting, Tensor};
use super::recipe::{Recipe, fitting};
use crate::checkpoint::RopeLayout;
use crate::checkpoint::gguf::{
    LANGUAGE_LAYER_TENSORS, LANGUAGE_TENSORS, VISION_BLOCK_TENSORS, VISION_TENSORS,
};
use crate::config::{Config, LanguageConfig};
use crate::image::Preprocess;
use crate::tokenizer::export::Exported;
use std::collections::BTreeSet;
use std::path::Path;
use visavis_kernels::DType;

/// Everything about a model but its numbers.
pub(super) struct Blueprint<'a> {
    pub(super) name: &'a str,
    pub(super) config: &'a Config,
    pub(super) preprocess: &'a Preprocess,
    pub(super) vocabulary: &'a Exported,
    pub(super) recipe: Recipe,
    /// How the source's q and k rows are ordered.
    pub(super) rope: RopeLayout,
}

impl Blueprint<'_> {
    /// The language model's file in `folder`.
    pub(super) fn language(&self, folder: &Path) -> Output {
        let c = &self.config.language;
        let mut tensors = Vec::new();
        for (gguf, hf) in LANGUAGE_TENSORS {
            let shape = match gguf {
                "output_norm.weight" => vec![c.hidden],
                "output.weight" if c.tied_embeddings => continue,
                _ => vec![c.vocab_rows, c.hidden],
            };
            tensors.push(self.language_tensor(gguf, hf.to_owned(), shape, 0));
        }
        for layer in 0..c.layers {
            for (part, hf) in LANGUAGE_LAYER_TENSORS {
                let hf = format!("language_model.model.layers.{layer}.{hf}.weight");
                let name = format!("blk.{layer}.{part}.weight");
                tensors.push(self.language_tensor(&name, hf, layer_shape(part, c), layer));
            }
        }
        Output {
            path: folder.join(format!("{}-{}.gguf", self.name, self.recipe.name())),
            settings: self.language_settings(),
            tensors,
        }
    }

    fn language_tensor(
        &self,
        name: &str,
        canonical: String,
        shape: Vec<usize>,
        layer: usize,
    ) -> Tensor {
        let c = &self.config.language;
        let part = name.trim_end_matches(".weight");
        let part = part.rsplit('.').next().unwrap_or(part);
        let dtype = match shape.as_slice() {
            [_, cols] => fitting(self.recipe.language(part, layer, c.layers), *cols),
            _ => DType::F32,
        };
        Tensor {
            name: name.to_owned(),
            canonical,
            shape,
            dtype,
            heads: match (part, self.rope) {
                ("attn_q", RopeLayout::Half) => Some(c.heads),
                ("attn_k", RopeLayout::Half) => Some(c.kv_heads),
                _ => None,
            },
        }
    }

    /// Sentences about matrices that could not have the type that the recipe asks for.
    pub(super) fn notes(&self, output: &Output) -> Vec<String> {
        let mut notes = BTreeSet::new();
        for tensor in &output.tensors {
            let (_, cols) = tensor.size();
            if let Recipe::Q8_0 | Recipe::Q4KM = self.recipe
                && tensor.shape.len() == 2
                && tensor.name.ends_with(".weight")
                && !tensor.name.starts_with(['v', 'm'])
                && fitting(self.smallest_block(), cols) != self.smallest_block()
            {
                notes.insert(format!(
                    "rows of {cols} values are not whole {} blocks; such matrices are stored as {}",
                    self.smallest_block().name(),
                    tensor.dtype.name()
                ));
            }
        }
        notes.into_iter().collect()
    }

    /// The block type that most matrices are meant to have.
    fn smallest_block(&self) -> DType {
        self.recipe
            .language("attn_q", 0, self.config.language.layers)
    }

    /// The vision tower's file in `folder`: the blocks that run, and the connector.
    pub(super) fn vision(&self, folder: &Path) -> Output {
        let v = &self.config.vision;
        let tower = "vision_tower.vision_model";
        let mut tensors = Vec::new();
        for (gguf, hf) in VISION_TENSORS {
            let shape = match gguf {
                "v.patch_embd.weight" => vec![v.hidden, 3, v.patch_size, v.patch_size],
                "v.position_embd.weight" => vec![v.positions(), v.hidden],
                _ => vec![v.hidden],
            };
            tensors.push(self.vision_tensor(gguf.to_owned(), format!("{tower}.{hf}"), shape));
        }
        for block in 0..v.blocks_run {
            for (part, hf) in VISION_BLOCK_TENSORS {
                let (out, inner) = match part {
                    "ffn_up" => (v.intermediate, v.hidden),
                    "ffn_down" => (v.hidden, v.intermediate),
                    _ => (v.hidden, v.hidden),
                };
                let norm = part.starts_with("ln");
                let weight = if norm { vec![out] } else { vec![out, inner] };
                for (tail, shape) in [("weight", weight), ("bias", vec![out])] {
                    let name = format!("v.blk.{block}.{part}.{tail}");
                    let hf = format!("{tower}.encoder.layers.{block}.{hf}.{tail}");
                    tensors.push(self.vision_tensor(name, hf, shape));
                }
            }
        }
        tensors.extend(self.connector());
        Output {
            path: folder.join(format!(
                "mmproj-{}-{}.gguf",
                self.name,
                self.recipe.vision().name()
            )),
            settings: self.vision_settings(),
            tensors,
        }
    }

    fn connector(&self) -> Vec<Tensor> {
        let c = &self.config.connector;
        let hidden = self.config.language.hidden;
        let mut tensors = Vec::new();
        for i in 0..c.depth {
            let inner = if i == 0 {
                self.config.vision.hidden
            } else {
                hidden
            };
            let tails = [("weight", vec![hidden, inner]), ("bias", vec![hidden])];
            for (tail, shape) in tails.into_iter().take(if c.bias { 2 } else { 1 }) {
                let name = format!("mm.{}.{tail}", 2 * i);
                let hf = format!("multi_modal_projector.linear_{}.{tail}", i + 1);
                tensors.push(self.vision_tensor(name, hf, shape));
            }
        }
        tensors
    }

    fn vision_tensor(&self, name: String, canonical: String, shape: Vec<usize>) -> Tensor {
        // The class token and the positions are added, and so small that 32 bits cost nothing.
        let matrix = shape.len() > 1 && name != "v.position_embd.weight";
        Tensor {
            dtype: if matrix {
                self.recipe.vision()
            } else {
                DType::F32
            },
            name,
            canonical,
            shape,
            heads: None,
        }
    }

    fn language_settings(&self) -> Vec<(String, Setting)> {
        let c = &self.config.language;
        let u32 = |n: usize| Setting::U32(n as u32);
        let mut settings = vec![
            ("general.architecture", Setting::Text("llama".into())),
            ("general.name", Setting::Text(self.name.into())),
            ("llama.vocab_size", u32(c.vocab_rows)),
            ("llama.context_length", u32(self.config.context)),
            ("llama.embedding_length", u32(c.hidden)),
            ("llama.block_count", u32(c.layers)),
            ("llama.feed_forward_length", u32(c.intermediate)),
            ("llama.rope.dimension_count", u32(c.head_dim)),
            ("llama.rope.freq_base", Setting::F32(c.rope_theta as f32)),
            ("llama.attention.head_count", u32(c.heads)),
            ("llama.attention.head_count_kv", u32(c.kv_heads)),
            (
                "llama.attention.layer_norm_rms_epsilon",
                Setting::F32(c.rms_norm_eps as f32),
            ),
            ("general.file_type", Setting::U32(self.recipe.file_type())),
            ("general.quantization_version", Setting::U32(2)),
        ];
        if c.head_dim * c.heads != c.hidden {
            settings.push(("llama.attention.key_length", u32(c.head_dim)));
            settings.push(("llama.attention.value_length", u32(c.head_dim)));
        }
        settings.extend(self.tokenizer_settings());
        own(settings)
    }

    fn tokenizer_settings(&self) -> Vec<(&'static str, Setting)> {
        let v = self.vocabulary;
        let kinds = v.kinds.iter().map(|k| k.number()).collect();
        let mut settings = vec![
            ("tokenizer.ggml.model", Setting::Text("llama".into())),
            ("tokenizer.ggml.pre", Setting::Text("default".into())),
            ("tokenizer.ggml.tokens", Setting::Texts(v.pieces.clone())),
            ("tokenizer.ggml.scores", Setting::F32s(v.scores.clone())),
            ("tokenizer.ggml.token_type", Setting::I32s(kinds)),
            ("tokenizer.ggml.bos_token_id", Setting::U32(v.special.bos)),
            ("tokenizer.ggml.eos_token_id", Setting::U32(v.special.eos)),
            ("tokenizer.ggml.add_bos_token", Setting::Bool(true)),
            ("tokenizer.ggml.add_eos_token", Setting::Bool(false)),
        ];
        let optional = [
            ("tokenizer.ggml.unknown_token_id", v.unknown),
            ("tokenizer.ggml.padding_token_id", v.padding),
        ];
        for (key, id) in optional {
            settings.extend(id.map(|id| (key, Setting::U32(id))));
        }
        settings
    }

    fn vision_settings(&self) -> Vec<(String, Setting)> {
        let v = &self.config.vision;
        let u32 = |n: usize| Setting::U32(n as u32);
        let file_type = match self.recipe.vision() {
            DType::F32 => 0,
            _ => 1,
        };
        own(vec![
            ("general.architecture", Setting::Text("clip".into())),
            ("general.name", Setting::Text(self.name.into())),
            ("general.type", Setting::Text("mmproj".into())),
            ("general.file_type", Setting::U32(file_type)),
            ("clip.has_text_encoder", Setting::Bool(false)),
            ("clip.has_vision_encoder", Setting::Bool(true)),
            ("clip.has_llava_projector", Setting::Bool(true)),
            ("clip.projector_type", Setting::Text("mlp".into())),
            ("clip.use_gelu", Setting::Bool(false)),
            ("clip.vision.image_size", u32(v.image_size)),
            ("clip.vision.patch_size", u32(v.patch_size)),
            ("clip.vision.embedding_length", u32(v.hidden)),
            ("clip.vision.feed_forward_length", u32(v.intermediate)),
            (
                "clip.vision.projection_dim",
                u32(self.config.language.hidden),
            ),
            ("clip.vision.block_count", u32(v.blocks_run)),
            ("clip.vision.attention.head_count", u32(v.heads)),
            (
                "clip.vision.attention.layer_norm_epsilon",
                Setting::F32(v.layer_norm_eps as f32),
            ),
            (
                "clip.vision.feature_layer",
                Setting::I32s(vec![v.blocks_run as i32]),
            ),
            (
                "clip.vision.image_mean",
                Setting::F32s(self.preprocess.mean.to_vec()),
            ),
            (
                "clip.vision.image_std",
                Setting::F32s(self.preprocess.std.to_vec()),
            ),
        ])
    }
}

fn layer_shape(part: &str, c: &LanguageConfig) -> Vec<usize> {
    let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
    match part {
        "attn_q" => vec![q, c.hidden],
        "attn_k" | "attn_v" => vec![kv, c.hidden],
        "attn_output" => vec![c.hidden, q],
        "ffn_gate" | "ffn_up" => vec![c.intermediate, c.hidden],
        "ffn_down" => vec![c.hidden, c.intermediate],
        _ => vec![c.hidden],
    }
}

fn own(settings: Vec<(&'static str, Setting)>) -> Vec<(String, Setting)> {
    settings
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
