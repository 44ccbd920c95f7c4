//! Writes a tiny checkpoint as llava-hf writes a large one.

use crate::formula;
use crate::spec::{StoredAs, TinySpec};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// The tokenizer of every tiny model: 450 pieces, then `<image>` and `<pad>`.
const TOKENIZER: &str = include_str!("../tokenizer.json");

/// Real pieces of the tiny tokenizer; `<image>` has this id, `<pad>` the next.
pub fn pieces() -> usize {
    tokenizer()["model"]["vocab"]
        .as_object()
        .expect("a vocabulary")
        .len()
}

pub(crate) fn tokenizer() -> Value {
    serde_json::from_str(TOKENIZER).expect("tokenizer.json")
}

/// A named tensor as it stands in a file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

/// Writes all files of the checkpoint into the existing folder `dir`.
pub fn write_checkpoint(spec: &TinySpec, dir: &Path) {
    write_json(&dir.join("config.json"), &config(spec));
    write_json(&dir.join("generation_config.json"), &generation_config());
    write_json(
        &dir.join("preprocessor_config.json"),
        &preprocessor_config(spec),
    );
    write_json(&dir.join("processor_config.json"), &processor_config(spec));
    write_json(&dir.join("tokenizer_config.json"), &tokenizer_config());
    write_tokenizer(spec, dir);
    let tensors: Vec<Stored> = spec
        .tensors()
        .into_iter()
        .map(|(name, shape)| Stored {
            bytes: store(&formula::tensor(&name, &shape, spec), spec.dtype),
            dtype: dtype(spec.dtype),
            name: spec.layout.name(&name),
            shape,
        })
        .collect();
    write_weights(dir, tensors, spec.shards);
}

fn dtype(stored: StoredAs) -> Dtype {
    match stored {
        StoredAs::F32 => Dtype::F32,
        StoredAs::F16 => Dtype::F16,
        StoredAs::Bf16 => Dtype::BF16,
    }
}

fn store(values: &[f32], dtype: StoredAs) -> Vec<u8> {
    values
        .iter()
        .flat_map(|&v| match dtype {
            StoredAs::F32 => v.to_le_bytes().to_vec(),
            StoredAs::F16 => f16::from_f32(v).to_le_bytes().to_vec(),
            StoredAs::Bf16 => bf16::from_f32(v).to_le_bytes().to_vec(),
        })
        .collect()
}

/// One file, or `shards` of about equal size behind an index.
pub(crate) fn write_weights(dir: &Path, tensors: Vec<Stored>, shards: usize) {
    if shards == 1 {
        return write_safetensors(&dir.join("model.safetensors"), &tensors);
    }
    let total: usize = tensors.iter().map(|t| t.bytes.len()).sum();
    let file = |n: usize| format!("model-{:05}-of-{shards:05}.safetensors", n + 1);
    let mut parts: Vec<Vec<Stored>> = (0..shards).map(|_| Vec::new()).collect();
    let mut map = Map::new();
    let mut before = 0;
    for tensor in tensors {
        let n = (before * shards / total).min(shards - 1);
        before += tensor.bytes.len();
        map.insert(tensor.name.clone(), file(n).into());
        parts[n].push(tensor);
    }
    for (n, part) in parts.iter().enumerate() {
        write_safetensors(&dir.join(file(n)), part);
    }
    let index = json!({"metadata": {"total_size": total}, "weight_map": map});
    write_json(&dir.join("model.safetensors.index.json"), &index);
}

