//! What training needs beyond the forward kernels: products of transposed matrices, derivatives,
//! the loss and the optimiser's step, all in f32.
//!
//! Apart from the rest of this crate because the promises differ. Nothing here is row-invariant:
//! a gradient is a sum over rows anyway. Results are repeatable on one machine, and do not depend
//! on the number of threads: work is cut along outputs, never along sums.

mod adam;
mod attention;
mod entropy;
mod norm;
mod pointwise;
mod product;
mod rope;

pub use adam::{AdamStep, adamw, add_scaled, sum_of_squares};
pub use attention::{AttentionGrad, Sequences, attend, attend_backward};
pub use entropy::cross_entropy;
pub use norm::{layer_norm_backward, rms_norm_backward};
pub use pointwise::{gelu_erf_backward, quick_gelu_backward, silu_mul_backward, sum_rows};
pub use product::{View, product};
pub use rope::rope_half_backward;
