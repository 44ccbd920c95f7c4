//! The processor: nodes of candle's graph whose arithmetic is ours.

use super::Parameters;
use super::nodes::{
    AddNode, Activation, ActivationNode, AttentionNode, EmbedNode, EntropyNode, FrozenLinear, LayerNormNode,
    LinearNode, RmsNormNode, RopeNode, SiluMulNode, SpliceNode,
};
use candle_core::{DType, Device, Tensor};
use std::sync::Arc;
use visavis_kernels::AttentionShape;
use visavis_llava::cache::LayerCache;
use visavis_llava::checkpoint::{RopeLayout, Weights};
use visavis_llava::ops::{self as seam, Heads, Ops, Rope, Segment, Weight, adapted};
use visavis_llava::{Error, Result};

/// Differentiable operations on the processor, in f32. Frozen weights stay in their map.
pub struct HostOps {
    parameters: Arc<Parameters>,
    frozen: seam::HostOps,
}

impl HostOps {
    /// Operations that make `parameters` learn.
    pub fn new(parameters: Arc<Parameters>) -> Self {
        Self {
            parameters,
            frozen: seam::HostOps::default(),
        }
    }
}

impl Ops for HostOps {
    fn load(&self, weights: &Weights, name: &str, shape: &[usize], bias: bool) -> Result<Weight> {
        if self.parameters.learns(&format!("{name}.weight")) {
            let of = |tail: &str, shape: &[usize]| {
                let name = format!("{name}.{tail}");
                self.parameters.variable(weights, &name, shape, &Device::Cpu).map_err(within)
            };
            return Ok(Weight::Tensor {
                weight: of("weight", shape)?,
                bias: if bias { Some(of("bias", &shape[..1])?) } else { None },
            });
        }
        let base = self.frozen.load(weights, name, shape, bias)?;
        let (Some(lora), &[out, inner]) = (self.parameters.adapts(name), shape) else {
            return Ok(base);
        };
        let [down, up] = self
            .parameters
            .adapter(name, [out, inner], lora.r, &Device::Cpu)
            .map_err(within)?
            .map(|weight| Box::new(Weight::Tensor { weight, bias: None }));
        let scale = lora.alpha / lora.r as f64;
        Ok(Weight::Adapted { base: Box::new(base), down, up, scale })
    }

    fn load_vector(&self, weights: &Weights, name: &str, len: usize) -> Result<Tensor> {
        if self.parameters.learns(name) {
            return self.parameters.variable(weights, name, &[len], &Device::Cpu).map_err(within);
        }
        self.frozen.load_vector(weights, name, len)
    }

    fn load_table(&self, weights: &Weights, name: &str, rows: usize, width: usize) -> Result<Tensor> {
        if self.parameters.learns(name) {
            let shape = [rows, width];
            return self.parameters.variable(weights, name, &shape, &Device::Cpu).map_err(within);
        }
        self.frozen.load_table(weights, name, rows, width)
    }

    fn activation(&self, data: Vec<f32>, rows: usize, width: usize) -> Result<Tensor> {
        self.frozen.activation(data, rows, width)
    }

    fn new_cache(&self, _: Heads) -> LayerCache {
        LayerCache::Device(None)
    }

    fn embed(&self, table: &Weight, ids: &[u32]) -> Result<Tensor> {
        let Weight::Tensor { weight, .. } = table else {
            return self.frozen.embed(table, ids);
        };
        Ok(weight.apply_op1(EmbedNode { ids: ids.into() })?)
    }

    fn linear(&self, x: &Tensor, weight: &Weight) -> Result<Tensor> {
        let x = x.contiguous()?;
        Ok(match weight {
            Weight::Tensor { weight, bias: None } => x.apply_op2(weight, LinearNode)?,
            Weight::Tensor { weight, bias: Some(bias) } => x.apply_op3(weight, bias, LinearNode)?,
            Weight::Mapped(linear) if x.track_op() => x.apply_op1(FrozenLinear(linear.clone()))?,
            Weight::Mapped(_) => self.frozen.linear(&x, weight)?,
            Weight::Adapted { base, down, up, scale } => adapted(self, &x, base, [down, up], *scale)?,
        })
    }

    fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
        Ok(x.contiguous()?.apply_op2(weight, RmsNormNode { eps: eps as f32 })?)
    }

    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
        let node = LayerNormNode { eps: eps as f32 };
        Ok(x.contiguous()?.apply_op3(weight, bias, node)?)
    }

    fn quick_gelu(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.contiguous()?.apply_op1(ActivationNode(Activation::QuickGelu))?)
    }

    fn gelu(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.contiguous()?.apply_op1(ActivationNode(Activation::Gelu))?)
    }

    fn silu_mul(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        Ok(gate.contiguous()?.apply_op2(&up.contiguous()?, SiluMulNode)?)
    }

    fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok(a.contiguous()?.apply_op2(&b.contiguous()?, AddNode)?)
    }

    fn rope(&self, x: &Tensor, dim: usize, rope: &Rope, positions: &[u32]) -> Result<Tensor> {
        if rope.layout != RopeLayout::Half || dim != rope.table.head_dim() {
            return Err(Error::Request(
                "training needs a model in safetensors files, not GGUF".into(),
            ));
        }
        let node = RopeNode { table: rope.table.clone(), positions: positions.into() };
        Ok(x.contiguous()?.apply_op1(node)?)
    }

    fn attend(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        heads: Heads,
        segments: &mut [Segment<'_>],
    ) -> Result<Tensor> {
        if segments.iter().any(|s| !s.cache.is_empty()) {
            return Err(Error::Request("training runs whole sequences only".into()));
        }
        let lengths = segments.iter().map(|s| s.rows).collect();
        attention(q, k, v, heads, lengths, true)
    }

    fn attend_all(&self, q: &Tensor, k: &Tensor, v: &Tensor, heads: Heads, parts: usize) -> Result<Tensor> {
        let each = q.dim(0)? / parts.max(1);
        attention(q, k, v, heads, vec![each; parts], false)
    }

    fn to_host(&self, x: &Tensor) -> Result<Vec<f32>> {
        Ok(x.flatten_all()?.to_vec1()?)
    }
}

fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: Heads,
    lengths: Vec<usize>,
    causal: bool,
) -> Result<Tensor> {
    let shape = AttentionShape {
        heads: heads.query,
        kv_heads: heads.kv,
        head_dim: heads.dim,
    };
    let scale = 1.0 / (heads.dim as f32).sqrt();
    let node = AttentionNode { lengths, causal, shape, scale };
    Ok(q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, node)?)
}

/// Rows of `text` and, after them in numbering, of `pictures`, in the order of `order`: each row
/// is taken at most once.
///
/// # Errors
/// When a number is past the rows.
pub fn splice(text: &Tensor, pictures: &Tensor, order: &[u32]) -> candle_core::Result<Tensor> {
    let node = SpliceNode { order: order.into() };
    text.contiguous()?.apply_op2(&pictures.contiguous()?, node)
}

/// Cross-entropy of each row of `logits` (rows, columns) against its target, summed: a scalar.
///
/// # Errors
/// When a target is not a column.
pub fn cross_entropy(logits: &Tensor, targets: &[u32]) -> candle_core::Result<Tensor> {
    if logits.dtype() == DType::F32 && logits.device().is_cpu() {
        return logits.contiguous()?.apply_op1(EntropyNode::new(targets));
    }
    super::device::cross_entropy(logits, targets)
}

/// A failure of this crate inside the seam.
pub(super) fn within(error: crate::Error) -> Error {
    match error {
        crate::Error::Model(error) => error,
        other => Error::Request(other.to_string()),
    }
}
