//! Scaled dot-product attention over per-head keys and values.

mod append;
mod kernel;

pub use append::{KvElement, append_heads};

use half::f16;

use crate::isa::Level;
use crate::simd::{F16, F32};

/// Keys or values: one `Vec` per key/value head, each `(positions, head_dim)`.
#[derive(Debug, Clone, Copy)]
pub enum KvSlice<'a> {
    /// Full precision.
    F32(&'a [Vec<f32>]),
    /// Half precision; arithmetic is still in f32.
    F16(&'a [Vec<f16>]),
}

/// Sizes of one attention layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; divides `heads`. Query head h reads key/value head `h / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Length of one head.
    pub head_dim: usize,
}

/// Which positions a query row sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// Row r sees the positions `0..=start + r`.
    Causal {
        /// Positions in the cache before the first query row.
        start: usize,
    },
    /// Every row sees every position.
    None,
}

impl KvSlice<'_> {
    /// Number of heads.
    fn heads(&self) -> usize {
        match self {
            Self::F32(heads) => heads.len(),
            Self::F16(heads) => heads.len(),
        }
    }

    /// Values in one head, where all have as many.
    fn head_len(&self) -> Option<usize> {
        fn common<T>(heads: &[Vec<T>]) -> Option<usize> {
            let len = heads.first()?.len();
            heads.iter().all(|h| h.len() == len).then_some(len)
        }
        match self {
            Self::F32(heads) => common(heads),
            Self::F16(heads) => common(heads),
        }
    }
}

/// `out = softmax(q k^T * scale) v` per head, for `q` and `out` (rows, heads * head_dim).
///
/// # Panics
/// When lengths do not fit `shape`, or a causal row would see positions that `k` lacks.
#[allow(clippy::too_many_arguments)] // one argument for each part of the formula
pub fn attention(
    q: &[f32],
    rows: usize,
    k: KvSlice<'_>,
    v: KvSlice<'_>,
    shape: AttentionShape,
    scale: f32,
    mask: Mask,
    out: &mut [f32],
) {
    let AttentionShape {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "query heads per key/value head"
    );
    assert_eq!(q.len(), rows * heads * head_dim, "queries of attention");
    assert_eq!(out.len(), q.len(), "output of attention");
    assert!(
        k.heads() == kv_heads && v.heads() == kv_heads,
        "heads of keys and values"
    );
    let len = k
        .head_len()
        .unwrap_or_else(|| panic!("key heads of different lengths"));
    assert_eq!(
        v.head_len(),
        Some(len),
        "keys and values of the same number of positions"
    );
    if out.is_empty() {
        return;
    }
    let positions = len / head_dim;
    assert_eq!(positions * head_dim, len, "keys of whole positions");
    if let Mask::Causal { start } = mask {
        assert!(
            start + rows <= positions,
            "causal rows past the {positions} positions of the keys"
        );
    }
    if positions == 0 {
        // A softmax over nothing weighs nothing.
        out.fill(0.0);
        return;
    }
    let call = kernel::Call {
        level: Level::current(),
        q,
        out: out.as_mut_ptr(),
        rows,
        positions,
        shape,
        scale,
        mask,
    };
    match (k, v) {
        (KvSlice::F32(k), KvSlice::F32(v)) => call.run::<F32, F32, _, _>(k, v),
        (KvSlice::F32(k), KvSlice::F16(v)) => call.run::<F32, F16, _, _>(k, v),
        (KvSlice::F16(k), KvSlice::F32(v)) => call.run::<F16, F32, _, _>(k, v),
        (KvSlice::F16(k), KvSlice::F16(v)) => call.run::<F16, F16, _, _>(k, v),
    }
}
