//! CPU kernels of a transformer on f32 activations, with run-time dispatch.
//!
//! One property stands above speed: **the bits of an output row depend neither on how many rows
//! are computed together, nor on how they are chunked, nor on the number of threads.** It holds
//! because every output value is one fixed sequence of vector operations, whichever tile it is
//! computed in. Bits may differ between instruction sets; within one they are fixed.
//!
//! A whole forward pass is best run inside [`install`]. Sizes that do not fit together are
//! mistakes of the caller and panic; what a damaged file can cause is a [`KernelError`].

mod activation;
mod attention;
mod error;
mod gemm;
pub mod grad;
mod isa;
mod linear;
mod math;
mod matrix;
mod norm;
mod pool;
mod quant;
mod rope;
mod scratch;
mod simd;
mod softmax;

pub use activation::{add_assign, gelu_erf, quick_gelu, silu_mul};
pub use attention::{AttentionShape, KvElement, KvSlice, Mask, append_heads, attention};
pub use error::KernelError;
pub use isa::{Isa, cpu_features, with_isa};
pub use linear::Linear;
pub use matrix::{DType, Matrix, Storage};
pub use norm::{layer_norm, rms_norm};
pub use pool::{ThreadPool, install, set_threads, threads};
pub use quant::quantise_row;
pub use rope::{RopeTable, rope_half, rope_interleaved};
pub use softmax::softmax_rows;
