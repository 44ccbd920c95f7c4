//! Letters as areas. The fonts are subsets that lie in the crate, so that a picture is the same
//! on every machine; their licences lie beside them.

use super::scene::Print;
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, MetadataProvider};
use tiny_skia::{Path, PathBuilder, Transform};

/// A typeface that words are printed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Font {
    /// DejaVu Sans Bold.
    Sans,
    /// DejaVu Serif Bold.
    Serif,
    /// Noto Sans Mono Bold.
    Mono,
    /// Comic Neue Bold: drawn by hand.
    Hand,
    /// Roboto Condensed Bold.
    Narrow,
}

impl Font {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Sans,
        Self::Serif,
        Self::Mono,
        Self::Hand,
        Self::Narrow,
    ];

    fn file(self) -> &'static [u8] {
        match self {
            Self::Sans => include_bytes!("../../fonts/dejavu-sans-bold.ttf"),
            Self::Serif => include_bytes!("../../fonts/dejavu-serif-bold.ttf"),
            Self::Mono => include_bytes!("../../fonts/noto-sans-mono-bold.ttf"),
            Self::Hand => include_bytes!("../../fonts/comic-neue-bold.otf"),
            Self::Narrow => include_bytes!("../../fonts/roboto-condensed-bold.ttf"),
        }
    }
}

/// The inked area of a text on a baseline at the origin, y down, rotated by `turn` degrees;
/// `None` when a letter is not in the font or nothing is inked. `em` is in pixels.
pub(super) fn ink(font: Font, text: &str, em: f32, turn: f32) -> Option<Path> {
    // Subsets of known files: parsing them does not fail, and a failure prints nothing.
    let font = FontRef::new(font.file()).ok()?;
    let letters = font.charmap();
    let outlines = font.outline_glyphs();
    let size = Size::new(em);
    let metrics = font.glyph_metrics(size, LocationRef::default());
    let mut pen = Pen {
        path: PathBuilder::new(),
        x: 0.0,
    };
    for letter in text.chars() {
        let glyph = letters.map(letter)?;
        let settings = DrawSettings::unhinted(size, LocationRef::default());
        outlines.get(glyph)?.draw(settings, &mut pen).ok()?;
        pen.x += metrics.advance_width(glyph)?;
    }
    pen.path.finish()?.transform(Transform::from_rotate(turn))
}

/// The inked area of a print at its place.
pub(super) fn placed(print: &Print) -> Option<Path> {
    let path = ink(print.font, &print.printed, print.em, print.turn)?;
    let bounds = path.compute_tight_bounds()?;
    let middle = [
        (bounds.left() + bounds.right()) / 2.0,
        (bounds.top() + bounds.bottom()) / 2.0,
    ];
    path.transform(Transform::from_translate(
        print.centre[0] - middle[0],
        print.centre[1] - middle[1],
    ))
}

/// Collects outlines, turned from the font's y up to the picture's y down.
struct Pen {
    path: PathBuilder,
    x: f32,
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.x + x, -y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.x + x, -y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.path.quad_to(self.x + cx, -cy, self.x + x, -y);
    }

    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        self.path
            .cubic_to(self.x + ax, -ay, self.x + bx, -by, self.x + x, -y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::attributes::WORDS;

    #[test]
    fn every_font_has_every_letter() {
        let all: String = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
        for font in Font::ALL {
            assert!(ink(font, &all, 10.0, 0.0).is_some(), "{font:?}");
            for letter in all.chars() {
                let inked = ink(font, &letter.to_string(), 10.0, 0.0);
                assert!(inked.is_some(), "{font:?} {letter}");
            }
        }
        assert!(ink(Font::Sans, "星", 10.0, 0.0).is_none());
    }

    #[test]
    fn longer_words_are_wider() {
        for font in Font::ALL {
            let width = |text| ink(font, text, 10.0, 0.0).unwrap().bounds().width();
            assert!(width("garden") > width("gard"));
        }
        assert!(WORDS.iter().all(|word| (3..=6).contains(&word.len())));
    }
}
