//! From a decoder's pixels to 8-bit RGB, by the rules of Pillow's `convert("RGB")`.
//!
//! Alpha is dropped, not composited, so hidden colours appear as they did in training. Of 16
//! bits the high byte is kept; for 16-bit grey that differs on purpose from older Pillow, which
//! clips everything above 255 to white.

use ::image::ColorType;

/// Position of the high byte in a 16-bit sample of this machine's byte order.
const HIGH: usize = if cfg!(target_endian = "big") { 0 } else { 1 };

/// Converts `raw`, pixels of `colour` as the decoders give them; `None` for colours in floats.
pub(super) fn to_rgb(raw: Vec<u8>, colour: ColorType) -> Option<Vec<u8>> {
    Some(match colour {
        ColorType::Rgb8 => raw,
        ColorType::L8 => grey(&raw, 1, 0),
        ColorType::La8 => grey(&raw, 2, 0),
        ColorType::L16 => grey(&raw, 2, HIGH),
        ColorType::La16 => grey(&raw, 4, HIGH),
        ColorType::Rgba8 => keep(raw, 4, [0, 1, 2]),
        ColorType::Rgb16 => keep(raw, 6, [HIGH, 2 + HIGH, 4 + HIGH]),
        ColorType::Rgba16 => keep(raw, 8, [HIGH, 2 + HIGH, 4 + HIGH]),
        _ => return None,
    })
}

/// Byte `pick` of every pixel of `stride` bytes, three times.
fn grey(raw: &[u8], stride: usize, pick: usize) -> Vec<u8> {
    let mut rgb = vec![0; raw.len() / stride * 3];
    let values = raw.iter().skip(pick).step_by(stride);
    for (pixel, value) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(values) {
        *pixel = [*value; 3];
    }
    rgb
}

/// Three bytes of every pixel of `stride` bytes, moved together in place: a second buffer would
/// double the memory of a large picture.
fn keep(mut raw: Vec<u8>, stride: usize, picks: [usize; 3]) -> Vec<u8> {
    let pixels = raw.len() / stride;
    for pixel in 0..pixels {
        // The write never overtakes the read: 3 <= stride, and picks ascend.
        for (channel, pick) in picks.iter().enumerate() {
            raw[pixel * 3 + channel] = raw[pixel * stride + pick];
        }
    }
    raw.truncate(pixels * 3);
    raw.shrink_to_fit();
    raw
}

/// Looks palette indices up. Entries the palette lacks are grey levels, as in Pillow, where a
/// palette starts as a grey ramp.
pub(super) fn from_palette(indices: &[u8], palette: &[u8]) -> Vec<u8> {
    let mut table: [[u8; 3]; 256] = std::array::from_fn(|level| [level as u8; 3]);
    for (entry, colour) in table.iter_mut().zip(palette.as_chunks::<3>().0) {
        *entry = *colour;
    }
    let mut rgb = vec![0; indices.len() * 3];
    for (pixel, index) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(indices) {
        *pixel = table[usize::from(*index)];
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[u16]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_ne_bytes()).collect()
    }

    #[test]
    fn alpha_is_dropped_and_hidden_colours_appear() {
        let raw = vec![10, 20, 30, 0, 40, 50, 60, 255];
        assert_eq!(
            to_rgb(raw, ColorType::Rgba8).unwrap(),
            [10, 20, 30, 40, 50, 60]
        );
        assert_eq!(
            to_rgb(vec![7, 0, 9, 255], ColorType::La8).unwrap(),
            [7, 7, 7, 9, 9, 9]
        );
    }

    #[test]
    fn the_high_byte_of_sixteen_bits_is_kept() {
        let four = samples(&[0x01ff, 0xfe80, 0x0000, 0x1234]);
        assert_eq!(
            to_rgb(four.clone(), ColorType::Rgba16).unwrap(),
            [1, 0xfe, 0]
        );
        assert_eq!(
            to_rgb(four[..6].to_vec(), ColorType::Rgb16).unwrap(),
            [1, 0xfe, 0]
        );
        assert_eq!(
            to_rgb(four[..4].to_vec(), ColorType::La16).unwrap(),
            [1, 1, 1]
        );
        assert_eq!(
            to_rgb(four[..2].to_vec(), ColorType::L16).unwrap(),
            [1, 1, 1]
        );
    }

    #[test]
    fn short_palettes_go_on_as_a_grey_ramp() {
        assert_eq!(
            from_palette(&[0, 1, 200], &[1, 2, 3]),
            [1, 2, 3, 1, 1, 1, 200, 200, 200]
        );
    }
}
