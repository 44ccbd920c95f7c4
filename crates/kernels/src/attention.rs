//! Scaled dot-product attention over per-head keys and values.

use half::f16;
use half::slice::HalfFloatSliceExt;

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

/// `out = softmax(q k^T * scale) v` per head, for `q` and `out` (rows, heads * head_dim).
///
/// # Panics
/// When lengths do not fit `shape`, or a causal row would see positions that `k` lacks.
#[allow(clippy::too_many_arguments)] // one argument per operand of the formula
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
        head_dim: d,
    } = shape;
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "heads per key/value head"
    );
    assert_eq!(q.len(), rows * heads * d, "queries");
    assert_eq!(out.len(), q.len(), "attention output");
    for h in 0..heads {
        let (kh, vh) = (
            head_to_f32(k, h / (heads / kv_heads)),
            head_to_f32(v, h / (heads / kv_heads)),
        );
        for r in 0..rows {
            let seen = match mask {
                Mask::Causal { start } => start + r + 1,
                Mask::None => kh.len() / d,
            };
            let at = r * heads * d + h * d;
            let mut p: Vec<f32> = (0..seen)
                .map(|j| {
                    q[at..][..d]
                        .iter()
                        .zip(&kh[j * d..][..d])
                        .map(|(a, b)| a * b)
                        .sum::<f32>()
                        * scale
                })
                .collect();
            crate::softmax_rows(&mut p, seen);
            let out = &mut out[at..][..d];
            out.fill(0.0);
            for (j, p) in p.iter().enumerate() {
                out.iter_mut()
                    .zip(&vh[j * d..][..d])
                    .for_each(|(o, v)| *o += p * v);
            }
        }
    }
}

fn head_to_f32(kv: KvSlice<'_>, head: usize) -> Vec<f32> {
    match kv {
        KvSlice::F32(heads) => heads[head].clone(),
        KvSlice::F16(heads) => heads[head].iter().map(|v| v.to_f32()).collect(),
    }
}

/// A type that keys and values are kept in.
pub trait KvElement: Copy + Send + Sync + private::Sealed {
    /// Appends `src`, rounded to this type (to nearest even), to `dst`.
    fn extend_from_f32(dst: &mut Vec<Self>, src: &[f32]);
}

mod private {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
}

impl KvElement for f32 {
    fn extend_from_f32(dst: &mut Vec<Self>, src: &[f32]) {
        dst.extend_from_slice(src);
    }
}

impl KvElement for f16 {
    fn extend_from_f32(dst: &mut Vec<Self>, src: &[f32]) {
        let old = dst.len();
        dst.resize(old + src.len(), f16::ZERO);
        dst[old..].convert_from_f32_slice(src);
    }
}

/// Appends `src` (rows, kv_heads * head_dim) to the per-head vectors `dst` (kv_heads).
///
/// # Panics
/// When lengths do not fit.
pub fn append_heads<T: KvElement>(
    src: &[f32],
    rows: usize,
    kv_heads: usize,
    head_dim: usize,
    dst: &mut [Vec<T>],
) {
    let width = kv_heads * head_dim;
    assert_eq!(src.len(), rows * width, "keys or values to append");
    assert_eq!(dst.len(), kv_heads, "one vector per key/value head");
    for (head, dst) in dst.iter_mut().enumerate() {
        dst.reserve(rows * head_dim);
        for row in src.chunks_exact(width) {
            T::extend_from_f32(dst, &row[head * head_dim..][..head_dim]);
        }
    }
}
