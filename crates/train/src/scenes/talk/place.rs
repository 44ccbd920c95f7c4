//! Questions about where things are: positions, relations, boxes.

use super::phrases::{Parts, definite, phrase};
use super::{Asking, Draft};
use crate::scenes::attributes::Relation;
use crate::scenes::scene::Object;
use visavis_llava::prompt::style::Style;

impl<'a> Asking<'a, '_> {
    pub(super) fn position(&mut self) -> Option<Draft> {
        let arrow = self.scene.objects.iter().any(|o| o.heading.is_some());
        match self.dice.below(if arrow { 5 } else { 4 }) {
            0 | 1 => self.place(),
            2 => self.relation(),
            3 => self.neighbour(),
            _ => self.heading(),
        }
    }

    /// `Where is the star?` Only where the ninth of the picture is clear.
    fn place(&mut self) -> Option<Draft> {
        let object = self.object()?;
        let (place, clear) = self.scene.place(object.centre);
        if !clear {
            return None;
        }
        let the = self.reference(object, Parts::default())?;
        let question = self.where_question(&the);
        let answer = self.answer(place.word(self.language));
        Some(Draft::short(question, answer).about(object).kind("place"))
    }

    pub(super) fn where_question(&mut self, the: &str) -> String {
        let place = self.dice.one_of(["", "", " in the image"]);
        self.say(format!("Where is {the}{place}?"), format!("{the}在哪里？"))
    }

    /// Two objects that lie clearly to each other.
    fn related(&mut self) -> Option<(&'a Object, &'a Object, Relation)> {
        let objects = &self.scene.objects;
        let mut pairs = Vec::new();
        for a in objects {
            for b in objects {
                if let Some(relation) = self.scene.relation(a, b) {
                    pairs.push((a, b, relation));
                }
            }
        }
        self.dice.choose(&pairs).copied()
    }

    /// `Is the star to the left of the circle?`
    fn relation(&mut self) -> Option<Draft> {
        let (a, b, truth) = self.related()?;
        let (the_a, the_b) = (self.any_reference(a)?, self.any_reference(b)?);
        let asked = if self.positive {
            truth
        } else {
            truth.inverse()
        };
        let relation = asked.word(self.language);
        let question = self.say(
            format!("Is {the_a} {relation} {the_b}?"),
            format!("{the_a}在{the_b}的{relation}吗？"),
        );
        let answer = if self.positive {
            self.say("Yes", "是")
        } else {
            self.say("No", "不是")
        };
        Some(
            Draft::short(question, answer)
                .about(a)
                .about(b)
                .kind("relation"),
        )
    }

    /// `What is above the circle?`, where only one thing can be meant.
    fn neighbour(&mut self) -> Option<Draft> {
        if self.scene.objects.len() != 2 {
            return None;
        }
        let (a, b, relation) = self.related()?;
        if a.shape == b.shape {
            return None;
        }
        let the = self.any_reference(b)?;
        let relation = relation.word(self.language);
        let question = self.say(
            format!("What is {relation} {the}?"),
            format!("{the}的{relation}是什么？"),
        );
        let answer = self.answer(a.shape.word(self.language));
        Some(Draft::short(question, answer).about(a).kind("neighbour"))
    }

    /// `Which way does the arrow point?`
    fn heading(&mut self) -> Option<Draft> {
        let arrows: Vec<&Object> = self
            .scene
            .objects
            .iter()
            .filter(|object| object.heading.is_some())
            .collect();
        let arrow = self.dice.choose(&arrows).copied()?;
        let heading = arrow.heading?.word(self.language);
        let the = self.any_reference(arrow)?;
        let question = self.say(
            format!("Which way does {the} point?"),
            format!("{the}指向哪边？"),
        );
        Some(
            Draft::short(question, self.answer(heading))
                .about(arrow)
                .kind("heading"),
        )
    }

    pub(super) fn box_of_phrase(&mut self) -> Option<Draft> {
        if let Some(print) = &self.scene.print
            && self.dice.chance(0.4)
        {
            let noun = if print.is_number { "number" } else { "word" };
            let bounds = self.scene.on_square(print.bounds).to_string();
            return Some(Draft::new(Style::Box, format!("the {noun}"), bounds).kind("text"));
        }
        let object = self.object()?;
        let the = self.any_reference(object)?;
        let bounds = self.scene.on_square(object.bounds).to_string();
        Some(Draft::new(Style::Box, the, bounds).about(object))
    }

    pub(super) fn phrase_of_box(&mut self) -> Option<Draft> {
        let object = self.object()?;
        let phrase = phrase(object, Parts::COLOUR, self.language);
        let mut draft = Draft::new(Style::Region, "", definite(&phrase, self.language));
        draft.ask.region = Some(self.scene.on_square(object.bounds));
        Some(draft.about(object))
    }
}
