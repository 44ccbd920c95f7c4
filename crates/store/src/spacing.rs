//! Words, where there are no spaces: each Chinese, Japanese or Korean character becomes one.
//!
//! SQLite's tokenizers take a run of Chinese for a single word, so that nothing inside it is
//! found. With spaces around each character a run of a query becomes a phrase, and finds itself
//! wherever it stands.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Whether a character is a word of its own.
pub fn is_cjk(letter: char) -> bool {
    matches!(u32::from(letter),
        0x1100..=0x11ff // Hangul Jamo
        | 0x2e80..=0x2fdf // radicals
        | 0x3005..=0x3007 // iteration marks, zero
        | 0x3021..=0x3029
        | 0x3040..=0x30ff // kana
        | 0x3105..=0x312f // bopomofo
        | 0x3130..=0x318f
        | 0x31a0..=0x31bf
        | 0x31f0..=0x31ff
        | 0x3400..=0x4dbf // ideographs
        | 0x4e00..=0x9fff
        | 0xac00..=0xd7af // Hangul
        | 0xf900..=0xfaff
        | 0xff66..=0xff9f // half-width kana
        | 0x20000..=0x3ffff)
}

/// The text with a space around each such character, as it is entered into the search.
pub fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() + text.len() / 2);
    for letter in text.chars() {
        if is_cjk(letter) {
            spaced.extend([' ', letter, ' ']);
        } else {
            spaced.push(letter);
        }
    }
    spaced
}

/// A character as the search compares it: small, without its accents. Most are one character.
pub fn folded(letter: char) -> impl Iterator<Item = char> {
    std::iter::once(letter)
        .nfd()
        .filter(|part| !is_combining_mark(*part))
        .flat_map(char::to_lowercase)
}

/// Whether a character is part of a word (SQLite's unicode61: letters, digits, private use).
pub fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || is_combining_mark(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_without_spaces_get_some() {
        assert_eq!(spaced("a cat, 一只猫!"), "a cat,  一  只  猫 !");
        assert_eq!(spaced("naïve"), "naïve");
    }

    #[test]
    fn accents_and_capitals_do_not_count() {
        let fold = |text: &str| text.chars().flat_map(folded).collect::<String>();
        assert_eq!(fold("Éclair"), "eclair");
        assert_eq!(fold("猫"), "猫");
        assert_eq!(fold("İ"), "i");
    }
}
