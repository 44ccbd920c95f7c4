//! Answers in a fixed form: letters and JSON.

use super::phrases::Parts;
use super::{Asking, Draft};
use crate::scenes::attributes::{Colour, Language, Place, Shape};
use crate::scenes::scene::Object;
use visavis_llava::prompt::style::Style;

/// A question, its answer, everything that could be one, and the object it is about.
type Puzzle = (String, String, Vec<String>, Option<Object>);

impl Asking<'_, '_> {
    pub(super) fn choice(&mut self) -> Option<Draft> {
        let (question, right, all, object) = match self.dice.below(4) {
            0 => self.choose_count()?,
            1 => self.choose_place()?,
            2 => self.choose_shape()?,
            _ => self.choose_colour()?,
        };
        let mut options: Vec<String> = all.into_iter().filter(|word| *word != right).collect();
        self.dice.shuffle(&mut options);
        let others = self.dice.one_of([1, 2, 3, 3, 3]);
        options.truncate(others);
        let at = self.dice.below(options.len() + 1);
        options.insert(at, right);
        let letter = ('A'..='Z').nth(at)?;
        let mut draft = Draft::new(Style::Choice, question, letter.to_string());
        draft.ask.options = options;
        Some(match object {
            Some(object) => draft.about(&object),
            None => draft,
        })
    }

    fn choose_colour(&mut self) -> Option<Puzzle> {
        let object = self.object()?.clone();
        let the = self.reference(&object, Parts::COLOUR)?;
        let question = self.colour_question(&the);
        let all = Colour::ALL.map(|c| c.word(Language::English).to_owned());
        let right = object.colour.word(Language::English).to_owned();
        Some((question, right, all.to_vec(), Some(object)))
    }

    fn choose_shape(&mut self) -> Option<Puzzle> {
        let object = self.object()?.clone();
        let alike = |o: &&Object| o.colour == object.colour;
        if self.scene.objects.iter().filter(alike).count() != 1 {
            return None;
        }
        let colour = object.colour.word(Language::English);
        let all = Shape::ALL.map(|s| s.word(Language::English).to_owned());
        let right = object.shape.word(Language::English).to_owned();
        let question = format!("What shape is the {colour} object?");
        Some((question, right, all.to_vec(), Some(object)))
    }

    fn choose_count(&mut self) -> Option<Puzzle> {
        let things = self.countable()?;
        let all = (1..=6).map(|n: usize| n.to_string()).collect();
        let question = self.count_question(&things);
        Some((question, things.count.to_string(), all, None))
    }

    fn choose_place(&mut self) -> Option<Puzzle> {
        let object = self.object()?.clone();
        let (place, clear) = self.scene.place(object.centre);
        if !clear {
            return None;
        }
        let the = self.any_reference(&object)?;
        let question = self.where_question(&the);
        let all = Place::ALL.map(|p| p.word(Language::English).to_owned());
        let right = place.word(Language::English).to_owned();
        Some((question, right, all.to_vec(), Some(object)))
    }

    /// A form about one object and about what is printed.
    pub(super) fn json(&mut self) -> Option<Draft> {
        let scene = self.scene;
        let object = if scene.objects.is_empty() {
            None
        } else {
            Some(self.object()?)
        };
        let question = match object {
            // Alone in the picture, a thing needs no name.
            Some(_) if scene.objects.len() == 1 => String::new(),
            Some(object) => {
                let the = self.any_reference(object)?;
                format!("Look at {the}.")
            }
            None => String::new(),
        };
        let missing = || "N/A".to_owned();
        let english = Language::English;
        let of = |value: fn(&Object) -> &'static str| {
            object.map_or_else(missing, |o| value(o).to_owned())
        };
        let printed = |number: bool| {
            let print = scene.print.as_ref().filter(|p| p.is_number == number);
            print.map_or_else(missing, |print| print.text.clone())
        };
        let mut fields = vec![
            ("shape", of(|o| o.shape.word(Language::English))),
            ("color", of(|o| o.colour.word(Language::English))),
            ("size", of(|o| o.size.word(Language::English))),
            ("pattern", of(|o| o.texture.word(Language::English))),
            ("background", scene.backdrop.word(english).to_owned()),
            ("word", printed(false)),
            ("number", printed(true)),
        ];
        self.dice.shuffle(&mut fields);
        fields.truncate(self.dice.from_to(2, 4));
        let mut draft = Draft::new(Style::Json, question, "");
        draft.ask.fields = fields.iter().map(|(name, _)| (*name).to_owned()).collect();
        let values: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("\"{name}\": \"{value}\""))
            .collect();
        draft.answer = format!("{{{}}}", values.join(", "));
        Some(match object {
            Some(object) => draft.about(object),
            None => draft,
        })
    }
}
