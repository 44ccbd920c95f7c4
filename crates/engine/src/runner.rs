//! A loaded model with everything that lives and dies with it: sequences, caches, features.

use crate::EngineOptions;
use crate::backend::{Backend, Cache, Row};
use crate::cache::CachePool;
use crate::message::{Event, Failure, FailureCode, Timings};
use crate::pictures::PictureCache;
use crate::position::{Position, common_prefix};
use crate::progress::{Measure, Share, StepWatch};
use crate::scheduler::{self, Part};
use crate::sequence::{
    Ending, Job, Outcome, Prompt, PromptPicture, Sequence, Work, cancelled, failure,
};
use crate::shared::{Class, Shared, Side};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use visavis_llava::generate::{Generation, Limits, TokenStep};
use visavis_llava::prompt::{self, PromptToken};
use visavis_llava::{Error, Stage};

/// The logits of each part of a step, where it asked for them.
type Logits = Vec<Option<Vec<f32>>>;

/// When and for how long the model was loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loading {
    /// When it was ready.
    pub(crate) at: Duration,
    /// How long it took.
    pub(crate) took: Duration,
}

/// The model and its work.
pub(crate) struct Runner<B: Backend> {
    backend: B,
    options: EngineOptions,
    shared: Arc<Shared>,
    loading: Loading,
    running: Vec<Sequence<B>>,
    idle: CachePool<B::Cache>,
    pictures: PictureCache<B::Features>,
}

impl<B: Backend> Runner<B> {
    pub(crate) fn new(
        backend: B,
        options: EngineOptions,
        shared: Arc<Shared>,
        loading: Loading,
    ) -> Self {
        let idle = CachePool::new(options.cache_bytes);
        let pictures = PictureCache::new();
        Self {
            backend,
            options,
            shared,
            loading,
            running: Vec::new(),
            idle,
            pictures,
        }
    }

    /// Whether no sequence runs.
    pub(crate) fn is_finished(&self) -> bool {
        self.running.is_empty()
    }

    /// Bytes of all KV caches.
    fn cache_bytes(&self) -> usize {
        let running: usize = self
            .running
            .iter()
            .map(|sequence| sequence.cache.bytes())
            .sum();
        running + self.idle.bytes()
    }

    /// Does the next piece of work: looks at one picture, or passes once through the language
    /// model for every sequence that takes part.
    pub(crate) fn step(&mut self, waiting: &mut VecDeque<Job>) {
        for sequence in &mut self.running {
            if !sequence.job.reporter.wanted() {
                sequence.stop();
            }
        }
        self.reap();
        let Some(class) = scheduler::class(waiting, &self.running) else {
            return;
        };
        let limit = scheduler::limit(class, self.options.max_batch);
        while self
            .running
            .iter()
            .filter(|s| s.job.reporter.class == class)
            .count()
            < limit
        {
            let Some(job) = scheduler::next(waiting, class) else {
                break;
            };
            self.admit(job);
        }
        let unseen = self.running.iter().enumerate().find_map(|(at, sequence)| {
            let picture = sequence
                .unseen()
                .filter(|_| sequence.job.reporter.class == class)?;
            Some((at, picture))
        });
        match unseen {
            Some((at, picture)) => self.see(at, picture),
            None => self.compute(class),
        }
        self.reap();
    }

    /// Stops everything, because the model is to be replaced or dropped. Work that has not
    /// written yet is handed back; an answer that has begun ends where it is.
    pub(crate) fn halt(&mut self) -> Vec<Job> {
        let mut back = Vec::new();
        for mut sequence in self.running.drain(..) {
            if sequence
                .answer
                .as_ref()
                .is_some_and(|answer| !answer.ids().is_empty())
            {
                sequence.stop();
                sequence.finish().0.tell();
            } else {
                back.push(sequence.job);
            }
        }
        back
    }

    /// Fails everything that runs.
    pub(crate) fn fail_all(&mut self, failure: &Failure) {
        for mut sequence in self.running.drain(..) {
            sequence.outcome = Some(Outcome::Failed(failure.clone()));
            sequence.finish().0.tell();
        }
    }

