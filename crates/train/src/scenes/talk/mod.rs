//! Conversations about a scene, in the paper's forms.

mod check;
mod form;
mod look;
mod phrases;
mod place;
mod read;
mod tell;

use super::attributes::{Colour, Language, Shape, only_in_test};
use super::dice::Dice;
use super::mix::Category;
use super::scene::{Object, Scene};
use super::{Options, Split};
use visavis_llava::prompt::style::{Ask, Style};

/// One question and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// What it is about.
    pub category: Category,
    /// A finer name within the category: how a negative was drawn, what is located, ...
    pub kind: &'static str,
    /// The language of question and answer.
    pub language: Language,
    /// What was asked, before it became text.
    pub ask: Ask,
    /// The text of the message, without a mark for the picture. After another short question the
    /// format sentence is left out, as in the paper's merged conversations.
    pub question: String,
    /// The right answer.
    pub answer: String,
    /// Whether it speaks of a combination that training never shows.
    pub unseen: bool,
}

/// What asking needs to know; one for each question.
struct Asking<'a, 'd> {
    scene: &'a Scene,
    dice: &'d mut Dice,
    split: Split,
    language: Language,
    /// Which of two balanced answers is wanted: yes or no, answerable or not.
    positive: bool,
    /// Which way of drawing negatives is wanted.
    way: usize,
}

/// A question before its text is fixed.
struct Draft {
    ask: Ask,
    answer: String,
    unseen: bool,
    kind: &'static str,
}

impl Draft {
    fn new(style: Style, question: impl Into<String>, answer: impl Into<String>) -> Self {
        Self {
            ask: Ask {
                style,
                question: question.into(),
                ..Ask::default()
            },
            answer: answer.into(),
            unseen: false,
            kind: "",
        }
    }

    fn short(question: impl Into<String>, answer: impl Into<String>) -> Self {
        Self::new(Style::Short, question, answer)
    }

    fn about(mut self, object: &Object) -> Self {
        self.unseen |= object.is_unseen();
        self
    }

    fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }
}

impl<'a> Asking<'a, '_> {
    fn draft(&mut self, category: Category) -> Option<Draft> {
        match category {
            Category::Colour => self.colour(),
            Category::Shape => self.shape(),
            Category::Size => self.size(),
            Category::Texture => self.texture(),
            Category::YesNo => self.yes_no(),
            Category::Counting => self.counting(),
            Category::Position => self.position(),
            Category::Choice => self.choice(),
            Category::Box => self.box_of_phrase(),
            Category::Region => self.phrase_of_box(),
            Category::Json => self.json(),
            Category::Refusal => self.refusal(),
            Category::Check => self.check(),
            Category::Reading => self.reading(),
            Category::Number => self.number(),
            Category::Chat => self.chat(),
            Category::Caption => self.caption(),
            Category::Detailed => self.detailed(),
        }
    }

    fn turn(&mut self, category: Category) -> Option<Turn> {
        let draft = self.draft(category)?;
        // Every draft gives its style what it needs; a slip would show as a missing category in
        // the test of coverage.
        let question = draft.ask.prompt().ok()?;
        Some(Turn {
            category,
            kind: draft.kind,
            language: self.language,
            ask: draft.ask,
            question,
            answer: draft.answer,
            unseen: draft.unseen,
        })
    }

    /// One of two texts by language.
    fn say(&self, english: impl Into<String>, chinese: impl Into<String>) -> String {
        match self.language {
            Language::English => english.into(),
            Language::Chinese => chinese.into(),
        }
    }

    /// An object, with those that only the test has coming first half of the time.
    fn object(&mut self) -> Option<&'a Object> {
        let unseen: Vec<&'a Object> = self
            .scene
            .objects
            .iter()
            .filter(|o| o.is_unseen())
            .collect();
        if !unseen.is_empty() && self.dice.chance(0.5) {
            return self.dice.choose(&unseen).copied();
        }
        self.dice.choose(&self.scene.objects)
    }

    /// Whether this split may speak of the combination.
    fn may_name(&self, colour: Colour, shape: Shape) -> bool {
        self.split == Split::Test || !only_in_test(colour, shape)
    }
}

/// Up to `count` different questions about one scene.
pub(super) fn converse(
    scene: &Scene,
    dice: &mut Dice,
    options: &Options,
    language: Language,
    count: usize,
) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::with_capacity(count);
    for _ in 0..count * 5 {
        if turns.len() == count {
            break;
        }
        let Some(category) = options.mix.draw(dice, language) else {
            break;
        };
        let (positive, way) = (dice.chance(0.5), dice.below(3));
        let mut asking = Asking {
            scene,
            dice,
            split: options.split,
            language,
            positive,
            way,
        };
        if let Some(turn) = asking.turn(category)
            && turns.iter().all(|asked| asked.question != turn.question)
        {
            turns.push(turn);
        }
    }
    in_order(&mut turns);
    if !options.format_prompts {
        for turn in &mut turns {
            if turn.ask.style == Style::Short && !turn.ask.may_decline {
                turn.question.clone_from(&turn.ask.question);
            }
        }
    }
    turns
}

/// A bare question after a short answer asks for a short answer; so questions for sentences come
/// before the first short one, and short ones that follow each other lose their format sentence.
fn in_order(turns: &mut [Turn]) {
    turns.sort_by_key(|turn| turn.ask.style != Style::Chat);
    let mut after_short = false;
    for turn in turns {
        let short = turn.ask.style == Style::Short && !turn.ask.may_decline;
        if short && after_short {
            turn.question.clone_from(&turn.ask.question);
        }
        after_short = short;
    }
}

/// One description.
pub(super) fn describe(scene: &Scene, dice: &mut Dice, category: Category) -> Vec<Turn> {
    let mut asking = Asking {
        scene,
        dice,
        split: Split::Train,
        language: Language::English,
        positive: true,
        way: 0,
    };
    asking.turn(category).into_iter().collect()
}

/// One question of a category, if the scene has one.
pub(super) fn ask(
    scene: &Scene,
    dice: &mut Dice,
    options: &Options,
    category: Category,
    language: Language,
    index: u64,
) -> Option<Turn> {
    let mut asking = Asking {
        scene,
        dice,
        split: options.split,
        language,
        positive: index.is_multiple_of(2),
        // A remainder by 3 fits.
        way: usize::try_from(index / 2 % 3).unwrap_or(0),
    };
    asking.turn(category)
}
