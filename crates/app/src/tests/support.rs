//! A program over a temporary data folder, and what tests ask of it.

use crate::scripted::{Script, ScriptedAnswer, ScriptedEngine};
use crate::{AnswerEvent, AnswerOptions, App, Message, ModelState, PictureId, Question};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// A program with what it lives in.
pub(super) struct House {
    pub(super) app: App,
    pub(super) folder: tempfile::TempDir,
    _model: visavis_testkit::TinyModel,
}

pub(super) fn answer(to: &str, text: &str) -> ScriptedAnswer {
    ScriptedAnswer {
        to: to.to_owned(),
        text: text.to_owned(),
        ..ScriptedAnswer::default()
    }
}

pub(super) fn quick(answers: Vec<ScriptedAnswer>) -> Script {
    Script {
        load_ms: 1,
        see_ms: 1,
        read_ms: 1,
        piece_ms: 0,
        answers,
    }
}

impl House {
    /// With a scripted engine and a model that is ready.
    pub(super) async fn new(script: Script) -> Self {
        let house = Self::without_model(script).await;
        house.use_tiny().await;
        house
    }

    pub(super) async fn without_model(script: Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Arc::new(ScriptedEngine::new(script));
        let app = App::open(folder.path(), engine, None).await.unwrap();
        Self {
            app,
            folder,
            _model: visavis_testkit::TinyModel::preset("base"),
        }
    }

    /// Lets the tiny model be the one in use, and waits until it is ready.
    pub(super) async fn use_tiny(&self) {
        let found = self.app.look_at_model(self._model.path()).await.unwrap();
        assert!(found.problems.is_empty(), "{:?}", found.problems);
        self.app.use_model(found.model.id).await.unwrap();
        ready(&self.app).await;
    }

    /// Ends the program and starts it again on the same folder.
    pub(super) async fn restart(self, script: Script) -> Self {
        self.app.close().await;
        let Self {
            app,
            folder,
            _model,
        } = self;
        drop(app);
        let engine = Arc::new(ScriptedEngine::new(script));
        let app = App::open(folder.path(), engine, None).await.unwrap();
        app.load_remembered().await.unwrap();
        ready(&app).await;
        Self {
            app,
            folder,
            _model,
        }
    }

    /// Asks in a thread and waits for the whole answer.
    pub(super) async fn say(&self, thread: Option<i64>, text: &str) -> Message {
        let (_, events) = self.app.ask(question(thread, text)).await.unwrap();
        finished(events).await
    }
}

pub(super) async fn ready(app: &App) {
    let mut model = app.model.subscribe();
    let ready = model.wait_for(|state| matches!(state, ModelState::Ready { .. }));
    drop(ready.await.unwrap());
}

pub(super) fn question(thread: Option<i64>, text: &str) -> Question {
    Question {
        thread,
        replaces: None,
        text: text.to_owned(),
        pictures: Vec::new(),
        options: AnswerOptions::default(),
    }
}

/// A free photograph of the repository.
pub(super) fn photograph(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/pictures")
        .join(name)
}

pub(super) async fn with_picture(app: &App, name: &str) -> (PictureId, String) {
    let added = app.add_files(vec![photograph(name)]).await;
    assert!(added.refused.is_empty(), "{:?}", added.refused);
    (added.pictures[0].id.clone(), added.pictures[0].name.clone())
}

pub(super) async fn all(mut events: UnboundedReceiver<AnswerEvent>) -> Vec<AnswerEvent> {
    let mut all = Vec::new();
    while let Some(event) = events.recv().await {
        all.push(event);
    }
    all
}

/// The answer as it was at the end.
pub(super) async fn finished(events: UnboundedReceiver<AnswerEvent>) -> Message {
    match all(events).await.pop() {
        Some(AnswerEvent::Done { answer, .. } | AnswerEvent::Failed { answer, .. }) => *answer,
        other => panic!("no end, but {other:?}"),
    }
}
