//! The model against transformers (make_models.py), and against itself: however a prompt reaches
//! the model, whole, in chunks, on a cache or beside others, the bits are the same.

mod model_faults;
mod model_harness;

use model_harness::{Loaded, argmax, bits, each_preset, load, load_on_candle, positions, split};
use visavis_llava::prompt::{Conversation, Message, PromptToken, tokenize};
use visavis_llava::watch::Silent;
use visavis_llava::{Error, Input, Interrupted, Stage, Step};
use visavis_testkit::golden::{IMAGE, distance};

/// Relative error of features: the smallest mistake tried (tanh for erf in the connector) moves
/// them by 9e-5, the reference's own rounding by 5e-6.
const FEATURES: f64 = 2e-5;
/// Relative error of logits: mistakes move them by 1e-2 and more, rounding by 1e-5.
const LOGITS: f64 = 1e-3;

fn at_most(what: impl std::fmt::Display, distance: f64, tolerance: f64) {
    assert!(
        distance <= tolerance,
        "{what}: {distance:.2e}, more than {tolerance:.0e}"
    );
}

#[test]
fn features_equal_the_reference() {
    each_preset(|m| {
        let hidden = m.golden.spec.text.hidden;
        assert_eq!(m.model.image_tokens(), m.golden.image_tokens, "{}", m.name);
        for golden in &m.golden.features {
            let features = m.see(golden.picture);
            let ours = m.model.features_to_host(&features).expect("features");
            assert_eq!(ours.len(), m.golden.image_tokens * hidden, "{}", m.name);
            let rows: Vec<&[f32]> = ours.chunks_exact(hidden).collect();
            let stored: Vec<f32> = golden.rows.iter().flat_map(|&r| rows[r].to_vec()).collect();
            at_most(&m.name, distance(&stored, &golden.values), FEATURES);
            let norms: Vec<f32> = rows.iter().map(|row| norm(row)).collect();
            at_most(&m.name, distance(&norms, &golden.norms), FEATURES);
        }
    });
}

fn norm(row: &[f32]) -> f32 {
    row.iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt() as f32
}

#[test]
fn first_logits_equal_the_reference() {
    each_preset(|m| {
        for run in &m.golden.runs {
            let (cache, logits) = m.plain(run);
            assert_eq!(cache.len(), positions(&m.prompt(run)));
            at_most(
                format!("{}, {}", m.name, run.name),
                distance(&logits, &run.logits),
                LOGITS,
            );
        }
    });
}

/// The operations of graphics cards, run on the processor: in one pass, and on a truncated cache.
#[test]
fn candle_operations_equal_the_reference() {
    for spec in visavis_testkit::presets() {
        let m = load_on_candle(&spec.name);
        for run in &m.golden.runs {
            let (mut cache, logits) = m.plain(run);
            let what = format!("{}, {} on candle", m.name, run.name);
            at_most(&what, distance(&logits, &run.logits), LOGITS);
            let keep = cache.len() / 2;
            cache.truncate(keep);
            let (_, rest) = split(m.prompt(run), keep);
            let again = m.forward_chunked(&mut cache, rest, 16);
            at_most(&what, distance(&again, &run.logits), LOGITS);
        }
    }
}

#[test]
fn sixty_four_greedy_tokens_are_identical() {
    each_preset(|m| {
        for run in &m.golden.runs {
            let (mut cache, mut logits) = m.plain(run);
            let mut ours = Vec::new();
            while ours.len() < run.greedy.len() {
                let id = argmax(&logits);
                ours.push(id);
                logits = m.forward(&mut cache, vec![Input::Tokens(vec![id])]);
            }
            assert_eq!(ours, run.greedy, "{}, {}", m.name, run.name);
        }
    });
}

/// Along a given answer, so that one early difference cannot hide the rest. 16-bit checkpoints
/// are held to the same bound: the reference is f32 arithmetic on the rounded weights.
#[test]
fn logits_along_a_given_answer_equal_the_reference() {
    each_preset(|m| {
        let teacher = &m.golden.teacher;
        let run = &m.golden.runs[teacher.run];
        let rows = teacher.logits.chunks_exact(m.golden.pieces);
        for (&step, expected) in teacher.steps.iter().zip(rows) {
            let mut input = m.prompt(run);
            if step > 0 {
                input.push(Input::Tokens(run.greedy[..step].to_vec()));
            }
            let ours = m.forward(&mut m.model.new_cache(), input);
            at_most(
                format!("{}, step {step}", m.name),
                distance(&ours, expected),
                LOGITS,
            );
        }
    });
}

