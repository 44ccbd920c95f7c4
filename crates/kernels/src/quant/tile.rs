//! A panel times some rows of activations. Compiled once for each instruction set and not for each
//! type: what types differ in is how long a unit is and how many minima it has.

use super::SUPER;
use super::panel::{COLUMNS, Panel};
use crate::gemm::tile::with_rows;
use crate::simd::{Kernel, Simd};

/// Adds a panel's products to the sums of some rows.
pub(super) struct Tiles<'a> {
    pub(super) panel: &'a Panel,
    /// Blocks, each with its own `d`; of 256 values in all, at most.
    pub(super) blocks: usize,
    /// Units of a block.
    pub(super) units: usize,
    /// Values of a unit.
    pub(super) unit: usize,
    /// Minima of a unit.
    pub(super) mins: usize,
    /// (rows): the activations, what 1 stands for among them, and their sums.
    pub(super) x: &'a [[[i16; 32]; 8]],
    pub(super) scales: &'a [f32],
    pub(super) sums: &'a [[i32; 16]],
    /// (rows)
    pub(super) out: &'a mut [[f32; COLUMNS]],
}

impl Kernel for Tiles<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let out = std::mem::take(&mut self.out);
        let rows = out.len();
        // The lengths that pointers below rely on.
        assert!(self.x.len() == rows && self.scales.len() == rows && self.sums.len() == rows);
        assert!(self.blocks * self.units * self.unit <= SUPER);
        let mut m = 0;
        while m < rows {
            let mr = S::ROWS.min(rows - m);
            let tile = Tile {
                x: self.x[m..].as_ptr().cast(),
                scales: &self.scales[m..m + mr],
                sums: &self.sums[m..m + mr],
            };
            let out = &mut out[m..m + mr];
            with_rows!(mr, MR => {
                if let Some(out) = out.first_chunk_mut() {
                    self.tile::<S, MR>(s, &tile, out);
                }
            });
            m += mr;
        }
    }
}

/// A few rows.
struct Tile<'a> {
    /// (rows, 128)
    x: *const [i16; 2],
    scales: &'a [f32],
    sums: &'a [[i32; 16]],
}

impl Tiles<'_> {
    /// The MR rows of `tile`.
    #[inline(always)]
    fn tile<S: Simd, const MR: usize>(
        &self,
        s: S,
        tile: &Tile<'_>,
        out: &mut [[f32; COLUMNS]; MR],
    ) {
        let (Some(scales), Some(row_sums)) = (
            tile.scales.first_chunk::<MR>(),
            tile.sums.first_chunk::<MR>(),
        ) else {
            return;
        };
        let mut unit = 0;
        for block in 0..self.blocks {
            let (d, dmin) = (&self.panel.d[block], &self.panel.dmin[block]);
            for _ in 0..self.units {
                let less = self.minima(s, unit, row_sums, dmin);
                // SAFETY: the units of all blocks end at 256 values, as `run` asserts, of which
                // each of the MR rows has 128 pairs.
                let sums = unsafe { self.products::<S, MR>(s, unit, tile.x) };
                for r in 0..MR {
                    s.add_terms(sums[r], d, &less[r], scales[r], &mut out[r]);
                }
                unit += 1;
            }
        }
    }

    /// # Safety
    /// Unit number `unit` lies inside the 256 values, and at `x` lie MR rows of them.
    #[inline(always)]
    unsafe fn products<S: Simd, const MR: usize>(
        &self,
        s: S,
        unit: usize,
        x: *const [i16; 2],
    ) -> [S::Sums; MR] {
        let mut sums = [s.no_sums(); MR];
        let count = self.unit / 2;
        let first = unit * count;
        let w = self.panel.steps[first..][..count].as_ptr();
        for step in 0..count {
            // SAFETY: `step` is below the length of `w`, and `first + step` below the 128 pairs of
            // each of the MR rows.
            unsafe {
                let pairs = s.load_step(w.add(step));
                let x = x.add(first.unchecked_add(step));
                for (r, sums) in sums.iter_mut().enumerate() {
                    *sums = s.add_step(*sums, pairs, x.add(r * (SUPER / 2)));
                }
            }
        }
        sums
    }

    /// What the minima take off, before the activations' scale. Where there are none it is zero,
    /// and to take off zero changes no bit.
    #[inline(always)]
    fn minima<S: Simd, const MR: usize>(
        &self,
        s: S,
        unit: usize,
        row_sums: &[[i32; 16]; MR],
        dmin: &[f32; COLUMNS],
    ) -> [[f32; COLUMNS]; MR] {
        let mut less = [[0.0; COLUMNS]; MR];
        if self.mins == 0 {
            return less;
        }
        let mut sums = [s.no_sums(); MR];
        let first = unit * self.mins;
        for (i, mins) in self.panel.mins[first..][..self.mins].iter().enumerate() {
            // Sixteen at most, as the slice shows; the mask tells the compiler.
            let at = (first + i) & 15;
            for (sums, row) in sums.iter_mut().zip(row_sums) {
                *sums = s.add_products(*sums, mins, row[at]);
            }
        }
        for (less, sums) in less.iter_mut().zip(sums) {
            *less = s.times(sums, dmin);
        }
        less
    }
}
