//! Which questions are asked, how often: the curriculum's knob.

use super::Theme;
use super::attributes::Language;
use super::dice::Dice;

/// What a question is about or which form its answer has.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// The colour of a thing, in a word.
    Colour,
    /// The shape of a thing, in a word.
    Shape,
    /// Whether something is there.
    YesNo,
    /// The size of a thing, in a word.
    Size,
    /// The texture of a thing, in a word.
    Texture,
    /// How many, in digits.
    Counting,
    /// Where a thing is, where it points, how it lies to another.
    Position,
    /// The letter of an option.
    Choice,
    /// Where a phrase is, as a box.
    Box,
    /// What a box holds, as a phrase.
    Region,
    /// A filled-in form.
    Json,
    /// A short answer, or "Unanswerable" where there is none.
    Refusal,
    /// An answer that points out an error in the question.
    Check,
    /// A printed word.
    Reading,
    /// A printed number.
    Number,
    /// A question with a sentence for an answer.
    Chat,
    /// One sentence about the picture.
    Caption,
    /// Everything in the picture.
    Detailed,
}

impl Category {
    /// All of them, in the order in which they are learned.
    pub const ALL: [Self; 18] = [
        Self::Colour,
        Self::Shape,
        Self::YesNo,
        Self::Size,
        Self::Texture,
        Self::Counting,
        Self::Position,
        Self::Choice,
        Self::Box,
        Self::Region,
        Self::Json,
        Self::Refusal,
        Self::Check,
        Self::Reading,
        Self::Number,
        Self::Chat,
        Self::Caption,
        Self::Detailed,
    ];

    /// The name in files and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Colour => "colour",
            Self::Shape => "shape",
            Self::YesNo => "yes_no",
            Self::Size => "size",
            Self::Texture => "texture",
            Self::Counting => "counting",
            Self::Position => "position",
            Self::Choice => "choice",
            Self::Box => "box",
            Self::Region => "region",
            Self::Json => "json",
            Self::Refusal => "refusal",
            Self::Check => "check",
            Self::Reading => "reading",
            Self::Number => "number",
            Self::Chat => "chat",
            Self::Caption => "caption",
            Self::Detailed => "detailed",
        }
    }

    /// The category of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|category| category.name() == name)
    }

    /// Whether it is asked in Chinese as well. The other forms have English sentences only.
    pub fn in_chinese(self) -> bool {
        !matches!(
            self,
            Self::Choice | Self::Box | Self::Region | Self::Json | Self::Refusal | Self::Check
        )
    }

    /// A scene that has something to ask about.
    pub(super) fn theme(self, dice: &mut Dice) -> Theme {
        match self {
            Self::Counting => Theme::Crowd,
            Self::Reading | Self::Number => Theme::Sign,
            Self::Choice | Self::Chat | Self::Caption | Self::Detailed if dice.chance(0.3) => {
                Theme::Crowd
            }
            Self::Refusal | Self::Json | Self::Chat | Self::Detailed if dice.chance(0.25) => {
                Theme::Sign
            }
            _ => Theme::Few,
        }
    }
}

/// Weights of the categories, and how hard the scenes are.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    weights: [f32; Category::ALL.len()],
    /// The share of conversations in Chinese, 0 to 1.
    pub chinese: f32,
    /// Mostly plain backgrounds and solid fillings.
    pub simple: bool,
}

