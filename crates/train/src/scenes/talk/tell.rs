//! Answers in sentences: chat, captions, descriptions.

use super::phrases::{Parts, a, at_place, capital, listed, number_word, phrase, several};
use super::{Asking, Draft};
use crate::scenes::attributes::Language;
use crate::scenes::scene::{Object, Print, Scene};
use visavis_llava::prompt::style::Style;

impl Asking<'_, '_> {
    pub(super) fn chat(&mut self) -> Option<Draft> {
        match self.dice.below(10) {
            0 | 1 => self.chat_colour(),
            2 => self.chat_count(),
            3 | 4 => self.chat_presence(),
            5 => self.chat_place(),
            6 if self.scene.print.is_some() => self.chat_print(),
            7 => Some(self.greeting()),
            _ => Some(self.chat_content()),
        }
    }

    fn chat_colour(&mut self) -> Option<Draft> {
        let object = self.object()?;
        let the = self.reference(object, Parts::COLOUR)?;
        let question = self.colour_question(&the);
        let colour = object.colour.word(self.language);
        let answer = self.say(
            format!("{} is {colour}.", capital(&the)),
            format!("{the}是{colour}的。"),
        );
        Some(
            Draft::new(Style::Chat, question, answer)
                .about(object)
                .kind("colour"),
        )
    }

    fn chat_count(&mut self) -> Option<Draft> {
        let things = self.countable()?;
        let question = self.count_question(&things);
        let (count, chinese) = (things.count, &things.chinese);
        let english = if count == 1 {
            format!("There is one {}.", things.one)
        } else {
            format!("There are {} {}.", number_word(count), things.many)
        };
        let answer = self.say(english, format!("图中有{count}个{chinese}。"));
        Some(Draft::new(Style::Chat, question, answer).kind("count"))
    }

    fn chat_presence(&mut self) -> Option<Draft> {
        let (question, answer, unseen) = if self.positive {
            let object = self.object()?;
            let there = phrase(object, Parts::COLOUR, self.language);
            let question = self.presence_question(&there);
            let answer = self.say(
                format!("Yes, there is {}.", a(&there)),
                format!("有，图中有{there}。"),
            );
            (question, answer, object.is_unseen())
        } else {
            let (colour, shape) = self.absent("random")?;
            let missing = self.kind_phrase(colour, shape);
            let question = self.presence_question(&missing);
            let answer = self.say(
                format!("No, there is no {missing}."),
                format!("没有，图中没有{missing}。"),
            );
            (question, answer, false)
        };
        let mut draft = Draft::new(Style::Chat, question, answer).kind("presence");
        draft.unseen = unseen;
        Some(draft)
    }

    fn chat_place(&mut self) -> Option<Draft> {
        let object = self.object()?;
        let (place, clear) = self.scene.place(object.centre);
        if !clear {
            return None;
        }
        let the = self.any_reference(object)?;
        let question = self.where_question(&the);
        let answer = self.say(
            format!("{} is {}.", capital(&the), at_place(place)),
            format!("{the}在{}。", place.word(Language::Chinese)),
        );
        Some(
            Draft::new(Style::Chat, question, answer)
                .about(object)
                .kind("place"),
        )
    }

    fn chat_print(&mut self) -> Option<Draft> {
        let print = self.scene.print.as_ref()?;
        let question = self.print_question(print.is_number);
        let text = &print.text;
        let answer = if print.is_number {
            self.say(
                format!("The number is {text}."),
                format!("图中的数字是{text}。"),
            )
        } else {
            self.say(
                format!("The text says {text}."),
                format!("图中写的是{text}。"),
            )
        };
        Some(Draft::new(Style::Chat, question, answer).kind("print"))
    }

    /// The model says what it is, so that nobody mistakes it for more.
    fn greeting(&mut self) -> Draft {
        let (english, chinese) = self.dice.one_of([
            (
                ("Hello!", "Hello! Ask me about this drawing."),
                ("你好！", "你好！请问我这幅图画里有什么。"),
            ),
            (
                (
                    "What can you do?",
                    "I answer questions about simple drawings.",
                ),
                ("你会做什么？", "我能回答关于简单图画的问题。"),
            ),
            (
                (
                    "Who are you?",
                    "I am a small practice model. I know only simple drawings.",
                ),
                ("你是谁？", "我是体验模型，只认识简单图画。"),
            ),
        ]);
        let question = self.say(english.0, chinese.0);
        let answer = self.say(english.1, chinese.1);
        Draft::new(Style::Chat, question, answer).kind("greeting")
    }

