//! Block-quantised weights: the layouts that GGUF files hold, decoded to f32 and encoded from it.
//!
//! A row is cut into blocks of 32 or 256 values; a block has one or two 16-bit scales and a few
//! bits a value. The layouts and the order of the f32 operations are ggml's, so that a decoded
//! value has the same bits as there (`tests/golden/gguf_blocks.py`). Decoding and encoding are plain
//! and define what a weight is; the linear layer multiplies in integers (`linear`).

mod activations;
mod encode;
mod encode_k;
mod integers;
pub(crate) mod legacy;
mod linear;
mod many;
mod one;
mod panel;
pub(crate) mod super_blocks;
mod tile;

pub use encode::quantise_row;
pub(crate) use linear::forward;
use linear::{Product, Weights, column, prefetch};

use crate::DType;
use legacy::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
use super_blocks::{Q2K, Q3K, Q4K, Q5K, Q6K};

/// Values in a block of the older formats.
pub(crate) const BLOCK: usize = 32;
/// Values in a super-block, which has scales of scales.
pub(crate) const SUPER: usize = 256;

/// A block as it lies in a file: bytes only, so that it may begin anywhere.
pub(crate) trait Block: bytemuck::Pod {
    /// Values in the block.
    const LEN: usize;

    /// Writes the block's values to `out` (LEN).
    fn decode(&self, out: &mut [f32]);
}

/// Decodes whole blocks; `src` holds exactly the blocks of `dst.len()` values.
pub(crate) fn widen(dtype: DType, src: &[u8], dst: &mut [f32]) {
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => unreachable!("not a block type"),
        DType::Q4_0 => blocks::<Q4_0>(src, dst),
        DType::Q4_1 => blocks::<Q4_1>(src, dst),
        DType::Q5_0 => blocks::<Q5_0>(src, dst),
        DType::Q5_1 => blocks::<Q5_1>(src, dst),
        DType::Q8_0 => blocks::<Q8_0>(src, dst),
        DType::Q2K => blocks::<Q2K>(src, dst),
        DType::Q3K => blocks::<Q3K>(src, dst),
        DType::Q4K => blocks::<Q4K>(src, dst),
        DType::Q5K => blocks::<Q5K>(src, dst),
        DType::Q6K => blocks::<Q6K>(src, dst),
    }
}

fn blocks<B: Block>(src: &[u8], dst: &mut [f32]) {
    // Blocks are made of bytes, so a cast can only fail on a part of a block, which `Matrix::new`
    // has ruled out.
    for (block, out) in bytemuck::cast_slice::<u8, B>(src)
        .iter()
        .zip(dst.chunks_exact_mut(B::LEN))
    {
        block.decode(out);
    }
}

/// A 16-bit scale, widened.
pub(crate) fn scale(bytes: [u8; 2]) -> f32 {
    half::f16::from_le_bytes(bytes).to_f32()
}

#[cfg(test)]
mod tests;
