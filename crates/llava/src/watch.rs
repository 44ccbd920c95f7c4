//! How long work reports where it is and learns that it should stop, without this crate
//! knowing about threads or channels.

use serde::{Deserialize, Serialize};

/// What the model is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Weights are being mapped or copied; counted in bytes.
    Loading,
    /// The vision tower runs; counted in vision blocks times pictures.
    Seeing,
    /// The prompt is being prefilled; counted in prompt positions.
    Reading,
    /// The answer is being decoded; counted in tokens.
    Writing,
    /// Weights are being written in another format; counted in bytes.
    Converting,
}

/// The caller no longer wants the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Interrupted;

/// Receives progress; an `Err` stops the work at the next boundary.
///
/// Called at least once per vision block, language-model layer and 64 MiB of weights, so an
/// implementation must be cheap.
pub trait Watch {
    /// `done` of `total` units of `stage` are finished.
    fn progress(&self, stage: Stage, done: u64, total: u64)
    -> std::result::Result<(), Interrupted>;
}

/// Ignores progress and never interrupts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Watch for Silent {
    fn progress(&self, _: Stage, _: u64, _: u64) -> std::result::Result<(), Interrupted> {
        Ok(())
    }
}

impl<F: Fn(Stage, u64, u64) -> std::result::Result<(), Interrupted>> Watch for F {
    fn progress(
        &self,
        stage: Stage,
        done: u64,
        total: u64,
    ) -> std::result::Result<(), Interrupted> {
        self(stage, done, total)
    }
}
