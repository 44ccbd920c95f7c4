//! From a file to the pixels the vision tower sees (Pillow + CLIPImageProcessor semantics).
//!
//! A picture goes through `file` (reading, with refusals), `kind` (what the bytes are),
//! `decode` (the seam to the decoders: limits, panics, wording), `colour` (8-bit RGB as
//! Pillow's `convert("RGB")` gives it) and `orientation`; then through `square` and `resample`
//! (pad or crop, resize) and `normalise`. Only the first frame or page of a file is used.
//! Colour profiles are not applied: the model's training pictures were read without them.

mod colour;
mod decode;
mod file;
mod gif;
mod kind;
mod normalise;
mod orientation;
mod resample;
mod square;
#[cfg(test)]
mod tests;
mod tiff;
mod whole;

use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 2_000_000_000;

/// The most pixels a picture may have: 2^28, about 268 million.
///
/// The largest pictures people have come from 200-megapixel telephones. At the limit the
/// decoded picture takes 0.8 GB (2.1 GB for a moment, with four 16-bit channels), which a
/// machine that runs the model can spare; a forged header cannot ask for more.
pub const MAX_PIXELS: u64 = 1 << 28;

/// The longest side a picture may have, in pixels: the weights of the resize grow with it.
pub const MAX_SIDE: u32 = 1 << 20;

/// Why a picture cannot be used; the message names it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct PictureError {
    /// The file, as the person knows it.
    pub name: PathBuf,
    /// What is wrong and what to do.
    pub reason: String,
}

/// How a picture is decoded.
#[derive(Debug, Clone)]
pub struct DecodeOptions {
    /// Apply the EXIF orientation (on for people; off only for evaluation parity).
    pub apply_orientation: bool,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            apply_orientation: true,
        }
    }
}

/// A decoded picture: 8-bit RGB, rows top to bottom.
#[derive(Clone)]
pub struct Picture {
    /// Width in pixels, after orientation.
    pub width: u32,
    /// Height in pixels, after orientation.
    pub height: u32,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}

impl Picture {
    /// Reads and decodes a file: JPEG, PNG, WebP, GIF, BMP or TIFF, told by its content.
    ///
    /// # Errors
    ///
    /// The file is missing, empty, a folder, not an ordinary file, longer than
    /// [`MAX_FILE_BYTES`], changing while it is read, or as for [`Picture::decode`].
    pub fn open(path: &Path, options: &DecodeOptions) -> Result<Self, PictureError> {
        let bytes = file::read(path).map_err(|reason| PictureError {
            name: path.to_owned(),
            reason,
        })?;
        Self::decode(&bytes, path, options)
    }

    /// Decodes bytes; `name` is used in messages only.
    ///
    /// # Errors
    ///
    /// The bytes are empty, not a picture, a picture of a kind that is not read, damaged, cut
    /// short, or larger than [`MAX_PIXELS`] or [`MAX_SIDE`]. A decoder that panics is an error
    /// too.
    pub fn decode(
        bytes: &[u8],
        name: &Path,
        options: &DecodeOptions,
    ) -> Result<Self, PictureError> {
        Self::decode_within(bytes, name, options, MAX_PIXELS)
    }

    /// [`Picture::decode`] with another limit on the number of pixels.
    ///
    /// # Errors
    ///
    /// As for [`Picture::decode`].
    pub fn decode_within(
        bytes: &[u8],
        name: &Path,
        options: &DecodeOptions,
        max_pixels: u64,
    ) -> Result<Self, PictureError> {
        decode::decode(bytes, options, max_pixels).map_err(|reason| PictureError {
            name: name.to_owned(),
            reason,
        })
    }
}

/// What happens to a picture that is not square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// Pad to a square with the mean colour (LLaVA-1.5 stage 2, evaluation, this program).
    Pad,
    /// Resize the short side, then cut the middle out (CLIP's own way; LLaVA stage 1).
    CenterCrop,
}

/// The preprocessing a checkpoint asks for.
///
/// [`Preprocess::square`] gives the 8-bit square, [`Preprocess::pixels`] the normalised floats.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    /// Side of the square the vision tower takes, in pixels.
    pub size: u32,
    /// Pad or crop.
    pub aspect: Aspect,
    /// Per-channel mean, in 0..1.
    pub mean: [f32; 3],
    /// Per-channel standard deviation, in 0..1.
    pub std: [f32; 3],
}
