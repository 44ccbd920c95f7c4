//! Judging one answer. The rules are those of the published benchmarks, so that a number here
//! means what it means there.

mod normalise;
mod pope;

pub use normalise::{normalise, vqa_accuracy};
pub use pope::{Confusion, says_yes};

use crate::question::{Expected, UNANSWERABLE};
use serde::{Deserialize, Serialize};
use visavis_llava::boxes::{self, SquareBox};

/// How good one answer is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// 0 to 1: right or wrong, or the overlap of a box, or a share.
    pub value: f64,
    /// Whether the answer has the form that was asked for (a letter, a box, JSON, yes or no).
    pub formed: bool,
    /// For questions that may be declined: whether the answer declines.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declined: bool,
}

impl Score {
    fn right(right: bool) -> Self {
        Self {
            value: f64::from(u8::from(right)),
            formed: true,
            declined: false,
        }
    }

    fn formless() -> Self {
        Self {
            value: 0.0,
            formed: false,
            declined: false,
        }
    }
}

/// Judges an answer.
pub fn score(expected: &Expected, answer: &str) -> Score {
    let answer = answer.trim();
    match expected {
        Expected::Words { answers } => {
            let said = normalise(answer);
            Score::right(answers.iter().any(|right| normalise(right) == said))
        }
        Expected::Exact { text } => Score::right(answer == text),
        Expected::YesNo { yes } => Score::right(says_yes(answer) == *yes),
        Expected::Letter { letter, options } => match chosen_letter(answer, *options) {
            Some(chosen) => Score::right(chosen == *letter),
            None => Score::formless(),
        },
        Expected::Box { bounds } => match boxes::find(answer).as_slice() {
            [found] => Score {
                value: overlap(found.bounds, *bounds),
                ..Score::right(true)
            },
            _ => Score::formless(),
        },
        Expected::Form { form } => match serde_json::from_str(answer) {
            Ok(serde_json::Value::Object(said)) => Score {
                value: agreement(form, &said),
                ..Score::right(true)
            },
            _ => Score::formless(),
        },
        Expected::MayDecline { answer: right } => {
            let said = normalise(answer);
            let declined = said == normalise(UNANSWERABLE);
            let right = match right {
                Some(right) => said == normalise(right),
                None => declined,
            };
            Score {
                declined,
                ..Score::right(right)
            }
        }
        Expected::Mentions { words } => Score {
            value: mentioned(words, answer),
            ..Score::right(true)
        },
    }
}

/// The letter that an answer chooses, by ScienceQA's rule: the whole answer, or its beginning
/// `B. `, or the one `The answer is B.` in it; a letter beyond the options is none.
pub fn chosen_letter(answer: &str, options: usize) -> Option<char> {
    let within =
        |letter: char| letter.is_ascii_uppercase() && ((letter as u8 - b'A') as usize) < options;
    let mut letters = answer.chars();
    let (first, second, third) = (letters.next()?, letters.next(), letters.next());
    let chosen = match (second, third) {
        (None, _) => Some(first),
        (Some('.'), Some(' ')) => Some(first),
        _ => the_answer_is(answer),
    };
    // "B." alone is how many models write a letter.
    let chosen = chosen.or_else(|| (second == Some('.') && third.is_none()).then_some(first));
    chosen.filter(|letter| within(*letter))
}

fn the_answer_is(answer: &str) -> Option<char> {
    const SAID: &str = "The answer is ";
    let mut found = answer.match_indices(SAID).filter_map(|(at, said)| {
        let mut after = answer.get(at + said.len()..)?.chars();
        let letter = after.next().filter(char::is_ascii_uppercase)?;
        (after.next() == Some('.')).then_some(letter)
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Intersection over union; 0 for boxes without area.
pub fn overlap(a: SquareBox, b: SquareBox) -> f64 {
    let area = |x1: f64, y1: f64, x2: f64, y2: f64| (x2 - x1).max(0.0) * (y2 - y1).max(0.0);
    let both = area(
        a.x1.max(b.x1),
        a.y1.max(b.y1),
        a.x2.min(b.x2),
        a.y2.min(b.y2),
    );
    let either = area(a.x1, a.y1, a.x2, a.y2) + area(b.x1, b.y1, b.x2, b.y2) - both;
    if either > 0.0 { both / either } else { 0.0 }
}

/// The share of a form's fields that an answer fills in rightly.
fn agreement(
    form: &serde_json::Map<String, serde_json::Value>,
    said: &serde_json::Map<String, serde_json::Value>,
) -> f64 {
    if form.is_empty() {
        return 1.0;
    }
    let plain = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => normalise(text),
        other => normalise(&other.to_string()),
    };
    let right = form
        .iter()
        .filter(|(name, value)| said.get(*name).is_some_and(|v| plain(v) == plain(value)));
    right.count() as f64 / form.len() as f64
}

/// The share of words that a text contains.
fn mentioned(words: &[String], text: &str) -> f64 {
    if words.is_empty() {
        return 1.0;
    }
    let text = text.to_lowercase();
    let found = words.iter().filter(|word| text.contains(word.as_str()));
    found.count() as f64 / words.len() as f64
}

#[cfg(test)]
mod tests;
