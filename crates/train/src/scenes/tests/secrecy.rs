//! Nothing of the test is in training.

use super::*;
use crate::scenes::attributes::{Colour, Shape, Texture, only_in_test};
use crate::scenes::scene::Scene;

/// Every way of naming a combination that is kept back.
fn secret_names() -> Vec<String> {
    let mut names = Vec::new();
    for colour in Colour::ALL {
        for shape in Shape::ALL {
            if !only_in_test(colour, shape) {
                continue;
            }
            let english = colour.word(Language::English);
            names.push(format!("{english} {}", shape.word(Language::English)));
            names.push(format!("{english} {}", shape.plural()));
            let chinese = (
                colour.word(Language::Chinese),
                shape.word(Language::Chinese),
            );
            names.push(format!("{}{}", chinese.0, chinese.1));
            for texture in Texture::ALL {
                let texture = texture.word(Language::Chinese);
                names.push(format!("{}{texture}{}", chinese.0, chinese.1));
            }
        }
    }
    names
}

fn named<'a>(sample: &Sample, names: &'a [String]) -> Option<&'a String> {
    let said = sample
        .turns
        .iter()
        .flat_map(|turn| [&turn.question, &turn.answer]);
    said.flat_map(|text| {
        names
            .iter()
            .filter(move |name| text.contains(name.as_str()))
    })
    .next()
}

#[test]
fn training_never_shows_or_names_what_is_kept_back() {
    let names = secret_names();
    let generator = generator(Split::Train, 11);
    let mut samples: Vec<Sample> = (0..1500).map(|n| generator.conversation(n)).collect();
    samples.extend((0..500).map(|n| generator.caption(n)));
    samples.extend(questions(Split::Train, 20));
    for sample in &samples {
        assert!(
            !sample.scene.objects.iter().any(|o| o.is_unseen()),
            "{:?}",
            sample.scene
        );
        assert!(sample.turns.iter().all(|turn| !turn.unseen));
        assert_eq!(named(sample, &names), None, "{:?}", sample.turns);
    }
}

#[test]
fn the_test_shows_and_names_it() {
    let names = secret_names();
    let samples = questions(Split::Test, 30);
    let shown = samples
        .iter()
        .filter(|s| s.scene.objects.iter().any(|o| o.is_unseen()));
    let share = shown.count() as f64 / samples.len() as f64;
    assert!((0.3..0.8).contains(&share), "{share}");
    assert!(
        samples
            .iter()
            .filter(|sample| named(sample, &names).is_some())
            .count()
            > 30
    );
    let marked = samples
        .iter()
        .filter(|s| s.turns.iter().any(|turn| turn.unseen))
        .count();
    assert!(marked > samples.len() / 6, "{marked}");
}

#[test]
fn training_and_test_share_no_scene() {
    let scenes = |split| -> Vec<Scene> {
        let generator = generator(split, 0);
        (0..400).map(|n| generator.conversation(n).scene).collect()
    };
    let (train, test) = (scenes(Split::Train), scenes(Split::Test));
    assert!(test.iter().all(|scene| !train.contains(scene)));
    // And the comparison can find one.
    assert!(train.contains(&train[17].clone()));
}
