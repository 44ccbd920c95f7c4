//! One piece of computation, and what becomes of it when it fails.

use super::Runner;
use crate::backend::{Backend, Row};
use crate::message::{Failure, FailureCode};
use crate::position::Position;
use crate::progress::{Measure, Share, StepWatch};
use crate::scheduler::{self, Part};
use crate::sequence::{Outcome, PromptPicture, Sequence};
use crate::shared::Class;
use std::sync::Arc;
use visavis_llava::generate::TokenStep;
use visavis_llava::{Error, Stage};

/// The logits of each part of a step, where it asked for them.
type Logits = Vec<Option<Vec<f32>>>;

impl<B: Backend> Runner<B> {
    /// Looks at one picture of the sequence at `at`, unless its features are still there.
    pub(super) fn see(&mut self, at: usize, picture: PromptPicture) {
        let features = match self.pictures.get(picture.key) {
            Some(features) => Ok(features),
            None => {
                let seen = self.look(at, picture);
                let failed = matches!(&seen, Err(error) if !matches!(error, Error::Interrupted(_)));
                // Once more, if idle caches held memory that it may have lacked.
                if failed && self.free() {
                    self.look(at, picture)
                } else {
                    seen
                }
            }
        };
        let Some(sequence) = self.running.get_mut(at) else {
            return;
        };
        match features {
            Ok(features) => {
                self.pictures.put(picture.key, Arc::clone(&features));
                sequence.features.push((picture.key, features));
            }
            Err(Error::Interrupted(_)) => sequence.stop(),
            Err(error) => sequence.fail(&error),
        }
    }

    /// Runs the vision tower on one picture of the sequence at `at`.
    fn look(&mut self, at: usize, picture: PromptPicture) -> Result<Arc<B::Features>, Error> {
        let missing = || Error::Request(format!("picture {} did not come with it", picture.index));
        let sequence = self.running.get(at).ok_or_else(missing)?;
        let rgb = sequence
            .job
            .work
            .pictures()
            .get(picture.index)
            .ok_or_else(missing)?;
        let shares = self.running.iter().enumerate().map(|(other, sequence)| {
            let (stage, measure) = if other == at {
                let seen = sequence.features.len() as u64;
                let pictures = sequence.pictures.len() as u64;
                (Stage::Seeing, Measure::Blocks { seen, pictures })
            } else {
                sequence.standing()
            };
            Share {
                reporter: &sequence.job.reporter,
                stage,
                measure,
                takes_part: other == at,
            }
        });
        let watch = StepWatch(shares.collect());
        let begun = self.shared.clock.now();
        let features = self.backend.see(rgb, &watch)?;
        let took = self.shared.clock.now().saturating_sub(begun);
        if let Some(sequence) = self.running.get_mut(at) {
            sequence.timings.image_s += took.as_secs_f64();
        }
        Ok(Arc::new(features))
    }

    /// One pass for every sequence of `class`. When the computation fails, most likely because
    /// memory ran out, idle caches are dropped and every sequence gets one chance alone, so that
    /// only the one that cannot be computed fails.
    pub(super) fn compute(&mut self, class: Class) {
        let parts = scheduler::plan(&self.running, class, self.options.chunk);
        if parts.is_empty() {
            return;
        }
        let error = match self.pass(&parts) {
            Ok(()) => return,
            Err(error) => error,
        };
        if matches!(error, Error::Interrupted(_)) {
            return self.note_interruption(&parts);
        }
        tracing::warn!(%error, sequences = parts.len(), "a step failed");
        let freed = self.free();
        for part in &parts {
            let alone = if freed || parts.len() > 1 {
                self.pass(std::slice::from_ref(part))
                    .map_err(|error| error.to_string())
            } else {
                Err(error.to_string())
            };
            let Some(sequence) = self.running.get_mut(part.at) else {
                continue;
            };
            match alone {
                Ok(()) => {}
                Err(_) if !sequence.job.reporter.wanted() => sequence.stop(),
                Err(message) => {
                    sequence.outcome = Some(Outcome::Failed(Failure {
                        code: FailureCode::Computation,
                        message,
                    }));
                }
            }
        }
    }

