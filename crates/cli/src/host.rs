//! The engine with a model in it, as a command uses it.

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::locate::Located;
use crate::progress::Progress;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use visavis_engine::{
    Completion, EngineHandle, EngineOptions, Event, EventStream, FailureCode, Request,
};
use visavis_llava::device::DeviceChoice;

/// An engine with a loaded model. Shared by threads.
pub(crate) struct Host {
    engine: EngineHandle,
    model: Located,
    device: DeviceChoice,
    interrupt: Interrupt,
    /// How often the model was loaded; changes when it had to be loaded again.
    loads: Mutex<u32>,
    /// Seconds the first load took.
    load_s: f64,
}

/// Loads after which a model that crashes again and again is given up.
const MOST_LOADS: u32 = 4;

impl Host {
    /// Starts the engine and loads `model`; returns when it can be asked.
    pub(crate) fn start(
        model: Located,
        device: DeviceChoice,
        options: EngineOptions,
        interrupt: &Interrupt,
        progress: &Progress,
    ) -> Result<Self, Failure> {
        let engine = EngineHandle::start(options)
            .map_err(|error| Failure::new(format!("cannot start the engine thread: {error}")))?;
        let mut host = Self {
            engine,
            model,
            device,
            interrupt: interrupt.clone(),
            loads: Mutex::new(1),
            load_s: 0.0,
        };
        let started = Instant::now();
        host.load(progress)?;
        host.load_s = started.elapsed().as_secs_f64();
        tracing::info!(model = %host.model.path.display(), seconds = host.load_s, "model loaded");
        Ok(host)
    }

    fn load(&self, progress: &Progress) -> Result<(), visavis_engine::Failure> {
        let events = self.engine.load(self.model.path.clone(), self.device);
        self.wait(events, |event| {
            if let Event::Progress { stage, done, total } = event {
                progress.stage(stage, done, total);
            }
        })
        .map(|_| ())
    }

    /// Asks, hands every event but the last to `on_event`, and returns the answer.
    pub(crate) fn ask(
        &self,
        request: Request,
        on_event: impl FnMut(Event),
    ) -> Result<Completion, visavis_engine::Failure> {
        let mut answer = self
            .wait(self.engine.submit(request), on_event)?
            .ok_or_else(|| gone("no answer"))?;
        if answer.timings.load_s == 0.0 {
            answer.timings.load_s = self.load_s;
        }
        Ok(answer)
    }

    /// Loads the model anew in place of itself; returns the seconds that took.
    pub(crate) fn load_again(&self, progress: &Progress) -> Result<f64, Failure> {
        let started = Instant::now();
        self.load(progress)?;
        Ok(started.elapsed().as_secs_f64())
    }

    /// Seconds the first load took.
    pub(crate) fn load_s(&self) -> f64 {
        self.load_s
    }

    /// The number to hand to [`Host::reload`] after a request that began now has crashed.
    pub(crate) fn loads(&self) -> u32 {
        *self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads the model again after a crash, unless another thread has done so since `seen`.
    pub(crate) fn reload(&self, seen: u32, progress: &Progress) -> Result<(), Failure> {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        if *loads != seen {
            return Ok(());
        }
        if *loads >= MOST_LOADS {
            return Err(Failure::new("the model crashed again and again")
                .hint("`visavis inspect PATH` tells whether its files are damaged"));
        }
        self.load(progress)?;
        *loads += 1;
        Ok(())
    }

    /// The model's name in results.
    pub(crate) fn model_name(&self) -> &str {
        &self.model.name
    }

    /// `cpu`, `cuda:0`, `metal`.
    pub(crate) fn device_name(&self) -> String {
        self.engine.status().device
    }

    /// Stops whatever is being asked.
    pub(crate) fn cancel_all(&self) {
        self.interrupt.cancel_running();
    }

    fn wait(
        &self,
        mut events: EventStream,
        mut on_event: impl FnMut(Event),
    ) -> Result<Option<Completion>, visavis_engine::Failure> {
        let _watched = self.interrupt.watch(&self.engine, events.id);
        while let Some(event) = events.next_blocking() {
            match event {
                Event::Done(answer) => return Ok(Some(answer)),
                Event::Ready => return Ok(None),
                Event::Failed(failure) => return Err(failure),
                other => on_event(other),
            }
        }
        Err(gone("the engine ended"))
    }
}

fn gone(what: &str) -> visavis_engine::Failure {
    visavis_engine::Failure {
        code: FailureCode::Gone,
        message: format!("{what} before the answer was complete"),
    }
}
