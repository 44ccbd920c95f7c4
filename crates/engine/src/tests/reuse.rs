//! Nothing is computed twice, and nothing is mistaken for something else.

use super::asking::{ahead, all, ask, batch, done, failed, loaded};
use super::fake::{Call, POSITION_BYTES};
use crate::{Completion, EngineOptions, Event, FailureCode, Request};
use visavis_llava::Stage;
use visavis_llava::prompt::Message;

/// How many positions two answers' prompts share.
fn shared(a: &Completion, b: &Completion) -> usize {
    a.prompt_token_ids
        .iter()
        .zip(&b.prompt_token_ids)
        .take_while(|(a, b)| a == b)
        .count()
}

/// What an engine that has computed nothing before answers.
fn fresh(request: Request) -> Completion {
    done(loaded(EngineOptions::default()).0.submit(request))
}

#[test]
fn a_second_question_about_a_picture_computes_only_itself() {
    let (engine, world) = loaded(EngineOptions::default());
    let first = done(engine.submit(ask(Some(3), "what is it", 12)));
    let second = done(engine.submit(ask(Some(3), "who made it", 12)));
    let common = shared(&first, &second);
    assert!(common > 5, "system text and picture");
    assert_eq!(
        second.timings.prefill_tokens,
        second.prompt_token_ids.len() - common
    );
    assert_eq!(world.seen(), 1);
    assert_eq!(second.text, fresh(ask(Some(3), "who made it", 12)).text);
}

#[test]
fn the_same_question_again_computes_one_position() {
    let (engine, _) = loaded(EngineOptions::default());
    let first = done(engine.submit(ask(Some(3), "what is it", 12)));
    let again = done(engine.submit(ask(Some(3), "what is it", 12)));
    assert_eq!(again.timings.prefill_tokens, 1);
    assert_eq!(again.text, first.text);
}

#[test]
fn a_follow_up_computes_only_what_is_new() {
    let (engine, _) = loaded(EngineOptions::default());
    let first = done(engine.submit(ask(Some(3), "what is it", 12)));
    let mut request = ask(Some(3), "what is it", 12);
    request
        .conversation
        .messages
        .push(Message::assistant(&first.text));
    request
        .conversation
        .messages
        .push(Message::user("and then", 0));
    let second = done(engine.submit(request.clone()));
    // The answer's last token was chosen, but never went through the model.
    let known = first.prompt_token_ids.len() + first.token_ids.len() - 1;
    assert_eq!(
        second.timings.prefill_tokens,
        second.prompt_token_ids.len() - known
    );
    assert_eq!(second.text, fresh(request).text);
}

#[test]
fn another_picture_of_the_same_size_of_prompt_is_not_mistaken() {
    let (engine, world) = loaded(EngineOptions::default());
    let one = done(engine.submit(ask(Some(3), "what is it", 12)));
    let two = done(engine.submit(ask(Some(4), "what is it", 12)));
    assert_eq!(one.prompt_token_ids, two.prompt_token_ids);
    assert_ne!(one.text, two.text);
    assert_eq!(two.text, fresh(ask(Some(4), "what is it", 12)).text);
    assert_eq!(world.seen(), 2);
}

#[test]
fn reading_ahead_leaves_only_the_question() {
    let (engine, world) = loaded(EngineOptions::default());
    assert_eq!(all(engine.prepare(ahead(3))).last(), Some(&Event::Ready));
    let prepared = world.computed();
    assert!(prepared > 5);
    let answer = done(engine.submit(ask(Some(3), "what is it", 12)));
    assert_eq!(
        answer.timings.prefill_tokens,
        answer.prompt_token_ids.len() - prepared
    );
    assert_eq!((world.seen(), answer.timings.image_s), (1, 0.0));
    assert_eq!(world.computed(), answer.prompt_token_ids.len() + 11);
    assert_eq!(answer.text, fresh(ask(Some(3), "what is it", 12)).text);
    // What is known already costs nothing at all.
    world.take_calls();
    assert_eq!(all(engine.prepare(ahead(3))).last(), Some(&Event::Ready));
    assert_eq!(world.take_calls(), []);
}

