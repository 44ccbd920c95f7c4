//! Damaged, incomplete and foreign checkpoints: an error that names the file, never a panic.

use serde_json::{Value, json};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use visavis_llava::Model;
use visavis_llava::device::DeviceChoice;
use visavis_llava::watch::Silent;
use visavis_testkit::{TinyModel, faults, formula, temporary_folder};

/// The error of loading `path`; `None` when it loads. A panic fails the test.
fn load_error(path: &Path, what: &str) -> Option<String> {
    let load = || Model::load(path, DeviceChoice::Cpu, &Silent);
    match catch_unwind(AssertUnwindSafe(load)) {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => panic!("{what}: loading panicked"),
    }
}

/// Damages a fresh copy of `preset`; the error must contain all of `expected`.
fn refused(preset: &str, what: &str, damage: impl FnOnce(&Path), expected: &[&str]) {
    let model = TinyModel::preset(preset);
    damage(model.path());
    let error = load_error(model.path(), what).unwrap_or_else(|| panic!("{what}: it loaded"));
    for part in expected {
        assert!(error.contains(part), "{what}: {error:?} lacks {part:?}");
    }
}

#[test]
fn cut_files() {
    let length = {
        let model = TinyModel::preset("base");
        fs::metadata(model.path().join("model.safetensors"))
            .expect("a file")
            .len()
    };
    for keep in [0, 1, 7, 8, 9, 1000, length / 2, length - 1] {
        refused(
            "base",
            &format!("cut to {keep}"),
            |dir| faults::truncate(&dir.join("model.safetensors"), keep),
            &["model.safetensors"],
        );
    }
    for n in 0..3 {
        let name = format!("model-0000{}-of-00003.safetensors", n + 1);
        let cut = |dir: &Path| faults::truncate(&faults::weight_files(dir)[n], 5000);
        refused("grouped", "a cut shard", cut, &[&name]);
    }
}

#[test]
fn longer_files() {
    let append = |dir: &Path| {
        let path = dir.join("model.safetensors");
        let mut bytes = fs::read(&path).expect("a file");
        bytes.extend([0; 4]);
        fs::write(&path, bytes).expect("a longer file");
    };
    refused("base", "four bytes more", append, &["model.safetensors"]);
}

#[test]
fn missing_files() {
    for n in 0..3 {
        let name = format!("model-0000{}-of-00003.safetensors", n + 1);
        let drop_it = |dir: &Path| {
            faults::drop_shard(dir, n);
        };
        refused("grouped", "a missing shard", drop_it, &[&name]);
    }
    let remove = |name: &'static str| {
        move |dir: &Path| fs::remove_file(dir.join(name)).expect("a file to remove")
    };
    refused("base", "no config", remove("config.json"), &["config.json"]);
    refused(
        "base",
        "no tokenizer",
        remove("tokenizer.json"),
        &["tokenizer.json"],
    );
    refused(
        "base",
        "no weights",
        remove("model.safetensors"),
        &["model.safetensors"],
    );
    let index = "model.safetensors.index.json";
    refused("grouped", "no index", remove(index), &[index]);

    let empty = temporary_folder();
    let error = load_error(empty.path(), "an empty folder").expect("an error");
    assert!(error.contains("config.json"), "{error}");
    let nowhere = empty.path().join("nowhere");
    let error = load_error(&nowhere, "no folder").expect("an error");
    assert!(error.contains("nowhere"), "{error}");
}

/// Every tensor that is needed is missed by name; what LLaVA never runs is not.
#[test]
fn missing_tensors() {
    let spec = visavis_testkit::preset("linear");
    let last = format!("encoder.layers.{}.", spec.vision.layers - 1);
    let mut unused = 0;
    for (name, _) in spec.tensors() {
        let model = TinyModel::new(spec.clone());
        faults::drop_tensor(model.path(), &name);
        let needed = !name.contains("post_layernorm") && !name.contains(&last);
        match load_error(model.path(), &name) {
            Some(error) => assert!(needed && error.contains(&name), "{name}: {error}"),
            None => {
                assert!(!needed, "{name} was not missed");
                unused += 1;
            }
        }
    }
    assert_eq!(unused, 16 + 2);
}

