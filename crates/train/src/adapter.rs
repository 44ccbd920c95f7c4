//! Low-rank adapters as PEFT keeps them: written beside the base model, and merged into it.

use crate::ops::{LoraSettings, Parameter};
use crate::publish::{self, Stored, Tensor};
use crate::{Error, Result};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use visavis_kernels::grad::{View, product};
use visavis_llava::checkpoint::Checkpoint;

const CONFIG: &str = "adapter_config.json";
const VALUES: &str = "adapter_model.safetensors";
/// What PEFT puts before the names of the model that it wraps.
const WRAP: &str = "base_model.model.";

/// Writes the adapter in `parameters` to `folder`. The connector, which learned too, stands in it
/// as one of PEFT's `modules_to_save`.
///
/// # Errors
/// The disk is full, or the device's.
pub fn write(
    folder: &Path,
    base: &Path,
    lora: &LoraSettings,
    parameters: &[Parameter],
) -> Result<()> {
    let tensors: Vec<Tensor> = parameters
        .iter()
        .map(|p| {
            Ok(Tensor {
                name: format!("{WRAP}{}", present_name(&p.name)),
                shape: p.shape.clone(),
                values: Stored::F32(p.var.flatten_all()?.to_vec1()?),
            })
        })
        .collect::<Result<_>>()?;
    let config = json!({
        "alpha_pattern": {}, "auto_mapping": null, "base_model_name_or_path": base.display().to_string(),
        "bias": "none", "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
        "lora_alpha": lora.alpha, "lora_dropout": 0.0, "modules_to_save": ["multi_modal_projector"],
        "peft_type": "LORA", "r": lora.r, "rank_pattern": {}, "revision": null,
        "target_modules": r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)",
        "task_type": "CAUSAL_LM", "use_dora": false, "use_rslora": false,
    });
    publish::replace(folder, |part| {
        publish::safetensors(&part.join(VALUES), &tensors.iter().collect::<Vec<_>>())?;
        publish::write_file(&part.join(CONFIG), format!("{config:#}\n").as_bytes())
    })
}

/// llava-hf's classic name as the model of today's transformers spells it.
fn present_name(classic: &str) -> String {
    match classic.strip_prefix("language_model.model.") {
        Some(rest) => format!("model.language_model.{rest}"),
        None => format!("model.{classic}"),
    }
}

/// The classic name of what an adapter file calls a tensor: PEFT over transformers of both
/// generations, or the original LLaVA's (which has no vision tower around its decoder).
fn classic_name(stored: &str) -> String {
    let name = stored.strip_prefix(WRAP).unwrap_or(stored);
    let name = name
        .replace(".modules_to_save.default.", ".")
        .replace(".default.weight", ".weight");
    if let Some(rest) = name.strip_prefix("model.language_model.") {
        return format!("language_model.model.{rest}");
    }
    if let Some(rest) = name.strip_prefix("model.layers.") {
        return format!("language_model.model.layers.{rest}");
    }
    match name.strip_prefix("model.") {
        Some(rest) if rest.starts_with("multi_modal_projector.") => rest.to_owned(),
        _ => name,
    }
}

#[derive(Deserialize)]
struct Config {
    r: usize,
    lora_alpha: f64,
    peft_type: Option<String>,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
}

/// An adapter's values in f32.
struct Adapter {
    scale: f32,
    r: usize,
    values: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Adapter {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let text = std::fs::read(&path).map_err(|e| Error::read(&path, e))?;
        let config: Config = serde_json::from_slice(&text)
            .map_err(|e| Error::data(&path, format!("not an adapter's configuration ({e})")))?;
        let plain = config
            .peft_type
            .as_deref()
            .is_none_or(|kind| kind == "LORA");
        if !plain || config.use_dora || config.use_rslora || config.fan_in_fan_out || config.r == 0
        {
            return Err(Error::data(&path, "only plain LoRA adapters can be merged"));
        }
        let path = folder.join(VALUES);
        let bytes = std::fs::read(&path).map_err(|e| Error::read(&path, e))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|e| Error::data(&path, format!("damaged ({e})")))?;
        let mut values = BTreeMap::new();
        for (name, view) in file.tensors() {
            let floats = widen(view.dtype(), view.data()).ok_or_else(|| {
                Error::data(&path, format!("{name} is stored as {:?}", view.dtype()))
            })?;
            values.insert(classic_name(&name), (view.shape().to_vec(), floats));
        }
        Ok(Self {
            scale: (config.lora_alpha / config.r as f64) as f32,
            r: config.r,
            values,
        })
    }
}