    /// Makes a sequence of a job, or ends the job.
    fn admit(&mut self, job: Job) {
        if !job.reporter.wanted() {
            job.reporter.finish(Event::Failed(cancelled()));
            return;
        }
        let (prompt, answer) = match self.begin(&job.work) {
            Ok(begun) => begun,
            Err(error) => return job.reporter.finish(Event::Failed(failure(&error))),
        };
        if answer.is_some() {
            self.settle_prepared(&prompt);
        } else if self.idle.covers(&prompt.positions) {
            return job.reporter.finish(Event::Ready);
        }
        // The last position of a question is always computed: its logits choose the first token.
        let most = prompt.positions.len() - usize::from(answer.is_some());
        let cache = self
            .idle
            .take(&prompt.positions, most)
            .unwrap_or_else(|| self.backend.new_cache());
        let ready = job.reporter.submitted.max(self.loading.at);
        let waited = job.reporter.submitted < self.loading.at;
        let load_s = if waited {
            self.loading.took.as_secs_f64()
        } else {
            0.0
        };
        self.running.push(Sequence {
            prompt: prompt.positions.len(),
            positions: prompt.positions,
            pictures: prompt.pictures,
            job,
            cache,
            features: Vec::new(),
            answer,
            ready,
            timings: Timings {
                load_s,
                ..Timings::default()
            },
            outcome: None,
        });
    }

    /// Tokenises a job's conversation, makes sure that it fits, and begins the answer, if one is
    /// wanted.
    fn begin(&self, work: &Work) -> Result<(Prompt, Option<Generation>), Error> {
        work.check()?;
        // Reading a mapped file that was cut short would end the whole program.
        self.backend.check_unchanged()?;
        let tokenizer = self.backend.tokenizer();
        match work {
            Work::Answer(request) => {
                let tokens = prompt::tokenize(&request.conversation, tokenizer)?;
                let prompt = self.prompt(&tokens, work, request.max_tokens)?;
                let limits = Limits {
                    max_tokens: request.max_tokens,
                    stop_repetition: request.stop_repetition,
                };
                let continues = request.conversation.continues();
                let sampling = &request.sampling;
                let answer = Generation::new(tokenizer, sampling, &tokens, limits, continues)?;
                Ok((prompt, Some(answer)))
            }
            Work::Prepare(prepare) => {
                let tokens = prompt::certain_prefix(&prepare.conversation, tokenizer)?;
                // What will be asked needs at least one position more.
                Ok((self.prompt(&tokens, work, 1)?, None))
            }
        }
    }

    /// Lays out a prompt that leaves `room` positions of the context.
    fn prompt(&self, tokens: &[PromptToken], work: &Work, room: usize) -> Result<Prompt, Error> {
        let prompt = Prompt::new(tokens, work.pictures(), self.backend.image_tokens())?;
        let (length, limit) = (prompt.positions.len(), self.backend.context());
        if length == 0 {
            return Err(Error::Request("there is nothing to answer".into()));
        }
        if length.saturating_add(room) > limit {
            return Err(Error::ContextFull {
                prompt: length,
                answer: room,
                limit,
            });
        }
        Ok(prompt)
    }

    /// Ends the reading ahead of what `prompt` begins with: the question is here and goes on from
    /// whatever was computed, so that nothing is computed twice.
    fn settle_prepared(&mut self, prompt: &Prompt) {
        for sequence in &mut self.running {
            let ahead = matches!(sequence.job.work, Work::Prepare(_))
                && common_prefix(&sequence.positions, &prompt.positions) == sequence.prompt;
            if ahead && sequence.outcome.is_none() {
                sequence.outcome = Some(Outcome::Prepared);
            }
        }
        self.reap();
    }

    /// Keeps the caches of sequences that are done, and then sends their last events: who hears
    /// one finds the status as it is after it.
    fn reap(&mut self) {
        let (done, running): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|s| s.outcome.is_some());
        self.running = running;
        let mut endings = Vec::with_capacity(done.len());
        for sequence in done {
            let expendable = sequence.job.reporter.class == Class::Batch;
            let (ending, cache) = sequence.finish();
            if let Some((cache, positions)) = cache {
                self.idle.put(cache, positions, expendable);
            }
            endings.push(ending);
        }
        let bytes = self.cache_bytes();
        self.shared
            .publish(Side::Local, |snapshot| snapshot.cache_bytes = bytes);
        endings.into_iter().for_each(Ending::tell);
    }

    /// Looks at one picture of the sequence at `at`, unless its features are still there.
    fn see(&mut self, at: usize, picture: PromptPicture) {
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
    fn compute(&mut self, class: Class) {
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
