//! Engines on the fake model, what is asked of them, and what they answer.

use super::fake::{FakeLoader, World};
use crate::clock::Clock;
use crate::{
    Completion, EngineHandle, EngineOptions, Event, EventStream, FailureCode, Places, Prepare,
    Priority, Request, RequestPicture,
};
use std::sync::Arc;
use visavis_llava::device::DeviceChoice;
use visavis_llava::generate::{FinishReason, Sampling};
use visavis_llava::prompt::{Conversation, Message};

/// An engine on the fake model.
pub(crate) fn engine(options: EngineOptions) -> (EngineHandle, Arc<World>) {
    let world = Arc::new(World::default());
    let loader = FakeLoader(Arc::clone(&world));
    let clock: Arc<dyn Clock> = world.clone();
    let places = Places {
        is_remote: |_| false,
        start: Box::new(|| Err(std::io::ErrorKind::NotFound.into())),
    };
    (
        EngineHandle::start_with(loader, clock, options, places).unwrap(),
        world,
    )
}

/// An engine that has loaded the fake model.
pub(crate) fn loaded(options: EngineOptions) -> (EngineHandle, Arc<World>) {
    let (engine, world) = engine(options);
    assert_eq!(
        all(engine.load("fake".into(), DeviceChoice::Cpu)).last(),
        Some(&Event::Ready)
    );
    world.take_calls();
    (engine, world)
}

/// A picture of its own for every number.
pub(crate) fn picture(number: u32) -> RequestPicture {
    let rgb = Arc::new(vec![7; number as usize * 3]);
    RequestPicture {
        width: number,
        height: 1,
        rgb,
    }
}

/// A question, about a picture if there is one. The system text is short.
pub(crate) fn ask(picture_number: Option<u32>, text: &str, max_tokens: usize) -> Request {
    let pictures: Vec<RequestPicture> = picture_number.map(picture).into_iter().collect();
    Request {
        conversation: Conversation {
            system: Some("S".into()),
            messages: vec![Message::user(text, pictures.len())],
        },
        pictures,
        sampling: Sampling::default(),
        max_tokens,
        stop_repetition: false,
        priority: Priority::Chat,
    }
}

/// The same, as a job asks.
pub(crate) fn batch(picture_number: Option<u32>, text: &str, max_tokens: usize) -> Request {
    Request {
        priority: Priority::Batch,
        ..ask(picture_number, text, max_tokens)
    }
}

/// What is certain of a question about a picture.
pub(crate) fn ahead(picture_number: u32) -> Prepare {
    let Request {
        conversation,
        pictures,
        ..
    } = ask(Some(picture_number), "", 1);
    Prepare {
        conversation,
        pictures,
    }
}

/// Every event.
pub(crate) fn all(mut stream: EventStream) -> Vec<Event> {
    std::iter::from_fn(|| stream.next_blocking()).collect()
}

/// The answer, or a panic that shows what came instead.
pub(crate) fn done(stream: EventStream) -> Completion {
    let events = all(stream);
    match events.last() {
        Some(Event::Done(completion)) => completion.clone(),
        other => panic!("no answer, but {other:?}"),
    }
}

/// Positions that an answer was computed from.
pub(crate) fn cost(answer: &Completion) -> usize {
    // A last token that fills the answer does not go through the model; `</s>` comes after one
    // that did.
    let last = usize::from(answer.finish_reason == FinishReason::Length);
    answer.timings.prefill_tokens + answer.token_ids.len() - last
}

/// The failure's code, or a panic that shows what came instead.
pub(crate) fn failed(stream: EventStream) -> FailureCode {
    match all(stream).last() {
        Some(Event::Failed(failure)) => failure.code,
        other => panic!("no failure, but {other:?}"),
    }
}
