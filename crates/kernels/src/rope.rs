//! Rotary position embedding in the two pairings that checkpoints use.

use crate::{KernelError, pool};

/// Cosines and sines of every position, as Hugging Face's LLaMA computes them: `inv_freq` and
/// the angle are rounded to f32 before the cosine is taken.
#[derive(Debug, Clone)]
pub struct RopeTable {
    half: usize,
    positions: usize,
    /// (positions, half)
    cos: Vec<f32>,
    /// (positions, half)
    sin: Vec<f32>,
}

impl RopeTable {
    /// The table of heads of `head_dim` values for the positions `0..max_positions`.
    pub fn new(head_dim: usize, theta: f32, max_positions: usize) -> Self {
        let half = head_dim / 2;
        // Each f32 step of the reference is taken in f64 and rounded once, which is what a
        // correctly rounded f32 function gives.
        let inv_freq: Vec<f32> = (0..half)
            .map(|i| {
                let exponent = (2 * i) as f32 / head_dim as f32;
                1.0 / f64::from(theta).powf(f64::from(exponent)) as f32
            })
            .collect();
        let angles = || {
            (0..max_positions).flat_map(|p| inv_freq.iter().map(move |f| f64::from(p as f32 * f)))
        };
        Self {
            half,
            positions: max_positions,
            cos: angles().map(|a| a.cos() as f32).collect(),
            sin: angles().map(|a| a.sin() as f32).collect(),
        }
    }

    /// Number of positions in the table.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Length of the heads that the table turns.
    pub fn head_dim(&self) -> usize {
        self.half * 2
    }

    /// Cosines and sines (head_dim / 2 each) of one position.
    pub fn row(&self, position: usize) -> Option<(&[f32], &[f32])> {
        let at = position.checked_mul(self.half)?;
        Some((
            self.cos.get(at..at + self.half)?,
            self.sin.get(at..at + self.half)?,
        ))
    }
}

/// Turns `x` (rows, heads * head_dim) in place, pairing value i with `i + head_dim / 2`
/// (checkpoints of Hugging Face). Row r stands at `positions[r]`.
///
/// # Errors
/// When a position lies past the table; `x` is then unchanged.
///
/// # Panics
/// When lengths do not fit.
pub fn rope_half(
    x: &mut [f32],
    rows: usize,
    heads: usize,
    positions: &[u32],
    table: &RopeTable,
) -> Result<(), KernelError> {
    rotate(x, rows, heads, positions, table, |head, cos, sin| {
        let (a, b) = head.split_at_mut(cos.len());
        for (((a, b), c), s) in a.iter_mut().zip(b).zip(cos).zip(sin) {
            (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
        }
    })
}

/// Turns `x` (rows, heads * head_dim) in place, pairing value 2i with 2i + 1 (GGUF files).
/// Row r stands at `positions[r]`.
///
/// # Errors
/// When a position lies past the table; `x` is then unchanged.
///
/// # Panics
/// When lengths do not fit.
pub fn rope_interleaved(
    x: &mut [f32],
    rows: usize,
    heads: usize,
    positions: &[u32],
    table: &RopeTable,
) -> Result<(), KernelError> {
    rotate(x, rows, heads, positions, table, |head, cos, sin| {
        for ((pair, c), s) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
            let [a, b] = *pair;
            *pair = [a * c - b * s, b * c + a * s];
        }
    })
}

fn rotate(
    x: &mut [f32],
    rows: usize,
    heads: usize,
    positions: &[u32],
    table: &RopeTable,
    turn: impl Fn(&mut [f32], &[f32], &[f32]) + Send + Sync,
) -> Result<(), KernelError> {
    let width = heads * table.head_dim();
    assert_eq!(x.len(), rows * width, "values to turn");
    assert_eq!(positions.len(), rows, "one position per row");
    let limit = table.positions();
    if let Some(&position) = positions.iter().find(|&&p| p as usize >= limit) {
        return Err(KernelError::PositionOutOfRange { position, limit });
    }
    pool::for_each_row(x, width, 2, |row, x| {
        // Every position was found to be inside the table above.
        let Some((cos, sin)) = table.row(positions[row] as usize) else {
            return;
        };
        for head in x.chunks_exact_mut(table.head_dim()) {
            turn(head, cos, sin);
        }
    });
    Ok(())
}