    fn chat_content(&mut self) -> Draft {
        let english = self.dice.one_of([
            "What is in the picture?",
            "What do you see?",
            "What is in the image?",
            "What is this?",
        ]);
        let chinese = self.dice.one_of(["图中有什么？", "你看到了什么？"]);
        let question = self.say(english, chinese);
        let content = self.content(Parts::COLOUR);
        let answer = self.say(
            format!("The image shows {content}."),
            format!("图中有{content}。"),
        );
        Draft::new(Style::Chat, question, answer).kind("content")
    }

    pub(super) fn caption(&mut self) -> Option<Draft> {
        let content = self.content(Parts {
            size: true,
            ..Parts::COLOUR
        });
        let background = self.scene.backdrop.word(self.language);
        let caption = self.say(
            capital(&format!("{content} on a {background} background.")),
            format!("{background}背景上有{content}。"),
        );
        let question = self.say("", "用一句话描述这张图片。");
        Some(Draft::new(Style::Caption, question, caption))
    }

    /// Everything, from left to right; like things together.
    fn content(&self, parts: Parts) -> String {
        let mut items: Vec<String> = groups(self.scene, parts)
            .into_iter()
            .map(|(object, count)| match self.language {
                Language::English => several(object, parts, count),
                Language::Chinese => {
                    format!("{count}个{}", phrase(object, parts, Language::Chinese))
                }
            })
            .collect();
        if let Some(print) = &self.scene.print {
            items.push(self.print_phrase(print));
        }
        listed(&items, self.language)
    }

    fn print_phrase(&self, print: &Print) -> String {
        let text = &print.text;
        if print.is_number {
            self.say(format!("the number {text}"), format!("数字{text}"))
        } else {
            self.say(format!("the word {text}"), format!("单词{text}"))
        }
    }

    pub(super) fn detailed(&mut self) -> Option<Draft> {
        let scene = self.scene;
        let background = scene.backdrop.word(self.language);
        let count = scene.objects.len();
        let things = if count == 1 { "object" } else { "objects" };
        let opening = if count == 0 {
            self.say(
                format!("The background is {background}."),
                format!("背景是{background}的。"),
            )
        } else {
            self.say(
                format!(
                    "There {} {} {things} on a {background} background.",
                    if count == 1 { "is" } else { "are" },
                    number_word(count)
                ),
                format!("{background}背景上有{count}个物体。"),
            )
        };
        let mut sentences = vec![opening];
        for object in left_to_right(scene) {
            let (place, _) = scene.place(object.centre);
            let thing = phrase(object, Parts::ALL, self.language);
            let english = format!("{} is {}.", capital(&a(&thing)), at_place(place));
            let chinese = format!("{}有一个{thing}。", place.word(Language::Chinese));
            sentences.push(self.say(english, chinese));
        }
        if let Some(print) = &scene.print {
            let (place, _) = scene.place(print.centre);
            let colour = print.colour.word(self.language);
            let text = self.print_phrase(print);
            let english = format!(
                "{} is printed in {colour} {}.",
                capital(&text),
                at_place(place)
            );
            let chinese = format!("{}印着{colour}的{text}。", place.word(Language::Chinese));
            sentences.push(self.say(english, chinese));
        }
        let text = match self.language {
            Language::English => sentences.join(" "),
            Language::Chinese => sentences.concat(),
        };
        let question = self.say("", "请详细描述这张图片。");
        let mut draft = Draft::new(Style::Detailed, question, text);
        draft.unseen = scene.objects.iter().any(Object::is_unseen);
        Some(draft)
    }
}

/// The objects in reading order.
fn left_to_right(scene: &Scene) -> Vec<&Object> {
    let mut objects: Vec<&Object> = scene.objects.iter().collect();
    objects.sort_by(|a, b| a.centre[0].total_cmp(&b.centre[0]));
    objects
}

/// Things of one name with their number, by the leftmost of them.
fn groups(scene: &Scene, parts: Parts) -> Vec<(&Object, usize)> {
    let mut groups: Vec<(&Object, usize)> = Vec::new();
    for object in left_to_right(scene) {
        let name = phrase(object, parts, Language::English);
        let known = groups
            .iter_mut()
            .find(|(first, _)| phrase(first, parts, Language::English) == name);
        match known {
            Some((_, count)) => *count += 1,
            None => groups.push((object, 1)),
        }
    }
    groups
}
