//! Several rows: a prompt, or some chats at once. Each panel of the weight is unpacked once for all
//! rows of a task and multiplied from the first-level cache; the activations and sums lie in the
//! second.

use super::activations::Activations;
use super::integers::Integers;
use super::panel::{COLUMNS, Fill, Panel};
use super::tile::Tiles;
use super::{Product, SUPER};
use crate::simd::{dispatch, dispatch_blocks};
use crate::{pool, scratch};

/// Columns of a task: its activations come from the shared cache once for all of them.
const TASK_COLUMNS: usize = 4 * COLUMNS;
/// Rows of a task, at most: 128 KiB of activations at a time, and 64 KiB of sums.
const TASK_ROWS: usize = 252;

pub(super) fn run<P: Integers>(product: &Product<'_, P>, x: &Activations<'_>) {
    let (rows, n) = (product.rows, product.n);
    // Narrower tasks where there would be too few to go round.
    let share = n.div_ceil(pool::threads() * 3).next_multiple_of(COLUMNS);
    let columns = TASK_COLUMNS.min(share);
    let heights = rows.div_ceil(TASK_ROWS);
    // A multiple of every tile height.
    let height = rows.div_ceil(heights).next_multiple_of(6);
    let cost = rows * n * product.k;
    pool::for_each(n.div_ceil(columns) * heights, cost, |i| {
        let (column, row) = (i / heights * columns, i % heights * height);
        if row >= rows {
            return;
        }
        let task = Task {
            product,
            x,
            row,
            rows: height.min(rows - row),
            column,
            columns: columns.min(n - column),
        };
        task.run();
    });
}

/// The rows `row..row + rows` and columns `column..column + columns` of the output.
struct Task<'a, P> {
    product: &'a Product<'a, P>,
    x: &'a Activations<'a>,
    row: usize,
    rows: usize,
    column: usize,
    columns: usize,
}

impl<P: Integers> Task<'_, P> {
    fn run(&self) {
        let panels = self.columns.div_ceil(COLUMNS);
        let len = panels * self.rows * COLUMNS;
        scratch::with(len, |sums| {
            // (panels, rows)
            let (sums, _) = sums[..len].as_chunks_mut();
            sums.fill([0.0; COLUMNS]);
            let mut panel = Panel::new();
            for block in 0..self.product.k.div_ceil(SUPER) {
                for (p, sums) in sums.chunks_exact_mut(self.rows).enumerate() {
                    self.panel(&mut panel, p, block, sums);
                }
            }
            for (p, sums) in sums.chunks_exact(self.rows).enumerate() {
                let column = self.column + p * COLUMNS;
                for (m, sums) in sums.iter().enumerate() {
                    let sums = &sums[..self.valid(p)];
                    self.product.put(self.row + m, column, sums);
                }
            }
        });
    }

    /// Columns of panel `p` that there are.
    fn valid(&self, p: usize) -> usize {
        COLUMNS.min(self.columns - p * COLUMNS)
    }

    /// Adds panel `p` of the 256 values `block` to the `sums` (rows) of its columns.
    fn panel(&self, panel: &mut Panel, p: usize, block: usize, sums: &mut [[f32; COLUMNS]]) {
        let Product {
            k, level, weights, ..
        } = *self.product;
        let values = SUPER.min(k - block * SUPER);
        let fill = Fill {
            panel,
            weights,
            column: self.column + p * COLUMNS,
            valid: self.valid(p),
            first: block * (SUPER / P::LEN),
            count: values / P::LEN,
        };
        dispatch_blocks(level, fill);
        let tiles = Tiles {
            panel,
            blocks: values / P::LEN,
            units: P::LEN / P::UNIT,
            unit: P::UNIT,
            mins: P::MINS.of(P::UNIT),
            x: self.x.values(block, self.row, self.rows),
            scales: self.x.scales(block, self.row, self.rows),
            sums: self.x.sums(block, self.row, self.rows),
            out: sums,
        };
        dispatch(level, tiles);
    }
}
