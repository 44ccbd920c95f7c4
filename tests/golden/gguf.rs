//! Tiny checkpoints written as GGUF, against the reference's outputs for the checkpoints
//! themselves: names, permuted rows, settings and vocabulary must all come back right for that.

// The harness is shared with the tests of safetensors checkpoints, which need all of it.
#[allow(dead_code)]
mod model_harness;

use model_harness::{Loaded, argmax, bits, load, with_model};
use std::sync::Arc;
use visavis_llava::cache::KvCache;
use visavis_llava::checkpoint::Checkpoint;
use visavis_llava::convert::{Recipe, Target, Written, convert};
use visavis_llava::device::DeviceChoice;
use visavis_llava::ops::{CandleOps, HostOps};
use visavis_llava::watch::Silent;
use visavis_llava::{ImageFeatures, Input, Model, Step};
use visavis_testkit::blocks::{self, BlockModel};
use visavis_testkit::golden::{self, BlockGolden, distance};
use visavis_testkit::{TinyModel, formula, presets};

/// Presets that GGUF can express: all but the one that hands the class token on.
fn names() -> Vec<String> {
    let all = presets().into_iter();
    all.filter(|spec| spec.feature_select == "default")
        .map(|spec| spec.name)
        .collect()
}

fn write(
    checkpoint: &Checkpoint,
    recipe: Recipe,
    folder: &std::path::Path,
    name: &str,
) -> visavis_llava::Result<Written> {
    let target = Target {
        folder,
        name,
        replace: false,
    };
    convert(checkpoint, recipe, &target, &Silent)
}

/// The preset `name` written as GGUF; the folder also holds the checkpoint itself.
fn converted(name: &str, recipe: Recipe) -> (TinyModel, std::path::PathBuf, Vec<String>) {
    let folder = TinyModel::preset(name);
    let checkpoint = Checkpoint::open(folder.path()).expect("a checkpoint");
    let out = folder.path().join("gguf");
    let written = write(&checkpoint, recipe, &out, name).unwrap_or_else(|e| panic!("{name}: {e}"));
    (folder, written.language, written.notes)
}

fn loaded(name: &str, recipe: Recipe) -> Loaded {
    let (folder, path, _) = converted(name, recipe);
    let model =
        Model::load(&path, DeviceChoice::Cpu, &Silent).unwrap_or_else(|e| panic!("{name}: {e}"));
    with_model(name, model, folder)
}

#[test]
fn in_32_bits_nothing_changes() {
    for name in names() {
        let (plain, gguf) = (load(&name), loaded(&name, Recipe::F32));
        // 16-bit checkpoints keep their vision tower's bits too: F32 holds them all, and the
        // kernels widen to f32 before they multiply.
        for golden in &plain.golden.features {
            let [a, b] = [&plain, &gguf].map(|m| {
                let features = m.see(golden.picture);
                m.model.features_to_host(&features).expect("features")
            });
            assert_eq!(bits(&a), bits(&b), "{name}: features");
        }
        for run in &plain.golden.runs {
            let (_, before) = plain.plain(run);
            let (mut cache, mut logits) = gguf.plain(run);
            // The permutation changes the order of the sums within a head, nothing else.
            let moved = distance(&logits, &before);
            assert!(moved <= 1e-5, "{name}, {}: {moved:.1e}", run.name);
            let mut ours = Vec::new();
            while ours.len() < run.greedy.len() {
                let id = argmax(&logits);
                ours.push(id);
                logits = gguf.forward(&mut cache, vec![Input::Tokens(vec![id])]);
            }
            assert_eq!(ours, run.greedy, "{name}, {}", run.name);
        }
    }
}

#[test]
fn the_vocabulary_splits_text_as_before() {
    let texts = [
        "hello",
        "What is  shown in\nthe picture?",
        "Ünïcödé 图片 🙂",
        " </s> <image> <0x0A>",
        "ASSISTANT: a caption of two lines,\n the second indented",
    ];
    for name in ["base", "nested", "wide"] {
        let (plain, gguf) = (load(name), loaded(name, Recipe::Q8_0));
        let (a, b) = (plain.model.tokenizer(), gguf.model.tokenizer());
        assert_eq!((a.bos(), a.eos()), (b.bos(), b.eos()));
        assert_eq!((a.pieces(), a.never()), (b.pieces(), b.never()));
        for text in texts {
            let ids = a.encode(text).expect("ids");
            assert_eq!(ids, b.encode(text).expect("ids"), "{name}: {text:?}");
            assert_eq!(a.decode(&ids).expect("text"), b.decode(&ids).expect("text"));
        }
        assert_eq!(plain.model.preprocess(), gguf.model.preprocess());
    }
}