#[test]
fn wrong_shapes_and_types() {
    let tower = "vision_tower.vision_model.embeddings";
    for name in [
        "language_model.model.embed_tokens.weight",
        "language_model.model.layers.1.mlp.gate_proj.weight",
        "language_model.model.layers.0.input_layernorm.weight",
        "multi_modal_projector.linear_1.weight",
        &format!("{tower}.position_embedding.weight"),
        &format!("{tower}.patch_embedding.weight"),
        "vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
    ] {
        let shape = |dir: &Path| {
            faults::wrong_shape(dir, name);
        };
        refused("base", "a shape", shape, &["model.safetensors", name]);
        let dtype = |dir: &Path| {
            faults::wrong_dtype(dir, name);
        };
        refused("base", "a type", dtype, &["model.safetensors", name, "I8"]);
    }
}

#[test]
fn lying_headers() {
    for length in [
        0,
        1,
        2,
        100,
        100_000_001,
        u64::MAX / 2,
        u64::MAX - 7,
        u64::MAX,
    ] {
        refused(
            "base",
            &format!("a header of {length}"),
            |dir| faults::lying_header(&dir.join("model.safetensors"), length),
            &["model.safetensors"],
        );
    }
    // A byte that is not UTF-8, and offsets that point elsewhere.
    let garbage = |dir: &Path| faults::overwrite(&dir.join("model.safetensors"), 40, &[0xFF; 8]);
    refused("base", "garbage", garbage, &["model.safetensors"]);
}

/// One byte of the header changed, a few hundred times: it loads or it fails, it never panics.
#[test]
fn changed_header_bytes() {
    let model = TinyModel::preset("linear");
    let path = model.path().join("model.safetensors");
    let sound = fs::read(&path).expect("the weights");
    let header = u64::from_le_bytes(sound[..8].try_into().expect("eight bytes")) as usize + 8;
    for n in 0..300 {
        let random = formula::mix(n);
        let mut bytes = sound.clone();
        let at = (random >> 8) as usize % header;
        bytes[at] ^= (random as u8).max(1);
        fs::write(&path, bytes).expect("changed weights");
        load_error(model.path(), &format!("header byte {at}"));
    }
}

#[test]
fn damaged_json() {
    for (preset, name) in [
        ("base", "config.json"),
        ("base", "tokenizer.json"),
        ("base", "preprocessor_config.json"),
        ("grouped", "model.safetensors.index.json"),
    ] {
        refused(
            preset,
            name,
            |dir| faults::broken_json(&dir.join(name)),
            &[name],
        );
        refused(
            preset,
            name,
            |dir| fs::write(dir.join(name), "").expect("empty"),
            &[name],
        );
        let text = |dir: &Path| fs::write(dir.join(name), b"\xFF\xFE<html>").expect("not JSON");
        refused(preset, name, text, &[name]);
    }
}

/// Every value of config.json replaced by nonsense: an error that names the file, or a model.
#[test]
fn absurd_configurations() {
    let model = TinyModel::preset("full");
    let path = model.path().join("config.json");
    let sound: Value =
        serde_json::from_str(&fs::read_to_string(&path).expect("a config")).expect("JSON");
    let pointers = pointers(&sound, "");
    assert!(pointers.len() > 40);
    for pointer in pointers {
        for absurd in [
            json!(null),
            json!(-1),
            json!(0),
            json!(1),
            json!(3),
            json!(1u64 << 40),
            json!(u64::MAX),
            json!(1e300),
            json!("x"),
            json!([]),
            json!({}),
            json!(true),
        ] {
            let mut changed = sound.clone();
            *changed.pointer_mut(&pointer).expect("the value") = absurd.clone();
            fs::write(&path, changed.to_string()).expect("a config");
            let what = format!("{pointer} = {absurd}");
            if let Some(error) = load_error(model.path(), &what) {
                let names_a_file = ["config.json", "safetensors", "tokenizer.json", "is missing"]
                    .iter()
                    .any(|file| error.contains(file));
                assert!(names_a_file, "{what}: {error}");
            }
        }
    }
}

