//! What handles and the engine thread both see. Nothing here is held across a step, so that
//! status and cancel never wait for one.

use crate::clock::Clock;
use crate::message::{RequestId, Status};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which work goes first; within a class, first come, first served.
///
/// Reading ahead stands before jobs: a person is about to ask, and it is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Load and unload.
    Control,
    /// A person waits for an answer.
    Chat,
    /// A person is typing.
    Prepare,
    /// A job runs.
    Batch,
}

/// Where the model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// On this process's engine thread.
    Local,
    /// In a host process.
    Remote,
}

/// The part of the status that the engine thread writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) model: Option<PathBuf>,
    pub(crate) device: String,
    pub(crate) loading: bool,
    pub(crate) cache_bytes: usize,
}

/// State shared between handles and the engine thread.
pub(crate) struct Shared {
    next_id: AtomicU64,
    works: Mutex<BTreeMap<(Class, RequestId), Arc<AtomicBool>>>,
    /// The side that works now, and what it says of itself.
    snapshot: Mutex<(Side, Snapshot)>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Shared {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            next_id: AtomicU64::new(1),
            works: Mutex::default(),
            snapshot: Mutex::new((Side::Local, Snapshot::default())),
            clock,
        }
    }

    /// Enters a new piece of work into the queue. A new load or unload stops the loads before
    /// it: only the newest wish about the model counts.
    pub(crate) fn register(&self, class: Class) -> (RequestId, Arc<AtomicBool>) {
        let id = RequestId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let flag = Arc::new(AtomicBool::new(false));
        let mut works = lock(&self.works);
        if class == Class::Control {
            for ((_, _), earlier) in works
                .iter()
                .filter(|((class, _), _)| *class == Class::Control)
            {
                earlier.store(true, Ordering::Release);
            }
        }
        works.insert((class, id), Arc::clone(&flag));
        (id, flag)
    }

    /// Takes a piece of work out of the queue.
    pub(crate) fn forget(&self, class: Class, id: RequestId) {
        lock(&self.works).remove(&(class, id));
    }

    /// Raises the cancel flag of a piece of work, if it is still there.
    pub(crate) fn cancel(&self, id: RequestId) {
        let works = lock(&self.works);
        if let Some((_, flag)) = works.iter().find(|((_, other), _)| *other == id) {
            flag.store(true, Ordering::Release);
        }
    }

    /// Changes the snapshot, if `side` is the one that works now.
    pub(crate) fn publish(&self, side: Side, change: impl FnOnce(&mut Snapshot)) {
        let (current, snapshot) = &mut *lock(&self.snapshot);
        if *current == side {
            change(snapshot);
        }
    }

    /// The side that works now.
    pub(crate) fn side(&self) -> Side {
        lock(&self.snapshot).0
    }

    /// Changes sides; returns the earlier one. The new side begins without a model.
    pub(crate) fn switch(&self, side: Side) -> Side {
        let current = &mut *lock(&self.snapshot);
        let before = current.0;
        if before != side {
            *current = (side, Snapshot::default());
        }
        before
    }

    /// What `EngineHandle::status` answers.
    pub(crate) fn status(&self) -> Status {
        let queue = lock(&self.works).keys().map(|(_, id)| *id).collect();
        let Snapshot {
            model,
            device,
            loading,
            cache_bytes,
        } = lock(&self.snapshot).1.clone();
        Status {
            model,
            device,
            loading,
            queue,
            cache_bytes,
        }
    }
}

/// A panic while one of the engine's locks was held leaves a value that is still whole: nothing
/// under them leaves a change half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
