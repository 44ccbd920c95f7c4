//! `visavis ask` with tiny models.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::bad_pictures::picture;
use crate::run::{Folder, Ran, program, run};
use serde_json::Value;
use std::io::Write;
use std::process::Stdio;
use visavis_testkit::{TinyModel, golden};

fn ask(nowhere: &Folder, model: &TinyModel, words: &[&str]) -> Ran {
    let first = [
        "ask",
        "--model",
        model.path().to_str().unwrap(),
        "--device",
        "cpu",
    ];
    run(&nowhere.path, first.iter().chain(words))
}

fn ask_json(nowhere: &Folder, model: &TinyModel, words: &[&str]) -> Value {
    let words = [&["--json"], words].concat();
    serde_json::from_str(&ask(nowhere, model, &words).done()).unwrap()
}

fn ids(value: &Value) -> Vec<i64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_i64().unwrap())
        .collect()
}

#[test]
fn an_answer_is_the_references() {
    let nowhere = Folder::new();
    let model = TinyModel::preset("base");
    let stored = golden::load("base");
    let reference = stored
        .runs
        .iter()
        .find(|run| run.name == "text only")
        .unwrap();
    let answer = ask_json(
        &nowhere,
        &model,
        &["--max-tokens", "64", &reference.messages[0].text],
    );
    assert_eq!(ids(&answer["prompt_token_ids"]), reference.ids);
    let end = reference
        .greedy
        .iter()
        .position(|id| *id == 2)
        .unwrap_or(reference.greedy.len());
    let expected: Vec<i64> = reference.greedy[..end]
        .iter()
        .map(|id| i64::from(*id))
        .collect();
    assert_eq!(ids(&answer["token_ids"]), expected);
    assert_eq!(
        answer["finish_reason"],
        if end < 64 { "stop" } else { "length" }
    );
}

