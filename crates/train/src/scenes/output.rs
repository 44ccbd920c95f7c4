//! Scenes as files: pictures beside a LLaVA JSON file.

use super::scene::Finish;
use super::{Generator, Sample};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder, ImageFormat, RgbImage};
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The LLaVA JSON file.
    pub data: PathBuf,
    /// The folder its `image` entries are relative to.
    pub images: PathBuf,
    /// Conversations, and pictures.
    pub conversations: u64,
    /// Questions in all of them.
    pub turns: u64,
}

/// A picture as the bytes of its file, and the file's extension: JPEG where the scene passes
/// through one, else PNG.
///
/// # Errors
/// When the picture is too large for the format.
pub fn encode(picture: &RgbImage, finish: Finish) -> image::ImageResult<(Vec<u8>, &'static str)> {
    let mut bytes = Vec::new();
    match finish.jpeg {
        Some(quality) => {
            JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture)?;
            Ok((bytes, "jpg"))
        }
        None => {
            image::codecs::png::PngEncoder::new(&mut bytes).write_image(
                picture,
                picture.width(),
                picture.height(),
                image::ExtendedColorType::Rgb8,
            )?;
            Ok((bytes, "png"))
        }
    }
}

/// A picture after its way through a file.
pub(super) fn through_file(picture: RgbImage, finish: Finish) -> RgbImage {
    let Some(quality) = finish.jpeg else {
        return picture;
    };
    let mut bytes = Vec::new();
    let written = JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&picture);
    let read =
        written.and_then(|()| image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg));
    // Within the sizes that options allow, neither way fails; if one did, nothing is lost.
    read.map_or(picture, |read| read.to_rgb8())
}

/// Writes samples as `images/NNN/NNNNNNN.{jpg,png}` and `data.json` below `folder`, with both
/// processors' worth of threads. `captions` writes the descriptions of stage 1 instead of
/// conversations. `progress` is told how many are done and may say stop.
///
/// # Errors
/// When a file cannot be written; the message names it. When `progress` says stop, the error is
/// of the kind `Interrupted` and `data.json` is not written.
pub fn write_folder(
    generator: &Generator,
    folder: &Path,
    samples: Range<u64>,
    captions: bool,
    progress: &(dyn Fn(u64) -> bool + Sync),
) -> std::io::Result<Written> {
    let images = folder.join("images");
    create_folder(&images)?;
    let count = samples.end.saturating_sub(samples.start);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()) as u64;
    let share = count.div_ceil(threads.max(1)).max(1);
    let done = AtomicU64::new(0);
    let parts: Vec<std::io::Result<Vec<(Value, u64)>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let from = (samples.start + thread * share).min(samples.end);
                let range = from..(from + share).min(samples.end);
                let (images, done) = (&images, &done);
                scope.spawn(move || {
                    let step = || progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                    range
                        .map(|index| {
                            if !step() {
                                return Err(std::io::ErrorKind::Interrupted.into());
                            }
                            write_one(generator, images, index, captions)
                        })
                        .collect()
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker.join().unwrap_or_else(|_| {
                    Err(std::io::Error::other(
                        "drawing a scene met an internal error",
                    ))
                })
            })
            .collect()
    });
    let data = folder.join("data.json");
    let mut turns = 0;
    let mut rows = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for part in parts {
        for (row, questions) in part? {
            turns += questions;
            rows.push(row);
        }
    }
    write_rows(&data, &rows)?;
    Ok(Written {
        data,
        images,
        conversations: count,
        turns,
    })
}

/// One row a line, complete or not at all.
fn write_rows(path: &Path, rows: &[Value]) -> std::io::Result<()> {
    let part = path.with_extension("json.part");
    let written = || -> std::io::Result<()> {
        let mut out = BufWriter::new(std::fs::File::create(&part)?);
        out.write_all(b"[")?;
        for (at, row) in rows.iter().enumerate() {
            out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut out, row)?;
        }
        out.write_all(b"\n]\n")?;
        out.into_inner().map_err(|e| e.into_error())?.sync_all()?;
        std::fs::rename(&part, path)
    };
    written().map_err(|error| named(path, error))
}

fn write_one(
    generator: &Generator,
    images: &Path,
    index: u64,
    captions: bool,
) -> std::io::Result<(Value, u64)> {
    let sample = if captions {
        generator.caption(index)
    } else {
        generator.conversation(index)
    };
    let picture = generator.picture(&sample);
    let (bytes, extension) =
        encode(&picture, sample.scene.finish).map_err(std::io::Error::other)?;
    let name = format!("{:04}/{index:08}.{extension}", index / 1000);
    let path = images.join(&name);
    if let Some(parent) = path.parent() {
        create_folder(parent)?;
    }
    std::fs::write(&path, bytes).map_err(|error| named(&path, error))?;
    Ok((row(&sample, &name), sample.turns.len() as u64))
}

/// A row of LLaVA's data format.
fn row(sample: &Sample, image: &str) -> Value {
    let mut conversations = Vec::with_capacity(sample.turns.len() * 2);
    for (at, turn) in sample.turns.iter().enumerate() {
        let mark = if at == 0 { "<image>\n" } else { "" };
        conversations.push(json!({"from": "human", "value": format!("{mark}{}", turn.question)}));
        conversations.push(json!({"from": "gpt", "value": turn.answer}));
    }
    json!({
        "id": format!("scene-{:08}", sample.index),
        "image": image,
        "conversations": conversations,
    })
}

fn create_folder(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path).map_err(|error| named(path, error))
}

fn named(path: &Path, error: std::io::Error) -> std::io::Error {
    std::io::Error::new(
        error.kind(),
        format!("cannot write {}: {error}", path.display()),
    )
}
