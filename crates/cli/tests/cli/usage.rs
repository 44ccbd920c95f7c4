//! What the program says without a model: help, wrong usage, what is missing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::run::{Folder, program, run};
use std::io::Write;
use std::process::Stdio;

#[test]
fn help() {
    let nowhere = Folder::new();
    for command in ["", "ask", "bench", "caption", "convert", "inspect", "synth"] {
        let words = [command, "-h"].into_iter().filter(|word| !word.is_empty());
        insta::assert_snapshot!(format!("help-{command}"), run(&nowhere.path, words).done());
    }
}

#[test]
fn wrong_usage_is_status_2_with_nothing_on_standard_output() {
    let nowhere = Folder::new();
    let wrong: [&[&str]; 14] = [
        &[],
        &["draw"],
        &["ask"],
        &["ask", ""],
        &["ask", "--style", "poem", "Q"],
        &["ask", "--style", "choice", "Q"],
        &["ask", "--option", "A", "Q"],
        &["ask", "--temperature", "hot", "Q"],
        &["ask", "--device", "gpu", "Q"],
        &["caption"],
        &["completions", "cmd"],
        &["convert", "model"],
        &["synth", "--shape", "huge", "--out", "o"],
        &["bench", "--repeats", "0"],
    ];
    for words in wrong {
        let ran = run(&nowhere.path, words);
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (Some(2), ""),
            "{words:?}: {}",
            ran.stderr
        );
        assert!(!ran.stderr.is_empty());
    }
}

#[test]
fn without_a_model_the_way_to_one_is_told() {
    let nowhere = Folder::new();
    let told = run(&nowhere.path, ["ask", "Why?"]).failed_over("no model");
    assert!(
        told.contains("--model") && told.contains("VISAVIS_MODEL"),
        "{told}"
    );
    run(&nowhere.path, ["ask", "--model", "llava-9", "Why?"]).failed_over("llava-9");
}

#[test]
fn an_empty_question_on_standard_input_is_an_error() {
    let nowhere = Folder::new();
    let mut child = program(&nowhere.path)
        .args(["ask", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b" \n").unwrap();
    crate::run::Ran::from(child.wait_with_output().unwrap()).failed_over("standard input");
}

#[test]
fn the_processor_is_a_device() {
    let nowhere = Folder::new();
    let json = run(&nowhere.path, ["devices", "--json"]).done();
    let devices: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(
        devices
            .as_array()
            .unwrap()
            .iter()
            .any(|device| device["name"] == "cpu"),
        "{json}"
    );
}

#[test]
fn completions_and_pages_are_made() {
    let nowhere = Folder::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            run(&nowhere.path, ["completions", shell])
                .done()
                .contains("visavis")
        );
    }
    assert!(
        run(&nowhere.path, ["man", "ask"])
            .done()
            .contains(".TH visavis-ask")
    );
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let nowhere = Folder::new();
    let mut child = program(&nowhere.path)
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = crate::run::Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
}
