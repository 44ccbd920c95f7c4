//! The first frame of a GIF, on its canvas, as Pillow shows it.
//!
//! Read through the GIF decoder itself: the general one gives transparent pixels no colour,
//! while `convert("RGB")` gives them their palette colour.

use ::gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::Picture;
use super::colour::from_palette;
use super::decode::{Bounds, Failure};

/// Decodes the first frame.
pub(super) fn first_frame(bytes: &[u8], bounds: &Bounds) -> Result<Picture, Failure> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    // The frame's size is checked below, before it is read.
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut decoder = options.read_info(bytes)?;
    let (canvas_width, canvas_height) = (decoder.width(), decoder.height());
    let frame = decoder.next_frame_info()?.ok_or(Failure::Short)?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    let background = frame.transparent.unwrap_or(0);
    // A first frame that reaches over the canvas enlarges it.
    let width = usize::from(canvas_width).max(left + frame_width);
    let height = usize::from(canvas_height).max(top + frame_height);
    bounds.check(width as u64, height as u64)?;
    if frame_width == 0 || frame_height == 0 {
        return Err(Failure::Damaged("a frame without pixels".into()));
    }

    let mut indices = vec![0; frame_width * frame_height];
    decoder.read_into_buffer(&mut indices)?;
    if (frame_width, frame_height) != (width, height) {
        let mut canvas = vec![background; width * height];
        for (row, pixels) in indices.chunks(frame_width).enumerate() {
            let at = (top + row) * width + left;
            canvas[at..at + frame_width].copy_from_slice(pixels);
        }
        indices = canvas;
    }
    let rgb = from_palette(&indices, decoder.palette().unwrap_or(&[]));
    // Both sides fit: they are sums of two 16-bit numbers.
    Ok(Picture {
        width: width as u32,
        height: height as u32,
        rgb,
    })
}

impl From<DecodingError> for Failure {
    fn from(error: DecodingError) -> Self {
        match error {
            DecodingError::UnexpectedEof => Self::Short,
            DecodingError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::Short
            }
            other => Self::Damaged(other.to_string()),
        }
    }
}
