//! Unit tests of generation: sampling, stopping, and text that leaves in whole characters.

use super::*;
use crate::tokenizer::tests::small;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    max_tokens: 100,
    stop_repetition: true,
};

/// Logits that make `id` win.
fn vote(id: u32) -> Vec<f32> {
    let mut logits = vec![0.0; 512];
    logits[id as usize] = 1.0;
    logits
}

/// An answer of a model that says `script`, then `</s>`.
fn answer(script: &[u32], limits: Limits) -> (Vec<TokenStep>, Generation) {
    let small = small();
    let generation = Generation::new(&small, &Sampling::default(), &[], limits, false).unwrap();
    let mut rest = script
        .iter()
        .skip(1)
        .copied()
        .chain(std::iter::repeat(small.eos()));
    let first = script.first().copied().unwrap_or(small.eos());
    let mut fed = Vec::new();
    let mut generator = Generator::new(generation, vote(first), |last| {
        fed.push(last);
        Ok(vote(rest.next().unwrap()))
    });
    let steps: Vec<TokenStep> = generator.by_ref().map(Result::unwrap).collect();
    assert!(generator.next().is_none());
    let generation = generator.generation;
    // Each token but the last was fed back, once, in order.
    let said: Vec<u32> = steps.iter().map(|step| step.token).collect();
    assert_eq!(fed, said[..said.len().saturating_sub(1)]);
    (steps, generation)
}

fn text_of(steps: &[TokenStep]) -> String {
    steps
        .iter()
        .filter_map(|step| step.text.as_deref())
        .collect()
}

#[test]
fn an_answer_ends_with_the_end_mark() {
    let script = small().encode("the cat\n").unwrap();
    let (steps, generation) = answer(&script, LIMITS);
    assert_eq!(generation.finish(), Some(FinishReason::Stop));
    assert_eq!(generation.ids(), script);
    assert_eq!(
        (text_of(&steps).as_str(), generation.text()),
        ("the cat\n", "the cat\n")
    );
    let last = steps.last().unwrap();
    // The newline is a byte, held until it is certain that nothing joins it.
    assert_eq!(
        (last.token, last.text.as_deref(), last.finish),
        (2, Some("\n"), Some(FinishReason::Stop))
    );
    assert!(
        steps[..steps.len() - 1]
            .iter()
            .all(|step| step.finish.is_none())
    );
}

#[test]
fn an_answer_ends_at_its_length() {
    let script = small().encode("the cat the cat").unwrap();
    let (steps, generation) = answer(
        &script,
        Limits {
            max_tokens: 3,
            ..LIMITS
        },
    );
    assert_eq!(
        (steps.len(), generation.finish()),
        (3, Some(FinishReason::Length))
    );
    assert_eq!(text_of(&steps), "the cat the");
    let (steps, generation) = answer(
        &script,
        Limits {
            max_tokens: 4,
            ..LIMITS
        },
    );
    assert_eq!(
        (steps.len(), generation.finish()),
        (4, Some(FinishReason::Length))
    );
    let (steps, generation) = answer(
        &script,
        Limits {
            max_tokens: 5,
            ..LIMITS
        },
    );
    assert_eq!(
        (steps.len(), generation.finish()),
        (5, Some(FinishReason::Stop))
    );
    let (steps, generation) = answer(
        &script,
        Limits {
            max_tokens: 0,
            ..LIMITS
        },
    );
    assert_eq!(
        (steps.len(), generation.finish()),
        (0, Some(FinishReason::Length))
    );
}

#[test]
fn an_answer_in_circles_ends_only_where_asked() {
    let script: Vec<u32> = small().encode("the cat ").unwrap().repeat(50);
    let long = Limits {
        max_tokens: 140,
        stop_repetition: true,
    };
    let (steps, generation) = answer(&script, long);
    assert_eq!(
        (steps.len(), generation.finish()),
        (64, Some(FinishReason::Repetition))
    );
    let (steps, generation) = answer(
        &script,
        Limits {
            stop_repetition: false,
            ..long
        },
    );
    assert_eq!(
        (steps.len(), generation.finish()),
        (140, Some(FinishReason::Length))
    );
}

