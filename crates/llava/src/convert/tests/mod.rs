//! Written models read back: pairs of files, progress, and what is refused.

mod variants;

use super::*;

use crate::checkpoint::{StoredType, inspect};
use crate::device::DeviceChoice;
use crate::watch::{Interrupted, Silent};
use crate::{Input, Model, Stage, Step};
use std::collections::BTreeMap;
use visavis_kernels::DType;

const RECIPES: [Recipe; 4] = [Recipe::F32, Recipe::F16, Recipe::Q8_0, Recipe::Q4KM];

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn made_up(recipe: Recipe, folder: &Path) -> Written {
    synth(Shape::Tiny, recipe, folder, false, &Silent).unwrap()
}

fn error(path: &Path) -> String {
    match Checkpoint::open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(e) => e.to_string(),
    }
}

/// Copies a written file beside others under another name.
fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

#[test]
fn made_up_models_run_in_every_recipe() {
    for recipe in RECIPES {
        let folder = folder();
        let written = made_up(recipe, folder.path());
        assert_eq!(written.notes, [""; 0]);
        let inspection = inspect(folder.path()).unwrap();
        assert_eq!(inspection.problems, [""; 0], "{recipe:?}");
        let model = Model::load(&written.language, DeviceChoice::Cpu, &Silent).unwrap();
        let pixels = vec![0.5; 3 * 56 * 56];
        let features = std::sync::Arc::new(model.see(&pixels, &Silent).unwrap());
        let mut cache = model.new_cache();
        let rows = 0..features.len();
        let ids = model.tokenizer().encode("hello there").unwrap();
        let mut step = Step {
            cache: &mut cache,
            input: vec![Input::Image { features, rows }, Input::Tokens(ids)],
            logits: true,
        };
        let logits = model
            .forward(std::slice::from_mut(&mut step), &Silent)
            .unwrap();
        let logits = logits[0].as_ref().unwrap();
        assert_eq!(logits.len(), 1024);
        let size = logits.iter().map(|v| v * v).sum::<f32>() / 1024.0;
        assert!((0.01..100.0).contains(&size), "{recipe:?}: {size}");
    }
}

#[test]
fn the_mix_of_types_is_llama_cpps() {
    let folder = folder();
    made_up(Recipe::Q4KM, folder.path());
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(
        checkpoint.format,
        "GGUF, Q4_K language model, F16 vision tower"
    );
    assert_eq!(checkpoint.rope, RopeLayout::Interleaved);
    assert!(checkpoint.weights.quantised());
    let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, entry) in checkpoint.weights.iter() {
        if let StoredType::Float(dtype) = entry.stored
            && dtype.is_quantised()
        {
            types.entry(dtype.name()).or_default().push(name);
        }
    }
    // Four layers: the third and the fourth get more bits for v and down; so does the head.
    let layer = |n: usize, part: &str| format!("language_model.model.layers.{n}.{part}.weight");
    let mut six = vec!["language_model.lm_head.weight".to_owned()];
    for n in [2, 3] {
        six.push(layer(n, "mlp.down_proj"));
        six.push(layer(n, "self_attn.v_proj"));
    }
    assert_eq!(types["Q6_K"], six);
    assert_eq!(types["Q4_K"].len(), 4 * 7 + 2 - 5);
    assert_eq!(types.len(), 2);
}

#[test]
fn made_up_bytes_are_the_same_each_time() {
    let (a, b) = (folder(), folder());
    let first = made_up(Recipe::Q4KM, a.path());
    let second = made_up(Recipe::Q4KM, b.path());
    for (x, y) in [
        (first.language, second.language),
        (first.vision, second.vision),
    ] {
        assert!(std::fs::read(x).unwrap() == std::fs::read(y).unwrap());
    }
}

