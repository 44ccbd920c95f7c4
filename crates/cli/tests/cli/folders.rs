//! `visavis caption` over folders with good and bad pictures in them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::bad_pictures::{bad_pictures, picture};
use crate::run::{Folder, Ran, run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use visavis_testkit::TinyModel;

fn caption(nowhere: &Path, model: &TinyModel, words: &[&str]) -> Ran {
    let first = [
        "caption",
        "--model",
        model.path().to_str().unwrap(),
        "--max-tokens",
        "8",
    ];
    run(nowhere, first.iter().chain(words))
}

/// The JSON lines of a run, in order.
fn rows(ran: &Ran) -> Vec<Value> {
    ran.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Pictures of different sizes, so that their captions differ.
fn different(number: u32) -> Vec<u8> {
    let pixels = image::RgbImage::from_fn(20 + 7 * number, 30, |x, y| {
        image::Rgb([(x * (number + 3)) as u8, (y * 8) as u8, (number * 40) as u8])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    pixels
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[test]
fn a_bad_picture_is_a_row_and_the_rest_is_captioned() {
    let (folder, model) = (Folder::new(), TinyModel::preset("base"));
    for path in bad_pictures(&folder) {
        assert!(path.starts_with(&folder.path));
    }
    folder.file("good.png", picture(image::ImageFormat::Png));
    folder.file("inside/also good.webp", picture(image::ImageFormat::WebP));
    // A JPEG that calls itself PNG is read by what it is.
    folder.file("really-jpeg.png", picture(image::ImageFormat::Jpeg));
    folder.file("notes.md", "no picture");
    let ran = caption(&folder.path, &model, &["--json", "."]);
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let rows = rows(&ran);
    let status: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| {
            (
                row["path"].as_str().unwrap().trim_start_matches("./"),
                row["status"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("empty.jpg", "failed"),
        ("good.png", "done"),
        ("half-jpeg.jpg", "failed"),
        ("half-png.png", "failed"),
        ("huge.png", "failed"),
        ("inside/also good.webp", "done"),
        ("really-jpeg.png", "done"),
        ("text.jpg", "failed"),
    ];
    assert_eq!(status, expected);
    for row in &rows {
        let failed = row["status"] == "failed";
        assert_eq!(
            (row["error"].is_string(), row["text"].is_null()),
            (failed, failed),
            "{row}"
        );
        assert_eq!(
            row["outputs"],
            serde_json::json!([]),
            "nothing is written unless asked"
        );
        let name = Path::new(row["path"].as_str().unwrap())
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        assert!(
            !failed || row["error"].as_str().unwrap().contains(name),
            "{row}"
        );
    }
    assert!(
        ran.stderr.contains("3 of 8 captioned, 5 failed"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_picture_is_captioned_in_company_as_it_is_alone() {
    let (folder, model) = (Folder::new(), TinyModel::preset("base"));
    for number in 0..12 {
        folder.file(&format!("{number:02}.png"), different(number));
    }
    let ran = caption(&folder.path, &model, &["--json", "."]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let rows = rows(&ran);
    assert_eq!(rows.len(), 12);
    let texts: BTreeMap<&str, ()> = rows
        .iter()
        .map(|row| (row["text"].as_str().unwrap(), ()))
        .collect();
    assert!(
        texts.len() > 1,
        "captions that are all the same prove nothing"
    );
    for row in rows.iter().step_by(5) {
        let path = row["path"].as_str().unwrap();
        let words = [
            "ask",
            "--model",
            model.path().to_str().unwrap(),
            "--max-tokens",
            "8",
            "--stop-repetition",
            "--style",
            "caption",
            "--image",
            path,
            "--json",
        ];
        let alone: Value = serde_json::from_str(&run(&folder.path, words).done()).unwrap();
        assert_eq!(alone["text"], row["text"], "{path}");
    }
}

#[test]
fn text_files_are_written_beside_the_pictures_and_kept_the_next_time() {
    let (folder, model) = (Folder::new(), TinyModel::preset("base"));
    folder.file("a.jpg", picture(image::ImageFormat::Jpeg));
    folder.file("b.jpg", picture(image::ImageFormat::Jpeg));
    folder.file("b.png", picture(image::ImageFormat::Png));
    let first = caption(&folder.path, &model, &["--json", "--output", "txt", "."]);
    assert_eq!(first.status, Some(0), "{}", first.stderr);
    for (row, name) in rows(&first).iter().zip(["a.txt", "b.jpg.txt", "b.png.txt"]) {
        assert!(row["outputs"][0].as_str().unwrap().ends_with(name), "{row}");
        let written = std::fs::read_to_string(folder.path.join(name)).unwrap();
        assert_eq!(written, format!("{}\n", row["text"].as_str().unwrap()));
    }
    folder.file("a.txt", "by hand");
    let second = caption(&folder.path, &model, &["--json", "--output", "txt", "."]);
    let status: Vec<Value> = rows(&second)
        .iter()
        .map(|row| row["status"].clone())
        .collect();
    assert_eq!(
        (second.status, status),
        (Some(0), vec![Value::from("kept"); 3])
    );
    assert_eq!(
        std::fs::read_to_string(folder.path.join("a.txt")).unwrap(),
        "by hand"
    );
    let third = caption(
        &folder.path,
        &model,
        &["--output", "txt", "--replace", "a.jpg"],
    );
    assert_eq!(third.status, Some(0), "{}", third.stderr);
    assert_ne!(
        std::fs::read_to_string(folder.path.join("a.txt")).unwrap(),
        "by hand"
    );
    let left: usize = std::fs::read_dir(&folder.path).unwrap().count();
    assert_eq!(left, 6, "no temporary file stays behind");
}

#[test]
fn nothing_to_do_needs_no_model() {
    let folder = Folder::new();
    let ran = run(&folder.path, ["caption", "."]);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (Some(0), ""),
        "{}",
        ran.stderr
    );
    let missing = run(&folder.path, ["caption", "--json", "nowhere"]);
    assert_eq!(missing.status, Some(1));
    assert_eq!(rows(&missing)[0]["status"], "failed");
    folder.file("a.png", picture(image::ImageFormat::Png));
    run(&folder.path, ["caption", "."]).failed_over("no model");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use crate::run::program;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Stdio};

    /// A run over more pictures than are captioned before one can act on the first line.
    fn long_run(folder: &Folder, model: &TinyModel) -> Child {
        let bytes = picture(image::ImageFormat::Png);
        for number in 0..400 {
            folder.file(&format!("{number:03}.png"), &bytes);
        }
        program(&folder.path)
            .args([
                "caption",
                "--json",
                "--max-tokens",
                "64",
                "--no-stop-repetition",
                "--model",
            ])
            .arg(model.path())
            .arg(".")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    #[test]
    fn ctrl_c_ends_a_run_with_what_is_complete() {
        let (folder, model) = (Folder::new(), TinyModel::preset("base"));
        let mut child = long_run(&folder, &model);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let sent = std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(rest.len() < 399, "the run was not stopped");
        for line in rest.iter().chain([&first]) {
            let row: Value = serde_json::from_str(line).unwrap();
            assert_eq!(row["status"], "done", "{row}");
        }
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.status, Some(130), "{}", ran.stderr);
    }

    #[test]
    fn a_reader_that_goes_away_ends_a_run_without_an_error() {
        let (folder, model) = (Folder::new(), TinyModel::preset("base"));
        let mut child = long_run(&folder, &model);
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        assert!(first.contains("\"status\":\"done\""), "{first}");
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert!(
            !ran.stderr.contains("error") && !ran.stderr.contains("400 of 400"),
            "{}",
            ran.stderr
        );
    }
}
