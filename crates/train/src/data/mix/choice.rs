//! A-OKVQA: multiple choice. The paper repeats each question as often as it has choices; here each
//! repetition has the right answer at another letter, so that no letter is worth more than another.

use super::rows::Rows;
use crate::Result;
use crate::data::stream::elements;
use serde::Deserialize;
use std::path::Path;
use visavis_llava::prompt::style::{Ask, Style};

#[derive(Deserialize)]
struct Question {
    image_id: u64,
    question_id: String,
    question: String,
    #[serde(default)]
    choices: Vec<String>,
    correct_choice_idx: Option<usize>,
}

pub(super) fn aokvqa(annotations: &Path, rows: &mut Rows) -> Result<()> {
    elements(annotations, None, &mut |_, asked: Question| {
        rows.read();
        let count = asked.choices.len();
        let right = asked.correct_choice_idx.filter(|right| *right < count);
        let blank = asked.choices.iter().any(|choice| choice.trim().is_empty());
        let Some(right) = right
            .filter(|_| (2..=26).contains(&count) && !blank && !asked.question.trim().is_empty())
        else {
            rows.leave_out();
            return Ok(());
        };
        for turned in 0..count {
            let mut options = asked.choices.clone();
            options.rotate_left(turned);
            // Where the right one comes to stand.
            let at = (right + count - turned) % count;
            let Some(letter) = ('A'..='Z').nth(at) else {
                continue;
            };
            let ask = Ask {
                style: Style::Choice,
                question: asked.question.clone(),
                options,
                ..Ask::default()
            };
            let id = format!("{}-{turned}", asked.question_id);
            let image = format!("{:0>12}.jpg", asked.image_id);
            rows.push(&id, Some(&image), &[(ask.prompt()?, letter.to_string())])?;
        }
        Ok(())
    })
}
