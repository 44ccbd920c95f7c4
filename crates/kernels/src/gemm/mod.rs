//! `y = x W^T + b` for weights that are plain numbers. Block-quantised families get a module of
//! their own beside this one; [`crate::Linear::forward`] chooses.
//!
//! Two ways to the same bits: few rows read the weight straight from where it lies, once, at the
//! speed of memory; many rows widen a panel of it into scratch and run at the speed of the
//! multipliers.

mod direct;
mod packed;
pub(crate) mod tile;

use crate::Matrix;
use crate::isa::Level;
use crate::simd::Element;

/// From this many rows on, widening a panel costs less than it saves.
const PACK_FROM: usize = 13;

/// One product: the operands, and what tells where to write.
struct Product<'a> {
    level: Level,
    /// (rows, k)
    x: &'a [f32],
    /// (n, k), of a stored type
    w: &'a [u8],
    bias: Option<&'a [f32]>,
    /// (rows, n)
    y: *mut f32,
    rows: usize,
    n: usize,
    k: usize,
}

// SAFETY: `y` is exclusively borrowed for as long as the product lives, and the tasks that share
// the product write disjoint columns of it.
unsafe impl Sync for Product<'_> {}
// SAFETY: as above.
unsafe impl Send for Product<'_> {}

impl Product<'_> {
    /// The output from column `n` on.
    ///
    /// # Safety
    /// `n < self.n`.
    #[inline(always)]
    unsafe fn target(&self, n: usize) -> tile::Target {
        let bias = self.bias.map_or(std::ptr::null(), <[f32]>::as_ptr);
        let origin = tile::Target {
            y: self.y,
            stride: self.n,
            bias,
        };
        // SAFETY: by contract, for an output of at least one row.
        unsafe { origin.at(0, n) }
    }
}

/// `y = x W^T + b` for `x` (rows, k), `weight` (n, k) of type `E`, `y` (rows, n).
pub(crate) fn forward<E: Element>(
    weight: &Matrix,
    bias: Option<&[f32]>,
    x: &[f32],
    rows: usize,
    y: &mut [f32],
) {
    let (n, k) = (weight.rows(), weight.cols());
    let w = weight.data();
    // The kernels read and write through pointers: these are the lengths that they rely on.
    assert_eq!(
        w.len(),
        n * k * size_of::<E::Bytes>(),
        "bytes of the weight"
    );
    assert_eq!(x.len(), rows * k, "input of a linear layer");
    assert_eq!(y.len(), rows * n, "output of a linear layer");
    assert!(bias.is_none_or(|b| b.len() == n), "bias of a linear layer");
    if y.is_empty() {
        return;
    }
    if k == 0 {
        for row in y.chunks_exact_mut(n) {
            row.fill(0.0);
            row.iter_mut()
                .zip(bias.unwrap_or(&[]))
                .for_each(|(y, b)| *y = *b);
        }
        return;
    }
    let product = Product {
        level: Level::current(),
        x,
        w,
        bias,
        y: y.as_mut_ptr(),
        rows,
        n,
        k,
    };
    if rows < PACK_FROM {
        direct::run::<E>(&product)
    } else {
        packed::run::<E>(&product)
    }
}