#[test]
fn prompts_are_those_of_the_reference() {
    let m = load("base");
    for run in &m.golden.runs {
        let messages = run
            .messages
            .iter()
            .map(|message| match message.role.as_str() {
                "user" => Message::user(message.text.as_str(), message.pictures),
                _ => Message::assistant(message.text.as_str()),
            });
        let conversation = Conversation {
            system: None,
            messages: messages.collect(),
        };
        let tokens = tokenize(&conversation, m.model.tokenizer()).expect("a prompt");
        let ids: Vec<i64> = tokens
            .iter()
            .map(|token| match token {
                PromptToken::Id(id) => i64::from(*id),
                PromptToken::Picture(_) => IMAGE,
            })
            .collect();
        assert_eq!(ids, run.ids, "{}", run.name);
    }
}

#[test]
fn chunks_do_not_change_a_bit() {
    each_preset(|m| {
        for run in [&m.golden.runs[0], &m.golden.runs[6], &m.golden.runs[7]] {
            let whole = bits(&m.plain(run).1);
            for size in [1, 7, 64] {
                // 576 positions one at a time say no more than 16 do.
                if size == 1 && m.golden.image_tokens > 100 {
                    continue;
                }
                let mut cache = m.model.new_cache();
                let logits = m.forward_chunked(&mut cache, m.prompt(run), size);
                assert_eq!(bits(&logits), whole, "{}, {}, {size}", m.name, run.name);
            }
        }
    });
}

#[test]
fn a_batch_does_not_change_a_bit() {
    each_preset(|m| {
        let runs = &m.golden.runs;
        let single: Vec<_> = runs.iter().map(|run| m.plain(run)).collect();
        let mut caches: Vec<_> = runs.iter().map(|_| m.model.new_cache()).collect();
        let inputs = runs.iter().map(|run| m.prompt(run)).collect();
        let together = batch(m, &mut caches, inputs);
        for ((run, (_, alone)), beside) in runs.iter().zip(&single).zip(&together) {
            assert_eq!(bits(beside), bits(alone), "{}, {}", m.name, run.name);
        }
        // Decoding beside a prompt that is still being read, as the engine mixes them.
        let (mut alone, _) = m.plain(&runs[0]);
        let next = vec![Input::Tokens(vec![runs[0].greedy[0]])];
        let expected = m.forward(&mut alone, next.clone());
        let mut mixed = vec![caches.swap_remove(0), m.model.new_cache()];
        let rows = batch(m, &mut mixed, vec![next, m.prompt(&runs[1])]);
        assert_eq!(bits(&rows[0]), bits(&expected), "{}", m.name);
        assert_eq!(bits(&rows[1]), bits(&single[1].1), "{}", m.name);
    });
}

fn batch(
    m: &Loaded,
    caches: &mut [visavis_llava::cache::KvCache],
    inputs: Vec<Vec<Input>>,
) -> Vec<Vec<f32>> {
    let mut steps: Vec<Step<'_>> = caches
        .iter_mut()
        .zip(inputs)
        .map(|(cache, input)| Step {
            cache,
            input,
            logits: true,
        })
        .collect();
    let rows = m.model.forward(&mut steps, &Silent).expect("a batch");
    rows.into_iter().map(|row| row.expect("logits")).collect()
}

#[test]
fn logits_come_only_where_asked() {
    let m = load("grouped");
    let (first, second) = (&m.golden.runs[0], &m.golden.runs[6]);
    let (mut a, mut b) = (m.model.new_cache(), m.model.new_cache());
    let mut steps = [
        Step {
            cache: &mut a,
            input: m.prompt(first),
            logits: false,
        },
        Step {
            cache: &mut b,
            input: m.prompt(second),
            logits: true,
        },
    ];
    let rows = m.model.forward(&mut steps, &Silent).expect("a batch");
    assert!(rows[0].is_none());
    let row = rows[1].as_ref().expect("logits");
    assert_eq!(row.len(), m.golden.pieces);
    assert_eq!(bits(row), bits(&m.plain(second).1));
}

