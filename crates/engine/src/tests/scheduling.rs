//! Who goes first, and that company changes nothing.

use super::asking::{ahead, all, ask, batch, cost, done, engine, failed, loaded};
use super::fake::Call;
use crate::{EngineOptions, Event, FailureCode, Request};
use visavis_llava::Stage;
use visavis_llava::device::DeviceChoice;
use visavis_llava::generate::FinishReason;

/// The rows of every pass.
fn passes(calls: &[Call]) -> Vec<Vec<usize>> {
    calls
        .iter()
        .filter_map(|call| {
            if let Call::Forward(rows) = call {
                Some(rows.clone())
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn chat_goes_before_jobs_at_every_step() {
    let (engine, world) = loaded(EngineOptions {
        chunk: 8,
        ..EngineOptions::default()
    });
    let stops = world.stops();
    let first = engine.submit(batch(None, "first job", 6));
    stops.wait(Stage::Reading);
    let second = engine.submit(batch(None, "second job", 6));
    let chat = engine.submit(ask(None, "chat", 6));
    stops.release();
    let chat = done(chat);
    let (first, second) = (done(first), done(second));
    let passes = passes(&world.calls());
    // One step of the first job, then nothing but chat until it is done.
    let steps = chat.timings.prefill_tokens.div_ceil(8) + 5;
    assert_eq!(passes[0], [8]);
    assert!(
        passes[1..=steps].iter().all(|rows| rows.len() == 1),
        "{passes:?}"
    );
    assert_eq!(
        passes[1..=steps].iter().flatten().sum::<usize>(),
        cost(&chat)
    );
    let rest: usize = passes[steps + 1..].iter().flatten().sum();
    assert_eq!(8 + rest, cost(&first) + cost(&second));
    assert!(
        passes[steps + 1..].iter().any(|rows| rows.len() == 2),
        "jobs run together"
    );
}

#[test]
fn a_batch_answers_as_each_does_alone() {
    let requests: Vec<Request> = vec![
        batch(Some(3), "what is it", 30),
        batch(Some(4), "what is it", 5),
        batch(None, "hello", 17),
        batch(Some(3), "who made it", 1),
        batch(Some(9), "x", 30),
        batch(None, "a longer question that takes many chunks to read", 9),
    ];
    let options = EngineOptions {
        chunk: 7,
        max_batch: 3,
        ..EngineOptions::default()
    };
    let (engine, world) = loaded(options);
    let streams: Vec<_> = requests
        .iter()
        .map(|request| engine.submit(request.clone()))
        .collect();
    let together: Vec<_> = streams.into_iter().map(done).collect();
    for (request, together) in requests.into_iter().zip(together) {
        let alone = done(loaded(EngineOptions::default()).0.submit(request));
        assert_eq!(alone.text, together.text);
        assert_eq!(alone.token_ids, together.token_ids);
        assert_eq!(alone.prompt_token_ids, together.prompt_token_ids);
    }
    let passes = passes(&world.calls());
    assert!(passes.iter().any(|rows| rows.len() == 3), "{passes:?}");
    assert!(
        passes
            .iter()
            .all(|rows| rows.len() <= 3 && rows.iter().sum::<usize>() <= 7 + 2)
    );
}

#[test]
fn the_queue_is_told_in_order_and_at_once() {
    let (engine, world) = loaded(EngineOptions::default());
    let stops = world.stops();
    let job = engine.submit(batch(None, "job", 3));
    stops.wait(Stage::Reading);
    let prepare = engine.prepare(ahead(3));
    let late = engine.submit(batch(None, "late job", 3));
    let chat = engine.submit(ask(None, "chat", 3));
    assert_eq!(
        engine.status().queue,
        [chat.id, prepare.id, job.id, late.id]
    );
    assert!(!engine.status().loading);
    stops.release();
    for answer in [chat, job, late] {
        assert_eq!(done(answer).finish_reason, FinishReason::Length);
    }
    assert_eq!(all(prepare).last(), Some(&Event::Ready));
    assert!(engine.status().queue.is_empty());
}

#[test]
fn a_new_load_takes_the_place_of_one_under_way() {
    let (engine, world) = engine(EngineOptions::default());
    let stops = world.stops();
    let first = engine.load("first".into(), DeviceChoice::Cpu);
    stops.wait(Stage::Loading);
    assert!(engine.status().loading);
    let question = engine.submit(ask(None, "a", 3));
    let second = engine.load("second".into(), DeviceChoice::Cpu);
    stops.release();
    assert_eq!(failed(first), FailureCode::Cancelled);
    assert_eq!(all(second).last(), Some(&Event::Ready));
    assert_eq!(engine.status().model, Some("second".into()));
    assert_eq!(done(question).token_ids.len(), 3);
}

#[test]
fn loading_another_model_ends_what_is_written_and_keeps_what_is_not() {
    let (engine, world) = loaded(EngineOptions {
        chunk: 4,
        ..EngineOptions::default()
    });
    let stops = world.stops();
    let mut writing = engine.submit(ask(None, "a", 300));
    while !matches!(writing.receiver.try_recv(), Ok(Event::Text { .. })) {
        stops.next();
    }
    let reading = engine.submit(ask(Some(3), "b", 5));
    stops.wait(Stage::Seeing);
    let load = engine.load("other".into(), DeviceChoice::Cpu);
    stops.release();
    assert_eq!(all(load).last(), Some(&Event::Ready));
    let cut = done(writing);
    assert_eq!(cut.finish_reason, FinishReason::Cancelled);
    assert!(!cut.token_ids.is_empty());
    assert_eq!(done(reading).token_ids.len(), 5);
    // The old model is gone before the new one comes.
    let calls = world.calls();
    let at = |wanted: &Call| calls.iter().position(|call| call == wanted);
    assert!(at(&Call::Drop) < at(&Call::Load), "{calls:?}");
}
