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
use visavis_llava::ops::CandleOps;
use visavis_llava::watch::Silent;
use visavis_llava::{ImageFeatures, Input, Model, Step};
use visavis_testkit::blocks::{self, BlockModel};
use visavis_testkit::golden::{self, distance};
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
#[test]
fn each_block_type_computes_what_transformers_computes() {
    // Keys and values are kept in 16 bits beside blocks, and activations are rounded to 14 bits;
    // both move logits by a few 1e-4 of the largest. The nearest mistake, a minimum or a high bit
    // misread in one matrix, moves them by more than 1e-1.
    const TOLERANCE: f64 = 4e-3;
    for kind in blocks::KINDS {
        let files = BlockModel::new(kind);
        let golden = golden::load_blocks(kind);
        assert_eq!(
            files.sha256, golden.sha256,
            "{kind}: other bytes than the reference had"
        );
        let model = Model::load(&files.language(), DeviceChoice::Cpu, &Silent)
            .unwrap_or_else(|e| panic!("{kind}: {e}"));
        let size = blocks::spec().vision.image_size;
        let pixels = formula::pixels(size, golden.picture);
        let features = Arc::new(model.see(&pixels, &Silent).expect("features"));
        let rows = model.features_to_host(&features).expect("features");
        let rows: Vec<&[f32]> = rows.chunks_exact(model.config().language.hidden).collect();
        let kept = [rows[0], rows[7], rows[15]].concat();
        let far = distance(&kept, &golden.features);
        assert!(far <= TOLERANCE / 4.0, "{kind}: features {far:.1e}");

        let mut cache = model.new_cache();
        let mut input = prompt(&golden.ids, &features);
        for (step, &expected) in golden.greedy.iter().enumerate() {
            let logits = step_logits(&model, &mut cache, input);
            if let Some(at) = golden.steps.iter().position(|s| *s == step) {
                let stored = &golden.logits[at * logits.len()..][..logits.len()];
                let far = distance(&logits, stored);
                assert!(far <= TOLERANCE, "{kind}: step {step}, logits {far:.1e}");
            }
            let close = golden.margins[step] < 2.0 * TOLERANCE;
            assert!(argmax(&logits) == expected || close, "{kind}: step {step}");
            input = vec![Input::Tokens(vec![expected])];
        }
    }
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

/// Text only: llama.cpp's picture path computes something else than the paper's model.
#[test]
fn text_is_continued_as_llama_cpp_continues_it() {
    let golden: LlamaCpp = golden::read(&golden::folder().join("llama_cpp.json"));
    for case in &golden.models {
        let model = loaded(&case.preset, Recipe::F32).model;
        for run in &case.runs {
            let bos = model.tokenizer().bos();
            let ids = model.tokenizer().encode(&run.prompt).expect("ids");
            let ids: Vec<u32> = [vec![bos], ids].concat();
            assert_eq!(ids, run.prompt_ids, "{}: {:?}", case.preset, run.prompt);
            let mut cache = model.new_cache();
            let mut input = vec![Input::Tokens(ids)];
            let mut answer = Vec::new();
            while answer.len() < run.ids.len() {
                answer.push(argmax(&step_logits(&model, &mut cache, input)));
                input = vec![Input::Tokens(answer[answer.len() - 1..].to_vec())];
            }
            assert_eq!(answer, run.ids, "{}: {:?}", case.preset, run.prompt);
            let text = model.tokenizer().decode(&answer).expect("text");
            assert_eq!(
                text.trim(),
                run.text.trim(),
                "{}: {:?}",
                case.preset,
                run.prompt
            );
        }
    }
}

/// What llama.cpp wrote (tests/golden/make_llama_cpp.py).
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LlamaCpp {
    #[serde(rename = "made_with")]
    _made_with: String,
    models: Vec<LlamaCppModel>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LlamaCppModel {
    preset: String,
    runs: Vec<LlamaCppRun>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LlamaCppRun {
    prompt: String,
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    text: String,
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
                // Keys and values in 16 bits, where the language model is quantised.
                let tolerance = if recipe == Recipe::F16 { 1e-4 } else { 5e-3 };
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
