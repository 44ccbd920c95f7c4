//! A new model of LLaVA-1.5's kind in any size, with weights drawn from a seed: where training from
//! nothing begins.

use crate::ops::hash;
use crate::publish::{self, Stored, Tensor};
use crate::{Error, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// The sizes of a new model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sizes {
    /// Side of the picture in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels; divides the picture's.
    pub patch_size: usize,
    /// Width of the vision tower.
    pub vision_hidden: usize,
    /// Width of its MLP.
    pub vision_intermediate: usize,
    /// Blocks that run. One more is stored, as CLIP's last one that LLaVA does not use.
    pub vision_blocks: usize,
    /// Its heads.
    pub vision_heads: usize,
    /// Width of the decoder.
    pub hidden: usize,
    /// Width of its gated MLP.
    pub intermediate: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Its heads.
    pub heads: usize,
    /// Positions.
    pub context: usize,
    /// Linear layers of the connector: 2 is the paper's MLP, 1 its linear predecessor.
    pub connector: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            image_size: 112,
            patch_size: 14,
            vision_hidden: 192,
            vision_intermediate: 768,
            vision_blocks: 6,
            vision_heads: 3,
            hidden: 192,
            intermediate: 512,
            layers: 5,
            heads: 3,
            context: 1024,
            connector: 2,
        }
    }
}

