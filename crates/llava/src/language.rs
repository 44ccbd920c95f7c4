//! LLaMA-2 / Vicuna: a decoder over the rows of several sequences at once.

use crate::Result;
use crate::checkpoint::{Checkpoint, Weights};
use crate::config::LanguageConfig;
use crate::ops::{Heads, Ops, Rope, Segment, Weight};
use candle_core::Tensor;
use std::sync::Arc;
use visavis_kernels::RopeTable;

const PREFIX: &str = "language_model.model";
const HEAD: &str = "language_model.lm_head";

pub(crate) struct LanguageModel {
    config: LanguageConfig,
    rope: Rope,
    embedding: Weight,
    layers: Vec<Layer>,
    norm: Tensor,
    /// `None`: the embedding table is the output matrix.
    head: Option<Weight>,
}

struct Layer {
    input_norm: Tensor,
    q: Weight,
    k: Weight,
    v: Weight,
    o: Weight,
    post_norm: Tensor,
    gate: Weight,
    up: Weight,
    down: Weight,
}

impl LanguageModel {
    pub(crate) fn load(ops: &dyn Ops, checkpoint: &Checkpoint) -> Result<Self> {
        let c = &checkpoint.config.language;
        let weights = &checkpoint.weights;
        let table = [c.vocab_rows, c.hidden];
        let tied = c.tied_embeddings && !weights.has(&format!("{HEAD}.weight"));
        let head = if tied {
            None
        } else {
            Some(ops.load(weights, HEAD, &table, false)?)
        };
        Ok(Self {
            rope: Rope {
                table: Arc::new(RopeTable::new(
                    c.head_dim,
                    c.rope_theta as f32,
                    checkpoint.config.context,
                )),
                layout: checkpoint.rope,
            },
            embedding: ops.load(weights, &format!("{PREFIX}.embed_tokens"), &table, false)?,
            layers: (0..c.layers)
                .map(|i| Layer::load(ops, weights, &format!("{PREFIX}.layers.{i}"), c))
                .collect::<Result<_>>()?,
            norm: ops.load_vector(weights, &format!("{PREFIX}.norm.weight"), c.hidden)?,
            head,
            config: c.clone(),
        })
    }

    pub(crate) fn heads(&self) -> Heads {
        Heads {
            query: self.config.heads,
            kv: self.config.kv_heads,
            dim: self.config.head_dim,
        }
    }

    pub(crate) fn layer_count(&self) -> usize {
        self.layers.len()
    }

    /// `(ids, hidden)`.
    pub(crate) fn embed(&self, ops: &dyn Ops, ids: &[u32]) -> Result<Tensor> {
        ops.embed(&self.embedding, ids)
    }

    /// One decoder layer over `(rows, hidden)`; the segments' caches are this layer's.
    pub(crate) fn layer(
        &self,
        ops: &dyn Ops,
        index: usize,
        x: &Tensor,
        positions: &[u32],
        segments: &mut [Segment<'_>],
    ) -> Result<Tensor> {
        let layer = &self.layers[index];
        let c = &self.config;
        let h = ops.rms_norm(x, &layer.input_norm, c.rms_norm_eps)?;
        let q = ops.rope(
            &ops.linear(&h, &layer.q)?,
            c.head_dim,
            &self.rope,
            positions,
        )?;
        let k = ops.rope(
            &ops.linear(&h, &layer.k)?,
            c.head_dim,
            &self.rope,
            positions,
        )?;
        let v = ops.linear(&h, &layer.v)?;
        let h = ops.attend(&q, &k, &v, self.heads(), segments)?;
        let x = ops.add(x, &ops.linear(&h, &layer.o)?)?;
        let h = ops.rms_norm(&x, &layer.post_norm, c.rms_norm_eps)?;
        let h = ops.silu_mul(&ops.linear(&h, &layer.gate)?, &ops.linear(&h, &layer.up)?)?;
        ops.add(&x, &ops.linear(&h, &layer.down)?)
    }

    /// `(rows, hidden)` after the last layer to `(rows, vocab rows)`.
    pub(crate) fn logits(&self, ops: &dyn Ops, x: &Tensor) -> Result<Tensor> {
        let h = ops.rms_norm(x, &self.norm, self.config.rms_norm_eps)?;
        ops.linear(&h, self.head.as_ref().unwrap_or(&self.embedding))
    }
}

impl Layer {
    fn load(ops: &dyn Ops, weights: &Weights, prefix: &str, c: &LanguageConfig) -> Result<Self> {
        let linear = |tail: &str, out: usize, inner: usize| {
            ops.load(weights, &format!("{prefix}.{tail}"), &[out, inner], false)
        };
        let norm =
            |tail: &str| ops.load_vector(weights, &format!("{prefix}.{tail}.weight"), c.hidden);
        let query = c.heads * c.head_dim;
        let kv = c.kv_heads * c.head_dim;
        Ok(Self {
            input_norm: norm("input_layernorm")?,
            q: linear("self_attn.q_proj", query, c.hidden)?,
            k: linear("self_attn.k_proj", kv, c.hidden)?,
            v: linear("self_attn.v_proj", kv, c.hidden)?,
            o: linear("self_attn.o_proj", c.hidden, query)?,
            post_norm: norm("post_attention_layernorm")?,
            gate: linear("mlp.gate_proj", c.intermediate, c.hidden)?,
            up: linear("mlp.up_proj", c.intermediate, c.hidden)?,
            down: linear("mlp.down_proj", c.hidden, c.intermediate)?,
        })
    }
}
