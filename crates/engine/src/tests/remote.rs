//! The same engine in another process, as far as pipes can tell, and that process's death.

use super::asking::{ahead, all, ask, done, engine, failed};
use super::fake::{FakeLoader, World};
use crate::clock::{Clock, SystemClock};
use crate::remote::frame::{self, FromHost, ToHost};
use crate::remote::{Link, Start};
use crate::{EngineHandle, EngineOptions, Event, FailureCode, Places, RequestId, Status, host};
use std::io::{PipeReader, PipeWriter, pipe};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use visavis_llava::Stage;
use visavis_llava::device::DeviceChoice;
use visavis_llava::generate::FinishReason;

/// The host's life, given what it reads and writes.
type Life = Box<dyn FnOnce(PipeReader, PipeWriter) + Send>;

/// A start that runs these lives, one each time, on threads. Dropping its pipes is a death.
fn lives(lives: Vec<Life>) -> Start {
    let lives = Mutex::new(lives.into_iter());
    Box::new(move || {
        let life = lives
            .lock()
            .unwrap()
            .next()
            .expect("another start than planned");
        let (theirs, to) = pipe()?;
        let (from, out) = pipe()?;
        std::thread::spawn(move || life(theirs, out));
        Ok(Link {
            to: Box::new(to),
            from: Box::new(from),
            child: None,
        })
    })
}

/// A whole host on the fake model, and the engine inside it.
fn healthy() -> (Life, Arc<World>, EngineHandle) {
    let (engine, world) = engine(EngineOptions::default());
    let served = engine.clone();
    let life: Life = Box::new(move |input, output| {
        host::serve(input, output, &served).unwrap();
    });
    (life, world, engine)
}

/// A host that loads, writes the beginning of an answer, and dies.
fn mortal() -> Life {
    Box::new(|mut input, mut output| {
        let mut say = |id: RequestId, event: Event| {
            let status = Status {
                model: Some("fake".into()),
                ..Status::default()
            };
            frame::write(&mut output, FromHost { id, event, status }).unwrap();
        };
        loop {
            match frame::read(&mut input).unwrap() {
                Some(ToHost::Load { id, .. }) => say(id, Event::Ready),
                Some(ToHost::Submit { id, .. }) => {
                    return say(
                        id,
                        Event::Text {
                            text: "It is".into(),
                        },
                    );
                }
                _ => {}
            }
        }
    })
}

/// A handle whose graphics card is reached through `start`.
fn handle(start: Start) -> (EngineHandle, Arc<World>) {
    let world = Arc::new(World::default());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let places = Places {
        is_remote: |choice| matches!(choice, DeviceChoice::Cuda(_)),
        start,
    };
    let loader = FakeLoader(Arc::clone(&world));
    let options = EngineOptions::default();
    (
        EngineHandle::start_with(loader, clock, options, places).unwrap(),
        world,
    )
}

fn load(engine: &EngineHandle, device: DeviceChoice) -> Vec<Event> {
    all(engine.load("fake".into(), device))
}