#[test]
fn a_question_takes_over_from_reading_ahead() {
    for stage in [Stage::Seeing, Stage::Reading] {
        let (engine, world) = loaded(EngineOptions {
            chunk: 6,
            ..EngineOptions::default()
        });
        let stops = world.stops();
        let ready = engine.prepare(ahead(3));
        stops.wait(stage);
        let question = engine.submit(ask(Some(3), "what is it", 12));
        stops.release();
        let answer = done(question);
        assert_eq!(all(ready).last(), Some(&Event::Ready));
        assert_eq!(world.seen(), 1, "{stage:?}");
        assert_eq!(
            world.computed(),
            answer.prompt_token_ids.len() + 11,
            "{stage:?}"
        );
        assert_eq!(answer.text, fresh(ask(Some(3), "what is it", 12)).text);
    }
}

#[test]
fn a_picture_in_pieces_is_the_same_picture() {
    let whole = fresh(ask(Some(3), "what is it", 12));
    for chunk in 1..=7 {
        let (engine, _) = loaded(EngineOptions {
            chunk,
            ..EngineOptions::default()
        });
        assert_eq!(
            done(engine.submit(ask(Some(3), "what is it", 12))).text,
            whole.text
        );
    }
}

#[test]
fn idle_caches_keep_their_limit() {
    let (probe, _) = loaded(EngineOptions::default());
    let length = done(probe.submit(ask(Some(3), "one", 12)))
        .prompt_token_ids
        .len()
        + 11;
    let limit = length * POSITION_BYTES;
    let (engine, world) = loaded(EngineOptions {
        cache_bytes: limit,
        ..EngineOptions::default()
    });
    let whole = done(engine.submit(ask(Some(3), "one", 12)));
    assert_eq!(engine.status().cache_bytes, limit);
    // A different conversation of the same length pushes it out.
    let mut other = ask(Some(4), "two", 12);
    other.conversation.system = Some("T".into());
    done(engine.submit(other));
    assert!(engine.status().cache_bytes <= limit);
    world.take_calls();
    let again = done(engine.submit(ask(Some(3), "one", 12)));
    assert!(again.timings.prefill_tokens > 10, "{again:?}");
    assert_eq!(world.seen(), 0, "its features are small and stay");
    assert_eq!(again.text, whole.text);
    // Nothing fits: nothing is kept, and answers are the same.
    let (engine, _) = loaded(EngineOptions {
        cache_bytes: 0,
        ..EngineOptions::default()
    });
    for _ in 0..2 {
        let answer = done(engine.submit(ask(Some(3), "one", 12)));
        assert_eq!(answer.timings.prefill_tokens, answer.prompt_token_ids.len());
        assert_eq!(answer.text, whole.text);
    }
    assert_eq!(engine.status().cache_bytes, 0);
}

#[test]
fn unloading_forgets_everything() {
    let (engine, world) = loaded(EngineOptions::default());
    done(engine.submit(ask(Some(3), "one", 4)));
    world.take_calls();
    assert_eq!(all(engine.unload()), [Event::Ready]);
    let status = engine.status();
    assert_eq!(
        (status.model, status.device.as_str(), status.cache_bytes),
        (None, "", 0)
    );
    assert_eq!(world.calls(), [Call::Drop]);
    assert_eq!(
        failed(engine.submit(ask(None, "a", 4))),
        FailureCode::NoModel
    );
}

#[test]
fn a_job_reads_a_picture_once_for_all_its_questions() {
    let (engine, world) = loaded(EngineOptions {
        max_batch: 1,
        ..EngineOptions::default()
    });
    let streams: Vec<_> = ["one", "two", "three"]
        .map(|text| engine.submit(batch(Some(3), text, 4)))
        .into();
    let answers: Vec<_> = streams.into_iter().map(done).collect();
    assert_eq!(world.seen(), 1);
    for pair in answers.windows(2) {
        let fresh = pair[1].prompt_token_ids.len() - shared(&pair[0], &pair[1]);
        assert_eq!(pair[1].timings.prefill_tokens, fresh);
    }
}
