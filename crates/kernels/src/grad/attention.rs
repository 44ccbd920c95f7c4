//! Attention over whole sequences, forwards and backwards.
//!
//! The weights are computed again in the backward pass instead of being kept: they are the only
//! thing in a model that grows with the square of the length.

use super::product::{View, product_at};
use crate::attention::AttentionShape;
use crate::isa::Level;
use crate::simd::{Kernel, Simd, dispatch};
use crate::softmax::softmax;
use crate::{pool, scratch};
use gemm::Parallelism;

/// Query rows of a block: their weights lie in scratch.
const ROWS: usize = 128;

/// The sequences of a batch, whose rows lie one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Sequences<'a> {
    /// Rows of each sequence.
    pub lengths: &'a [usize],
    /// Whether a row sees only itself and what is before it.
    pub causal: bool,
    /// Sizes of the heads.
    pub shape: AttentionShape,
    /// Scores are multiplied by this.
    pub scale: f32,
}

/// Where the gradients of queries, keys and values are written.
pub struct AttentionGrad<'a> {
    /// (rows, heads * head_dim)
    pub dq: &'a mut [f32],
    /// (rows, kv_heads * head_dim)
    pub dk: &'a mut [f32],
    /// (rows, kv_heads * head_dim)
    pub dv: &'a mut [f32],
}

impl Sequences<'_> {
    fn rows(&self) -> usize {
        self.lengths.iter().sum()
    }

    fn check(&self, queries: [&[f32]; 2], keys: [&[f32]; 2]) {
        let AttentionShape {
            heads,
            kv_heads,
            head_dim,
        } = self.shape;
        assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads), "heads");
        let rows = self.rows();
        assert!(
            queries.iter().all(|x| x.len() == rows * heads * head_dim),
            "queries"
        );
        assert!(
            keys.iter().all(|x| x.len() == rows * kv_heads * head_dim),
            "keys and values"
        );
    }

    /// Calls `f` with the first row, the length and the key head of each task.
    fn each(&self, f: impl Fn(usize, usize, usize) + Send + Sync) {
        let kv_heads = self.shape.kv_heads;
        let starts: Vec<usize> = self
            .lengths
            .iter()
            .scan(0, |at, len| {
                let start = *at;
                *at += len;
                Some(start)
            })
            .collect();
        let cost = self.lengths.iter().map(|n| n * n).sum::<usize>()
            * self.shape.heads
            * self.shape.head_dim;
        pool::for_each(self.lengths.len() * kv_heads, cost, |task| {
            let (sequence, head) = (task / kv_heads, task % kv_heads);
            f(starts[sequence], self.lengths[sequence], head);
        });
    }

    /// The query heads that read the key head `head`.
    fn group(&self, head: usize) -> std::ops::Range<usize> {
        let group = self.shape.heads / self.shape.kv_heads;
        head * group..(head + 1) * group
    }
}

/// A pointer that the tasks of one call share; each writes rows and heads of its own.
#[derive(Clone, Copy)]
struct Shared(*mut f32);
// SAFETY: see above; the slice behind it is exclusively borrowed while the call runs.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    /// # Safety
    /// `at` lies inside the slice.
    unsafe fn at(self, at: usize) -> *mut f32 {
        // SAFETY: by contract.
        unsafe { self.0.add(at) }
    }
}

/// One head of one sequence.
#[derive(Clone, Copy)]
struct Head<'a> {
    sequences: Sequences<'a>,
    start: usize,
    len: usize,
    head: usize,
    kv_head: usize,
}

impl<'a> Head<'a> {
    fn q_width(&self) -> usize {
        self.sequences.shape.heads * self.sequences.shape.head_dim
    }

    fn kv_width(&self) -> usize {
        self.sequences.shape.kv_heads * self.sequences.shape.head_dim
    }

    fn q_at(&self, row: usize) -> usize {
        (self.start + row) * self.q_width() + self.head * self.sequences.shape.head_dim
    }

    fn kv_at(&self, row: usize) -> usize {
        (self.start + row) * self.kv_width() + self.kv_head * self.sequences.shape.head_dim
    }

    /// Query-shaped rows of this head.
    fn q<'b>(&self, x: &'b [f32], row: usize, rows: usize) -> View<'b> {
        View::strided(
            &x[self.q_at(row)..],
            rows,
            self.sequences.shape.head_dim,
            self.q_width(),
        )
    }

    /// The first `rows` key-shaped rows of this head.
    fn kv<'b>(&self, x: &'b [f32], rows: usize) -> View<'b> {
        View::strided(
            &x[self.kv_at(0)..],
            rows,
            self.sequences.shape.head_dim,
            self.kv_width(),
        )
    }

    /// Blocks of query rows: first row, rows, positions that the last of them sees.
    fn blocks(self) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..self.len).step_by(ROWS).map(move |row| {
            let rows = ROWS.min(self.len - row);
            let seen = if self.sequences.causal {
                row + rows
            } else {
                self.len
            };
            (row, rows, seen)
        })
    }

    /// The attention weights of a block, (rows, seen), zero where a row does not see.
    fn weights(
        &self,
        level: Level,
        q: &[f32],
        k: &[f32],
        (row, rows, seen): (usize, usize, usize),
        out: &mut [f32],
    ) {
        let (q, k) = (self.q(q, row, rows), self.kv(k, seen));
        assert!(out.len() >= rows * seen, "scratch of attention");
        // SAFETY: `out` holds the block.
        unsafe {
            product_at(
                q,
                k.t(),
                self.sequences.scale,
                false,
                out.as_mut_ptr(),
                seen,
                Parallelism::None,
            );
        }
        let first = if self.sequences.causal { row + 1 } else { seen };
        dispatch(
            level,
            Weights {
                scores: &mut out[..rows * seen],
                seen,
                first,
            },
        );
    }
}

