//! `convert`, `synth` and `bench`: files that are written, and what is measured with them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::run::{Folder, run};
use std::path::{Path, PathBuf};
use visavis_testkit::TinyModel;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// A command line whose last word is a path.
fn with_path(line: &str, path: &Path) -> Vec<String> {
    let mut all = words(line);
    all.push(path.to_str().unwrap().to_owned());
    all
}

fn made_up(folder: &Folder) -> PathBuf {
    run(&folder.path, words("synth --shape tiny --out made")).done();
    folder.path.join("made")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_converted_model_gives_the_same_answer() {
    let nowhere = Folder::new();
    let model = TinyModel::preset("grouped");
    let mut convert = with_path("convert --quant f32 --name tiny --out out", model.path());
    let told = run(&nowhere.path, &convert).done();
    let out = nowhere.path.join("out");
    assert_eq!(names(&out), ["mmproj-tiny-F32.gguf", "tiny-F32.gguf"]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with("tiny-F32.gguf") && lines[1].ends_with("mmproj-tiny-F32.gguf"));

    let ask = |path: &Path| {
        let mut all = words("ask Why? --json --max-tokens 12 --model");
        all.push(path.to_str().unwrap().to_owned());
        let json = run(&nowhere.path, &all).done();
        let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
        answer["token_ids"].clone()
    };
    let plain = ask(model.path());
    assert!(!plain.as_array().unwrap().is_empty());
    for path in [
        out.clone(),
        out.join("tiny-F32.gguf"),
        out.join("mmproj-tiny-F32.gguf"),
    ] {
        assert_eq!(ask(&path), plain);
    }

    // A second time: refused, and the files stay as they are; then allowed.
    let before = std::fs::metadata(out.join("tiny-F32.gguf"))
        .unwrap()
        .modified()
        .unwrap();
    let told = run(&nowhere.path, &convert).failed_over("tiny-F32.gguf");
    assert!(told.contains("hint: --replace"), "{told}");
    let after = std::fs::metadata(out.join("tiny-F32.gguf"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after);
    convert.push("--replace".to_owned());
    run(&nowhere.path, &convert).done();
    assert_eq!(names(&out).len(), 2);
}

#[test]
fn converting_tells_programs_what_there_is_now() {
    let folder = Folder::new();
    let made = made_up(&folder);
    let source = made.join("synthetic-tiny-Q4_K_M.gguf");
    let line = with_path("convert --quant q8_0 --out out --json", &source);
    let json = run(&folder.path, line).done();
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let language = folder.path.join(report["language"].as_str().unwrap());
    assert_eq!(language.file_name().unwrap(), "synthetic-tiny-Q8_0.gguf");
    let vision = folder.path.join(report["vision"].as_str().unwrap());
    let bytes = [&language, &vision].map(|path| std::fs::metadata(path).unwrap().len());
    assert_eq!(report["bytes"], bytes.iter().sum::<u64>());
    let notes = report["notes"].as_array().unwrap();
    assert!(
        notes
            .iter()
            .any(|note| note.as_str().unwrap().contains("stays lost")),
        "{json}"
    );
}

#[test]
fn what_cannot_be_converted_is_named_and_leaves_nothing() {
    let folder = Folder::new();
    let model = TinyModel::preset("full");
    let line = with_path("convert --out out", model.path());
    run(&folder.path, line).failed_over("class token");
    assert!(!folder.path.join("out").exists());
    let line = with_path("convert --out out", &folder.path.join("nothing"));
    run(&folder.path, line).failed_over("nothing");
    // A file where the folder should be.
    folder.file("out", "x");
    let model = TinyModel::preset("base");
    run(&folder.path, with_path("convert --out out", model.path())).failed_over("out");
}

#[test]
fn a_damaged_gguf_file_is_an_error_that_names_it() {
    let folder = Folder::new();
    let made = made_up(&folder);
    let path = made.join("synthetic-tiny-Q4_K_M.gguf");
    let bytes = std::fs::read(&path).unwrap();
    for damaged in [&bytes[..bytes.len() / 2], &bytes[..20], b"GGUF", b"GIF89a"] {
        std::fs::write(&path, damaged).unwrap();
        let mut ask = words("ask Why? --model");
        ask.push(path.to_str().unwrap().to_owned());
        run(&folder.path, ask).failed_over("synthetic-tiny-Q4_K_M.gguf");
    }
}

#[test]
fn a_made_up_model_answers_about_a_picture() {
    let folder = Folder::new();
    let made = made_up(&folder);
    assert_eq!(
        names(&made),
        [
            "mmproj-synthetic-tiny-F16.gguf",
            "synthetic-tiny-Q4_K_M.gguf"
        ]
    );
    image::RgbImage::new(40, 30)
        .save(folder.path.join("black.png"))
        .unwrap();
    let mut ask = words("ask --image black.png --json --max-tokens 5 what --model");
    ask.push(made.to_str().unwrap().to_owned());
    let json = run(&folder.path, ask).done();
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    let pictures = answer["prompt_token_ids"].as_array().unwrap();
    assert_eq!(pictures.iter().filter(|id| **id == -200).count(), 16);
}

#[test]
fn bench_measures_and_says_so_in_both_forms() {
    let folder = Folder::new();
    let made = made_up(&folder);
    let line = "bench --repeats 2 --prefill 80,60 --decode 6 --json figures.json --model";
    let table = run(&folder.path, with_path(line, &made)).done();
    for part in [
        "Model",
        "Device",
        "Load",
        "Picture",
        "Prefill",
        "Decode",
        "First word",
        "Follow-up",
        "Memory",
    ] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    let json = std::fs::read_to_string(folder.path.join("figures.json")).unwrap();
    let figures: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(figures["prefill"][0]["tokens"], 80, "{json}");
    assert_eq!(figures["prefill"][1]["tokens"], 60, "{json}");
    assert_eq!(
        (&figures["device"], &figures["repeats"]),
        (&"cpu".into(), &2.into())
    );
    // A picture of 16 positions is seen once; the next question reads only what is new.
    let positions = |name: &str| figures[name]["tokens"].as_u64().unwrap();
    assert!(
        positions("first_word") > 16 && positions("follow_up") > 0,
        "{json}"
    );
    assert!(positions("follow_up") < positions("first_word"), "{json}");
    for name in ["load_s", "picture_s", "peak_rss_bytes", "file_bytes"] {
        assert!(figures[name].as_f64().unwrap() > 0.0, "{name}: {json}");
    }
    assert!(
        figures["decode"]["tokens_per_s"].as_f64().unwrap() > 0.0,
        "{json}"
    );
    let printed = run(
        &folder.path,
        with_path(
            "bench --repeats 1 --prefill 60 --decode 2 --json - --model",
            &made,
        ),
    )
    .done();
    assert!(
        serde_json::from_str::<serde_json::Value>(&printed).is_ok(),
        "{printed}"
    );
}
