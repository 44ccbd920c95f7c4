//! From f32 to blocks.

use super::encode_k::{quantise_q4k, quantise_q6k};
use super::legacy::{Q4_0, Q8_0};
use crate::{DType, KernelError};
use half::f16;

/// Encodes a row (or any number of whole blocks) of f32 values as `dtype`: F32, F16, BF16, Q4_0,
/// Q8_0, Q4_K or Q6_K. Q4_0 and Q8_0 give ggml's own bytes. Values must be finite; ones that are
/// not are stored as zero in the K formats.
///
/// # Errors
/// When the values are not whole blocks, `out` does not have the length that they take, or there
/// is no encoder for the type.
pub fn quantise_row(dtype: DType, values: &[f32], out: &mut [u8]) -> Result<(), KernelError> {
    let block = dtype.block_len();
    if !values.len().is_multiple_of(block) {
        return Err(KernelError::PartialBlock {
            cols: values.len(),
            dtype: dtype.name(),
            block,
        });
    }
    let expected = values.len() / block * dtype.block_bytes();
    if out.len() != expected {
        return Err(KernelError::SizeMismatch {
            what: "encoded bytes",
            expected,
            found: out.len(),
        });
    }
    match dtype {
        DType::F32 => each(values, out, |v: &f32, o: &mut [u8; 4]| *o = v.to_le_bytes()),
        DType::F16 => each(values, out, |v: &f32, o: &mut [u8; 2]| {
            *o = f16::from_f32(*v).to_le_bytes();
        }),
        DType::BF16 => each(values, out, |v: &f32, o: &mut [u8; 2]| {
            *o = half::bf16::from_f32(*v).to_le_bytes();
        }),
        DType::Q4_0 => blocks(values, out, quantise_q4_0),
        DType::Q8_0 => blocks(values, out, quantise_q8_0),
        DType::Q4K => blocks(values, out, quantise_q4k),
        DType::Q6K => blocks(values, out, quantise_q6k),
        other => return Err(KernelError::NoEncoder(other.name())),
    }
    Ok(())
}

fn each<O: bytemuck::Pod>(values: &[f32], out: &mut [u8], f: impl Fn(&f32, &mut O)) {
    for (value, out) in values.iter().zip(bytemuck::cast_slice_mut(out)) {
        f(value, out);
    }
}

fn blocks<const LEN: usize, B: bytemuck::Pod>(
    values: &[f32],
    out: &mut [u8],
    f: impl Fn(&[f32; LEN]) -> B,
) {
    // Lengths were checked by the caller, and a block of bytes may begin anywhere.
    let out = bytemuck::cast_slice_mut::<u8, B>(out);
    for (values, out) in values.as_chunks::<LEN>().0.iter().zip(out) {
        *out = f(values);
    }
}

/// The scale puts the largest magnitude, with its sign, on -8.
fn quantise_q4_0(values: &[f32; 32]) -> Q4_0 {
    let largest = values
        .iter()
        .fold(0.0f32, |a, &v| if v.abs() > a.abs() { v } else { a });
    let d = largest / -8.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    // Rounds half up, as adding one half and cutting off does; the cast saturates.
    let q = |v: f32| ((v * inverse + 8.5) as u8).min(15);
    Q4_0 {
        d: f16::from_f32(d).to_le_bytes(),
        q: std::array::from_fn(|i| q(values[i]) | q(values[i + 16]) << 4),
    }
}

fn quantise_q8_0(values: &[f32; 32]) -> Q8_0 {
    let largest = values.iter().fold(0.0f32, |a, v| a.max(v.abs()));
    let d = largest / 127.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    Q8_0 {
        d: f16::from_f32(d).to_le_bytes(),
        q: std::array::from_fn(|i| (values[i] * inverse).round() as i8),
    }
}
