//! Differentiable operations for llava's forward pass.
//!
//! The model's code is the one that answers; only the arithmetic below it differs. On the
//! processor ([`HostOps`]) it is our own kernels, forwards and backwards, on a tape of ours; on a
//! graphics card ([`DeviceOps`]) operations are put together from candle's own, which all have
//! gradients (its fused norm, softmax and rope have none).

mod device;
mod graph;
mod host;
mod nodes;
mod parameters;
mod slices;
mod tape;

pub use device::DeviceOps;
pub use graph::Graph;
pub(crate) use graph::{Slopes, sum};
pub use host::HostOps;
pub(crate) use parameters::hash;
pub use parameters::{LoraSettings, Parameter, Parameters, Trainable};
pub(crate) use slices::with as with_values;
