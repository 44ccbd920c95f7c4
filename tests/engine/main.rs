//! The engine on real (tiny) models: the reference's answers come out of it, whatever runs
//! beside them and whatever was computed before.

use std::path::PathBuf;
use std::sync::Arc;
use visavis_engine::{
    Completion, EngineHandle, EngineOptions, Event, EventStream, FailureCode, Prepare, Priority,
    Request, RequestPicture,
};
use visavis_llava::device::DeviceChoice;
use visavis_llava::generate::{FinishReason, Sampling};
use visavis_llava::prompt::{Conversation, Message, Role};
use visavis_testkit::golden::{self, Golden};
use visavis_testkit::{TinyModel, presets};

fn all(mut stream: EventStream) -> Vec<Event> {
    std::iter::from_fn(|| stream.next_blocking()).collect()
}

fn done(stream: EventStream) -> Completion {
    match all(stream).pop() {
        Some(Event::Done(completion)) => completion,
        other => panic!("no answer, but {other:?}"),
    }
}

fn engine(model: &TinyModel, options: EngineOptions) -> EngineHandle {
    let engine = EngineHandle::start(options).expect("a thread");
    let path = model.path().to_owned();
    let events = all(engine.load(path.clone(), DeviceChoice::Cpu));
    assert_eq!(events.last(), Some(&Event::Ready), "{events:?}");
    let status = engine.status();
    assert_eq!((status.model, status.device.as_str()), (Some(path), "cpu"));
    engine
}

/// A picture of coloured stripes, another for every number.
fn picture(number: u32) -> RequestPicture {
    let (width, height) = (40 + number, 30);
    let colour = |at: u32| u8::try_from((at * (number + 3)) % 251).expect("a byte");
    let rgb = Arc::new((0..width * height * 3).map(colour).collect());
    RequestPicture { width, height, rgb }
}

fn ask(pictures: &[u32], text: &str, max_tokens: usize, priority: Priority) -> Request {
    Request {
        conversation: Conversation {
            system: Some("Be brief.".into()),
            messages: vec![Message::user(text, pictures.len())],
        },
        pictures: pictures.iter().map(|number| picture(*number)).collect(),
        sampling: Sampling::default(),
        max_tokens,
        stop_repetition: false,
        priority,
    }
}

/// The golden runs without pictures (theirs are given as pixels, not as picture files).
fn text_runs(golden: &Golden) -> Vec<(Request, Vec<i64>, Vec<u32>)> {
    let of = |run: &golden::Run| {
        let messages = run.messages.iter().map(|message| Message {
            role: if message.role == "user" {
                Role::User
            } else {
                Role::Assistant
            },
            text: message.text.clone(),
            pictures: message.pictures,
        });
        let request = Request {
            conversation: Conversation {
                system: Some(golden.system.clone()),
                messages: messages.collect(),
            },
            ..ask(&[], "", run.greedy.len(), Priority::Chat)
        };
        // The reference was told to go on past `</s>`, which has id 2; the engine stops there.
        let written = run
            .greedy
            .iter()
            .copied()
            .take_while(|id| *id != 2)
            .collect();
        (request, run.ids.clone(), written)
    };
    golden
        .runs
        .iter()
        .filter(|run| run.pictures.is_empty())
        .map(of)
        .collect()
}

#[test]
fn the_reference_answers_come_out_of_the_engine() {
    let mut compared = 0;
    for spec in presets() {
        let golden = golden::load(&spec.name);
        let model = TinyModel::preset(&spec.name);
        let options = EngineOptions {
            chunk: 16,
            ..EngineOptions::default()
        };
        let engine = engine(&model, options);
        for (request, ids, written) in text_runs(&golden) {
            let answer = done(engine.submit(request));
            assert_eq!(answer.prompt_token_ids, ids, "{}", spec.name);
            assert_eq!(answer.token_ids, written, "{}", spec.name);
            compared += 1;
        }
    }
    assert!(compared >= 2, "golden runs without pictures: {compared}");
}

