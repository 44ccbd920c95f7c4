//! A loaded model with everything that lives and dies with it: sequences, caches, features.

mod compute;

use crate::EngineOptions;
use crate::backend::{Backend, Cache};
use crate::cache::CachePool;
use crate::message::{Event, Failure, Timings};
use crate::pictures::PictureCache;
use crate::position::common_prefix;
use crate::scheduler;
use crate::sequence::{Ending, Job, Outcome, Prompt, Sequence, Work, cancelled, failure};
use crate::shared::{Class, Shared, Side};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use visavis_llava::Error;
use visavis_llava::generate::{Generation, Limits};
use visavis_llava::prompt::{self, PromptToken};

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
}
