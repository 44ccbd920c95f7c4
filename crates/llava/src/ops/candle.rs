//! A graphics card: candle's own tensors and kernels, weights copied to the device.
//!
//! Also runs on the processor, where the tests compare it with [`HostOps`](super::HostOps);
//! results agree to rounding, but rows are not invariant here.

use super::{Heads, Ops, Rope, Segment, Weight, adapted};
use crate::cache::{DeviceRun, LayerCache};
use crate::checkpoint::{RopeLayout, Weights};
use crate::{Error, Result};
use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::{sigmoid, softmax_last_dim};
use visavis_kernels::DType as StoredDType;

/// Runs on a candle device in one element type.
#[derive(Debug, Clone)]
pub struct CandleOps {
    /// Where the tensors live.
    pub device: Device,
    /// What weights and activations are computed in.
    pub dtype: DType,
}

impl Ops for CandleOps {
    fn load(&self, weights: &Weights, name: &str, shape: &[usize], bias: bool) -> Result<Weight> {
        let rows = shape.first().copied().unwrap_or(1);
        let cols: usize = shape.iter().skip(1).product();
        let weight = self
            .read(weights, &format!("{name}.weight"), shape)?
            .reshape((rows, cols))?;
        let bias = if bias {
            Some(self.read(weights, &format!("{name}.bias"), &[rows])?)
        } else {
            None
        };
        Ok(Weight::Tensor { weight, bias })
    }

    fn load_vector(&self, weights: &Weights, name: &str, len: usize) -> Result<Tensor> {
        self.read(weights, name, &[len])
    }

    fn load_table(
        &self,
        weights: &Weights,
        name: &str,
        rows: usize,
        width: usize,
    ) -> Result<Tensor> {
        self.read(weights, name, &[rows, width])
    }

    fn activation(&self, data: Vec<f32>, rows: usize, width: usize) -> Result<Tensor> {
        Ok(Tensor::from_vec(data, (rows, width), &self.device)?.to_dtype(self.dtype)?)
    }

    fn new_cache(&self, _heads: Heads) -> LayerCache {
        LayerCache::Device(None)
    }

    fn embed(&self, table: &Weight, ids: &[u32]) -> Result<Tensor> {
        let (table, _) = tensor(table)?;
        Ok(table.index_select(&Tensor::new(ids, &self.device)?, 0)?)
    }

    fn linear(&self, x: &Tensor, weight: &Weight) -> Result<Tensor> {
        if let Weight::Adapted {
            base,
            down,
            up,
            scale,
        } = weight
        {
            return adapted(self, x, base, [down, up], *scale);
        }
        let (weight, bias) = tensor(weight)?;
        let y = x.matmul(&weight.t()?)?;
        Ok(match bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }

    fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
        Ok(candle_nn::ops::rms_norm(
            &x.contiguous()?,
            weight,
            eps as f32,
        )?)
    }

    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
        Ok(candle_nn::ops::layer_norm(
            &x.contiguous()?,
            weight,
            bias,
            eps as f32,
        )?)
    }

    fn quick_gelu(&self, x: &Tensor) -> Result<Tensor> {
        Ok((x * sigmoid(&(x * 1.702)?)?)?)
    }

    fn gelu(&self, x: &Tensor) -> Result<Tensor> {
        // `Tensor::gelu` is the tanh approximation; LLaVA's connector uses the exact one.
        Ok(x.gelu_erf()?)
    }

    fn silu_mul(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        Ok((gate.silu()? * up)?)
    }

    fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok((a + b)?)
    }

    fn rope(&self, x: &Tensor, dim: usize, rope: &Rope, positions: &[u32]) -> Result<Tensor> {
        let (rows, cols) = x.dims2()?;
        let (cos, sin) = self.angles(rope, dim, positions)?;
        let x = x
            .reshape((1, rows, cols / dim, dim))?
            .transpose(1, 2)?
            .contiguous()?;
        let x = match rope.layout {
            RopeLayout::Half => candle_nn::rotary_emb::rope(&x, &cos, &sin)?,
            RopeLayout::Interleaved => candle_nn::rotary_emb::rope_i(&x, &cos, &sin)?,
        };
        Ok(x.transpose(1, 2)?.contiguous()?.reshape((rows, cols))?)
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
            let n = segment.rows;
            let part =
                |x: &Tensor, count: usize| split_heads(&x.narrow(0, at, n)?, count, heads.dim);
            let q = part(q, heads.query)?;
            let run = extend(segment.cache, part(k, heads.kv)?, part(v, heads.kv)?)?;
            let mask = self.causal(n, run.k.dim(1)? - n)?;
            outs.push(attention(&q, &run.k, &run.v, heads, Some(&mask))?);
            at += n;
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
            .map(|part| {
                let split = |x: &Tensor, count: usize| {
                    split_heads(&x.narrow(0, part * each, each)?, count, heads.dim)
                };
                let q = split(q, heads.query)?;
                attention(&q, &split(k, heads.kv)?, &split(v, heads.kv)?, heads, None)
            })
            .collect::<Result<_>>()?;
        Ok(Tensor::cat(&outs, 0)?)
    }

    fn to_host(&self, x: &Tensor) -> Result<Vec<f32>> {
        Ok(x.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }
}

