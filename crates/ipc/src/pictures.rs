//! Pictures: how they come in, and how the page shows them.
//!
//! The page loads them over the window's own protocol: `convertFileSrc(id + "/" + rendition,
//! "visavis")`, where the rendition is `thumbnail`, `display` or `seen` ([`Rendition`]).

use crate::{AppError, PictureId};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A picture in the composer or in a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// Names it.
    pub id: PictureId,
    /// The file's name, for showing; `""` when it came without one (pasted).
    pub name: String,
    /// Pixels, upright. Boxes and regions are in these.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// Bytes of the original file.
    pub bytes: u64,
    /// What the person should know about it.
    pub warnings: Vec<PictureWarning>,
}

/// What a person should know about a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum PictureWarning {
    /// It is animated; the model sees its first frame.
    FirstFrame,
    /// It has several pages; the model sees the first.
    FirstPage,
    /// It is more than six times as long as wide, and very small in the square the model sees.
    VeryLong,
    /// It has fewer pixels than the model could see.
    VerySmall,
}

/// The ways in which the page can load a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Rendition {
    /// At most 256 pixels a side.
    Thumbnail,
    /// Upright, at most 4096 pixels a side, in a format every page can show.
    Display,
    /// The padded 336 pixel square that the model sees.
    Seen,
}

/// What became of the pictures a person added, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AddedPictures {
    /// Those that can be asked about.
    pub pictures: Vec<Picture>,
    /// Those that cannot, and why.
    pub refused: Vec<RefusedPicture>,
    /// Pictures in a folder beyond the most that are taken at once; 0 else.
    pub left_out: u32,
}

/// A file that was not taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RefusedPicture {
    /// The file's name.
    pub name: String,
    /// Why.
    pub error: AppError,
}

/// A picture of a question, as the page names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PictureRef {
    /// Which.
    pub id: PictureId,
    /// The name it is shown with.
    pub name: String,
}
