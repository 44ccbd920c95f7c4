//! Drawing a scene from the dice: what, where, how large, in front of what.
//!
//! Everything stays recognisable when the picture is shrunk to 112 pixels: sizes are fractions of
//! the padded square, colours keep their distance from the background.

use super::Split;
use super::Theme;
use super::attributes::{Colour, Heading, Shape, Size, Texture, WORDS, only_in_test};
use super::dice::Dice;
use super::lettering::{self, Font};
use super::outline;
use super::scene::{Backdrop, Finish, Object, Pattern, Print, Scene};
use visavis_llava::boxes::PixelBox;

/// The plain tones of backgrounds in 8-bit sRGB: pale and dark, none of them a [`Colour`].
const PALE: [[u8; 3]; 5] = [
    [240, 240, 236],
    [206, 208, 212],
    [206, 222, 240],
    [212, 232, 210],
    [246, 232, 204],
];
const DARK: [[u8; 3]; 3] = [[74, 76, 82], [30, 40, 72], [24, 62, 62]];

/// The least distance of a drawn colour from its background, in [`distance`]'s unit.
const CONTRAST: f32 = 150.0;

/// What scenes of one generator may contain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) split: Split,
    /// Longest side in pixels, from and to.
    pub(super) side: [u32; 2],
    /// Plain and light scenes for the first lessons.
    pub(super) simple: bool,
}

impl Scene {
    /// Draws a scene.
    pub(super) fn draw(dice: &mut Dice, theme: Theme, limits: Limits) -> Self {
        let (width, height) = extent(dice, theme, limits);
        let backdrop = Backdrop::draw(dice, limits.simple);
        let finish = Finish::draw(dice, limits.simple);
        let mut scene = Self {
            width,
            height,
            backdrop,
            objects: Vec::new(),
            print: None,
            finish,
        };
        match theme {
            Theme::Few => scene.few(dice, limits),
            Theme::Crowd => scene.crowd(dice, limits),
            Theme::Sign => scene.sign(dice, limits),
        }
        scene
    }

    /// One to four things, each drawn on its own.
    fn few(&mut self, dice: &mut Dice, limits: Limits) {
        let most = if limits.simple { 3 } else { 4 };
        for _ in 0..dice.from_to(1, most) {
            let kind = Kind::draw(dice, self, limits);
            self.place_one(dice, kind, 1.0);
        }
    }

    /// One to five of a kind among others, to be counted.
    fn crowd(&mut self, dice: &mut Dice, limits: Limits) {
        let kind = Kind::draw(dice, self, limits);
        let same = dice.from_to(1, 5);
        for _ in 0..same {
            let mut next = kind;
            if dice.chance(0.3) {
                next.colour = Kind::draw_colour(dice, self, kind.shape, limits);
            }
            self.place_one(dice, next, 0.8);
        }
        for _ in 0..dice.from_to(0, (6 - same).min(3)) {
            let other = Kind::draw(dice, self, limits);
            self.place_one(dice, other, 0.8);
        }
    }

    /// A word or a number, and sometimes a thing beside it.
    fn sign(&mut self, dice: &mut Dice, limits: Limits) {
        self.print = Print::draw(dice, self);
        if self.print.is_none() || dice.chance(0.5) {
            for _ in 0..dice.from_to(1, 2) {
                let kind = Kind::draw(dice, self, limits);
                self.place_one(dice, kind, 0.9);
            }
        }
    }

    /// Finds room for a thing; leaves it out when there is none.
    fn place_one(&mut self, dice: &mut Dice, kind: Kind, scale: f32) {
        let short = self.width.min(self.height) as f32;
        for attempt in 0..40 {
            // The longer it takes, the smaller within its class, so that a crowd fits.
            let shrink = 1.0 - 0.2 * attempt as f32 / 40.0;
            let radius = match kind.size {
                Size::Small => dice.between(0.085, 0.11) * (0.5 + shrink / 2.0),
                Size::Large => dice.between(0.165, 0.23) * scale.max(0.85) * shrink,
            } * self.side();
            let room = radius * 1.12;
            if 2.0 * room > short {
                continue;
            }
            let centre = [
                dice.between(room, self.width as f32 - room),
                dice.between(room, self.height as f32 - room),
            ];
            let Some(object) = kind.at(dice, centre, radius, self) else {
                continue;
            };
            if self.has_room_for(&object.bounds) {
                self.objects.push(object);
                return;
            }
        }
    }

