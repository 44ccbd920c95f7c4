//! The shapes of the tiny models, and the presets that the reference computed.

use serde::Deserialize;

/// How tensor names and `config.json` are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// The published llava-hf files: `language_model.model.`, `vision_tower.vision_model.`.
    Classic,
    /// What transformers 5 writes: classic, but without `vision_model.`; `rope_parameters`.
    Resaved,
    /// `model.language_model.`, `model.vision_tower.vision_model.`, `lm_head.`.
    Nested,
    /// `model.language_model.`, `model.vision_tower.`, `lm_head.`; `rope_parameters`.
    NestedBare,
}

impl Layout {
    /// Whether files of this layout were written by transformers 5.
    pub fn is_recent(self) -> bool {
        matches!(self, Self::Resaved | Self::NestedBare)
    }

    /// The name in this layout of the tensor with the classic name `classic`.
    pub fn name(self, classic: &str) -> String {
        let name = if self.is_recent() {
            classic.replacen("vision_tower.vision_model.", "vision_tower.", 1)
        } else {
            classic.to_owned()
        };
        if matches!(self, Self::Classic | Self::Resaved) {
            return name;
        }
        if let Some(rest) = name.strip_prefix("language_model.model.") {
            return format!("model.language_model.{rest}");
        }
        match name.strip_prefix("language_model.") {
            Some(head) => head.to_owned(),
            None => format!("model.{name}"),
        }
    }
}

/// The element type of every tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredAs {
    /// 32-bit.
    F32,
    /// IEEE half.
    F16,
    /// The upper half of 32-bit.
    Bf16,
}

/// The language model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TinyText {
    /// Width.
    pub hidden: usize,
    /// Width of the gated MLP.
    pub intermediate: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Rows of the token table: pieces, `<image>`, `<pad>` and padding rows.
    pub vocab_rows: usize,
    /// `max_position_embeddings`.
    pub context: usize,
    /// Base of the rotary embedding.
    pub rope_theta: f64,
    /// Added to the mean square.
    pub rms_norm_eps: f64,
    /// Whether the output matrix is the token table.
    pub tied: bool,
}

/// The vision tower.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TinyVision {
    /// Width.
    pub hidden: usize,
    /// Width of the MLP.
    pub intermediate: usize,
    /// Encoder blocks, the unused last one included.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Side of the picture in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Added to variances.
    pub layer_norm_eps: f64,
}

/// A tiny checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TinySpec {
    /// The preset's name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Of the formula.
    pub seed: u64,
    /// Element type.
    pub dtype: StoredAs,
    /// Spelling of names and configuration.
    pub layout: Layout,
    /// Weight files: one, or several behind an index.
    pub shards: usize,
    /// The language model.
    pub text: TinyText,
    /// The vision tower.
    pub vision: TinyVision,
    /// `linear` or `mlpNx_gelu`.
    pub projector: String,
    /// `vision_feature_layer`.
    pub feature_layer: i64,
    /// `vision_feature_select_strategy`.
    pub feature_select: String,
}

impl TinySpec {
    /// Positions inside the vision tower: the class token and every patch.
    pub fn vision_positions(&self) -> usize {
        (self.vision.image_size / self.vision.patch_size).pow(2) + 1
    }

    /// Positions one picture takes in the language model.
    pub fn image_tokens(&self) -> usize {
        self.vision_positions() - usize::from(self.feature_select == "default")
    }

    /// Linear layers of the connector.
    pub fn projector_layers(&self) -> usize {
        match self
            .projector
            .strip_prefix("mlp")
            .and_then(|p| p.strip_suffix("x_gelu"))
        {
            Some(depth) => depth.parse().expect("mlpNx_gelu"),
            None => 1,
        }
    }

