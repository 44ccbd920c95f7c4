//! What is learned: which tensors of a checkpoint become variables, by name.

use crate::Result;
use candle_core::{DType, Device, Tensor, Var};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use visavis_llava::checkpoint::Weights;

/// Parts of the model that learn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trainable {
    /// The vision tower (frozen in both of the paper's stages).
    pub vision: bool,
    /// The connector.
    pub connector: bool,
    /// The language model, its token table and its output matrix.
    pub language: bool,
    /// Low-rank adapters on the language model's linear layers; the layers themselves are frozen.
    pub lora: Option<LoraSettings>,
}

/// Low-rank adapters (LLaVA-1.5 section 7.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraSettings {
    /// Rank of the update.
    pub r: usize,
    /// The update is scaled by `alpha / r`.
    pub alpha: f64,
}

impl Default for LoraSettings {
    fn default() -> Self {
        Self {
            r: 128,
            alpha: 256.0,
        }
    }
}

/// One variable.
#[derive(Clone)]
pub struct Parameter {
    /// llava-hf's classic name, or that of an adapter: `….q_proj.lora_A.weight`.
    pub name: String,
    /// As the checkpoint has it, outermost first.
    pub shape: Vec<usize>,
    /// The values, f32.
    pub var: Var,
}

/// The variables of a model in training, in name order.
pub struct Parameters {
    /// Which parts learn.
    pub trainable: Trainable,
    /// For what is drawn: new adapters.
    seed: u64,
    found: Mutex<BTreeMap<String, Parameter>>,
}

impl Parameters {
    /// No variables yet: they are found when the model is built.
    pub fn new(trainable: Trainable, seed: u64) -> Self {
        Self {
            trainable,
            seed,
            found: Mutex::new(BTreeMap::new()),
        }
    }

    /// All variables, in name order.
    pub fn all(&self) -> Vec<Parameter> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.values().cloned().collect()
    }

    /// Whether the tensor with this classic name learns.
    pub fn learns(&self, name: &str) -> bool {
        let t = &self.trainable;
        match name.split('.').next() {
            Some("vision_tower") => t.vision,
            Some("multi_modal_projector") => t.connector,
            Some("language_model") => t.language,
            _ => false,
        }
    }

    /// Whether the linear layer with this classic name (without `.weight`) has an adapter: every
    /// one of the decoder's layers; not the output matrix, not the token table.
    pub(super) fn adapts(&self, name: &str) -> Option<&LoraSettings> {
        let linear = name.ends_with("_proj") && name.starts_with("language_model.model.layers.");
        self.trainable.lora.as_ref().filter(|_| linear)
    }

    /// The variable of a tensor, `(rows, cols)` or a vector; made from the checkpoint at first.
    pub(super) fn variable(
        &self,
        weights: &Weights,
        name: &str,
        shape: &[usize],
        device: &Device,
    ) -> Result<Tensor> {
        let flat = match shape {
            [rows, rest @ ..] if !rest.is_empty() => vec![*rows, rest.iter().product()],
            _ => shape.to_vec(),
        };
        self.insert(name, shape, &flat, device, || {
            Ok(weights.matrix(name, shape)?.to_f32())
        })
    }

    /// The two variables of an adapter as PEFT makes them: A drawn evenly from +-1/sqrt(in)
    /// (Kaiming with a = sqrt 5), B zero, so that training begins at the base model.
    pub(super) fn adapter(
        &self,
        name: &str,
        [out, inner]: [usize; 2],
        r: usize,
        device: &Device,
    ) -> Result<[Tensor; 2]> {
        let bound = 1.0 / (inner as f32).sqrt();
        let a_name = format!("{name}.lora_A.weight");
        let mut random = StdRng::seed_from_u64(self.seed ^ hash(&a_name, &[]));
        let a = self.insert(&a_name, &[r, inner], &[r, inner], device, || {
            Ok((0..r * inner)
                .map(|_| random.random_range(-bound..bound))
                .collect())
        })?;
        let b_name = format!("{name}.lora_B.weight");
        let b = self.insert(&b_name, &[out, r], &[out, r], device, || {
            Ok(vec![0.0; out * r])
        })?;
        Ok([a, b])
    }

    fn insert(
        &self,
        name: &str,
        shape: &[usize],
        flat: &[usize],
        device: &Device,
        values: impl FnOnce() -> Result<Vec<f32>>,
    ) -> Result<Tensor> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parameter) = found.get(name) {
            return Ok(parameter.var.as_tensor().clone());
        }
        let tensor = Tensor::from_vec(values()?, flat, device)?.to_dtype(DType::F32)?;
        let var = Var::from_tensor(&tensor)?;
        let tensor = var.as_tensor().clone();
        let parameter = Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            var,
        };
        found.insert(name.to_owned(), parameter);
        Ok(tensor)
    }
}

/// A number for a name and bytes, the same on every machine (FNV-1a).
pub(crate) fn hash(name: &str, bytes: &[u8]) -> u64 {
    let all = name.bytes().chain(bytes.iter().copied());
    all.fold(0xcbf2_9ce4_8422_2325, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
