//! One row: decoding. The speed is that of memory, so each block is read once, where it lies, and
//! unpacked in registers; eight columns go side by side, so that their sums fill a vector.

use super::activations::Activations;
use super::integers::{Integers, Per};
use super::{Product, SUPER, column, prefetch};
use crate::pool;
use crate::simd::{BlockKernel, Bytes, dispatch_blocks};

/// Columns that go side by side.
const COLUMNS: usize = 8;
/// Bytes of a row between what is read and what is asked for.
const AHEAD: usize = 1024;

pub(super) fn run<P: Integers>(product: &Product<'_, P>, x: &Activations<'_>) {
    // A few stretches per worker, so that one that is held up does not hold up all.
    let share = product.n.div_ceil(pool::threads() * 8);
    let columns = share.next_multiple_of(COLUMNS);
    let cost = product.n * product.k;
    pool::for_each(product.n.div_ceil(columns), cost, |i| {
        let column = i * columns;
        let task = Task {
            product,
            x,
            column,
            columns: columns.min(product.n - column),
        };
        dispatch_blocks(product.level, task);
    });
}

/// The columns `column..column + columns` of the output.
struct Task<'a, P> {
    product: &'a Product<'a, P>,
    x: &'a Activations<'a>,
    column: usize,
    columns: usize,
}

impl<P: Integers> BlockKernel for Task<'_, P> {
    type Out = ();

    #[inline(always)]
    fn run<B: Bytes>(self, b: B) {
        let mut done = 0;
        while done < self.columns {
            let valid = COLUMNS.min(self.columns - done);
            let column = self.column + done;
            // The last of fewer columns is repeated.
            let columns = std::array::from_fn(|c| column + c.min(valid - 1));
            let sums = self.eight(b, columns);
            self.product.put(0, column, &sums[..valid]);
            done += valid;
        }
    }
}

impl<P: Integers> Task<'_, P> {
    #[inline(always)]
    fn eight<B: Bytes>(&self, b: B, columns: [usize; COLUMNS]) -> [f32; COLUMNS] {
        let Product { k, weights, .. } = self.product;
        let rows = weights.rows(columns);
        let row_bytes = weights.per_row * size_of::<P>();
        let bytes = SUPER / P::LEN * size_of::<P>();
        let mut out = [0.0; COLUMNS];
        for super_block in 0..k.div_ceil(SUPER) {
            let values = SUPER.min(k - super_block * SUPER);
            let first = super_block * (SUPER / P::LEN);
            // Further along these rows, or at their end along the next eight.
            let ends = (super_block * bytes).saturating_add(AHEAD) >= row_bytes;
            let skip = if ends { row_bytes * (COLUMNS - 1) } else { 0 };
            prefetch(b, &rows, first, AHEAD + skip, bytes);
            let x = &self.x.values(super_block, 0, 1)[0];
            let scale = self.x.scales(super_block, 0, 1)[0];
            let sums = &self.x.sums(super_block, 0, 1)[0];
            for piece in 0..values / P::LEN {
                let eight = Eight {
                    blocks: column(&rows, first + piece),
                    group: piece * P::LEN / 32,
                    x,
                    scale,
                    sums,
                };
                eight.add(b, &mut out);
            }
        }
        out
    }
}

/// A block of each of eight columns, and the activations that it meets.
struct Eight<'a, P> {
    blocks: [&'a P; COLUMNS],
    /// Where the block begins among the activations, in groups of 32.
    group: usize,
    x: &'a [[i16; 32]; 8],
    scale: f32,
    sums: &'a [i32; 16],
}

impl<P: Integers> Eight<'_, P> {
    #[inline(always)]
    fn add<B: Bytes>(&self, b: B, out: &mut [f32; COLUMNS]) {
        let (mut d, mut dmin) = ([[0; 2]; COLUMNS], [[0; 2]; COLUMNS]);
        for (block, (d, dmin)) in self.blocks.iter().zip(d.iter_mut().zip(&mut dmin)) {
            [*d, *dmin] = block.steps();
        }
        let (d, dmin) = (b.widen(&d), b.widen(&dmin));
        for unit in 0..P::LEN / P::UNIT {
            let mut parts = [b.no_parts(); COLUMNS];
            for (part, block) in parts.iter_mut().zip(self.blocks) {
                *part = self.products(b, block, unit);
            }
            let sums = b.totals(parts);
            let less = self.minima(b, unit);
            for c in 0..COLUMNS {
                let mut term = sums[c] as f32 * d[c];
                if P::MINS != Per::Nothing {
                    term -= less[c] as f32 * dmin[c];
                }
                out[c] += term * self.scale;
            }
        }
    }

    /// Partial sums of one column.
    #[inline(always)]
    fn products<B: Bytes>(&self, b: B, block: &P, unit: usize) -> B::Parts {
        let scales = b.scales(&block.scales());
        let groups = P::UNIT / 32;
        let mut parts = b.no_parts();
        for g in unit * groups..(unit + 1) * groups {
            let (w, x) = (block.group(b, g), &self.x[self.group + g]);
            let products = match P::SCALES {
                Per::Nothing => b.dot(w, P::SIGNED, x),
                Per::Sixteen => b.dot_scaled(w, P::SIGNED, x, scales, [2 * g, 2 * g + 1]),
                Per::ThirtyTwo => b.dot_scaled(w, P::SIGNED, x, scales, [g; 2]),
            };
            parts = b.add_parts(parts, products);
        }
        parts
    }

    /// The minima of each column times the sums that they belong to.
    #[inline(always)]
    fn minima<B: Bytes>(&self, b: B, unit: usize) -> [i32; COLUMNS] {
        let mut less = [0; COLUMNS];
        if P::MINS == Per::Nothing {
            return less;
        }
        let count = P::MINS.of(P::UNIT);
        let sums = &self.sums[P::MINS.of(self.group * 32) + unit * count..][..count];
        let (sums, rest) = sums.as_chunks::<8>();
        let mut parts = [b.no_parts(); COLUMNS];
        for ((part, less), block) in parts.iter_mut().zip(&mut less).zip(self.blocks) {
            let mins = block.mins();
            let (mins, rest_mins) = mins[unit * count..][..count].as_chunks::<8>();
            for (mins, sums) in mins.iter().zip(sums) {
                *part = b.add_parts(*part, b.products(mins, sums));
            }
            for (min, sum) in rest_mins.iter().zip(rest) {
                *less = less.wrapping_add(min.wrapping_mul(*sum));
            }
        }
        if count >= 8 {
            less = b.totals(parts);
        }
        less
    }
}
