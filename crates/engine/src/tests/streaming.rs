//! What a person who waits is told, and how they stop it.

use super::asking::{ahead, all, ask, batch, done, engine, failed, loaded};
use crate::{EngineHandle, EngineOptions, Event, EventStream, Failure, FailureCode};
use std::time::Duration;
use tokio::sync::mpsc;
use visavis_llava::Stage;
use visavis_llava::device::DeviceChoice;
use visavis_llava::generate::FinishReason;

/// Stages in the order they came, each once.
fn stages(events: &[Event]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = events
        .iter()
        .filter_map(|event| {
            if let Event::Progress { stage, .. } = event {
                Some(*stage)
            } else {
                None
            }
        })
        .collect();
    stages.dedup();
    stages
}

/// `done` and `total` of every progress event of a stage.
fn counts(events: &[Event], wanted: Stage) -> Vec<(u64, u64)> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Progress { stage, done, total } if *stage == wanted => Some((*done, *total)),
            _ => None,
        })
        .collect()
}

#[test]
fn an_answer_streams_in_order_and_adds_up() {
    let (engine, world) = loaded(EngineOptions::default());
    let mut stream = engine.submit(ask(Some(3), "what is it", 12));
    let mut events = Vec::new();
    while let Some(event) = stream.next_blocking() {
        events.push(event);
    }
    assert_eq!(stream.next_blocking(), None, "the stream stays ended");
    assert_eq!(
        stages(&events),
        [Stage::Seeing, Stage::Reading, Stage::Writing]
    );
    let streamed: String = events
        .iter()
        .filter_map(|event| {
            if let Event::Text { text } = event {
                Some(text.as_str())
            } else {
                None
            }
        })
        .collect();
    let Some(Event::Done(completion)) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(completion.text, streamed.trim());
    assert_eq!(completion.text.len(), 11, "a space and eleven letters");
    assert_eq!(completion.finish_reason, FinishReason::Length);
    assert_eq!(
        completion
            .prompt_token_ids
            .iter()
            .filter(|id| **id == -200)
            .count(),
        5
    );
    assert_eq!(completion.timings.decode_tokens, 12);
    assert_eq!(
        completion.timings.prefill_tokens,
        completion.prompt_token_ids.len()
    );
    assert_eq!(world.computed(), completion.prompt_token_ids.len() + 11);
    assert!(engine.status().queue.is_empty());
}

#[test]
fn timings_tell_the_parts_apart() {
    let (engine, world) = engine(EngineOptions {
        chunk: 1000,
        ..EngineOptions::default()
    });
    *world.tick.lock().unwrap() = Duration::from_secs(1);
    let stops = world.stops();
    let load = engine.load("fake".into(), DeviceChoice::Cpu);
    stops.wait(Stage::Loading);
    let waited = engine.submit(ask(Some(3), "one", 3));
    stops.release();
    assert_eq!(all(load).last(), Some(&Event::Ready));
    let first = done(waited).timings;
    // Every call of the model takes four ticks of a second.
    assert_eq!(
        (first.load_s, first.image_s, first.prefill_s),
        (4.0, 4.0, 4.0)
    );
    assert_eq!((first.decode_s, first.first_token_s), (8.0, 8.0));
    let second = done(engine.submit(ask(Some(3), "two", 3))).timings;
    assert_eq!(
        (second.load_s, second.image_s, second.first_token_s),
        (0.0, 0.0, 4.0)
    );
}