    /// Ends whoever stopped the step; the others repeat it. If nobody did, all of them end: a
    /// step that is interrupted without a reason would be repeated for ever.
    fn note_interruption(&mut self, parts: &[Part]) {
        let unwanted = |sequence: &Sequence<B>| !sequence.job.reporter.wanted();
        let any = parts
            .iter()
            .any(|part| self.running.get(part.at).is_some_and(unwanted));
        for part in parts {
            if let Some(sequence) = self.running.get_mut(part.at)
                && (!any || unwanted(sequence))
            {
                sequence.stop();
            }
        }
    }

    /// Drops what is only kept for speed; returns whether that freed memory.
    fn free(&mut self) -> bool {
        self.pictures.clear();
        self.idle.clear()
    }

    /// One forward pass over `parts` and the choice of the next tokens.
    fn pass(&mut self, parts: &[Part]) -> Result<(), Error> {
        let begun = self.shared.clock.now();
        let outputs = self.forward(parts)?;
        for (part, logits) in parts.iter().zip(outputs) {
            self.deliver(part, logits);
        }
        let took = self.shared.clock.now().saturating_sub(begun).as_secs_f64();
        for part in parts {
            let Some(sequence) = self.running.get_mut(part.at) else {
                continue;
            };
            if part.range.start < sequence.prompt {
                sequence.timings.prefill_s += took;
                sequence.timings.prefill_tokens += part.range.len();
            } else {
                sequence.timings.decode_s += took;
            }
        }
        Ok(())
    }

    fn forward(&mut self, parts: &[Part]) -> Result<Logits, Error> {
        let mut rows = Vec::with_capacity(parts.len());
        let mut shares = Vec::with_capacity(self.running.len());
        let mut parts = parts.iter().peekable();
        for (at, sequence) in self.running.iter_mut().enumerate() {
            let part = parts.next_if(|part| part.at == at);
            let (stage, measure) = match part {
                Some(part) => sequence.share(&part.range),
                None => sequence.standing(),
            };
            if let Some(part) = part {
                let input = sequence.pieces(&part.range).ok_or_else(|| {
                    Error::Request("a picture's features are missing; ask again".into())
                })?;
                rows.push(Row {
                    cache: &mut sequence.cache,
                    input,
                    logits: part.logits,
                });
            }
            let reporter = &sequence.job.reporter;
            shares.push(Share {
                reporter,
                stage,
                measure,
                takes_part: part.is_some(),
            });
        }
        self.backend.forward(&mut rows, &StepWatch(shares))
    }

    /// Gives a sequence what the pass found out about it.
    fn deliver(&mut self, part: &Part, logits: Option<Vec<f32>>) {
        let Some(sequence) = self.running.get_mut(part.at) else {
            return;
        };
        if !sequence.reading() {
            // Every row of every picture is in the cache now.
            sequence.features.clear();
        }
        let Some(answer) = &mut sequence.answer else {
            if !sequence.reading() {
                sequence.outcome = Some(Outcome::Prepared);
            }
            return;
        };
        if !part.logits {
            return;
        }
        let Some(logits) = logits else {
            let message = "the model returned no result for a sequence".into();
            let failure = Failure {
                code: FailureCode::Computation,
                message,
            };
            sequence.outcome = Some(Outcome::Failed(failure));
            return;
        };
        let first = answer.ids().is_empty();
        match answer.accept(&logits) {
            Err(error) => sequence.fail(&error),
            Ok(TokenStep {
                token,
                text,
                finish,
            }) => {
                if first {
                    let waited = self.shared.clock.now().saturating_sub(sequence.ready);
                    sequence.timings.first_token_s = waited.as_secs_f64();
                }
                sequence.job.reporter.text(text.unwrap_or_default());
                match finish {
                    Some(reason) => sequence.outcome = Some(Outcome::Answered(reason)),
                    None => sequence.positions.push(Position::Id(token)),
                }
            }
        }
    }
}