fn pointers(value: &Value, at: &str) -> Vec<String> {
    let Value::Object(map) = value else {
        return vec![at.to_owned()];
    };
    let mut all: Vec<String> = (!at.is_empty())
        .then(|| at.to_owned())
        .into_iter()
        .collect();
    for (key, part) in map {
        all.extend(pointers(part, &format!("{at}/{key}")));
    }
    all
}

#[test]
fn shapes_that_do_not_fit_the_weights() {
    for (pointer, value) in [
        ("/text_config/hidden_size", json!(64)),
        ("/text_config/num_attention_heads", json!(4)),
        ("/text_config/vocab_size", json!(513)),
        ("/text_config/num_hidden_layers", json!(4)),
        ("/vision_config/image_size", json!(70)),
        ("/vision_config/num_hidden_layers", json!(9)),
        ("/projector_hidden_act", json!("relu")),
        ("/model_type", json!("llava_next")),
    ] {
        let model = TinyModel::preset("theta");
        faults::edit_json(&model.path().join("config.json"), |config| {
            *config.pointer_mut(pointer).expect("a value") = value;
        });
        assert!(
            load_error(model.path(), pointer).is_some(),
            "{pointer}: it loaded"
        );
    }
}

#[test]
fn a_shard_outside_the_folder_is_not_opened() {
    for name in [
        "../model.safetensors",
        "/etc/hostname",
        "a/b.safetensors",
        "..",
    ] {
        let lead_out = |dir: &Path| {
            let index = dir.join("model.safetensors.index.json");
            faults::edit_json(&index, |value| {
                let map = value["weight_map"].as_object_mut().expect("a map");
                map.values_mut().for_each(|file| *file = json!(name));
            });
        };
        refused("grouped", name, lead_out, &["model.safetensors.index.json"]);
    }
}

#[test]
fn a_tokenizer_larger_than_the_table() {
    let too_many = |dir: &Path| {
        faults::too_many_ids(dir, 512);
    };
    refused("base", "a large tokenizer", too_many, &["tokenizer.json"]);
}

#[test]
fn original_weights_are_explained() {
    let folder = temporary_folder();
    faults::original_layout(folder.path());
    let error = load_error(folder.path(), "the original layout").expect("an error");
    assert!(error.contains("llava-hf"), "{error}");
}

/// A file of the folder stands for the folder.
#[test]
fn a_file_inside_the_folder_opens_the_model() {
    let model = TinyModel::preset("base");
    for name in ["config.json", "model.safetensors"] {
        assert_eq!(load_error(&model.path().join(name), name), None);
    }
}

#[test]
fn weights_that_are_not_numbers_show_in_the_logits() {
    let model = TinyModel::preset("base");
    faults::not_numbers(
        model.path(),
        "language_model.model.layers.1.mlp.up_proj.weight",
    );
    let model = Model::load(model.path(), DeviceChoice::Cpu, &Silent).expect("a model");
    let mut cache = model.new_cache();
    let input = vec![visavis_llava::Input::Tokens(vec![1, 300])];
    let step = visavis_llava::Step {
        cache: &mut cache,
        input,
        logits: true,
    };
    let logits = model.forward(&mut [step], &Silent).expect("a pass");
    let logits = logits[0].as_ref().expect("logits");
    assert!(
        logits.iter().all(|v| v.is_nan()),
        "NaN must reach the sampler, which reports it"
    );
}

#[test]
fn weights_that_change_while_loaded_are_noticed() {
    let tiny = TinyModel::preset("base");
    let model = Model::load(tiny.path(), DeviceChoice::Cpu, &Silent).expect("a model");
    assert!(model.check_unchanged().is_ok());
    let path = tiny.path().join("model.safetensors");
    let length = fs::metadata(&path).expect("the weights").len();
    faults::truncate(&path, length - 4);
    let error = model.check_unchanged().expect_err("a cut file").to_string();
    assert!(error.contains("model.safetensors"), "{error}");
}
