//! The running program: store, engine, and what is true at the moment.

use crate::answers::{Running, Speeds};
use crate::engine::Engine;
use crate::model::ModelState;
use crate::pictures::Decoded;
use crate::settings::Settings;
use crate::threads::{DraftView, ThreadPage, ThreadSummary};
use crate::{AppError, Message, Result};
use std::collections::HashMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use visavis_engine::RequestId;
use visavis_store::{Store, Whole};

/// Events that a slow listener may fall behind by.
const BACKLOG: usize = 1024;
/// How long a deleted thread can come back.
const UNDO: Duration = Duration::from_secs(60);
/// Where the thread that was open last is kept.
const OPEN: &str = "open";
/// Threads in the first part of the list.
const FIRST_PAGE: u32 = 100;

/// The program. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What the clones share. Locks are held for moments only, never over an await.
pub struct Inner {
    pub(crate) store: Store,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) model: watch::Sender<ModelState>,
    /// Counts loads, so that an old one cannot speak for a new one.
    pub(crate) loads: AtomicU64,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) running: Mutex<HashMap<i64, Running>>,
    pub(crate) read_ahead: Mutex<Option<RequestId>>,
    pub(crate) speeds: Mutex<Speeds>,
    pub(crate) decoded: Mutex<Decoded>,
    pub(crate) demo: Option<PathBuf>,
    events: broadcast::Sender<AppEvent>,
    notices: Mutex<Vec<Notice>>,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What happens without being asked for.
#[derive(Debug, Clone)]
pub enum AppEvent {
    /// The model's state changed.
    Model(ModelState),
    /// A thread is new or changed.
    ThreadChanged(ThreadSummary),
    /// A message changed outside of its own events.
    MessageChanged(i64, Box<Message>),
    /// A thread is gone.
    ThreadRemoved(i64),
    /// Everything is different.
    Everything,
    /// Something went wrong in the background.
    Trouble(AppError),
}

/// What a person should be told once, at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The database was damaged; this was saved of it.
    Rescued {
        /// Threads.
        threads: u32,
        /// Messages.
        messages: u32,
        /// Where the damaged file is.
        set_aside: PathBuf,
    },
    /// The data was brought to a newer form; where the copy from before is.
    Migrated(PathBuf),
    /// Answers that were being written when the program ended.
    Interrupted(u32),
}

/// Everything the first frame needs.
#[derive(Debug, Clone)]
pub struct Start {
    /// The settings.
    pub settings: Settings,
    /// The model.
    pub model: ModelState,
    /// The beginning of the list.
    pub threads: ThreadPage,
    /// The composer of a new thread.
    pub draft: DraftView,
    /// The thread that was open last.
    pub open: Option<i64>,
    /// The data folder.
    pub folder: PathBuf,
    /// How much is in it.
    pub whole: Whole,
    /// What to tell.
    pub notices: Vec<Notice>,
}

impl App {
    /// Opens the data folder. Must be called inside a tokio runtime, which then does the work
    /// in the background. `demo` is the practice model's folder, if there is one.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open(
        folder: &Path,
        engine: Arc<dyn Engine>,
        demo: Option<PathBuf>,
    ) -> Result<Self> {
        let opened = Store::open(folder).await?;
        let mut notices = Vec::new();
        if let Some((set_aside, rescued)) = opened.rescued {
            notices.push(Notice::Rescued {
                threads: rescued.threads,
                messages: rescued.messages,
                set_aside,
            });
        }
        notices.extend(opened.migrated.map(Notice::Migrated));
        if opened.interrupted > 0 {
            notices.push(Notice::Interrupted(opened.interrupted));
        }
        let (events, _) = broadcast::channel(BACKLOG);
        let app = Self(Arc::new(Inner {
            store: opened.store,
            engine,
            model: watch::Sender::new(ModelState::None),
            loads: AtomicU64::new(0),
            settings: Mutex::default(),
            running: Mutex::default(),
            read_ahead: Mutex::default(),
            speeds: Mutex::default(),
            decoded: Mutex::default(),
            demo,
            events,
            notices: Mutex::new(notices),
        }));
        app.read_settings().await?;
        app.read_speeds().await;
        Ok(app)
    }

    /// Begins what goes on behind the window: loading the model, tidying up.
    pub fn begin(&self) {
        let app = self.clone();
        let begun = visavis_store::now();
        tokio::spawn(async move {
            if let Err(error) = app.load_remembered().await {
                app.tell(AppEvent::Trouble(error));
            }
            if let Err(error) = app.tidy_at_start(begun).await {
                tracing::warn!(%error, "tidying up failed");
            }
        });
        let weak = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UNDO / 3).await;
                let Some(inner) = weak.upgrade() else { return };
                let before = visavis_store::now() - i64::try_from(UNDO.as_millis()).unwrap_or(0);
                if let Err(error) = inner.store.purge_threads(before).await {
                    tracing::warn!(%error, "deleted threads could not be removed");
                }
            }
        });
    }

    async fn tidy_at_start(&self, begun: i64) -> Result<()> {
        self.store.forget_checked()?;
        self.store.purge_threads(begun).await?;
        self.store.sweep_pictures(begun).await?;
        Ok(())
    }

    /// Everything the first frame needs. What there is to tell is told once.
    pub async fn start(&self) -> Result<Start> {
        Ok(Start {
            settings: self.settings(),
            model: self.model_state(),
            threads: self.threads(None, FIRST_PAGE).await?,
            draft: self.draft(None).await?,
            open: self.last_open().await,
            folder: self.store.folder().to_owned(),
            whole: self.store.whole().await?,
            notices: std::mem::take(&mut *self.lock(&self.notices)),
        })
    }

    async fn last_open(&self) -> Option<i64> {
        let kept = self.store.setting(OPEN).await.ok().flatten()?;
        let thread = kept.parse().ok()?;
        // One that was deleted since is not opened.
        self.store.thread(thread).await.ok().map(|thread| thread.id)
    }

    /// Remembers which thread is open; `None` for an empty composer.
    pub async fn remember_open(&self, thread: Option<i64>) -> Result<()> {
        let kept = thread.map(|id| id.to_string()).unwrap_or_default();
        Ok(self.store.set_setting(OPEN, &kept).await?)
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<AppEvent> {
        self.events.subscribe()
    }

    /// Stops every answer, waits a moment until what was written is kept, and closes the data.
    pub async fn close(&self) {
        self.stop_all();
        for _ in 0..40 {
            if self.lock(&self.running).is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.store.close().await;
    }

    pub(crate) fn tell(&self, event: AppEvent) {
        // Nobody listening is no fault.
        let _ = self.events.send(event);
    }
}

impl Inner {
    /// The value behind a lock. A panic elsewhere leaves these values whole.
    pub(crate) fn lock<'a, T>(&self, value: &'a Mutex<T>) -> MutexGuard<'a, T> {
        value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
