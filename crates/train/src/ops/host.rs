//! The processor: our kernels, recorded on our tape.

use super::nodes::{self, Activation, Attention};
use super::{Parameters, tape};
use candle_core::{Device, Tensor};
use std::sync::Arc;
use visavis_kernels::AttentionShape;
use visavis_llava::cache::LayerCache;
use visavis_llava::checkpoint::{RopeLayout, Weights};
use visavis_llava::ops::{self as seam, Heads, Ops, Rope, Segment, Weight};
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
        match table {
            Weight::Tensor { weight, .. } => Ok(nodes::embed(weight, ids)?),
            frozen => self.frozen.embed(frozen, ids),
        }
    }

    fn linear(&self, x: &Tensor, weight: &Weight) -> Result<Tensor> {
        let x = x.contiguous()?;
        Ok(match weight {
            Weight::Tensor { weight, bias } => nodes::linear(&x, weight, bias.as_ref())?,
            Weight::Mapped(layer) if tape::tracks(&x) => nodes::frozen_linear(&x, layer)?,
            Weight::Mapped(_) => self.frozen.linear(&x, weight)?,
            Weight::Adapted { base, down, up, scale } => {
                let update = self.linear(&self.linear(&x, down)?, up)?;
                let update = nodes::scale(&update, *scale as f32)?;
                nodes::add(&self.linear(&x, base)?, &update)?
            }
        })
    }

    fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
        Ok(nodes::rms_norm(&x.contiguous()?, weight, eps as f32)?)
    }

    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
        Ok(nodes::layer_norm(&x.contiguous()?, weight, bias, eps as f32)?)
    }

    fn quick_gelu(&self, x: &Tensor) -> Result<Tensor> {
        Ok(nodes::activation(&x.contiguous()?, Activation::QuickGelu)?)
    }

    fn gelu(&self, x: &Tensor) -> Result<Tensor> {
        Ok(nodes::activation(&x.contiguous()?, Activation::Gelu)?)
    }

    fn silu_mul(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        Ok(nodes::silu_mul(&gate.contiguous()?, &up.contiguous()?)?)
    }

    fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok(nodes::add(&a.contiguous()?, &b.contiguous()?)?)
    }

    fn join_class(&self, patches: &Tensor, class: &Tensor, positions: &Tensor, pictures: usize) -> Result<Tensor> {
        Ok(nodes::join_class(&patches.contiguous()?, class, positions, pictures)?)
    }

    fn drop_class(&self, x: &Tensor, pictures: usize) -> Result<Tensor> {
        Ok(nodes::drop_class(&x.contiguous()?, pictures)?)
    }

    fn rope(&self, x: &Tensor, dim: usize, rope: &Rope, positions: &[u32]) -> Result<Tensor> {
        if rope.layout != RopeLayout::Half || dim != rope.table.head_dim() {
            return Err(Error::Request(
                "training needs a model in safetensors files, not GGUF".into(),
            ));
        }
        Ok(nodes::rope(&x.contiguous()?, &rope.table, positions)?)
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
    let attention = Attention { lengths, causal, shape, scale };
    Ok(attention.run(&q.contiguous()?, &k.contiguous()?, &v.contiguous()?)?)
}

/// A failure of this crate inside the seam.
pub(super) fn within(error: crate::Error) -> Error {
    match error {
        crate::Error::Model(error) => error,
        other => Error::Request(other.to_string()),
    }
}
