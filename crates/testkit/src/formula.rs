//! Weights and pixels from a closed formula, bit for bit as in tests/golden/formula.py.
//!
//! ```text
//! state = fnv1a64(name) ^ mix(seed)
//! u     = (mix(state + index) >> 40) / 2^24          in [0, 1), exact in f32
//! value = (u - 0.5) * scale + offset                 in f32, two roundings
//! ```
//!
//! where `mix` is splitmix64 and scale and offset follow from the kind of tensor.

use crate::spec::TinySpec;

/// Makes rows past the tokenizer's pieces win whenever nobody masks them.
const PADDING_ROWS: f32 = 3.0;

/// FNV-1a, 64 bits.
pub fn fnv1a64(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// splitmix64's output for the state `x`.
pub fn mix(x: u64) -> u64 {
    let z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `count` values in -0.5..0.5, exact in f32.
pub fn uniform(name: &str, count: usize, seed: u64) -> impl Iterator<Item = f32> {
    let state = fnv1a64(name) ^ mix(seed);
    (0..count as u64).map(move |i| {
        let bits = mix(state.wrapping_add(i)) >> 40;
        bits as f32 / (1u32 << 24) as f32 - 0.5
    })
}

/// Matrices keep the deviation of their input, up to this gain. Queries and keys get more, so
/// that attention picks rather than averages.
fn gain(part: &str) -> f64 {
    match part {
        "q_proj" | "k_proj" => 2.0,
        "v_proj" | "o_proj" | "out_proj" => 1.4,
        "lm_head" => 3.0,
        _ => 1.0,
    }
}

pub(crate) fn scale_offset(name: &str, shape: &[usize], tied: bool) -> (f64, f64) {
    let part = name.rsplit('.').nth(1).unwrap_or_default();
    if part.contains("norm") && name.ends_with(".weight") {
        return (0.4, 1.0);
    }
    if name.ends_with(".bias") {
        return (0.3, 0.0);
    }
    if name.ends_with("embed_tokens.weight") {
        // A tied table is also the output matrix, whose rows must keep logits moderate.
        let scale = if tied {
            (12.0 * 9.0 / shape[1] as f64).sqrt()
        } else {
            1.0
        };
        return (scale, 0.0);
    }
    if name.ends_with("class_embedding") {
        return (2.0, 0.0);
    }
    if name.ends_with("position_embedding.weight") {
        return (1.5, 0.0);
    }
    let fan_in: usize = shape[1..].iter().product();
    (gain(part) * (12.0 / fan_in as f64).sqrt(), 0.0)
}

/// The values of the tensor with the classic name `name`, in row-major order, before rounding
/// to the spec's element type.
pub fn tensor(name: &str, shape: &[usize], spec: &TinySpec) -> Vec<f32> {
    let tied = spec.text.tied;
    let (scale, offset) = scale_offset(name, shape, tied);
    let (scale, offset) = (scale as f32, offset as f32);
    let mut values: Vec<f32> = uniform(name, shape.iter().product(), spec.seed)
        .map(|u| u * scale + offset)
        .collect();
    if name.ends_with("lm_head.weight") || (tied && name.ends_with("embed_tokens.weight")) {
        let first = crate::checkpoint::pieces() * shape[1];
        for v in values.iter_mut().skip(first) {
            *v *= PADDING_ROWS;
        }
    }
    values
}

/// `(3, size, size)` normalised pixels of the n-th picture: a 4 x 4 mosaic with grain.
pub fn pixels(size: usize, picture: u64) -> Vec<f32> {
    let mosaic: Vec<f32> = uniform("mosaic", 48, picture).map(|u| u * 3.0).collect();
    let cell = |i: usize| i * 4 / size;
    uniform("grain", 3 * size * size, picture)
        .enumerate()
        .map(|(i, grain)| {
            let (channel, y, x) = (i / (size * size), i / size % size, i % size);
            mosaic[channel * 16 + cell(y) * 4 + cell(x)] + grain
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|v| v.to_bits()).collect()
    }

    #[test]
    fn known_hashes() {
        // FNV-1a's own published vectors, and splitmix64's first output for the seed 0.
        assert_eq!(fnv1a64(""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(fnv1a64("a"), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn values_as_in_python() {
        let spec = crate::preset("base");
        let first = |name: &str, shape: &[usize]| bits(&tensor(name, shape, &spec)[..4]);
        assert_eq!(
            first(
                "language_model.model.layers.0.self_attn.q_proj.weight",
                &[128, 128]
            ),
            [0xBDE6_01AE, 0x3E64_0E20, 0x3E63_A911, 0xBE2A_B84C]
        );
        assert_eq!(
            first("language_model.model.norm.weight", &[128]),
            [0x3F84_B0A2, 0x3F6E_6E5F, 0x3F93_4D29, 0x3F7A_536D]
        );
        assert_eq!(
            first("multi_modal_projector.linear_1.bias", &[128]),
            [0xBE12_3AFB, 0x3D87_CAB8, 0xBCFD_3C5A, 0x3E10_42CB]
        );
        let picture = pixels(56, 3);
        assert_eq!(
            bits(&[
                picture[0],
                picture[1],
                picture[56 * 20 + 30],
                picture[3 * 56 * 56 - 1]
            ]),
            [0xBE29_656C, 0xBF18_DB6C, 0x3F61_B00C, 0x3EBA_F614]
        );
    }
}
