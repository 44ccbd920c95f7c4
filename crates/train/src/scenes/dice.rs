//! Random draws that are the same in every release and on every platform.

use visavis_llava::generate::SplitMix64;

/// A source of draws; equal names give equal draws.
#[derive(Debug, Clone)]
pub struct Dice {
    random: SplitMix64,
}

impl Dice {
    /// The draws that belong to a list of numbers (a seed, a split, an index, ...). Lists that
    /// differ in any number give unrelated draws.
    pub fn named(name: &[u64]) -> Self {
        let state = name.iter().fold(0x005C_E7E5_u64, |state, number| {
            SplitMix64::new(state ^ SplitMix64::new(*number).next_u64()).next_u64()
        });
        Self {
            random: SplitMix64::new(state),
        }
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        // 24 bits are what an f32 holds; more would round up to 1.
        (self.random.next_u64() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..count; 0 for a count of 0.
    pub fn below(&mut self, count: usize) -> usize {
        // The bias of a remainder of 64 bits by a small count is below 2^-50.
        usize::try_from(self.random.next_u64() % (count.max(1) as u64)).unwrap_or(0)
    }

    /// Uniform in low..=high; `low` when the range is empty.
    pub fn from_to(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of the items, each as likely; `None` of none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// One of a fixed list.
    pub fn one_of<T: Copy, const N: usize>(&mut self, items: [T; N]) -> T {
        const { assert!(N > 0) };
        items[self.below(N)] // below(N) < N
    }

    /// The position of one of the weights, drawn in proportion; `None` when all are 0.
    pub fn weighted(&mut self, weights: impl Iterator<Item = f32> + Clone) -> Option<usize> {
        let total: f32 = weights.clone().map(|weight| weight.max(0.0)).sum();
        if total <= 0.0 {
            return None;
        }
        let mut left = self.unit() * total;
        let mut last = None;
        for (at, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
            if left < weight {
                return Some(at);
            }
            left -= weight;
            last = Some(at);
        }
        last
    }

    /// Puts the items in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide_about_the_draws() {
        let draws = |name: &[u64]| {
            let mut dice = Dice::named(name);
            [0; 4].map(|_| dice.below(1 << 30))
        };
        assert_eq!(draws(&[1, 2]), draws(&[1, 2]));
        for other in [&[2, 1][..], &[1, 3], &[1], &[1, 2, 0], &[]] {
            assert_ne!(draws(&[1, 2]), draws(other), "{other:?}");
        }
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let mut dice = Dice::named(&[7]);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[dice.below(5)] += 1;
            assert!((2.0..3.0).contains(&dice.between(2.0, 3.0)));
            assert!((3..=4).contains(&dice.from_to(3, 4)));
        }
        assert!(seen.iter().all(|n| *n > 150), "{seen:?}");
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.choose::<u8>(&[]), None);
        assert_eq!(dice.weighted([0.0, 0.0].into_iter()), None);
        assert_eq!(dice.weighted([0.0, 2.0, 0.0].into_iter()), Some(1));
    }

    #[test]
    fn weights_are_kept_to() {
        let mut dice = Dice::named(&[8]);
        let mut seen = [0; 3];
        for _ in 0..4000 {
            seen[dice.weighted([1.0, 0.0, 3.0].into_iter()).unwrap()] += 1;
        }
        assert_eq!(seen[1], 0);
        assert!((900..1100).contains(&seen[0]), "{seen:?}");
    }

    #[test]
    fn shuffling_keeps_everything() {
        let mut items: Vec<usize> = (0..50).collect();
        Dice::named(&[9]).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
