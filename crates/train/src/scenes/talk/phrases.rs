//! Names of things: phrases with just enough attributes to mean one thing.

use crate::scenes::attributes::{Language, Place, Shape, Texture};
use crate::scenes::dice::Dice;
use crate::scenes::scene::{Object, Scene};

/// Which attributes a phrase names besides the shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Parts {
    pub(super) size: bool,
    pub(super) texture: bool,
    pub(super) colour: bool,
}

impl Parts {
    pub(super) const SHAPE: Self = Self {
        size: false,
        texture: false,
        colour: false,
    };
    pub(super) const COLOUR: Self = Self {
        colour: true,
        ..Self::SHAPE
    };
    pub(super) const SIZE: Self = Self {
        size: true,
        ..Self::SHAPE
    };
    pub(super) const ALL: Self = Self {
        size: true,
        texture: true,
        colour: true,
    };
}

/// `large striped red star`, `大的红色条纹星星`. Solid is what goes without saying.
pub(super) fn phrase(object: &Object, parts: Parts, language: Language) -> String {
    named(object, parts, language, object.shape.word(language))
}

fn named(object: &Object, parts: Parts, language: Language, noun: &str) -> String {
    let size = parts.size.then(|| object.size.word(language));
    let texture =
        (parts.texture && object.texture != Texture::Solid).then(|| object.texture.word(language));
    let colour = parts.colour.then(|| object.colour.word(language));
    match language {
        Language::English => [size, texture, colour, Some(noun)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
        Language::Chinese => {
            let size = size.map(|word| format!("{word}的")).unwrap_or_default();
            let (colour, texture) = (colour.unwrap_or_default(), texture.unwrap_or_default());
            format!("{size}{colour}{texture}{noun}")
        }
    }
}

/// `a star`, `an arrow`.
pub(super) fn a(phrase: &str) -> String {
    let vowel = phrase.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {phrase}", if vowel { "an" } else { "a" })
}

/// With a capital letter.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// A number in a sentence.
pub(super) fn number_word(count: usize) -> &'static str {
    const WORDS: [&str; 11] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    ];
    WORDS.get(count).copied().unwrap_or("many")
}

/// Several of a kind: `two red stars`; `one` is `a red star`.
pub(super) fn several(object: &Object, parts: Parts, count: usize) -> String {
    if count == 1 {
        return a(&phrase(object, parts, Language::English));
    }
    let noun = object.shape.plural();
    let things = named(object, parts, Language::English, &noun);
    format!("{} {things}", number_word(count))
}

/// `at the top left`, `on the left`, `in the center`.
pub(super) fn at_place(place: Place) -> String {
    let preposition = match place {
        Place::Left | Place::Right => "on",
        Place::Centre => "in",
        _ => "at",
    };
    format!("{preposition} the {}", place.word(Language::English))
}

/// A list in a sentence: `x`, `x and y`, `x, y and z`.
pub(super) fn listed(items: &[String], language: Language) -> String {
    let Some((last, rest)) = items.split_last() else {
        return String::new();
    };
    if rest.is_empty() {
        return last.clone();
    }
    match language {
        Language::English => format!("{} and {last}", rest.join(", ")),
        Language::Chinese => format!("{}和{last}", rest.join("、")),
    }
}

/// Whether the phrase with these parts fits one object of the scene only.
pub(super) fn is_unique(scene: &Scene, object: &Object, parts: Parts) -> bool {
    let same = scene.objects.iter().filter(|other| {
        other.shape == object.shape
            && (!parts.size || other.size == object.size)
            && (!parts.colour || other.colour == object.colour)
            && (!parts.texture || other.texture == object.texture)
    });
    same.count() == 1
}

/// A definite phrase that means this object alone, `the red star`, without naming what `hidden`
/// hides; `None` when none of the usual ones does.
pub(super) fn refer(
    scene: &Scene,
    object: &Object,
    hidden: Parts,
    language: Language,
    dice: &mut Dice,
) -> Option<String> {
    let usual = [
        Parts::SHAPE,
        Parts::COLOUR,
        Parts::SIZE,
        Parts {
            size: true,
            ..Parts::COLOUR
        },
    ];
    let fitting: Vec<Parts> = usual
        .into_iter()
        .filter(|parts| !(parts.colour && hidden.colour || parts.size && hidden.size))
        .filter(|parts| is_unique(scene, object, *parts))
        .collect();
    // The first is the shortest: people say more only when they must.
    let parts = if dice.chance(0.65) {
        fitting.first()?
    } else {
        dice.choose(&fitting)?
    };
    Some(definite(&phrase(object, *parts, language), language))
}

/// `the red star`; Chinese has no article.
pub(super) fn definite(phrase: &str, language: Language) -> String {
    match language {
        Language::English => format!("the {phrase}"),
        Language::Chinese => phrase.to_owned(),
    }
}

/// Shapes of which the scene has none.
pub(super) fn absent_shapes(scene: &Scene) -> Vec<Shape> {
    Shape::ALL
        .into_iter()
        .filter(|shape| scene.objects.iter().all(|object| object.shape != *shape))
        .collect()
}
