//! Whole files through the front end: the malformed corpus that the fuzzer starts from, and what
//! a person is told about each sort of fault.

use std::path::{Path, PathBuf};

use super::*;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/picture")
}

fn open(name: &str) -> Result<Picture, PictureError> {
    Picture::open(&corpus().join(name), &DecodeOptions::default())
}

#[test]
fn malformed_files_are_errors_or_pictures() {
    let clip = Preprocess {
        size: 28,
        aspect: Aspect::Pad,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        seen += 1;
        match Picture::open(&path, &DecodeOptions::default()) {
            Ok(picture) => assert_eq!(clip.square(&picture).len(), 28 * 28 * 3),
            Err(error) => {
                assert!(error.to_string().starts_with(&path.display().to_string()));
                assert!(error.reason.len() > 20, "{error}");
            }
        }
    }
    assert!(seen > 80, "the corpus is incomplete: {seen} files");
}

#[test]
fn each_fault_is_called_by_its_name() {
    let faults = [
        ("text.jpg", "not a picture"),
        ("empty.png", "empty"),
        ("png-60000x60000", "60000 x 60000 pixels"),
        ("png-max-sides", "save a smaller copy"),
        ("tiff-60000", "60000 x 60000 pixels"),
        ("jpeg-65535", "65535 x 65535 pixels"),
        ("gif-huge-canvas", "65535 x 65535 pixels"),
        ("jpeg-truncated-half", "ends before its picture does"),
        ("png-data-too-short", "PNG file"),
        ("webp-size-lies", "ends before its picture does"),
        ("gif-no-frame", "GIF file"),
        ("heic", "HEIC"),
        ("avif", "AVIF"),
        ("jxl", "JPEG XL"),
        ("svg", "SVG"),
        ("bigtiff", "BigTIFF"),
    ];
    for (name, words) in faults {
        let reason = open(name).unwrap_err().reason;
        assert!(reason.contains(words), "{name}: {reason}");
    }
}

#[test]
fn oddities_that_are_no_faults_are_read() {
    let size = |name: &str| {
        open(name)
            .map(|picture| (picture.width, picture.height))
            .unwrap()
    };
    assert_eq!(size("png-one-pixel"), (1, 1));
    // Bytes after the end of a JPEG: a preview, or what a web server appended.
    assert_eq!(size("jpeg-trailing-garbage"), (48, 32));
    // An orientation that does not exist leaves the picture as it lies.
    assert_eq!(size("jpeg-exif-orientation-9"), (48, 32));
}

#[test]
fn the_content_counts_and_not_the_name() {
    let bytes = std::fs::read(corpus().join("png-one-pixel")).unwrap();
    for name in ["holiday.jpg", "holiday", "holiday.txt"] {
        let picture = Picture::decode(&bytes, Path::new(name), &DecodeOptions::default()).unwrap();
        assert_eq!(picture.rgb, [128, 128, 128]);
    }
}

#[test]
fn a_strip_that_no_square_could_hold_is_read() {
    for (width, height) in [(1, 50_000), (50_000, 1)] {
        let grey = ::image::GrayImage::from_pixel(width, height, ::image::Luma([77]));
        let mut png = std::io::Cursor::new(Vec::new());
        grey.write_to(&mut png, ::image::ImageFormat::Png).unwrap();
        let picture =
            Picture::decode(png.get_ref(), Path::new("strip"), &DecodeOptions::default()).unwrap();
        assert_eq!((picture.width, picture.height), (width, height));
        let clip = Preprocess {
            size: 336,
            aspect: Aspect::Pad,
            mean: [0.5; 3],
            std: [0.5; 3],
        };
        assert_eq!(clip.pixels(&picture).len(), 3 * 336 * 336);
    }
}
