//! Asking, branching, stopping, going on.

use super::support::*;
use crate::scripted::{Script, ScriptedAnswer};
use crate::{AnswerEvent, AnswerOptions, Code, MessageStatus, Question, Role, Stage, Style};
use visavis_engine::FailureCode;

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_saved_asked_and_answered() {
    let house = House::new(quick(vec![answer("cup", "A red cup.")])).await;
    let picture = with_picture(&house.app, "cat.jpg").await;
    let (id, events) = house
        .app
        .ask(Question {
            pictures: vec![picture.clone()],
            ..question(None, "Is there a cup?")
        })
        .await
        .unwrap();
    let events = all(events).await;
    let AnswerEvent::Accepted {
        thread,
        question: Some(asked),
        answer,
    } = &events[0]
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (thread.title.as_str(), thread.busy),
        ("Is there a cup?", true)
    );
    assert_eq!(thread.thumbnail.as_ref(), Some(&picture.0));
    assert_eq!(asked.pictures[0].name, "cat.jpg");
    assert_eq!((answer.id, answer.status), (id, MessageStatus::Writing));
    let stages: Vec<Stage> = events
        .iter()
        .filter_map(|event| match event {
            AnswerEvent::Stage(progress) => Some(progress.stage),
            _ => None,
        })
        .collect();
    assert!(stages.starts_with(&[Stage::Seeing]) && stages.ends_with(&[Stage::Writing]));
    let text: String = events
        .iter()
        .filter_map(|event| match event {
            AnswerEvent::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, "A red cup.");
    let Some(AnswerEvent::Done {
        answer,
        thread,
        context,
    }) = events.last()
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (answer.text.as_str(), answer.status),
        ("A red cup.", MessageStatus::Complete)
    );
    assert!(!thread.busy && context.used > 576 && answer.stats.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_keep_everything_and_are_remembered() {
    let house = House::new(quick(vec![answer("", "Yes.")])).await;
    let first = house.say(None, "One?").await;
    let thread = first.thread;
    house.say(Some(thread), "Two?").await;
    let (_, events) = house
        .app
        .ask(Question {
            replaces: first.parent,
            ..question(Some(thread), "One, worded anew?")
        })
        .await
        .unwrap();
    let anew = finished(events).await;
    let view = house.app.open_thread(thread).await.unwrap();
    let texts: Vec<&str> = view.messages.iter().map(|m| m.text.as_str()).collect();
    assert_eq!(texts, ["One, worded anew?", "Yes."]);
    assert_eq!(view.messages[0].siblings.len(), 2);
    // Back to the first wording: and there to the end of what was said under it.
    let old = house.app.show_message(first.parent.unwrap()).await.unwrap();
    let texts: Vec<&str> = old.messages.iter().map(|m| m.text.as_str()).collect();
    assert_eq!(texts, ["One?", "Yes.", "Two?", "Yes."]);
    let (_, events) = house.app.regenerate(first.id, None).await.unwrap();
    let again = finished(events).await;
    assert_eq!(again.siblings, [first.id, again.id]);
    let house = house.restart(quick(Vec::new())).await;
    let view = house.app.open_thread(thread).await.unwrap();
    assert_eq!(view.messages.last().unwrap().id, again.id);
    let new = house.app.show_message(anew.id).await.unwrap();
    assert_eq!(new.messages.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_can_be_stopped_and_continued() {
    let long = ScriptedAnswer {
        times: 100_000,
        ..answer("", "on and ")
    };
    let script = Script {
        piece_ms: 1,
        ..quick(vec![long])
    };
    let house = House::new(script).await;
    let mut asked = question(None, "Go on.");
    asked.options.max_tokens = 2048;
    let (id, mut events) = house.app.ask(asked).await.unwrap();
    while !matches!(events.recv().await, Some(AnswerEvent::Text(_))) {}
    assert_eq!(
        house.app.regenerate(id, None).await.unwrap_err().code,
        Code::Busy
    );
    house.app.stop(id);
    let stopped = finished(events).await;
    assert_eq!(stopped.status, MessageStatus::Stopped);
    assert!(stopped.text.starts_with("on and"), "{}", stopped.text);
    let (_, events) = house.app.continue_answer(id).await.unwrap();
    house.app.stop(id);
    let more = finished(events).await;
    assert!(more.text.starts_with(&stopped.text));
    // Stopping what has ended does nothing.
    house.app.stop(id);
    assert!(!house.app.thread_summary(stopped.thread).await.unwrap().busy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_answer_says_so_and_goes_on() {
    let house = House::new(quick(vec![answer("", "one two three four five six")])).await;
    let mut asked = question(None, "Count.");
    asked.options.max_tokens = 3;
    let (id, events) = house.app.ask(asked).await.unwrap();
    let cut = finished(events).await;
    assert_eq!(
        (cut.text.as_str(), cut.status),
        ("one two three", MessageStatus::Cut)
    );
    let (again, events) = house.app.continue_answer(id).await.unwrap();
    assert_eq!(again, id);
    let more = finished(events).await;
    assert!(more.text.starts_with("one two three") && more.text.len() > cut.text.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_kept_with_their_reason_and_left_out_of_the_next_prompt() {
    let fails = ScriptedAnswer {
        fails: Some(FailureCode::NotANumber),
        ..answer("break", "")
    };
    let house = House::new(quick(vec![fails, answer("", "Fine.")])).await;
    let failed = house.say(None, "break").await;
    assert_eq!(failed.status, MessageStatus::Failed);
    assert_eq!(failed.error.as_ref().unwrap().code, Code::ModelDamaged);
    let view = house.app.open_thread(failed.thread).await.unwrap();
    assert_eq!(view.messages[1].error, failed.error);
    let next = house.say(Some(failed.thread), "and now?").await;
    assert_eq!(next.text, "Fine.");
    let branch = house.app.store.branch_to(next.id).await.unwrap();
    let talk = house.app.talk(&branch).await.unwrap();
    assert_eq!(talk.turns.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_context_is_said_and_can_be_helped() {
    let house = House::new(quick(vec![answer("", "Yes.")])).await;
    let long = "word ".repeat(3000);
    let first = house.say(None, &long).await;
    let full = house.say(Some(first.thread), &long).await;
    assert_eq!(full.error.unwrap().code, Code::ContextFull);
    let mut asked = question(Some(first.thread), &long);
    asked.options.forget_oldest = true;
    let (_, events) = house.app.ask(asked).await.unwrap();
    let helped = finished(events).await;
    assert_eq!(helped.text, "Yes.");
    assert_eq!(helped.stats.unwrap().forgotten, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_wait_for_the_model() {
    let script = Script {
        load_ms: 200,
        ..quick(vec![answer("", "Here.")])
    };
    let house = House::without_model(script).await;
    let refused = house.app.ask(question(None, "Hello?")).await.unwrap_err();
    assert_eq!(refused.code, Code::NoModel);
    let tiny = visavis_testkit::TinyModel::preset("base");
    let found = house.app.look_at_model(tiny.path()).await.unwrap();
    house.app.use_model(found.model.id).await.unwrap();
    let (_, events) = house.app.ask(question(None, "Hello?")).await.unwrap();
    let events = all(events).await;
    let loading = |event: &AnswerEvent| matches!(event, AnswerEvent::Stage(progress) if progress.stage == Stage::Loading);
    assert!(events.iter().any(loading));
    assert!(matches!(events.last(), Some(AnswerEvent::Done { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_waits_for_the_model_can_be_stopped() {
    let script = Script {
        load_ms: 60_000,
        ..quick(Vec::new())
    };
    let house = House::without_model(script).await;
    let tiny = visavis_testkit::TinyModel::preset("base");
    let found = house.app.look_at_model(tiny.path()).await.unwrap();
    house.app.use_model(found.model.id).await.unwrap();
    let (id, events) = house.app.ask(question(None, "Hello?")).await.unwrap();
    house.app.stop(id);
    assert_eq!(finished(events).await.status, MessageStatus::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_style_lacks_is_said_before_anything_is_saved() {
    let house = House::new(quick(Vec::new())).await;
    for style in [Style::Chat, Style::Choice, Style::Region, Style::Json] {
        let mut asked = question(None, "");
        asked.options = AnswerOptions {
            style,
            ..AnswerOptions::default()
        };
        let error = house.app.ask(asked).await.unwrap_err();
        assert_eq!(error.code, Code::BadQuestion, "{style}");
    }
    assert_eq!(house.app.whole().await.unwrap().threads, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn boxes_are_found_in_the_picture_they_belong_to() {
    let said = "🙂 [0.00, 0.25, 0.50, 0.75]";
    let house = House::new(quick(vec![answer("", said)])).await;
    let picture = with_picture(&house.app, "cat.jpg").await;
    let mut asked = question(None, "the cat");
    asked.options.style = Style::Box;
    asked.pictures = vec![picture.clone()];
    let (_, events) = house.app.ask(asked).await.unwrap();
    let found = finished(events).await;
    let [only] = found.boxes.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(only.picture, picture.0);
    assert_eq!(only.range, (3, 27));
    assert!(only.region.x2 > only.region.x1);
    // A follow-up without a picture speaks of the same one.
    let next = house.say(Some(found.thread), "and now?").await;
    assert_eq!(next.boxes[0].picture, picture.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_alternate_after_a_thread_is_left_and_found_again() {
    let house = House::new(quick(vec![answer("", "Yes.")])).await;
    let first = house.say(None, "One?").await;
    let house = house.restart(quick(vec![answer("", "No.")])).await;
    house.say(Some(first.thread), "Two?").await;
    let view = house.app.open_thread(first.thread).await.unwrap();
    let roles: Vec<Role> = view.messages.iter().map(|m| m.role).collect();
    assert_eq!(
        roles,
        [Role::User, Role::Assistant, Role::User, Role::Assistant]
    );
}