#[test]
fn broken_characters_come_out_at_the_end() {
    let byte = |b: u8| 3 + u32::from(b);
    let (steps, generation) = answer(&[byte(0xE4), byte(0xB8)], LIMITS);
    assert_eq!(text_of(&steps), "\u{FFFD}\u{FFFD}");
    assert_eq!(generation.text(), "\u{FFFD}\u{FFFD}");
    let (steps, _) = answer(
        &[byte(0xE4), byte(0xB8), byte(0xAD), byte(0xE4)],
        Limits {
            max_tokens: 3,
            ..LIMITS
        },
    );
    assert_eq!(text_of(&steps), "中");
}

#[test]
fn a_continued_answer_keeps_its_first_space() {
    let small = small();
    let cat = small.encode("cat").unwrap()[0];
    let said = |continues| {
        let mut g = Generation::new(&small, &Sampling::default(), &[], LIMITS, continues).unwrap();
        g.accept(&vote(cat)).unwrap().text.unwrap()
    };
    assert_eq!((said(false).as_str(), said(true).as_str()), ("cat", " cat"));
}

#[test]
fn cancelling_gives_out_what_was_held() {
    let mut generation =
        Generation::new(&small(), &Sampling::default(), &[], LIMITS, false).unwrap();
    assert_eq!(generation.accept(&vote(3 + 10)).unwrap().text, None);
    assert_eq!(generation.cancel().as_deref(), Some("\n"));
    assert_eq!(
        (generation.finish(), generation.text()),
        (Some(FinishReason::Cancelled), "\n")
    );
    assert_eq!(generation.cancel(), None);
    assert!(matches!(
        generation.accept(&vote(40)),
        Err(Error::Request(_))
    ));
}

#[test]
fn the_penalty_counts_prompt_and_answer() {
    let small = small();
    let sampling = Sampling {
        repetition_penalty: 4.0,
        ..Sampling::default()
    };
    let prompt = [PromptToken::Id(300), PromptToken::Picture(0)];
    let mut generation = Generation::new(&small, &sampling, &prompt, LIMITS, false).unwrap();
    let mut logits = vec![0.0; 512];
    (logits[300], logits[301], logits[302]) = (3.0, 2.0, 1.0);
    let mut next = || generation.accept(&logits).unwrap().token;
    assert_eq!([next(), next(), next()], [301, 302, 300]);
}

#[test]
fn a_broken_model_ends_the_iterator_with_an_error() {
    let small = small();
    let generation = Generation::new(&small, &Sampling::default(), &[], LIMITS, false).unwrap();
    let mut generator = Generator::new(generation, vote(300), |_| Ok(vec![f32::NAN; 512]));
    assert_eq!(generator.next().unwrap().unwrap().token, 300);
    assert!(matches!(generator.next(), Some(Err(Error::NotANumber))));
    assert!(generator.next().is_none());
    assert_eq!(generator.generation().ids(), [300]);
}

#[test]
fn padding_rows_never_win() {
    let mut logits = vec![0.0; 512];
    logits[511] = 50.0;
    logits[300] = 1.0;
    for temperature in [0.0, 0.01] {
        let sampling = Sampling {
            temperature,
            ..Sampling::default()
        };
        let mut generation = Generation::new(&small(), &sampling, &[], LIMITS, false).unwrap();
        assert_eq!(generation.accept(&logits).unwrap().token, 300);
    }
}

proptest! {
    #[test]
    fn steps_add_up_to_the_decoded_answer(script in prop::collection::vec(3..small().pieces() as u32, 0..60)) {
        let (steps, generation) = answer(&script, LIMITS);
        prop_assert_eq!(generation.ids(), &script);
        let whole = small().decode(&script).unwrap();
        prop_assert_eq!(text_of(&steps), whole.as_str());
        prop_assert_eq!(generation.text(), whole);
    }
}
