//! The program's side: starts the host, hands requests over, and outlives it.

use super::frame::{self, FromHost, ToHost};
use crate::message::{Event, Failure, FailureCode, RequestId};
use crate::progress::Reporter;
use crate::shared::{Shared, Side, Snapshot, lock};
use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// Two pipes to a host, and its process where it is one.
pub(crate) struct Link {
    pub(crate) to: Box<dyn Write + Send>,
    pub(crate) from: Box<dyn Read + Send>,
    pub(crate) child: Option<Child>,
}

impl Link {
    /// Starts a host executable.
    pub(crate) fn spawn(program: &Path, arguments: &[String]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the system gave no pipes"));
        };
        Ok(Self {
            to: Box::new(to),
            from: Box::new(from),
            child: Some(child),
        })
    }
}

/// Starts a host.
pub(crate) type Start = Box<dyn Fn() -> io::Result<Link> + Send + Sync>;

/// A host, started when it is first needed and again when it has died.
pub(crate) struct Remote {
    start: Start,
    shared: Arc<Shared>,
    state: Arc<Mutex<State>>,
}

/// What the host is doing for us.
#[derive(Default)]
struct State {
    /// To the thread that writes to the host; `None` without a host.
    outgoing: Option<Sender<ToHost>>,
    /// Which host of the ones started so far; what an earlier one still says counts no more.
    generation: u64,
    /// With the host they were handed to.
    works: HashMap<RequestId, (u64, Reporter)>,
}

impl Remote {
    pub(crate) fn new(shared: Arc<Shared>, start: Start) -> Self {
        Self {
            start,
            shared,
            state: Arc::default(),
        }
    }

    /// Hands work over. Loads start the host if there is none.
    pub(crate) fn send(&self, reporter: Reporter, message: ToHost) {
        let mut state = lock(&self.state);
        if state.outgoing.is_none() {
            if !matches!(message, ToHost::Load { .. }) {
                let text = "no model is loaded; load one first";
                return reporter.finish(failed(FailureCode::NoModel, text));
            }
            if let Err(error) = self.connect(&mut state) {
                let text = format!("the graphics card's engine cannot be started: {error}");
                return reporter.finish(failed(FailureCode::Device, text));
            }
        }
        let loading = matches!(message, ToHost::Load { .. });
        if loading {
            self.shared
                .publish(Side::Remote, |snapshot| snapshot.loading = true);
        }
        let generation = state.generation;
        state.works.insert(reporter.id, (generation, reporter));
        if let Some(outgoing) = &state.outgoing {
            // If the writer is gone, so is the host, and the reader is about to say so.
            let _ = outgoing.send(message);
        }
    }

    /// Passes a cancel on.
    pub(crate) fn cancel(&self, id: RequestId) {
        let state = lock(&self.state);
        if state.works.contains_key(&id)
            && let Some(outgoing) = &state.outgoing
        {
            let _ = outgoing.send(ToHost::Cancel { id });
        }
    }

    /// Lets the host end when it has done its work.
    pub(crate) fn release(&self) {
        lock(&self.state).outgoing = None;
    }

    fn connect(&self, state: &mut State) -> io::Result<()> {
        let Link { to, from, child } = (self.start)()?;
        let (outgoing, messages) = channel();
        state.generation += 1;
        let generation = state.generation;
        let reader = Reader {
            shared: Arc::clone(&self.shared),
            state: Arc::clone(&self.state),
            generation,
        };
        let refused = Arc::clone(&self.state);
        std::thread::Builder::new()
            .name("to engine host".into())
            .spawn(move || write_all(to, &messages, &refused))?;
        std::thread::Builder::new()
            .name("from engine host".into())
            .spawn(move || reader.run(from, child))?;
        state.outgoing = Some(outgoing);
        Ok(())
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.release();
    }
}

/// Writes messages until nobody sends any more or the host is gone.
fn write_all(to: Box<dyn Write + Send>, messages: &Receiver<ToHost>, state: &Mutex<State>) {
    let mut to = BufWriter::new(to);
    for message in messages {
        let id = match &message {
            ToHost::Load { id, .. }
            | ToHost::Unload { id }
            | ToHost::Submit { id, .. }
            | ToHost::Prepare { id, .. }
            | ToHost::Cancel { id } => *id,
        };
        match frame::write(&mut to, message) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                let refused = lock(state).works.remove(&id);
                if let Some((_, reporter)) = refused {
                    reporter.finish(failed(FailureCode::BadRequest, error.to_string()));
                }
            }
            // The host is gone; the reader hears it too.
            Err(_) => return,
        }
    }
}

/// Passes on what the host says, until it ends.
struct Reader {
    shared: Arc<Shared>,
    state: Arc<Mutex<State>>,
    generation: u64,
}

impl Reader {
    fn run(self, from: Box<dyn Read + Send>, child: Option<Child>) {
        let mut from = BufReader::new(from);
        let ended = loop {
            match frame::read::<FromHost>(&mut from) {
                Ok(Some(said)) => self.pass(said),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        drop(from);
        let status = child.and_then(|mut child| {
            // It has closed its output; what it still does is of no use to anybody.
            let _ = child.kill();
            child.wait().ok()
        });
        tracing::info!(?status, ?ended, "the engine host has ended");
        self.end();
    }

    fn pass(&self, said: FromHost) {
        let FromHost { id, event, status } = said;
        let mut state = lock(&self.state);
        let last = event.is_last();
        if last {
            self.shared.publish(Side::Remote, |snapshot| {
                snapshot.model = status.model;
                snapshot.device = status.device;
                snapshot.loading = status.loading;
                snapshot.cache_bytes = status.cache_bytes;
            });
            if let Some((_, reporter)) = state.works.remove(&id) {
                reporter.finish(event);
            }
        } else if let Some((_, reporter)) = state.works.get(&id) {
            reporter.pass(event);
            if !reporter.wanted()
                && let Some(outgoing) = &state.outgoing
            {
                let _ = outgoing.send(ToHost::Cancel { id });
            }
        }
    }

    /// The host is gone: everything it was doing has failed, and the next load starts another.
    fn end(self) {
        let mut state = lock(&self.state);
        let works = std::mem::take(&mut state.works);
        let (mine, others): (HashMap<_, _>, HashMap<_, _>) = works
            .into_iter()
            .partition(|(_, (generation, _))| *generation == self.generation);
        state.works = others;
        if state.generation == self.generation {
            state.outgoing = None;
            self.shared
                .publish(Side::Remote, |snapshot| *snapshot = Snapshot::default());
        }
        drop(state);
        let text = "the graphics card's engine ended unexpectedly; load the model again, and if \
                    this happens again, use --device cpu";
        for (_, (_, reporter)) in mine {
            reporter.finish(failed(FailureCode::Gone, text));
        }
    }
}

fn failed(code: FailureCode, message: impl Into<String>) -> Event {
    Event::Failed(Failure {
        code,
        message: message.into(),
    })
}
