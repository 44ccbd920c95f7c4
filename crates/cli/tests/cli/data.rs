//! `visavis data` and `visavis eval`, from nothing: draw, check, ask, write a card.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::run::{Folder, run};
use serde_json::Value;
use visavis_testkit::TinyModel;

#[test]
fn drawn_scenes_pass_the_check_and_damage_does_not() {
    let nowhere = Folder::new();
    let words = ["data", "scenes", "--out", "scenes", "-n", "12", "--json"];
    let written: Value = serde_json::from_str(&run(&nowhere.path, words).done()).unwrap();
    assert_eq!(written["conversations"], 12);
    assert!(written["turns"].as_u64().unwrap() >= 24);

    let words = [
        "data",
        "check",
        "scenes/data.json",
        "--images",
        "scenes/images",
    ];
    let sound = run(&nowhere.path, words).done();
    assert!(
        sound.contains("12 rows") && sound.contains("no faults"),
        "{sound}"
    );

    let rows: Vec<Value> =
        serde_json::from_slice(&std::fs::read(nowhere.path.join("scenes/data.json")).unwrap())
            .unwrap();
    let image = rows[4]["image"].as_str().unwrap();
    nowhere.file(&format!("scenes/images/{image}"), "no picture");
    let damaged = run(&nowhere.path, words);
    assert_eq!(damaged.status, Some(1));
    let first = damaged.stdout.lines().next().unwrap();
    assert!(first.starts_with("row 5 (scene-00000004): "), "{first}");
    assert!(damaged.stdout.contains("1 fault"), "{}", damaged.stdout);
}

#[test]
fn a_mixture_reports_its_counts() {
    let nowhere = Folder::new();
    let question = |picture: &str| serde_json::json!({"imageId": picture, "question": "Is it dark?", "answer": "no"});
    let gqa = serde_json::json!({"1": question("7"), "2": question("7"), "3": question("8")});
    nowhere.file("gqa.json", gqa.to_string());
    nowhere.file(
        "recipe.toml",
        "[[source]]\nkind = \"gqa\"\nfiles = [\"gqa.json\"]\nimages = \"gqa/images\"\n",
    );
    let words = ["data", "mix", "recipe.toml", "--out", "mix.json", "--json"];
    let report: Value = serde_json::from_str(&run(&nowhere.path, words).done()).unwrap();
    assert_eq!(report["conversations"], 2);
    assert_eq!(report["sources"][0]["entries"], 3);
    let words = ["data", "check", "mix.json"];
    assert!(run(&nowhere.path, words).done().contains("2 rows"));
    let missing = ["data", "check", "mix.json", "--images", "."];
    let missing = run(&nowhere.path, missing);
    assert_eq!(missing.status, Some(1));
    assert!(
        missing.stdout.contains("gqa/images/7.jpg is missing"),
        "{}",
        missing.stdout
    );

    let words = ["data", "mix", "nothing.toml", "--out", "mix.json"];
    run(&nowhere.path, words).failed_over("nothing.toml");
}

#[test]
fn a_tiny_model_is_evaluated_with_a_card() {
    let nowhere = Folder::new();
    let model = TinyModel::preset("base");
    let path = model.path().to_str().unwrap();
    let words = [
        "eval",
        "scenes",
        "--model",
        path,
        "--device",
        "cpu",
        "-n",
        "1",
        "--max-tokens",
        "8",
        "--json",
        "--answers",
        "answers.jsonl",
        "--card",
        "card.md",
    ];
    let report: Value = serde_json::from_str(&run(&nowhere.path, words).done()).unwrap();
    let questions = report["summary"]["questions"].as_u64().unwrap();
    // Eighteen kinds, twelve of them in Chinese as well.
    assert_eq!(questions, 30);
    // Random weights are about as surprised as a uniform guess.
    let loss = report["summary"]["loss"]["mean"].as_f64().unwrap();
    assert!((2.0..20.0).contains(&loss), "{loss}");
    let lines = std::fs::read_to_string(nowhere.path.join("answers.jsonl")).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len() as u64, questions);
    assert!(
        lines
            .iter()
            .all(|line| line["said"].is_string() && line["score"]["value"].is_number())
    );
    let card = std::fs::read_to_string(nowhere.path.join("card.md")).unwrap();
    assert!(card.contains("knows drawings only") && card.contains("**short**"));
}
