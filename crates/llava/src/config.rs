//! `config.json` of llava-hf checkpoints: every shape the model code needs, checked once.
//!
//! Fields that a file omits have transformers' defaults (the released 7B states only four
//! fields of its `text_config`). A setting this program does not run is an error, never a guess.

mod raw;

use crate::{Error, Result};
use std::path::Path;

/// The shape of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The vision tower.
    pub vision: VisionConfig,
    /// Between vision tower and language model.
    pub connector: ConnectorConfig,
    /// The language model.
    pub language: LanguageConfig,
    /// `max_position_embeddings`: positions a sequence may have.
    pub context: usize,
}

/// CLIP ViT (LLaVA-1.5: ViT-L/14-336).
#[derive(Debug, Clone, PartialEq)]
pub struct VisionConfig {
    /// Width of a token.
    pub hidden: usize,
    /// Width of the MLP.
    pub intermediate: usize,
    /// Encoder blocks in the checkpoint.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Side of the square input in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Added to variances.
    pub layer_norm_eps: f64,
    /// Blocks whose output is used: 23 of 24 for `vision_feature_layer: -2`.
    pub blocks_run: usize,
    /// Whether the class token is handed on (`vision_feature_select_strategy: "full"`).
    pub keep_class_token: bool,
}

impl VisionConfig {
    /// Patches along one side.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Positions inside the tower: the class token and every patch.
    pub fn positions(&self) -> usize {
        self.grid() * self.grid() + 1
    }

    /// Tokens a picture hands to the language model.
    pub fn image_tokens(&self) -> usize {
        self.positions() - usize::from(!self.keep_class_token)
    }
}

/// What follows a connector's linear layer, except its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectorActivation {
    /// Exact erf GELU (torch's default; LLaVA-1.5).
    Gelu,
}

/// `linear`, `mlp2x_gelu` (LLaVA-1.5) or `mlpNx_gelu`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorConfig {
    /// Linear layers: 1 for `linear`, 2 for `mlp2x_gelu`.
    pub depth: usize,
    /// Between the layers.
    pub activation: ConnectorActivation,
    /// Whether the layers have biases.
    pub bias: bool,
}

/// LLaMA-2 / Vicuna.
#[derive(Debug, Clone, PartialEq)]
pub struct LanguageConfig {
    /// Width of a position.
    pub hidden: usize,
    /// Width of the gated MLP.
    pub intermediate: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Rows of the embedding table, padding rows included (32,064 for llava-hf).
    pub vocab_rows: usize,
    /// Added to the mean square.
    pub rms_norm_eps: f64,
    /// Base of the rotary embedding.
    pub rope_theta: f64,
    /// Whether the output matrix is the embedding table.
    pub tied_embeddings: bool,
}

impl Config {
    /// Reads and checks a `config.json`.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::from_json(&text, path)
    }

    /// Checks the text of a `config.json`; `path` is used in messages only.
    pub fn from_json(text: &str, path: &Path) -> Result<Self> {
        let config = raw::parse(text).map_err(|message| Error::checkpoint(path, message))?;
        config
            .check()
            .map_err(|message| Error::checkpoint(path, message))?;
        Ok(config)
    }

    /// Parameters of the model, unused last vision block and post_layernorm excluded.
    pub fn parameters(&self) -> u64 {
        let v = &self.vision;
        let l = &self.language;
        let (vh, vi, h, i) = (
            v.hidden as u64,
            v.intermediate as u64,
            l.hidden as u64,
            l.intermediate as u64,
        );
        let block = 4 * (vh * vh + vh) + 2 * vh * vi + vi + vh + 4 * vh;
        let vision = vh * 3 * (v.patch_size * v.patch_size) as u64
            + vh * (v.positions() as u64 + 3)
            + block * v.blocks_run as u64;
        let bias = if self.connector.bias { h } else { 0 };
        let connector = vh * h + bias + (self.connector.depth as u64 - 1) * (h * h + bias);
        let q = (l.heads * l.head_dim) as u64;
        let kv = (l.kv_heads * l.head_dim) as u64;
        let layer = 2 * h * q + 2 * h * kv + 3 * h * i + 2 * h;
        let tables = if l.tied_embeddings { 1 } else { 2 } * l.vocab_rows as u64 * h;
        vision + connector + layer * l.layers as u64 + tables + h
    }

    /// Bytes of keys and values one position takes, at `element_bytes` a value.
    pub fn kv_bytes_per_position(&self, element_bytes: usize) -> usize {
        2 * self.language.layers * self.language.kv_heads * self.language.head_dim * element_bytes
    }

    /// Fails with a sentence when sizes are absurd or do not fit together.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        let v = &self.vision;
        let l = &self.language;
        let positive = [
            ("vision_config.hidden_size", v.hidden),
            ("vision_config.intermediate_size", v.intermediate),
            ("vision_config.num_hidden_layers", v.layers),
            ("vision_config.num_attention_heads", v.heads),
            ("vision_config.image_size", v.image_size),
            ("vision_config.patch_size", v.patch_size),
            ("text_config.hidden_size", l.hidden),
            ("text_config.intermediate_size", l.intermediate),
            ("text_config.num_hidden_layers", l.layers),
            ("text_config.num_attention_heads", l.heads),
            ("text_config.num_key_value_heads", l.kv_heads),
            ("text_config.head_dim", l.head_dim),
            ("text_config.vocab_size", l.vocab_rows),
            ("text_config.max_position_embeddings", self.context),
            ("the connector's depth", self.connector.depth),
        ];
        // Far above any real model, far below where products of two could overflow.
        const CEILING: usize = 1 << 24;
        for (name, value) in positive {
            if value == 0 || value > CEILING {
                return Err(format!(
                    "{name} is {value}, which no LLaVA checkpoint has; the file is damaged"
                ));
            }
        }
        let divides = |name: &str, whole: usize, part: usize| {
            if whole.is_multiple_of(part) {
                Ok(())
            } else {
                Err(format!("{name}: {whole} is not a multiple of {part}"))
            }
        };
        divides(
            "vision hidden_size and num_attention_heads",
            v.hidden,
            v.heads,
        )?;
        divides(
            "text num_attention_heads and num_key_value_heads",
            l.heads,
            l.kv_heads,
        )?;
        if v.patch_size > v.image_size {
            return Err(format!(
                "patch_size {} is larger than image_size {}",
                v.patch_size, v.image_size
            ));
        }
        if !l.head_dim.is_multiple_of(2) {
            return Err(format!(
                "text head_dim is {}; rotary embeddings need an even one",
                l.head_dim
            ));
        }
        if v.blocks_run == 0 || v.blocks_run > v.layers {
            return Err(format!(
                "vision_feature_layer asks for the output of block {} of {}",
                v.blocks_run, v.layers
            ));
        }
        Ok(())
    }
}