/// Every block type, with bits that no encoder chose, against what transformers computes from the
/// weights that llama.cpp's own Python code decodes them to. Teacher-forced.
///
/// Beside blocks, keys and values are kept in 16 bits and activations are rounded to 14; these
/// models, whose weights are random, make much of it. With keys and values in 32 bits the rest is
/// the activations' alone. A misread bit or minimum in one matrix of one layer moves logits by
/// more than 1e-1: see the test below.
#[test]
fn each_block_type_computes_what_transformers_computes() {
    let mut faults = Vec::new();
    for kind in blocks::KINDS {
        let files = BlockModel::new(kind);
        let golden = golden::load_blocks(kind);
        assert_eq!(
            files.sha256, golden.sha256,
            "{kind}: other bytes than the reference had"
        );
        for half_cache in [true, false] {
            let model = over_host(&files.language(), half_cache);
            let (features, logits) = distances(&model, &golden);
            let tolerance = tolerance(kind, half_cache);
            println!(
                "{kind}, 16-bit cache {half_cache}: features {features:.1e}, logits {logits:.1e}"
            );
            if features > FEATURES || logits > tolerance {
                faults.push(format!("{kind}: features {features:.1e}, logits {logits:.1e} (cache in 16 bits: {half_cache})"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The tower runs in f32 over 16-bit weights, or over blocks.
const FEATURES: f64 = 1e-3;

fn tolerance(kind: &str, half_cache: bool) -> f64 {
    match (kind, half_cache) {
        // No blocks, and a 32-bit cache unless it is forced.
        ("F16", false) => 1e-4,
        (_, false) => 5e-3,
        (_, true) => 1e-2,
    }
}

/// One level of one value in each block of one matrix changed: the tolerance sees it.
#[test]
fn a_misread_bit_in_each_block_is_seen() {
    for (kind, at) in [("Q4_0", 5), ("Q8_0", 5), ("Q4_K", 20), ("Q6_K", 20)] {
        let files = BlockModel::new(kind);
        let checkpoint = Checkpoint::open(&files.language()).expect("a checkpoint");
        let name = "language_model.model.layers.1.mlp.down_proj.weight";
        let (entry, dtype) = checkpoint
            .weights
            .entry(name, &[256, 512])
            .expect("a matrix");
        let (start, end) = (entry.offset, entry.offset + entry.bytes);
        let mut bytes = std::fs::read(files.language()).expect("the file");
        for block in bytes[start..end].chunks_exact_mut(dtype.block_bytes()) {
            // The highest bit of the level of one of 32, or of 256, values.
            block[at] ^= 0x80;
        }
        drop(checkpoint);
        std::fs::write(files.language(), bytes).expect("a changed file");
        let golden = golden::load_blocks(kind);
        let (_, logits) = distances(&over_host(&files.language(), true), &golden);
        println!("{kind}: {logits:.1e}");
        assert!(
            logits > 2.0 * tolerance(kind, true),
            "{kind}: only {logits:.1e}"
        );
    }
}

fn over_host(path: &std::path::Path, half_cache: bool) -> Model {
    let checkpoint = Checkpoint::open(path).expect("a checkpoint");
    let ops = Box::new(HostOps { half_cache });
    Model::build(checkpoint, DeviceChoice::Cpu, ops, &Silent).expect("a model")
}

/// How far features and logits are at most; infinite where another token wins although the
/// reference's first two lie farther apart than that explains.
fn distances(model: &Model, golden: &BlockGolden) -> (f64, f64) {
    let size = blocks::spec().vision.image_size;
    let pixels = formula::pixels(size, golden.picture);
    let features = Arc::new(model.see(&pixels, &Silent).expect("features"));
    let rows = model.features_to_host(&features).expect("features");
    let rows: Vec<&[f32]> = rows.chunks_exact(model.config().language.hidden).collect();
    let seen = distance(&[rows[0], rows[7], rows[15]].concat(), &golden.features);

    let mut cache = model.new_cache();
    let mut input = prompt(&golden.ids, &features);
    let mut worst = 0.0f64;
    // The widest margin at which another token won; the distance between stored steps may be a
    // little larger than at them.
    let mut crossed = 0.0f64;
    for (step, &expected) in golden.greedy.iter().enumerate() {
        let logits = step_logits(model, &mut cache, input);
        if let Some(at) = golden.steps.iter().position(|s| *s == step) {
            let stored = &golden.logits[at * logits.len()..][..logits.len()];
            worst = worst.max(distance(&logits, stored));
        }
        if argmax(&logits) != expected {
            crossed = crossed.max(golden.margins[step]);
        }
        input = vec![Input::Tokens(vec![expected])];
    }
    // Two logits may each be off by that much, in opposite directions.
    let explained = crossed <= 4.0 * worst;
    (seen, if explained { worst } else { f64::INFINITY })
}

fn prompt(ids: &[i64], features: &Arc<ImageFeatures>) -> Vec<Input> {
    let input = |id: &i64| match u32::try_from(*id) {
        Ok(id) => Input::Tokens(vec![id]),
        Err(_) => Input::Image {
            features: features.clone(),
            rows: 0..features.len(),
        },
    };
    ids.iter().map(input).collect()
}

fn step_logits(model: &Model, cache: &mut KvCache, input: Vec<Input>) -> Vec<f32> {
    let step = Step {
        cache,
        input,
        logits: true,
    };
    let logits = model.forward(&mut [step], &Silent).expect("a forward pass");
    let first = logits.into_iter().next().flatten();
    first.expect("logits")
}

/// Teacher-forced against the same blocks widened to f32 first and computed by candle.
#[test]
fn quantised_models_compute_what_their_blocks_say() {
    for recipe in [Recipe::F16, Recipe::Q8_0, Recipe::Q4KM] {
        for name in ["base", "grouped", "wide"] {
            let (folder, path, _) = converted(name, recipe);
            let ops = CandleOps {
                device: candle_core::Device::Cpu,
                dtype: candle_core::DType::F32,
            };
            let checkpoint = Checkpoint::open(&path).expect("a checkpoint");
            let widened = Model::build(checkpoint, DeviceChoice::Cpu, Box::new(ops), &Silent);
            let widened = with_model(name, widened.expect("a model"), folder);
            let gguf = loaded(name, recipe);
            for run in &gguf.golden.runs {
                let far = distance(&gguf.plain(run).1, &widened.plain(run).1);
                // As for each block type, above.
                let tolerance = if recipe == Recipe::F16 { 1e-4 } else { 1e-2 };
                assert!(
                    far <= tolerance,
                    "{name}, {recipe:?}, {}: {far:.1e}",
                    run.name
                );
            }
        }
    }
}

#[test]
fn fewer_bits_stay_near_the_reference() {
    // Random weights are the hardest case: nothing in them is redundant.
    for (recipe, tolerance) in [
        (Recipe::F16, 2e-2),
        (Recipe::Q8_0, 0.1),
        (Recipe::Q4KM, 0.8),
    ] {
        let gguf = loaded("wide", recipe);
        for run in &gguf.golden.runs {
            let far = distance(&gguf.plain(run).1, &run.logits);
            assert!(far <= tolerance, "{recipe:?}, {}: {far:.1e}", run.name);
        }
    }
}

#[test]
fn what_cannot_have_blocks_is_said() {
    let (_folder, _, notes) = converted("base", Recipe::Q4KM);
    // Widths 128 and 344: neither is a multiple of 256, and 344 is not one of 32.
    let all = notes.join("; ");
    assert!(all.contains("128 values") && all.contains("Q8_0"), "{all}");
    assert!(all.contains("344 values") && all.contains("F16"), "{all}");
    assert!(converted("wide", Recipe::Q8_0).2.is_empty());
}

#[test]
fn what_gguf_cannot_say_is_refused() {
    let folder = TinyModel::preset("full");
    let checkpoint = Checkpoint::open(folder.path()).expect("a checkpoint");
    let out = folder.path().join("gguf");
    let refused = write(&checkpoint, Recipe::F32, &out, "x");
    let message = refused.expect_err("a refusal").to_string();
    assert!(message.contains("class token"), "{message}");
}
