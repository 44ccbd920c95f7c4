//! Questions with a word for an answer, and TextCaps: one conversation for each picture.

use super::rows::Rows;
use crate::Result;
use crate::data::stream::elements;
use crate::scenes::dice::Dice;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use visavis_llava::prompt::style::{Ask, Style};

/// A picture's questions and answers, with pictures in the order in which they come.
#[derive(Default)]
struct ByPicture {
    order: Vec<String>,
    turns: HashMap<String, Vec<(String, String)>>,
}

impl ByPicture {
    fn add(&mut self, picture: String, question: String, answer: String) {
        let turns = self.turns.entry(picture.clone()).or_insert_with(|| {
            self.order.push(picture);
            Vec::new()
        });
        turns.push((question, answer));
    }

    /// Strategy 1: one conversation a picture. Only its first question says which form the answers
    /// have.
    fn write(mut self, rows: &mut Rows, image: impl Fn(&str) -> String) -> Result<()> {
        for picture in self.order {
            let mut turns = self.turns.remove(&picture).unwrap_or_default();
            if let Some((question, _)) = turns.first_mut() {
                *question = short(question)?;
            }
            rows.push(&picture, Some(&image(&picture)), &turns)?;
        }
        Ok(())
    }
}

fn short(question: &str) -> Result<String> {
    let ask = Ask {
        style: Style::Short,
        question: question.to_owned(),
        ..Ask::default()
    };
    Ok(ask.prompt()?)
}

#[derive(Deserialize)]
struct VqaQuestion {
    question_id: u64,
    image_id: u64,
    question: String,
}

#[derive(Deserialize)]
struct VqaAnnotation {
    question_id: u64,
    /// VQAv2's own choice among the ten.
    multiple_choice_answer: Option<String>,
    #[serde(default)]
    answers: Vec<VqaAnswer>,
}

#[derive(Deserialize)]
struct VqaAnswer {
    answer: String,
}

/// VQAv2 and OK-VQA. The answer is the one that the data set chose, else the most frequent of the
/// ten, the first of them where several are.
pub(super) fn vqa(questions: &Path, annotations: &Path, rows: &mut Rows) -> Result<()> {
    let mut answers: HashMap<u64, String> = HashMap::new();
    elements(
        annotations,
        Some("annotations"),
        &mut |_, found: VqaAnnotation| {
            let answer = found
                .multiple_choice_answer
                .or_else(|| most_frequent(&found.answers));
            if let Some(answer) = answer.filter(|answer| !answer.trim().is_empty()) {
                answers.insert(found.question_id, answer);
            }
            Ok(())
        },
    )?;
    let mut pictures = ByPicture::default();
    elements(
        questions,
        Some("questions"),
        &mut |_, asked: VqaQuestion| {
            rows.read();
            match answers.remove(&asked.question_id) {
                Some(answer) if !asked.question.trim().is_empty() => {
                    pictures.add(
                        asked.image_id.to_string(),
                        asked.question,
                        capitalised(&answer),
                    );
                }
                _ => rows.leave_out(),
            }
            Ok(())
        },
    )?;
    // COCO's pictures of 2017 are named by their number in twelve digits.
    pictures.write(rows, |id| format!("{id:0>12}.jpg"))
}

fn most_frequent(answers: &[VqaAnswer]) -> Option<String> {
    let times = |answer: &str| {
        answers
            .iter()
            .filter(|other| other.answer == answer)
            .count()
    };
    // The last of equals is the maximum, so the order is turned round.
    let most = answers
        .iter()
        .rev()
        .max_by_key(|answer| times(&answer.answer))?;
    Some(most.answer.clone())
}

/// As the paper's data writes answers: `Yes`, `Yellow`.
fn capitalised(answer: &str) -> String {
    let mut letters = answer.trim().chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[derive(Deserialize)]
struct GqaQuestion {
    #[serde(rename = "imageId")]
    image: String,
    question: String,
    answer: String,
}

/// GQA's balanced questions.
pub(super) fn gqa(questions: &Path, rows: &mut Rows) -> Result<()> {
    let mut pictures = ByPicture::default();
    elements(questions, None, &mut |_, asked: GqaQuestion| {
        rows.read();
        if asked.question.trim().is_empty() || asked.answer.trim().is_empty() {
            rows.leave_out();
        } else {
            pictures.add(asked.image, asked.question, capitalised(&asked.answer));
        }
        Ok(())
    })?;
    pictures.write(rows, |id| format!("{id}.jpg"))
}

#[derive(Deserialize)]
struct Book {
    #[serde(default)]
    questions: Vec<String>,
    #[serde(default)]
    answers: Vec<String>,
    /// 1 is for training, 2 and 3 are for tests.
    split: u8,
}

/// OCR-VQA: a cover's questions are one entry already.
pub(super) fn ocrvqa(dataset: &Path, rows: &mut Rows) -> Result<()> {
    elements(dataset, None, &mut |id, book: Book| {
        rows.read();
        let pairs = book.questions.into_iter().zip(book.answers);
        let mut turns: Vec<(String, String)> = pairs
            .filter(|(question, answer)| !question.trim().is_empty() && !answer.trim().is_empty())
            .map(|(question, answer)| (question, answer.trim().to_owned()))
            .collect();
        let Some((first, _)) = turns.first_mut().filter(|_| book.split == 1) else {
            rows.leave_out();
            return Ok(());
        };
        *first = short(first)?;
        rows.push(&id, Some(&format!("{id}.jpg")), &turns)
    })
}

#[derive(Deserialize)]
struct Caption {
    image_id: String,
    #[serde(default)]
    caption_str: Option<String>,
    #[serde(default)]
    reference_strs: Vec<String>,
}

#[derive(Deserialize)]
struct OcrTokens {
    image_id: String,
    #[serde(default)]
    ocr_tokens: Vec<String>,
}

/// TextCaps: one of a picture's captions, with the words that Rosetta read.
pub(super) fn textcaps(
    captions: &Path,
    tokens: &Path,
    rows: &mut Rows,
    dice: &mut Dice,
) -> Result<()> {
    let mut read: HashMap<String, Vec<String>> = HashMap::new();
    elements(tokens, Some("data"), &mut |_, found: OcrTokens| {
        read.insert(found.image_id, found.ocr_tokens);
        Ok(())
    })?;
    let mut order = Vec::new();
    let mut of: HashMap<String, Vec<String>> = HashMap::new();
    elements(captions, Some("data"), &mut |_, found: Caption| {
        rows.read();
        let known = of.entry(found.image_id.clone()).or_insert_with(|| {
            order.push(found.image_id);
            Vec::new()
        });
        // The file has an entry for each caption, and every entry lists all of them.
        let written = found.caption_str.into_iter().chain(found.reference_strs);
        for caption in written.filter(|caption| !caption.trim().is_empty()) {
            if !known.contains(&caption) {
                known.push(caption);
            }
        }
        Ok(())
    })?;
    for image in order {
        let captions = of.remove(&image).unwrap_or_default();
        let Some(caption) = dice.choose(&captions) else {
            rows.leave_out();
            continue;
        };
        let words = read.remove(&image).unwrap_or_default();
        let ask = Ask {
            style: if words.iter().all(|word| word.trim().is_empty()) {
                Style::Caption
            } else {
                Style::Ocr
            },
            ocr_tokens: words,
            ..Ask::default()
        };
        let turn = (ask.prompt()?, caption.trim().to_owned());
        rows.push(&image, Some(&format!("{image}.jpg")), &[turn])?;
    }
    Ok(())
}