    fn has_room_for(&self, bounds: &PixelBox) -> bool {
        let gap = f64::from(self.side()) * 0.025;
        let apart = |other: &PixelBox| {
            bounds.x1 > other.x2 + gap
                || other.x1 > bounds.x2 + gap
                || bounds.y1 > other.y2 + gap
                || other.y1 > bounds.y2 + gap
        };
        self.objects.iter().all(|object| apart(&object.bounds))
            && self.print.as_ref().is_none_or(|print| apart(&print.bounds))
    }

    /// The colours that stand out against the background.
    fn visible_colours(&self) -> Vec<Colour> {
        let stands_out = |colour: &Colour| {
            let tones = self.backdrop.tones;
            tones
                .iter()
                .all(|tone| distance(colour.rgb(), *tone) > CONTRAST)
        };
        Colour::ALL.into_iter().filter(stands_out).collect()
    }
}

/// A thing before it has its place.
#[derive(Debug, Clone, Copy)]
struct Kind {
    shape: Shape,
    colour: Colour,
    texture: Texture,
    size: Size,
}

impl Kind {
    fn draw(dice: &mut Dice, scene: &Scene, limits: Limits) -> Self {
        let weights = Shape::ALL.iter().map(|shape| shape.weight());
        let at = dice.weighted(weights).unwrap_or(0);
        let shape = Shape::ALL[at]; // a position in ALL
        let size = if dice.chance(0.55) {
            Size::Large
        } else {
            Size::Small
        };
        let texture = match size {
            // Stripes and dots of a small thing would be finer than the model's patches resolve.
            Size::Small if dice.chance(0.15) => Texture::Outlined,
            Size::Small => Texture::Solid,
            Size::Large if limits.simple && dice.chance(0.7) => Texture::Solid,
            Size::Large => dice.one_of([
                Texture::Solid,
                Texture::Solid,
                Texture::Striped,
                Texture::Dotted,
                Texture::Outlined,
            ]),
        };
        Self {
            shape,
            colour: Self::draw_colour(dice, scene, shape, limits),
            texture,
            size,
        }
    }

    fn draw_colour(dice: &mut Dice, scene: &Scene, shape: Shape, limits: Limits) -> Colour {
        let visible = scene.visible_colours();
        let kept_back = visible.iter().find(|c| only_in_test(**c, shape)).copied();
        if let (Split::Test, Some(colour)) = (limits.split, kept_back)
            && dice.chance(0.3)
        {
            return colour;
        }
        let trained: Vec<Colour> = visible
            .into_iter()
            .filter(|colour| !only_in_test(*colour, shape))
            .collect();
        // Every background leaves several colours; see the test.
        dice.choose(&trained).copied().unwrap_or(Colour::Red)
    }

    fn at(self, dice: &mut Dice, centre: [f32; 2], radius: f32, scene: &Scene) -> Option<Object> {
        let heading = (self.shape == Shape::Arrow).then(|| dice.one_of(Heading::ALL));
        let mut object = Object {
            shape: self.shape,
            colour: self.colour,
            ink: near(dice, self.colour.rgb()),
            texture: self.texture,
            size: self.size,
            heading,
            centre,
            radius,
            turn: dice.between(-8.0, 8.0),
            bounds: PixelBox {
                x1: 0.0,
                y1: 0.0,
                x2: 0.0,
                y2: 0.0,
            },
        };
        let bounds = outline::silhouette(&object)?.compute_tight_bounds()?;
        object.bounds = pixel_box(bounds);
        let [w, h] = [f64::from(scene.width), f64::from(scene.height)];
        let inside = object.bounds.x1 >= 0.0
            && object.bounds.y1 >= 0.0
            && object.bounds.x2 <= w
            && object.bounds.y2 <= h;
        inside.then_some(object)
    }
}

