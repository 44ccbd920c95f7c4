//! The tile: MR x NR dot products at a time, each in a register of its own.
//!
//! Lanes run along k, so that an output is one chain of fused multiply-adds, one fixed sum of the
//! lanes, and one addition per block of k. That sequence is the same in every tile shape, which
//! is why rows computed together have the bits of rows computed alone.

use crate::simd::{Element, Simd};

/// Length of a block of k. Part of the definition of the result: changing it changes bits.
pub(crate) const KC: usize = 1024;

/// Dot products of MR rows of `x` with NR rows of `w` over `k` values.
///
/// # Safety
/// At `x` lie MR rows, `x_stride` apart, and at `w` NR rows, `w_stride` apart, of `k` values each.
#[inline(always)]
pub(crate) unsafe fn dots<S: Simd, E: Element, const MR: usize, const NR: usize>(
    s: S,
    x: *const f32,
    x_stride: usize,
    w: *const E::Bytes,
    w_stride: usize,
    k: usize,
) -> [[f32; NR]; MR] {
    let mut acc = [[s.splat(0.0); NR]; MR];
    let mut xs = [x; MR];
    let mut ws = [w; NR];
    // SAFETY: row starts, and below values before the k-th of each row, are readable by contract.
    unsafe {
        for (i, p) in xs.iter_mut().enumerate() {
            *p = x.add(i * x_stride);
        }
        for (j, p) in ws.iter_mut().enumerate() {
            *p = w.add(j * w_stride);
        }
        let rest = k % S::LANES;
        let whole = k - rest;
        let mut at = 0;
        while at < whole {
            let mut wv = [s.splat(0.0); NR];
            for j in 0..NR {
                wv[j] = E::load(s, ws[j].add(at));
            }
            for i in 0..MR {
                let xv = s.load(xs[i].add(at));
                for j in 0..NR {
                    acc[i][j] = s.fma(xv, wv[j], acc[i][j]);
                }
            }
            // Unchecked, as this is the innermost loop: at + LANES <= whole.
            at = at.unchecked_add(S::LANES);
        }
        if rest > 0 {
            let mut wv = [s.splat(0.0); NR];
            for j in 0..NR {
                wv[j] = E::load_part(s, ws[j].add(whole), rest);
            }
            for i in 0..MR {
                let xv = s.load_part(xs[i].add(whole), rest);
                for j in 0..NR {
                    acc[i][j] = s.fma(xv, wv[j], acc[i][j]);
                }
            }
        }
    }
    let mut sums = [[0.0; NR]; MR];
    for i in 0..MR {
        sums[i] = reduce(s, acc[i]);
    }
    sums
}

/// The lane sums of `acc`; four at a time where that is quicker, to the same bits.
#[inline(always)]
fn reduce<S: Simd, const NR: usize>(s: S, acc: [S::V; NR]) -> [f32; NR] {
    let mut sums = [0.0; NR];
    if NR < 3 {
        for j in 0..NR {
            sums[j] = s.sum(acc[j]);
        }
        return sums;
    }
    for j in (0..NR).step_by(4) {
        let last = NR - 1;
        let four = [
            acc[j],
            acc[if j + 1 < NR { j + 1 } else { last }],
            acc[if j + 2 < NR { j + 2 } else { last }],
            acc[if j + 3 < NR { j + 3 } else { last }],
        ];
        let four = s.sum4(four);
        for (sum, four) in sums[j..].iter_mut().zip(four) {
            *sum = four;
        }
    }
    sums
}

/// Where a tile's outputs go.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// First value of the tile in the output.
    pub(crate) y: *mut f32,
    /// Values from one row of the output to the next.
    pub(crate) stride: usize,
    /// The bias of the tile's first column, or null.
    pub(crate) bias: *const f32,
}

impl Target {
    /// The target `rows` further down and `cols` further right.
    ///
    /// # Safety
    /// That point lies inside the output.
    #[inline(always)]
    pub(crate) unsafe fn at(self, rows: usize, cols: usize) -> Self {
        // SAFETY: by contract; the bias has a value for each column.
        unsafe {
            let bias = if self.bias.is_null() {
                self.bias
            } else {
                self.bias.add(cols)
            };
            Self {
                y: self.y.add(rows * self.stride + cols),
                bias,
                ..self
            }
        }
    }

    /// Writes the sums of one block of k: the first block sets, later ones add to what is there,
    /// and the last adds the bias.
    ///
    /// # Safety
    /// MR rows of NR values lie at the target, and no other thread touches them.
    #[inline(always)]
    pub(crate) unsafe fn put<const MR: usize, const NR: usize>(
        self,
        sums: [[f32; NR]; MR],
        first: bool,
        last: bool,
    ) {
        // SAFETY: by contract.
        unsafe {
            for (i, sums) in sums.iter().enumerate() {
                let row = self.y.add(i * self.stride);
                for (j, &sum) in sums.iter().enumerate() {
                    let y = row.add(j);
                    let mut value = if first { sum } else { *y + sum };
                    if last && !self.bias.is_null() {
                        value += *self.bias.add(j);
                    }
                    *y = value;
                }
            }
        }
    }
}

/// Calls `$f::<.., MR, ..>` with the constant that equals `$rows`, which is 1 to 6.
macro_rules! with_rows {
    ($rows:expr, $MR:ident => $call:expr) => {
        match $rows {
            1 => {
                const $MR: usize = 1;
                $call
            }
            2 => {
                const $MR: usize = 2;
                $call
            }
            3 => {
                const $MR: usize = 3;
                $call
            }
            4 => {
                const $MR: usize = 4;
                $call
            }
            5 => {
                const $MR: usize = 5;
                $call
            }
            _ => {
                const $MR: usize = 6;
                $call
            }
        }
    };
}
pub(crate) use with_rows;