#[test]
fn slow_steps_report_every_second_and_count_truly() {
    let (engine, world) = loaded(EngineOptions {
        chunk: 8,
        ..EngineOptions::default()
    });
    *world.tick.lock().unwrap() = Duration::from_millis(900);
    let events = all(engine.submit(ask(Some(3), "what", 2)));
    assert_eq!(
        counts(&events, Stage::Seeing),
        [(1, 4), (2, 4), (3, 4), (4, 4)]
    );
    let reading = counts(&events, Stage::Reading);
    let total = reading[0].1;
    let steps = total.div_ceil(8);
    assert_eq!(
        reading.len() as u64,
        steps * 4,
        "an event at each layer of each step"
    );
    assert_eq!(
        reading[..5],
        [(2, total), (4, total), (6, total), (8, total), (10, total)]
    );
    assert!(reading.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert_eq!(reading.last(), Some(&(total, total)));
    assert_eq!(counts(&events, Stage::Writing), [(1, 2); 4]);
}

#[test]
fn quick_steps_do_not_flood() {
    let (engine, world) = loaded(EngineOptions {
        chunk: 8,
        ..EngineOptions::default()
    });
    *world.tick.lock().unwrap() = Duration::from_millis(1);
    let events = all(engine.submit(ask(Some(3), "what", 20)));
    for stage in [Stage::Seeing, Stage::Reading, Stage::Writing] {
        assert_eq!(counts(&events, stage).len(), 1, "{stage:?}");
    }
}

#[test]
fn loading_reports_what_it_loaded() {
    let (engine, world) = engine(EngineOptions::default());
    *world.tick.lock().unwrap() = Duration::from_secs(1);
    let events = all(engine.load("fake".into(), DeviceChoice::Cpu));
    assert_eq!(
        counts(&events, Stage::Loading),
        [(1, 4), (2, 4), (3, 4), (4, 4)]
    );
    assert_eq!(events.last(), Some(&Event::Ready));
    let status = engine.status();
    assert_eq!(
        (status.model, status.device.as_str()),
        (Some("fake".into()), "cpu")
    );
}

#[test]
fn work_that_is_passed_over_still_shows_life() {
    let (engine, world) = loaded(EngineOptions::default());
    *world.tick.lock().unwrap() = Duration::from_secs(1);
    let stops = world.stops();
    let job = engine.submit(batch(None, "job", 4));
    stops.wait(Stage::Reading);
    let chat = engine.submit(ask(Some(3), "chat", 4));
    stops.release();
    assert_eq!(done(chat).token_ids.len(), 4);
    let events = all(job);
    // One look and four passes of the chat's, then three of its own: four boundaries each.
    assert_eq!(
        counts(&events, Stage::Writing).len(),
        4 * (1 + 4 + 3),
        "{events:?}"
    );
}

/// Starts `work`, cancels it at the first boundary of `stage`, and returns its events.
fn cancelled_at(stage: Stage, work: impl Fn(&EngineHandle) -> EventStream) -> Vec<Event> {
    let (engine, world) = loaded(EngineOptions {
        chunk: 8,
        ..EngineOptions::default()
    });
    let stops = world.stops();
    let stream = work(&engine);
    stops.wait(stage);
    engine.cancel(stream.id);
    stops.release();
    let before = world.calls().len();
    let events = all(stream);
    assert_eq!(
        world.calls().len(),
        before,
        "not another call of the model after {stage:?}"
    );
    assert_eq!(
        done(engine.submit(ask(None, "still there", 4)))
            .token_ids
            .len(),
        4
    );
    events
}

#[test]
fn cancel_is_seen_in_every_stage() {
    let gone = |events: &[Event]| matches!(events.last(), Some(Event::Failed(failure)) if failure.code == FailureCode::Cancelled);
    for stage in [Stage::Seeing, Stage::Reading] {
        assert!(gone(&cancelled_at(stage, |engine| engine.submit(ask(
            Some(3),
            "a",
            9
        )))));
        assert!(gone(&cancelled_at(stage, |engine| engine.prepare(ahead(3)))));
    }
    let (engine, world) = engine(EngineOptions::default());
    let stops = world.stops();
    let load = engine.load("fake".into(), DeviceChoice::Cpu);
    stops.wait(Stage::Loading);
    let waiting = engine.submit(ask(None, "a", 9));
    engine.cancel(load.id);
    stops.release();
    assert_eq!(failed(load), FailureCode::Cancelled);
    assert_eq!(failed(waiting), FailureCode::NoModel);
    assert_eq!(engine.status().model, None);
}

#[test]
fn an_answer_cancelled_while_writing_keeps_what_it_has() {
    let (engine, world) = loaded(EngineOptions::default());
    let whole = done(engine.submit(ask(None, "count", 40)));
    let stops = world.stops();
    let mut stream = engine.submit(ask(None, "count", 40));
    let mut heard = String::new();
    while heard.len() < 3 {
        stops.next();
        while let Ok(event) = stream.receiver.try_recv() {
            if let Event::Text { text } = event {
                heard.push_str(&text);
            }
        }
    }
    engine.cancel(stream.id);
    stops.release();
    let completion = done(stream);
    assert_eq!(completion.finish_reason, FinishReason::Cancelled);
    assert!(completion.text.starts_with(heard.trim()) && completion.text.len() < whole.text.len());
    assert!(
        whole.text.starts_with(&completion.text),
        "{whole:?} {completion:?}"
    );
    assert_eq!(
        completion.token_ids,
        whole.token_ids[..completion.token_ids.len()]
    );
}

#[test]
fn waiting_work_can_be_cancelled() {
    let (engine, world) = loaded(EngineOptions {
        max_batch: 1,
        ..EngineOptions::default()
    });
    let stops = world.stops();
    let first = engine.submit(ask(None, "first", 4));
    stops.wait(Stage::Reading);
    let second = engine.submit(ask(None, "second", 4));
    assert_eq!(engine.status().queue, [first.id, second.id]);
    engine.cancel(second.id);
    stops.release();
    assert_eq!(failed(second), FailureCode::Cancelled);
    assert_eq!(done(first).token_ids.len(), 4);
}

#[test]
fn a_client_that_leaves_stops_the_work() {
    let (engine, world) = loaded(EngineOptions::default());
    let stops = world.stops();
    let stream = engine.submit(ask(Some(3), "who cares", 300));
    stops.wait(Stage::Reading);
    drop(stream);
    stops.release();
    // Behind it in the queue, so its end is seen before this one's.
    assert_eq!(done(engine.submit(ask(None, "next", 2))).token_ids.len(), 2);
    assert!(world.calls().len() <= 5, "{:?}", world.calls());
    assert!(engine.status().queue.is_empty());
}

#[test]
fn a_stream_whose_engine_is_gone_says_so_once() {
    let (sender, receiver) = mpsc::unbounded_channel();
    drop(sender);
    let mut stream = EventStream::new(crate::RequestId(1), receiver);
    let event = stream.next_blocking();
    assert!(
        matches!(
            &event,
            Some(Event::Failed(Failure {
                code: FailureCode::Gone,
                ..
            }))
        ),
        "{event:?}"
    );
    assert_eq!(stream.next_blocking(), None);
}
