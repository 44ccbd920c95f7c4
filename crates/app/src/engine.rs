//! The engine as the use cases need it, so that a test can put another in its place.

use std::path::PathBuf;
use tokio::sync::mpsc::UnboundedReceiver;
use visavis_engine::{EngineHandle, Event, EventStream, Prepare, Request, RequestId, Status};
use visavis_llava::device::DeviceChoice;

/// What answers. [`EngineHandle`] says what each call does.
pub trait Engine: Send + Sync + 'static {
    /// Replaces the model.
    fn load(&self, path: PathBuf, device: DeviceChoice) -> Events;
    /// Asks for an answer.
    fn submit(&self, request: Request) -> Events;
    /// Reads ahead.
    fn prepare(&self, request: Prepare) -> Events;
    /// Stops a piece of work.
    fn cancel(&self, id: RequestId);
    /// What is being done.
    fn status(&self) -> Status;
}

/// The events of one piece of work. Dropping them cancels it.
pub struct Events {
    /// Names the work.
    pub id: RequestId,
    source: Source,
}

enum Source {
    Engine(EventStream),
    Other(UnboundedReceiver<Event>),
}

impl Events {
    /// Events that somebody else makes; they must end with a last one.
    pub fn other(id: RequestId, events: UnboundedReceiver<Event>) -> Self {
        Self {
            id,
            source: Source::Other(events),
        }
    }

    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Event> {
        match &mut self.source {
            Source::Engine(stream) => stream.next().await,
            Source::Other(receiver) => receiver.recv().await,
        }
    }
}

impl From<EventStream> for Events {
    fn from(stream: EventStream) -> Self {
        Self {
            id: stream.id,
            source: Source::Engine(stream),
        }
    }
}

impl Engine for EngineHandle {
    fn load(&self, path: PathBuf, device: DeviceChoice) -> Events {
        Self::load(self, path, device).into()
    }

    fn submit(&self, request: Request) -> Events {
        Self::submit(self, request).into()
    }

    fn prepare(&self, request: Prepare) -> Events {
        Self::prepare(self, request).into()
    }

    fn cancel(&self, id: RequestId) {
        Self::cancel(self, id);
    }

    fn status(&self) -> Status {
        Self::status(self)
    }
}
