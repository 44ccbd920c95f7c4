//! What a KV cache holds, position by position: the key under which it can be used again.

use crate::message::RequestPicture;
use sha2::{Digest, Sha256};

/// Names a picture by its content: SHA-256 of width, height and RGB bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PictureKey([u8; 32]);

impl PictureKey {
    /// Hashes a picture.
    pub(crate) fn of(picture: &RequestPicture) -> Self {
        let mut hash = Sha256::new();
        hash.update(picture.width.to_le_bytes());
        hash.update(picture.height.to_le_bytes());
        hash.update(picture.rgb.as_slice());
        Self(hash.finalize().into())
    }
}

/// One position of a sequence. Equal positions after equal positions have equal keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// A vocabulary id.
    Id(u32),
    /// A row of a picture's features.
    Image(PictureKey, u32),
}

/// How many positions two sequences share from the start.
pub(crate) fn common_prefix(a: &[Position], b: &[Position]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
