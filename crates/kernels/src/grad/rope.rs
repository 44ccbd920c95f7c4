//! The derivative of the rotary embedding: the turn the other way round.

use crate::isa::Level;
use crate::pool;
use crate::rope::RopeTable;
use crate::simd::{Kernel, Simd, dispatch};

/// Turns `x` (rows, heads * head_dim) back in place, pairing value i with i + head_dim / 2: what
/// [`crate::rope_half`] did is undone, and a gradient goes back the way it came.
///
/// # Panics
/// When lengths do not fit, or a position lies past the table.
pub fn rope_half_backward(x: &mut [f32], positions: &[u32], table: &RopeTable) {
    if positions.is_empty() {
        return;
    }
    let width = x.len() / positions.len();
    let dim = table.head_dim();
    assert!(
        x.len() == width * positions.len() && width.is_multiple_of(dim),
        "values to turn"
    );
    assert!(
        positions.iter().all(|&p| (p as usize) < table.positions()),
        "positions inside the table"
    );
    let level = Level::current();
    pool::for_each_row(x, width, 2, |row, x| {
        let Some((cos, sin)) = table.row(positions[row] as usize) else {
            return;
        };
        dispatch(level, Back { x, dim, cos, sin });
    });
}

struct Back<'a> {
    x: &'a mut [f32],
    dim: usize,
    cos: &'a [f32],
    sin: &'a [f32],
}

impl Kernel for Back<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for head in self.x.chunks_exact_mut(self.dim) {
            let (first, second) = head.split_at_mut(self.dim / 2);
            for (((a, b), c), s) in first.iter_mut().zip(second).zip(self.cos).zip(self.sin) {
                (*a, *b) = (*a * c + *b * s, *b * c - *a * s);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_is_where_it_was() {
        let table = RopeTable::new(8, 10000.0, 40);
        let x: Vec<f32> = (0..3 * 16).map(|i| (i % 7) as f32 - 3.0).collect();
        let positions = [0, 5, 39];
        let mut turned = x.clone();
        crate::rope_half(&mut turned, 3, 2, &positions, &table).unwrap();
        assert!(turned != x);
        rope_half_backward(&mut turned, &positions, &table);
        assert!(turned.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
