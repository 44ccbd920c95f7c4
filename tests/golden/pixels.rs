//! The picture front end against Pillow and transformers (made by `make_pixels.py`).
//!
//! Lossless kinds and the resize must be equal to the bit. JPEG and lossy WebP decoders are
//! free to round, so there the square may differ by a few levels.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use visavis_llava::image::{Aspect, DecodeOptions, Picture, Preprocess};

/// The most levels (of 256) by which a square made from a lossy file may differ.
const LOSSY: u8 = 4;

#[derive(Deserialize)]
struct Cases {
    formula: Vec<Formula>,
    formats: Vec<Format>,
    lossy: Vec<Lossy>,
}

#[derive(Deserialize)]
struct Formula {
    width: u32,
    height: u32,
    style: String,
    seed: u32,
    size: u32,
    aspect: String,
    square: String,
    floats: String,
}

#[derive(Deserialize)]
struct Format {
    file: String,
    width: u32,
    height: u32,
    rgb: String,
    square: String,
}

#[derive(Deserialize)]
struct Lossy {
    file: String,
    expected: String,
    size: u32,
    width: u32,
    height: u32,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/pixels")
}

fn cases() -> Cases {
    let text = std::fs::read(folder().join("cases.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn sha(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn clip(size: u32, aspect: Aspect) -> Preprocess {
    Preprocess {
        size,
        aspect,
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
    }
}

/// The test picture of `make_pixels.py`.
fn formula(width: u32, height: u32, style: &str, seed: u32) -> Picture {
    let mut rgb = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            for c in 0..3u32 {
                let mixed = x
                    .wrapping_mul(374_761_393)
                    .wrapping_add(y.wrapping_mul(668_265_263))
                    .wrapping_add(c.wrapping_mul(2_246_822_519))
                    .wrapping_add(seed.wrapping_mul(3_266_489_917));
                let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(1_274_126_177);
                let noise = (mixed ^ (mixed >> 16)) & 255;
                let smooth = ((x * 5 + y * 3 + c * 80) >> 2) & 255;
                let blocks = ((x / 7 + y / 5 + c) & 1) * 255;
                rgb.push(match style {
                    "noise" => noise,
                    "smooth" => smooth,
                    "blocks" => blocks,
                    _ if (x ^ y) & 32 > 0 => noise,
                    _ => (smooth + blocks) / 2,
                } as u8);
            }
        }
    }
    Picture { width, height, rgb }
}

#[test]
fn squares_and_floats_equal_the_reference_to_the_bit() {
    let cases = cases().formula;
    assert!(cases.len() >= 60);
    let mut wrong = Vec::new();
    for case in &cases {
        let aspect = if case.aspect == "pad" {
            Aspect::Pad
        } else {
            Aspect::CenterCrop
        };
        let picture = formula(case.width, case.height, &case.style, case.seed);
        let preprocess = clip(case.size, aspect);
        let name = format!(
            "{}x{} {} -> {} {}",
            case.width, case.height, case.style, case.size, case.aspect
        );
        if sha(&preprocess.square(&picture)) != case.square {
            wrong.push(format!("{name}: square"));
        }
        let floats = preprocess.pixels(&picture);
        let bytes: Vec<u8> = floats.iter().flat_map(|v| v.to_le_bytes()).collect();
        if sha(&bytes) != case.floats {
            wrong.push(format!("{name}: floats"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        cases.len()
    );
}

#[test]
fn lossless_kinds_equal_pillow_to_the_bit() {
    let mut wrong = Vec::new();
    for case in cases().formats {
        let path = folder().join("formats").join(&case.file);
        match Picture::open(&path, &DecodeOptions::default()) {
            Err(error) => wrong.push(error.to_string()),
            Ok(picture) => {
                if (picture.width, picture.height) != (case.width, case.height) {
                    wrong.push(format!("{}: {picture:?}", case.file));
                } else if sha(&picture.rgb) != case.rgb {
                    wrong.push(format!("{}: colours", case.file));
                } else if sha(&clip(84, Aspect::Pad).square(&picture)) != case.square {
                    wrong.push(format!("{}: square", case.file));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn lossy_kinds_differ_by_rounding_only() {
    let mut wrong = Vec::new();
    for case in cases().lossy {
        let folder = folder().join("jpeg");
        let open = |name: &str| Picture::open(&folder.join(name), &DecodeOptions::default());
        let picture = open(&case.file).unwrap();
        if (picture.width, picture.height) != (case.width, case.height) {
            wrong.push(format!("{}: {picture:?}", case.file));
            continue;
        }
        let expected = open(&case.expected).unwrap();
        assert_eq!((expected.width, expected.height), (case.size, case.size));
        let square = clip(case.size, Aspect::Pad).square(&picture);
        let difference = square
            .iter()
            .zip(&expected.rgb)
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap();
        println!("{}: {difference}", case.file);
        if difference > LOSSY {
            wrong.push(format!("{}: {difference} levels", case.file));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn orientation_can_be_left_as_stored() {
    let path = folder().join("jpeg/exif-6.jpg");
    let stored = Picture::open(
        &path,
        &DecodeOptions {
            apply_orientation: false,
        },
    )
    .unwrap();
    let turned = Picture::open(&path, &DecodeOptions::default()).unwrap();
    assert_eq!((stored.width, stored.height), (48, 32));
    assert_eq!((turned.width, turned.height), (32, 48));
}

/// A cut file is refused, or nothing of its picture was cut: never half a picture.
#[test]
fn a_cut_file_is_never_taken_for_a_whole_one() {
    let as_stored = DecodeOptions {
        apply_orientation: false,
    };
    let cases = cases();
    let formats = cases
        .formats
        .iter()
        .map(|case| Path::new("formats").join(&case.file));
    let lossy = cases
        .lossy
        .iter()
        .map(|case| Path::new("jpeg").join(&case.file));
    let mut wrong = Vec::new();
    for name in formats.chain(lossy) {
        let bytes = std::fs::read(folder().join(&name)).unwrap();
        let whole = Picture::decode(&bytes, &name, &as_stored).unwrap();
        // A prime step visits every part of a file without taking every byte.
        for cut in (0..bytes.len())
            .step_by(13)
            .chain(bytes.len().saturating_sub(40)..bytes.len())
        {
            match Picture::decode(&bytes[..cut], &name, &as_stored) {
                Err(error) => assert!(!error.reason.is_empty()),
                Ok(picture) if picture.rgb == whole.rgb => {}
                Ok(_) => wrong.push(format!(
                    "{} cut at {cut} of {}",
                    name.display(),
                    bytes.len()
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_test_photographs_open_the_right_way_up() {
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures");
    let open = |name: &str| Picture::open(&pictures.join(name), &DecodeOptions::default()).unwrap();
    let coffee = open("coffee-on-its-side.jpg");
    assert_eq!((coffee.width, coffee.height), (600, 400));
    // Alpha is dropped: the transparent ground of the apple is black underneath.
    assert_eq!(open("apple-transparent.png").rgb[..3], [0, 0, 0]);
    let mut seen = 0;
    for entry in std::fs::read_dir(&pictures).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension != "md") {
            seen += 1;
            let picture = Picture::open(&path, &DecodeOptions::default()).unwrap();
            assert!(
                picture.width.max(picture.height) <= 640 && path.metadata().unwrap().len() < 61_440
            );
        }
    }
    assert!(seen >= 12);
}
