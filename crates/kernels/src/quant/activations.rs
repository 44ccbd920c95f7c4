//! Activations as 14-bit integers.
//!
//! Each 256 values of a row share one f32 scale, that of the largest magnitude among them, so that
//! a value moves by at most 1/16382 of that magnitude. Products with the whole numbers of
//! quantised weights are then integers, whose sums are exact in any order: this is what makes the
//! kernels both quick and row-invariant, on every instruction set to the same bits. Eight bits, as
//! other programs use, move a value by up to 1/254 of the largest.

use super::SUPER;
use super::integers::{LARGEST, Per};
use crate::isa::Level;
use crate::simd::{Kernel, Simd, dispatch, place};
use crate::{pool, scratch};

/// Below this the reciprocal would overflow; an output of such activations is zero to f32.
const TINY: f32 = 1e-30;

/// Quantised rows, cut into blocks of 256 values; a last block may be shorter. The same block of
/// all rows lies together, since that is what a panel of weights is multiplied with.
pub(super) struct Activations<'a> {
    rows: usize,
    /// (blocks, rows), each group of 32 in the order of [`place`].
    values: &'a [[[i16; 32]; 8]],
    /// (blocks, rows): what 1 stands for; NaN where a value of the block is not finite.
    scales: &'a [f32],
    /// (blocks, rows): sums of the integers that share a minimum.
    sums: &'a [[i32; 16]],
}

impl<'a> Activations<'a> {
    /// Quantises `x` (rows, k) and lends it to `f`.
    pub(super) fn with<R>(
        level: Level,
        x: &[f32],
        rows: usize,
        k: usize,
        mins: Per,
        f: impl FnOnce(&Activations<'_>) -> R,
    ) -> R {
        let blocks = k.div_ceil(SUPER);
        let n = blocks * rows;
        scratch::with(n * (SUPER / 2 + 16 + 1), |all| {
            let (values, all) = all.split_at_mut(n * (SUPER / 2));
            let (sums, scales) = all.split_at_mut(n * 16);
            let scales = &mut scales[..n];
            let values = bytemuck::cast_slice_mut::<f32, [[i16; 32]; 8]>(values);
            let sums = bytemuck::cast_slice_mut::<f32, [i32; 16]>(sums);
            let out = Out {
                values: values.as_mut_ptr(),
                scales: scales.as_mut_ptr(),
                sums: sums.as_mut_ptr(),
            };
            // About as long as sixteen multiplications take for each value.
            let cost = x.len() * 16;
            pool::for_each(rows, cost, |row| {
                let x = &x[row * k..][..k];
                // SAFETY: block * rows + row is below blocks * rows, and no other task writes this
                // row; the borrows of the three slices outlive the tasks.
                let quantise = Quantise {
                    x,
                    row,
                    rows,
                    mins,
                    out: &out,
                };
                dispatch(level, quantise);
            });
            f(&Activations {
                rows,
                values,
                scales,
                sums,
            })
        })
    }

    /// The values of some rows from `row` on, in block `block`.
    #[inline(always)]
    pub(super) fn values(&self, block: usize, row: usize, rows: usize) -> &[[[i16; 32]; 8]] {
        &self.values[block * self.rows + row..][..rows]
    }

    #[inline(always)]
    pub(super) fn scales(&self, block: usize, row: usize, rows: usize) -> &[f32] {
        &self.scales[block * self.rows + row..][..rows]
    }

    #[inline(always)]
    pub(super) fn sums(&self, block: usize, row: usize, rows: usize) -> &[[i32; 16]] {
        &self.sums[block * self.rows + row..][..rows]
    }
}

/// Where the quantised rows go.
struct Out {
    values: *mut [[i16; 32]; 8],
    scales: *mut f32,
    sums: *mut [i32; 16],
}

// SAFETY: the tasks that share it write disjoint rows.
unsafe impl Sync for Out {}
// SAFETY: as above.
unsafe impl Send for Out {}

/// One row.
struct Quantise<'a> {
    x: &'a [f32],
    row: usize,
    rows: usize,
    mins: Per,
    out: &'a Out,
}

impl Kernel for Quantise<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (block, x) in self.x.chunks(SUPER).enumerate() {
            let at = block * self.rows + self.row;
            // SAFETY: the caller has room for every block of every row, and this row to itself.
            unsafe {
                let values = &mut *self.out.values.add(at);
                let sums = &mut *self.out.sums.add(at);
                *self.out.scales.add(at) = quantise(x, self.mins, values, sums);
            }
        }
    }
}

/// One block; returns its scale.
#[inline(always)]
fn quantise(x: &[f32], mins: Per, values: &mut [[i16; 32]; 8], sums: &mut [i32; 16]) -> f32 {
    // Magnitudes order as their bits do, infinity and NaN above all others.
    let bits = x.iter().fold(0, |a, v| v.to_bits().wrapping_shl(1).max(a));
    let largest = f32::from_bits(bits >> 1);
    if !(TINY..=f32::MAX).contains(&largest) {
        *values = [[0; 32]; 8];
        *sums = [0; 16];
        return if largest < TINY { 0.0 } else { f32::NAN };
    }
    let inverse = LARGEST as f32 / largest;
    let mut sixteens = [0; 16];
    let groups = x.as_chunks::<32>().0.iter().zip(values.iter_mut());
    for ((x, values), sums) in groups.zip(sixteens.as_chunks_mut::<2>().0) {
        let whole = x.map(|x| nearest(x * inverse));
        for (i, &v) in whole.iter().enumerate() {
            values[place(i)] = v as i16;
        }
        // At most 16 times 8191; a check for overflow would keep this from being a vector's work.
        let sum = |of: &[i32]| of.iter().fold(0_i32, |a, v| a.wrapping_add(*v));
        *sums = [sum(&whole[..16]), sum(&whole[16..])];
    }
    match mins {
        Per::Nothing => {}
        Per::Sixteen => *sums = sixteens,
        Per::ThirtyTwo => {
            for (sum, pair) in sums.iter_mut().zip(sixteens.as_chunks::<2>().0) {
                *sum = pair[0] + pair[1];
            }
        }
    }
    largest / LARGEST as f32
}

/// To the nearest whole number, ties to even, for magnitudes below 2^22: there, a sum with
/// 1.5 * 2^23 has no bits for a fraction, and its low bits are the number.
#[inline(always)]
fn nearest(x: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT).to_bits().wrapping_sub(SHIFT.to_bits()) as i32
}
