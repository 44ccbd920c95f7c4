//! The processor: mapped weights and our own row-invariant kernels.

use super::{Heads, Ops, Rope, Segment, Weight, adapted};
use crate::cache::{HeadRuns, LayerCache};
use crate::checkpoint::{RopeLayout, Weights};
use crate::{Error, Result};
use candle_core::{CpuStorage, Device, Storage, Tensor};
use visavis_kernels as kernels;
use visavis_kernels::{AttentionShape, KvSlice, Linear, Mask};

/// Runs on the processor. Keys and values are kept in f32, or in f16 beside quantised weights.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostOps {
    /// Keep keys and values in f16.
    pub half_cache: bool,
}

impl HostOps {
    /// As the weights ask for: a quantised model's keys and values lose nothing that its weights
    /// have not lost already by being kept in 16 bits, and they take half the room.
    pub fn for_weights(weights: &Weights) -> Self {
        Self {
            half_cache: weights.quantised(),
        }
    }
}

impl Ops for HostOps {
    fn load(&self, weights: &Weights, name: &str, shape: &[usize], bias: bool) -> Result<Weight> {
        let matrix = weights.matrix(&format!("{name}.weight"), shape)?;
        let out = matrix.rows();
        let bias = if bias {
            Some(weights.vector(&format!("{name}.bias"), out)?)
        } else {
            None
        };
        Linear::new(matrix, bias)
            .map(Weight::Mapped)
            .map_err(|e| Error::Request(format!("the weight {name} cannot be used: {e}")))
    }

    fn load_vector(&self, weights: &Weights, name: &str, len: usize) -> Result<Tensor> {
        Ok(Tensor::from_vec(
            weights.vector(name, len)?,
            len,
            &Device::Cpu,
        )?)
    }

    fn load_table(
        &self,
        weights: &Weights,
        name: &str,
        rows: usize,
        width: usize,
    ) -> Result<Tensor> {
        let table = weights.matrix(name, &[rows, width])?.to_f32();
        Ok(Tensor::from_vec(table, (rows, width), &Device::Cpu)?)
    }

    fn activation(&self, data: Vec<f32>, rows: usize, width: usize) -> Result<Tensor> {
        tensor(data, rows, width)
    }

    fn new_cache(&self, heads: Heads) -> LayerCache {
        if self.half_cache {
            LayerCache::F16(HeadRuns::new(heads.kv, heads.dim))
        } else {
            LayerCache::F32(HeadRuns::new(heads.kv, heads.dim))
        }
    }

    fn embed(&self, table: &Weight, ids: &[u32]) -> Result<Tensor> {
        let matrix = mapped(table)?.weight();
        let width = matrix.cols();
        let mut out = vec![0.0; ids.len() * width];
        for (row, &id) in out.chunks_exact_mut(width).zip(ids) {
            if id as usize >= matrix.rows() {
                return Err(Error::Request(format!(
                    "the id {id} is not in the model's table of {}",
                    matrix.rows()
                )));
            }
            matrix.row_to_f32(id as usize, row);
        }
        tensor(out, ids.len(), width)
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
        let linear = mapped(weight)?;
        let rows = x.dim(0)?;
        let mut out = vec![0.0; rows * linear.out_features()];
        with_host(x, |x| linear.forward(x, rows, &mut out))?;
        tensor(out, rows, linear.out_features())
    }

    fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
        let (rows, cols) = x.dims2()?;
        let mut out = vec![0.0; rows * cols];
        with_host(x, |x| {
            with_host(weight, |w| {
                kernels::rms_norm(x, w, eps as f32, cols, &mut out)
            })
        })??;
        tensor(out, rows, cols)
    }

    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
        let (rows, cols) = x.dims2()?;
        let mut out = vec![0.0; rows * cols];
        with_host(x, |x| {
            with_host(weight, |w| {
                with_host(bias, |b| {
                    kernels::layer_norm(x, w, b, eps as f32, cols, &mut out)
                })
            })
        })???;
        tensor(out, rows, cols)
    }

    fn quick_gelu(&self, x: &Tensor) -> Result<Tensor> {
        map(x, kernels::quick_gelu)
    }

    fn gelu(&self, x: &Tensor) -> Result<Tensor> {
        map(x, kernels::gelu_erf)
    }

    fn silu_mul(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        let (rows, cols) = gate.dims2()?;
        let mut out = vec![0.0; rows * cols];
        with_host(gate, |gate| {
            with_host(up, |up| kernels::silu_mul(gate, up, &mut out))
        })??;
        tensor(out, rows, cols)
    }

    fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (rows, cols) = a.dims2()?;
        let mut out = with_host(a, <[f32]>::to_vec)?;
        with_host(b, |b| kernels::add_assign(&mut out, b))?;
        tensor(out, rows, cols)
    }

    fn rope(&self, x: &Tensor, dim: usize, rope: &Rope, positions: &[u32]) -> Result<Tensor> {
        let (rows, cols) = x.dims2()?;
        let mut out = with_host(x, <[f32]>::to_vec)?;
        let turn = match rope.layout {
            RopeLayout::Half => kernels::rope_half,
            RopeLayout::Interleaved => kernels::rope_interleaved,
        };
        turn(&mut out, rows, cols / dim, positions, &rope.table).map_err(|e| {
            Error::Request(format!("a position lies past the model's context: {e}"))
        })?;
        tensor(out, rows, cols)
    }

    fn attend(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        heads: Heads,
        segments: &mut [Segment<'_>],
    ) -> Result<Tensor> {
        let (rows, cols) = q.dims2()?;
        let kv_cols = heads.kv * heads.dim;
        let mut out = vec![0.0; rows * cols];
        with_host(q, |q| {
            with_host(k, |k| {
                with_host(v, |v| {
                    let mut at = 0;
                    for segment in segments {
                        let n = segment.rows;
                        let kv = at * kv_cols..(at + n) * kv_cols;
                        let qo = at * cols..(at + n) * cols;
                        let cache = &mut *segment.cache;
                        extend_and_attend(
                            &q[qo.clone()],
                            &k[kv.clone()],
                            &v[kv],
                            n,
                            heads,
                            cache,
                            &mut out[qo],
                        )?;
                        at += n;
                    }
                    Ok::<(), Error>(())
                })
            })
        })????;
        tensor(out, rows, cols)
    }

    fn attend_all(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        heads: Heads,
        parts: usize,
    ) -> Result<Tensor> {
        let (rows, cols) = q.dims2()?;
        let each = rows / parts.max(1);
        let kv_cols = heads.kv * heads.dim;
        let mut out = vec![0.0; rows * cols];
        with_host(q, |q| {
            with_host(k, |k| {
                with_host(v, |v| {
                    for part in 0..parts {
                        let kv = part * each * kv_cols..(part + 1) * each * kv_cols;
                        let qo = part * each * cols..(part + 1) * each * cols;
                        let (k, v) = (&k[kv.clone()], &v[kv]);
                        see_all(&q[qo.clone()], k, v, each, heads, &mut out[qo]);
                    }
                })
            })
        })???;
        tensor(out, rows, cols)
    }

    fn to_host(&self, x: &Tensor) -> Result<Vec<f32>> {
        with_host(x, <[f32]>::to_vec)
    }
}

