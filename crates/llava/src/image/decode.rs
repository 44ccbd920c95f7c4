//! The seam to the decoders: limits before any allocation, one wording for what goes wrong, and
//! panics turned into errors.

use std::io::{Cursor, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::image::codecs::{bmp::BmpDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use ::image::error::ImageError;
use ::image::metadata::Orientation;
use ::image::{ImageDecoder, Limits};

use super::kind::Kind;
use super::{DecodeOptions, MAX_SIDE, Picture, colour, gif, orientation, tiff, whole};

/// What a decoder may take besides the picture itself (profiles, texts, lines of pixels).
pub(super) const SIDE_MEMORY: u64 = 128 << 20;

/// Why decoding stopped.
pub(super) enum Failure {
    /// The data ends early.
    Short,
    /// The data contradicts itself.
    Damaged(String),
    /// A valid picture of a sort that is not read.
    Unsupported(String),
    /// More pixels than allowed.
    TooLarge(String),
}

/// How large a picture may be.
pub(super) struct Bounds {
    pub(super) max_pixels: u64,
}

impl Bounds {
    /// Checks the size that the header announces.
    pub(super) fn check(&self, width: u64, height: u64) -> Result<(), Failure> {
        if width == 0 || height == 0 {
            return Err(Failure::Damaged("it says that it has no pixels".into()));
        }
        let pixels = width.saturating_mul(height);
        if pixels <= self.max_pixels && width.max(height) <= MAX_SIDE.into() {
            return Ok(());
        }
        Err(Failure::TooLarge(format!(
            "the picture has {width} x {height} pixels; up to {} million are read, and up to {} \
             on a side; save a smaller copy",
            self.max_pixels / 1_000_000,
            MAX_SIDE,
        )))
    }
}

/// Decodes `bytes`, or says why not.
pub(super) fn decode(
    bytes: &[u8],
    options: &DecodeOptions,
    max_pixels: u64,
) -> Result<Picture, String> {
    if bytes.is_empty() {
        return Err("the file is empty; copy or download it again".into());
    }
    let kind = Kind::of(bytes)?;
    let bounds = Bounds { max_pixels };
    guarded(|| decode_kind(kind, bytes, options, &bounds))
        .map_err(|failure| describe(kind, failure))
}

/// Runs a decoder; a panic in it is a failure like any other.
///
/// Decoders read hostile bytes and are not ours; one that panics on a file nobody has tried must
/// not take a folder of pictures down with it. Nothing outlives the closure, so there is no
/// half-changed state to see afterwards.
fn guarded(decode: impl FnOnce() -> Result<Picture, Failure>) -> Result<Picture, Failure> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err(Failure::Damaged(
            "in a way its decoder does not know".into(),
        ))
    })
}

fn describe(kind: Kind, failure: Failure) -> String {
    let name = kind.name();
    match failure {
        Failure::Short => {
            format!("this {name} file ends before its picture does; copy or download it again")
        }
        Failure::Damaged(detail) => {
            format!("this {name} file is damaged ({detail}); copy or download it again")
        }
        Failure::Unsupported(detail) => {
            format!("this sort of {name} is not read ({detail}); save it as a plain JPEG or PNG")
        }
        Failure::TooLarge(sentence) => sentence,
    }
}

fn decode_kind(
    kind: Kind,
    bytes: &[u8],
    options: &DecodeOptions,
    bounds: &Bounds,
) -> Result<Picture, Failure> {
    let source = Cursor::new(bytes);
    match kind {
        Kind::Gif => gif::first_frame(bytes, bounds),
        Kind::Tiff => tiff::first_page(bytes, options, bounds),
        Kind::Bmp => read(BmpDecoder::new(source)?, options, bounds),
        Kind::Png => {
            // These limits cover compressed profiles and texts, which are unpacked at once.
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(SIDE_MEMORY);
            read(PngDecoder::with_limits(source, limits)?, options, bounds)
        }
        Kind::WebP => {
            if !whole::webp(bytes) {
                return Err(Failure::Short);
            }
            read(WebPDecoder::new(source)?, options, bounds)
        }
        Kind::Jpeg => {
            let decoder = JpegDecoder::new(source)?;
            if !whole::jpeg(bytes) {
                return Err(Failure::Short);
            }
            read(decoder, options, bounds)
        }
    }
}

/// Runs a decoder whose header has been read.
pub(super) fn read(
    mut decoder: impl ImageDecoder,
    options: &DecodeOptions,
    bounds: &Bounds,
) -> Result<Picture, Failure> {
    let (width, height) = decoder.dimensions();
    bounds.check(width.into(), height.into())?;
    let length = decoder.total_bytes();
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(width);
    limits.max_image_height = Some(height);
    limits.max_alloc = Some(length.saturating_mul(2).saturating_add(SIDE_MEMORY));
    decoder.set_limits(limits)?;
    let turn = match options.apply_orientation {
        // Without a readable note the picture is taken as it lies.
        true => decoder.orientation().unwrap_or(Orientation::NoTransforms),
        false => Orientation::NoTransforms,
    };
    let colour_type = decoder.color_type();
    let length = usize::try_from(length)
        .map_err(|_| Failure::TooLarge("the picture does not fit this machine's memory".into()))?;
    // Zeroed memory is only an address until it is written: a header that lies costs nothing.
    let mut raw = vec![0u8; length];
    decoder.read_image(&mut raw)?;
    let rgb = colour::to_rgb(raw, colour_type)
        .ok_or_else(|| Failure::Unsupported("its colours are floating-point numbers".into()))?;
    Ok(orientation::apply(Picture { width, height, rgb }, turn))
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Self::Short,
            ImageError::Unsupported(error) => Self::Unsupported(error.to_string()),
            // Lines of billions of pixels, or unpacked profiles and texts.
            ImageError::Limits(_) => Self::TooLarge(
                "the picture, or what its file holds besides, needs more memory than is allowed; \
                 save a smaller copy"
                    .into(),
            ),
            other => Self::Damaged(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panicking_decoder_is_a_damaged_file() {
        let failure = guarded(|| panic!("index out of bounds")).err();
        assert!(matches!(failure, Some(Failure::Damaged(_))));
    }

    #[test]
    fn bounds_hold_for_pixels_and_for_sides() {
        let bounds = Bounds {
            max_pixels: 1 << 28,
        };
        let allowed = |width, height| bounds.check(width, height).is_ok();
        assert!(allowed(1 << 14, 1 << 14) && allowed(1, 50_000) && allowed(1 << 20, 1));
        assert!(!allowed((1 << 14) + 1, 1 << 14) && !allowed((1 << 20) + 1, 1));
        assert!(!allowed(0, 5) && !allowed(u64::MAX, u64::MAX));
    }
}
