//! Choosing the next token.
//!
//! The order is transformers': repetition penalty, then (when sampling) temperature, top-k,
//! top-p, then a draw. Ties fall to the lowest id. The weights are computed in 64-bit floats;
//! across platforms only the last bit of `exp` can differ.

use super::{Sampling, SplitMix64};
use crate::{Error, Result};

/// Chooses tokens for one answer.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    random: SplitMix64,
    never: Vec<u32>,
    /// By id: whether it stands in the prompt or the answer. Its length is the number of ids
    /// that may win.
    seen: Vec<bool>,
}

/// An id that is still in the running.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: u32,
    score: f32,
    weight: f64,
}

impl Sampler {
    /// Only ids below `pieces` that are not in `never` can win.
    ///
    /// # Errors
    /// As [`Sampling::validate`].
    pub fn new(sampling: &Sampling, pieces: usize, never: &[u32]) -> Result<Self> {
        sampling.validate()?;
        Ok(Self {
            random: SplitMix64::new(sampling.seed),
            sampling: sampling.clone(),
            never: never.to_vec(),
            seen: vec![false; pieces],
        })
    }

    /// Counts an id of the prompt or the answer for the repetition penalty.
    pub fn observe(&mut self, id: u32) {
        if let Some(seen) = self.seen.get_mut(id as usize) {
            *seen = true;
        }
    }

    /// Chooses from the logits of one position; those past the real pieces are ignored, but
    /// must be numbers too. Minus infinity is a logit that cannot win.
    ///
    /// # Errors
    /// [`Error::NotANumber`] when a logit is NaN or plus infinity, or when none can win.
    pub fn pick(&mut self, logits: &[f32]) -> Result<u32> {
        if logits
            .iter()
            .any(|logit| logit.is_nan() || *logit == f32::INFINITY)
        {
            return Err(Error::NotANumber);
        }
        if self.sampling.temperature == 0.0 {
            self.best(logits).ok_or(Error::NotANumber)
        } else {
            self.draw(logits).ok_or(Error::NotANumber)
        }
    }

    /// The ids that can win, in order, with their scores after the repetition penalty.
    fn scores<'a>(&'a self, logits: &'a [f32]) -> impl Iterator<Item = (u32, f32)> + 'a {
        let penalty = self.sampling.repetition_penalty;
        (0u32..)
            .zip(logits.iter().zip(&self.seen))
            .filter(|(id, (logit, _))| **logit > f32::NEG_INFINITY && !self.never.contains(id))
            .map(move |(id, (&logit, &seen))| {
                let score = match (seen, logit < 0.0) {
                    (false, _) => logit,
                    (true, true) => logit * penalty,
                    (true, false) => logit / penalty,
                };
                (id, score.clamp(f32::MIN, f32::MAX))
            })
    }

    /// The first of the highest.
    fn best(&self, logits: &[f32]) -> Option<u32> {
        let better = |best: (u32, f32), next: (u32, f32)| if next.1 > best.1 { next } else { best };
        self.scores(logits).reduce(better).map(|(id, _)| id)
    }

    fn draw(&mut self, logits: &[f32]) -> Option<u32> {
        let mut candidates: Vec<Candidate> = self
            .scores(logits)
            .map(|(id, score)| Candidate {
                id,
                score,
                weight: 0.0,
            })
            .collect();
        keep_top_k(&mut candidates, self.sampling.top_k);
        weigh(&mut candidates, self.sampling.temperature);
        keep_top_p(&mut candidates, self.sampling.top_p);
        let total: f64 = candidates.iter().map(|c| c.weight).sum();
        let mut left = self.random.next_unit() * total;
        let mut chosen = None;
        for candidate in candidates.iter().filter(|c| c.weight > 0.0) {
            chosen = Some(candidate.id);
            left -= candidate.weight;
            if left < 0.0 {
                break;
            }
        }
        chosen
    }
}

/// Keeps the `k` highest, and what ties with the last of them; 0 keeps all.
fn keep_top_k(candidates: &mut Vec<Candidate>, k: usize) {
    if k == 0 || k >= candidates.len() {
        return;
    }
    let mut scores: Vec<f32> = candidates.iter().map(|c| c.score).collect();
    let (_, lowest, _) = scores.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    let lowest = *lowest;
    candidates.retain(|c| c.score >= lowest);
}

