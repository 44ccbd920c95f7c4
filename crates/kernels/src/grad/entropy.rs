//! The loss: next-token cross-entropy.

use crate::isa::Level;
use crate::pool;
use crate::simd::{Kernel, Simd, dispatch};
use crate::softmax::softmax;

/// Cross-entropy of each row of `logits` (rows, cols) against its target, summed; the logits are
/// replaced by the sum's gradient, `softmax - onehot`. A NaN or an infinite logit makes the sum
/// NaN or infinite.
///
/// # Panics
/// When the sizes do not fit, or a target is not a column.
pub fn cross_entropy(logits: &mut [f32], targets: &[u32]) -> f64 {
    if targets.is_empty() {
        assert!(logits.is_empty(), "a target for each row");
        return 0.0;
    }
    let cols = logits.len() / targets.len();
    assert_eq!(logits.len(), cols * targets.len(), "a target for each row");
    assert!(
        targets.iter().all(|&t| (t as usize) < cols),
        "targets are columns"
    );
    let before: Vec<f32> = targets
        .iter()
        .zip(logits.chunks_exact(cols))
        .map(|(&t, row)| row[t as usize])
        .collect();
    let largest: Vec<f32> = logits
        .chunks_exact(cols)
        .map(|row| row.iter().copied().fold(f32::NEG_INFINITY, f32::max))
        .collect();
    let level = Level::current();
    pool::for_each_row(logits, cols, 12, |_, row| dispatch(level, Softmax(row)));
    let mut sum = 0.0;
    for (((row, &t), logit), top) in logits
        .chunks_exact_mut(cols)
        .zip(targets)
        .zip(before)
        .zip(largest)
    {
        let share = row[t as usize];
        // Where the share is lost to rounding, the distance to the largest logit stands for it:
        // the sum of exponentials is then between 1 and the number of columns.
        sum += if share > 1e-30 {
            -f64::from(share).ln()
        } else {
            f64::from(top) - f64::from(logit) + f64::from(share) * 0.0
        };
        row[t as usize] -= 1.0;
    }
    sum
}

struct Softmax<'a>(&'a mut [f32]);

impl Kernel for Softmax<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        softmax(s, self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_and_gradient_as_written_out() {
        let logits: Vec<f32> = (0..3 * 11).map(|i| ((i * 17) % 13) as f32 / 3.0).collect();
        let targets = [3, 0, 10];
        let mut grad = logits.clone();
        let sum = cross_entropy(&mut grad, &targets);
        let mut exact = 0.0;
        for (r, &t) in targets.iter().enumerate() {
            let row: Vec<f64> = logits[r * 11..][..11]
                .iter()
                .map(|x| f64::from(*x))
                .collect();
            let total: f64 = row.iter().map(|x| x.exp()).sum();
            exact += total.ln() - row[t as usize];
            for (c, x) in row.iter().enumerate() {
                let g = x.exp() / total - f64::from(u8::from(c == t as usize));
                assert!((f64::from(grad[r * 11 + c]) - g).abs() < 1e-6);
            }
        }
        assert!((sum - exact).abs() < 1e-5, "{sum} against {exact}");
    }

    #[test]
    fn a_hopeless_target_costs_its_distance_and_nan_stays() {
        let mut far = [0.0, 200.0];
        assert!((cross_entropy(&mut far, &[0]) - 200.0).abs() < 1e-3);
        let mut nan = [f32::NAN, 0.0];
        assert!(cross_entropy(&mut nan, &[1]).is_nan());
    }
}
