//! The arithmetic of attention: scores, softmax and weighted sum for one head and a few rows.
//!
//! A score is one dot product ([`dots`]), a row's softmax reads its own scores only, and an output
//! value is one chain over the positions in order. Rows of a tile that see further than the others
//! continue their chains alone: a weight of zero for an unseen position would not do, since it
//! would pass on the NaN of a position that the row must not know.

use std::marker::PhantomData;

use super::{AttentionShape, Mask};
use crate::gemm::tile::{dots, with_rows};
use crate::isa::Level;
use crate::simd::{Element, Kernel, Simd, dispatch};
use crate::softmax::softmax;
use crate::{pool, scratch};

/// Rows of a task: a multiple of every tile height. Their scores lie in scratch.
const ROWS: usize = 24;
/// Positions whose keys or values stay in the first-level cache while the rows take turns.
const POSITIONS: usize = 64;

/// One call of [`super::attention`], its lengths checked.
pub(super) struct Call<'a> {
    pub(super) level: Level,
    /// (rows, heads * head_dim)
    pub(super) q: &'a [f32],
    /// (rows, heads * head_dim)
    pub(super) out: *mut f32,
    pub(super) rows: usize,
    pub(super) positions: usize,
    pub(super) shape: AttentionShape,
    pub(super) scale: f32,
    pub(super) mask: Mask,
}

// SAFETY: `out` is exclusively borrowed while the call lives, and the tasks that share the call
// write disjoint rows and heads of it.
unsafe impl Sync for Call<'_> {}
// SAFETY: as above.
unsafe impl Send for Call<'_> {}

impl Call<'_> {
    /// Runs the call on keys of stored type `K`, held as `A`, and values of type `V`, held as `B`.
    pub(super) fn run<K: Element, V: Element, A: Sync, B: Sync>(&self, k: &[Vec<A>], v: &[Vec<B>]) {
        const { assert!(size_of::<K::Bytes>() == size_of::<A>()) };
        const { assert!(size_of::<V::Bytes>() == size_of::<B>()) };
        let AttentionShape {
            heads,
            kv_heads,
            head_dim,
        } = self.shape;
        let blocks = self.rows.div_ceil(ROWS);
        let cost = 2 * self.rows * self.positions * heads * head_dim;
        // Row blocks of one head follow each other, so that its keys stay in the shared cache.
        pool::for_each(heads * blocks, cost, |task| {
            let (head, block) = (task / blocks, task % blocks);
            let row = block * ROWS;
            let rows = ROWS.min(self.rows - row);
            let kv_head = head / (heads / kv_heads);
            let seen = self.seen(row + rows - 1);
            // The checks that the pointers below rely on.
            let (k, v) = (&k[kv_head], &v[kv_head]);
            assert!(
                k.len() >= seen * head_dim && v.len() >= seen * head_dim,
                "seen positions"
            );
            let stride = seen.next_multiple_of(16);
            scratch::with(rows * stride, |scores| {
                let task = Task::<K, V> {
                    call: self,
                    head,
                    row,
                    rows,
                    k: k.as_ptr().cast(),
                    v: v.as_ptr().cast(),
                    scores,
                    stride,
                    types: PhantomData,
                };
                dispatch(self.level, task);
            });
        });
    }

    /// How many positions a row sees.
    #[inline(always)]
    fn seen(&self, row: usize) -> usize {
        match self.mask {
            Mask::Causal { start } => start + row + 1,
            Mask::None => self.positions,
        }
    }
}

/// `rows` rows from `row` on, of one head.
struct Task<'a, K: Element, V: Element> {
    call: &'a Call<'a>,
    head: usize,
    row: usize,
    rows: usize,
    /// (at least as many positions as the last row sees, head_dim)
    k: *const K::Bytes,
    v: *const V::Bytes,
    /// (rows, stride)
    scores: &'a mut [f32],
    stride: usize,
    types: PhantomData<(K, V)>,
}

impl<K: Element, V: Element> Kernel for Task<'_, K, V> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        self.scores(s);
        for r in 0..self.rows {
            let seen = self.call.seen(self.row + r);
            softmax(s, &mut self.scores[r * self.stride..][..seen]);
        }
        self.weighted_sums(s);
    }
}