#[test]
fn an_interruption_leaves_nothing_behind() {
    for at in 0..4 {
        let folder = folder();
        let stop = |stage: Stage, done: u64, total: u64| {
            assert_eq!(stage, Stage::Converting);
            if done >= total * at / 4 {
                Err(Interrupted)
            } else {
                Ok(())
            }
        };
        let result = synth(Shape::Tiny, Recipe::Q8_0, folder.path(), false, &stop);
        assert!(matches!(result, Err(Error::Interrupted(_))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_model_is_not_overwritten_unasked() {
    let folder = folder();
    let written = made_up(Recipe::F16, folder.path());
    let before = std::fs::metadata(&written.vision).unwrap().modified();
    let again = synth(Shape::Tiny, Recipe::F16, folder.path(), false, &Silent);
    assert!(again.unwrap_err().to_string().contains("already"));
    let after = std::fs::metadata(&written.vision).unwrap().modified();
    assert_eq!(before.unwrap(), after.unwrap());

    std::fs::write(&written.language, b"an older file").unwrap();
    synth(Shape::Tiny, Recipe::F16, folder.path(), true, &Silent).unwrap();
    assert!(Checkpoint::open(&written.language).is_ok());

    // What is there stays until the new files are whole.
    let stop = |_: Stage, done: u64, total: u64| {
        if done > total / 2 {
            Err(Interrupted)
        } else {
            Ok(())
        }
    };
    std::fs::write(&written.language, b"an older file").unwrap();
    let stopped = synth(Shape::Tiny, Recipe::F16, folder.path(), true, &stop);
    assert!(matches!(stopped, Err(Error::Interrupted(_))));
    let kept = std::fs::read(&written.language).unwrap();
    assert_eq!(kept, b"an older file");
    std::fs::remove_file(&written.vision).unwrap();
    std::fs::create_dir(&written.vision).unwrap();
    let refused = synth(Shape::Tiny, Recipe::F16, folder.path(), true, &Silent);
    assert!(refused.unwrap_err().to_string().contains("no file"));
}

#[test]
fn a_model_in_gguf_is_converted_on() {
    let (from, to) = (folder(), folder());
    let first = made_up(Recipe::F32, from.path());
    let source = Checkpoint::open(&first.language).unwrap();
    let onward = |recipe, name| {
        let target = Target {
            folder: to.path(),
            name,
            replace: false,
        };
        convert(&source, recipe, &target, &Silent).unwrap()
    };
    let quantised = onward(Recipe::Q4KM, "small");
    assert_eq!(quantised.notes, [""; 0]);
    let small = Checkpoint::open(&quantised.language).unwrap();
    assert_eq!(small.config, source.config);
    assert_eq!(small.tokenizer.pieces(), source.tokenizer.pieces());
    // Rows of q lie as they lay: blocks encoded here are blocks of the same rows.
    let name = "language_model.model.layers.1.self_attn.q_proj.weight";
    let rows = |c: &Checkpoint| c.weights.matrix(name, &[256, 256]).unwrap().to_f32();
    let (before, after) = (rows(&source), rows(&small));
    let apart = before.iter().zip(&after).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f32::max) < 0.02);

    // Once more: blocks are taken over bit for bit, and what is lost is said where it is lost.
    let target = |name| Target {
        folder: to.path(),
        name,
        replace: false,
    };
    let again = convert(&small, Recipe::Q4KM, &target("again"), &Silent).unwrap();
    assert_eq!(again.notes, [""; 0]);
    let copied = Checkpoint::open(&again.language).unwrap();
    let bits = |c: &Checkpoint| c.weights.matrix(name, &[256, 256]).unwrap().data().to_vec();
    assert!(bits(&copied) == bits(&small));
    let wider = convert(&small, Recipe::F16, &target("wider"), &Silent).unwrap();
    assert!(wider.notes.join(" ").contains("stays lost"));
}

#[test]
fn a_name_does_not_lead_out_of_the_folder() {
    let folder = folder();
    let source = made_up(Recipe::F32, folder.path());
    let source = Checkpoint::open(&source.language).unwrap();
    for name in ["", "../x", "a/b", "a\\b", ".hidden", "c:x"] {
        let target = Target {
            folder: folder.path(),
            name,
            replace: false,
        };
        let refused = convert(&source, Recipe::F16, &target, &Silent);
        assert!(matches!(refused, Err(Error::Request(_))), "{name}");
    }
}

#[test]
fn two_pairs_in_one_folder_are_told_apart() {
    // Of different widths: whichever file is named.
    let folder = folder();
    let small = made_up(Recipe::Q8_0, folder.path());
    let mut config = Shape::Tiny.config();
    (config.language.hidden, config.language.head_dim) = (512, 128);
    let wide = write_pair(&config, folder.path(), "wide");
    for (path, hidden) in [
        (&small.language, 256),
        (&small.vision, 256),
        (&wide.language, 512),
        (&wide.vision, 512),
    ] {
        let checkpoint = Checkpoint::open(path).unwrap();
        assert_eq!(checkpoint.config.language.hidden, hidden, "{path:?}");
    }
    assert!(error(folder.path()).contains("several models are here"));

    // Of one width: by the name that they give themselves.
    let twin = write_pair(&Shape::Tiny.config(), folder.path(), "twin");
    for (named, half) in [
        (&small.language, &small.vision),
        (&small.vision, &small.language),
        (&twin.language, &twin.vision),
        (&twin.vision, &twin.language),
    ] {
        let files = Checkpoint::open(named).unwrap().weights.files();
        assert!(files.iter().any(|(path, _)| path == half), "{named:?}");
        assert_eq!(files.len(), 2);
    }
}

/// A made-up model of any shape.
fn write_pair(config: &crate::config::Config, folder: &Path, name: &str) -> Written {
    let preprocess = crate::image::Preprocess {
        size: 56,
        aspect: crate::image::Aspect::Pad,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    let vocabulary = synth::vocabulary(config.language.vocab_rows);
    let blueprint = Blueprint {
        name,
        config,
        preprocess: &preprocess,
        vocabulary: &vocabulary,
        recipe: Recipe::Q8_0,
        rope: RopeLayout::Half,
    };
    let target = Target {
        folder,
        name,
        replace: false,
    };
    write(&blueprint, &target, &synth::MadeUp, &Silent).unwrap()
}

#[test]
fn either_file_or_the_folder_names_the_model() {
    let folder = folder();
    let written = made_up(Recipe::Q8_0, folder.path());
    for path in [folder.path(), &written.language, &written.vision] {
        let checkpoint = Checkpoint::open(path).unwrap();
        assert_eq!(checkpoint.config, Shape::Tiny.config());
        assert_eq!(checkpoint.preprocess.size, 56);
    }
}

#[test]
fn a_missing_half_is_named() {
    let folder = folder();
    let written = made_up(Recipe::Q8_0, folder.path());
    let aside = folder.path().join("aside");
    std::fs::rename(&written.vision, &aside).unwrap();
    for path in [folder.path(), &written.language] {
        let message = error(path);
        assert!(message.contains("vision tower (mmproj)"), "{message}");
    }
    std::fs::rename(&aside, &written.vision).unwrap();
    std::fs::remove_file(&written.language).unwrap();
    assert!(error(folder.path()).contains("its language model must lie"));
    std::fs::remove_file(&written.vision).unwrap();
    std::fs::write(folder.path().join("x.gguf"), b"GGUF").unwrap();
    let message = error(folder.path());
    assert!(
        message.contains("no LLaVA-1.5 model") && message.contains("x.gguf"),
        "{message}"
    );
}

#[test]
fn several_models_are_told_apart_by_name_then_by_width() {
    let folder = folder();
    let q8 = made_up(Recipe::Q8_0, folder.path());
    let other = folder.path().join("other-Q8_0.gguf");
    copy(&q8.language, &other);
    let message = error(folder.path());
    assert!(message.contains("other-Q8_0.gguf"), "{message}");
    assert!(
        message.contains("name the file of the language model"),
        "{message}"
    );
    assert!(Checkpoint::open(&other).is_ok());
    assert!(error(&q8.vision).contains("name the file of the language model"));

    // A second vision tower that fits is ambiguous, one of another width is not.
    let second = folder.path().join("mmproj-second.gguf");
    copy(&q8.vision, &second);
    assert!(error(&q8.language).contains("name the mmproj file"));
    std::fs::remove_file(&other).unwrap();
    assert!(Checkpoint::open(&second).is_ok());
    std::fs::remove_file(&second).unwrap();
    write_other_width(folder.path());
    let checkpoint = Checkpoint::open(&q8.language).unwrap();
    assert_eq!(checkpoint.config.language.hidden, 256);
    std::fs::remove_file(&q8.vision).unwrap();
    let message = error(&q8.language);
    assert!(
        message.contains("width 512") && message.contains("width 256"),
        "{message}"
    );
}

/// A vision tower for a language model of width 512.
fn write_other_width(folder: &Path) {
    let mut config = Shape::Tiny.config();
    config.language.hidden = 512;
    write_vision(&config, folder, "wide");
}

fn write_vision(config: &crate::config::Config, folder: &Path, name: &str) {
    let preprocess = crate::image::Preprocess {
        size: 56,
        aspect: crate::image::Aspect::Pad,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    let vocabulary = synth::vocabulary(config.language.vocab_rows);
    let blueprint = Blueprint {
        name,
        config,
        preprocess: &preprocess,
        vocabulary: &vocabulary,
        recipe: Recipe::F16,
        rope: RopeLayout::Half,
    };
    let mut progress = Progress {
        watch: &Silent,
        done: 0,
        total: 1,
    };
    let vision = blueprint.vision(folder);
    let unnamed = vision.write(&synth::MadeUp, &mut progress).unwrap();
    unnamed.keep().unwrap();
}

#[test]
fn a_header_that_was_written_is_read_back() {
    let folder = folder();
    write_other_width(folder.path());
    let path = folder.path().join("mmproj-wide-F16.gguf");
    let bytes = std::fs::read(path).unwrap();
    crate::checkpoint::gguf::check_bytes(&bytes).unwrap();
}

#[test]
fn rows_of_a_head_are_interleaved() {
    let tensor = Tensor {
        name: String::new(),
        canonical: String::new(),
        shape: vec![12, 1],
        dtype: DType::F32,
        heads: Some(2),
    };
    let order: Vec<usize> = (0..12).map(|row| source_row(&tensor, 12, row)).collect();
    assert_eq!(order, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
}

#[test]
fn names_of_shapes_are_read() {
    assert_eq!("13b".parse(), Ok(Shape::ThirteenB));
    assert!("70b".parse::<Shape>().unwrap_err().contains("13b"));
    // Section 1.3 and 1.1 of the paper's model: 6,738,415,616 and 23 blocks, projector.
    let parameters = Shape::SevenB.config().parameters();
    assert_eq!(parameters, 6_738_415_616 + 20_979_712 + 290_909_184);
}
