//! A graphics card: operations put together from candle's own, each of which has a gradient.
//!
//! Variables are f32; products run in the element type of the run (bf16 on cards), norms, softmax
//! and the loss in f32, as transformers does it. Also runs on the processor in f32, where the
//! tests compare it with [`super::HostOps`].

use super::Parameters;
use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::sigmoid;
use std::sync::Arc;
use visavis_llava::cache::LayerCache;
use visavis_llava::checkpoint::{RopeLayout, Weights};
use visavis_llava::ops::{CandleOps, Heads, Ops, Rope, Segment, Weight, adapted};
use visavis_llava::{Error, Result};

/// Differentiable operations on a candle device.
pub struct DeviceOps {
    parameters: Arc<Parameters>,
    frozen: CandleOps,
}

impl DeviceOps {
    /// Operations on `device` that make `parameters` learn, computing in `dtype`.
    pub fn new(parameters: Arc<Parameters>, device: Device, dtype: DType) -> Self {
        Self {
            parameters,
            frozen: CandleOps { device, dtype },
        }
    }

    fn variable(&self, weights: &Weights, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.parameters
            .variable(weights, name, shape, &self.frozen.device)
            .map_err(super::host::within)
    }

    /// The tensor in the type of the run.
    fn cast(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.to_dtype(self.frozen.dtype)?)
    }

    /// Cosines and sines of the rows, `(rows, 1, dim / 2)` each, f32.
    fn angles(&self, rope: &Rope, positions: &[u32]) -> Result<[Tensor; 2]> {
        let half = rope.table.head_dim() / 2;
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for &position in positions {
            let (c, s) = rope.table.row(position as usize).ok_or_else(|| {
                Error::Request(format!("position {position} lies past the model's context"))
            })?;
            cos.extend_from_slice(c);
            sin.extend_from_slice(s);
        }
        let shape = (positions.len(), 1, half);
        let tensor = |v| Tensor::from_vec(v, shape, &self.frozen.device);
        Ok([tensor(cos)?, tensor(sin)?])
    }

    fn causal(&self, rows: usize) -> Result<Tensor> {
        let see = |r: usize, p: usize| if p <= r { 0.0 } else { f32::NEG_INFINITY };
        let mask: Vec<f32> = (0..rows)
            .flat_map(|r| (0..rows).map(move |p| see(r, p)))
            .collect();
        Ok(Tensor::from_vec(
            mask,
            (1, rows, rows),
            &self.frozen.device,
        )?)
    }
}

impl Ops for DeviceOps {
    fn load(&self, weights: &Weights, name: &str, shape: &[usize], bias: bool) -> Result<Weight> {
        if self.parameters.learns(&format!("{name}.weight")) {
            let weight = self.variable(weights, &format!("{name}.weight"), shape)?;
            let bias = if bias {
                Some(self.variable(weights, &format!("{name}.bias"), &shape[..1])?)
            } else {
                None
            };
            return Ok(Weight::Tensor { weight, bias });
        }
        let base = self.frozen.load(weights, name, shape, bias)?;
        let (Some(lora), &[out, inner]) = (self.parameters.adapts(name), shape) else {
            return Ok(base);
        };
        let [down, up] = self
            .parameters
            .adapter(name, [out, inner], lora.r, &self.frozen.device)
            .map_err(super::host::within)?
            .map(|weight| Box::new(Weight::Tensor { weight, bias: None }));
        let scale = lora.alpha / lora.r as f64;
        Ok(Weight::Adapted {
            base: Box::new(base),
            down,
            up,
            scale,
        })
    }

    fn load_vector(&self, weights: &Weights, name: &str, len: usize) -> Result<Tensor> {
        if self.parameters.learns(name) {
            return self.variable(weights, name, &[len]);
        }
        self.frozen.load_vector(weights, name, len)
    }

