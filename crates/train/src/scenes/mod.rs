//! Pictures that are drawn, with conversations about them: the data of the practice model.
//!
//! A [`Generator`] makes sample N from its seed and N alone, on any thread and in any order, so a
//! trainer needs no files and can go on anywhere. Training and test never share a sample, and the
//! test shows combinations of colour and shape that training never does
//! ([`attributes::only_in_test`]).
//!
//! The conversations have the forms that LLaVA-1.5 was trained on (section 3.2 and table 7 of the
//! paper); their sentences are those of [`visavis_llava::prompt::style`].

pub mod attributes;
pub mod dice;
mod drawing;
mod exam;
mod lettering;
pub mod mix;
mod outline;
mod output;
mod paint;
pub mod scene;
mod talk;
#[cfg(test)]
mod tests;

pub use exam::{Exercise, exam};
pub use mix::{Category, Mix};
pub use output::{Written, encode, write_folder};
pub use talk::Turn;

use attributes::Language;
use dice::Dice;
use drawing::Limits;
use image::RgbImage;
use scene::Scene;

/// Which part of the data a sample belongs to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What a model may learn from.
    #[default]
    Train,
    /// What it is asked afterwards.
    Test,
}

/// What kind of scene it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// One to four things.
    Few,
    /// Several things of a kind, to be counted.
    Crowd,
    /// Printed text.
    Sign,
}

/// How samples are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Other seeds give other samples.
    pub seed: u64,
    /// Training or test.
    pub split: Split,
    /// Which questions, how often.
    pub mix: Mix,
    /// Questions of one conversation, from and to. More of them share one reading of the picture.
    pub turns: [usize; 2],
    /// The longest side of a picture in pixels, from and to.
    pub side: [u32; 2],
    /// Whether short questions say so ("Answer the question using a single word or phrase.").
    /// Off only to repeat the paper's comparison.
    pub format_prompts: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            split: Split::Train,
            mix: Mix::level(5),
            turns: [3, 6],
            side: [112, 320],
            format_prompts: true,
        }
    }
}

/// A picture, what it shows, and what is said about it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its number in the generator's sequence.
    pub index: u64,
    /// The facts.
    pub scene: Scene,
    /// The conversation, in order; never empty.
    pub turns: Vec<Turn>,
}

/// Why options cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadOptions(String);

/// Draws samples; cheap to clone, shared by threads.
#[derive(Debug, Clone)]
pub struct Generator {
    options: Options,
}

/// Apart from other uses of the same seed.
const CONVERSATION: u64 = 1;
const CAPTION: u64 = 2;
const QUESTION: u64 = 3;
const PIXELS: u64 = 4;

/// The least side of a picture: below it, small things are specks.
const LEAST_SIDE: u32 = 64;
/// The largest side: above it, a picture only costs time.
const LARGEST_SIDE: u32 = 2048;

impl Generator {
    /// A generator for these options.
    ///
    /// # Errors
    /// When a range is empty or out of reach, or no question has a weight.
    pub fn new(options: Options) -> Result<Self, BadOptions> {
        let fault = |text: String| Err(BadOptions(text));
        let [few, many] = options.turns;
        if few == 0 || few > many || many > 24 {
            return fault(format!("turns must be from 1 to 24, not {few} to {many}"));
        }
        let [low, high] = options.side;
        if low < LEAST_SIDE || low > high || high > LARGEST_SIDE {
            return fault(format!(
                "the longest side must be from {LEAST_SIDE} to {LARGEST_SIDE} pixels, not {low} to {high}"
            ));
        }
        if let Err(message) = options.mix.check() {
            return fault(message);
        }
        Ok(Self { options })
    }

    /// The options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Sample `index` with a conversation in the forms of stage 2.
    pub fn conversation(&self, index: u64) -> Sample {
        let mut dice = self.dice(CONVERSATION, index);
        let [few, many] = self.options.turns;
        // A scene without anything to say about it is next to impossible; drawing another is
        // cheaper than a case for it.
        loop {
            let theme = self.options.mix.theme(&mut dice);
            let scene = Scene::draw(&mut dice, theme, self.limits());
            let language = self.options.mix.language(&mut dice);
            let count = dice.from_to(few, many);
            let turns = talk::converse(&scene, &mut dice, &self.options, language, count);
            if !turns.is_empty() {
                return Sample {
                    index,
                    scene,
                    turns,
                };
            }
        }
    }

    /// Sample `index` with one description, for stage 1 (template `plain`) and for training the
    /// vision tower: usually every thing with its attributes and its place.
    pub fn caption(&self, index: u64) -> Sample {
        let mut dice = self.dice(CAPTION, index);
        let theme = self.options.mix.theme(&mut dice);
        let scene = Scene::draw(&mut dice, theme, self.limits());
        let category = if dice.chance(0.75) {
            Category::Detailed
        } else {
            Category::Caption
        };
        let turns = talk::describe(&scene, &mut dice, category);
        Sample {
            index,
            scene,
            turns,
        }
    }

    /// Question `index` of one category and language: one question about a picture of its own.
    /// Successive indices alternate between the answers where a category must be balanced (yes
    /// and no, answerable and not). `None` for a category that has no questions in the language.
    pub fn question(&self, category: Category, language: Language, index: u64) -> Option<Sample> {
        if language == Language::Chinese && !category.in_chinese() {
            return None;
        }
        let name = QUESTION + ((category as u64) << 8) + ((language as u64) << 16);
        let mut dice = self.dice(name, index);
        for _ in 0..200 {
            let theme = category.theme(&mut dice);
            let scene = Scene::draw(&mut dice, theme, self.limits());
            let asked = talk::ask(&scene, &mut dice, &self.options, category, language, index);
            if let Some(turn) = asked {
                return Some(Sample {
                    index,
                    scene,
                    turns: vec![turn],
                });
            }
        }
        None
    }

    /// The picture of a sample, after noise and before compression; the same for the same sample.
    pub fn picture(&self, sample: &Sample) -> RgbImage {
        paint::paint(&sample.scene, &mut self.dice(PIXELS, sample.index))
    }

    /// The picture as a reader of its file sees it: after compression, where the scene asks for it.
    pub fn picture_as_filed(&self, sample: &Sample) -> RgbImage {
        output::through_file(self.picture(sample), sample.scene.finish)
    }

    fn dice(&self, purpose: u64, index: u64) -> Dice {
        let split = match self.options.split {
            Split::Train => 1,
            Split::Test => 2,
        };
        Dice::named(&[split, self.options.seed, purpose, index])
    }

    fn limits(&self) -> Limits {
        Limits {
            split: self.options.split,
            side: self.options.side,
            simple: self.options.mix.simple,
        }
    }
}
