//! Damaged and foreign checkpoints: `ask` fails and says over what, `inspect` finds it without
//! running anything.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::run::{Folder, run};
use std::path::Path;
use visavis_testkit::{TinyModel, faults, preset};

const TENSOR: &str = "language_model.model.layers.1.mlp.down_proj.weight";

/// A kind of damage: the preset it is done to, what does it, and what the error must name.
struct Fault {
    preset: &'static str,
    damage: fn(&Path),
    named: &'static str,
}

fn first_shard(model: &Path) -> std::path::PathBuf {
    faults::weight_files(model).swap_remove(0)
}

fn faults() -> Vec<Fault> {
    let fault = |preset, named, damage| Fault {
        preset,
        damage,
        named,
    };
    vec![
        fault("base", "model.safetensors", |model| {
            faults::truncate(&first_shard(model), 100_000)
        }),
        fault("base", "model.safetensors", |model| {
            faults::truncate(&first_shard(model), 0)
        }),
        fault("base", "model.safetensors", |model| {
            faults::lying_header(&first_shard(model), u64::MAX)
        }),
        fault("base", "model.safetensors", |model| {
            faults::lying_header(&first_shard(model), 90_000_000)
        }),
        fault("grouped", "model-00002-of-00003.safetensors", |model| {
            faults::drop_shard(model, 1);
        }),
        fault("base", TENSOR, |model| {
            faults::drop_tensor(model, TENSOR);
        }),
        fault("base", TENSOR, |model| {
            faults::wrong_shape(model, TENSOR);
        }),
        fault("base", TENSOR, |model| {
            faults::wrong_dtype(model, TENSOR);
        }),
        fault("base", "config.json", |model| {
            faults::broken_json(&model.join("config.json"))
        }),
        fault("base", "config.json", |model| {
            std::fs::remove_file(model.join("config.json")).unwrap()
        }),
        fault("base", "tokenizer.json", |model| {
            faults::broken_json(&model.join("tokenizer.json"))
        }),
        fault("base", "tokenizer.json", |model| {
            faults::too_many_ids(model, preset("base").text.vocab_rows);
        }),
    ]
}

#[test]
fn a_damaged_checkpoint_answers_nothing_and_is_found_by_inspect() {
    let nowhere = Folder::new();
    for (
        number,
        Fault {
            preset,
            damage,
            named,
        },
    ) in faults().into_iter().enumerate()
    {
        let model = TinyModel::preset(preset);
        damage(model.path());
        let path = model.path().to_str().unwrap();
        let told = run(&nowhere.path, ["ask", "--model", path, "Why?"]).failed_over(named);
        assert!(
            told.contains(path),
            "fault {number} does not say where: {told}"
        );

        let inspected = run(&nowhere.path, ["inspect", path]);
        assert_eq!(
            inspected.status,
            Some(1),
            "fault {number}: {}",
            inspected.stdout
        );
        let said = inspected.stdout + &inspected.stderr;
        assert!(
            said.contains(named) && !said.contains("panicked"),
            "fault {number}: {said}"
        );
    }
}

#[test]
fn weights_that_are_not_numbers_are_an_error_and_not_an_answer() {
    let nowhere = Folder::new();
    let model = TinyModel::preset("base");
    faults::not_numbers(model.path(), TENSOR);
    let path = model.path().to_str().unwrap();
    let words = ["ask", "--model", path, "--max-tokens", "4", "Why?"];
    run(&nowhere.path, words).failed_over("not numbers");
}

#[test]
fn the_original_layout_is_recognised_and_refused() {
    let folder = Folder::new();
    faults::original_layout(&folder.path);
    let path = folder.path.to_str().unwrap();
    run(&folder.path, ["ask", "--model", path, "Why?"]).failed_over("llava-hf");
    run(&folder.path, ["inspect", path]).failed_over("llava-hf");
}

#[test]
fn inspect_describes_a_sound_checkpoint() {
    let nowhere = Folder::new();
    let model = TinyModel::preset("grouped");
    let path = model.path().to_str().unwrap();
    let json = run(&nowhere.path, ["inspect", path, "--json"]).done();
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found["runs"], true, "{json}");
    assert_eq!(found["image_tokens"], model.spec.image_tokens());
    assert_eq!(found["context"], model.spec.text.context);
    assert_eq!(found["files"].as_array().unwrap().len(), 3);
    assert_eq!(found["problems"], serde_json::json!([]));
    let text = run(&nowhere.path, ["inspect", path]).done();
    assert!(text.contains("this program runs it"), "{text}");
}

#[test]
fn a_folder_without_a_model_is_no_model() {
    let folder = Folder::new();
    folder.file("notes.txt", "x");
    let path = folder.path.to_str().unwrap();
    run(&folder.path, ["inspect", path]).failed_over(path);
    run(&folder.path, ["inspect", "nothing-here"]).failed_over("nothing-here");
    run(&folder.path, ["ask", "--model", "notes.txt", "Why?"]).failed_over("notes.txt");
}
