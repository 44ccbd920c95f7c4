//! What the practice model has to reach, and whether it does.

use crate::summary::Summary;

/// A target and what was measured for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What is measured, in words.
    pub name: String,
    /// What is wanted, in words: `at least 95%`.
    pub target: String,
    /// What was measured, in the target's unit; `None` when no question was asked.
    pub measured: Option<String>,
    /// Whether it suffices; `None` when no question was asked.
    pub met: Option<bool>,
}

/// How a number is compared and written.
#[derive(Clone, Copy)]
enum Demand {
    /// A share, at least this, in percent.
    Percent(f64),
    /// A share, at most this, in percent.
    PercentAtMost(f64),
    /// A number of 0 to 1, at least this.
    Least(f64),
    /// Points of 100, at most this.
    Points(f64),
}

impl Demand {
    fn text(self) -> String {
        match self {
            Self::Percent(p) => format!("at least {p}%"),
            Self::PercentAtMost(p) => format!("at most {p}%"),
            Self::Least(v) => format!("at least {v}"),
            Self::Points(p) => format!("at most {p} points"),
        }
    }

    /// Rounded against the model, so that what is written never looks better than what counts.
    fn measured(self, value: f64) -> String {
        // A share such as 0.95 is stored a little above or below: that must not cost a digit.
        let (down, up) = (|v: f64| (v + 1e-9).floor(), |v: f64| (v - 1e-9).ceil());
        match self {
            Self::Percent(_) => format!("{:.1}%", down(value * 1000.0) / 10.0),
            Self::PercentAtMost(_) => format!("{:.1}%", up(value * 1000.0) / 10.0),
            Self::Least(_) => format!("{:.2}", down(value * 100.0) / 100.0),
            Self::Points(_) => format!("{:.1} points", up(value * 10.0) / 10.0),
        }
    }

    fn met(self, value: f64) -> bool {
        match self {
            Self::Percent(p) => value * 100.0 >= p - 1e-9,
            Self::PercentAtMost(p) => value * 100.0 <= p + 1e-9,
            Self::Least(v) => value >= v,
            Self::Points(p) => value <= p,
        }
    }
}

/// The practice model's targets against a summary of its held-out questions.
pub fn practice_model(summary: &Summary) -> Vec<Outcome> {
    let score = |category: &str| summary.row(category, "en").map(|row| row.score);
    let refusal = summary.refusal;
    let demands = [
        ("Colour", score("colour"), Demand::Percent(95.0)),
        ("Shape", score("shape"), Demand::Percent(95.0)),
        ("Yes or no", score("yes_no"), Demand::Percent(95.0)),
        ("Counting to five", score("counting"), Demand::Percent(90.0)),
        ("Position", score("position"), Demand::Percent(90.0)),
        ("Multiple choice", score("choice"), Demand::Percent(90.0)),
        (
            "Reading a word of the list",
            score("reading"),
            Demand::Percent(85.0),
        ),
        (
            "Boxes, mean overlap (IoU)",
            score("box"),
            Demand::Least(0.7),
        ),
        (
            "Valid JSON",
            summary.row("json", "en").map(|row| row.formed),
            Demand::Percent(95.0),
        ),
        (
            "\"Unanswerable\" where there is no answer",
            refusal.filter(|r| r.unanswerable > 0).map(|r| r.recall),
            Demand::Percent(90.0),
        ),
        (
            "\"Unanswerable\" where there is one",
            refusal
                .filter(|r| r.answerable > 0)
                .map(|r| r.false_refusals),
            Demand::PercentAtMost(5.0),
        ),
        (
            "Chinese below English",
            summary.chinese_gap(),
            Demand::Points(5.0),
        ),
    ];
    demands
        .into_iter()
        .map(|(name, value, demand)| Outcome {
            name: name.to_owned(),
            target: demand.text(),
            measured: value.map(|value| demand.measured(value)),
            met: value.map(|value| demand.met(value)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_are_kept_at_their_limits() {
        for (demand, met, missed) in [
            (Demand::Percent(95.0), 0.95, 0.9499),
            (Demand::PercentAtMost(5.0), 0.05, 0.0501),
            (Demand::Least(0.7), 0.7, 0.699),
            (Demand::Points(5.0), -3.0, 5.1),
        ] {
            assert!(demand.met(met) && !demand.met(missed));
        }
    }

    #[test]
    fn what_falls_short_does_not_look_as_if_it_did_not() {
        assert_eq!(Demand::Percent(95.0).measured(0.94999), "94.9%");
        assert_eq!(Demand::Percent(95.0).measured(0.95), "95.0%");
        assert_eq!(Demand::PercentAtMost(5.0).measured(0.0501), "5.1%");
        assert_eq!(Demand::Least(0.7).measured(0.6999), "0.69");
    }

    #[test]
    fn what_was_not_asked_is_neither_met_nor_missed() {
        let outcomes = practice_model(&Summary::default());
        assert_eq!(outcomes.len(), 12);
        assert!(
            outcomes
                .iter()
                .all(|o| o.met.is_none() && o.measured.is_none())
        );
    }
}
