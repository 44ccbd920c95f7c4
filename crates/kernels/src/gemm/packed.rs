//! Many rows: a picture, or a prompt. A panel of the weight is widened once for all rows and
//! stays in the second-level cache, a tile's rows of x stay in the first.

use std::marker::PhantomData;

use super::Product;
use super::tile::{KC, Target, dots, with_rows};
use crate::pool;
use crate::scratch;
use crate::simd::{Element, F32, Kernel, Simd, dispatch};

/// Rows of the weight in a panel: with [`KC`], 384 KiB. A multiple of every tile width.
const NC: usize = 96;

pub(super) fn run<E: Element>(product: &Product<'_>) {
    // Narrower panels where there would be too few to go round.
    let share = product.n.div_ceil(pool::threads() * 2);
    let nc = NC.min(share.next_multiple_of(12));
    let cost = product.rows * product.n * product.k;
    pool::for_each(product.n.div_ceil(nc), cost, |i| {
        let n = i * nc;
        let cols = nc.min(product.n - n);
        let stride = KC.min(product.k.next_multiple_of(16));
        scratch::with(nc * stride, |panel| {
            let task = Panel::<E> {
                product,
                n,
                cols,
                panel,
                stride,
                element: PhantomData,
            };
            dispatch(product.level, task);
        });
    });
}

/// The columns `n..n + cols` of the output.
struct Panel<'a, E> {
    product: &'a Product<'a>,
    n: usize,
    cols: usize,
    /// Scratch of at least (cols, stride).
    panel: &'a mut [f32],
    stride: usize,
    element: PhantomData<E>,
}

impl<E: Element> Kernel for Panel<'_, E> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            product,
            n,
            cols,
            panel,
            stride,
            ..
        } = self;
        let Product { rows, k, x, w, .. } = *product;
        assert!(
            panel.len() >= cols * stride && stride >= KC.min(k),
            "panel scratch"
        );
        let mut k0 = 0;
        while k0 < k {
            let kc = KC.min(k - k0);
            // SAFETY: `forward` checked that x holds rows x k values, w n x k and y rows x n;
            // `run` above keeps n + cols inside n. The panel holds cols rows of at least kc
            // values, `stride` apart, as asserted. Tiles stay inside rows and cols.
            unsafe {
                let w = w.as_ptr().cast::<E::Bytes>().add(n * k + k0);
                widen::<S, E>(s, w, k, cols, kc, panel.as_mut_ptr(), stride);
                let block = Block {
                    panel: panel.as_ptr(),
                    stride,
                    cols,
                    k,
                    kc,
                    first: k0 == 0,
                    last: k0 + kc == k,
                };
                let target = product.target(n);
                let mut m = 0;
                while m < rows {
                    let mr = S::MR.min(rows - m);
                    let (x, target) = (x.as_ptr().add(m * k + k0), target.at(m, 0));
                    with_rows!(mr, MR => {
                        let done = match S::NR {
                            2 => block.strip::<S, MR, 2>(s, x, target, 0),
                            3 => block.strip::<S, MR, 3>(s, x, target, 0),
                            _ => block.strip::<S, MR, 4>(s, x, target, 0),
                        };
                        block.strip::<S, MR, 1>(s, x, target, done);
                    });
                    m += mr;
                }
            }
            k0 += kc;
        }
    }
}

/// Writes `cols` rows of `kc` values, widened, to `panel`.
///
/// # Safety
/// The rows lie at `w`, `w_stride` apart, and `panel` has room for them, `stride` apart.
#[inline(always)]
unsafe fn widen<S: Simd, E: Element>(
    s: S,
    w: *const E::Bytes,
    w_stride: usize,
    cols: usize,
    kc: usize,
    panel: *mut f32,
    stride: usize,
) {
    let rest = kc % S::LANES;
    let whole = kc - rest;
    for j in 0..cols {
        // SAFETY: values before the kc-th of row j, on both sides, by contract.
        unsafe {
            let (w, out) = (w.add(j * w_stride), panel.add(j * stride));
            let mut at = 0;
            while at < whole {
                s.store(out.add(at), E::load(s, w.add(at)));
                at += S::LANES;
            }
            if rest > 0 {
                s.store_part(out.add(whole), E::load_part(s, w.add(whole), rest), rest);
            }
        }
    }
}

/// One widened panel over one block of k.
struct Block {
    panel: *const f32,
    stride: usize,
    cols: usize,
    k: usize,
    kc: usize,
    first: bool,
    last: bool,
}

impl Block {
    /// Whole tiles of NR columns from column `from` on; returns the first column not done.
    ///
    /// # Safety
    /// MR rows of kc values lie at `x`, k apart, and MR rows of cols values at `target`.
    #[inline(always)]
    unsafe fn strip<S: Simd, const MR: usize, const NR: usize>(
        &self,
        s: S,
        x: *const f32,
        target: Target,
        from: usize,
    ) -> usize {
        let mut n = from;
        while n + NR <= self.cols {
            // SAFETY: rows n..n + NR of the panel, columns n..n + NR of the target.
            unsafe {
                let w = self.panel.add(n * self.stride).cast();
                let sums = dots::<S, F32, MR, NR>(s, x, self.k, w, self.stride, self.kc);
                target.at(0, n).put(sums, self.first, self.last);
            }
            n += NR;
        }
        n
    }
}