    /// Classic name and shape of every tensor, in the order in which they are written.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut out = self.language_tensors();
        out.extend(self.vision_tensors());
        let (d, h) = (self.text.hidden, self.vision.hidden);
        for n in 1..=self.projector_layers() {
            let name = format!("multi_modal_projector.linear_{n}");
            out.push((
                format!("{name}.weight"),
                vec![d, if n == 1 { h } else { d }],
            ));
            out.push((format!("{name}.bias"), vec![d]));
        }
        out
    }

    fn language_tensors(&self) -> Vec<(String, Vec<usize>)> {
        let t = &self.text;
        let (d, f) = (t.hidden, t.intermediate);
        let kv = d / t.heads * t.kv_heads;
        let model = "language_model.model";
        let mut out = vec![(
            format!("{model}.embed_tokens.weight"),
            vec![t.vocab_rows, d],
        )];
        for n in 0..t.layers {
            let parts = [
                ("input_layernorm", vec![d]),
                ("self_attn.q_proj", vec![d, d]),
                ("self_attn.k_proj", vec![kv, d]),
                ("self_attn.v_proj", vec![kv, d]),
                ("self_attn.o_proj", vec![d, d]),
                ("post_attention_layernorm", vec![d]),
                ("mlp.gate_proj", vec![f, d]),
                ("mlp.up_proj", vec![f, d]),
                ("mlp.down_proj", vec![d, f]),
            ];
            out.extend(
                parts.map(|(part, shape)| (format!("{model}.layers.{n}.{part}.weight"), shape)),
            );
        }
        out.push((format!("{model}.norm.weight"), vec![d]));
        if !t.tied {
            out.push((
                "language_model.lm_head.weight".into(),
                vec![t.vocab_rows, d],
            ));
        }
        out
    }

    fn vision_tensors(&self) -> Vec<(String, Vec<usize>)> {
        let v = &self.vision;
        let (h, m, patch) = (v.hidden, v.intermediate, v.patch_size);
        let tower = "vision_tower.vision_model";
        let mut out = vec![
            (format!("{tower}.embeddings.class_embedding"), vec![h]),
            (
                format!("{tower}.embeddings.patch_embedding.weight"),
                vec![h, 3, patch, patch],
            ),
            (
                format!("{tower}.embeddings.position_embedding.weight"),
                vec![self.vision_positions(), h],
            ),
        ];
        let mut pair = |name: String, shape: Vec<usize>| {
            let bias = vec![shape[0]];
            out.push((format!("{name}.weight"), shape));
            out.push((format!("{name}.bias"), bias));
        };
        pair(format!("{tower}.pre_layrnorm"), vec![h]);
        for n in 0..v.layers {
            for (part, shape) in [
                ("layer_norm1", vec![h]),
                ("self_attn.q_proj", vec![h, h]),
                ("self_attn.k_proj", vec![h, h]),
                ("self_attn.v_proj", vec![h, h]),
                ("self_attn.out_proj", vec![h, h]),
                ("layer_norm2", vec![h]),
                ("mlp.fc1", vec![m, h]),
                ("mlp.fc2", vec![h, m]),
            ] {
                pair(format!("{tower}.encoder.layers.{n}.{part}"), shape);
            }
        }
        pair(format!("{tower}.post_layernorm"), vec![h]);
        out
    }
}

/// All presets, in the order of presets.json.
pub fn presets() -> Vec<TinySpec> {
    serde_json::from_str(include_str!("../presets.json")).expect("presets.json")
}

/// The preset `name`.
pub fn preset(name: &str) -> TinySpec {
    presets()
        .into_iter()
        .find(|s| s.name == name)
        .unwrap_or_else(|| panic!("presets.json has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_each_layout() {
        let names = [
            "language_model.model.norm.weight",
            "language_model.lm_head.weight",
            "vision_tower.vision_model.pre_layrnorm.bias",
            "multi_modal_projector.linear_1.weight",
        ];
        let all = |layout: Layout| names.map(|n| layout.name(n));
        assert_eq!(all(Layout::Classic), names);
        assert_eq!(all(Layout::Resaved)[1], names[1]);
        assert_eq!(all(Layout::Resaved)[2], "vision_tower.pre_layrnorm.bias");
        assert_eq!(
            all(Layout::Nested),
            [
                "model.language_model.norm.weight",
                "lm_head.weight",
                "model.vision_tower.vision_model.pre_layrnorm.bias",
                "model.multi_modal_projector.linear_1.weight",
            ]
        );
        assert_eq!(
            all(Layout::NestedBare)[2],
            "model.vision_tower.pre_layrnorm.bias"
        );
    }

    #[test]
    fn presets_differ_where_it_matters() {
        let all = presets();
        assert!(all.len() >= 8);
        let distinct = |f: &dyn Fn(&TinySpec) -> String| {
            all.iter()
                .map(f)
                .collect::<std::collections::BTreeSet<_>>()
                .len()
        };
        assert_eq!(distinct(&|s| s.name.clone()), all.len());
        assert!(distinct(&|s| (s.text.hidden / s.text.heads).to_string()) >= 4);
        assert!(distinct(&|s| s.vision_positions().to_string()) >= 5);
        assert_eq!(distinct(&|s| format!("{:?}", s.layout)), 4);
        assert_eq!(distinct(&|s| format!("{:?}", s.dtype)), 3);
        assert_eq!(distinct(&|s| s.projector.clone()), 3);
        assert!(all.iter().any(|s| s.text.kv_heads < s.text.heads));
        assert!(all.iter().all(|s| s.text.vocab_rows <= 512));
    }
}
