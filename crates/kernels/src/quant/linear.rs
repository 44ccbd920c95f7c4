//! The linear layer over quantised weights, in integers.
//!
//! The result is defined independently of how it is computed. Activations become 14-bit integers
//! ([`Activations`]); the products of a unit of k ([`Integers::UNIT`]) are summed exactly; the sum
//! is converted to f32, multiplied by the block's `d`, lessened by its minima, multiplied by the
//! activations' scale, and added to the output: one fixed sequence of f32 operations over k, none
//! of them fused. So one row or many, one thread or many, plain Rust or vectors: the bits agree.

use super::activations::Activations;
use super::integers::Integers;
use super::legacy::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
use super::super_blocks::{Q2K, Q3K, Q4K, Q5K, Q6K};
use super::{many, one};
use crate::isa::Level;
use crate::simd::Bytes;
use crate::{DType, Matrix};

/// A quantised matrix, as its blocks.
pub(super) struct Weights<'a, P> {
    blocks: &'a [P],
    /// Blocks of a row.
    pub(super) per_row: usize,
}

impl<P> Clone for Weights<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<P> Copy for Weights<'_, P> {}

impl<'a, P> Weights<'a, P> {
    /// The blocks of eight rows: a loop, since as a closure it might be a call.
    #[inline(always)]
    pub(super) fn rows(&self, rows: [usize; 8]) -> [&'a [P]; 8] {
        let mut slices = [&self.blocks[..0]; 8];
        for (slice, row) in slices.iter_mut().zip(rows) {
            *slice = &self.blocks[row * self.per_row..][..self.per_row];
        }
        slices
    }
}

/// Block `at` of each of the rows, all of which have it.
#[inline(always)]
pub(super) fn column<'a, P>(rows: &[&'a [P]; 8], at: usize) -> [&'a P; 8] {
    let mut blocks = [&rows[0][at]; 8];
    for (block, row) in blocks.iter_mut().zip(rows).skip(1) {
        *block = &row[at];
    }
    blocks
}

/// Asks for `bytes` bytes that lie `ahead` bytes from block `at` of each of the rows.
#[inline(always)]
pub(super) fn prefetch<B: Bytes, P>(b: B, rows: &[&[P]; 8], at: usize, ahead: usize, bytes: usize) {
    for row in rows {
        // Any address may be asked for.
        let from = row.as_ptr().wrapping_add(at).cast::<u8>();
        for line in (0..bytes).step_by(64) {
            b.prefetch(from.wrapping_add(ahead).wrapping_add(line));
        }
    }
}

/// One product: the operands, and where the outputs go.
pub(super) struct Product<'a, P> {
    pub(super) level: Level,
    pub(super) weights: Weights<'a, P>,
    bias: Option<&'a [f32]>,
    /// (rows, n)
    y: *mut f32,
    pub(super) rows: usize,
    pub(super) n: usize,
    pub(super) k: usize,
}

// SAFETY: `y` is exclusively borrowed for as long as the product lives, and the tasks that share
// the product write disjoint parts of it.
unsafe impl<P: Sync> Sync for Product<'_, P> {}
// SAFETY: as above.
unsafe impl<P: Sync> Send for Product<'_, P> {}

impl<P> Product<'_, P> {
    /// Writes outputs of row `row` from column `column` on, with their bias. No two tasks may
    /// write the same ones at the same time.
    #[inline(always)]
    pub(super) fn put(&self, row: usize, column: usize, sums: &[f32]) {
        assert!(row < self.rows && column + sums.len() <= self.n, "outputs");
        for (i, &sum) in sums.iter().enumerate() {
            let value = self.bias.map_or(sum, |b| sum + b[column + i]);
            // SAFETY: inside the rows x n outputs, as asserted.
            unsafe { *self.y.add(row * self.n + column + i) = value };
        }
    }
}

/// `y = x W^T + b`; lengths were checked by the caller.
pub(crate) fn forward(
    weight: &Matrix,
    bias: Option<&[f32]>,
    x: &[f32],
    rows: usize,
    y: &mut [f32],
) {
    let run = match weight.dtype() {
        DType::F32 | DType::F16 | DType::BF16 => unreachable!("not a block type"),
        DType::Q4_0 => run::<Q4_0>,
        DType::Q4_1 => run::<Q4_1>,
        DType::Q5_0 => run::<Q5_0>,
        DType::Q5_1 => run::<Q5_1>,
        DType::Q8_0 => run::<Q8_0>,
        DType::Q2K => run::<Q2K>,
        DType::Q3K => run::<Q3K>,
        DType::Q4K => run::<Q4K>,
        DType::Q5K => run::<Q5K>,
        DType::Q6K => run::<Q6K>,
    };
    run(weight, bias, x, rows, y);
}

fn run<P: Integers>(weight: &Matrix, bias: Option<&[f32]>, x: &[f32], rows: usize, y: &mut [f32]) {
    let (n, k) = (weight.rows(), weight.cols());
    // The outputs are written through a pointer: this is the length that it relies on.
    assert_eq!(y.len(), rows * n, "output of a linear layer");
    if y.is_empty() {
        return;
    }
    let level = Level::current();
    let product = Product {
        level,
        weights: Weights {
            // Blocks are bytes, so they may begin anywhere; `Matrix::new` saw to whole ones.
            blocks: bytemuck::cast_slice::<u8, P>(weight.data()),
            per_row: k / P::LEN,
        },
        bias,
        y: y.as_mut_ptr(),
        rows,
        n,
        k,
    };
    Activations::with(level, x, rows, k, P::MINS, |x| {
        if rows == 1 {
            one::run(&product, x);
        } else {
            many::run(&product, x);
        }
    });
}