pub(crate) fn write_safetensors(path: &Path, tensors: &[Stored]) {
    let views = tensors.iter().map(|t| {
        let view = TensorView::new(t.dtype, t.shape.clone(), &t.bytes).expect("shape and bytes");
        (t.name.as_str(), view)
    });
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(metadata)).expect("safetensors");
    fs::write(path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

pub(crate) fn read_safetensors(path: &Path) -> Vec<Stored> {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    file.tensors()
        .into_iter()
        .map(|(name, view)| Stored {
            name,
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            bytes: view.data().to_vec(),
        })
        .collect()
}

pub(crate) fn write_json(path: &Path, value: &Value) {
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn config(spec: &TinySpec) -> Value {
    let dtype = match spec.dtype {
        StoredAs::F32 => "float32",
        StoredAs::F16 => "float16",
        StoredAs::Bf16 => "bfloat16",
    };
    let mut config = json!({
        "architectures": ["LlavaForConditionalGeneration"],
        "ignore_index": -100,
        "image_token_index": pieces(),
        "model_type": "llava",
        "pad_token_id": pieces() + 1,
        "projector_hidden_act": "gelu",
        "text_config": text_config(spec),
        "tie_word_embeddings": spec.text.tied,
        "vision_config": vision_config(spec),
        "vision_feature_layer": spec.feature_layer,
        "vision_feature_select_strategy": spec.feature_select,
    });
    let more = if spec.layout.is_recent() {
        json!({
            "dtype": dtype,
            "image_seq_length": spec.image_tokens(),
            "multimodal_projector_bias": true,
            "transformers_version": "5.23.0",
        })
    } else {
        json!({"torch_dtype": dtype, "transformers_version": "4.36.0.dev0"})
    };
    extend(&mut config, more);
    if spec.projector != "mlp2x_gelu" {
        // llava-hf has no word for these; the original's is taken over.
        extend(&mut config, json!({"mm_projector_type": spec.projector}));
    }
    config
}

fn text_config(spec: &TinySpec) -> Value {
    let t = &spec.text;
    let mut text = json!({
        "hidden_size": t.hidden,
        "intermediate_size": t.intermediate,
        "max_position_embeddings": t.context,
        "model_type": "llama",
        "num_attention_heads": t.heads,
        "num_hidden_layers": t.layers,
        "vocab_size": t.vocab_rows,
    });
    // transformers 4 leaves out what equals its defaults; 5 states everything.
    if spec.layout.is_recent() {
        let more = json!({
            "attention_bias": false,
            "attention_dropout": 0.0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "head_dim": t.hidden / t.heads,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "mlp_bias": false,
            "num_key_value_heads": t.kv_heads,
            "pad_token_id": null,
            "pretraining_tp": 1,
            "rms_norm_eps": t.rms_norm_eps,
            "rope_parameters": {"rope_theta": t.rope_theta, "rope_type": "default"},
            "tie_word_embeddings": t.tied,
            "use_cache": true,
        });
        extend(&mut text, more);
        return text;
    }
    let optional = [
        (
            "num_key_value_heads",
            json!(t.kv_heads),
            t.kv_heads == t.heads,
        ),
        (
            "rms_norm_eps",
            json!(t.rms_norm_eps),
            t.rms_norm_eps == 1e-6,
        ),
        ("rope_theta", json!(t.rope_theta), t.rope_theta == 10000.0),
        ("tie_word_embeddings", json!(t.tied), !t.tied),
    ];
    for (key, value, is_default) in optional {
        if !is_default {
            text[key] = value;
        }
    }
    extend(
        &mut text,
        json!({"_name_or_path": "lmsys/vicuna-7b-v1.5", "torch_dtype": "float16"}),
    );
    text
}

fn vision_config(spec: &TinySpec) -> Value {
    let v = &spec.vision;
    let mut vision = json!({
        "hidden_size": v.hidden,
        "image_size": v.image_size,
        "intermediate_size": v.intermediate,
        "model_type": "clip_vision_model",
        "num_attention_heads": v.heads,
        "num_hidden_layers": v.layers,
        "patch_size": v.patch_size,
        "projection_dim": 768,
        "vocab_size": 32000,
    });
    if spec.layout.is_recent() || v.layer_norm_eps != 1e-5 {
        vision["layer_norm_eps"] = json!(v.layer_norm_eps);
    }
    if spec.layout.is_recent() {
        extend(
            &mut vision,
            json!({"attention_dropout": 0.0, "hidden_act": "quick_gelu", "num_channels": 3}),
        );
    }
    vision
}

fn extend(value: &mut Value, more: Value) {
    let (Value::Object(map), Value::Object(more)) = (value, more) else {
        panic!("objects");
    };
    map.extend(more);
}

fn generation_config() -> Value {
    json!({
        "_from_model_config": true,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": pieces() + 1,
        "transformers_version": "4.36.0.dev0",
    })
}

fn preprocessor_config(spec: &TinySpec) -> Value {
    let size = spec.vision.image_size;
    json!({
        "crop_size": {"height": size, "width": size},
        "do_center_crop": true,
        "do_convert_rgb": true,
        "do_normalize": true,
        "do_rescale": true,
        "do_resize": true,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_processor_type": "CLIPImageProcessor",
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": {"shortest_edge": size},
    })
}

fn processor_config(spec: &TinySpec) -> Value {
    json!({
        "image_token": "<image>",
        "num_additional_image_tokens": 1,
        "patch_size": spec.vision.patch_size,
        "processor_class": "LlavaProcessor",
        "vision_feature_select_strategy": spec.feature_select,
    })
}

fn tokenizer_config() -> Value {
    json!({
        "add_bos_token": true,
        "add_eos_token": false,
        "bos_token": "<s>",
        "clean_up_tokenization_spaces": false,
        "eos_token": "</s>",
        "legacy": false,
        "model_max_length": 2048,
        "pad_token": "<pad>",
        "padding_side": "left",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
    })
}

/// Merges are strings in older files and pairs in newer ones.
fn write_tokenizer(spec: &TinySpec, dir: &Path) {
    let path = dir.join("tokenizer.json");
    if !spec.layout.is_recent() {
        fs::write(&path, TOKENIZER).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        return;
    }
    let mut tokenizer = tokenizer();
    let merges = tokenizer["model"]["merges"].as_array_mut().expect("merges");
    for merge in merges {
        let (left, right) = merge
            .as_str()
            .and_then(|m| m.split_once(' '))
            .expect("a pair");
        *merge = json!([left, right]);
    }
    tokenizer["model"]["ignore_merges"] = json!(false);
    write_json(&path, &tokenizer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TinyModel, preset, presets};

    #[test]
    fn every_preset_is_written_whole() {
        for spec in presets() {
            let model = TinyModel::new(spec.clone());
            let mut found: Vec<Stored> = Vec::new();
            for entry in fs::read_dir(model.path()).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|e| e == "safetensors") {
                    found.extend(read_safetensors(&path));
                }
            }
            let mut names: Vec<&str> = found.iter().map(|t| t.name.as_str()).collect();
            let mut wanted: Vec<String> = spec
                .tensors()
                .iter()
                .map(|(n, _)| spec.layout.name(n))
                .collect();
            names.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(names, wanted, "{}", spec.name);
            assert!(
                found.iter().all(|t| t.dtype == dtype(spec.dtype)),
                "{}",
                spec.name
            );
            assert_eq!(
                model.path().join("model.safetensors").exists(),
                spec.shards == 1,
                "{}",
                spec.name
            );
        }
    }

    #[test]
    fn shards_are_all_used() {
        let model = TinyModel::preset("grouped");
        for n in 1..=3 {
            let path = model
                .path()
                .join(format!("model-0000{n}-of-00003.safetensors"));
            assert!(!read_safetensors(&path).is_empty());
        }
    }

    #[test]
    fn padding_rows_are_larger() {
        let spec = preset("base");
        let (rows, width) = (spec.text.vocab_rows, spec.text.hidden);
        let head = formula::tensor("language_model.lm_head.weight", &[rows, width], &spec);
        let largest = |v: &[f32]| v.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        let (real, padding) = head.split_at(pieces() * width);
        assert!(largest(padding) > 2.9 * largest(real));
    }
}
