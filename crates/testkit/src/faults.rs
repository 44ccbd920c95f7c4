//! What downloads, disks and wrong folders do to a checkpoint.

use crate::checkpoint::{Stored, read_safetensors, tokenizer, write_json, write_safetensors};
use safetensors::tensor::Dtype;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The weight files of a checkpoint, in name order.
pub fn weight_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    files.sort();
    files
}

/// Cuts `file` to its first `keep` bytes, as a download that broke off.
pub fn truncate(file: &Path, keep: u64) {
    let handle = fs::OpenOptions::new()
        .write(true)
        .open(file)
        .expect("a file to cut");
    handle.set_len(keep).expect("a shorter file");
}

/// Overwrites the bytes from `at` on.
pub fn overwrite(file: &Path, at: usize, bytes: &[u8]) {
    let mut all = fs::read(file).expect("a file to change");
    all[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(file, all).expect("a changed file");
}

/// Removes the n-th weight file; returns its path.
pub fn drop_shard(dir: &Path, n: usize) -> PathBuf {
    let file = weight_files(dir).swap_remove(n);
    fs::remove_file(&file).expect("a file to remove");
    file
}

/// Rewrites the weight file that holds the tensor `name` (as stored) after `change` saw the
/// file's tensors and the tensor's place among them; returns the file's path.
fn change_tensor(dir: &Path, name: &str, change: impl FnOnce(&mut Vec<Stored>, usize)) -> PathBuf {
    for file in weight_files(dir) {
        let mut tensors = read_safetensors(&file);
        if let Some(at) = tensors.iter().position(|t| t.name == name) {
            change(&mut tensors, at);
            write_safetensors(&file, &tensors);
            return file;
        }
    }
    panic!("{} holds no {name}", dir.display());
}

/// Takes a tensor out of its file.
pub fn drop_tensor(dir: &Path, name: &str) -> PathBuf {
    change_tensor(dir, name, |tensors, at| {
        tensors.remove(at);
    })
}

/// Transposes a tensor's stated shape (bytes as they were); a vector gets a dimension more.
pub fn wrong_shape(dir: &Path, name: &str) -> PathBuf {
    change_tensor(dir, name, |tensors, at| {
        let shape = &mut tensors[at].shape;
        match shape.as_slice() {
            [_] => shape.push(1),
            _ => shape.reverse(),
        }
    })
}

/// Stores a tensor as 8-bit integers.
pub fn wrong_dtype(dir: &Path, name: &str) -> PathBuf {
    change_tensor(dir, name, |tensors, at| {
        let tensor = &mut tensors[at];
        tensor.dtype = Dtype::I8;
        tensor.bytes.truncate(tensor.shape.iter().product());
    })
}

/// Fills a tensor with NaN (f32 files only).
pub fn not_numbers(dir: &Path, name: &str) -> PathBuf {
    change_tensor(dir, name, |tensors, at| {
        assert_eq!(tensors[at].dtype, Dtype::F32);
        for value in tensors[at].bytes.chunks_exact_mut(4) {
            value.copy_from_slice(&f32::NAN.to_le_bytes());
        }
    })
}

/// Makes a safetensors file claim a header of `length` bytes.
pub fn lying_header(file: &Path, length: u64) {
    overwrite(file, 0, &length.to_le_bytes());
}

/// Replaces a JSON file by the first half of itself.
pub fn broken_json(file: &Path) {
    let length = fs::metadata(file).expect("a file to break").len();
    truncate(file, length / 2);
}

/// Changes a JSON file in place.
pub fn edit_json(file: &Path, change: impl FnOnce(&mut Value)) {
    let text = fs::read_to_string(file).expect("a file to change");
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut value);
    write_json(file, &value);
}

/// Gives the tokenizer a piece whose id lies past a table of `rows` rows.
pub fn too_many_ids(dir: &Path, rows: usize) -> PathBuf {
    let path = dir.join("tokenizer.json");
    let mut value = tokenizer();
    let vocab = value["model"]["vocab"]
        .as_object_mut()
        .expect("a vocabulary");
    // Ids must stay without gaps, or tokenizers itself would complain first.
    for id in vocab.len()..=rows {
        vocab.insert(format!("piece{id}"), json!(id));
    }
    for added in value["added_tokens"].as_array_mut().expect("added tokens") {
        let id = added["id"].as_u64().expect("an id");
        if id > 2 {
            added["id"] = json!(id + rows as u64);
        }
    }
    write_json(&path, &value);
    path
}

/// Writes what liuhaotian/llava-v1.5-* look like: pickled shards, no vision tower.
pub fn original_layout(dir: &Path) {
    let config = json!({
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "hidden_act": "silu",
        "hidden_size": 128,
        "intermediate_size": 344,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_length": 4096,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "rope_scaling": null,
        "vocab_size": 32000,
        "tie_word_embeddings": false,
        "torch_dtype": "float16",
        "image_aspect_ratio": "pad",
        "mm_hidden_size": 64,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
        "use_mm_proj": true,
    });
    write_json(&dir.join("config.json"), &config);
    let mut map = serde_json::Map::new();
    for n in 1..=2 {
        let name = format!("pytorch_model-0000{n}-of-00002.bin");
        // A zip's first bytes and nothing else: nobody should read further.
        fs::write(dir.join(&name), b"PK\x03\x04").expect("a file");
        map.insert(
            format!("model.layers.{n}.input_layernorm.weight"),
            name.into(),
        );
    }
    let index = json!({"metadata": {"total_size": 8}, "weight_map": map});
    write_json(&dir.join("pytorch_model.bin.index.json"), &index);
    fs::write(dir.join("mm_projector.bin"), b"PK\x03\x04").expect("a file");
    fs::write(dir.join("tokenizer.model"), b"\n").expect("a file");
}
