//! The backend thread that hosts the model.
//!
//! One OS thread owns the model; everybody else holds an [`EngineHandle`] and talks to it in
//! messages that can be serialised, so that the same seam takes an engine in another process.

mod backend;
mod cache;
mod clock;
pub mod devices;
pub mod host;
mod message;
mod pictures;
mod position;
mod progress;
mod remote;
mod runner;
mod scheduler;
mod sequence;
mod shared;
mod thread;

#[cfg(test)]
mod tests;

pub use message::*;

use crate::backend::{LlavaLoader, Loader};
use crate::clock::{Clock, SystemClock};
use crate::progress::Reporter;
use crate::remote::frame::ToHost;
use crate::remote::{Remote, Start};
use crate::sequence::{Job, Work};
use crate::shared::{Class, Shared, Side};
use crate::thread::{Command, Control, Engine};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
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

/// The events of one piece of work; ends after `Done`, `Ready` or `Failed`. Dropping it cancels
/// the work: nobody waits for it any more.
#[derive(Debug)]
pub struct EventStream {
    /// The work's name, for [`EngineHandle::cancel`].
    pub id: RequestId,
    receiver: mpsc::UnboundedReceiver<Event>,
    ended: bool,
}

impl EventStream {
    fn new(id: RequestId, receiver: mpsc::UnboundedReceiver<Event>) -> Self {
        Self {
            id,
            receiver,
            ended: false,
        }
    }

    /// The next event, for async callers; `None` after the last one.
    pub async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        let event = self.receiver.recv().await;
        Some(self.note(event))
    }

    /// The next event, for plain threads; `None` after the last one. Panics inside an async
    /// runtime, where it would block the other tasks.
    pub fn next_blocking(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        let event = self.receiver.blocking_recv();
        Some(self.note(event))
    }

    /// Remembers the end of the stream, and makes one where the engine ended without a word.
    fn note(&mut self, event: Option<Event>) -> Event {
        let event = event.unwrap_or_else(|| {
            let message = "the engine has stopped; start the program again";
            Event::Failed(Failure {
                code: FailureCode::Gone,
                message: message.into(),
            })
        });
        self.ended = event.is_last();
        event
    }
}

/// Where the model can be, as a handle finds out: tests bring their own.
struct Places {
    /// Whether a device is reached through a host process.
    is_remote: fn(DeviceChoice) -> bool,
    /// Starts a host process.
    start: Start,
}

/// A handle to the engine; cheap to clone. The engine ends when the last handle is gone and its
/// work is done. It is a thread of this process, or for graphics cards that this program does
/// not reach itself, a host process: the handle is the same.
#[derive(Clone)]
pub struct EngineHandle {
    commands: Sender<Command>,
    shared: Arc<Shared>,
    remote: Arc<Remote>,
    is_remote: fn(DeviceChoice) -> bool,
}

