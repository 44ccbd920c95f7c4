//! The engine's one thread: takes messages, loads, steps, and survives what the model does.

use crate::EngineOptions;
use crate::backend::{Backend, Loader};
use crate::message::{Event, Failure, FailureCode};
use crate::progress::{LoadWatch, Reporter, crashed};
use crate::runner::{Loading, Runner};
use crate::sequence::{Job, cancelled, failure};
use crate::shared::{Shared, Side, Snapshot};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use visavis_llava::device::DeviceChoice;

/// What handles ask of the thread.
pub(crate) enum Command {
    /// Change the model.
    Control(Control),
    /// Work with it.
    Job(Job),
}

/// A change of the model.
pub(crate) enum Control {
    /// Replace it.
    Load {
        /// The checkpoint.
        path: PathBuf,
        /// Where it shall run.
        device: DeviceChoice,
        /// Who asked.
        reporter: Reporter,
    },
    /// Drop it.
    Unload {
        /// Who asked.
        reporter: Reporter,
    },
}

/// The thread's own state.
pub(crate) struct Engine<L: Loader> {
    loader: L,
    options: EngineOptions,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    controls: VecDeque<Control>,
    waiting: VecDeque<Job>,
    runner: Option<Runner<L::Backend>>,
}

impl<L: Loader> Engine<L> {
    pub(crate) fn new(
        loader: L,
        options: EngineOptions,
        shared: Arc<Shared>,
        commands: Receiver<Command>,
    ) -> Self {
        Self {
            loader,
            options,
            shared,
            commands,
            controls: VecDeque::new(),
            waiting: VecDeque::new(),
            runner: None,
        }
    }

    /// Works until the last handle is gone and its work is done.
    pub(crate) fn run(mut self) {
        while self.collect() {
            // The newest wish about the model comes before any work: what waits is answered by
            // the model that is asked for now.
            if let Some(control) = self.controls.pop_front() {
                self.control(control);
                continue;
            }
            self.sweep();
            self.step();
        }
        self.drop_runner();
    }

