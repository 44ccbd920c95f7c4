//! Questions with a word for an answer: colour, shape, size, texture, presence, number.

use super::phrases::{Parts, a, capital, phrase, refer};
use super::{Asking, Draft};
use crate::scenes::attributes::{Colour, Language, Shape, Texture, only_in_test};
use crate::scenes::scene::Object;

/// The ways of drawing what is not there, as POPE has them (arXiv 2305.10355).
pub(super) const WAYS: [&str; 3] = ["random", "popular", "adversarial"];

/// Things to be counted: one of them, many of them, their name in Chinese.
pub(super) struct Countable {
    pub(super) one: String,
    pub(super) many: String,
    pub(super) chinese: String,
    pub(super) count: usize,
}

impl Asking<'_, '_> {
    /// A phrase for an object that hides an attribute: `the star`, or `the object` when it is the
    /// only one.
    pub(super) fn reference(&mut self, object: &Object, hidden: Parts) -> Option<String> {
        if self.scene.objects.len() == 1 && self.dice.chance(0.2) {
            return Some(self.say("the object", "这个物体"));
        }
        refer(self.scene, object, hidden, self.language, self.dice)
    }

    /// A word as a short answer.
    pub(super) fn answer(&self, word: &str) -> String {
        match self.language {
            Language::English => capital(word),
            Language::Chinese => word.to_owned(),
        }
    }

    pub(super) fn colour_question(&mut self, the: &str) -> String {
        let spelling = self.dice.one_of(["color", "color", "color", "colour"]);
        let english = self.dice.one_of(["What", "What", "Which"]);
        self.say(
            format!("{english} {spelling} is {the}?"),
            format!("{the}是什么颜色？"),
        )
    }

    pub(super) fn colour(&mut self) -> Option<Draft> {
        if let Some(print) = &self.scene.print
            && self.dice.chance(0.3)
        {
            let the = self.say("the text", "文字");
            let answer = self.answer(print.colour.word(self.language));
            return Some(Draft::short(self.colour_question(&the), answer).kind("text"));
        }
        let object = self.object()?;
        let the = self.reference(object, Parts::COLOUR)?;
        let question = self.colour_question(&the);
        let answer = self.answer(object.colour.word(self.language));
        Some(Draft::short(question, answer).about(object))
    }

    pub(super) fn shape(&mut self) -> Option<Draft> {
        let object = self.object()?;
        let objects = &self.scene.objects;
        let same = |same: &dyn Fn(&Object) -> bool| objects.iter().filter(|o| same(o)).count() == 1;
        let colour = object.colour.word(self.language);
        let size = object.size.word(self.language);
        let the = if objects.len() == 1 && self.dice.chance(0.3) {
            self.say("the object", "这个物体")
        } else if same(&|o| o.colour == object.colour) {
            self.say(format!("the {colour} object"), format!("{colour}的物体"))
        } else if same(&|o| o.colour == object.colour && o.size == object.size) {
            self.say(
                format!("the {size} {colour} object"),
                format!("{size}的{colour}物体"),
            )
        } else {
            return None;
        };
        let question = self.say(
            format!("What shape is {the}?"),
            format!("{the}是什么形状？"),
        );
        let answer = self.answer(object.shape.word(self.language));
        Some(Draft::short(question, answer).about(object))
    }

    pub(super) fn size(&mut self) -> Option<Draft> {
        let object = self.object()?;
        let the = self.reference(object, Parts::SIZE)?;
        let question = self.size_question(&the);
        let answer = self.answer(object.size.word(self.language));
        Some(Draft::short(question, answer).about(object))
    }

    pub(super) fn size_question(&mut self, the: &str) -> String {
        self.say(
            format!("Is {the} small or large?"),
            format!("{the}是大还是小？"),
        )
    }

    pub(super) fn texture(&mut self) -> Option<Draft> {
        let object = self.object()?;
        // Solid things are the most; asking about half of them keeps the answer open.
        if object.texture == Texture::Solid && self.dice.chance(0.5) {
            return None;
        }
        let the = self.reference(object, Parts::SHAPE)?;
        let question = self.say(
            format!("What pattern does {the} have?"),
            format!("{the}是什么图案？"),
        );
        let answer = self.answer(object.texture.word(self.language));
        Some(Draft::short(question, answer).about(object))
    }