fn widen(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = || bytes.as_chunks::<2>().0.iter().copied();
    match dtype {
        Dtype::F32 => Some(
            bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect(),
        ),
        Dtype::F16 => Some(
            pairs()
                .map(|b| half::f16::from_le_bytes(b).to_f32())
                .collect(),
        ),
        Dtype::BF16 => Some(
            pairs()
                .map(|b| half::bf16::from_le_bytes(b).to_f32())
                .collect(),
        ),
        _ => None,
    }
}

/// Writes the model in `base` with the adapter in `adapter` merged into its weights
/// (`W + alpha / r * B A`) to `out`, in the types of the base.
///
/// # Errors
/// A file is damaged, the adapter belongs to another model, or the disk is full.
pub fn merge(base: &Path, adapter: &Path, out: &Path) -> Result<()> {
    let checkpoint = Checkpoint::open(base)?;
    let mut found = Adapter::read(adapter)?;
    let mut tensors = publish::tensors(&checkpoint.weights, &[], false)?;
    for tensor in &mut tensors {
        let changed = merged(tensor, &mut found).map_err(|why| Error::data(adapter, why))?;
        if let Some(values) = changed {
            tensor.values = publish::narrow(values, tensor.values.dtype());
        }
    }
    if let Some(name) = found.values.keys().next() {
        let reason = format!(
            "{name} has no place in {}; the adapter belongs to another model",
            base.display()
        );
        return Err(Error::data(adapter, reason));
    }
    publish::write(out, &[], &publish::companions(&checkpoint.path)?, &tensors)
}

/// The new values of a tensor that the adapter changes, which then forgets its part.
fn merged(tensor: &Tensor, adapter: &mut Adapter) -> std::result::Result<Option<Vec<f32>>, String> {
    let misfit = |name: &str| {
        format!("{name} has another shape than the model; the adapter belongs to another model")
    };
    if let Some((shape, values)) = adapter.values.remove(&tensor.name) {
        return if shape == tensor.shape {
            Ok(Some(values))
        } else {
            Err(misfit(&tensor.name))
        };
    }
    let Some(stem) = tensor.name.strip_suffix(".weight") else {
        return Ok(None);
    };
    let down = adapter.values.remove(&format!("{stem}.lora_A.weight"));
    let up = adapter.values.remove(&format!("{stem}.lora_B.weight"));
    let ((a_shape, a), (b_shape, b)) = match (down, up) {
        (None, None) => return Ok(None),
        (Some(a), Some(b)) => (a, b),
        _ => return Err(format!("{stem} has only one half of its adapter")),
    };
    let &[out, inner] = tensor.shape.as_slice() else {
        return Err(misfit(stem));
    };
    if a_shape != [adapter.r, inner] || b_shape != [out, adapter.r] {
        return Err(misfit(stem));
    }
    let mut values = tensor.values.to_f32().ok_or_else(|| misfit(stem))?;
    let (a, b) = (
        View::new(&a, adapter.r, inner),
        View::new(&b, out, adapter.r),
    );
    product(b, a, adapter.scale, true, &mut values, inner);
    Ok(Some(values))
}

impl Stored {
    fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::Raw(dtype, _) | Self::Mapped(dtype, _) => *dtype,
        }
    }

    fn to_f32(&self) -> Option<Vec<f32>> {
        match self {
            Self::F32(values) => Some(values.clone()),
            Self::Raw(dtype, bytes) => widen(*dtype, bytes),
            Self::Mapped(_, matrix) => Some(matrix.to_f32()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::classic_name;

    #[test]
    fn names_of_all_writers_meet() {
        let classic = "language_model.model.layers.3.self_attn.q_proj.lora_A.weight";
        for stored in [
            "base_model.model.model.language_model.layers.3.self_attn.q_proj.lora_A.weight",
            "base_model.model.language_model.model.layers.3.self_attn.q_proj.lora_A.weight",
            "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight",
            "base_model.model.model.language_model.layers.3.self_attn.q_proj.lora_A.default.weight",
        ] {
            assert_eq!(classic_name(stored), classic);
        }
        assert_eq!(
            classic_name(
                "base_model.model.model.multi_modal_projector.modules_to_save.default.linear_1.bias"
            ),
            "multi_modal_projector.linear_1.bias"
        );
    }
}