impl Print {
    /// Draws a word or a number that is readable when the picture is shrunk to 112 pixels.
    fn draw(dice: &mut Dice, scene: &Scene) -> Option<Self> {
        let is_number = dice.chance(0.3);
        let text = if is_number {
            dice.below(100).to_string()
        } else {
            dice.one_of(WORDS).to_owned()
        };
        let printed = match dice.below(3) {
            0 => text.to_uppercase(),
            1 => capitalised(&text),
            _ => text.clone(),
        };
        let colour = *dice.choose(&scene.visible_colours())?;
        let font = dice.one_of(Font::ALL);
        let turn = dice.between(-6.0, 6.0);
        let [w, h] = [scene.width as f32, scene.height as f32];
        let unit = lettering::ink(font, &printed, 1.0, turn)?.compute_tight_bounds()?;
        let widest = dice.between(0.7, 0.94) * w / unit.width();
        // Short texts would fill the height; digits and three letters are large enough before.
        let em = widest.min(0.42 * scene.side()).min(0.8 * h / unit.height());
        let size = [unit.width() * em / 2.0, unit.height() * em / 2.0];
        let margin = 0.02 * scene.side();
        let centre = [
            dice.between(
                size[0] + margin,
                (w - size[0] - margin).max(size[0] + margin + 0.01),
            ),
            dice.between(
                size[1] + margin,
                (h - size[1] - margin).max(size[1] + margin + 0.01),
            ),
        ];
        let mut print = Self {
            text,
            printed,
            is_number,
            colour,
            ink: near(dice, colour.rgb()),
            font,
            em,
            turn,
            centre,
            bounds: PixelBox {
                x1: 0.0,
                y1: 0.0,
                x2: 0.0,
                y2: 0.0,
            },
        };
        print.bounds = pixel_box(lettering::placed(&print)?.compute_tight_bounds()?);
        Some(print)
    }
}

impl Backdrop {
    fn draw(dice: &mut Dice, simple: bool) -> Self {
        let dark = dice.chance(0.3);
        let tone = if dark {
            dice.one_of(DARK)
        } else {
            dice.one_of(PALE)
        };
        let pattern = if simple && dice.chance(0.6) {
            Pattern::Plain
        } else {
            dice.one_of([
                Pattern::Plain,
                Pattern::Gradient,
                Pattern::Checker,
                Pattern::Grain,
            ])
        };
        // The second tone stays near the first, so that neither looks like a thing.
        let shift = dice.between(14.0, 30.0) * if dice.chance(0.5) { 1.0 } else { -1.0 };
        let second = tone.map(|channel| (f32::from(channel) + shift).clamp(8.0, 250.0) as u8);
        let scale = match pattern {
            Pattern::Checker => dice.between(5.0, 12.0),
            _ => dice.between(0.0, 360.0),
        };
        Self {
            pattern,
            tones: [
                tone,
                if pattern == Pattern::Plain {
                    tone
                } else {
                    second
                },
            ],
            dark,
            scale,
        }
    }
}

impl Finish {
    fn draw(dice: &mut Dice, simple: bool) -> Self {
        let noisy = dice.chance(if simple { 0.2 } else { 0.5 });
        let noise = if noisy { dice.from_to(2, 14) } else { 0 };
        let quality = dice.from_to(55, 95);
        Self {
            noise: u8::try_from(noise).unwrap_or(0),
            jpeg: dice
                .chance(0.6)
                .then(|| u8::try_from(quality).unwrap_or(90)),
        }
    }
}

/// Width and height: any shape between 1:2 and 2:1, many of them square or nearly so.
fn extent(dice: &mut Dice, theme: Theme, limits: Limits) -> (u32, u32) {
    let [low, high] = limits.side;
    let long = dice.from_to(low as usize, high as usize) as f32;
    let ratio = if dice.chance(0.35) {
        1.0
    } else {
        dice.between(0.5, 1.0)
    };
    let (long, short) = (long as u32, (long * ratio).round() as u32);
    // A word in a tall, narrow picture has few pixels for each letter.
    let wide = if theme == Theme::Sign { 0.9 } else { 0.6 };
    if dice.chance(wide) {
        (long, short)
    } else {
        (short, long)
    }
}

/// A colour near the given one: what people still call by its name.
fn near(dice: &mut Dice, rgb: [u8; 3]) -> [u8; 3] {
    rgb.map(|channel| (f32::from(channel) + dice.between(-12.0, 12.0)).clamp(0.0, 255.0) as u8)
}

/// How different two colours look: the "redmean" approximation, 0 to about 765.
fn distance(a: [u8; 3], b: [u8; 3]) -> f32 {
    let [ar, ag, ab] = a.map(f32::from);
    let [br, bg, bb] = b.map(f32::from);
    let red = (ar + br) / 2.0;
    let (dr, dg, db) = (ar - br, ag - bg, ab - bb);
    ((2.0 + red / 256.0) * dr * dr + 4.0 * dg * dg + (2.0 + (255.0 - red) / 256.0) * db * db).sqrt()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn pixel_box(bounds: tiny_skia::Rect) -> PixelBox {
    PixelBox {
        x1: f64::from(bounds.left()),
        y1: f64::from(bounds.top()),
        x2: f64::from(bounds.right()),
        y2: f64::from(bounds.bottom()),
    }
}
