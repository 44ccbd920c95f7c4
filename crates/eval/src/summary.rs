//! From single answers to the numbers of a table.

use crate::ask::Answered;
use crate::loss::Loss;
use crate::question::{Expected, Question};
use crate::score::{Confusion, says_yes};
use serde::{Deserialize, Serialize};

/// What a model scored on a list of questions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The model, as it was named.
    pub model: String,
    /// How its weights are stored, in words.
    #[serde(default)]
    pub format: String,
    /// The size of its weights, in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// All questions.
    pub questions: usize,
    /// By category and language, in the order of first appearance.
    pub rows: Vec<Row>,
    /// Yes and no by the way in which negatives were drawn: `random`, `popular`, `adversarial`.
    pub pope: Vec<Pope>,
    /// Declining.
    pub refusal: Option<Refusal>,
    /// The held-out loss, where it was measured.
    pub loss: Option<Loss>,
    /// Seconds that the questions took.
    #[serde(default)]
    pub seconds: f64,
}

/// The answers of one category in one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The category.
    pub category: String,
    /// The language's code.
    pub language: String,
    /// How many questions.
    pub questions: usize,
    /// The mean score, 0 to 1.
    pub score: f64,
    /// The share of answers in the form that was asked for.
    pub formed: f64,
    /// Words in an answer, on average.
    pub words: f64,
    /// Questions about what training never shows.
    pub unseen_questions: usize,
    /// The mean score of these; `None` when there are none.
    pub unseen_score: Option<f64>,
}

/// POPE's figures for one way of drawing negatives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pope {
    /// The way.
    pub kind: String,
    /// The counts.
    pub table: Confusion,
    /// Their F1.
    pub f1: f64,
}

/// How well the model knows when to decline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// Questions without an answer.
    pub unanswerable: usize,
    /// The share of them that were declined.
    pub recall: f64,
    /// Questions with an answer.
    pub answerable: usize,
    /// The share of them that were declined.
    pub false_refusals: f64,
}

/// Sums over one category.
#[derive(Default)]
struct Sums {
    questions: usize,
    score: f64,
    formed: usize,
    words: usize,
    unseen: usize,
    unseen_score: f64,
}

impl Summary {
    /// Counts answers. `questions` and `answers` belong to each other by position.
    pub fn of(model: &str, questions: &[Question], answers: &[Answered]) -> Self {
        let pairs: Vec<(&Question, &Answered)> = questions.iter().zip(answers).collect();
        Self {
            model: model.to_owned(),
            questions: pairs.len(),
            rows: rows(&pairs),
            pope: pope(&pairs),
            refusal: refusal(&pairs),
            ..Self::default()
        }
    }

    /// The row of a category in a language.
    pub fn row(&self, category: &str, language: &str) -> Option<&Row> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.category == category && row.language == language)
    }

    /// The mean over all questions.
    pub fn score(&self) -> f64 {
        let sum: f64 = self
            .rows
            .iter()
            .map(|row| row.score * row.questions as f64)
            .sum();
        if self.questions == 0 {
            0.0
        } else {
            sum / self.questions as f64
        }
    }

    /// The mean of POPE's F1 over the ways, as papers report it.
    pub fn mean_f1(&self) -> Option<f64> {
        let sum: f64 = self.pope.iter().map(|pope| pope.f1).sum();
        (!self.pope.is_empty()).then(|| sum / self.pope.len() as f64)
    }

    /// How far Chinese lies below English on the categories that are asked in both, in points of
    /// 100; negative when it is above. Each category counts the same.
    pub fn chinese_gap(&self) -> Option<f64> {
        let gaps: Vec<f64> = self
            .rows
            .iter()
            .filter(|row| row.language == "zh")
            .filter_map(|row| Some(self.row(&row.category, "en")?.score - row.score))
            .collect();
        (!gaps.is_empty()).then(|| 100.0 * gaps.iter().sum::<f64>() / gaps.len() as f64)
    }
}

fn rows(pairs: &[(&Question, &Answered)]) -> Vec<Row> {
    let mut names: Vec<(&str, &str)> = Vec::new();
    let mut sums: Vec<Sums> = Vec::new();
    for (question, answer) in pairs {
        let name = (question.category.as_str(), question.language.as_str());
        let at = names
            .iter()
            .position(|known| *known == name)
            .unwrap_or_else(|| {
                names.push(name);
                sums.push(Sums::default());
                names.len() - 1
            });
        let Some(sum) = sums.get_mut(at) else {
            continue;
        };
        sum.questions += 1;
        sum.score += answer.score.value;
        sum.formed += usize::from(answer.score.formed);
        sum.words += words(&answer.text);
        if question.unseen {
            sum.unseen += 1;
            sum.unseen_score += answer.score.value;
        }
    }
    let mean = |sum: f64, count: usize| sum / count.max(1) as f64;
    names
        .into_iter()
        .zip(sums)
        .map(|((category, language), sum)| Row {
            category: category.to_owned(),
            language: language.to_owned(),
            questions: sum.questions,
            score: mean(sum.score, sum.questions),
            formed: mean(sum.formed as f64, sum.questions),
            words: mean(sum.words as f64, sum.questions),
            unseen_questions: sum.unseen,
            unseen_score: (sum.unseen > 0).then(|| mean(sum.unseen_score, sum.unseen)),
        })
        .collect()
}

