//! What the running window holds: the program, the page's ear, and what is on its way between.

use crate::dialogs::{self, Dialogs};
use crate::place::Place;
use crate::{dto, instance, place, window};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tauri::ipc::Channel;
use tauri::{AppHandle, Manager};
use visavis_app::{
    App, AppError, CheckedBackup, Code, Engine, EngineHandle, EngineOptions, places,
};
use visavis_ipc::AppEvent;

/// Drops that the page did not take; the oldest go.
const MOST_DROPS: usize = 8;
/// How often the window's place is written down.
const PLACE: Duration = Duration::from_secs(5);

/// The running window's things.
pub(crate) struct Desk {
    app: Result<App, AppError>,
    pub(crate) folder: PathBuf,
    pub(crate) dialogs: Box<dyn Dialogs>,
    pub(crate) place: Mutex<Option<Place>>,
    watch: Mutex<Option<Channel<AppEvent>>>,
    drops: Mutex<Vec<(u32, Vec<PathBuf>)>>,
    backups: Mutex<HashMap<u32, CheckedBackup>>,
    next: Mutex<u32>,
}

impl Desk {
    /// Opens the data. A folder that cannot be used still gets a window, which says why.
    pub(crate) fn open(folder: PathBuf) -> Self {
        let app = engine().and_then(|engine| {
            let demo = places::demo_model();
            tauri::async_runtime::block_on(App::open(&folder, engine, demo))
        });
        if let Err(error) = &app {
            tracing::error!(code = ?error.code, "the data cannot be used");
        }
        Self {
            app,
            folder,
            dialogs: dialogs::dialogs(),
            place: Mutex::default(),
            watch: Mutex::default(),
            drops: Mutex::default(),
            backups: Mutex::default(),
            next: Mutex::default(),
        }
    }

    /// The program, or why there is none.
    pub(crate) fn app(&self) -> Result<&App, AppError> {
        self.app.as_ref().map_err(Clone::clone)
    }

    /// Tells the page something, if it listens.
    pub(crate) fn tell(&self, event: AppEvent) {
        let watch = self.lock(&self.watch);
        if let Some(channel) = &*watch
            && let Err(error) = channel.send(event)
        {
            tracing::warn!(%error, "the page does not hear");
        }
    }

    /// From now on tells the page through this channel.
    pub(crate) fn listen(&self, channel: Channel<AppEvent>) {
        *self.lock(&self.watch) = Some(channel);
    }

    /// Keeps what was dropped until the page takes it.
    pub(crate) fn keep_drop(&self, paths: Vec<PathBuf>) -> u32 {
        let number = self.number();
        let mut drops = self.lock(&self.drops);
        if drops.len() == MOST_DROPS {
            drops.remove(0);
        }
        drops.push((number, paths));
        number
    }

    /// Takes what was dropped; once.
    pub(crate) fn take_drop(&self, number: u32) -> Result<Vec<PathBuf>, AppError> {
        let mut drops = self.lock(&self.drops);
        let at = drops.iter().position(|(kept, _)| *kept == number);
        at.map(|at| drops.remove(at).1)
            .ok_or_else(|| AppError::new(Code::NotFound, "What was dropped is no longer there."))
    }

    /// Keeps a checked backup until the person decides.
    pub(crate) fn keep_backup(&self, backup: CheckedBackup) -> u32 {
        let number = self.number();
        self.lock(&self.backups).insert(number, backup);
        number
    }

    /// A checked backup. It stays until it is restored: what stood in the way may go.
    pub(crate) fn backup(&self, number: u32) -> Result<CheckedBackup, AppError> {
        let backup = self.lock(&self.backups).get(&number).cloned();
        backup.ok_or_else(|| AppError::new(Code::NotFound, "The backup is no longer there."))
    }

    /// A checked backup was restored.
    pub(crate) fn forget_backup(&self, number: u32) {
        self.lock(&self.backups).remove(&number);
    }

    /// Closes the data.
    pub(crate) fn close(&self) {
        if let Ok(app) = &self.app {
            tauri::async_runtime::block_on(app.close());
        }
    }

    /// The value behind a lock; no panic leaves one half-changed.
    pub(crate) fn lock<'a, T>(&self, value: &'a Mutex<T>) -> MutexGuard<'a, T> {
        value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u32 {
        let mut next = self.lock(&self.next);
        *next = next.wrapping_add(1);
        *next
    }
}

/// The engine of this run.
fn engine() -> Result<Arc<dyn Engine>, AppError> {
    #[cfg(feature = "e2e")]
    if let Some(file) = std::env::var_os("VISAVIS_E2E_SCRIPT") {
        let failed =
            |why: String| AppError::new(Code::Internal, "The script is no script.").details(why);
        let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        let engine = visavis_app::scripted::ScriptedEngine::from_json(&text);
        return Ok(Arc::new(engine.map_err(|error| failed(error.to_string()))?));
    }
    let engine = EngineHandle::start(EngineOptions::default()).map_err(|error| {
        AppError::new(Code::Internal, "The model's thread cannot be started.")
            .details(error.to_string())
    })?;
    Ok(Arc::new(engine))
}

/// Begins what goes on behind the window.
pub(crate) fn begin(handle: &AppHandle, desk: &Arc<Desk>) {
    let Ok(app) = desk.app() else { return };
    instance::listen(handle, &desk.folder);
    let mut events = app.events();
    let (ear, shown) = (Arc::clone(desk), handle.clone());
    tauri::async_runtime::spawn(async move {
        use tokio::sync::broadcast::error::RecvError;
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let visavis_app::AppEvent::Everything = event
                        && let Ok(app) = ear.app()
                    {
                        window::apply(&shown, &app.settings());
                    }
                    ear.tell(dto::app_event(event));
                }
                // What was missed is read anew.
                Err(RecvError::Lagged(_)) => ear.tell(AppEvent::Everything),
                Err(RecvError::Closed) => return,
            }
        }
    });
    let (placed, at) = (Arc::clone(desk), handle.clone());
    tauri::async_runtime::spawn(async move {
        let mut written = None;
        loop {
            tokio::time::sleep(PLACE).await;
            place::note(&at, &placed);
            let now = *placed.lock(&placed.place);
            if now != written
                && let (Some(place), Ok(app)) = (now, placed.app())
                && let Ok(text) = serde_json::to_string(&place)
                && app.set_window(&text).await.is_ok()
            {
                written = now;
            }
        }
    });
    let started = app.clone();
    tauri::async_runtime::spawn(async move { started.begin() });
}

/// The desk behind a handle.
pub(crate) fn of(handle: &AppHandle) -> Arc<Desk> {
    Arc::clone(handle.state::<Arc<Desk>>().inner())
}