impl<K: Element, V: Element> Task<'_, K, V> {
    /// Values from one row of q and out to the next.
    #[inline(always)]
    fn width(&self) -> usize {
        self.call.shape.heads * self.call.shape.head_dim
    }

    /// Where row `r` of the task begins in q and out.
    #[inline(always)]
    fn at(&self, r: usize) -> usize {
        (self.row + r) * self.width() + self.head * self.call.shape.head_dim
    }

    /// `scores = q k^T * scale`, for each tile of rows as far as its last row sees.
    #[inline(always)]
    fn scores<S: Simd>(&mut self, s: S) {
        let end = self.call.seen(self.row + self.rows - 1);
        for from in (0..end).step_by(POSITIONS) {
            for r in (0..self.rows).step_by(S::MR) {
                let mr = S::MR.min(self.rows - r);
                let to = self.call.seen(self.row + r + mr - 1).min(from + POSITIONS);
                with_rows!(mr, MR => {
                    let done = match S::NR {
                        2 => self.score_strip::<S, MR, 2>(s, r, from, to),
                        3 => self.score_strip::<S, MR, 3>(s, r, from, to),
                        _ => self.score_strip::<S, MR, 4>(s, r, from, to),
                    };
                    self.score_strip::<S, MR, 1>(s, r, done, to);
                });
            }
        }
    }

    /// Whole tiles of the rows `r..r + MR` and NR positions; returns the first position not done.
    #[inline(always)]
    fn score_strip<S: Simd, const MR: usize, const NR: usize>(
        &mut self,
        s: S,
        r: usize,
        from: usize,
        to: usize,
    ) -> usize {
        let d = self.call.shape.head_dim;
        let mut j = from;
        while j + NR <= to {
            // SAFETY: the rows r..r + MR of q exist (checked in `attention`), and the positions
            // before `to`, which the last row sees (checked in `run`).
            let sums = unsafe {
                let q = self.call.q.as_ptr().add(self.at(r));
                dots::<S, K, MR, NR>(s, q, self.width(), self.k.add(j * d), d, d)
            };
            for (i, sums) in sums.iter().enumerate() {
                let row = &mut self.scores[(r + i) * self.stride + j..][..NR];
                for (score, sum) in row.iter_mut().zip(sums) {
                    *score = sum * self.call.scale;
                }
            }
            j += NR;
        }
        j
    }

    /// `out = scores v`.
    #[inline(always)]
    fn weighted_sums<S: Simd>(&self, s: S) {
        for r in 0..self.rows {
            // SAFETY: head_dim values of a row that exists, of a head that this task alone writes.
            unsafe {
                self.call
                    .out
                    .add(self.at(r))
                    .write_bytes(0, self.call.shape.head_dim)
            };
        }
        let end = self.call.seen(self.row + self.rows - 1);
        for from in (0..end).step_by(POSITIONS) {
            for r in (0..self.rows).step_by(S::MR) {
                let mr = S::MR.min(self.rows - r);
                // What all rows of the tile see they do together, the rest each on its own.
                let limit = from + POSITIONS;
                let common = self.call.seen(self.row + r).min(limit);
                with_rows!(mr, MR => self.columns::<S, MR>(s, r, from, common));
                for r in r + 1..r + mr {
                    let to = self.call.seen(self.row + r).min(limit);
                    self.columns::<S, 1>(s, r, from.max(common), to);
                }
            }
        }
    }

    /// Adds the positions `from..to` to the rows `r..r + MR`.
    #[inline(always)]
    fn columns<S: Simd, const MR: usize>(&self, s: S, r: usize, from: usize, to: usize) {
        if from >= to {
            return;
        }
        let d = self.call.shape.head_dim;
        let mut c = 0;
        while c + S::NV * S::LANES <= d {
            match S::NV {
                2 => self.sum_tile::<S, MR, 2>(s, r, c, from, to),
                _ => self.sum_tile::<S, MR, 4>(s, r, c, from, to),
            }
            c += S::NV * S::LANES;
        }
        while c + S::LANES <= d {
            self.sum_tile::<S, MR, 1>(s, r, c, from, to);
            c += S::LANES;
        }
        if c < d {
            self.sum_rest::<S, MR>(s, r, c, from, to);
        }
    }

    /// The columns `c..c + NV * LANES` of the head.
    #[inline(always)]
    fn sum_tile<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        r: usize,
        c: usize,
        from: usize,
        to: usize,
    ) {
        let d = self.call.shape.head_dim;
        let mut acc = [[s.splat(0.0); NV]; MR];
        // SAFETY: rows r..r + MR and columns up to head_dim of out, which this task alone writes;
        // positions before `to`, which row r sees, of the values (checked in `run`) and of the
        // scores, whose stride is at least that.
        unsafe {
            let out = self.call.out.add(self.at(r) + c);
            let width = self.width();
            for (i, acc) in acc.iter_mut().enumerate() {
                for (n, acc) in acc.iter_mut().enumerate() {
                    *acc = s.load(out.add(i * width + n * S::LANES));
                }
            }
            let mut weights = [self.scores.as_ptr(); MR];
            for (i, weights) in weights.iter_mut().enumerate() {
                *weights = weights.add((r + i) * self.stride);
            }
            let mut v = self.v.add(from * d + c);
            for j in from..to {
                let mut vs = [s.splat(0.0); NV];
                for (n, vs) in vs.iter_mut().enumerate() {
                    *vs = V::load(s, v.add(n * S::LANES));
                }
                for i in 0..MR {
                    let weight = s.splat(*weights[i].add(j));
                    for n in 0..NV {
                        acc[i][n] = s.fma(weight, vs[n], acc[i][n]);
                    }
                }
                // Past the end after the last position: not read, and so only computed.
                v = v.wrapping_add(d);
            }
            for (i, acc) in acc.iter().enumerate() {
                for (n, acc) in acc.iter().enumerate() {
                    s.store(out.add(i * width + n * S::LANES), *acc);
                }
            }
        }
    }

    /// The last columns, fewer than a vector holds.
    #[inline(always)]
    fn sum_rest<S: Simd, const MR: usize>(&self, s: S, r: usize, c: usize, from: usize, to: usize) {
        let d = self.call.shape.head_dim;
        for r in r..r + MR {
            // SAFETY: as in `sum_tile`, for columns c..head_dim.
            unsafe {
                let out = self.call.out.add(self.at(r) + c);
                let mut acc = s.load_part(out, d - c);
                for j in from..to {
                    let weight = s.splat(self.scores[r * self.stride + j]);
                    let v = V::load_part(s, self.v.add(j * d + c), d - c);
                    acc = s.fma(weight, v, acc);
                }
                s.store_part(out, acc, d - c);
            }
        }
    }
}