/// Softmax of each row of scores as far as it sees: the first row `first` positions, each further
/// one a position more, up to all.
struct Weights<'a> {
    scores: &'a mut [f32],
    seen: usize,
    first: usize,
}

impl Kernel for Weights<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (r, row) in self.scores.chunks_exact_mut(self.seen).enumerate() {
            let (see, rest) = row.split_at_mut((self.first + r).min(self.seen));
            softmax(s, see);
            rest.fill(0.0);
        }
    }
}

/// `out = softmax(q k^T * scale) v` of each sequence and head, for q and out
/// (rows, heads * head_dim), k and v (rows, kv_heads * head_dim).
///
/// # Panics
/// When lengths do not fit.
pub fn attend(q: &[f32], k: &[f32], v: &[f32], sequences: &Sequences<'_>, out: &mut [f32]) {
    sequences.check([q, out], [k, v]);
    let level = Level::current();
    let out = Shared(out.as_mut_ptr());
    sequences.each(|start, len, kv_head| {
        for head in sequences.group(kv_head) {
            let h = Head {
                sequences: *sequences,
                start,
                len,
                head,
                kv_head,
            };
            scratch::with(ROWS.min(len) * len, |weights| {
                for block in h.blocks() {
                    h.weights(level, q, k, block, weights);
                    let (row, rows, seen) = block;
                    // SAFETY: this task alone writes these rows of this head.
                    unsafe {
                        let p = View::new(weights, rows, seen);
                        let out = out.at(h.q_at(row));
                        product_at(
                            p,
                            h.kv(v, seen),
                            1.0,
                            false,
                            out,
                            h.q_width(),
                            Parallelism::None,
                        );
                    }
                }
            });
        }
    });
}

/// The derivatives of [`attend`] from its operands and result and the result's gradient `dout`.
///
/// # Panics
/// When lengths do not fit.
pub fn attend_backward(
    [q, k, v, out]: [&[f32]; 4],
    dout: &[f32],
    sequences: &Sequences<'_>,
    grad: AttentionGrad<'_>,
) {
    sequences.check([q, out], [k, v]);
    sequences.check([dout, grad.dq], [grad.dk, grad.dv]);
    let level = Level::current();
    grad.dk.fill(0.0);
    grad.dv.fill(0.0);
    let (dq, dk, dv) = (
        Shared(grad.dq.as_mut_ptr()),
        Shared(grad.dk.as_mut_ptr()),
        Shared(grad.dv.as_mut_ptr()),
    );
    sequences.each(|start, len, kv_head| {
        for head in sequences.group(kv_head) {
            let h = Head {
                sequences: *sequences,
                start,
                len,
                head,
                kv_head,
            };
            let size = ROWS.min(len) * len;
            scratch::with(2 * size, |both| {
                let (p, dp) = both.split_at_mut(size);
                for block in h.blocks() {
                    h.weights(level, q, k, block, p);
                    let (row, rows, seen) = block;
                    let none = Parallelism::None;
                    let douts = h.q(dout, row, rows);
                    // SAFETY: dp holds the block.
                    unsafe {
                        product_at(
                            douts,
                            h.kv(v, seen).t(),
                            1.0,
                            false,
                            dp.as_mut_ptr(),
                            seen,
                            none,
                        )
                    };
                    let backward = WeightsBackward {
                        p: &p[..rows * seen],
                        dp: &mut dp[..rows * seen],
                        seen,
                        scale: sequences.scale,
                    };
                    dispatch(level, backward);
                    let (p, ds) = (View::new(p, rows, seen), View::new(dp, rows, seen));
                    // SAFETY: this task alone writes these rows of its heads of dq, dk and dv.
                    unsafe {
                        let (q_width, kv_width) = (h.q_width(), h.kv_width());
                        let (dk, dv) = (dk.at(h.kv_at(0)), dv.at(h.kv_at(0)));
                        product_at(
                            ds,
                            h.kv(k, seen),
                            1.0,
                            false,
                            dq.at(h.q_at(row)),
                            q_width,
                            none,
                        );
                        product_at(ds.t(), h.q(q, row, rows), 1.0, true, dk, kv_width, none);
                        product_at(p.t(), douts, 1.0, true, dv, kv_width, none);
                    }
                }
            });
        }
    });
}

/// `ds = p * (dp - sum(p * dp)) * scale` in place of dp.
struct WeightsBackward<'a> {
    p: &'a [f32],
    dp: &'a mut [f32],
    seen: usize,
    scale: f32,
}

impl Kernel for WeightsBackward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let rows = self
            .p
            .chunks_exact(self.seen)
            .zip(self.dp.chunks_exact_mut(self.seen));
        for (p, dp) in rows {
            let mut chains = [0.0f32; 8];
            let ((ps, p_rest), (dps, dp_rest)) = (p.as_chunks::<8>(), dp.as_chunks::<8>());
            for (p, dp) in ps.iter().zip(dps) {
                for ((chain, p), dp) in chains.iter_mut().zip(p).zip(dp) {
                    *chain += p * dp;
                }
            }
            for ((chain, p), dp) in chains.iter_mut().zip(p_rest).zip(dp_rest) {
                *chain += p * dp;
            }
            let mean: f32 = chains.iter().sum();
            for (dp, p) in dp.iter_mut().zip(p) {
                *dp = p * (*dp - mean) * self.scale;
            }
        }
    }
}

#[cfg(test)]
mod tests;
