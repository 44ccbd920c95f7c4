//! The same use cases on the real engine with a tiny model.

use super::support::{all, photograph, question, ready};
use crate::{AnswerEvent, App, MessageStatus, Question, ReadAhead, ReadAheadEvent, Stage};
use std::sync::Arc;
use visavis_engine::{EngineHandle, EngineOptions};

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_read_ahead_is_asked_about() {
    let tiny = visavis_testkit::TinyModel::preset("base");
    let folder = tempfile::tempdir().unwrap();
    let engine = Arc::new(EngineHandle::start(EngineOptions::default()).unwrap());
    let app = App::open(folder.path(), engine, None).await.unwrap();
    let found = app.look_at_model(tiny.path()).await.unwrap();
    app.use_model(found.model.id).await.unwrap();
    ready(&app).await;
    let added = app.add_files(vec![photograph("cat.jpg")]).await;
    let id = added.pictures[0].id.clone();
    let mut ahead = app
        .read_ahead(ReadAhead {
            thread: None,
            replaces: None,
            pictures: vec![id.clone()],
        })
        .await
        .unwrap();
    let mut looked = false;
    while let Some(event) = ahead.recv().await {
        match event {
            ReadAheadEvent::Stage(progress) => looked |= progress.stage == Stage::Seeing,
            ReadAheadEvent::Ready => {}
            ReadAheadEvent::Failed(error) => panic!("{error}"),
        }
    }
    assert!(looked);
    let mut asked = question(None, "hi");
    asked.options.max_tokens = 8;
    let (_, events) = app
        .ask(Question {
            pictures: vec![(id, "cat.jpg".into())],
            ..asked
        })
        .await
        .unwrap();
    let events = all(events).await;
    let again = |event: &AnswerEvent| matches!(event, AnswerEvent::Stage(progress) if progress.stage == Stage::Seeing);
    assert!(!events.iter().any(again), "the picture was seen already");
    let Some(AnswerEvent::Done { answer, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert!(matches!(
        answer.status,
        MessageStatus::Complete | MessageStatus::Cut
    ));
    assert!(answer.stats.as_ref().unwrap().device == "cpu");
}
