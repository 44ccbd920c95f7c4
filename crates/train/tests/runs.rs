//! Whole runs: what they leave, that they go on to the bit, what stays frozen, and what happens when
//! something is wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use visavis_llava::checkpoint::Checkpoint;
use visavis_llava::device::DeviceChoice;
use visavis_llava::watch::Silent;
use visavis_llava::{Input, Model, Step};
use visavis_testkit::TinyModel;
use visavis_train::ops::LoraSettings;
use visavis_train::run::{Progress, Watch, train};
use visavis_train::settings::{Settings, Stage};
use visavis_train::{Error, adapter};

/// A data file of `rows` conversations, most of them about pictures, in `folder`.
fn write_data(folder: &Path, rows: usize) -> PathBuf {
    for n in 0..4u8 {
        let rgb: Vec<u8> = (0..9 * 7 * 3)
            .map(|i| (i as u8).wrapping_mul(n * 7 + 3))
            .collect();
        let picture = png(9, 7, &rgb);
        std::fs::write(folder.join(format!("{n}.png")), picture).unwrap();
    }
    let rows: Vec<_> = (0..rows)
        .map(|n| {
            let text = format!("What is number {n}?");
            let answers = ["A red circle.", "Yes", "Nothing at all, or next to nothing."];
            let answer = answers[n % 3];
            if n % 5 == 4 {
                json!({"id": n, "conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": answer}]})
            } else {
                json!({"id": n, "image": format!("{}.png", n % 4), "conversations": [
                    {"from": "human", "value": format!("<image>\n{text}")}, {"from": "gpt", "value": answer},
                    {"from": "human", "value": "Sure?"}, {"from": "gpt", "value": "Yes"}]})
            }
        })
        .collect();
    let path = folder.join("data.json");
    std::fs::write(&path, serde_json::to_vec(&rows).unwrap()).unwrap();
    path
}

fn png(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let image = image::RgbImage::from_raw(width, height, rgb.to_vec()).unwrap();
    image.write_to(&mut out, image::ImageFormat::Png).unwrap();
    out.into_inner()
}

struct Place {
    folder: tempfile::TempDir,
    model: TinyModel,
}

impl Place {
    fn new(preset: &str, rows: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_data(folder.path(), rows);
        Self {
            folder,
            model: TinyModel::preset(preset),
        }
    }

    fn settings(&self, stage: Stage, out: &str) -> Settings {
        Settings {
            stage,
            model: self.model.path().to_owned(),
            out: self.folder.path().join(out),
            data: vec![self.folder.path().join("data.json")],
            pictures: self.folder.path().to_owned(),
            batch: 3,
            accumulate: Some(2),
            rate: Some(1e-3),
            lora: LoraSettings { r: 4, alpha: 8.0 },
            ..Settings::default()
        }
    }
}

/// Stops after a number of steps, if asked to.
struct After(Option<u64>);

impl Watch for After {
    fn step(&mut self, progress: &Progress) -> bool {
        self.0 != Some(progress.point.step)
    }

    fn note(&mut self, _: &str) {}
}

/// Every tensor of a model folder, as bytes.
fn tensors(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let weights = Checkpoint::open(folder).unwrap().weights;
    let read = |name: &str| {
        let shape = weights
            .iter()
            .find(|(n, _)| *n == name)
            .unwrap()
            .1
            .shape
            .clone();
        weights.matrix(name, &shape).unwrap().data().to_vec()
    };
    weights
        .iter()
        .map(|(name, _)| (name.to_owned(), read(name)))
        .collect()
}

#[test]
fn a_run_in_pieces_is_the_run_in_one() {
    let place = Place::new("base", 26);
    for stage in [Stage::Connector, Stage::Instruct, Stage::Lora, Stage::All] {
        let one = place.settings(stage, &format!("one-{stage:?}"));
        let whole = train(&one, &mut After(None)).unwrap();
        assert_eq!((whole.steps, whole.conversations), (5, 26));
        let pieces = place.settings(stage, &format!("pieces-{stage:?}"));
        for stop in [1, 3] {
            let stopped = train(&pieces, &mut After(Some(stop))).unwrap_err();
            assert!(matches!(stopped, Error::Stopped { step } if step == stop));
        }
        let resumed = train(&pieces, &mut After(None)).unwrap();
        let curve = |s: &Settings| std::fs::read_to_string(s.out.join("loss.csv")).unwrap();
        assert_eq!(curve(&one), curve(&pieces));
        assert_eq!(curve(&one).lines().count(), 6);
        let file = |folder: &Path| {
            let name = if stage == Stage::Lora {
                "adapter_model.safetensors"
            } else {
                "model.safetensors"
            };
            std::fs::read(folder.join(name)).unwrap()
        };
        assert!(file(&whole.model) == file(&resumed.model), "{stage:?}");
        // Once more is no work at all.
        assert_eq!(train(&pieces, &mut After(Some(0))).unwrap().steps, 5);
    }
}

#[test]
fn what_is_frozen_does_not_move_by_a_bit_and_the_rest_does() {
    let place = Place::new("half", 26);
    let before = tensors(place.model.path());
    for (stage, learns) in [
        (Stage::Connector, vec!["multi_modal_projector"]),
        (
            Stage::Instruct,
            vec!["multi_modal_projector", "language_model"],
        ),
        (
            Stage::All,
            vec!["multi_modal_projector", "language_model", "vision_tower"],
        ),
    ] {
        let settings = place.settings(stage, &format!("{stage:?}"));
        let after = tensors(&train(&settings, &mut After(None)).unwrap().model);
        assert_eq!(
            before.keys().collect::<Vec<_>>(),
            after.keys().collect::<Vec<_>>()
        );
        for (name, values) in &before {
            let unused = name.contains("encoder.layers.3.") || name.contains("post_layernorm");
            let should = learns.contains(&name.split('.').next().unwrap()) && !unused;
            assert_eq!(*values != after[name], should, "{stage:?} {name}");
        }
    }
}

