//! Keys and values of the positions a sequence has computed.

use candle_core::Tensor;
use half::f16;

/// One layer's keys and values.
pub enum LayerCache {
    /// On the processor in f32, one `(positions, dim)` run per kv head.
    F32(HeadRuns<f32>),
    /// On the processor in f16 (quantised models).
    F16(HeadRuns<f16>),
    /// On a device; `None` while empty.
    Device(Option<DeviceRun>),
}

/// Keys and values per kv head, each `positions * dim` long.
#[derive(Default)]
pub struct HeadRuns<T> {
    /// Keys.
    pub k: Vec<Vec<T>>,
    /// Values.
    pub v: Vec<Vec<T>>,
    /// Width of a head.
    pub dim: usize,
}

/// Keys and values as tensors `(kv heads, positions, dim)`.
pub struct DeviceRun {
    /// Keys.
    pub k: Tensor,
    /// Values.
    pub v: Tensor,
}

impl<T> HeadRuns<T> {
    /// Empty runs for `heads` heads of width `dim`.
    pub fn new(heads: usize, dim: usize) -> Self {
        let runs = || (0..heads).map(|_| Vec::new()).collect();
        Self {
            k: runs(),
            v: runs(),
            dim,
        }
    }

    fn positions(&self) -> usize {
        self.k.first().map_or(0, |run| run.len() / self.dim.max(1))
    }

    fn bytes(&self) -> usize {
        self.k
            .iter()
            .chain(&self.v)
            .map(|run| run.capacity() * size_of::<T>())
            .sum()
    }

    fn truncate(&mut self, positions: usize) {
        for run in self.k.iter_mut().chain(&mut self.v) {
            run.truncate(positions * self.dim);
        }
    }
}

impl LayerCache {
    /// Positions held.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(runs) => runs.positions(),
            Self::F16(runs) => runs.positions(),
            Self::Device(run) => run
                .as_ref()
                .map_or(0, |r| r.k.dims().get(1).copied().unwrap_or(0)),
        }
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn bytes(&self) -> usize {
        match self {
            Self::F32(runs) => runs.bytes(),
            Self::F16(runs) => runs.bytes(),
            Self::Device(run) => run
                .as_ref()
                .map_or(0, |r| 2 * r.k.elem_count() * r.k.dtype().size_in_bytes()),
        }
    }

    fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        match self {
            Self::F32(runs) => runs.truncate(len),
            Self::F16(runs) => runs.truncate(len),
            Self::Device(slot) if len == 0 => *slot = None,
            Self::Device(slot) => {
                // A view: the memory goes when the run next grows.
                let cut = |t: &Tensor| t.narrow(1, 0, len);
                *slot = slot.as_ref().and_then(|r| {
                    Some(DeviceRun {
                        k: cut(&r.k).ok()?,
                        v: cut(&r.v).ok()?,
                    })
                });
            }
        }
    }
}

/// One sequence's KV cache.
pub struct KvCache {
    pub(crate) layers: Vec<LayerCache>,
}

impl KvCache {
    pub(crate) fn new(layers: Vec<LayerCache>) -> Self {
        Self { layers }
    }

    /// Positions held.
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, LayerCache::len)
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(LayerCache::bytes).sum()
    }

    /// Forgets every position from `len` on.
    pub fn truncate(&mut self, len: usize) {
        for layer in &mut self.layers {
            layer.truncate(len);
        }
    }
}