/// How often each category is asked from level 1 to 5, in the order of [`Category::ALL`]. A level
/// goes on asking what the earlier ones taught.
const LEVELS: [[f32; Category::ALL.len()]; 5] = [
    //  col  shp  y/n  siz  tex  cnt  pos  chc  box  reg  jsn  ref  chk  rea  num  cht  cap  det
    [
        3.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.8, 0.3,
    ],
    [
        2.0, 2.0, 2.5, 0.8, 0.8, 3.0, 3.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.7, 0.4,
    ],
    [
        1.3, 1.3, 2.0, 0.7, 0.7, 2.0, 2.2, 1.5, 2.5, 1.2, 1.2, 1.8, 1.0, 0.0, 0.0, 1.0, 0.6, 0.5,
    ],
    [
        1.2, 1.2, 1.8, 0.6, 0.6, 1.8, 2.0, 1.3, 2.2, 1.0, 1.0, 1.6, 0.9, 4.0, 1.5, 1.0, 0.6, 0.5,
    ],
    [
        1.2, 1.2, 1.8, 0.6, 0.6, 1.8, 2.0, 1.3, 2.2, 1.0, 1.0, 1.6, 0.9, 4.0, 1.5, 1.0, 0.6, 0.5,
    ],
];

impl Mix {
    /// The curriculum's levels: 1 colour, shape, yes and no; 2 counting, position, choice; 3 boxes,
    /// JSON, refusal; 4 reading; 5 Chinese. Numbers outside are taken as the nearest level.
    pub fn level(level: u8) -> Self {
        let at = usize::from(level.clamp(1, 5)) - 1;
        Self {
            weights: LEVELS[at], // at is 0 to 4
            chinese: if level >= 5 { 0.25 } else { 0.0 },
            simple: level <= 1,
        }
    }

    /// Nothing but one category.
    pub fn only(category: Category) -> Self {
        let mut mix = Self {
            weights: [0.0; Category::ALL.len()],
            chinese: 0.0,
            simple: false,
        };
        mix.set(category, 1.0);
        mix
    }

    /// How often a category is asked, relative to the others.
    pub fn weight(&self, category: Category) -> f32 {
        // The weights are in the enum's order.
        self.weights[category as usize]
    }

    /// Changes how often a category is asked.
    pub fn set(&mut self, category: Category, weight: f32) {
        self.weights[category as usize] = weight;
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let usable = |weight: &f32| weight.is_finite() && *weight >= 0.0;
        if !self.weights.iter().all(usable) {
            return Err("a category's weight must be 0 or a positive number".to_owned());
        }
        if self.weights.iter().sum::<f32>() <= 0.0 {
            return Err("no category has a weight: give at least one".to_owned());
        }
        if !(0.0..=1.0).contains(&self.chinese) {
            return Err(format!(
                "the share of Chinese must be from 0 to 1, not {}",
                self.chinese
            ));
        }
        let chinese_has_questions = Category::ALL
            .iter()
            .any(|c| c.in_chinese() && self.weight(*c) > 0.0);
        if self.chinese > 0.0 && !chinese_has_questions {
            return Err("none of the weighted categories is asked in Chinese".to_owned());
        }
        Ok(())
    }

    /// A scene that suits the questions: to be counted, to be read, or neither.
    pub(super) fn theme(&self, dice: &mut Dice) -> Theme {
        let signs = self.weight(Category::Reading) + self.weight(Category::Number);
        let crowds = self.weight(Category::Counting);
        let all: f32 = self.weights.iter().sum();
        // A sign is worth three questions of its conversation, a crowd two; so that neither
        // crowds out the rest, both are counted by the conversation and not by the question.
        let sign = 1.3 * signs / all;
        let crowd = 1.6 * crowds / all;
        let few = (1.0 - sign - crowd).max(0.2 * (all - signs - crowds) / all);
        match dice.weighted([few, crowd, sign].into_iter()) {
            Some(1) => Theme::Crowd,
            Some(2) => Theme::Sign,
            _ => Theme::Few,
        }
    }

    pub(super) fn language(&self, dice: &mut Dice) -> Language {
        if dice.chance(self.chinese) {
            Language::Chinese
        } else {
            Language::English
        }
    }

    /// One of the categories that are asked in a language.
    pub(super) fn draw(&self, dice: &mut Dice, language: Language) -> Option<Category> {
        let weights = Category::ALL.iter().map(|category| {
            if language == Language::English || category.in_chinese() {
                self.weight(*category)
            } else {
                0.0
            }
        });
        let at = dice.weighted(weights)?;
        Category::ALL.get(at).copied()
    }
}
