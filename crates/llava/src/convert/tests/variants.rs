//! Files as other programs write them: older names, split parts, settings left out, and the
//! models that only look like LLaVA-1.5.

use super::super::output::{Output, Setting};
use super::*;
use crate::config::Config;

/// A made-up model's plan, and a folder to write it to.
struct Plan {
    folder: tempfile::TempDir,
    language: Output,
    vision: Output,
}

fn plan(config: &Config) -> Plan {
    let folder = folder();
    let preprocess = crate::image::Preprocess {
        size: 56,
        aspect: crate::image::Aspect::Pad,
        mean: [0.5, 0.25, 0.125],
        std: [0.5; 3],
    };
    let vocabulary = synth::vocabulary(config.language.vocab_rows);
    let blueprint = Blueprint {
        name: "x",
        config,
        preprocess: &preprocess,
        vocabulary: &vocabulary,
        recipe: Recipe::F16,
        rope: RopeLayout::Half,
    };
    Plan {
        language: blueprint.language(folder.path()),
        vision: blueprint.vision(folder.path()),
        folder,
    }
}

impl Plan {
    fn write(&self, rows: &dyn Rows) {
        for output in [&self.language, &self.vision] {
            write_one(output, rows);
        }
    }

    /// Writes the plan after a change, and the error that loading it gives.
    fn refused(change: &dyn Fn(&mut Plan)) -> String {
        let mut plan = plan(&Shape::Tiny.config());
        change(&mut plan);
        plan.write(&synth::MadeUp);
        match Model::load(plan.folder.path(), DeviceChoice::Cpu, &Silent) {
            Ok(_) => "it was loaded".into(),
            Err(why) => why.to_string(),
        }
    }
}

fn write_one(output: &Output, rows: &dyn Rows) {
    let mut progress = Progress {
        watch: &Silent,
        done: 0,
        total: 1,
    };
    output.write(rows, &mut progress).unwrap().keep().unwrap();
}

fn set(output: &mut Output, key: &str, value: Setting) {
    output.settings.retain(|(k, _)| k != key);
    output.settings.push((key.into(), value));
}

fn remove(output: &mut Output, keys: &[&str]) {
    output.settings.retain(|(k, _)| !keys.contains(&k.as_str()));
}

