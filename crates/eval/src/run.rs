//! One model against one list of questions, from its path to its summary.

use crate::ask::{Answered, Asker};
use crate::loss::held_out;
use crate::question::Question;
use crate::summary::Summary;
use crate::{Error, Result};
use std::path::Path;
use std::time::Instant;
use visavis_engine::{
    EngineHandle, EngineOptions, Event, EventStream, Failure, FailureCode, RequestPicture,
};
use visavis_llava::device::DeviceChoice;
use visavis_llava::watch::Interrupted;
use visavis_llava::{Model, Stage, checkpoint};

/// How far an evaluation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The model is being loaded.
    Loading,
    /// So many questions are answered.
    Asking {
        /// Answered.
        done: usize,
        /// In all.
        total: usize,
    },
    /// So many right answers are followed for the loss.
    Loss {
        /// Followed.
        done: usize,
        /// In all.
        total: usize,
    },
}

/// What is asked, and how.
pub struct Evaluation<'a> {
    /// The questions.
    pub questions: &'a [Question],
    /// The device for the answers. The loss is measured on the same.
    pub device: DeviceChoice,
    /// Whether the held-out loss is measured too.
    pub loss: bool,
    /// Tokens an answer may have at most.
    pub max_tokens: usize,
}

/// Gets a question's picture.
pub type Pictures<'a> = dyn FnMut(&Question) -> Result<RequestPicture> + 'a;

/// Is told how far it is; `false` stops.
pub type Watcher<'a> = dyn FnMut(Progress) -> bool + 'a;

impl Evaluation<'_> {
    /// Loads the checkpoint at `model`, asks everything, and sums up. `name` is the model's name
    /// in results.
    ///
    /// # Errors
    /// When the model cannot be loaded or fails, a picture cannot be had, or `watcher` stops (the
    /// code is `cancelled`).
    pub fn run(
        &self,
        model: &Path,
        name: &str,
        pictures: &mut Pictures<'_>,
        watcher: &mut Watcher<'_>,
    ) -> Result<(Summary, Vec<Answered>)> {
        let facts = checkpoint::inspect(model)?;
        if let Some(problem) = facts.problems.first() {
            return Err(Error::Engine(Failure {
                code: FailureCode::BadModel,
                message: problem.clone(),
            }));
        }
        let started = Instant::now();
        let answers = self.answers(model, pictures, watcher)?;
        let mut summary = Summary::of(name, self.questions, &answers);
        summary.seconds = started.elapsed().as_secs_f64();
        summary.format = facts.format;
        summary.bytes = facts.bytes;
        if self.loss {
            summary.loss = Some(self.loss(model, pictures, watcher)?);
        }
        Ok((summary, answers))
    }

    fn answers(
        &self,
        model: &Path,
        pictures: &mut Pictures<'_>,
        watcher: &mut Watcher<'_>,
    ) -> Result<Vec<Answered>> {
        let options = EngineOptions {
            max_batch: 16,
            // No conversation goes on: nothing is worth keeping.
            cache_bytes: 0,
            chunk: 2048,
        };
        let engine = EngineHandle::start(options).map_err(|error| {
            Error::Engine(Failure {
                code: FailureCode::Gone,
                message: format!("cannot start the engine thread: {error}"),
            })
        })?;
        let mut loading = engine.load(model.to_owned(), self.device);
        loaded(&engine, &mut loading, watcher)?;
        let total = self.questions.len();
        let mut asker = Asker::new(&engine);
        asker.max_tokens = self.max_tokens;
        asker.ask(self.questions, pictures, &mut |done| {
            watcher(Progress::Asking { done, total })
        })
    }

    fn loss(
        &self,
        model: &Path,
        pictures: &mut Pictures<'_>,
        watcher: &mut Watcher<'_>,
    ) -> Result<crate::loss::Loss> {
        // The watch of a model is shared, the person's is not.
        let watcher = std::cell::RefCell::new(watcher);
        let (done, total) = (std::cell::Cell::new(0), self.questions.len());
        let watch = |_: Stage, _: u64, _: u64| {
            let goes_on = (watcher.borrow_mut())(Progress::Loss {
                done: done.get(),
                total,
            });
            if goes_on { Ok(()) } else { Err(Interrupted) }
        };
        let model = Model::load(model, self.device, &watch)?;
        let mut picture = |question: &Question| {
            done.set(done.get() + 1);
            pictures(question)
        };
        held_out(&model, self.questions, &mut picture, &watch)
    }
}

fn loaded(
    engine: &EngineHandle,
    loading: &mut EventStream,
    watcher: &mut Watcher<'_>,
) -> Result<()> {
    loop {
        match loading.next_blocking() {
            Some(Event::Ready) => return Ok(()),
            Some(Event::Failed(failure)) => return Err(failure.into()),
            Some(_) => {
                if !watcher(Progress::Loading) {
                    engine.cancel(loading.id);
                }
            }
            None => {
                return Err(Error::Engine(Failure {
                    code: FailureCode::Gone,
                    message: "the engine ended while it loaded the model".to_owned(),
                }));
            }
        }
    }
}
