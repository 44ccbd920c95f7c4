//! A panel of a quantised weight: sixteen columns of the output by 256 values of k, unpacked to
//! 16-bit integers with their scales multiplied in.
//!
//! Lanes run along the columns, so that one activation is broadcast to sixteen sums and nothing is
//! ever summed across a vector. A panel takes 8 KiB, a quarter of a first-level cache, and serves
//! all rows before the next one takes its place.

use super::integers::{Integers, Per};
use super::{SUPER, Weights, column, prefetch};
use crate::simd::{BlockKernel, Bytes, Step};

/// Columns of a panel.
pub(super) const COLUMNS: usize = 16;
/// Columns that are interleaved at a time.
const HALF: usize = 8;

#[repr(C, align(64))]
pub(super) struct Panel {
    pub(super) steps: [Step; SUPER / 2],
    /// For each block of the 256 values.
    pub(super) d: [[f32; COLUMNS]; 8],
    pub(super) dmin: [[f32; COLUMNS]; 8],
    /// For each group of values that share a minimum.
    pub(super) mins: [[i32; COLUMNS]; 16],
}

impl Panel {
    pub(super) const fn new() -> Self {
        Self {
            steps: [[[0; 2]; COLUMNS]; SUPER / 2],
            d: [[0.0; COLUMNS]; 8],
            dmin: [[0.0; COLUMNS]; 8],
            mins: [[0; COLUMNS]; 16],
        }
    }
}

/// Unpacks some blocks of up to sixteen columns into a panel.
pub(super) struct Fill<'a, P> {
    pub(super) panel: &'a mut Panel,
    pub(super) weights: Weights<'a, P>,
    pub(super) column: usize,
    /// Columns there are, at least 1. Where they are fewer than sixteen, the last is repeated.
    pub(super) valid: usize,
    /// The first block of each column.
    pub(super) first: usize,
    /// Blocks of each column.
    pub(super) count: usize,
}

impl<P: Integers> BlockKernel for Fill<'_, P> {
    type Out = ();

    #[inline(always)]
    fn run<B: Bytes>(mut self, b: B) {
        for half in 0..COLUMNS / HALF {
            let at = half * HALF;
            let last = self.valid - 1;
            let mut columns = [self.column; HALF];
            for (c, column) in columns.iter_mut().enumerate() {
                *column += (at + c).min(last);
            }
            let rows = self.weights.rows(columns);
            // The blocks that the panel takes next.
            let bytes = SUPER / P::LEN * size_of::<P>();
            prefetch(b, &rows, self.first, bytes, bytes);
            for piece in 0..self.count {
                let blocks = column(&rows, self.first + piece);
                self.fill_steps(b, blocks, piece, at);
                self.fill_scales(b, blocks, piece, at);
            }
        }
    }
}

impl<P: Integers> Fill<'_, P> {
    /// One block of each of eight columns, which begin at column `at`.
    #[inline(always)]
    fn fill_steps<B: Bytes>(&mut self, b: B, blocks: [&P; HALF], piece: usize, at: usize) {
        let mut scales = [[1_i16; HALF]; 16];
        for (c, block) in blocks.iter().enumerate() {
            let own = block.scales();
            for (row, scale) in scales.iter_mut().zip(own).take(P::SCALES.of(P::LEN)) {
                row[c] = scale;
            }
        }
        let groups = P::LEN / 32;
        for g in 0..groups {
            let scales = match P::SCALES {
                Per::Nothing => None,
                Per::Sixteen => Some([&scales[2 * g], &scales[2 * g + 1]]),
                Per::ThirtyTwo => Some([&scales[g]; 2]),
            };
            // A loop, since a closure might be compiled apart, without the instruction set.
            let mut w = [blocks[0].group(b, g); HALF];
            for (w, block) in w.iter_mut().zip(blocks).skip(1) {
                *w = block.group(b, g);
            }
            let steps = &mut self.panel.steps[16 * (piece * groups + g)..][..16];
            // SAFETY: sixteen steps, of each of which eight columns from `at` on are written:
            // `at` is 0 or 8 of sixteen.
            unsafe {
                let out = steps.as_mut_ptr().cast::<[i16; 2]>().add(at);
                b.interleave(w, P::SIGNED, scales, out);
            }
        }
    }

    #[inline(always)]
    fn fill_scales<B: Bytes>(&mut self, b: B, blocks: [&P; HALF], piece: usize, at: usize) {
        let (mut d, mut dmin) = ([[0; 2]; HALF], [[0; 2]; HALF]);
        for (block, (d, dmin)) in blocks.iter().zip(d.iter_mut().zip(&mut dmin)) {
            [*d, *dmin] = block.steps();
        }
        self.panel.d[piece][at..at + HALF].copy_from_slice(&b.widen(&d));
        if P::MINS == Per::Nothing {
            return;
        }
        self.panel.dmin[piece][at..at + HALF].copy_from_slice(&b.widen(&dmin));
        let per_block = P::MINS.of(P::LEN);
        let rows = &mut self.panel.mins[piece * per_block..][..per_block];
        for (c, block) in blocks.iter().enumerate() {
            for (row, min) in rows.iter_mut().zip(block.mins()) {
                row[at + c] = min;
            }
        }
    }
}