    /// Takes every message that is there, and waits for one if there is nothing to do. `false`
    /// when nothing is left to do and nothing can come.
    fn collect(&mut self) -> bool {
        let busy = self
            .runner
            .as_ref()
            .is_some_and(|runner| !runner.is_finished());
        if !busy && self.waiting.is_empty() && self.controls.is_empty() {
            match self.commands.recv() {
                Ok(command) => self.enter(command),
                Err(_) => return false,
            }
        }
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.enter(command),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return true,
            }
        }
    }

    fn enter(&mut self, command: Command) {
        match command {
            Command::Control(control) => self.controls.push_back(control),
            Command::Job(job) => self.waiting.push_back(job),
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Load {
                path,
                device,
                reporter,
            } => self.load(path, device, reporter),
            Control::Unload { reporter } => {
                self.retire();
                let next = "the model was unloaded; load a model and ask again";
                let failure = Failure {
                    code: FailureCode::NoModel,
                    message: next.into(),
                };
                self.fail_waiting(&failure);
                reporter.finish(Event::Ready);
            }
        }
    }

    /// Replaces the model. The present one goes first, so that two never share the memory.
    fn load(&mut self, path: PathBuf, device: DeviceChoice, reporter: Reporter) {
        if !reporter.wanted() {
            return reporter.finish(Event::Failed(cancelled()));
        }
        self.retire();
        self.shared
            .publish(Side::Local, |snapshot| snapshot.loading = true);
        let begun = self.shared.clock.now();
        let watch = LoadWatch(&reporter);
        let loaded = catch_unwind(AssertUnwindSafe(|| self.loader.load(&path, device, &watch)));
        self.shared
            .publish(Side::Local, |snapshot| snapshot.loading = false);
        let backend = match loaded {
            Ok(Ok(backend)) => backend,
            Ok(Err(error)) => return self.load_failed(reporter, failure(&error)),
            Err(panic) => {
                let failure = crashed(&reason(panic));
                tracing::error!(%failure, "a panic while loading");
                return self.load_failed(reporter, failure);
            }
        };
        let at = self.shared.clock.now();
        let loading = Loading {
            at,
            took: at.saturating_sub(begun),
        };
        let device = backend.device_name();
        let shared = Arc::clone(&self.shared);
        self.runner = Some(Runner::new(backend, self.options.clone(), shared, loading));
        self.shared.publish(Side::Local, |snapshot| {
            *snapshot = Snapshot {
                model: Some(path),
                device,
                loading: false,
                cache_bytes: 0,
            };
        });
        reporter.finish(Event::Ready);
    }

    /// Ends a load that did not succeed, and the work that waited for it, unless another load
    /// was asked for meanwhile.
    fn load_failed(&mut self, reporter: Reporter, failure: Failure) {
        while let Ok(command) = self.commands.try_recv() {
            self.enter(command);
        }
        if !self
            .controls
            .iter()
            .any(|control| matches!(control, Control::Load { .. }))
        {
            let (code, message) = match failure.code {
                FailureCode::Cancelled => (
                    FailureCode::NoModel,
                    "loading the model was cancelled; load a model and ask again".to_owned(),
                ),
                FailureCode::Crashed => (FailureCode::Crashed, failure.message.clone()),
                _ => (
                    FailureCode::BadModel,
                    format!("the model could not be loaded: {}", failure.message),
                ),
            };
            self.fail_waiting(&Failure { code, message });
        }
        reporter.finish(Event::Failed(failure));
    }

    /// Takes the model out of service. Work that has not written yet waits for the next one.
    fn retire(&mut self) {
        if let Some(runner) = &mut self.runner {
            match catch_unwind(AssertUnwindSafe(|| runner.halt())) {
                Ok(jobs) => {
                    for job in jobs.into_iter().rev() {
                        self.waiting.push_front(job);
                    }
                }
                Err(panic) => return self.crash(panic),
            }
        }
        self.drop_runner();
    }

    /// Ends waiting work that nobody wants any more.
    fn sweep(&mut self) {
        let (keep, gone): (VecDeque<Job>, VecDeque<Job>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|job| job.reporter.wanted());
        self.waiting = keep;
        for job in gone {
            job.reporter.finish(Event::Failed(cancelled()));
        }
    }

    fn step(&mut self) {
        let Some(runner) = &mut self.runner else {
            let message = "no model is loaded; choose one with --model, or load one first";
            let failure = Failure {
                code: FailureCode::NoModel,
                message: message.into(),
            };
            return self.fail_waiting(&failure);
        };
        let waiting = &mut self.waiting;
        let stepped = catch_unwind(AssertUnwindSafe(|| runner.step(waiting)));
        if let Err(panic) = stepped {
            self.crash(panic);
        }
    }

    /// The model's code panicked: nothing it holds can be trusted any more, so all of it goes.
    fn crash(&mut self, panic: Box<dyn Any + Send>) {
        let failure = crashed(&reason(panic));
        tracing::error!(%failure, "a panic in a step");
        // Unloaded before anybody learns of it, so that who is told can load again at once.
        let runner = self.take_runner();
        if let Some(mut runner) = runner {
            let ended = catch_unwind(AssertUnwindSafe(|| runner.fail_all(&failure)));
            if ended.is_err() {
                tracing::error!("a panic while ending sequences");
            }
            drop_safely(runner);
        }
        self.fail_waiting(&failure);
    }

    fn fail_waiting(&mut self, failure: &Failure) {
        for job in self.waiting.drain(..) {
            job.reporter.finish(Event::Failed(failure.clone()));
        }
    }

    fn take_runner(&mut self) -> Option<Runner<L::Backend>> {
        self.shared
            .publish(Side::Local, |snapshot| *snapshot = Snapshot::default());
        self.runner.take()
    }

    fn drop_runner(&mut self) {
        if let Some(runner) = self.take_runner() {
            drop_safely(runner);
        }
    }
}

/// Drops a model whose destructor may panic (a device that is gone, for one).
fn drop_safely<T>(value: T) {
    if catch_unwind(AssertUnwindSafe(move || drop(value))).is_err() {
        tracing::error!("a panic while unloading; some memory may stay in use");
    }
}

/// What a panic said.
fn reason(panic: Box<dyn Any + Send>) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    // A payload's own destructor could panic in turn.
    std::mem::forget(panic);
    text.unwrap_or_default()
}
