//! Ctrl-C: the first one cancels what the engine is doing, the second ends the program.

use crate::failure::Failure;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use visavis_engine::{EngineHandle, RequestId};

#[derive(Default)]
struct State {
    engine: Option<EngineHandle>,
    running: HashSet<RequestId>,
}

/// Knows whether Ctrl-C was pressed and which work to cancel when it is. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    pressed: Arc<AtomicBool>,
    state: Arc<Mutex<State>>,
}

impl Interrupt {
    /// Takes over Ctrl-C (and SIGTERM) for the rest of the program.
    pub(crate) fn install() -> Result<Self, Failure> {
        let interrupt = Self::default();
        let on_signal = interrupt.clone();
        ctrlc::set_handler(move || {
            if on_signal.pressed() {
                std::process::exit(130);
            }
            on_signal.press();
        })
        .map_err(|error| Failure::new(format!("cannot listen for Ctrl-C: {error}")))?;
        Ok(interrupt)
    }

    /// Whether it was pressed.
    pub(crate) fn pressed(&self) -> bool {
        self.pressed.load(Ordering::SeqCst)
    }

    /// What the first Ctrl-C does.
    pub(crate) fn press(&self) {
        self.pressed.store(true, Ordering::SeqCst);
        self.cancel_running();
    }

    /// Cancels the work that is watched, without counting as an interruption.
    pub(crate) fn cancel_running(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &state.engine {
            for id in &state.running {
                engine.cancel(*id);
            }
        }
    }

    /// Cancels `id` on Ctrl-C, until the returned guard is dropped.
    pub(crate) fn watch(&self, engine: &EngineHandle, id: RequestId) -> Watched<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.engine.get_or_insert_with(|| engine.clone());
        state.running.insert(id);
        drop(state);
        // Pressed between the submission and here: the handler did not know of this work.
        if self.pressed() {
            engine.cancel(id);
        }
        Watched {
            interrupt: self,
            id,
        }
    }
}

/// While this lives, Ctrl-C cancels a piece of work.
pub(crate) struct Watched<'a> {
    interrupt: &'a Interrupt,
    id: RequestId,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut state = self
            .interrupt
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.running.remove(&self.id);
    }
}