fn answer(model: &Model) -> Vec<f32> {
    let mut cache = model.new_cache();
    let input = vec![Input::Tokens((3..30).collect())];
    let mut steps = [Step {
        cache: &mut cache,
        input,
        logits: true,
    }];
    model
        .forward(&mut steps, &Silent)
        .unwrap()
        .remove(0)
        .unwrap()
}

#[test]
fn a_merged_adapter_answers_as_the_trained_model() {
    let place = Place::new("base", 26);
    let settings = place.settings(Stage::Lora, "lora");
    let trained = train(&settings, &mut After(None)).unwrap();
    let merged = place.folder.path().join("merged");
    adapter::merge(place.model.path(), &trained.model, &merged).unwrap();
    let (before, after) = (tensors(place.model.path()), tensors(&merged));
    for (name, values) in &before {
        let should = name.contains("_proj.weight") && name.contains("model.layers")
            || name.contains("projector");
        assert_eq!(*values != after[name], should, "{name}");
    }
    // The learner's own forward, with the adapter kept apart, from the saved state.
    let learner = visavis_train::learner::Learner::open(
        Checkpoint::open(place.model.path()).unwrap(),
        settings.trainable(),
        settings.seed,
        visavis_train::learner::Compute::default(),
    )
    .unwrap();
    let facts = visavis_train::state::facts(&settings.out).unwrap().unwrap();
    let mut optimiser =
        visavis_train::optimiser::Optimiser::new(settings.adam.clone(), learner.parameters())
            .unwrap();
    visavis_train::state::restore(&settings.out, &facts, &learner, &mut optimiser).unwrap();
    let ids: Vec<u32> = (3..30).collect();
    let model = learner.model();
    let mut x = model.embed_ids(&ids).unwrap();
    for layer in 0..model.layers() {
        x = model.layer(layer, &x, &[ids.len()]).unwrap();
    }
    let logits = model.ops().to_host(&model.row_logits(&x).unwrap()).unwrap();
    let rows = model.config().language.vocab_rows;
    let apart = &logits[(ids.len() - 1) * rows..];
    let plain = answer(&Model::load(place.model.path(), DeviceChoice::Cpu, &Silent).unwrap());
    let ours = answer(&Model::load(&merged, DeviceChoice::Cpu, &Silent).unwrap());
    let distance = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .fold(0.0f32, |m, (a, b)| m.max((a - b).abs()))
    };
    assert!(distance(&ours, &plain) > 1e-2, "the adapter does something");
    assert!(distance(&ours, apart) < 1e-3, "{}", distance(&ours, apart));
    // An adapter of another model.
    let other = TinyModel::preset("grouped");
    let error = adapter::merge(other.path(), &trained.model, &merged).unwrap_err();
    assert!(error.to_string().contains("another model"), "{error}");
}

#[test]
fn mistakes_are_said_and_leave_things_as_they_were() {
    let place = Place::new("base", 12);
    let fails = |settings: &Settings| train(settings, &mut After(None)).unwrap_err().to_string();
    let good = place.settings(Stage::Instruct, "out");
    // Other settings in the folder of a run.
    assert!(matches!(
        train(&good, &mut After(Some(1))),
        Err(Error::Stopped { step: 1 })
    ));
    let other = Settings {
        rate: Some(5e-4),
        ..good.clone()
    };
    assert!(fails(&other).contains("rate = 0.001"), "{}", fails(&other));
    // Another model under the same path.
    let wide = TinyModel::preset("wide");
    for entry in std::fs::read_dir(wide.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, place.model.path().join(path.file_name().unwrap())).unwrap();
    }
    assert!(fails(&good).contains("not the model"), "{}", fails(&good));
    // A missing picture and a broken row are named with their rows.
    let place = Place::new("base", 12);
    std::fs::remove_file(place.folder.path().join("2.png")).unwrap();
    let said = fails(&place.settings(Stage::Instruct, "a"));
    assert!(
        said.contains("data.json, row ") && said.contains("2.png"),
        "{said}"
    );
    let data = place.folder.path().join("data.json");
    std::fs::write(
        &data,
        r#"[{"id": "x", "conversations": [{"from": "human", "value": "<image>"}]}]"#,
    )
    .unwrap();
    let said = fails(&place.settings(Stage::Instruct, "b"));
    assert!(said.contains("row 1 (x)"), "{said}");
    std::fs::write(&data, "{").unwrap();
    assert!(fails(&place.settings(Stage::Instruct, "c")).contains("not a LLaVA data file"));
    let none = Settings {
        model: place.folder.path().join("nowhere"),
        ..place.settings(Stage::Instruct, "d")
    };
    assert!(fails(&none).contains("no model here"));
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint() {
    let place = Place::new("base", 26);
    let settings = Settings {
        rate: Some(1e30),
        warmup: 0.3,
        save_steps: Some(1),
        ..place.settings(Stage::Instruct, "out")
    };
    let error = train(&settings, &mut After(None)).unwrap_err();
    let Error::NotANumber { step, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        error.to_string().contains(&format!("step {}", step - 1)),
        "{error}"
    );
    let facts = visavis_train::state::facts(&settings.out).unwrap().unwrap();
    assert_eq!((facts.step, facts.finished), (step - 1, false));
    assert!(settings.out.join("model/model.safetensors").exists());
}
