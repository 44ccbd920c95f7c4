//! What a run must remember to go on to the bit: variables, moments and the step, in a folder that
//! is replaced whole.

use crate::learner::Learner;
use crate::optimiser::Optimiser;
use crate::publish::{self, Stored, Tensor};
use crate::{Error, Result};
use candle_core::Tensor as Values;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The folder's name inside a run's folder.
pub const FOLDER: &str = "state";

/// The smaller part of the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Finished steps.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Whether the trained model has been written.
    pub finished: bool,
    /// Conversations learned from so far.
    pub conversations: u64,
    /// Seconds of computing so far, over all starts.
    pub seconds: f64,
    /// The settings that define the result.
    pub settings: serde_json::Value,
    /// Which files the run started from.
    pub base: String,
}

/// The state's facts, if the run in `out` has any.
///
/// # Errors
/// They are there and cannot be read.
pub fn facts(out: &Path) -> Result<Option<Facts>> {
    let folder = out.join(FOLDER);
    publish::recover(&folder)?;
    let path = folder.join("state.json");
    let text = match std::fs::read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| Error::read(&path, e))?,
    };
    let facts = serde_json::from_slice(&text).map_err(|e| {
        Error::data(
            &path,
            format!("damaged ({e}); remove the folder to start anew"),
        )
    })?;
    Ok(Some(facts))
}

/// Writes the state of a run in `out`.
///
/// # Errors
/// The disk is full, or the device's; what was there stays.
pub fn save(out: &Path, facts: &Facts, learner: &Learner, optimiser: &Optimiser) -> Result<()> {
    let mut tensors = Vec::new();
    for (parameter, moments) in learner.parameters().iter().zip(optimiser.moments()) {
        let values = parameter.var.flatten_all()?.to_vec1::<f32>()?;
        let [m, v] = moments.to_host()?;
        for (tail, values) in [("", values), ("#m", m), ("#v", v)] {
            tensors.push(Tensor {
                name: format!("{}{tail}", parameter.name),
                shape: vec![values.len()],
                values: Stored::F32(values),
            });
        }
    }
    publish::replace(&out.join(FOLDER), |part| {
        let text = serde_json::to_string_pretty(facts).unwrap_or_default() + "\n";
        publish::safetensors(
            &part.join("values.safetensors"),
            &tensors.iter().collect::<Vec<_>>(),
        )?;
        publish::write_file(&part.join("state.json"), text.as_bytes())
    })
}

/// Puts the saved values back.
///
/// # Errors
/// The file is damaged or of another model.
pub fn restore(
    out: &Path,
    facts: &Facts,
    learner: &Learner,
    optimiser: &mut Optimiser,
) -> Result<()> {
    let path = out.join(FOLDER).join("values.safetensors");
    let bytes = std::fs::read(&path).map_err(|e| Error::read(&path, e))?;
    let damaged = |why: String| {
        Error::data(
            &path,
            format!("{why}; remove the run's folder to start anew"),
        )
    };
    let file = safetensors::SafeTensors::deserialize(&bytes)
        .map_err(|e| damaged(format!("damaged ({e})")))?;
    let mut moments = Vec::new();
    for parameter in learner.parameters() {
        let read = |tail: &str| -> Result<Vec<f32>> {
            let name = format!("{}{tail}", parameter.name);
            let view = file
                .tensor(&name)
                .map_err(|e| damaged(format!("{name}: {e}")))?;
            let values: Vec<f32> = view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect();
            if values.len() == parameter.var.elem_count() {
                return Ok(values);
            }
            Err(damaged(format!(
                "{name} has {} values, not {}",
                values.len(),
                parameter.var.elem_count()
            )))
        };
        let values = Values::from_vec(read("")?, parameter.var.shape(), parameter.var.device())?;
        parameter.var.set(&values)?;
        moments.push([read("#m")?, read("#v")?]);
    }
    optimiser.restore(facts.step, moments)
}
