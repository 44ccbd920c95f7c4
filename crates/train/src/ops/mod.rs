//! Differentiable operations for llava's forward pass.
//!
//! The model's code is the one that answers; only the arithmetic below it differs. On the
//! processor ([`HostOps`]) every operation is one node of candle's graph with forward and backward
//! in our own kernels; on a graphics card ([`DeviceOps`]) operations are put together from
//! candle's own, which all have gradients (its fused norm, softmax and rope have none).

mod device;
mod host;
mod nodes;
mod parameters;
mod slices;

pub use device::DeviceOps;
pub use host::{HostOps, cross_entropy, splice};
pub(crate) use parameters::hash;
pub(crate) use slices::with as with_values;
pub use parameters::{LoraSettings, Parameter, Parameters, Trainable};