fn features(path: &Path) -> Vec<u32> {
    let model = Model::load(path, DeviceChoice::Cpu, &Silent).unwrap();
    let pixels: Vec<f32> = (0..3 * 56 * 56)
        .map(|i| (i % 97) as f32 / 97.0 - 0.5)
        .collect();
    let features = model.see(&pixels, &Silent).unwrap();
    let values = model.features_to_host(&features).unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

/// Rows by canonical name, whatever the file calls the tensor.
struct ByCanonicalName;

impl Rows for ByCanonicalName {
    fn fill(&self, tensor: &Tensor, rows: Range<usize>, out: &mut [u8]) -> Result<()> {
        let mut tensor = tensor.clone();
        tensor.name = tensor.canonical.clone();
        if let [1, len] = *tensor.shape {
            tensor.shape = vec![len];
        }
        synth::MadeUp.fill(&tensor, rows, out)
    }
}

#[test]
fn files_of_2023_give_the_same_features() {
    let new = plan(&Shape::Tiny.config());
    new.write(&ByCanonicalName);
    let mut old = plan(&Shape::Tiny.config());
    let gone = [
        "clip.projector_type",
        "clip.vision.feature_layer",
        "general.type",
    ];
    remove(&mut old.vision, &gone);
    // fc1 and fc2 by each other's names, and a class token of two dimensions.
    for tensor in &mut old.vision.tensors {
        tensor.name = if tensor.name.contains("ffn_up") {
            tensor.name.replace("ffn_up", "ffn_down")
        } else {
            tensor.name.replace("ffn_down", "ffn_up")
        };
        if tensor.name == "v.class_embd" {
            tensor.shape.insert(0, 1);
        }
    }
    old.write(&ByCanonicalName);
    // Compared as a whole: thousands of numbers in a message help nobody.
    assert!(features(new.folder.path()) == features(old.folder.path()));
}

#[test]
fn a_file_with_all_of_clips_blocks_runs_one_less() {
    let mut config = Shape::Tiny.config();
    (config.vision.layers, config.vision.blocks_run) = (24, 24);
    let mut whole = plan(&config);
    remove(&mut whole.vision, &["clip.vision.feature_layer"]);
    whole.write(&synth::MadeUp);
    let checkpoint = Checkpoint::open(whole.folder.path()).unwrap();
    let vision = &checkpoint.config.vision;
    assert_eq!((vision.layers, vision.blocks_run), (24, 23));

    // As published: the last block left out, and run all that there is.
    (config.vision.layers, config.vision.blocks_run) = (23, 23);
    for stated in [23, 24] {
        let mut usual = plan(&config);
        remove(&mut usual.vision, &["clip.vision.feature_layer"]);
        let count = Setting::U32(stated);
        set(&mut usual.vision, "clip.vision.block_count", count);
        usual.write(&synth::MadeUp);
        let checkpoint = Checkpoint::open(usual.folder.path()).unwrap();
        assert_eq!(checkpoint.config.vision.blocks_run, 23);
    }
    let mut asked = plan(&config);
    let layer = Setting::I32s(vec![5]);
    set(&mut asked.vision, "clip.vision.feature_layer", layer);
    asked.write(&synth::MadeUp);
    let checkpoint = Checkpoint::open(asked.folder.path()).unwrap();
    assert_eq!(checkpoint.config.vision.blocks_run, 5);
}

#[test]
fn settings_left_out_have_their_defaults() {
    let mut plan = plan(&Shape::Tiny.config());
    let gone = [
        "llama.rope.freq_base",
        "llama.rope.dimension_count",
        "llama.attention.head_count_kv",
        "llama.vocab_size",
        "tokenizer.ggml.pre",
        "tokenizer.ggml.token_type",
        "tokenizer.ggml.bos_token_id",
    ];
    remove(&mut plan.language, &gone);
    remove(
        &mut plan.vision,
        &["clip.vision.image_mean", "clip.vision.image_std"],
    );
    plan.write(&synth::MadeUp);
    let checkpoint = Checkpoint::open(plan.folder.path()).unwrap();
    assert_eq!(checkpoint.config, Shape::Tiny.config());
    assert_eq!(checkpoint.preprocess.mean, crate::checkpoint::CLIP_MEAN);
    assert_eq!(
        (checkpoint.tokenizer.bos(), checkpoint.tokenizer.pieces()),
        (1, 1024)
    );
}

#[test]
fn pictures_are_prepared_as_the_file_says() {
    let plan = plan(&Shape::Tiny.config());
    plan.write(&synth::MadeUp);
    let preprocess = Checkpoint::open(plan.folder.path()).unwrap().preprocess;
    assert_eq!(preprocess.mean, [0.5, 0.25, 0.125]);
    assert_eq!((preprocess.std, preprocess.size), ([0.5; 3], 56));
    assert_eq!(preprocess.aspect, crate::image::Aspect::Pad);
}

/// Writes the plan's language model in `count` parts and returns their paths.
fn write_parts(plan: &Plan, count: usize) -> Vec<PathBuf> {
    let part = |n: usize| {
        let name = format!("x-{:05}-of-{count:05}.gguf", n + 1);
        let split = |key: &str, value| (key.to_owned(), Setting::U32(value));
        let mut settings = vec![
            split("split.no", n as u32),
            split("split.count", count as u32),
        ];
        if n == 0 {
            settings.extend(plan.language.settings.clone());
        }
        let tensors = plan.language.tensors.iter().skip(n).step_by(count);
        Output {
            path: plan.folder.path().join(name),
            settings,
            tensors: tensors.cloned().collect(),
        }
    };
    let parts: Vec<Output> = (0..count).map(part).collect();
    parts.iter().for_each(|p| write_one(p, &synth::MadeUp));
    parts.into_iter().map(|p| p.path).collect()
}

#[test]
fn split_files_are_joined_and_a_missing_part_is_named() {
    let whole = plan(&Shape::Tiny.config());
    whole.write(&synth::MadeUp);
    let expected = Checkpoint::open(whole.folder.path()).unwrap();
    let split = plan(&Shape::Tiny.config());
    write_one(&split.vision, &synth::MadeUp);
    let parts = write_parts(&split, 3);
    for path in [split.folder.path(), &parts[0], &parts[2]] {
        let joined = Checkpoint::open(path).unwrap();
        assert_eq!(joined.weights.files().len(), 4);
        assert_eq!(joined.config, expected.config);
        let name = "language_model.model.layers.3.mlp.down_proj.weight";
        let shape = [256, 768];
        let bits = |c: &Checkpoint| c.weights.matrix(name, &shape).unwrap().data().to_vec();
        assert!(bits(&joined) == bits(&expected));
    }
    let aside = split.folder.path().join("aside");
    std::fs::rename(&parts[1], &aside).unwrap();
    let message = error(&parts[0]);
    assert!(
        message.contains("x-00002-of-00003.gguf") && message.contains("missing"),
        "{message}"
    );
    // A part under another part's name.
    copy(&parts[2], &parts[1]);
    assert!(error(&parts[0]).contains("not part 2 of 3"));
    let renamed = split.folder.path().join("x.gguf");
    copy(&parts[0], &renamed);
    assert!(error(&renamed).contains("one part of 3"));
}

#[test]
fn what_only_looks_like_llava_is_refused() {
    let extra = |output: &mut Output, name: &str| {
        let mut tensor = output.tensors[output.tensors.len() - 1].clone();
        tensor.name = name.to_owned();
        output.tensors.push(tensor);
    };
    let text = |t: &str| Setting::Text(t.to_owned());
    let refused = Plan::refused;
    let cases = [
        (
            refused(&|p: &mut Plan| set(&mut p.language, "general.architecture", text("qwen2"))),
            "\"qwen2\" model",
        ),
        (
            refused(&|p: &mut Plan| extra(&mut p.language, "blk.0.attn_q.bias")),
            "\"blk.0.attn_q.bias\"",
        ),
        (
            refused(&|p: &mut Plan| extra(&mut p.language, "rope_freqs.weight")),
            "rotary embedding is scaled",
        ),
        (
            refused(&|p: &mut Plan| extra(&mut p.vision, "model.image_newline")),
            "\"model.image_newline\"",
        ),
        (
            refused(&|p: &mut Plan| extra(&mut p.vision, "v.patch_embd.bias")),
            "\"v.patch_embd.bias\"",
        ),
        (
            refused(&|p: &mut Plan| {
                set(
                    &mut p.vision,
                    "clip.vision.mm_patch_merge_type",
                    text("spatial_unpad"),
                )
            }),
            "LLaVA-1.6",
        ),
        (
            refused(&|p: &mut Plan| {
                p.language
                    .tensors
                    .retain(|t| t.name != "blk.2.attn_k.weight");
            }),
            "layers.2.self_attn.k_proj.weight is missing",
        ),
        (
            refused(&|p: &mut Plan| set(&mut p.vision, "clip.vision.image_size", Setting::U32(70))),
            "have 26 positions",
        ),
        (
            refused(&|p: &mut Plan| set(&mut p.vision, "clip.vision.block_count", Setting::U32(9))),
            "3 of 9 vision blocks",
        ),
        (
            refused(&|p: &mut Plan| {
                set(
                    &mut p.language,
                    "llama.attention.head_count",
                    Setting::U32(3),
                )
            }),
            "head",
        ),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn encoded_weights_lie_nearer_than_with_another_encoder() {
    use candle_core::quantized::{GgmlDType, QTensor};
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 40) as f32 / (1u64 << 24) as f32
    };
    let values: Vec<f32> = (0..64 * 1024)
        .map(|_| (0..12).map(|_| next()).sum::<f32>() - 6.0)
        .collect();
    let device = candle_core::Device::Cpu;
    let tensor = candle_core::Tensor::from_slice(&values, (64, 1024), &device).unwrap();
    for (dtype, other) in [(DType::Q4K, GgmlDType::Q4K), (DType::Q6K, GgmlDType::Q6K)] {
        let decode = |bytes: Vec<u8>| {
            let storage = visavis_kernels::Storage::new(bytes);
            visavis_kernels::Matrix::new(storage, 0, dtype, 64, 1024)
                .unwrap()
                .to_f32()
        };
        let error = |decoded: &[f32]| {
            let squares = decoded.iter().zip(&values).map(|(a, b)| (a - b) * (a - b));
            squares.map(f64::from).sum::<f64>()
        };
        let theirs = QTensor::quantize(&tensor, other).unwrap();
        let read = decode(theirs.data().unwrap().to_vec());
        // Two decoders of one format agree on every bit.
        let by_them = theirs.dequantize(&device).unwrap().flatten_all().unwrap();
        assert_eq!(read, by_them.to_vec1::<f32>().unwrap());
        let mut ours = vec![0; values.len() / dtype.block_len() * dtype.block_bytes()];
        quantise_row(dtype, &values, &mut ours).unwrap();
        assert!(error(&decode(ours)) < error(&read), "{dtype:?}");
    }
}