/// Words as they are counted in both languages: runs without a space, and each Chinese character.
fn words(text: &str) -> usize {
    let chinese = text
        .chars()
        .filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c))
        .count();
    let others = text
        .split_whitespace()
        .filter(|word| word.chars().any(|c| c.is_ascii_alphanumeric()))
        .count();
    chinese + others
}

fn pope(pairs: &[(&Question, &Answered)]) -> Vec<Pope> {
    let mut tables: Vec<(String, Confusion)> = Vec::new();
    for (question, answer) in pairs {
        let Expected::YesNo { yes } = question.expected else {
            continue;
        };
        let known = tables.iter().position(|(kind, _)| *kind == question.kind);
        let at = known.unwrap_or_else(|| {
            tables.push((question.kind.clone(), Confusion::default()));
            tables.len() - 1
        });
        if let Some((_, table)) = tables.get_mut(at) {
            table.add(says_yes(&answer.text), yes);
        }
    }
    // Other questions with yes or no for an answer are no POPE questions.
    tables.retain(|(kind, _)| ["random", "popular", "adversarial"].contains(&kind.as_str()));
    tables
        .into_iter()
        .map(|(kind, table)| Pope {
            kind,
            f1: table.f1(),
            table,
        })
        .collect()
}

fn refusal(pairs: &[(&Question, &Answered)]) -> Option<Refusal> {
    let (mut without, mut declined, mut with, mut wrongly) = (0, 0, 0, 0);
    for (question, answer) in pairs {
        let Expected::MayDecline { answer: right } = &question.expected else {
            continue;
        };
        let refused = usize::from(answer.score.declined);
        if right.is_some() {
            with += 1;
            wrongly += refused;
        } else {
            without += 1;
            declined += refused;
        }
    }
    let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
    (with + without > 0).then(|| Refusal {
        unanswerable: without,
        recall: share(declined, without),
        answerable: with,
        false_refusals: share(wrongly, with),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::score;

    fn pair(
        category: &str,
        language: &str,
        kind: &str,
        expected: Expected,
        said: &str,
    ) -> (Question, Answered) {
        let question = Question {
            question_id: String::new(),
            image: String::new(),
            text: String::new(),
            category: category.into(),
            language: language.into(),
            kind: kind.into(),
            unseen: kind == "new",
            answer: String::new(),
            expected,
        };
        let answered = Answered {
            question_id: String::new(),
            text: said.into(),
            score: score(&question.expected, said),
            error: None,
        };
        (question, answered)
    }

    fn summary(pairs: Vec<(Question, Answered)>) -> Summary {
        let (questions, answers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        Summary::of("m", &questions, &answers)
    }

    fn word(answer: &str) -> Expected {
        Expected::Words {
            answers: vec![answer.into()],
        }
    }

    #[test]
    fn rows_are_by_category_and_language() {
        let found = summary(vec![
            pair("colour", "en", "", word("Red"), "red"),
            pair("colour", "en", "new", word("Red"), "a blue star"),
            pair("colour", "zh", "", word("红色"), "红色"),
            pair("shape", "en", "", word("Star"), "star"),
        ]);
        let colour = found.row("colour", "en").unwrap();
        assert_eq!(
            (colour.questions, colour.score, colour.words),
            (2, 0.5, 2.0)
        );
        assert_eq!(
            (colour.unseen_questions, colour.unseen_score),
            (1, Some(0.0))
        );
        assert_eq!(found.row("colour", "zh").unwrap().words, 2.0);
        assert_eq!(found.score(), 0.75);
        assert_eq!(found.chinese_gap(), Some(-50.0));
        assert_eq!((found.mean_f1(), found.refusal), (None, None));
    }

    #[test]
    fn pope_is_by_the_way_of_its_negatives() {
        let yes = || Expected::YesNo { yes: true };
        let no = || Expected::YesNo { yes: false };
        let found = summary(vec![
            pair("yes_no", "en", "random", yes(), "Yes"),
            pair("yes_no", "en", "random", no(), "No"),
            pair("yes_no", "en", "popular", yes(), "Yes"),
            pair("yes_no", "en", "popular", no(), "Yes"),
            pair("position", "en", "relation", no(), "Yes"),
        ]);
        assert_eq!(found.pope.len(), 2);
        assert_eq!(found.pope[0].f1, 1.0);
        assert!((found.pope[1].f1 - 2.0 / 3.0).abs() < 1e-12);
        assert!((found.mean_f1().unwrap() - 5.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn refusals_and_false_ones() {
        let none = || Expected::MayDecline { answer: None };
        let red = || Expected::MayDecline {
            answer: Some("Red".into()),
        };
        let found = summary(vec![
            pair("refusal", "en", "", none(), "Unanswerable"),
            pair("refusal", "en", "", none(), "Red"),
            pair("refusal", "en", "", red(), "Unanswerable"),
            pair("refusal", "en", "", red(), "Red"),
            pair("refusal", "en", "", red(), "Blue"),
            pair("refusal", "en", "", red(), "Red"),
        ]);
        let refusal = found.refusal.unwrap();
        assert_eq!((refusal.unanswerable, refusal.answerable), (2, 4));
        assert_eq!((refusal.recall, refusal.false_refusals), (0.5, 0.25));
    }
}
