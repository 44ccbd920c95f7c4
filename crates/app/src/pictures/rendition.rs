//! Pictures as the page shows them: small, whole, and as the model sees them.

use crate::state::App;
use crate::{AppError, Code, Result};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use std::str::FromStr;
use visavis_llava::image::{Aspect, Picture as Pixels, Preprocess};
use visavis_store::{PictureId, PictureRow};

/// Sides of a thumbnail and of a whole picture at most, in pixels.
const SMALL: u32 = 256;
const LARGE: u32 = 4096;
const QUALITY: u8 = 90;
/// The side that LLaVA-1.5 sees, while no model says otherwise.
const SEEN: u32 = 336;

/// The file name's end of a thumbnail.
pub(super) const THUMBNAIL: &str = "small.jpg";

/// The ways of showing a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendition {
    /// At most 256 pixels a side.
    Thumbnail,
    /// Upright, at most 4096 pixels a side.
    Display,
    /// The square that the model sees.
    Seen,
}

impl FromStr for Rendition {
    type Err = AppError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "thumbnail" => Ok(Self::Thumbnail),
            "display" => Ok(Self::Display),
            "seen" => Ok(Self::Seen),
            _ => Err(AppError::new(Code::NotFound, "There is no such picture.")),
        }
    }
}

/// A picture on its way to the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// `image/jpeg`, `image/png`, `image/webp`.
    pub media_type: &'static str,
}

impl Shown {
    fn new(bytes: Vec<u8>, media_type: &'static str) -> Self {
        Self { bytes, media_type }
    }
}

impl App {
    /// A picture as the page shows it. `id` comes from the page and is checked.
    pub async fn show(&self, id: &str, rendition: Rendition) -> Result<Shown> {
        let row = self.store.picture(&id.parse::<PictureId>()?).await?;
        match rendition {
            Rendition::Thumbnail => {
                let make = |pixels: &Pixels| thumbnail(pixels);
                Ok(Shown::new(
                    self.rendition(&row, THUMBNAIL, make).await?,
                    "image/jpeg",
                ))
            }
            Rendition::Display => match as_it_is(&row) {
                Some(media_type) => {
                    let path = self.store.picture_path(&row);
                    let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await?;
                    let lost = |error: std::io::Error| {
                        AppError::new(Code::NotFound, "The picture's file is lost.")
                            .details(error.to_string())
                    };
                    Ok(Shown::new(read.map_err(lost)?, media_type))
                }
                None => Ok(Shown::new(
                    self.rendition(&row, "large.jpg", |pixels| jpeg(&within(pixels, LARGE)?))
                        .await?,
                    "image/jpeg",
                )),
            },
            Rendition::Seen => self.seen(&row).await,
        }
    }

    /// The square, made with the pixels' own arithmetic: what is shown is what is seen.
    async fn seen(&self, row: &PictureRow) -> Result<Shown> {
        let size = self
            .model_state()
            .model()
            .map_or(SEEN, |model| model.image_size);
        let pixels = self.pixels(row).await?;
        let made = tokio::task::spawn_blocking(move || {
            let pixels = Pixels {
                width: pixels.width,
                height: pixels.height,
                rgb: pixels.rgb.as_ref().clone(),
            };
            let square = preprocess(size).square(&pixels);
            png(&RgbImage::from_raw(size, size, square)?)
        });
        let bytes = made.await?.ok_or_else(|| AppError::internal("no square"))?;
        Ok(Shown::new(bytes, "image/png"))
    }

    /// A rendition from the disk, or made and kept.
    async fn rendition(
        &self,
        row: &PictureRow,
        name: &'static str,
        make: impl Fn(&Pixels) -> Option<Vec<u8>> + Send + 'static,
    ) -> Result<Vec<u8>> {
        let path = self.store.rendition_path(&row.id, name);
        let kept = tokio::task::spawn_blocking(move || std::fs::read(path)).await?;
        if let Ok(bytes) = kept
            && !bytes.is_empty()
        {
            return Ok(bytes);
        }
        let pixels = self.pixels(row).await?;
        let made = tokio::task::spawn_blocking(move || {
            make(&Pixels {
                width: pixels.width,
                height: pixels.height,
                rgb: pixels.rgb.as_ref().clone(),
            })
        });
        let bytes = made
            .await?
            .ok_or_else(|| AppError::internal("a picture could not be encoded"))?;
        if let Err(error) = self.store.put_rendition(&row.id, name, &bytes) {
            tracing::warn!(%error, "a rendition could not be kept");
        }
        Ok(bytes)
    }
}

/// CLIP's own numbers (openai/clip-vit-large-patch14-336, preprocessor_config.json).
fn preprocess(size: u32) -> Preprocess {
    Preprocess {
        size,
        aspect: Aspect::Pad,
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
    }
}

/// Whether the page can show the original: it turns it by EXIF as we do, but shows every frame.
fn as_it_is(row: &PictureRow) -> Option<&'static str> {
    let moves = row.warnings.contains("first_frame");
    if row.width > LARGE || row.height > LARGE || moves {
        return None;
    }
    match row.extension.as_str() {
        "jpg" => Some("image/jpeg"),
        "png" => Some("image/png"),
        "webp" => Some("image/webp"),
        _ => None,
    }
}

/// A thumbnail's bytes; `None` when the pixels are none.
pub(super) fn thumbnail(pixels: &Pixels) -> Option<Vec<u8>> {
    jpeg(&within(pixels, SMALL)?)
}

/// The picture, made smaller where a side is longer than `side`.
fn within(pixels: &Pixels, side: u32) -> Option<RgbImage> {
    let whole = image::ImageBuffer::<image::Rgb<u8>, &[u8]>::from_raw(
        pixels.width,
        pixels.height,
        &pixels.rgb,
    )?;
    let longest = pixels.width.max(pixels.height);
    let scaled = |length: u32| {
        let scaled = u64::from(length) * u64::from(side) / u64::from(longest.max(1));
        u32::try_from(scaled).unwrap_or(side).max(1)
    };
    let (width, height) = if longest > side {
        (scaled(pixels.width), scaled(pixels.height))
    } else {
        (pixels.width, pixels.height)
    };
    Some(image::imageops::thumbnail(&whole, width, height))
}

fn jpeg(picture: &RgbImage) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(
            picture.as_raw(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .ok()?;
    Some(bytes)
}

fn png(picture: &RgbImage) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(
            picture.as_raw(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .ok()?;
    Some(bytes)
}
