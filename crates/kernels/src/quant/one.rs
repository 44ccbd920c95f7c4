//! One row: decoding. The speed is that of memory, so each block is read once, where it lies, and
//! unpacked in registers; eight columns go side by side, so that their sums fill a vector.

use super::activations::Activations;
use super::integers::{Integers, Per};
use super::{Product, SUPER, Weights};
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
        let mut out = [0.0; COLUMNS];
        for super_block in 0..k.div_ceil(SUPER) {
            let values = SUPER.min(k - super_block * SUPER);
            let first = super_block * (SUPER / P::LEN);
            prefetch(b, weights, columns, first);
            for piece in 0..values / P::LEN {
                let eight = Eight {
                    blocks: weights.column_blocks(columns, first + piece),
                    group: piece * P::LEN / 32,
                    x: &self.x.values(super_block, 0, 1)[0],
                    scale: self.x.scales(super_block, 0, 1)[0],
                    sums: &self.x.sums(super_block, 0, 1)[0],
                };
                eight.add(b, &mut out);
            }
        }
        out
    }
}

/// Asks for what these columns, or at the end of their rows the next eight, will take.
#[inline(always)]
fn prefetch<B: Bytes, P: Integers>(
    b: B,
    weights: &Weights<'_, P>,
    columns: [usize; COLUMNS],
    block: usize,
) {
    let row = weights.per_row * size_of::<P>();
    let ahead = if block * size_of::<P>() + AHEAD < row {
        AHEAD
    } else {
        AHEAD + row * (COLUMNS - 1)
    };
    for column in columns {
        let at = weights.address(column, block).wrapping_add(ahead);
        for line in (0..SUPER / P::LEN * size_of::<P>()).step_by(64) {
            b.prefetch(at.wrapping_add(line));
        }
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
            let mut less = [0_i32; COLUMNS];
            for (c, block) in self.blocks.iter().enumerate() {
                parts[c] = self.products(b, block, unit);
                if P::MINS != Per::Nothing {
                    less[c] = self.minima(block, unit);
                }
            }
            let sums = b.totals(parts);
            for c in 0..COLUMNS {
                let term = sums[c] as f32 * d[c];
                let term = if P::MINS == Per::Nothing {
                    term
                } else {
                    term - less[c] as f32 * dmin[c]
                };
                out[c] += term * self.scale;
            }
        }
    }

    /// Partial sums of one column.
    #[inline(always)]
    fn products<B: Bytes>(&self, b: B, block: &P, unit: usize) -> B::Parts {
        let scales = block.scales();
        let scale = |at: usize| i32::from(scales[at]);
        let groups = P::UNIT / 32;
        let mut parts = b.no_parts();
        for g in unit * groups..(unit + 1) * groups {
            let products = b.dot(block.group(b, g), P::SIGNED, &self.x[self.group + g]);
            parts = match P::SCALES {
                Per::Nothing => b.add_parts(parts, products),
                Per::Sixteen => b.add_scaled(parts, products, [scale(2 * g), scale(2 * g + 1)]),
                Per::ThirtyTwo => b.add_scaled(parts, products, [scale(g); 2]),
            };
        }
        parts
    }

    #[inline(always)]
    fn minima(&self, block: &P, unit: usize) -> i32 {
        let mins = block.mins();
        let count = P::MINS.of(P::UNIT);
        let sums = &self.sums[P::MINS.of(self.group * 32)..];
        let products = mins[unit * count..(unit + 1) * count]
            .iter()
            .zip(&sums[unit * count..]);
        products.fold(0, |less, (min, sum)| {
            less.wrapping_add(min.wrapping_mul(*sum))
        })
    }
}