    fn load_table(
        &self,
        weights: &Weights,
        name: &str,
        rows: usize,
        width: usize,
    ) -> Result<Tensor> {
        if self.parameters.learns(name) {
            return self.variable(weights, name, &[rows, width]);
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
        self.cast(&self.frozen.embed(table, ids)?)
    }

    fn linear(&self, x: &Tensor, weight: &Weight) -> Result<Tensor> {
        match weight {
            Weight::Adapted {
                base,
                down,
                up,
                scale,
            } => adapted(self, x, base, [down, up], *scale),
            Weight::Tensor { weight, bias } => {
                let y = self.cast(x)?.matmul(&self.cast(weight)?.t()?)?;
                Ok(match bias {
                    Some(bias) => y.broadcast_add(&self.cast(bias)?)?,
                    None => y,
                })
            }
            Weight::Mapped(_) => self.frozen.linear(x, weight),
        }
    }

    fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
        let wide = x.to_dtype(DType::F32)?;
        let scale = (wide.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
        let y = wide.broadcast_div(&scale)?;
        self.cast(&y.broadcast_mul(&weight.to_dtype(DType::F32)?)?)
    }

    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
        let wide = x.to_dtype(DType::F32)?;
        let wide = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
        let scale = (wide.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
        let y = wide
            .broadcast_div(&scale)?
            .broadcast_mul(&weight.to_dtype(DType::F32)?)?;
        self.cast(&y.broadcast_add(&bias.to_dtype(DType::F32)?)?)
    }

    fn quick_gelu(&self, x: &Tensor) -> Result<Tensor> {
        Ok((x * sigmoid(&(x * 1.702)?)?)?)
    }

    fn gelu(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.gelu_erf()?)
    }

    fn silu_mul(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        Ok((gate.silu()? * up)?)
    }

    fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok((a + b)?)
    }

    fn rope(&self, x: &Tensor, dim: usize, rope: &Rope, positions: &[u32]) -> Result<Tensor> {
        if rope.layout != RopeLayout::Half || dim != rope.table.head_dim() {
            return Err(Error::Request(
                "training needs a model in safetensors files, not GGUF".into(),
            ));
        }
        let (rows, cols) = x.dims2()?;
        let [cos, sin] = self.angles(rope, positions)?;
        let x = x.reshape((rows, cols / dim, dim))?.to_dtype(DType::F32)?;
        let (a, b) = (x.narrow(2, 0, dim / 2)?, x.narrow(2, dim / 2, dim / 2)?);
        let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let second = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        self.cast(&Tensor::cat(&[first, second], 2)?.reshape((rows, cols))?)
    }

    fn attend(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        heads: Heads,
        segments: &mut [Segment<'_>],
    ) -> Result<Tensor> {
        let mut outs = Vec::with_capacity(segments.len());
        let mut at = 0;
        for segment in segments {
            let mask = self.causal(segment.rows)?;
            outs.push(attention([q, k, v], at, segment.rows, heads, Some(&mask))?);
            at += segment.rows;
        }
        Ok(Tensor::cat(&outs, 0)?)
    }

    fn attend_all(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        heads: Heads,
        parts: usize,
    ) -> Result<Tensor> {
        let each = q.dim(0)? / parts.max(1);
        let outs: Vec<Tensor> = (0..parts)
            .map(|part| attention([q, k, v], part * each, each, heads, None))
            .collect::<Result<_>>()?;
        Ok(Tensor::cat(&outs, 0)?)
    }

    fn to_host(&self, x: &Tensor) -> Result<Vec<f32>> {
        self.frozen.to_host(x)
    }
}

/// Attention of the rows `from..from + rows` among themselves: `(rows, query * dim)`.
fn attention(
    [q, k, v]: [&Tensor; 3],
    from: usize,
    rows: usize,
    heads: Heads,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let part = |x: &Tensor, count: usize| -> Result<Tensor> {
        let x = x.narrow(0, from, rows)?.reshape((rows, count, heads.dim))?;
        let x = x.transpose(0, 1)?.contiguous()?;
        if count == heads.query {
            return Ok(x);
        }
        let group = heads.query / count;
        let x = x
            .unsqueeze(1)?
            .broadcast_as((count, group, rows, heads.dim))?;
        Ok(x.reshape((heads.query, rows, heads.dim))?)
    };
    let (q, k, v) = (
        part(q, heads.query)?,
        part(k, heads.kv)?,
        part(v, heads.kv)?,
    );
    let scores =
        (q.matmul(&k.transpose(1, 2)?)?.to_dtype(DType::F32)? / (heads.dim as f64).sqrt())?;
    let scores = match mask {
        Some(mask) => scores.broadcast_add(mask)?,
        None => scores,
    };
    let weights = candle_nn::ops::softmax(&scores, D::Minus1)?.to_dtype(v.dtype())?;
    let out = weights.matmul(&v)?.transpose(0, 1)?.contiguous()?;
    Ok(out.reshape((rows, heads.query * heads.dim))?)
}

/// Cross-entropy of each row against its target, summed, in f32.
pub(super) fn cross_entropy(logits: &Tensor, targets: &[u32]) -> candle_core::Result<Tensor> {
    let targets = Tensor::new(targets, logits.device())?.unsqueeze(1)?;
    let shares = candle_nn::ops::log_softmax(&logits.to_dtype(DType::F32)?, D::Minus1)?;
    shares.gather(&targets, 1)?.sum_all()?.neg()
}
