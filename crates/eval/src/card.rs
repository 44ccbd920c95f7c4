//! The model card: what a person should know before using a model, with every target beside its
//! result. Made from measured numbers only; what falls short is said first among the results.

use crate::summary::{Row, Summary};
use crate::targets::{Outcome, practice_model};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Everything the card of the practice model is made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What the model is and how it came about.
    pub about: About,
    /// The held-out questions, asked of the checkpoint as it ships.
    pub summary: Summary,
    /// The same questions, asked of other formats of the same weights.
    #[serde(default)]
    pub formats: Vec<Summary>,
    /// The paper's lessons at this size.
    #[serde(default)]
    pub lessons: Vec<Lesson>,
}

/// Facts about a model that its files and its training tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// Weights of the whole model.
    pub parameters: u64,
    /// Side of the square that the vision tower sees, in pixels.
    pub image_size: u32,
    /// Positions that a picture takes.
    pub image_tokens: u32,
    /// Pieces of the tokenizer.
    pub pieces: u32,
    /// Each stage of the training, in words, in order.
    pub stages: Vec<String>,
    /// Seed of the held-out scenes.
    pub test_seed: u64,
}

/// One comparison that the paper made, repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// What is compared, in words.
    pub name: String,
    /// What the paper found, in words.
    pub paper: String,
    /// How each run was made, and what it scored.
    pub runs: Vec<Run>,
}

/// One short run of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What is different about it, in words.
    pub name: String,
    /// What it scored.
    pub summary: Summary,
}

/// Short questions of both languages, whose answers are a word.
const SHORT: [&str; 6] = ["colour", "shape", "yes_no", "size", "counting", "position"];

impl Run {
    /// Words of an answer to a short question, on average.
    pub fn short_words(&self) -> Option<f64> {
        mean(
            self.english()
                .filter(|r| SHORT.contains(&r.category.as_str())),
            |r| r.words,
        )
    }

    /// Words of an answer in a chat, on average.
    pub fn chat_words(&self) -> Option<f64> {
        mean(self.english().filter(|r| r.category == "chat"), |r| r.words)
    }

    fn english(&self) -> impl Iterator<Item = &Row> {
        self.summary.rows.iter().filter(|row| row.language == "en")
    }
}

fn mean<'a>(rows: impl Iterator<Item = &'a Row>, value: impl Fn(&Row) -> f64) -> Option<f64> {
    let (sum, count) = rows.fold((0.0, 0usize), |(sum, count), row| {
        (
            sum + value(row) * row.questions as f64,
            count + row.questions,
        )
    });
    (count > 0).then(|| sum / count as f64)
}

/// The card, as Markdown.
pub fn practice_card(report: &Report) -> String {
    let mut card = String::new();
    introduction(&mut card, report);
    results(&mut card, &report.summary);
    categories(&mut card, &report.summary);
    presence(&mut card, &report.summary);
    formats(&mut card, report);
    lessons(&mut card, &report.lessons);
    making(&mut card, &report.about);
    card
}

/// Writing to a `String` does not fail; the result says so to nobody.
macro_rules! line {
    ($card:expr) => { $card.push('\n') };
    ($card:expr, $($text:tt)*) => {{
        let _ = writeln!($card, $($text)*);
    }};
}

fn introduction(card: &mut String, report: &Report) {
    let about = &report.about;
    line!(card, "# The practice model");
    line!(card);
    line!(
        card,
        "**It knows drawings only.** This model has seen nothing but pictures drawn by a program: ten shapes in ten colours,\n\
         printed words from a list of a hundred, and numbers below a hundred. It answers questions about such drawings. About\n\
         photographs it will say something, and it will be wrong: use a full LLaVA-1.5 for them."
    );
    line!(card);
    line!(
        card,
        "It is there so that Visavis answers without a download, and so that the program's tests can ask a model that really looks.\n\
         It is a LLaVA-1.5 in every part (vision tower, two-layer connector, language model, prompts, files), only small:\n\
         {} parameters, {} bytes, pictures of {} x {} pixels in {} positions, {} pieces of vocabulary.",
        millions(about.parameters),
        grouped(report.summary.bytes),
        about.image_size,
        about.image_size,
        about.image_tokens,
        about.pieces
    );
    line!(card);
}

fn results(card: &mut String, summary: &Summary) {
    let outcomes = practice_model(summary);
    line!(card, "## What it can do, and what it cannot");
    line!(card);
    line!(card, "{}", verdict(&outcomes));
    line!(card);
    line!(card, "| | target | result | |");
    line!(card, "|---|---|---|---|");
    for outcome in &outcomes {
        let measured = outcome.measured.as_deref().unwrap_or("not measured");
        let mark = match outcome.met {
            Some(true) => "reached",
            Some(false) => "**short**",
            None => "",
        };
        line!(
            card,
            "| {} | {} | {measured} | {mark} |",
            outcome.name,
            outcome.target
        );
    }
    line!(card);
}

fn verdict(outcomes: &[Outcome]) -> String {
    let named = |met: Option<bool>| -> Vec<String> {
        let chosen = outcomes.iter().filter(|outcome| outcome.met == met);
        chosen
            .map(|o| match &o.measured {
                Some(measured) => format!("{} ({measured}, wanted {})", o.name, o.target),
                None => o.name.clone(),
            })
            .collect()
    };
    let (short, open) = (named(Some(false)), named(None));
    let mut text = if short.is_empty() {
        "Nothing that was measured falls short of its target.".to_owned()
    } else {
        format!("What falls short: {}.", short.join("; "))
    };
    if !open.is_empty() {
        let _ = write!(text, " Not measured: {}.", open.join("; "));
    }
    text
}

