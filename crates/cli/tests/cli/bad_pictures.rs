//! Files that are no pictures, or damaged ones: an error that names the file, and no answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::run::{Folder, run};
use std::io::Cursor;
use std::path::PathBuf;

/// A small picture with some detail in it, encoded.
pub(crate) fn picture(format: image::ImageFormat) -> Vec<u8> {
    let pixels = image::RgbImage::from_fn(64, 48, |x, y| {
        image::Rgb([(x * 4) as u8, (y * 5) as u8, (x ^ y) as u8])
    });
    let mut bytes = Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}

/// A PNG that promises far more pixels than it holds.
fn huge_png() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let body = [kind.as_slice(), data].concat();
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(&body);
        png.extend(crc32(&body).to_be_bytes());
    };
    let side = 60_000_u32.to_be_bytes();
    chunk(b"IHDR", &[&side[..], &side[..], &[8, 2, 0, 0, 0]].concat());
    chunk(
        b"IDAT",
        &[0x78, 0x9c, 0x63, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01],
    );
    chunk(b"IEND", &[]);
    png
}

/// Every kind of bad picture, in `folder`.
pub(crate) fn bad_pictures(folder: &Folder) -> Vec<PathBuf> {
    let half = |format| {
        let bytes = picture(format);
        bytes[..bytes.len() / 2].to_vec()
    };
    std::fs::create_dir_all(folder.path.join("folder.jpg")).unwrap();
    vec![
        folder.path.join("missing.jpg"),
        folder.path.join("folder.jpg"),
        folder.file("empty.jpg", ""),
        folder.file("text.jpg", "Dear diary, there is no picture in here.\n"),
        folder.file("half-jpeg.jpg", half(image::ImageFormat::Jpeg)),
        folder.file("half-png.png", half(image::ImageFormat::Png)),
        folder.file("huge.png", huge_png()),
    ]
}

#[test]
fn ask_names_the_file_and_answers_nothing() {
    let folder = Folder::new();
    for path in bad_pictures(&folder) {
        let name = path.file_name().unwrap().to_str().unwrap();
        run(
            &folder.path,
            ["ask", "--image", path.to_str().unwrap(), "What is this?"],
        )
        .failed_over(name);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_instead_of_waited_for() {
    let folder = Folder::new();
    let pipe = folder.path.join("pipe.jpg");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    run(
        &folder.path,
        ["ask", "--image", pipe.to_str().unwrap(), "What is this?"],
    )
    .failed_over("pipe.jpg");
}