/// Writes a new model of these sizes with the vocabulary `tokenizer` (a tokenizer.json).
///
/// # Errors
/// Sizes that do not fit together, a vocabulary that is not one, or the disk is full.
pub fn write(sizes: &Sizes, tokenizer: &Value, seed: u64, folder: &Path) -> Result<()> {
    sizes.check()?;
    let pieces = tokenizer
        .pointer("/model/vocab")
        .and_then(Value::as_object)
        .map(serde_json::Map::len)
        .ok_or_else(|| Error::Setting("the vocabulary is not a tokenizer.json".into()))?;
    // `<image>` and `<pad>` follow the pieces; llava-hf pads its tables to a multiple of 64.
    let rows = (pieces + 2).next_multiple_of(64);
    let tensors: Vec<Tensor> = sizes
        .tensors(rows)
        .into_iter()
        .map(|(name, shape)| {
            let values = sizes.draw(&name, &shape, seed);
            Tensor { name, shape, values: Stored::F32(values) }
        })
        .collect();
    let files = vec![
        ("config.json", sizes.config(pieces, rows)),
        ("generation_config.json", json!({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": pieces + 1})),
        ("preprocessor_config.json", sizes.preprocessor()),
        ("processor_config.json", json!({"image_token": "<image>", "num_additional_image_tokens": 1,
            "patch_size": sizes.patch_size, "processor_class": "LlavaProcessor",
            "vision_feature_select_strategy": "default"})),
        ("tokenizer.json", tokenizer.clone()),
        ("tokenizer_config.json", json!({"add_bos_token": true, "add_eos_token": false, "bos_token": "<s>",
            "clean_up_tokenization_spaces": false, "eos_token": "</s>", "model_max_length": sizes.context,
            "pad_token": "<pad>", "padding_side": "left", "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": "<unk>"})),
        ("special_tokens_map.json", json!({"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
            "unk_token": "<unk>"})),
    ];
    publish::write(folder, &files, &[], &tensors)
}

impl Sizes {
    fn check(&self) -> Result<()> {
        let fail = |what: &str| Err(Error::Setting(format!("the sizes of the new model: {what}")));
        let all = [
            self.image_size,
            self.patch_size,
            self.vision_hidden,
            self.vision_intermediate,
            self.vision_blocks,
            self.vision_heads,
            self.hidden,
            self.intermediate,
            self.layers,
            self.heads,
            self.context,
            self.connector,
        ];
        if all.contains(&0) || all.iter().any(|&n| n > 1 << 20) {
            return fail("every size is a number from 1 to a million");
        }
        if !self.image_size.is_multiple_of(self.patch_size) {
            return fail("patch_size must divide image_size");
        }
        if !self.vision_hidden.is_multiple_of(self.vision_heads) {
            return fail("vision_heads must divide vision_hidden");
        }
        if !self.hidden.is_multiple_of(2 * self.heads) {
            return fail("the width of a head, hidden / heads, must be a whole even number");
        }
        Ok(())
    }

    fn config(&self, pieces: usize, rows: usize) -> Value {
        let mut config = json!({
            "architectures": ["LlavaForConditionalGeneration"],
            "ignore_index": -100,
            "image_seq_length": (self.image_size / self.patch_size).pow(2),
            "image_token_index": pieces,
            "model_type": "llava",
            "multimodal_projector_bias": true,
            "pad_token_id": pieces + 1,
            "projector_hidden_act": "gelu",
            "text_config": {
                "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": self.hidden,
                "intermediate_size": self.intermediate, "max_position_embeddings": self.context,
                "model_type": "llama", "num_attention_heads": self.heads, "num_hidden_layers": self.layers,
                "num_key_value_heads": self.heads, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
                "tie_word_embeddings": false, "vocab_size": rows,
            },
            "tie_word_embeddings": false,
            "torch_dtype": "float32",
            "vision_config": {
                "hidden_act": "quick_gelu", "hidden_size": self.vision_hidden, "image_size": self.image_size,
                "intermediate_size": self.vision_intermediate, "layer_norm_eps": 1e-5,
                "model_type": "clip_vision_model", "num_attention_heads": self.vision_heads,
                "num_channels": 3, "num_hidden_layers": self.vision_blocks + 1, "patch_size": self.patch_size,
                "projection_dim": self.vision_hidden,
            },
            "vision_feature_layer": -2,
            "vision_feature_select_strategy": "default",
        });
        if self.connector != 2 {
            config["mm_projector_type"] = match self.connector {
                1 => json!("linear"),
                n => json!(format!("mlp{n}x_gelu")),
            };
        }
        config
    }

    fn preprocessor(&self) -> Value {
        let size = self.image_size;
        json!({
            "crop_size": {"height": size, "width": size}, "do_center_crop": true, "do_convert_rgb": true,
            "do_normalize": true, "do_pad": true, "do_rescale": true, "do_resize": true,
            "image_mean": [0.481_454_66, 0.457_827_5, 0.408_210_73],
            "image_processor_type": "LlavaImageProcessor",
            "image_std": [0.268_629_54, 0.261_302_58, 0.275_777_11],
            "resample": 3, "rescale_factor": 1.0 / 255.0, "size": {"shortest_edge": size},
        })
    }

    /// Classic name and shape of every tensor.
    fn tensors(&self, rows: usize) -> Vec<(String, Vec<usize>)> {
        let (d, f, h, m) = (self.hidden, self.intermediate, self.vision_hidden, self.vision_intermediate);
        let model = "language_model.model";
        let mut out = vec![(format!("{model}.embed_tokens.weight"), vec![rows, d])];
        for n in 0..self.layers {
            let layer = format!("{model}.layers.{n}");
            let mut add = |part: &str, shape: Vec<usize>| out.push((format!("{layer}.{part}.weight"), shape));
            add("input_layernorm", vec![d]);
            add("post_attention_layernorm", vec![d]);
            for part in ["q_proj", "k_proj", "v_proj", "o_proj"] {
                add(&format!("self_attn.{part}"), vec![d, d]);
            }
            add("mlp.gate_proj", vec![f, d]);
            add("mlp.up_proj", vec![f, d]);
            add("mlp.down_proj", vec![d, f]);
        }
        out.push((format!("{model}.norm.weight"), vec![d]));
        out.push(("language_model.lm_head.weight".into(), vec![rows, d]));
        let tower = "vision_tower.vision_model";
        let patches = (self.image_size / self.patch_size).pow(2);
        out.push((format!("{tower}.embeddings.class_embedding"), vec![h]));
        let kernel = vec![h, 3, self.patch_size, self.patch_size];
        out.push((format!("{tower}.embeddings.patch_embedding.weight"), kernel));
        out.push((format!("{tower}.embeddings.position_embedding.weight"), vec![patches + 1, h]));
        let mut pair = |name: String, shape: Vec<usize>| {
            out.push((format!("{name}.bias"), shape.iter().take(1).copied().collect()));
            out.push((format!("{name}.weight"), shape));
        };
        pair(format!("{tower}.pre_layrnorm"), vec![h]);
        pair(format!("{tower}.post_layernorm"), vec![h]);
        for n in 0..=self.vision_blocks {
            let block = format!("{tower}.encoder.layers.{n}");
            pair(format!("{block}.layer_norm1"), vec![h]);
            pair(format!("{block}.layer_norm2"), vec![h]);
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                pair(format!("{block}.self_attn.{part}"), vec![h, h]);
            }
            pair(format!("{block}.mlp.fc1"), vec![m, h]);
            pair(format!("{block}.mlp.fc2"), vec![h, m]);
        }
        for n in 1..=self.connector {
            pair(format!("multi_modal_projector.linear_{n}"), vec![d, if n == 1 { h } else { d }]);
        }
        out
    }

    /// Norms one, biases zero; matrices normal with the deviation that keeps their input's, those
    /// that add to the residual stream less by its depth (GPT-2 section 2.3).
    fn draw(&self, name: &str, shape: &[usize], seed: u64) -> Vec<f32> {
        let count = shape.iter().product();
        if name.ends_with(".bias") {
            return vec![0.0; count];
        }
        if name.contains("norm") {
            return vec![1.0; count];
        }
        let inner: usize = shape.iter().skip(1).product();
        let kept = 1.0 / (inner as f64).sqrt();
        let depth = if name.starts_with("vision") { self.vision_blocks } else { self.layers };
        let deviation = if name.ends_with("embed_tokens.weight") || name.contains("embeddings.position") {
            0.05
        } else if name.ends_with("class_embedding") {
            0.5
        } else if name.ends_with("lm_head.weight") {
            0.5 * kept
        } else if ["o_proj.", "out_proj.", "down_proj.", "fc2."].iter().any(|part| name.contains(part)) {
            kept / (2.0 * depth as f64).sqrt()
        } else {
            kept
        };
        normal(seed ^ hash(name), count, deviation)
    }
}

/// A new connector for the tensor `name`, as torch's `nn.Linear` draws it: evenly from
/// +-1/sqrt(in), weight and bias.
pub(crate) fn connector(name: &str, count: usize, inner: usize, seed: u64) -> Vec<f32> {
    let bound = 1.0 / (inner as f32).sqrt();
    let mut random = StdRng::seed_from_u64(seed ^ hash(name));
    (0..count).map(|_| random.random_range(-bound..bound)).collect()
}

/// Box and Muller's normal numbers.
fn normal(seed: u64, count: usize, deviation: f64) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut out = Vec::with_capacity(count + 1);
    while out.len() < count {
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt() * deviation;
        let angle = random.random::<f64>() * std::f64::consts::TAU;
        out.push((radius * angle.cos()) as f32);
        out.push((radius * angle.sin()) as f32);
    }
    out.truncate(count);
    out
}
