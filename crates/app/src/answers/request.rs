//! From a branch to what the engine is asked.

use crate::settings::AnswerOptions;
use crate::state::App;
use crate::{AppError, Code, Result};
use visavis_engine::{Priority, Request, RequestPicture};
use visavis_llava::generate::Sampling;
use visavis_llava::prompt::style::Ask;
use visavis_llava::prompt::{Conversation, Message as Turn, Role as Who};
use visavis_store::{Message, PictureRow, Role};

/// A conversation with its pictures.
#[derive(Clone, Default)]
pub(crate) struct Talk {
    pub(crate) turns: Vec<Turn>,
    pub(crate) pictures: Vec<RequestPicture>,
}

impl Talk {
    /// Takes the oldest question and its answer away, if something is left then. Their pictures
    /// move to the next question: what a thread is about must not vanish.
    pub(crate) fn forget_oldest(&mut self) -> bool {
        if self.turns.len() < 3 {
            return false;
        }
        let pictures = self.turns.first().map_or(0, |turn| turn.pictures);
        self.turns.drain(..2);
        if let Some(next) = self.turns.first_mut() {
            next.pictures += pictures;
        }
        true
    }

    /// The request for an answer.
    pub(crate) fn request(&self, options: &AnswerOptions, max_tokens: u32) -> Request {
        Request {
            conversation: self.conversation(),
            pictures: self.pictures.clone(),
            sampling: Sampling {
                temperature: options.temperature,
                seed: u64::from(options.seed),
                ..Sampling::default()
            },
            max_tokens: max_tokens as usize,
            stop_repetition: true,
            priority: Priority::Chat,
        }
    }

    pub(crate) fn conversation(&self) -> Conversation {
        Conversation {
            system: None,
            messages: self.turns.clone(),
        }
    }
}

impl App {
    /// The conversation of a branch. A question whose answer is empty (it failed) is left out,
    /// but its pictures move to the next one: the person sees them in the thread.
    pub(crate) async fn talk(&self, branch: &[Message]) -> Result<Talk> {
        let mut talk = Talk::default();
        let mut question: Option<Turn> = None;
        let mut carried = 0;
        let mut picture: Option<&PictureRow> = None;
        for message in branch {
            match message.role {
                Role::User => {
                    // A question without any answer after it was left by a damaged database.
                    carried += question.take().map_or(0, |turn| turn.pictures);
                    for used in &message.pictures {
                        talk.pictures.push(self.pixels(&used.picture).await?);
                    }
                    picture = message
                        .pictures
                        .first()
                        .map(|used| &used.picture)
                        .or(picture);
                    let options = AnswerOptions::from_json(message.options.as_deref());
                    question = Some(Turn {
                        role: Who::User,
                        text: wording(&message.text, &options, picture)?,
                        pictures: message.pictures.len(),
                    });
                }
                Role::Assistant => {
                    let Some(mut asked) = question.take() else {
                        continue;
                    };
                    if message.text.trim().is_empty() {
                        carried += asked.pictures;
                        continue;
                    }
                    asked.pictures += std::mem::take(&mut carried);
                    talk.turns.push(asked);
                    talk.turns.push(Turn::assistant(message.text.clone()));
                }
            }
        }
        if let Some(mut last) = question {
            last.pictures += carried;
            talk.turns.push(last);
        }
        Ok(talk)
    }
}

/// The text of a question in its style. `picture` is the one that an area lies in.
pub(crate) fn wording(
    text: &str,
    options: &AnswerOptions,
    picture: Option<&PictureRow>,
) -> Result<String> {
    use visavis_llava::prompt::style::Style;
    let region = match (options.region, picture) {
        (Some(area), Some(picture)) if options.style == Style::Region => {
            Some(area.to_square(picture.width, picture.height))
        }
        _ => None,
    };
    // The switch has no meaning for some styles, and a person who left it on asked no riddle.
    let may_decline =
        options.may_decline && !matches!(options.style, Style::Box | Style::Region | Style::Json);
    let ask = Ask {
        style: options.style,
        question: text.to_owned(),
        may_decline,
        options: options.options.clone(),
        region,
        fields: options.fields.clone(),
        ocr_tokens: Vec::new(),
    };
    let text = ask.prompt()?;
    if text.trim().is_empty() {
        return Err(
            AppError::new(Code::BadQuestion, "There is no question yet.")
                .hint("Write one, or choose an answer style that needs none."),
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use visavis_llava::prompt::style::Style;

    #[test]
    fn the_oldest_goes_first_and_pictures_stay() {
        let mut talk = Talk {
            turns: vec![
                Turn::user("one", 1),
                Turn::assistant("1"),
                Turn::user("two", 0),
                Turn::assistant("2"),
                Turn::user("three", 0),
            ],
            pictures: Vec::new(),
        };
        assert!(talk.forget_oldest());
        assert_eq!(talk.turns[0], Turn::user("two", 1));
        assert!(talk.forget_oldest());
        assert_eq!(talk.turns, [Turn::user("three", 1)]);
        assert!(!talk.forget_oldest());
    }

    #[test]
    fn a_style_without_words_of_the_persons_is_a_question() {
        let options = AnswerOptions {
            style: Style::Caption,
            ..AnswerOptions::default()
        };
        assert!(wording("", &options, None).unwrap().contains("caption"));
        let chat = AnswerOptions::default();
        assert_eq!(
            wording(" ", &chat, None).unwrap_err().code,
            Code::BadQuestion
        );
        let declining = AnswerOptions {
            style: Style::Box,
            may_decline: true,
            ..AnswerOptions::default()
        };
        assert!(wording("the cup", &declining, None).is_ok());
    }
}