impl CandleOps {
    fn read(&self, weights: &Weights, name: &str, shape: &[usize]) -> Result<Tensor> {
        let (_, stored) = weights.entry(name, shape)?;
        let matrix = weights.matrix(name, shape)?;
        let dtype = match stored {
            StoredDType::F32 => DType::F32,
            StoredDType::F16 => DType::F16,
            StoredDType::BF16 => DType::BF16,
            // Blocks are widened: candle's own quantised tensors would copy and repack them.
            _ => {
                let tensor = Tensor::from_vec(matrix.to_f32(), shape, &Device::Cpu)?;
                return Ok(tensor.to_dtype(self.dtype)?.to_device(&self.device)?);
            }
        };
        let tensor = Tensor::from_raw_buffer(matrix.data(), dtype, shape, &self.device)?;
        Ok(tensor.to_dtype(self.dtype)?)
    }

    /// Cosines and sines of the rows, `(rows, dim / 2)` each.
    fn angles(&self, rope: &Rope, dim: usize, positions: &[u32]) -> Result<(Tensor, Tensor)> {
        let mut cos = Vec::with_capacity(positions.len() * dim / 2);
        let mut sin = Vec::with_capacity(positions.len() * dim / 2);
        for &position in positions {
            let (c, s) = rope.table.row(position as usize).ok_or_else(|| {
                Error::Request(format!("position {position} lies past the model's context"))
            })?;
            cos.extend_from_slice(c);
            sin.extend_from_slice(s);
        }
        let shape = (positions.len(), dim / 2);
        let tensor =
            |v| Tensor::from_vec(v, shape, &self.device).and_then(|t| t.to_dtype(self.dtype));
        Ok((tensor(cos)?, tensor(sin)?))
    }

    /// 0 where row r may look (positions up to `start + r`), minus infinity elsewhere.
    fn causal(&self, rows: usize, start: usize) -> Result<Tensor> {
        let width = start + rows;
        let see = |r: usize, p: usize| {
            if p <= start + r {
                0.0
            } else {
                f32::NEG_INFINITY
            }
        };
        let mask: Vec<f32> = (0..rows)
            .flat_map(|r| (0..width).map(move |p| see(r, p)))
            .collect();
        Ok(Tensor::from_vec(mask, (1, rows, width), &self.device)?)
    }
}

/// `(rows, heads * dim)` to `(heads, rows, dim)`.
fn split_heads(x: &Tensor, heads: usize, dim: usize) -> Result<Tensor> {
    let rows = x.dim(0)?;
    Ok(x.reshape((rows, heads, dim))?
        .transpose(0, 1)?
        .contiguous()?)
}

fn extend(cache: &mut LayerCache, k: Tensor, v: Tensor) -> Result<&DeviceRun> {
    let LayerCache::Device(slot) = cache else {
        return Err(wrong_place());
    };
    let run = match slot.take() {
        Some(old) => DeviceRun {
            k: Tensor::cat(&[&old.k, &k], 1)?,
            v: Tensor::cat(&[&old.v, &v], 1)?,
        },
        None => DeviceRun { k, v },
    };
    Ok(slot.insert(run))
}

/// q `(query, rows, dim)`, k and v `(kv, positions, dim)` to `(rows, query * dim)`. Softmax in f32.
fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: Heads,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let group = heads.query / heads.kv;
    let spread = |t: &Tensor| -> Result<Tensor> {
        if group == 1 {
            return Ok(t.contiguous()?);
        }
        let (kv, positions, dim) = t.dims3()?;
        let wide = t.unsqueeze(1)?.expand((kv, group, positions, dim))?;
        Ok(wide.reshape((kv * group, positions, dim))?)
    };
    let (k, v) = (spread(k)?, spread(v)?);
    let scores = (q.matmul(&k.transpose(D::Minus1, D::Minus2)?)? / (heads.dim as f64).sqrt())?;
    let mut scores = scores.to_dtype(DType::F32)?;
    if let Some(mask) = mask {
        scores = scores.broadcast_add(mask)?;
    }
    let weights = softmax_last_dim(&scores)?.to_dtype(v.dtype())?;
    let rows = q.dim(1)?;
    let out = weights.matmul(&v)?.transpose(0, 1)?.contiguous()?;
    Ok(out.reshape((rows, heads.query * heads.dim))?)
}

fn tensor(weight: &Weight) -> Result<(&Tensor, Option<&Tensor>)> {
    match weight {
        Weight::Tensor { weight, bias } => Ok((weight, bias.as_ref())),
        Weight::Mapped(_) | Weight::Adapted { .. } => Err(wrong_place()),
    }
}

/// A weight or cache of the processor: a mistake of this crate, not of its caller.
fn wrong_place() -> Error {
    Error::Tensor(candle_core::Error::Msg(
        "a weight or cache of the processor reached the graphics card".into(),
    ))
}
