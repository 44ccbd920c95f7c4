//! The model, the devices it can run on, and whether it fits.

use crate::AppError;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Where the model in use stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum ModelState {
    /// None is chosen: the welcome page.
    None,
    /// It is being loaded; questions wait for it.
    Loading {
        /// Which.
        model: ModelInfo,
        /// Bytes loaded.
        done: u64,
        /// Bytes in all; 0 while unknown.
        total: u64,
        /// Seconds left, when that can be told.
        eta_seconds: Option<f64>,
    },
    /// It answers.
    Ready {
        /// Which.
        model: ModelInfo,
        /// Where it runs.
        device: DeviceInfo,
    },
    /// It could not be loaded, or it crashed.
    Failed {
        /// Which.
        model: ModelInfo,
        /// Why.
        error: AppError,
    },
}

/// A model in words and numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// Names it in commands.
    pub id: String,
    /// `LLaVA-1.5 7B`, or the folder's name when it is no known size.
    pub name: String,
    /// `4-bit`, `8-bit`, `16-bit`, `32-bit`.
    pub precision: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes of memory it needs to answer.
    pub memory_bytes: u64,
    /// Positions (word pieces, and 576 for a picture) a thread may have.
    pub context: u32,
    /// Positions one picture takes.
    pub image_tokens: u32,
    /// Patches along a side of the square that the model sees: 24.
    pub patch_grid: u32,
    /// Whether it is the practice model, which knows only simple drawings.
    pub practice: bool,
}

/// Whether a model fits into this computer's memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Fit {
    /// The verdict.
    pub verdict: FitVerdict,
    /// Bytes it needs.
    pub needed_bytes: u64,
    /// Bytes of memory free now.
    pub free_bytes: u64,
    /// Bytes of memory there are.
    pub total_bytes: u64,
}

/// The verdicts on fitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum FitVerdict {
    /// It fits.
    Fits,
    /// It fits when other programs are closed.
    Tight,
    /// There is not enough memory in this computer.
    TooLarge,
}

/// What was found in the file or folder a person picked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FoundModel {
    /// What it is. Its `id` goes to `model_use`.
    pub model: ModelInfo,
    /// Where it lies, for showing.
    pub location: String,
    /// Whether it fits.
    pub fit: Fit,
    /// Why it will not run; empty when it will.
    pub problems: Vec<AppError>,
    /// Whether it is the one in use.
    pub in_use: bool,
}

/// Whether the native dialog picks a folder or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum ModelSource {
    /// A folder with config.json and weights.
    Folder,
    /// A GGUF file.
    File,
}

/// A place where the model can run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DeviceInfo {
    /// `cpu`, `cuda:0`, `metal`: goes into the settings.
    pub id: String,
    /// The kind, which the page has words for.
    pub kind: DeviceKind,
    /// The maker's name for it; may be empty.
    pub name: String,
    /// Why it cannot be used; null when it can.
    pub problem: Option<String>,
}

/// The kinds of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum DeviceKind {
    /// The processor.
    Processor,
    /// An NVIDIA card.
    GraphicsCard,
    /// The graphics part of an Apple chip.
    AppleGraphics,
}

/// The computer, in the few numbers that matter here. Asking takes seconds where there is a
/// graphics card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Hardware {
    /// The processor's name.
    pub processor: String,
    /// Its logical cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of memory free now.
    pub free_memory_bytes: u64,
    /// Bytes free on the disk of the data folder.
    pub free_disk_bytes: u64,
    /// Where a model could run, best first.
    pub devices: Vec<DeviceInfo>,
}
