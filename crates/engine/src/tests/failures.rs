//! What goes wrong stays where it went wrong.

use super::asking::{ahead, all, ask, batch, done, engine, failed, loaded, picture};
use super::fake::{CONTEXT, Call, Trouble};
use crate::{EngineHandle, EngineOptions, Event, EventStream, FailureCode};
use std::time::{Duration, Instant};
use visavis_llava::Stage;
use visavis_llava::device::DeviceChoice;

fn load(engine: &EngineHandle, path: &str) -> EventStream {
    engine.load(path.into(), DeviceChoice::Cpu)
}

/// The message of the failure that ends a stream.
fn message(stream: EventStream) -> String {
    match all(stream).last() {
        Some(Event::Failed(failure)) => failure.message.clone(),
        other => panic!("no failure, but {other:?}"),
    }
}

#[test]
fn without_a_model_every_request_says_so() {
    let (engine, _) = engine(EngineOptions::default());
    assert_eq!(
        failed(engine.submit(ask(None, "a", 3))),
        FailureCode::NoModel
    );
    assert_eq!(failed(engine.prepare(ahead(3))), FailureCode::NoModel);
    assert_eq!(all(engine.unload()), [Event::Ready]);
}

#[test]
fn a_damaged_model_fails_what_waited_for_it_and_no_more() {
    let (engine, world) = engine(EngineOptions::default());
    let stops = world.stops();
    let damaged = load(&engine, "damaged");
    stops.wait(Stage::Loading);
    let waiting = engine.submit(ask(None, "a", 3));
    stops.release();
    let told = message(damaged);
    assert!(
        told.contains("damaged") && told.contains("download it again"),
        "{told}"
    );
    assert_eq!(failed(waiting), FailureCode::BadModel);
    assert_eq!(engine.status().model, None);
    assert!(!engine.status().loading);
    assert_eq!(all(load(&engine, "fake")).last(), Some(&Event::Ready));
    assert_eq!(done(engine.submit(ask(None, "a", 3))).token_ids.len(), 3);
}

#[test]
fn a_panic_fails_what_is_in_flight_and_the_engine_lives() {
    for (stage, trouble) in [
        (Stage::Reading, Trouble::Panic),
        (Stage::Seeing, Trouble::Panic),
    ] {
        let (engine, world) = loaded(EngineOptions::default());
        let whole = done(engine.submit(ask(Some(3), "what is it", 9)));
        let stops = world.stops();
        let first = engine.submit(ask(None, "first", 9));
        stops.wait(Stage::Reading);
        let second = engine.submit(ask(Some(4), "second", 9));
        let waiting = engine.submit(batch(None, "waiting", 9));
        world.trouble(stage, trouble);
        stops.release();
        for stream in [first, second, waiting] {
            assert_eq!(failed(stream), FailureCode::Crashed, "{stage:?}");
        }
        let status = engine.status();
        assert_eq!((status.model, status.cache_bytes), (None, 0));
        assert!(status.queue.is_empty());
        assert_eq!(world.calls().last(), Some(&Call::Drop));
        assert_eq!(
            failed(engine.submit(ask(None, "a", 3))),
            FailureCode::NoModel
        );
        assert_eq!(all(load(&engine, "fake")).last(), Some(&Event::Ready));
        assert_eq!(
            done(engine.submit(ask(Some(3), "what is it", 9))).text,
            whole.text
        );
    }
}

#[test]
fn a_panic_while_loading_or_unloading_is_survived() {
    let (engine, world) = engine(EngineOptions::default());
    world.trouble(Stage::Loading, Trouble::Panic);
    let told = message(load(&engine, "fake"));
    assert!(told.contains("the model's code is wrong"), "{told}");
    assert_eq!(all(load(&engine, "fake")).last(), Some(&Event::Ready));
    world.trouble(Stage::Loading, Trouble::PanicInDrop);
    assert_eq!(all(engine.unload()), [Event::Ready]);
    assert_eq!(all(load(&engine, "fake")).last(), Some(&Event::Ready));
    // Both at once: a panic in a step, and another while what is left is dropped.
    world.trouble(Stage::Loading, Trouble::PanicInDrop);
    world.trouble(Stage::Reading, Trouble::Panic);
    assert_eq!(
        failed(engine.submit(ask(None, "a", 3))),
        FailureCode::Crashed
    );
    assert_eq!(all(load(&engine, "fake")).last(), Some(&Event::Ready));
    assert_eq!(done(engine.submit(ask(None, "a", 3))).token_ids.len(), 3);
}