fn categories(card: &mut String, summary: &Summary) {
    line!(card, "## Every kind of question");
    line!(card);
    line!(
        card,
        "{} held-out questions, each about a picture of its own that training never saw. \"New pairs\" are questions about\n\
         combinations of colour and shape that training never showed or named.",
        summary.questions
    );
    line!(card);
    line!(
        card,
        "| kind | language | questions | score | new pairs | in the asked form | words |"
    );
    line!(card, "|---|---|---|---|---|---|---|");
    for row in &summary.rows {
        let unseen = match row.unseen_score {
            Some(score) => format!("{} of {}", percent(score), row.unseen_questions),
            None => String::new(),
        };
        line!(
            card,
            "| {} | {} | {} | {} | {unseen} | {} | {:.1} |",
            row.category.replace('_', " "),
            row.language,
            row.questions,
            percent(row.score),
            percent(row.formed),
            row.words
        );
    }
    line!(card);
    line!(
        card,
        "Boxes score their overlap (IoU), forms the share of right fields, captions and descriptions the share of things that they\n\
         mention; everything else is right or wrong, after the normalisation of the VQA benchmarks."
    );
    line!(card);
}

fn presence(card: &mut String, summary: &Summary) {
    if summary.pope.is_empty() {
        return;
    }
    line!(card, "## Is it there? (as POPE asks)");
    line!(card);
    line!(
        card,
        "| negatives | accuracy | precision | recall | F1 | answers yes |"
    );
    line!(card, "|---|---|---|---|---|---|");
    for pope in &summary.pope {
        let table = &pope.table;
        line!(
            card,
            "| {} | {} | {} | {} | {} | {} |",
            pope.kind,
            percent(table.accuracy()),
            percent(table.precision()),
            percent(table.recall()),
            percent(pope.f1),
            percent(table.yes_ratio())
        );
    }
    line!(card);
}

fn formats(card: &mut String, report: &Report) {
    if report.formats.is_empty() {
        return;
    }
    line!(card, "## The same weights in other formats");
    line!(card);
    line!(card, "| format | bytes | score | held-out loss |");
    line!(card, "|---|---|---|---|");
    for summary in std::iter::once(&report.summary).chain(&report.formats) {
        let loss = summary
            .loss
            .map_or_else(String::new, |loss| format!("{:.4}", loss.mean));
        line!(
            card,
            "| {} | {} | {} | {loss} |",
            summary.format,
            grouped(summary.bytes),
            percent(summary.score())
        );
    }
    line!(card);
    line!(
        card,
        "The score is the mean over all questions above. The loss is the mean surprise at the right answers, in nats a token."
    );
    line!(card);
}

fn lessons(card: &mut String, lessons: &[Lesson]) {
    if lessons.is_empty() {
        return;
    }
    line!(card, "## The paper's lessons at this size");
    line!(card);
    line!(
        card,
        "Short runs that differ in one thing; all other settings are the same. They show a direction, not the shipped model."
    );
    for lesson in lessons {
        line!(card);
        line!(card, "**{}.** The paper: {}", lesson.name, lesson.paper);
        line!(card);
        line!(
            card,
            "| | score | held-out loss | words, short | words, chat |"
        );
        line!(card, "|---|---|---|---|---|");
        for run in &lesson.runs {
            let number = |value: Option<f64>, digits: usize| {
                value.map_or_else(String::new, |value| format!("{value:.digits$}"))
            };
            line!(
                card,
                "| {} | {} | {} | {} | {} |",
                run.name,
                percent(run.summary.score()),
                number(run.summary.loss.map(|loss| loss.mean), 4),
                number(run.short_words(), 1),
                number(run.chat_words(), 1)
            );
        }
    }
    line!(card);
}

fn making(card: &mut String, about: &About) {
    line!(card, "## How it was made");
    line!(card);
    line!(
        card,
        "`visavis train demo` repeats it; docs/training.md has the recipe, docs/data.md describes the drawings.\n\
         The held-out questions are those of `visavis eval scenes --seed {}`, and this card is written by that command.",
        about.test_seed
    );
    line!(card);
    for (number, stage) in about.stages.iter().enumerate() {
        line!(card, "{}. {stage}", number + 1);
    }
    if !about.stages.is_empty() {
        line!(card);
    }
    line!(
        card,
        "No photograph, no text from the web and no other model's answers are in its training data. Licence: MIT or Apache-2.0,\n\
         as the program."
    );
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn millions(count: u64) -> String {
    format!("{:.1} million", count as f64 / 1e6)
}

/// With a comma between thousands.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12_345_678, "12,345,678"),
        ];
        for (count, text) in cases {
            assert_eq!(grouped(count), text);
        }
    }

    /// A card is a function of its report: the committed report gives the committed card.
    #[test]
    fn the_card_of_a_report() {
        let report: Report = serde_json::from_str(include_str!("../tests/report.json")).unwrap();
        let card = practice_card(&report);
        assert_eq!(card, include_str!("../tests/card.md"), "\n{card}");
        assert!(card.contains("knows drawings only"));
        // Each target stands beside its result, and what falls short is said.
        for outcome in practice_model(&report.summary) {
            assert!(card.contains(&format!("| {} | {} |", outcome.name, outcome.target)));
            if outcome.met == Some(false) {
                let said = format!("{} ({}", outcome.name, outcome.measured.unwrap());
                assert!(card.contains(&said), "{said}");
            }
        }
    }

    #[test]
    fn an_empty_report_claims_nothing() {
        let card = practice_card(&Report::default());
        assert!(card.contains("not measured") && !card.contains("| reached |"));
    }
}
