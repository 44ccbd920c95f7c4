//! POPE's rules (arXiv 2305.10355, and its evaluation script as LLaVA ships it).

use serde::{Deserialize, Serialize};

/// Whether an answer counts as yes: everything does but a first sentence with the word `no` or
/// `not`. In Chinese, a first sentence that begins with one of its negations.
pub fn says_yes(answer: &str) -> bool {
    let sentence = answer.split('.').next().unwrap_or_default();
    let denies = |word: &str| ["No", "not", "no"].contains(&word);
    let chinese = sentence.trim_start().starts_with(['没', '不', '否', '无']);
    !chinese && !sentence.replace(',', "").split(' ').any(denies)
}

/// Counts of yes and no, said and true. Positive means yes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Yes, rightly.
    pub true_positive: u32,
    /// Yes, wrongly.
    pub false_positive: u32,
    /// No, rightly.
    pub true_negative: u32,
    /// No, wrongly.
    pub false_negative: u32,
}

impl Confusion {
    /// Counts one answer.
    pub fn add(&mut self, said: bool, truth: bool) {
        let cell = match (said, truth) {
            (true, true) => &mut self.true_positive,
            (true, false) => &mut self.false_positive,
            (false, false) => &mut self.true_negative,
            (false, true) => &mut self.false_negative,
        };
        *cell += 1;
    }

    fn ratio(of: u32, all: u32) -> f64 {
        if all == 0 {
            0.0
        } else {
            f64::from(of) / f64::from(all)
        }
    }

    fn all(&self) -> u32 {
        self.true_positive + self.false_positive + self.true_negative + self.false_negative
    }

    /// The share of right answers.
    pub fn accuracy(&self) -> f64 {
        Self::ratio(self.true_positive + self.true_negative, self.all())
    }

    /// The share of right ones among the answers yes.
    pub fn precision(&self) -> f64 {
        Self::ratio(self.true_positive, self.true_positive + self.false_positive)
    }

    /// The share of the true ones that were answered yes.
    pub fn recall(&self) -> f64 {
        Self::ratio(self.true_positive, self.true_positive + self.false_negative)
    }

    /// The harmonic mean of precision and recall; 0 when both are.
    pub fn f1(&self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        if p + r > 0.0 {
            2.0 * p * r / (p + r)
        } else {
            0.0
        }
    }

    /// The share of answers yes.
    pub fn yes_ratio(&self) -> f64 {
        Self::ratio(self.true_positive + self.false_positive, self.all())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_is_what_does_not_deny() {
        for yes in [
            "Yes",
            "yes.",
            "There is a dog",
            "",
            "Nothing",
            "Maybe. No",
            "NO",
            "有",
            "是",
        ] {
            assert!(says_yes(yes), "{yes:?}");
        }
        for no in [
            "No",
            "no.",
            "No, there is not",
            "There is no dog",
            "It is not",
            "没有",
            "不是",
        ] {
            assert!(!says_yes(no), "{no:?}");
        }
    }

    /// The example of a hand-made table.
    #[test]
    fn figures_of_a_table() {
        let mut table = Confusion::default();
        for (said, truth, times) in [
            (true, true, 40),
            (true, false, 10),
            (false, false, 35),
            (false, true, 15),
        ] {
            (0..times).for_each(|_| table.add(said, truth));
        }
        assert!((table.accuracy() - 0.75).abs() < 1e-12);
        assert!((table.precision() - 0.8).abs() < 1e-12);
        assert!((table.recall() - 40.0 / 55.0).abs() < 1e-12);
        assert!((table.f1() - 80.0 / 105.0).abs() < 1e-12);
        assert!((table.yes_ratio() - 0.5).abs() < 1e-12);
        assert_eq!(Confusion::default().f1(), 0.0);
    }
}