/// Two jobs that run together while `trouble` happens in their first common pass, and how each
/// answers alone.
fn pair(troubles: &[Trouble]) -> [(EventStream, String); 2] {
    let (engine, world) = loaded(EngineOptions::default());
    let requests = [batch(None, "first job", 9), batch(Some(3), "second job", 9)];
    let alone = requests
        .clone()
        .map(|request| done(engine.submit(request)).text);
    assert_eq!(all(load(&engine, "fake")).last(), Some(&Event::Ready));
    let stops = world.stops();
    let [first, second] = requests;
    let first = engine.submit(first);
    stops.wait(Stage::Reading);
    let second = engine.submit(second);
    stops.wait(Stage::Seeing);
    // The next pass is the first one they share.
    for trouble in troubles {
        world.trouble(Stage::Reading, *trouble);
    }
    stops.release();
    let [first_alone, second_alone] = alone;
    [(first, first_alone), (second, second_alone)]
}

#[test]
fn values_that_are_not_numbers_fail_only_their_sequence() {
    let [(first, first_alone), (second, _)] = pair(&[Trouble::NaN(1)]);
    assert_eq!(failed(second), FailureCode::NotANumber);
    assert_eq!(done(first).text, first_alone);
    let [(first, _), (second, second_alone)] = pair(&[Trouble::NaN(0)]);
    assert!(matches!(all(first).last(), Some(Event::Failed(_))));
    assert_eq!(done(second).text, second_alone);
}

#[test]
fn a_batch_that_runs_out_of_memory_is_tried_one_by_one() {
    let [(first, first_alone), (second, second_alone)] = pair(&[Trouble::Memory]);
    assert_eq!(done(first).text, first_alone);
    assert_eq!(done(second).text, second_alone);
    let [(first, _), (second, second_alone)] = pair(&[Trouble::Memory, Trouble::Memory]);
    assert_eq!(failed(first), FailureCode::Computation);
    assert_eq!(done(second).text, second_alone);
}

#[test]
fn a_single_question_without_memory_fails_after_idle_caches_are_gone() {
    let (engine, world) = loaded(EngineOptions::default());
    // Shares too little with the question to be used for it.
    let mut other = ask(None, "something else entirely", 3);
    other.conversation.system = Some("T".into());
    done(engine.submit(other));
    world.trouble(Stage::Reading, Trouble::Memory);
    assert_eq!(done(engine.submit(ask(Some(3), "a", 3))).token_ids.len(), 3);
    let (engine, world) = loaded(EngineOptions::default());
    world.trouble(Stage::Reading, Trouble::Memory);
    let told = message(engine.submit(ask(None, "a", 3)));
    assert!(told.contains("out of memory"), "{told}");
    assert_eq!(done(engine.submit(ask(None, "a", 3))).token_ids.len(), 3);
}

#[test]
fn a_full_context_is_said_before_any_work() {
    let (engine, world) = loaded(EngineOptions::default());
    let told = message(engine.submit(ask(Some(3), "a", CONTEXT)));
    let numbers = [CONTEXT.to_string(), "new conversation".into()];
    assert!(
        numbers.iter().all(|part| told.contains(part.as_str())),
        "{told}"
    );
    let long = "x".repeat(CONTEXT);
    assert_eq!(
        failed(engine.submit(ask(None, &long, 1))),
        FailureCode::ContextFull
    );
    assert_eq!(world.calls(), []);
    // The last position that fits is used.
    let length = done(engine.submit(ask(None, "a", 1)))
        .prompt_token_ids
        .len();
    let fits = engine.submit(ask(None, "a", CONTEXT - length));
    assert!(matches!(all(fits).last(), Some(Event::Done(_))));
    let one_more = engine.submit(ask(None, "a", CONTEXT - length + 1));
    assert_eq!(failed(one_more), FailureCode::ContextFull);
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let (engine, world) = loaded(EngineOptions::default());
    let mut missing = ask(Some(3), "a", 3);
    missing.pictures.clear();
    let mut torn = ask(Some(3), "a", 3);
    torn.pictures[0].height = 2;
    let mut empty = ask(Some(3), "a", 3);
    empty.pictures[0] = picture(0);
    let mut wild = ask(None, "a", 3);
    wild.sampling.temperature = f64::NAN;
    for request in [
        missing,
        torn,
        empty,
        wild,
        ask(None, "a", 0),
        ask(None, "", 3),
    ] {
        assert_eq!(failed(engine.submit(request)), FailureCode::BadRequest);
    }
    assert_eq!(world.calls(), []);
    assert!(engine.status().queue.is_empty());
}

#[test]
fn the_thread_ends_with_the_last_handle() {
    let (engine, world) = loaded(EngineOptions::default());
    let second = engine.clone();
    let answer = engine.submit(ask(None, "a", 5));
    drop(engine);
    assert_eq!(done(answer).token_ids.len(), 5);
    drop(second);
    let begun = Instant::now();
    while world.calls().last() != Some(&Call::Drop) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the model was not dropped"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_checkpoint_that_changed_on_disk_is_not_read_any_further() {
    let (engine, world) = loaded(EngineOptions::default());
    world.trouble(Stage::Loading, Trouble::Replaced);
    assert_eq!(
        failed(engine.submit(ask(None, "a", 3))),
        FailureCode::BadModel
    );
    assert_eq!(world.calls(), []);
}