/// Softmax weights, relative to the highest score, which weighs 1.
fn weigh(candidates: &mut [Candidate], temperature: f64) {
    let highest = candidates
        .iter()
        .map(|c| c.score)
        .fold(f32::NEG_INFINITY, f32::max);
    for candidate in candidates {
        let below = f64::from(candidate.score) - f64::from(highest);
        // 0 / 0 cannot be: the temperature is above 0 here.
        candidate.weight = (below / temperature).exp();
    }
}

/// Keeps the fewest most likely ones whose share reaches `p`; at least one. Leaves them in the
/// order of their ids.
fn keep_top_p(candidates: &mut Vec<Candidate>, p: f64) {
    if p >= 1.0 {
        return;
    }
    let total: f64 = candidates.iter().map(|c| c.weight).sum();
    candidates.sort_unstable_by(|a, b| b.weight.total_cmp(&a.weight).then(a.id.cmp(&b.id)));
    let mut mass = 0.0;
    let kept = candidates.iter().take_while(|c| {
        let before = mass;
        mass += c.weight;
        before < p * total
    });
    let kept = kept.count().max(1);
    candidates.truncate(kept);
    candidates.sort_unstable_by_key(|c| c.id);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(sampling: Sampling) -> Sampler {
        Sampler::new(&sampling, 5, &[]).unwrap()
    }

    fn warm() -> Sampling {
        Sampling {
            temperature: 1.0,
            ..Sampling::default()
        }
    }

    /// The share of each of 5 ids over many draws.
    fn shares(mut sampler: Sampler, logits: &[f32]) -> [f64; 5] {
        let mut counts = [0.0; 5];
        for _ in 0..20_000 {
            counts[sampler.pick(logits).unwrap() as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn near(a: [f64; 5], b: [f64; 5]) -> bool {
        a.iter()
            .zip(b)
            .all(|(a, b)| (a - b).abs() < 0.015 && (b > 0.0 || *a == 0.0))
    }

    #[test]
    fn greedy_takes_the_first_of_the_highest() {
        let mut greedy = sampler(Sampling::default());
        assert_eq!(greedy.pick(&[0.0, 3.0, 1.0, 3.0, 2.0]).unwrap(), 1);
        assert_eq!(
            greedy
                .pick(&[-4.0, -3.0, f32::NEG_INFINITY, -2.5, -2.5])
                .unwrap(),
            3
        );
    }

    #[test]
    fn only_real_pieces_can_win() {
        let mut greedy = sampler(Sampling::default());
        assert_eq!(
            greedy.pick(&[0.0, 1.0, 0.0, 0.0, 0.0, 9.0, 9.0]).unwrap(),
            1
        );
        let mut barred = Sampler::new(&Sampling::default(), 5, &[1, 3]).unwrap();
        assert_eq!(barred.pick(&[0.0, 9.0, 1.0, 8.0, 0.5]).unwrap(), 2);
        let drawn = shares(
            Sampler::new(&warm(), 5, &[1]).unwrap(),
            &[0.0, 9.0, 0.0, 0.0, 0.0, 50.0],
        );
        assert!(near(drawn, [0.25, 0.0, 0.25, 0.25, 0.25]), "{drawn:?}");
    }

    #[test]
    fn what_is_not_a_number_is_an_error() {
        for bad in [f32::NAN, f32::INFINITY, -f32::NAN] {
            for sampling in [Sampling::default(), warm()] {
                for at in [0, 4, 6] {
                    let mut logits = [1.0; 7];
                    logits[at] = bad;
                    let picked = sampler(sampling.clone()).pick(&logits);
                    assert!(matches!(picked, Err(Error::NotANumber)), "{picked:?}");
                }
            }
        }
        let none = [f32::NEG_INFINITY; 5];
        assert!(matches!(
            sampler(warm()).pick(&none),
            Err(Error::NotANumber)
        ));
        assert!(matches!(
            sampler(Sampling::default()).pick(&none),
            Err(Error::NotANumber)
        ));
        assert!(matches!(sampler(warm()).pick(&[]), Err(Error::NotANumber)));
    }

    #[test]
    fn the_penalty_divides_above_zero_and_multiplies_below() {
        let penalised = |logits: &[f32], seen: &[u32]| {
            let mut s = sampler(Sampling {
                repetition_penalty: 2.0,
                ..Sampling::default()
            });
            seen.iter().for_each(|id| s.observe(*id));
            s.pick(logits).unwrap()
        };
        assert_eq!(penalised(&[4.0, 3.0, 0.0, 0.0, 0.0], &[0]), 1);
        assert_eq!(penalised(&[4.0, 1.9, 0.0, 0.0, 0.0], &[0]), 0);
        assert_eq!(penalised(&[-1.0, -1.5, -9.0, -9.0, -9.0], &[0, 0, 77]), 1);
        assert_eq!(penalised(&[-1.0, -2.5, -9.0, -9.0, -9.0], &[0]), 0);
    }

    #[test]
    fn temperature_flattens() {
        let logits = [
            0.0,
            f32::ln(3.0),
            f32::NEG_INFINITY,
            f32::NEG_INFINITY,
            f32::NEG_INFINITY,
        ];
        assert!(near(
            shares(sampler(warm()), &logits),
            [0.25, 0.75, 0.0, 0.0, 0.0]
        ));
        // At temperature 2 the odds of 1 : 3 become 1 : sqrt(3).
        let flat = shares(
            sampler(Sampling {
                temperature: 2.0,
                ..warm()
            }),
            &logits,
        );
        assert!(near(flat, [0.366, 0.634, 0.0, 0.0, 0.0]), "{flat:?}");
        let cold = shares(
            sampler(Sampling {
                temperature: 1e-9,
                ..warm()
            }),
            &logits,
        );
        assert_eq!(cold[0], 0.0);
    }

    #[test]
    fn top_k_keeps_ties() {
        let logits = [2.0, 1.0, 1.0, 0.0, -1.0];
        let two = shares(sampler(Sampling { top_k: 2, ..warm() }), &logits);
        let e = std::f64::consts::E;
        assert!(
            near(
                two,
                [e / (e + 2.0), 1.0 / (e + 2.0), 1.0 / (e + 2.0), 0.0, 0.0]
            ),
            "{two:?}"
        );
        let one = shares(sampler(Sampling { top_k: 1, ..warm() }), &logits);
        assert!(near(one, [1.0, 0.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn top_p_keeps_the_fewest_that_reach_it() {
        let logits = [0.5f32, 0.3, 0.1, 0.06, 0.04].map(f32::ln);
        let share = |top_p| shares(sampler(Sampling { top_p, ..warm() }), &logits);
        assert!(near(share(0.4), [1.0, 0.0, 0.0, 0.0, 0.0]));
        assert!(near(share(0.6), [0.625, 0.375, 0.0, 0.0, 0.0]));
        assert!(near(share(0.85), [0.5556, 0.3333, 0.1111, 0.0, 0.0]));
        assert!(near(share(1e-9), [1.0, 0.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn temperature_comes_before_top_p() {
        // 0.6 and 0.4 at temperature 1; at 0.5 the first alone holds 0.69.
        let logits = [0.6f32.ln(), 0.4f32.ln(), -99.0, -99.0, -99.0];
        let sampling = Sampling {
            temperature: 0.5,
            top_p: 0.65,
            ..warm()
        };
        assert!(near(
            shares(sampler(sampling), &logits),
            [1.0, 0.0, 0.0, 0.0, 0.0]
        ));
    }

    #[test]
    fn a_seed_gives_one_answer_for_ever() {
        let draws = |seed| {
            let mut s = sampler(Sampling { seed, ..warm() });
            (0..12)
                .map(|_| s.pick(&[0.0, 0.1, 0.2, 0.3, 0.4]).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        assert_eq!(draws(0), GOLDEN_DRAWS);
    }

    /// Frozen: a change of these numbers changes the answers of people's seeds.
    const GOLDEN_DRAWS: [u32; 12] = [4, 2, 0, 4, 0, 1, 1, 4, 1, 4, 2, 4];

    #[test]
    fn values_out_of_range_are_refused() {
        let base = Sampling::default;
        for bad in [
            Sampling {
                temperature: -1.0,
                ..base()
            },
            Sampling {
                temperature: f64::NAN,
                ..base()
            },
            Sampling {
                temperature: f64::INFINITY,
                ..base()
            },
            Sampling {
                top_p: 0.0,
                ..base()
            },
            Sampling {
                top_p: 1.1,
                ..base()
            },
            Sampling {
                top_p: f64::NAN,
                ..base()
            },
            Sampling {
                repetition_penalty: 0.0,
                ..base()
            },
            Sampling {
                repetition_penalty: f32::NAN,
                ..base()
            },
        ] {
            assert!(
                matches!(Sampler::new(&bad, 5, &[]), Err(Error::Request(_))),
                "{bad:?}"
            );
        }
    }
}
