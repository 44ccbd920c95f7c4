//! Asking a model through the engine, many questions at a time: each answer is the same as when
//! its question is asked alone.

use crate::question::Question;
use crate::score::{Score, score};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use visavis_engine::{
    EngineHandle, Event, EventStream, Failure, FailureCode, Priority, Request, RequestPicture,
};
use visavis_llava::generate::Sampling;
use visavis_llava::image::{DecodeOptions, Picture};
use visavis_llava::prompt::{Conversation, Message};

/// An answer and how good it is. In files one a line, with the names that LLaVA's answer files
/// have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The question.
    pub question_id: String,
    /// The answer, trimmed.
    pub text: String,
    /// How good it is.
    pub score: Score,
    /// Why there is no answer: the question did not fit, for example. Counts as wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Asks questions: greedy, with the training's system text, as the published evaluations do.
pub struct Asker<'a> {
    engine: &'a EngineHandle,
    /// Tokens an answer may have at most.
    pub max_tokens: usize,
    /// Questions in the engine at a time.
    pub window: usize,
}

impl<'a> Asker<'a> {
    /// An engine with a loaded model.
    pub fn new(engine: &'a EngineHandle) -> Self {
        Self {
            engine,
            max_tokens: 256,
            window: 32,
        }
    }

    /// Asks all questions, in order. `picture` gives each question's picture; `progress` is told
    /// how many are answered and may say stop.
    ///
    /// # Errors
    /// When a picture cannot be had, when the engine fails as a whole, and with the code
    /// `cancelled` when `progress` said stop. A question that the model cannot take is an answer
    /// with an error instead.
    pub fn ask(
        &self,
        questions: &[Question],
        picture: &mut dyn FnMut(&Question) -> Result<RequestPicture>,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Answered>> {
        let mut answers = Vec::with_capacity(questions.len());
        let mut open: VecDeque<(&Question, EventStream)> = VecDeque::new();
        let mut waiting = questions.iter();
        loop {
            while open.len() < self.window.max(1) {
                let Some(question) = waiting.next() else {
                    break;
                };
                let request = self.request(question, picture(question)?);
                open.push_back((question, self.engine.submit(request)));
            }
            let Some((question, mut events)) = open.pop_front() else {
                return Ok(answers);
            };
            answers.push(answer(question, &mut events)?);
            if !progress(answers.len()) {
                return Err(Error::Engine(Failure {
                    code: FailureCode::Cancelled,
                    message: "the evaluation was stopped".to_owned(),
                }));
            }
        }
    }

    fn request(&self, question: &Question, picture: RequestPicture) -> Request {
        Request {
            conversation: Conversation {
                system: None,
                messages: vec![Message::user(question.text.clone(), 1)],
            },
            pictures: vec![picture],
            sampling: Sampling::default(),
            max_tokens: self.max_tokens,
            stop_repetition: true,
            priority: Priority::Batch,
        }
    }
}

fn answer(question: &Question, events: &mut EventStream) -> Result<Answered> {
    let (text, error) = loop {
        match events.next_blocking() {
            Some(Event::Done(done)) => break (done.text, None),
            Some(Event::Failed(failure)) if is_the_questions(failure.code) => {
                break (String::new(), Some(failure.message));
            }
            Some(Event::Failed(failure)) => return Err(failure.into()),
            Some(_) => {}
            None => {
                return Err(Error::Question {
                    id: question.question_id.clone(),
                    reason: "the engine ended without an answer".to_owned(),
                });
            }
        }
    };
    Ok(Answered {
        question_id: question.question_id.clone(),
        score: score(&question.expected, &text),
        text,
        error,
    })
}

/// Whether a failure is this question's alone.
fn is_the_questions(code: FailureCode) -> bool {
    matches!(
        code,
        FailureCode::ContextFull | FailureCode::BadRequest | FailureCode::NotANumber
    )
}

/// A decoded picture for a request.
pub fn request_picture(picture: Picture) -> RequestPicture {
    RequestPicture {
        width: picture.width,
        height: picture.height,
        rgb: Arc::new(picture.rgb),
    }
}

/// Reads a question's picture from a folder, as published evaluations do: without turning it by
/// EXIF.
///
/// # Errors
/// When it cannot be read.
pub fn from_folder(folder: &Path, question: &Question) -> Result<RequestPicture> {
    let path = folder.join(&question.image);
    let options = DecodeOptions {
        apply_orientation: false,
    };
    let picture = Picture::open(&path, &options).map_err(|error| Error::Question {
        id: question.question_id.clone(),
        reason: error.to_string(),
    })?;
    Ok(request_picture(picture))
}
