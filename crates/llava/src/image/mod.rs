//! From a file to the pixels the vision tower sees (Pillow + CLIPImageProcessor semantics).

use std::path::{Path, PathBuf};

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

impl Picture {
    /// Reads and decodes a file.
    pub fn open(_path: &Path, _options: &DecodeOptions) -> Result<Self, PictureError> {
        todo!()
    }

    /// Decodes bytes; `name` is used in messages only.
    pub fn decode(
        _bytes: &[u8],
        _name: &Path,
        _options: &DecodeOptions,
    ) -> Result<Self, PictureError> {
        todo!()
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

impl Preprocess {
    /// `size * size * 3` bytes, rows of RGB: what the model sees.
    pub fn square(&self, _picture: &Picture) -> Vec<u8> {
        todo!()
    }

    /// `(3, size, size)` floats, normalised.
    pub fn pixels(&self, _picture: &Picture) -> Vec<f32> {
        todo!()
    }
}
