//! What a picture shows: drawn from the dice before a pixel is painted, so that questions are
//! asked about facts and not about pixels.

use super::attributes::{
    Colour, Heading, Language, Place, Relation, Shape, Size, Texture, only_in_test,
};
use super::lettering::Font;
use visavis_llava::boxes::{PixelBox, SquareBox};

/// How the background is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// One tone.
    Plain,
    /// From one tone to the other.
    Gradient,
    /// Fields of both tones.
    Checker,
    /// Grains between both tones.
    Grain,
}

/// What lies behind everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backdrop {
    /// How it is filled.
    pub pattern: Pattern,
    /// Its two tones, in 8-bit sRGB.
    pub tones: [[u8; 3]; 2],
    /// Whether it is dark.
    pub dark: bool,
    /// Direction of a gradient in degrees, or the fields of a checker along the long side.
    pub scale: f32,
}

/// One drawn thing. Lengths are pixels of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// What it is.
    pub shape: Shape,
    /// Its colour by name.
    pub colour: Colour,
    /// Its colour as painted.
    pub ink: [u8; 3],
    /// How its area is filled.
    pub texture: Texture,
    /// Small or large.
    pub size: Size,
    /// Where it points; arrows only.
    pub heading: Option<Heading>,
    /// Its middle.
    pub centre: [f32; 2],
    /// Half of its extent.
    pub radius: f32,
    /// A slight rotation, in degrees.
    pub turn: f32,
    /// The smallest box around its ink.
    pub bounds: PixelBox,
}

/// Printed letters or digits.
#[derive(Debug, Clone, PartialEq)]
pub struct Print {
    /// As it must be read: words in lower case.
    pub text: String,
    /// As it is printed.
    pub printed: String,
    /// Whether it is a number.
    pub is_number: bool,
    /// Its colour by name.
    pub colour: Colour,
    /// Its colour as painted.
    pub ink: [u8; 3],
    /// The typeface.
    pub font: Font,
    /// Size of the em in pixels.
    pub em: f32,
    /// A slight rotation, in degrees.
    pub turn: f32,
    /// The middle of its ink.
    pub centre: [f32; 2],
    /// The smallest box around its ink.
    pub bounds: PixelBox,
}

/// What happens to the finished picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finish {
    /// Largest deviation of a pixel's channel, in 8-bit levels.
    pub noise: u8,
    /// Quality of a JPEG it passes through; `None` leaves it lossless.
    pub jpeg: Option<u8>,
}

/// Everything that a picture shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// What lies behind.
    pub backdrop: Backdrop,
    /// The drawn things, in no order.
    pub objects: Vec<Object>,
    /// Printed text, if any.
    pub print: Option<Print>,
    /// Noise and compression.
    pub finish: Finish,
}

impl Object {
    /// Whether only the test may show or name it.
    pub fn is_unseen(&self) -> bool {
        only_in_test(self.colour, self.shape)
    }
}

impl Scene {
    /// The padded square's side in pixels: the unit in which sizes are seen.
    pub fn side(&self) -> f32 {
        self.width.max(self.height) as f32
    }

    /// A box of this picture as the model writes it.
    pub fn on_square(&self, bounds: PixelBox) -> SquareBox {
        bounds.to_square(self.width, self.height)
    }

    /// The ninth of the picture in which a point lies, and whether it lies well inside it.
    pub fn place(&self, [x, y]: [f32; 2]) -> (Place, bool) {
        let third = |v: f32| match v {
            v if v < 1.0 / 3.0 => 0,
            v if v < 2.0 / 3.0 => 1,
            _ => 2,
        };
        let clear = |v: f32| (v - 1.0 / 3.0).abs() > 0.05 && (v - 2.0 / 3.0).abs() > 0.05;
        let (u, v) = (x / self.width as f32, y / self.height as f32);
        let at = third(v) * 3 + third(u);
        // `at` is below 9 by construction.
        (Place::ALL[at], clear(u) && clear(v))
    }

    /// How `a` lies to `b`, when it lies clearly in one direction.
    pub fn relation(&self, a: &Object, b: &Object) -> Option<Relation> {
        let [dx, dy] = [
            (a.centre[0] - b.centre[0]) / self.side(),
            (a.centre[1] - b.centre[1]) / self.side(),
        ];
        // Clear: the middles are apart, and more so than across.
        let clear =
            |along: f32, across: f32| along.abs() > 0.15 && along.abs() > 1.6 * across.abs();
        if clear(dx, dy) {
            Some(if dx < 0.0 {
                Relation::LeftOf
            } else {
                Relation::RightOf
            })
        } else if clear(dy, dx) {
            Some(if dy < 0.0 {
                Relation::Above
            } else {
                Relation::Below
            })
        } else {
            None
        }
    }
}

impl Backdrop {
    /// The word for it: light or dark.
    pub fn word(&self, language: Language) -> &'static str {
        match (self.dark, language) {
            (true, Language::English) => "dark",
            (false, Language::English) => "light",
            (true, Language::Chinese) => "深色",
            (false, Language::Chinese) => "浅色",
        }
    }
}