#[test]
fn a_second_turn_on_a_cache_does_not_change_a_bit() {
    each_preset(|m| {
        let (first, second) = (&m.golden.runs[0], &m.golden.runs[8]);
        assert!(second.ids.starts_with(&first.ids), "the thread goes on");
        let whole = bits(&m.plain(second).1);
        let (mut cache, _) = m.plain(first);
        let (_, new) = split(m.prompt(second), cache.len());
        let logits = m.forward(&mut cache, new);
        assert_eq!(bits(&logits), whole, "{}", m.name);
        at_most(&m.name, distance(&logits, &second.logits), LOGITS);
    });
}

#[test]
fn a_truncated_cache_goes_on_as_if_nothing_had_followed() {
    each_preset(|m| {
        let (first, other) = (&m.golden.runs[0], &m.golden.runs[2]);
        assert_ne!(first.ids, other.ids);
        let expected = bits(&m.plain(other).1);
        let (mut cache, _) = m.plain(first);
        m.forward(&mut cache, vec![Input::Tokens(first.greedy.clone())]);
        // Back to the question (a new one follows), and back into the middle of the picture.
        let picture = first
            .ids
            .iter()
            .position(|&id| id == IMAGE)
            .expect("a picture");
        for keep in [
            picture + m.golden.image_tokens,
            picture + m.golden.image_tokens / 2,
        ] {
            cache.truncate(keep);
            assert_eq!(cache.len(), keep);
            let (_, rest) = split(m.prompt(other), keep);
            let logits = m.forward(&mut cache, rest);
            assert_eq!(bits(&logits), expected, "{}, {keep}", m.name);
        }
        cache.truncate(0);
        assert!(cache.is_empty());
        cache.truncate(10);
        assert!(cache.is_empty(), "truncating never grows");
    });
}

#[test]
fn an_interrupted_pass_leaves_the_caches_as_they_were() {
    let m = load("grouped");
    let run = &m.golden.runs[0];
    let expected = bits(&m.plain(run).1);
    let (head, tail) = split(m.prompt(run), 20);
    let mut cache = m.model.new_cache();
    m.forward(&mut cache, head);
    let (before, bytes) = (cache.len(), cache.bytes());
    assert!(bytes > 0);
    let stop = |stage: Stage, done: u64, _: u64| match (stage, done) {
        (Stage::Reading, 2..) => Err(Interrupted),
        _ => Ok(()),
    };
    let step = Step {
        cache: &mut cache,
        input: tail.clone(),
        logits: true,
    };
    let outcome = m.model.forward(&mut [step], &stop);
    assert!(matches!(outcome, Err(Error::Interrupted(_))));
    assert_eq!(cache.len(), before);
    assert_eq!(bits(&m.forward(&mut cache, tail)), expected);

    let pixels = visavis_testkit::formula::pixels(m.golden.spec.vision.image_size, 0);
    let blind = |stage: Stage, done: u64, _: u64| match (stage, done) {
        (Stage::Seeing, 2..) => Err(Interrupted),
        _ => Ok(()),
    };
    assert!(matches!(
        m.model.see(&pixels, &blind),
        Err(Error::Interrupted(_))
    ));
}

#[test]
fn what_does_not_fit_is_an_error_and_not_a_panic() {
    let m = load("base");
    let limit = m.model.config().context;
    assert_eq!(limit, m.golden.spec.text.context);
    let mut cache = m.model.new_cache();
    m.forward(&mut cache, vec![Input::Tokens(vec![1; limit])]);
    let mut fails = |input: Vec<Input>| {
        let step = Step {
            cache: &mut cache,
            input,
            logits: true,
        };
        m.model
            .forward(&mut [step], &Silent)
            .map(drop)
            .expect_err("too much")
    };
    assert!(matches!(
        fails(vec![Input::Tokens(vec![1])]),
        Error::ContextFull { .. }
    ));
    assert!(matches!(fails(vec![]), Error::Request(_)));
    assert_eq!(cache.len(), limit);
    cache.truncate(1);
    let mut fails = |input: Vec<Input>| {
        let step = Step {
            cache: &mut cache,
            input,
            logits: true,
        };
        m.model
            .forward(&mut [step], &Silent)
            .map(drop)
            .expect_err("nonsense")
    };
    // Past the table; past the picture.
    fails(vec![Input::Tokens(vec![u32::MAX])]);
    let features = m.see(0);
    let rows = 0..features.len() + 1;
    fails(vec![Input::Image { features, rows }]);
    assert_eq!(cache.len(), 1);
    assert!(m.model.see(&[0.0; 5], &Silent).is_err());
}
