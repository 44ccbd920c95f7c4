//! From the rows that a projection gives to the per-head vectors that attention reads: the vision
//! tower's keys and values, and what is added to the cache.

use half::f16;
use half::slice::HalfFloatSliceExt;

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