#[test]
fn json_says_everything_the_contract_promises() {
    let folder = Folder::new();
    let model = TinyModel::preset("grouped");
    let image = folder.file("a.png", picture(image::ImageFormat::Png));
    let image = image.to_str().unwrap();
    let answer = ask_json(
        &folder,
        &model,
        &[
            "--image",
            image,
            "--image",
            image,
            "--max-tokens",
            "5",
            "What?",
        ],
    );
    let text = answer["text"].as_str().unwrap();
    assert_eq!(text, text.trim());
    let prompt = ids(&answer["prompt_token_ids"]);
    let pictures = prompt.iter().filter(|id| **id == -200).count();
    assert_eq!(pictures, 2 * model.spec.image_tokens());
    let tokens = ids(&answer["token_ids"]);
    assert!(tokens.len() <= 5 && !tokens.contains(&2), "{answer}");
    assert_eq!(answer["model"], model.path().to_str().unwrap());
    assert_eq!(answer["device"], "cpu");
    let timings = &answer["timings"];
    for name in [
        "load_s",
        "image_s",
        "prefill_s",
        "decode_s",
        "first_token_s",
    ] {
        assert!(timings[name].as_f64().unwrap() > 0.0, "{name} in {timings}");
    }
    assert_eq!(timings["prefill_tokens"], prompt.len());
    assert!(answer["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    assert!(answer.get("boxes").is_none());
}

#[test]
fn plain_output_is_the_text_and_nothing_else() {
    let nowhere = Folder::new();
    let model = TinyModel::preset("base");
    let words = ["--max-tokens", "12", "What is in the picture?"];
    let answer = ask_json(&nowhere, &model, &words);
    assert_eq!(
        ask(&nowhere, &model, &words).done(),
        format!("{}\n", answer["text"].as_str().unwrap())
    );
}

#[test]
fn seeds_decide_and_temperature_zero_needs_none() {
    let nowhere = Folder::new();
    let model = TinyModel::preset("base");
    let tokens = |words: &[&str]| {
        let words = [&["--max-tokens", "24"], words, &["Why?"]].concat();
        ids(&ask_json(&nowhere, &model, &words)["token_ids"])
    };
    assert_eq!(tokens(&["--seed", "1"]), tokens(&["--seed", "2"]));
    let warm = |seed| tokens(&["--temperature", "1.5", "--seed", seed]);
    assert_eq!(warm("1"), warm("1"));
    assert_ne!(warm("1"), warm("2"));
}

#[test]
fn styles_and_system_text_change_the_prompt() {
    let folder = Folder::new();
    let model = TinyModel::preset("base");
    let image = folder.file("a.jpg", picture(image::ImageFormat::Jpeg));
    let image = image.to_str().unwrap();
    let prompt = |words: &[&str]| {
        let words = [&["--image", image, "--max-tokens", "1"], words].concat();
        ids(&ask_json(&folder, &model, &words)["prompt_token_ids"])
    };
    let chat = prompt(&["What?"]);
    assert_eq!(chat, prompt(&["--style", "chat", "What?"]));
    let short = prompt(&["--style", "short", "What?"]);
    assert!(short.len() > chat.len());
    assert_eq!(
        short,
        prompt(&["What?\nAnswer the question using a single word or phrase."])
    );
    assert!(prompt(&["--system", "Be brief.", "What?"]).len() < chat.len());
    let region = prompt(&["--style", "region", "--region", "0,0,32,48"]);
    let written = "Please provide a short description for this region: [0.00, 0.12, 0.50, 0.88]";
    assert_eq!(region, prompt(&[written]));
    let boxes = ask_json(
        &folder,
        &model,
        &[
            "--image",
            image,
            "--max-tokens",
            "3",
            "--style",
            "box",
            "cat",
        ],
    );
    assert!(boxes["boxes"].is_array(), "{boxes}");
}

#[test]
fn a_question_comes_from_standard_input() {
    let nowhere = Folder::new();
    let model = TinyModel::preset("base");
    let mut child = program(&nowhere.path)
        .args([
            "ask",
            "--model",
            model.path().to_str().unwrap(),
            "--json",
            "--max-tokens",
            "2",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all("Why?\n".as_bytes())
        .unwrap();
    let piped: Value =
        serde_json::from_str(&Ran::from(child.wait_with_output().unwrap()).done()).unwrap();
    let typed = ask_json(&nowhere, &model, &["--max-tokens", "2", "Why?"]);
    assert_eq!(piped["prompt_token_ids"], typed["prompt_token_ids"]);
}

#[test]
fn what_does_not_fit_is_refused_and_never_cut() {
    let nowhere = Folder::new();
    let model = TinyModel::preset("base");
    let long = "What is in the picture? ".repeat(400);
    ask(&nowhere, &model, &[&long]).failed_over("512");
}

#[cfg(not(target_os = "macos"))]
#[test]
fn a_device_that_is_not_there_is_an_error() {
    let nowhere = Folder::new();
    let model = TinyModel::preset("base");
    let path = model.path().to_str().unwrap();
    let told = run(
        &nowhere.path,
        ["ask", "--model", path, "--device", "metal", "Why?"],
    )
    .failed_over("metal");
    assert!(told.contains("visavis devices"), "{told}");
}

#[test]
fn the_model_is_found_by_id_and_by_itself() {
    let nowhere = Folder::new();
    let folder = nowhere.path.join("data/models/owner/tiny");
    std::fs::create_dir_all(&folder).unwrap();
    visavis_testkit::write_checkpoint(&visavis_testkit::preset("base"), &folder);
    for words in [
        &["ask", "--json", "--max-tokens", "1", "Why?"][..],
        &[
            "ask",
            "--json",
            "--max-tokens",
            "1",
            "--model",
            "owner/tiny",
            "Why?",
        ],
    ] {
        let answer: Value = serde_json::from_str(&run(&nowhere.path, words).done()).unwrap();
        assert_eq!(answer["model"], "owner/tiny");
    }
}