    /// `Is there a red star in the image?`
    pub(super) fn yes_no(&mut self) -> Option<Draft> {
        let way = WAYS.get(self.way).copied().unwrap_or("random");
        let (phrase, unseen) = if self.positive {
            let object = self.object()?;
            let parts = if self.dice.chance(0.35) {
                Parts::SHAPE
            } else {
                Parts::COLOUR
            };
            let unseen = parts.colour && object.is_unseen();
            (phrase(object, parts, self.language), unseen)
        } else {
            let (colour, shape) = self.absent(way)?;
            let unseen = colour.is_some_and(|c| only_in_test(c, shape));
            (self.kind_phrase(colour, shape), unseen)
        };
        let question = self.presence_question(&phrase);
        let answer = if self.positive {
            self.say("Yes", "有")
        } else {
            self.say("No", "没有")
        };
        let mut draft = Draft::short(question, answer).kind(way);
        draft.unseen = unseen;
        Some(draft)
    }

    pub(super) fn presence_question(&mut self, phrase: &str) -> String {
        let place = self
            .dice
            .one_of([" in the image", " in the image", " in the picture", ""]);
        self.say(
            format!("Is there {}{place}?", a(phrase)),
            format!("图中有{phrase}吗？"),
        )
    }

    pub(super) fn kind_phrase(&self, colour: Option<Colour>, shape: Shape) -> String {
        let noun = shape.word(self.language);
        match (colour, self.language) {
            (None, _) => noun.to_owned(),
            (Some(colour), Language::English) => format!("{} {noun}", colour.word(self.language)),
            (Some(colour), Language::Chinese) => format!("{}{noun}", colour.word(self.language)),
        }
    }

    /// A kind of thing that is not there. `random`: any. `popular`: of the shapes that are drawn
    /// most. `adversarial`: it shares its colour or its shape with something that is there.
    pub(super) fn absent(&mut self, way: &str) -> Option<(Option<Colour>, Shape)> {
        let objects = &self.scene.objects;
        let mut kinds = Vec::new();
        for shape in Shape::ALL {
            if way == "popular" && !shape.is_popular() {
                continue;
            }
            if objects.iter().all(|o| o.shape != shape) && way != "adversarial" {
                kinds.push((None, shape));
            }
            for colour in Colour::ALL {
                let there = |o: &Object| o.colour == colour && o.shape == shape;
                let alike = objects
                    .iter()
                    .any(|o| o.colour == colour || o.shape == shape);
                if !objects.iter().any(there)
                    && self.may_name(colour, shape)
                    && (way != "adversarial" || alike)
                {
                    kinds.push((Some(colour), shape));
                }
            }
        }
        // Bare shapes are few among the kinds and asked for as often as coloured ones.
        let bare: Vec<_> = kinds.iter().filter(|(c, _)| c.is_none()).copied().collect();
        if !bare.is_empty() && self.dice.chance(0.35) {
            return self.dice.choose(&bare).copied();
        }
        self.dice.choose(&kinds).copied()
    }

    pub(super) fn counting(&mut self) -> Option<Draft> {
        let things = self.countable()?;
        let question = self.count_question(&things);
        Some(Draft::short(question, things.count.to_string()))
    }

    pub(super) fn count_question(&mut self, things: &Countable) -> String {
        let place = self
            .dice
            .one_of(["are there", "are in the image", "are in the picture"]);
        self.say(
            format!("How many {} {place}?", things.many),
            format!("图中有几个{}？", things.chinese),
        )
    }

    /// What can be counted up to five.
    pub(super) fn countable(&mut self) -> Option<Countable> {
        let object = self.dice.choose(&self.scene.objects)?;
        let objects = &self.scene.objects;
        let chinese = Language::Chinese;
        let things = match self.dice.below(5) {
            0 => Countable {
                one: "object".to_owned(),
                many: "objects".to_owned(),
                chinese: "物体".to_owned(),
                count: objects.len(),
            },
            1 => {
                let colour = object.colour.word(Language::English);
                Countable {
                    one: format!("{colour} object"),
                    many: format!("{colour} objects"),
                    chinese: format!("{}物体", object.colour.word(chinese)),
                    count: objects.iter().filter(|o| o.colour == object.colour).count(),
                }
            }
            _ => Countable {
                one: object.shape.word(Language::English).to_owned(),
                many: object.shape.plural(),
                chinese: object.shape.word(chinese).to_owned(),
                count: objects.iter().filter(|o| o.shape == object.shape).count(),
            },
        };
        (things.count <= 5).then_some(things)
    }

    /// A phrase that means this object and may name everything.
    pub(super) fn any_reference(&mut self, object: &Object) -> Option<String> {
        refer(
            self.scene,
            object,
            Parts::default(),
            self.language,
            self.dice,
        )
    }
}
