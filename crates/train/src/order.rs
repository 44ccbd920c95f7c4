//! Which conversations come when: a new order for each epoch, grouped so that a step's
//! conversations are alike (LLaVA-1.5 section 7.6).

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// How an epoch is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Conversations in a micro-batch.
    pub batch: usize,
    /// Micro-batches in a step.
    pub accumulate: usize,
    /// Whether conversations of one modality and about one length come together.
    pub grouped: bool,
    /// Of all shuffles.
    pub seed: u64,
}

impl Order {
    /// Optimiser steps of one epoch over `rows` conversations; the last may be a smaller one.
    pub fn steps(&self, rows: usize) -> u64 {
        rows.div_ceil(self.batch * self.accumulate) as u64
    }

    /// The micro-batches of step `step` (from 0) of the epoch with the order `rows`.
    pub fn micro_batches<'a>(
        &self,
        rows: &'a [usize],
        step: u64,
    ) -> impl Iterator<Item = &'a [usize]> {
        let size = self.batch * self.accumulate;
        let from = (step as usize).saturating_mul(size).min(rows.len());
        let rows = rows
            .get(from..(from + size).min(rows.len()))
            .unwrap_or_default();
        rows.chunks(self.batch)
    }

    /// All rows in the order of epoch `epoch`.
    pub fn epoch(&self, lengths: &[i64], epoch: u64) -> Vec<usize> {
        let mut random =
            StdRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ epoch);
        if !self.grouped {
            let mut all: Vec<usize> = (0..lengths.len()).collect();
            all.shuffle(&mut random);
            return all;
        }
        let of =
            |pictures: bool| (0..lengths.len()).filter(move |&i| (lengths[i] >= 0) == pictures);
        let (seeing, reading): (Vec<usize>, Vec<usize>) = (of(true).collect(), of(false).collect());
        let mut whole = Vec::new();
        let mut left = Vec::new();
        for rows in [seeing, reading] {
            let ordered = self.by_length(rows, lengths, &mut random);
            for group in ordered.chunks(self.batch * self.accumulate) {
                if group.len() == self.batch * self.accumulate {
                    whole.push(group.to_vec());
                } else {
                    left.extend_from_slice(group);
                }
            }
        }
        whole.shuffle(&mut random);
        left.sort_unstable();
        whole.push(left);
        whole.into_iter().flatten().collect()
    }

    /// Shuffles, cuts into steps, and deals the rows of each step, longest first, into micro-batches
    /// of about equal length.
    fn by_length(&self, mut rows: Vec<usize>, lengths: &[i64], random: &mut StdRng) -> Vec<usize> {
        rows.shuffle(random);
        let mut out = Vec::with_capacity(rows.len());
        for group in rows.chunks_mut(self.batch * self.accumulate) {
            group.sort_by_key(|&i| std::cmp::Reverse(lengths[i].unsigned_abs()));
            out.extend(deal(group, lengths, self.accumulate).into_iter().flatten());
        }
        out
    }
}

fn deal(rows: &[usize], lengths: &[i64], parts: usize) -> Vec<Vec<usize>> {
    if !rows.len().is_multiple_of(parts) {
        let part = |first: usize| rows.iter().skip(first).step_by(parts).copied().collect();
        return (0..parts).map(part).collect();
    }
    let each = rows.len() / parts;
    let mut dealt: Vec<(u64, Vec<usize>)> = vec![(0, Vec::new()); parts];
    for &row in rows {
        let shortest = dealt
            .iter_mut()
            .filter(|(_, part)| part.len() < each)
            .min_by_key(|(sum, _)| *sum);
        if let Some((sum, part)) = shortest {
            *sum += lengths[row].unsigned_abs();
            part.push(row);
        }
    }
    dealt.into_iter().map(|(_, part)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths() -> Vec<i64> {
        (0..103)
            .map(|i| {
                if i % 4 == 0 {
                    -(1 + i % 31)
                } else {
                    1 + (i * 7) % 53
                }
            })
            .collect()
    }

    #[test]
    fn every_row_comes_once_an_epoch_and_epochs_differ() {
        for grouped in [true, false] {
            let order = Order {
                batch: 4,
                accumulate: 2,
                grouped,
                seed: 3,
            };
            let lengths = lengths();
            let first = order.epoch(&lengths, 0);
            assert_ne!(first, order.epoch(&lengths, 1));
            let mut seen: Vec<usize> = (0..order.steps(lengths.len()))
                .flat_map(|s| order.micro_batches(&first, s))
                .flatten()
                .copied()
                .collect();
            assert_eq!(seen, first);
            seen.sort_unstable();
            assert_eq!(seen, (0..103).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_grouped_step_is_of_one_modality_but_for_the_last() {
        let order = Order {
            batch: 4,
            accumulate: 2,
            grouped: true,
            seed: 3,
        };
        let lengths = lengths();
        let steps = order.steps(lengths.len());
        let mut mixed = Vec::new();
        for s in 0..steps {
            let rows: Vec<usize> = order
                .micro_batches(&order.epoch(&lengths, 0), s)
                .flatten()
                .copied()
                .collect();
            if rows
                .iter()
                .any(|&i| (lengths[i] < 0) != (lengths[rows[0]] < 0))
            {
                mixed.push(s);
            }
        }
        assert!(
            mixed.iter().all(|&s| s + 2 >= steps),
            "{mixed:?} of {steps}"
        );
    }

    #[test]
    fn micro_batches_are_about_equally_long() {
        let order = Order {
            batch: 4,
            accumulate: 2,
            grouped: true,
            seed: 3,
        };
        let lengths = lengths();
        let epoch = order.epoch(&lengths, 0);
        let first: Vec<&[usize]> = order.micro_batches(&epoch, 0).collect();
        let sum = |part: &[usize]| part.iter().map(|&i| lengths[i].abs()).sum::<i64>();
        let longest = first
            .concat()
            .iter()
            .map(|&i| lengths[i].abs())
            .max()
            .unwrap();
        assert!((sum(first[0]) - sum(first[1])).abs() <= longest);
    }
}
