//! Which processor the model runs on.

use serde::{Deserialize, Serialize};

/// What a person asks for: `auto | cpu | cuda:N | metal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// The best that is there.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The n-th NVIDIA graphics card.
    Cuda(usize),
    /// The graphics part of an Apple chip.
    Metal,
}