impl EngineHandle {
    /// Starts the thread, with no model loaded.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(options: EngineOptions) -> std::io::Result<Self> {
        let hosted = options.clone();
        let places = Places {
            is_remote: devices::is_remote,
            start: Box::new(move || devices::start_host(&hosted)),
        };
        Self::start_with(LlavaLoader, Arc::new(SystemClock::new()), options, places)
    }

    /// Starts the thread on models of any kind.
    fn start_with<L: Loader>(
        loader: L,
        clock: Arc<dyn Clock>,
        options: EngineOptions,
        places: Places,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(clock));
        let (commands, receiver) = channel();
        let seen = Arc::clone(&shared);
        // The model is made, used and dropped on that thread; nothing of it ever leaves.
        std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || Engine::new(loader, options, seen, receiver).run())?;
        let remote = Arc::new(Remote::new(Arc::clone(&shared), places.start));
        Ok(Self {
            commands,
            shared,
            remote,
            is_remote: places.is_remote,
        })
    }

    /// Loads a checkpoint in place of the present one, which is dropped first. Ends with
    /// `Event::Ready`. Work that waits, or runs without having written, is done by the new model;
    /// an answer that is being written ends as cancelled. An earlier load that is still under way
    /// is cancelled. (From one process to another nothing is carried over: work that has not
    /// written fails, and says that the model was unloaded.)
    ///
    /// With [`DeviceChoice::Auto`], the first call waits some seconds for the graphics card's
    /// answer where the host executable is installed.
    pub fn load(&self, path: PathBuf, device: DeviceChoice) -> EventStream {
        let side = if (self.is_remote)(device) {
            Side::Remote
        } else {
            Side::Local
        };
        let before = self.shared.switch(side);
        if before != side {
            // Its stream may be dropped: an unload is done whether or not anybody waits.
            drop(self.unload_from(before));
        }
        match side {
            Side::Local => self.send(Class::Control, |reporter| {
                Command::Control(Control::Load {
                    path,
                    device,
                    reporter,
                })
            }),
            Side::Remote => self.pass(Class::Control, |id| ToHost::Load { id, path, device }),
        }
    }

    /// Drops the model and every cache, and cancels a load. Ends with `Event::Ready`.
    pub fn unload(&self) -> EventStream {
        self.unload_from(self.shared.side())
    }

    /// Asks for an answer. Ends with `Event::Done` or `Event::Failed`.
    pub fn submit(&self, request: Request) -> EventStream {
        let class = match request.priority {
            Priority::Chat => Class::Chat,
            Priority::Batch => Class::Batch,
        };
        match self.shared.side() {
            Side::Local => self.send(class, |reporter| {
                Command::Job(Job {
                    reporter,
                    work: Work::Answer(request),
                })
            }),
            Side::Remote => self.pass(class, |id| ToHost::Submit { id, request }),
        }
    }

    /// Reads ahead: computes what is certain of the prompt (system text, earlier turns, pictures)
    /// so that the answer's first word comes at once. Goes behind every question of a person and
    /// before jobs. Ends with `Event::Ready`, also when the question has come and taken over.
    pub fn prepare(&self, request: Prepare) -> EventStream {
        match self.shared.side() {
            Side::Local => self.send(Class::Prepare, |reporter| {
                Command::Job(Job {
                    reporter,
                    work: Work::Prepare(request),
                })
            }),
            Side::Remote => self.pass(Class::Prepare, |id| ToHost::Prepare { id, request }),
        }
    }

    /// Stops a piece of work within one step, whatever it is doing. Unknown ids are ignored. An
    /// answer that has begun ends with `Event::Done` and what is written so far.
    pub fn cancel(&self, id: RequestId) {
        self.shared.cancel(id);
        self.remote.cancel(id);
    }

    /// What the engine is doing now; never waits for a step.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    fn unload_from(&self, side: Side) -> EventStream {
        match side {
            Side::Local => self.send(Class::Control, |reporter| {
                Command::Control(Control::Unload { reporter })
            }),
            Side::Remote => {
                let stream = self.pass(Class::Control, |id| ToHost::Unload { id });
                self.remote.release();
                stream
            }
        }
    }

    /// Hands work to the thread. If the thread is gone, so is the reporter, and the stream says
    /// that the engine has stopped.
    fn send(&self, class: Class, command: impl FnOnce(Reporter) -> Command) -> EventStream {
        let (reporter, stream) = self.open(class);
        let _ = self.commands.send(command(reporter));
        stream
    }

    /// Hands work to the host process.
    fn pass(&self, class: Class, message: impl FnOnce(RequestId) -> ToHost) -> EventStream {
        let (reporter, stream) = self.open(class);
        let message = message(reporter.id);
        self.remote.send(reporter, message);
        stream
    }

    fn open(&self, class: Class) -> (Reporter, EventStream) {
        let (events, receiver) = mpsc::unbounded_channel();
        let reporter = Reporter::new(&self.shared, class, events);
        let stream = EventStream::new(reporter.id, receiver);
        (reporter, stream)
    }
}
