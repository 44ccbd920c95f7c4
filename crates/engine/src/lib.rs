//! The backend thread that hosts the model.
//!
//! One OS thread owns the model; everybody else holds an [`EngineHandle`] and talks to it in
//! messages that can be serialised, so that the same seam takes an engine in another process.

mod message;

pub use message::*;

use std::path::PathBuf;
use tokio::sync::mpsc;
use visavis_llava::device::DeviceChoice;

/// Limits of an engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Bytes that KV caches of idle sequences may keep; the least recently used go first.
    pub cache_bytes: usize,
    /// Sequences that decode together at most.
    pub max_batch: usize,
    /// Prompt positions computed in one step at most.
    pub chunk: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 2 << 30,
            max_batch: 8,
            chunk: 256,
        }
    }
}

/// The events of one piece of work; ends after `Done`, `Ready` or `Failed`.
#[derive(Debug)]
pub struct EventStream {
    /// The work's name, for [`EngineHandle::cancel`].
    pub id: RequestId,
    receiver: mpsc::UnboundedReceiver<Event>,
}

impl EventStream {
    /// The next event, for async callers.
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }

    /// The next event, for plain threads.
    pub fn next_blocking(&mut self) -> Option<Event> {
        self.receiver.blocking_recv()
    }
}

/// A handle to the engine thread; cheap to clone. The thread ends with the last handle.
#[derive(Clone)]
pub struct EngineHandle {}

impl EngineHandle {
    /// Starts the thread, with no model loaded.
    pub fn start(_options: EngineOptions) -> std::io::Result<Self> {
        todo!()
    }

    /// Loads a checkpoint in place of the present one. Ends with `Event::Ready`.
    pub fn load(&self, _path: PathBuf, _device: DeviceChoice) -> EventStream {
        todo!()
    }

    /// Drops the model and every cache. Ends with `Event::Ready`.
    pub fn unload(&self) -> EventStream {
        todo!()
    }

    /// Asks for an answer. Ends with `Event::Done` or `Event::Failed`.
    pub fn submit(&self, _request: Request) -> EventStream {
        todo!()
    }

    /// Reads ahead: computes what is certain of the prompt (system text, earlier turns, pictures)
    /// so that the answer's first word comes at once. Ends with `Event::Ready`.
    pub fn prepare(&self, _request: Prepare) -> EventStream {
        todo!()
    }

    /// Stops a piece of work within one step, whatever it is doing. Unknown ids are ignored.
    pub fn cancel(&self, _id: RequestId) {
        todo!()
    }

    /// What the engine is doing now; never waits for a step.
    pub fn status(&self) -> Status {
        todo!()
    }
}
