//! What a file holds beside the one picture that is seen: further frames, further pages; and
//! shapes that the model can make little of.

use image::ImageFormat;
use serde::{Deserialize, Serialize};
use visavis_llava::image::Picture as Pixels;

/// What a person should know about a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureWarning {
    /// Animated; the first frame is seen.
    FirstFrame,
    /// Several pages; the first is seen.
    FirstPage,
    /// Much longer than wide, and small in the square that is seen.
    VeryLong,
    /// Fewer pixels than could be seen.
    VerySmall,
}

/// Longer than this many times the other side, little is left in the square.
const LONG: u32 = 6;
/// With a shorter side than this nothing can be told apart.
const SMALL: u32 = 32;

/// The ending of a file with these bytes; they were decoded already.
pub(super) fn extension(bytes: &[u8]) -> &'static str {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => "jpg",
        Ok(ImageFormat::Png) => "png",
        Ok(ImageFormat::WebP) => "webp",
        Ok(ImageFormat::Gif) => "gif",
        Ok(ImageFormat::Bmp) => "bmp",
        Ok(ImageFormat::Tiff) => "tiff",
        _ => "picture",
    }
}

/// What to say about a picture.
pub(super) fn warnings(bytes: &[u8], pixels: &Pixels) -> Vec<PictureWarning> {
    let mut warnings = Vec::new();
    let animated = match image::guess_format(bytes) {
        Ok(ImageFormat::Gif) => gif_frames(bytes) > 1,
        Ok(ImageFormat::Png) => has_png_animation(bytes),
        Ok(ImageFormat::WebP) => {
            bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|f| f & 2 != 0)
        }
        _ => false,
    };
    if animated {
        warnings.push(PictureWarning::FirstFrame);
    }
    if matches!(image::guess_format(bytes), Ok(ImageFormat::Tiff)) && has_second_page(bytes) {
        warnings.push(PictureWarning::FirstPage);
    }
    let (long, short) = (
        pixels.width.max(pixels.height),
        pixels.width.min(pixels.height),
    );
    if long / LONG > short {
        warnings.push(PictureWarning::VeryLong);
    } else if short < SMALL {
        warnings.push(PictureWarning::VerySmall);
    }
    warnings
}

/// Frames of a GIF, counted up to two. (GIF89a specification.)
fn gif_frames(bytes: &[u8]) -> usize {
    let table = |flags: u8| {
        if flags & 0x80 == 0 {
            0
        } else {
            3 << ((flags & 7) + 1)
        }
    };
    let mut at = 13 + bytes.get(10).map_or(0, |flags| table(*flags));
    let mut frames = 0;
    while frames < 2 {
        let data = match bytes.get(at) {
            Some(0x21) => at + 2,
            Some(0x2c) => {
                frames += 1;
                at + 11 + bytes.get(at + 9).map_or(0, |flags| table(*flags))
            }
            _ => break,
        };
        at = data;
        // Sub-blocks, each with its length before it, up to an empty one.
        while let Some(length) = bytes.get(at) {
            at += 1 + usize::from(*length);
            if *length == 0 {
                break;
            }
        }
    }
    frames
}

/// Whether a PNG says, before its first data, that it is animated.
fn has_png_animation(bytes: &[u8]) -> bool {
    let mut at = 8_usize;
    while let (Some(length), Some(kind)) = (bytes.get(at..at + 4), bytes.get(at + 4..at + 8)) {
        if kind == b"acTL" {
            return true;
        }
        if kind == b"IDAT" {
            return false;
        }
        let length = length
            .iter()
            .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        at = at.saturating_add(12).saturating_add(length);
    }
    false
}

/// Whether a TIFF's first directory names a second one.
fn has_second_page(bytes: &[u8]) -> bool {
    let little = bytes.first() == Some(&b'I');
    let number = |at: usize, width: usize| -> Option<usize> {
        let mut part = bytes.get(at..at.checked_add(width)?)?.to_vec();
        if little {
            part.reverse();
        }
        Some(
            part.iter()
                .fold(0, |sum, byte| (sum << 8) | usize::from(*byte)),
        )
    };
    let next = || {
        let directory = number(4, 4)?;
        let entries = number(directory, 2)?;
        number(directory.checked_add(2)?.checked_add(entries * 12)?, 4)
    };
    next().is_some_and(|next| next != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn pixels(width: u32, height: u32) -> Pixels {
        Pixels {
            width,
            height,
            rgb: Vec::new(),
        }
    }

    #[test]
    fn shapes_are_judged() {
        assert_eq!(warnings(b"", &pixels(336, 336)), []);
        assert_eq!(
            warnings(b"", &pixels(1, 50_000)),
            [PictureWarning::VeryLong]
        );
        assert_eq!(warnings(b"", &pixels(20, 30)), [PictureWarning::VerySmall]);
    }

    #[test]
    fn frames_of_a_gif_are_counted() {
        let file = |name: &str| {
            let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/pictures");
            std::fs::read(pictures.join(name)).unwrap()
        };
        let teapot = file("teapot.gif");
        let animated = gif_frames(&teapot) > 1;
        let warned = warnings(&teapot, &pixels(100, 100));
        assert_eq!(animated, warned == [PictureWarning::FirstFrame]);
        let mut two = Vec::from(*b"GIF89a\x01\0\x01\0\0\0\0");
        let frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
        two.extend(frame);
        assert_eq!(gif_frames(&two), 1);
        two.extend(frame);
        assert_eq!(gif_frames(&two), 2);
        for cut in 0..two.len() {
            gif_frames(&two[..cut]);
        }
    }

    #[test]
    fn pages_and_animations_are_found() {
        // A directory without entries, and where the next one is.
        assert!(!has_second_page(b"II*\0\x08\0\0\0\0\0\0\0\0\0"));
        assert!(has_second_page(b"II*\0\x08\0\0\0\0\0\x10\0\0\0"));
        assert!(has_second_page(b"MM\0*\0\0\0\x08\0\0\0\0\0\x10"));
        assert!(!has_second_page(b"II*\0\xff\xff\xff\xff"));
        let animated = b"\x89PNG\r\n\x1a\n\0\0\0\0IHDR\0\0\0\0\0\0\0\0acTL";
        assert!(has_png_animation(animated));
        assert!(!has_png_animation(b"\x89PNG\r\n\x1a\n\0\0\0\0IDAT\0\0\0\0"));
        assert!(!has_png_animation(b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffxxxx"));
    }
}