#[test]
fn an_engine_elsewhere_answers_as_one_here() {
    let (life, there, _) = healthy();
    let (engine, here) = handle(lives(vec![life]));
    assert_eq!(
        load(&engine, DeviceChoice::Cuda(0)).last(),
        Some(&Event::Ready)
    );
    assert_eq!(engine.status().model.as_deref(), Some(Path::new("fake")));
    assert_eq!(all(engine.prepare(ahead(3))).last(), Some(&Event::Ready));
    let events = all(engine.submit(ask(Some(3), "what is it", 12)));
    let Some(Event::Done(remote)) = events.last().cloned() else {
        panic!("{events:?}")
    };
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Progress { .. }))
    );
    let text: String = events
        .iter()
        .filter_map(|event| {
            if let Event::Text { text } = event {
                Some(text.as_str())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(text.trim(), remote.text);
    assert!(engine.status().queue.is_empty());
    assert!(engine.status().cache_bytes > 0);
    assert_eq!((there.seen(), here.calls()), (1, vec![]));

    // And back: the same answer, from this process.
    assert_eq!(load(&engine, DeviceChoice::Cpu).last(), Some(&Event::Ready));
    assert_eq!(
        done(engine.submit(ask(Some(3), "what is it", 12))).text,
        remote.text
    );
    assert_eq!(here.seen(), 1);
    assert_eq!(engine.status().device, "cpu");
}

#[test]
fn failures_and_cancels_cross_the_border() {
    let (life, there, inside) = healthy();
    let (engine, _) = handle(lives(vec![life]));
    assert_eq!(
        failed(engine.submit(ask(None, "a", 3))),
        FailureCode::NoModel
    );
    assert_eq!(
        load(&engine, DeviceChoice::Cuda(0)).last(),
        Some(&Event::Ready)
    );
    assert_eq!(
        failed(engine.submit(ask(None, "a", 100_000))),
        FailureCode::ContextFull
    );
    let mut torn = ask(Some(3), "a", 3);
    torn.pictures[0].height = 2;
    assert_eq!(failed(engine.submit(torn)), FailureCode::BadRequest);
    let stops = there.stops();
    let mut stream = engine.submit(ask(None, "count", 300));
    // Reading the prompt and the first two tokens, of which the first is a space.
    for _ in 0..9 {
        stops.next();
    }
    while !matches!(stream.next_blocking(), Some(Event::Text { .. })) {}
    assert_eq!(engine.status().queue, [stream.id]);
    engine.cancel(stream.id);
    // What comes behind the cancel through the pipe has arrived when the cancel has.
    let behind = engine.submit(ask(None, "next", 2));
    while inside.status().queue.len() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    stops.release();
    let cut = done(stream);
    assert_eq!(cut.finish_reason, FinishReason::Cancelled);
    assert_eq!(cut.token_ids.len(), 2);
    assert_eq!(done(behind).token_ids.len(), 2);
    assert_eq!(all(engine.unload()), [Event::Ready]);
    assert_eq!(engine.status().model, None);
    assert_eq!(
        failed(engine.submit(ask(None, "a", 3))),
        FailureCode::NoModel
    );
}

#[test]
fn the_death_of_the_host_is_survived() {
    let (life, _, _) = healthy();
    let (engine, _) = handle(lives(vec![mortal(), life]));
    assert_eq!(
        load(&engine, DeviceChoice::Cuda(0)).last(),
        Some(&Event::Ready)
    );
    let waiting = engine.prepare(ahead(3));
    let events = all(engine.submit(ask(Some(3), "what is it", 12)));
    assert_eq!(
        events.first(),
        Some(&Event::Text {
            text: "It is".into()
        })
    );
    let Some(Event::Failed(failure)) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(failure.code, FailureCode::Gone);
    assert!(
        failure.message.contains("load the model again"),
        "{failure}"
    );
    assert_eq!(failed(waiting), FailureCode::Gone);
    let status = engine.status();
    assert_eq!((status.model, status.queue), (None, vec![]));
    assert_eq!(
        failed(engine.submit(ask(None, "a", 3))),
        FailureCode::NoModel
    );
    assert_eq!(
        load(&engine, DeviceChoice::Cuda(0)).last(),
        Some(&Event::Ready)
    );
    assert_eq!(done(engine.submit(ask(None, "a", 3))).token_ids.len(), 3);
}

#[test]
fn a_host_that_cannot_start_or_speaks_nonsense_is_an_error() {
    let (engine, _) = handle(Box::new(|| Err(std::io::ErrorKind::NotFound.into())));
    let load_failure = failed(engine.load("fake".into(), DeviceChoice::Cuda(0)));
    assert_eq!(load_failure, FailureCode::Device);
    let babble: Life = Box::new(|_, mut output| {
        use std::io::Write;
        output
            .write_all(b"libcuda.so.1: cannot open shared object file")
            .unwrap();
    });
    let (engine, _) = handle(lives(vec![babble]));
    assert_eq!(
        failed(engine.load("fake".into(), DeviceChoice::Cuda(0))),
        FailureCode::Gone
    );
}

#[test]
fn a_host_whose_program_is_gone_stops_working() {
    let (engine, world) = engine(EngineOptions::default());
    let (input, mut to) = pipe().unwrap();
    let (mut from, output) = pipe().unwrap();
    let served = engine.clone();
    let serving = std::thread::spawn(move || host::serve(input, output, &served));
    let (id, path) = (RequestId(1), "fake".into());
    frame::write(
        &mut to,
        ToHost::Load {
            id,
            path,
            device: DeviceChoice::Cpu,
        },
    )
    .unwrap();
    while !frame::read::<FromHost>(&mut from)
        .unwrap()
        .unwrap()
        .event
        .is_last()
    {}
    let (id, request) = (RequestId(2), ask(None, "count", 300));
    let whole = done(engine.submit(request.clone())).token_ids.len();
    world.take_calls();
    let stops = world.stops();
    frame::write(&mut to, ToHost::Submit { id, request }).unwrap();
    stops.wait(Stage::Reading);
    drop((to, from));
    // One boundary at a time, so that the broken pipe can be noticed on the way.
    while !engine.status().queue.is_empty() && world.calls().len() < whole {
        stops.next_within(Duration::from_millis(100));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(
        world.calls().len() < whole / 2,
        "it wrote the whole answer for nobody"
    );
    stops.release();
    assert!(
        serving.join().unwrap().is_ok(),
        "the end of the input is no error"
    );
}
