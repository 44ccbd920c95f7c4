//! One piece of work, from the queue to its last event.

use crate::backend::{Backend, Cache, Piece};
use crate::message::Timings;
use crate::message::{Completion, Event, Failure, FailureCode, Prepare, Request, RequestPicture};
use crate::position::{PictureKey, Position};
use crate::progress::{Measure, Reporter};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use visavis_llava::generate::{FinishReason, Generation};
use visavis_llava::prompt::{Conversation, PromptToken};
use visavis_llava::{Error, Stage};

/// Work that waits for its turn.
pub(crate) struct Job {
    pub(crate) reporter: Reporter,
    pub(crate) work: Work,
}

/// What is to be done.
pub(crate) enum Work {
    /// Write an answer.
    Answer(Request),
    /// Read ahead.
    Prepare(Prepare),
}

impl Work {
    /// What was said.
    pub(crate) fn conversation(&self) -> &Conversation {
        match self {
            Self::Answer(request) => &request.conversation,
            Self::Prepare(prepare) => &prepare.conversation,
        }
    }

    /// The pictures, in the order the conversation counts them.
    pub(crate) fn pictures(&self) -> &[RequestPicture] {
        match self {
            Self::Answer(request) => &request.pictures,
            Self::Prepare(prepare) => &prepare.pictures,
        }
    }

    /// Refuses what no model could answer.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let counted = self.conversation().pictures();
        let given = self.pictures().len();
        if counted != given {
            return Err(Error::Request(format!(
                "the conversation speaks of {counted} pictures, but {given} came with it"
            )));
        }
        for (at, picture) in self.pictures().iter().enumerate() {
            let bytes = u64::from(picture.width) * u64::from(picture.height) * 3;
            if bytes == 0 || bytes != picture.rgb.len() as u64 {
                return Err(Error::Request(format!(
                    "picture {} should be {} x {} pixels of three bytes, but has {} bytes",
                    at + 1,
                    picture.width,
                    picture.height,
                    picture.rgb.len()
                )));
            }
        }
        match self {
            Self::Answer(request) if request.max_tokens == 0 => Err(Error::Request(
                "an answer needs room for at least one token".into(),
            )),
            _ => Ok(()),
        }
    }
}

/// A tokenised prompt, position by position.
pub(crate) struct Prompt {
    /// Every position.
    pub(crate) positions: Vec<Position>,
    /// The pictures in it: which one, its name, and the position after its last.
    pub(crate) pictures: Vec<PromptPicture>,
}

/// A picture's place in a prompt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PromptPicture {
    /// Which of the request's pictures.
    pub(crate) index: usize,
    /// Its name.
    pub(crate) key: PictureKey,
    /// The position after its last.
    pub(crate) end: usize,
}

impl Prompt {
    /// Expands every picture to its `rows` positions.
    pub(crate) fn new(
        tokens: &[PromptToken],
        pictures: &[RequestPicture],
        rows: usize,
    ) -> Result<Self, Error> {
        let keys: Vec<PictureKey> = pictures.iter().map(PictureKey::of).collect();
        let rows = u32::try_from(rows)
            .map_err(|_| Error::Request(format!("a picture cannot take {rows} positions")))?;
        let mut prompt = Self {
            positions: Vec::new(),
            pictures: Vec::new(),
        };
        for token in tokens {
            match *token {
                PromptToken::Id(id) => prompt.positions.push(Position::Id(id)),
                PromptToken::Picture(index) => {
                    let key = *keys.get(index).ok_or_else(|| {
                        Error::Request(format!("picture {} did not come with it", index + 1))
                    })?;
                    prompt
                        .positions
                        .extend((0..rows).map(|row| Position::Image(key, row)));
                    let end = prompt.positions.len();
                    prompt.pictures.push(PromptPicture { index, key, end });
                }
            }
        }
        Ok(prompt)
    }
}

/// A cache and the positions it holds, if it can be used again.
pub(crate) type Kept<C> = Option<(C, Vec<Position>)>;

/// The last event of a piece of work, still to be sent.
pub(crate) struct Ending {
    reporter: Reporter,
    event: Event,
}

impl Ending {
    /// Sends it.
    pub(crate) fn tell(self) {
        self.reporter.finish(self.event);
    }
}

/// How a sequence ended.
pub(crate) enum Outcome {
    /// The answer is complete, or was cancelled after its first token.
    Answered(FinishReason),
    /// Everything that was to be read ahead is.
    Prepared,
    /// It did not work. What the cache holds is not used again.
    Failed(Failure),
}

/// Work that runs: its positions, and how many of them the cache holds.
pub(crate) struct Sequence<B: Backend> {
    pub(crate) job: Job,
    /// Prompt, then the answer's tokens.
    pub(crate) positions: Vec<Position>,
    /// How many of them are prompt.
    pub(crate) prompt: usize,
    pub(crate) pictures: Vec<PromptPicture>,
    /// Keys and values of the first `cache.len()` positions.
    pub(crate) cache: B::Cache,
    /// What was seen of the pictures whose rows are still to be computed.
    pub(crate) features: Vec<(PictureKey, Arc<B::Features>)>,
    /// `None` when reading ahead.
    pub(crate) answer: Option<Generation>,
    /// When it was handed in and the model was loaded.
    pub(crate) ready: Duration,
    pub(crate) timings: Timings,
    /// Set when nothing more is to be done.
    pub(crate) outcome: Option<Outcome>,
}

impl<B: Backend> Sequence<B> {
    /// Whether the prompt is not yet computed.
    pub(crate) fn reading(&self) -> bool {
        self.cache.len() < self.prompt
    }

