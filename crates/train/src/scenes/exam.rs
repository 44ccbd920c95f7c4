//! The held-out questions about drawn scenes, in the form that `visavis_eval` asks and scores.

use super::attributes::Language;
use super::mix::Category;
use super::talk::Turn;
use super::{Generator, Sample};
use visavis_eval::question::{Expected, Question, UNANSWERABLE};
use visavis_llava::boxes::SquareBox;

/// A question with the sample whose picture it is about.
#[derive(Debug, Clone)]
pub struct Exercise {
    /// The question.
    pub question: Question,
    /// Its scene, for [`Generator::picture_as_filed`].
    pub sample: Sample,
}

/// `each` questions of every category and language, every one about a picture of its own.
pub fn exam(generator: &Generator, each: u64) -> Vec<Exercise> {
    let mut exercises = Vec::new();
    for category in Category::ALL {
        for language in [Language::English, Language::Chinese] {
            let asked = (0..each).filter_map(|n| generator.question(category, language, n));
            exercises.extend(asked.filter_map(exercise));
        }
    }
    exercises
}

fn exercise(sample: Sample) -> Option<Exercise> {
    let turn = sample.turns.first()?;
    let (category, language) = (turn.category.name(), turn.language.code());
    let name = format!("{category}-{language}-{:05}", sample.index);
    let question = Question {
        image: format!("{name}.png"),
        question_id: name,
        text: turn.question.clone(),
        category: category.to_owned(),
        language: language.to_owned(),
        kind: turn.kind.to_owned(),
        unseen: turn.unseen,
        answer: turn.answer.clone(),
        expected: expected(&sample, turn)?,
    };
    Some(Exercise { question, sample })
}

/// How a turn's answer is judged; `None` for an answer that is not in its form, which no generator
/// writes.
fn expected(sample: &Sample, turn: &Turn) -> Option<Expected> {
    let yes = ["Yes", "有", "是"].contains(&turn.answer.as_str());
    Some(match turn.category {
        Category::YesNo => Expected::YesNo { yes },
        Category::Position if turn.kind == "relation" => Expected::YesNo { yes },
        Category::Choice => Expected::Letter {
            letter: turn.answer.chars().next()?,
            options: turn.ask.options.len(),
        },
        Category::Box => Expected::Box {
            bounds: turn.answer.parse::<SquareBox>().ok()?,
        },
        Category::Json => Expected::Form {
            form: serde_json::from_str(&turn.answer).ok()?,
        },
        Category::Refusal => Expected::MayDecline {
            answer: (turn.answer != UNANSWERABLE).then(|| turn.answer.clone()),
        },
        Category::Reading => Expected::Exact {
            text: turn.answer.clone(),
        },
        Category::Caption | Category::Detailed => mentions(sample, turn),
        Category::Chat if turn.kind == "content" => mentions(sample, turn),
        _ => Expected::Words {
            answers: vec![turn.answer.clone()],
        },
    })
}

/// Everything that the picture shows. In Chinese a pattern may stand between colour and shape.
fn mentions(sample: &Sample, turn: &Turn) -> Expected {
    let mut words: Vec<String> = Vec::new();
    for object in &sample.scene.objects {
        let colour = object.colour.word(turn.language);
        let shape = object.shape.word(turn.language);
        match turn.language {
            Language::English => words.push(format!("{colour} {shape}")),
            Language::Chinese => words.extend([colour.to_owned(), shape.to_owned()]),
        }
    }
    words.extend(sample.scene.print.iter().map(|print| print.text.clone()));
    words.sort_unstable();
    words.dedup();
    Expected::Mentions { words }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::{Options, Split};
    use std::collections::BTreeMap;
    use visavis_eval::score::score;

    #[test]
    fn right_answers_score_full_marks_and_other_questions_answers_do_not() {
        let generator = Generator::new(Options {
            split: Split::Test,
            ..Options::default()
        })
        .unwrap();
        let exam = exam(&generator, 12);
        let mut wrong: BTreeMap<&str, f64> = BTreeMap::new();
        for (at, exercise) in exam.iter().enumerate() {
            let question = &exercise.question;
            let own = score(&question.expected, &question.answer);
            assert!(own.formed && own.value > 0.98, "{question:?}: {own:?}");
            let other = &exam[(at + 12 * 7 + 5) % exam.len()].question.answer;
            *wrong.entry(&question.category).or_default() += score(&question.expected, other).value;
        }
        assert_eq!(wrong.len(), Category::ALL.len());
        for (category, sum) in wrong {
            assert!(
                sum < 15.0,
                "{category}: the answers to other questions score {sum}"
            );
        }
        let mut names: Vec<&String> = exam.iter().map(|e| &e.question.question_id).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), exam.len());
    }
}
