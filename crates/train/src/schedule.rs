//! The learning rate over a run: linear warm-up, then half a cosine (LLaVA-1.5 section 7.1).

/// Multiplies the peak rate, as transformers' `get_cosine_schedule_with_warmup`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Optimiser steps in all.
    pub steps: u64,
    /// Steps of the warm-up.
    pub warmup: u64,
}

impl Schedule {
    /// `steps` in all, of which `ratio` (rounded up) warm up.
    pub fn new(steps: u64, ratio: f64) -> Self {
        Self {
            steps,
            warmup: (ratio * steps as f64).ceil() as u64,
        }
    }

    /// The factor of step `step`, counted from 0. The very first is 0 if there is a warm-up, as in
    /// the reference.
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup {
            return step as f64 / self.warmup.max(1) as f64;
        }
        let rest = self.steps.saturating_sub(self.warmup).max(1) as f64;
        let progress = (step - self.warmup) as f64 / rest;
        (0.5 * (1.0 + (std::f64::consts::PI * progress).cos())).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_runs_warm_up_for_66_and_156_steps() {
        assert_eq!(Schedule::new(2181, 0.03).warmup, 66);
        assert_eq!(Schedule::new(5198, 0.03).warmup, 156);
    }

    #[test]
    fn up_then_down() {
        let s = Schedule {
            steps: 10,
            warmup: 2,
        };
        let all: Vec<f64> = (0..=10).map(|i| s.factor(i)).collect();
        assert_eq!(all[..3], [0.0, 0.5, 1.0]);
        assert!((all[6] - 0.5).abs() < 1e-12 && all[10] < 1e-12);
        assert!(all[2..].windows(2).all(|w| w[1] < w[0]));
        assert_eq!(
            Schedule {
                steps: 5,
                warmup: 0
            }
            .factor(0),
            1.0
        );
    }
}