/// Appends one sequence's new keys and values, then lets its new rows see everything up to them.
fn extend_and_attend(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    rows: usize,
    heads: Heads,
    cache: &mut LayerCache,
    out: &mut [f32],
) -> Result<()> {
    let mask = Mask::Causal { start: cache.len() };
    let (k, v) = match cache {
        LayerCache::F32(runs) => {
            kernels::append_heads(k, rows, heads.kv, heads.dim, &mut runs.k);
            kernels::append_heads(v, rows, heads.kv, heads.dim, &mut runs.v);
            (KvSlice::F32(&runs.k), KvSlice::F32(&runs.v))
        }
        LayerCache::F16(runs) => {
            kernels::append_heads(k, rows, heads.kv, heads.dim, &mut runs.k);
            kernels::append_heads(v, rows, heads.kv, heads.dim, &mut runs.v);
            (KvSlice::F16(&runs.k), KvSlice::F16(&runs.v))
        }
        LayerCache::Device(_) => return Err(wrong_place()),
    };
    kernels::attention(q, rows, k, v, shape(heads), scale(heads), mask, out);
    Ok(())
}

/// Lets every row of one picture see all of it.
fn see_all(q: &[f32], k: &[f32], v: &[f32], rows: usize, heads: Heads, out: &mut [f32]) {
    let mut runs = HeadRuns::<f32>::new(heads.kv, heads.dim);
    kernels::append_heads(k, rows, heads.kv, heads.dim, &mut runs.k);
    kernels::append_heads(v, rows, heads.kv, heads.dim, &mut runs.v);
    let (k, v) = (KvSlice::F32(&runs.k), KvSlice::F32(&runs.v));
    let (shape, scale) = (shape(heads), scale(heads));
    kernels::attention(q, rows, k, v, shape, scale, Mask::None, out);
}

fn shape(heads: Heads) -> AttentionShape {
    AttentionShape {
        heads: heads.query,
        kv_heads: heads.kv,
        head_dim: heads.dim,
    }
}

fn scale(heads: Heads) -> f32 {
    1.0 / (heads.dim as f32).sqrt()
}

fn map(x: &Tensor, f: impl Fn(&mut [f32])) -> Result<Tensor> {
    let (rows, cols) = x.dims2()?;
    let mut out = with_host(x, <[f32]>::to_vec)?;
    f(&mut out);
    tensor(out, rows, cols)
}

fn tensor(data: Vec<f32>, rows: usize, cols: usize) -> Result<Tensor> {
    Ok(Tensor::from_vec(data, (rows, cols), &Device::Cpu)?)
}

fn mapped(weight: &Weight) -> Result<&Linear> {
    match weight {
        Weight::Mapped(linear) => Ok(linear),
        Weight::Tensor { .. } | Weight::Adapted { .. } => Err(wrong_place()),
    }
}

/// A weight or cache of another device: a mistake of this crate, not of its caller.
fn wrong_place() -> Error {
    Error::Tensor(candle_core::Error::Msg(
        "a weight or cache of another device reached the processor".into(),
    ))
}

/// The values of a contiguous f32 tensor on the processor, without copying.
fn with_host<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(CpuStorage::F32(data)) = &*storage else {
        return Err(wrong_place());
    };
    let range = layout
        .contiguous_offsets()
        .and_then(|(from, to)| data.get(from..to));
    range.map(f).ok_or_else(wrong_place)
}