#[test]
fn a_batch_answers_bit_for_bit_as_each_does_alone() {
    let model = TinyModel::preset("base");
    let warm = Sampling {
        temperature: 1.0,
        seed: 11,
        ..Sampling::default()
    };
    let mut requests = vec![
        ask(&[1], "What is this?", 20, Priority::Batch),
        ask(&[2], "What is this?", 7, Priority::Batch),
        ask(&[], "Hello", 25, Priority::Batch),
        ask(&[3, 1], "Compare them.", 12, Priority::Batch),
        ask(&[1], "Who made it?", 20, Priority::Batch),
    ];
    // Drawn tokens would differ with the last bit of a logit.
    for request in &mut requests {
        request.sampling = warm.clone();
    }
    let options = EngineOptions {
        chunk: 13,
        max_batch: 3,
        ..EngineOptions::default()
    };
    let together = engine(&model, options);
    let streams: Vec<_> = requests
        .iter()
        .map(|request| together.submit(request.clone()))
        .collect();
    let answers: Vec<Completion> = streams.into_iter().map(done).collect();
    for (request, answer) in requests.into_iter().zip(answers) {
        let alone = done(engine(&model, EngineOptions::default()).submit(request));
        assert_eq!(alone.token_ids, answer.token_ids);
        assert_eq!(alone.text, answer.text);
    }
}

#[test]
fn a_thread_computes_only_what_is_new_and_answers_the_same() {
    let model = TinyModel::preset("base");
    let kept = engine(&model, EngineOptions::default());
    let mut request = ask(&[1], "What is this?", 16, Priority::Chat);
    let ahead = Prepare {
        conversation: request.conversation.clone(),
        pictures: request.pictures.clone(),
    };
    assert_eq!(all(kept.prepare(ahead)).last(), Some(&Event::Ready));
    let first = done(kept.submit(request.clone()));
    assert_eq!(first.timings.image_s, 0.0, "seen ahead");
    let picture = first
        .prompt_token_ids
        .iter()
        .rposition(|id| *id == -200)
        .expect("a picture");
    assert_eq!(
        first.timings.prefill_tokens,
        first.prompt_token_ids.len() - picture - 1
    );

    request
        .conversation
        .messages
        .push(Message::assistant(&first.text));
    request
        .conversation
        .messages
        .push(Message::user("And then?", 0));
    let second = done(kept.submit(request.clone()));
    assert!(second.timings.prefill_tokens < second.prompt_token_ids.len() - picture);
    let fresh = done(engine(&model, EngineOptions::default()).submit(request));
    assert_eq!(fresh.token_ids, second.token_ids);
    assert_eq!(fresh.timings.prefill_tokens, fresh.prompt_token_ids.len());
}

#[test]
fn a_cancelled_answer_is_a_beginning_of_the_whole_one() {
    let model = TinyModel::preset("base");
    let engine = engine(&model, EngineOptions::default());
    let request = ask(&[1], "What is this?", 200, Priority::Chat);
    let mut stream = engine.submit(request.clone());
    while !matches!(stream.next_blocking(), Some(Event::Text { .. })) {}
    engine.cancel(stream.id);
    let cut = done(stream);
    let whole = done(engine.submit(request));
    assert_eq!(cut.token_ids, whole.token_ids[..cut.token_ids.len()]);
    assert!(cut.finish_reason == FinishReason::Cancelled || cut == whole);
}

#[test]
fn a_folder_without_a_model_is_named() {
    let engine = EngineHandle::start(EngineOptions::default()).expect("a thread");
    let path = PathBuf::from("no-such-model");
    let waiting = engine.load(path, DeviceChoice::Cpu);
    let Some(Event::Failed(failure)) = all(waiting).pop() else {
        panic!("it loaded")
    };
    assert_eq!(failure.code, FailureCode::BadModel);
    assert!(failure.message.contains("no-such-model"), "{failure}");
}