    /// The first picture whose rows are needed and that was not yet seen.
    pub(crate) fn unseen(&self) -> Option<PromptPicture> {
        let have = self.cache.len();
        let seen = |key| self.features.iter().any(|(other, _)| *other == key);
        self.pictures
            .iter()
            .find(|picture| have < picture.end && !seen(picture.key))
            .copied()
    }

    /// What the sequence is doing, and how far it is.
    pub(crate) fn standing(&self) -> (Stage, Measure) {
        if self.reading() {
            let (start, total) = (self.cache.len() as u64, self.prompt as u64);
            (
                Stage::Reading,
                Measure::Positions {
                    start,
                    units: 0,
                    total,
                },
            )
        } else {
            (Stage::Writing, self.writing())
        }
    }

    /// The measure of a step that computes `range`.
    pub(crate) fn share(&self, range: &Range<usize>) -> (Stage, Measure) {
        if range.start < self.prompt {
            let (start, units) = (range.start as u64, range.len() as u64);
            (
                Stage::Reading,
                Measure::Positions {
                    start,
                    units,
                    total: self.prompt as u64,
                },
            )
        } else {
            (Stage::Writing, self.writing())
        }
    }

    fn writing(&self) -> Measure {
        let total = match &self.job.work {
            Work::Answer(request) => request.max_tokens as u64,
            Work::Prepare(_) => 0,
        };
        let written = self.answer.as_ref().map_or(0, |answer| answer.ids().len());
        Measure::Positions {
            start: written as u64,
            units: 0,
            total,
        }
    }

    /// The model's input for `range`; `None` if a picture in it was not seen.
    pub(crate) fn pieces(&self, range: &Range<usize>) -> Option<Vec<Piece<B::Features>>> {
        let mut pieces: Vec<Piece<B::Features>> = Vec::new();
        let mut last = None;
        for position in self.positions.get(range.clone())? {
            match (*position, pieces.last_mut()) {
                (Position::Id(id), Some(Piece::Tokens(ids))) => ids.push(id),
                (Position::Id(id), _) => pieces.push(Piece::Tokens(vec![id])),
                (Position::Image(key, row), Some(Piece::Image { rows, .. }))
                    if last == Some(key) && rows.end == row as usize =>
                {
                    rows.end += 1;
                }
                (Position::Image(key, row), _) => {
                    let (_, features) = self.features.iter().find(|(other, _)| *other == key)?;
                    let rows = row as usize..row as usize + 1;
                    pieces.push(Piece::Image {
                        features: Arc::clone(features),
                        rows,
                    });
                    last = Some(key);
                }
            }
        }
        Some(pieces)
    }

    /// Notes the end of a sequence that nobody waits for any more.
    pub(crate) fn stop(&mut self) {
        if self.outcome.is_some() {
            return;
        }
        self.outcome = Some(match &mut self.answer {
            Some(answer) if !answer.ids().is_empty() => {
                self.job.reporter.text(answer.cancel().unwrap_or_default());
                Outcome::Answered(FinishReason::Cancelled)
            }
            _ => Outcome::Failed(cancelled()),
        });
    }

    /// Notes a failure.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.outcome = Some(Outcome::Failed(failure(error)));
    }

    /// Takes the sequence apart: its last event, and the cache with the positions it holds, where
    /// they are sound.
    pub(crate) fn finish(self) -> (Ending, Kept<B::Cache>) {
        let Self {
            job,
            mut positions,
            prompt,
            cache,
            answer,
            mut timings,
            outcome,
            ..
        } = self;
        let event = match (outcome, answer) {
            (Some(Outcome::Failed(failure)), _) => {
                return (
                    Ending {
                        reporter: job.reporter,
                        event: Event::Failed(failure),
                    },
                    None,
                );
            }
            (Some(Outcome::Answered(finish_reason)), Some(answer)) => {
                timings.decode_tokens = answer.ids().len();
                Event::Done(Completion {
                    text: answer.text().trim().to_owned(),
                    token_ids: answer.ids().to_vec(),
                    prompt_token_ids: expanded(positions.get(..prompt).unwrap_or_default()),
                    finish_reason,
                    timings,
                })
            }
            _ => Event::Ready,
        };
        positions.truncate(cache.len());
        (
            Ending {
                reporter: job.reporter,
                event,
            },
            Some((cache, positions)),
        )
    }
}

/// A prompt as the command line contract prints it: -200 for every position of a picture.
fn expanded(positions: &[Position]) -> Vec<i64> {
    positions
        .iter()
        .map(|position| match position {
            Position::Id(id) => i64::from(*id),
            Position::Image(..) => -200,
        })
        .collect()
}

/// The failure of work that was cancelled before its first token.
pub(crate) fn cancelled() -> Failure {
    Failure {
        code: FailureCode::Cancelled,
        message: "cancelled".into(),
    }
}

/// A model's error, as the engine reports it.
pub(crate) fn failure(error: &Error) -> Failure {
    let code = match error {
        Error::Io { .. } | Error::Checkpoint { .. } | Error::Tokenizer { .. } => {
            FailureCode::BadModel
        }
        Error::Picture(_) | Error::Request(_) | Error::Exists { .. } => FailureCode::BadRequest,
        Error::ContextFull { .. } => FailureCode::ContextFull,
        Error::Device(_) => FailureCode::Device,
        Error::NotANumber => FailureCode::NotANumber,
        Error::Interrupted(_) => return cancelled(),
        Error::Tensor(_) => FailureCode::Computation,
    };
    Failure {
        code,
        message: error.to_string(),
    }
}
