//! Few rows: decoding one token, or a handful of sequences. The weight is read once, in order,
//! widened in registers and never written anywhere.

use super::Product;
use super::tile::{KC, Target, dots, with_rows};
use crate::pool;
use crate::simd::{Element, Kernel, Simd, dispatch};

pub(super) fn run<E: Element>(product: &Product<'_>) {
    // A few stretches per worker, so that one that is held up does not hold up all; each long
    // enough to be read as a stream, and a multiple of every tile width.
    let share = product.n.div_ceil(pool::threads() * 4);
    let chunk = share.next_multiple_of(24);
    let cost = product.rows * product.n * product.k;
    pool::for_each(product.n.div_ceil(chunk), cost, |i| {
        let n = i * chunk;
        let cols = chunk.min(product.n - n);
        dispatch(
            product.level,
            Columns::<E> {
                product,
                n,
                cols,
                element: std::marker::PhantomData,
            },
        );
    });
}

/// The columns `n..n + cols` of the output.
struct Columns<'a, E> {
    product: &'a Product<'a>,
    n: usize,
    cols: usize,
    element: std::marker::PhantomData<E>,
}

impl<E: Element> Kernel for Columns<'_, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Product { rows, k, x, w, .. } = *self.product;
        // SAFETY: `forward` checked that x holds rows x k values, w n x k, y rows x n and the
        // bias n; `run` above keeps n + cols inside n; tiles stay inside rows and cols.
        unsafe {
            let x = x.as_ptr();
            let w = w.as_ptr().cast::<E::Bytes>().add(self.n * k);
            let target = self.product.target(self.n);
            if rows == 1 {
                // More weights at a time: one row has too few chains to keep the multipliers busy.
                let done = strip::<S, E, 1, 8>(s, x, w, k, target, 0, self.cols);
                strip::<S, E, 1, 1>(s, x, w, k, target, done, self.cols);
                return;
            }
            // Several tiles of rows take turns on a few columns, whose weights stay in the cache.
            let step = if rows <= S::MR { self.cols } else { 12 };
            let mut from = 0;
            while from < self.cols {
                let to = self.cols.min(from + step);
                let mut m = 0;
                while m < rows {
                    let mr = S::MR.min(rows - m);
                    let (x, target) = (x.add(m * k), target.at(m, 0));
                    with_rows!(mr, MR => {
                        let done = match S::NR {
                            2 => strip::<S, E, MR, 2>(s, x, w, k, target, from, to),
                            3 => strip::<S, E, MR, 3>(s, x, w, k, target, from, to),
                            _ => strip::<S, E, MR, 4>(s, x, w, k, target, from, to),
                        };
                        strip::<S, E, MR, 1>(s, x, w, k, target, done, to);
                    });
                    m += mr;
                }
                from = to;
            }
        }
    }
}

/// Whole tiles of NR columns from column `from` on; returns the first column not done.
///
/// # Safety
/// MR rows of k values lie at `x`, `to` rows of k values at `w`, and MR x `to` values at `target`.
#[inline(always)]
unsafe fn strip<S: Simd, E: Element, const MR: usize, const NR: usize>(
    s: S,
    x: *const f32,
    w: *const E::Bytes,
    k: usize,
    target: Target,
    from: usize,
    to: usize,
) -> usize {
    let mut n = from;
    while n + NR <= to {
        let mut sums = [[0.0; NR]; MR];
        let mut k0 = 0;
        while k0 < k {
            let kc = KC.min(k - k0);
            // SAFETY: the block k0..k0 + kc of rows that exist by contract.
            let block = unsafe { dots::<S, E, MR, NR>(s, x.add(k0), k, w.add(n * k + k0), k, kc) };
            for (sums, block) in sums.iter_mut().zip(block) {
                for (sum, block) in sums.iter_mut().zip(block) {
                    *sum = if k0 == 0 { block } else { *sum + block };
                }
            }
            k0 += kc;
        }
        // SAFETY: columns n..n + NR exist by contract.
        unsafe { target.at(0, n).put(sums, true, true) };
        n += NR;
    }
    n
}
