//! Telling the person who asked how far the work is, and learning that nobody wants it any more.

use crate::message::{Event, Failure, FailureCode, RequestId};
use crate::shared::{Class, Shared};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use visavis_llava::{Interrupted, Stage, Watch};

/// The shortest time between two progress events of one stage: often enough to look alive (the
/// promise is once a second), seldom enough to cost nothing.
const INTERVAL: Duration = Duration::from_millis(250);

/// The failure of work that was under way when the model's code panicked with `reason`.
pub(crate) fn crashed(reason: &str) -> Failure {
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    };
    Failure {
        code: FailureCode::Crashed,
        message: format!(
            "the model stopped with an internal error{reason} and was unloaded; load it again, \
             and if this happens again, please report it"
        ),
    }
}

/// The engine's end of an event stream. Dropping it without [`Reporter::finish`] ends the stream
/// as if the engine had gone.
pub(crate) struct Reporter {
    /// The work's name.
    pub(crate) id: RequestId,
    /// Its place in the queue.
    pub(crate) class: Class,
    /// When it was handed in.
    pub(crate) submitted: Duration,
    shared: Arc<Shared>,
    cancelled: Arc<AtomicBool>,
    events: UnboundedSender<Event>,
    last: Cell<Option<(Stage, Duration)>>,
    finished: Cell<bool>,
}

impl Reporter {
    /// Enters new work of `class` into the queue.
    pub(crate) fn new(shared: &Arc<Shared>, class: Class, events: UnboundedSender<Event>) -> Self {
        let (id, cancelled) = shared.register(class);
        let submitted = shared.clock.now();
        Self {
            id,
            class,
            submitted,
            shared: Arc::clone(shared),
            cancelled,
            events,
            last: Cell::new(None),
            finished: Cell::new(false),
        }
    }

    /// Whether anybody still waits: not cancelled, and the stream is still held.
    pub(crate) fn wanted(&self) -> bool {
        !self.cancelled.load(Ordering::Acquire) && !self.events.is_closed()
    }

    /// Reports progress when the stage is new or [`INTERVAL`] has passed.
    pub(crate) fn progress(&self, stage: Stage, done: u64, total: u64) {
        let now = self.shared.clock.now();
        let quiet = self
            .last
            .get()
            .is_some_and(|(last, at)| last == stage && now.saturating_sub(at) < INTERVAL);
        if !quiet {
            self.last.set(Some((stage, now)));
            // A receiver that is gone is noticed by `wanted`.
            let _ = self.events.send(Event::Progress { stage, done, total });
        }
    }

    /// Passes on an event of an engine elsewhere, which is not the last.
    pub(crate) fn pass(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Sends more of the answer.
    pub(crate) fn text(&self, text: String) {
        if !text.is_empty() {
            let _ = self.events.send(Event::Text { text });
        }
    }

    /// Leaves the queue and sends the last event.
    pub(crate) fn finish(self, event: Event) {
        self.finished.set(true);
        self.shared.forget(self.class, self.id);
        let _ = self.events.send(event);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if self.finished.get() {
            return;
        }
        self.shared.forget(self.class, self.id);
        if std::thread::panicking() {
            // The work was in the hands of the code that panicked.
            let _ = self.events.send(Event::Failed(crashed("")));
        }
    }
}

/// What a step does for one sequence.
pub(crate) enum Measure {
    /// Computes positions of its prompt or answer.
    Positions {
        /// Units done before the step.
        start: u64,
        /// Units the step adds.
        units: u64,
        /// Units in all.
        total: u64,
    },
    /// Looks at one of its pictures.
    Blocks {
        /// Pictures seen before.
        seen: u64,
        /// Pictures to be seen in all.
        pictures: u64,
    },
}

/// One sequence's interest in a step.
pub(crate) struct Share<'a> {
    /// Whom to tell.
    pub(crate) reporter: &'a Reporter,
    /// What the sequence is doing.
    pub(crate) stage: Stage,
    /// How the step's progress counts for it.
    pub(crate) measure: Measure,
    /// Whether the step computes for it; one that only waits for its turn is told that the
    /// engine lives, and does not stop the step.
    pub(crate) takes_part: bool,
}

/// Spreads a step's progress over the running sequences, and stops the step as soon as one that
/// takes part is no longer wanted (the others then repeat it without that one).
pub(crate) struct StepWatch<'a>(pub(crate) Vec<Share<'a>>);

impl Watch for StepWatch<'_> {
    fn progress(&self, _: Stage, done: u64, total: u64) -> Result<(), Interrupted> {
        let total = total.max(1);
        let done = done.min(total);
        for share in &self.0 {
            if share.takes_part && !share.reporter.wanted() {
                return Err(Interrupted);
            }
            let (done, total) = match share.measure {
                Measure::Positions {
                    start,
                    units,
                    total: all,
                } => (start + units.saturating_mul(done) / total, all),
                Measure::Blocks { seen, pictures } => (seen * total + done, pictures * total),
            };
            share.reporter.progress(share.stage, done, total);
        }
        Ok(())
    }
}

/// Progress of loading, as the model counts it.
pub(crate) struct LoadWatch<'a>(pub(crate) &'a Reporter);

impl Watch for LoadWatch<'_> {
    fn progress(&self, stage: Stage, done: u64, total: u64) -> Result<(), Interrupted> {
        if !self.0.wanted() {
            return Err(Interrupted);
        }
        self.0.progress(stage, done, total);
        Ok(())
    }
}
