//! Questions that may have no answer: declining, and pointing out what is wrong.

use super::phrases::{Parts, absent_shapes, capital, is_unique};
use super::{Asking, Draft};
use crate::scenes::attributes::{Colour, Language};
use visavis_llava::prompt::style::Style;

/// What VizWiz's format sentence asks a model to say.
const UNANSWERABLE: &str = "Unanswerable";

impl Asking<'_, '_> {
    /// A short question that the picture answers or not, with leave to decline.
    pub(super) fn refusal(&mut self) -> Option<Draft> {
        let mut draft = if self.positive {
            self.answerable()?.kind("answerable")
        } else {
            self.unanswerable()?.kind("unanswerable")
        };
        draft.ask.may_decline = true;
        Some(draft)
    }

    fn answerable(&mut self) -> Option<Draft> {
        if self.scene.print.is_some() && self.dice.chance(0.5) {
            return self.printed();
        }
        match self.dice.below(3) {
            0 => self.colour(),
            1 => self.size(),
            _ => self.place_of_any(),
        }
    }

    fn place_of_any(&mut self) -> Option<Draft> {
        let object = self.object()?;
        let (place, clear) = self.scene.place(object.centre);
        if !clear {
            return None;
        }
        let the = self.reference(object, Parts::default())?;
        let question = self.where_question(&the);
        Some(Draft::short(question, self.answer(place.word(self.language))).about(object))
    }

    fn unanswerable(&mut self) -> Option<Draft> {
        if self.scene.print.is_none() && self.dice.chance(0.35) {
            let number = self.dice.chance(0.4);
            let question = self.print_question(number);
            return Some(Draft::short(question, UNANSWERABLE));
        }
        // Mostly things of which there is no trace; sometimes the colour alone is wrong.
        let way = self.dice.one_of(["bare", "bare", "random", "adversarial"]);
        let (colour, shape) = match way {
            "bare" => (None, *self.dice.choose(&absent_shapes(self.scene))?),
            way => self.absent(way)?,
        };
        let the = format!("the {}", self.kind_phrase(colour, shape));
        let question = match self.dice.below(3) {
            0 if colour.is_none() => self.colour_question(&the),
            1 => self.size_question(&the),
            _ => self.where_question(&the),
        };
        Some(Draft::short(question, UNANSWERABLE))
    }

    /// A question that may say something wrong, to be pointed out before anything else.
    pub(super) fn check(&mut self) -> Option<Draft> {
        if self.positive {
            self.sound_question()
        } else if self.dice.chance(0.5) {
            self.wrong_colour()
        } else {
            self.wrong_thing()
        }
    }

    fn sound_question(&mut self) -> Option<Draft> {
        let object = self.object()?;
        let (question, answer) = if self.dice.chance(0.5) {
            let the = self.reference(object, Parts::COLOUR)?;
            let question = self.colour_question(&the);
            let colour = object.colour.word(Language::English);
            (question, format!("{} is {colour}.", capital(&the)))
        } else {
            let the = self.reference(object, Parts::SIZE)?;
            let question = self.size_question(&the);
            let size = object.size.word(Language::English);
            (question, format!("{} is {size}.", capital(&the)))
        };
        Some(
            Draft::new(Style::Check, question, answer)
                .about(object)
                .kind("sound"),
        )
    }

    /// The thing is there, but not in this colour.
    fn wrong_colour(&mut self) -> Option<Draft> {
        let object = self.object()?;
        if !is_unique(self.scene, object, Parts::SHAPE) {
            return None;
        }
        let wrong: Vec<Colour> = Colour::ALL
            .into_iter()
            .filter(|c| *c != object.colour && self.may_name(*c, object.shape))
            .collect();
        let wrong = self.dice.choose(&wrong)?;
        let shape = object.shape.word(Language::English);
        let (wrong, right) = (
            wrong.word(Language::English),
            object.colour.word(Language::English),
        );
        let the = format!("the {wrong} {shape}");
        let question = if self.dice.chance(0.5) {
            self.size_question(&the)
        } else {
            self.where_question(&the)
        };
        let answer = format!("The {shape} is {right}, not {wrong}.");
        Some(
            Draft::new(Style::Check, question, answer)
                .about(object)
                .kind("wrong colour"),
        )
    }

    /// There is no such thing.
    fn wrong_thing(&mut self) -> Option<Draft> {
        let shape = *self.dice.choose(&absent_shapes(self.scene))?;
        let shape = shape.word(Language::English);
        let the = format!("the {shape}");
        let question = match self.dice.below(3) {
            0 => self.colour_question(&the),
            1 => self.size_question(&the),
            _ => self.where_question(&the),
        };
        let answer = format!("There is no {shape} in the image.");
        Some(Draft::new(Style::Check, question, answer).kind("wrong thing"))
    }
}
