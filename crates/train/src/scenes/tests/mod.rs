//! What drawn data promises: the same seed the same bytes, nothing of the test in training,
//! truth in every answer, boxes around the ink.

mod answers;
mod files;
mod pixels;
mod secrecy;

use super::attributes::Language;
use super::*;

fn generator(split: Split, seed: u64) -> Generator {
    Generator::new(Options {
        seed,
        split,
        ..Options::default()
    })
    .unwrap()
}

/// Some questions of every category in every language.
fn questions(split: Split, each: u64) -> Vec<Sample> {
    let generator = generator(split, 3);
    let mut all = Vec::new();
    for category in Category::ALL {
        for language in [Language::English, Language::Chinese] {
            for index in 0..each {
                let asked = generator.question(category, language, index);
                let expected = language == Language::English || category.in_chinese();
                assert_eq!(
                    asked.is_some(),
                    expected,
                    "{category:?} {language:?} {index}"
                );
                all.extend(asked);
            }
        }
    }
    all
}

#[test]
fn the_same_name_gives_the_same_sample_in_any_order_and_thread() {
    let one = generator(Split::Train, 7);
    let forwards: Vec<_> = (0..12).map(|n| fingerprint(&one, n)).collect();
    let other = generator(Split::Train, 7);
    let threads: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..12)
            .rev()
            .map(|n| {
                (
                    n,
                    scope.spawn({
                        let other = &other;
                        move || fingerprint(other, n)
                    }),
                )
            })
            .collect();
        let mut done: Vec<_> = workers
            .into_iter()
            .map(|(n, w)| (n, w.join().unwrap()))
            .collect();
        done.sort_by_key(|(n, _)| *n);
        done.into_iter().map(|(_, print)| print).collect()
    });
    assert_eq!(forwards, threads);
    let reseeded = generator(Split::Train, 8);
    assert!((0..12).all(|n| fingerprint(&reseeded, n) != forwards[n as usize]));
}

/// Everything of a sample: the file's bytes and every word.
fn fingerprint(generator: &Generator, index: u64) -> (Vec<u8>, Vec<(String, String)>) {
    let sample = generator.conversation(index);
    let picture = generator.picture(&sample);
    let (bytes, _) = encode(&picture, sample.scene.finish).unwrap();
    let said = sample
        .turns
        .into_iter()
        .map(|turn| (turn.question, turn.answer));
    (bytes, said.collect())
}

fn in_chinese(mut mix: Mix, share: f32) -> Mix {
    mix.chinese = share;
    mix
}

#[test]
fn options_out_of_reach_are_refused() {
    let bad = [
        Options {
            turns: [0, 3],
            ..Options::default()
        },
        Options {
            turns: [4, 3],
            ..Options::default()
        },
        Options {
            side: [10, 50],
            ..Options::default()
        },
        Options {
            side: [300, 200],
            ..Options::default()
        },
        Options {
            mix: in_chinese(Mix::level(5), 2.0),
            ..Options::default()
        },
        Options {
            mix: in_chinese(Mix::only(Category::Box), 0.5),
            ..Options::default()
        },
    ];
    for options in bad {
        assert!(Generator::new(options.clone()).is_err(), "{options:?}");
    }
    let mut nothing = Mix::only(Category::Box);
    nothing.set(Category::Box, 0.0);
    assert!(
        Generator::new(Options {
            mix: nothing,
            ..Options::default()
        })
        .is_err()
    );
}

#[test]
fn conversations_have_the_papers_form() {
    use visavis_llava::prompt::style::Style;
    let generator = generator(Split::Train, 1);
    for index in 0..300 {
        let sample = generator.conversation(index);
        let mut after_short = false;
        let mut chat_is_over = false;
        for turn in &sample.turns {
            let short = turn.ask.style == Style::Short && !turn.ask.may_decline;
            let whole = turn.ask.prompt().unwrap();
            let expected = if short && after_short {
                &turn.ask.question
            } else {
                &whole
            };
            assert_eq!(&turn.question, expected);
            assert!(
                !(turn.ask.style == Style::Chat && chat_is_over),
                "chat after a form"
            );
            chat_is_over |= turn.ask.style != Style::Chat;
            after_short = short;
        }
    }
}

#[test]
fn levels_teach_what_they_say() {
    let taught = |level| {
        let mix = Mix::level(level);
        Category::ALL
            .into_iter()
            .filter(|c| mix.weight(*c) > 0.0)
            .collect::<Vec<_>>()
    };
    for level in 1..5 {
        let (now, next) = (taught(level), taught(level + 1));
        assert!(
            now.iter().all(|c| next.contains(c)),
            "level {level} is forgotten"
        );
    }
    assert!(!taught(1).contains(&Category::Counting) && taught(2).contains(&Category::Counting));
    assert!(!taught(2).contains(&Category::Box) && taught(3).contains(&Category::Refusal));
    assert!(!taught(3).contains(&Category::Reading) && taught(4).contains(&Category::Reading));
    assert_eq!(Mix::level(4).chinese, 0.0);
    assert!(Mix::level(5).chinese > 0.0);
    // What is weighted is really asked.
    let generator = generator(Split::Train, 5);
    let mut asked = std::collections::BTreeMap::new();
    for index in 0..1500 {
        for turn in generator.conversation(index).turns {
            *asked
                .entry((turn.category, turn.language.code()))
                .or_insert(0) += 1;
        }
    }
    for category in Category::ALL {
        let count = asked.get(&(category, "en")).copied().unwrap_or(0);
        assert!(count > 40, "{category:?}: {count} of {asked:?}");
    }
}

#[test]
fn words_are_few() {
    let generator = generator(Split::Train, 2);
    let mut words = std::collections::BTreeSet::new();
    for index in 0..3000 {
        for turn in generator.conversation(index).turns {
            for text in [turn.question, turn.answer] {
                let letters = |c: char| !c.is_ascii_alphabetic();
                words.extend(text.split(letters).map(str::to_lowercase));
            }
        }
    }
    assert!((150..420).contains(&words.len()), "{}", words.len());
}
