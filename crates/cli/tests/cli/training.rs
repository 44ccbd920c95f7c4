//! `visavis train`, killed and started again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::run::{Ran, program};
use std::path::Path;
use std::process::{Command, Stdio};
use visavis_testkit::TinyModel;

/// Enough rows that a step can be seen from outside.
fn write_data(folder: &Path) {
    let rows: Vec<serde_json::Value> = (0..240)
        .map(|n| {
            serde_json::json!({"id": n, "conversations": [
                {"from": "human", "value": format!("What is number {n}? {}", "And why is it so? ".repeat(6))},
                {"from": "gpt", "value": "It is a number like all the others, only a little larger than the last."}]})
        })
        .collect();
    std::fs::write(folder.join("data.json"), serde_json::to_vec(&rows).unwrap()).unwrap();
}

fn training(folder: &Path, model: &Path, out: &str) -> Command {
    let mut command = program(folder);
    command.args([
        "train",
        "--stage",
        "2",
        "--batch",
        "4",
        "--accumulate",
        "1",
        "--rate",
        "1e-3",
    ]);
    command
        .args([
            "--save-steps",
            "3",
            "--data",
            "data.json",
            "--out",
            out,
            "--model",
        ])
        .arg(model);
    command
}

fn steps(folder: &Path, out: &str) -> usize {
    std::fs::read_to_string(folder.join(out).join("loss.csv"))
        .unwrap_or_default()
        .lines()
        .skip(1)
        .count()
}

#[test]
fn a_killed_run_goes_on_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let model = TinyModel::preset("base");
    write_data(folder.path());
    Ran::from(
        training(folder.path(), model.path(), "whole")
            .output()
            .unwrap(),
    )
    .done();
    assert_eq!(steps(folder.path(), "whole"), 60);
    let mut kills = 0;
    for goal in [4, 11, 29, 47] {
        let mut child = training(folder.path(), model.path(), "killed")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while steps(folder.path(), "killed") < goal && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        kills += usize::from(child.try_wait().unwrap().is_none());
        // No chance to tidy up: SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills >= 3, "the run was over before it could be killed");
    let said = Ran::from(
        training(folder.path(), model.path(), "killed")
            .output()
            .unwrap(),
    );
    assert!(
        said.stderr.contains("going on after step"),
        "{}",
        said.stderr
    );
    said.done();
    for file in ["loss.csv", "model/model.safetensors", "model/config.json"] {
        let [whole, killed] = ["whole", "killed"]
            .map(|out| std::fs::read(folder.path().join(out).join(file)).unwrap());
        assert!(whole == killed, "{file}");
    }
}

#[test]
fn wrong_usage_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Ran::from(
        program(folder.path())
            .args(["train", "--stage", "2"])
            .output()
            .unwrap(),
    );
    assert_eq!(ran.status, Some(2));
    assert!(ran.stderr.contains("--model"), "{}", ran.stderr);
}
