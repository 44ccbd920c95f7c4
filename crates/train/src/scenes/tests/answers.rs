//! Every answer is true, by another way of looking at the scene than the one that wrote it.

use super::*;
use crate::scenes::attributes::{Colour, Place, Relation, Shape, Size};
use crate::scenes::scene::{Object, Scene};
use visavis_llava::boxes::SquareBox;

const EN: Language = Language::English;
const EACH: u64 = 60;

fn of(category: Category) -> Vec<(Scene, Turn)> {
    let generator = generator(Split::Test, 41);
    let questions = (0..EACH).map(|n| generator.question(category, EN, n).unwrap());
    questions
        .map(|mut sample| (sample.scene.clone(), sample.turns.remove(0)))
        .collect()
}

/// The objects that a phrase such as `small red star` or `red objects` can mean.
fn meant<'a>(scene: &'a Scene, phrase: &str) -> Vec<&'a Object> {
    let words: Vec<&str> = phrase
        .split(' ')
        .filter(|w| !["the", "a", "an"].contains(w))
        .collect();
    let fits = |object: &&Object| {
        words.iter().all(|word| {
            let shape = object.shape.word(EN) == *word || object.shape.plural() == *word;
            let thing = ["object", "objects"].contains(word);
            shape || thing || object.colour.word(EN) == *word || object.size.word(EN) == *word
        })
    };
    scene.objects.iter().filter(fits).collect()
}

fn the_one<'a>(scene: &'a Scene, phrase: &str, turn: &Turn) -> &'a Object {
    match meant(scene, phrase).as_slice() {
        [object] => object,
        other => panic!("{phrase:?} means {} objects: {turn:?}", other.len()),
    }
}

/// What stands between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let end = text.get(start..)?.find(after)? + start;
    text.get(start..end)
}

#[test]
fn colours_shapes_and_sizes() {
    for (scene, turn) in of(Category::Colour) {
        let the = between(&turn.ask.question, " is ", "?").unwrap();
        let colour = match (the, &scene.print) {
            ("the text", Some(print)) => print.colour,
            _ => the_one(&scene, the, &turn).colour,
        };
        assert_eq!(turn.answer.to_lowercase(), colour.word(EN), "{turn:?}");
    }
    for (scene, turn) in of(Category::Shape) {
        let object = the_one(&scene, between(&turn.question, " is ", "?").unwrap(), &turn);
        assert_eq!(turn.answer.to_lowercase(), object.shape.word(EN));
    }
    for (scene, turn) in of(Category::Size) {
        let object = the_one(
            &scene,
            between(&turn.question, "Is ", " small or").unwrap(),
            &turn,
        );
        assert_eq!(turn.answer.to_lowercase(), object.size.word(EN));
        let extent = object.radius / scene.side();
        assert_eq!(object.size == Size::Large, extent > 0.125, "{extent}");
    }
}

#[test]
fn presence_is_balanced_and_true() {
    let asked = of(Category::YesNo);
    let mut ways = std::collections::BTreeMap::new();
    for (scene, turn) in &asked {
        let phrase = turn
            .ask
            .question
            .trim_start_matches("Is there ")
            .trim_end_matches('?');
        let phrase = phrase
            .trim_end_matches(" in the image")
            .trim_end_matches(" in the picture");
        let there = !meant(scene, phrase).is_empty();
        assert_eq!(turn.answer, if there { "Yes" } else { "No" }, "{turn:?}");
        *ways.entry((turn.kind, there)).or_insert(0) += 1;
        if turn.kind == "adversarial" && !there {
            let near = scene
                .objects
                .iter()
                .any(|o| phrase.contains(o.shape.word(EN)) || phrase.contains(o.colour.word(EN)));
            assert!(near, "{phrase} has nothing in common with the picture");
        }
        if turn.kind == "popular" && !there {
            assert!(
                Shape::ALL
                    .iter()
                    .any(|s| s.is_popular() && phrase.ends_with(s.word(EN)))
            );
        }
    }
    assert!(
        ways.len() == 6 && ways.values().all(|n| *n == EACH / 6),
        "{ways:?}"
    );
}

#[test]
fn counts() {
    let mut seen = std::collections::BTreeSet::new();
    for (scene, turn) in of(Category::Counting) {
        let things = between(&turn.ask.question, "How many ", " are ").unwrap();
        assert_eq!(
            turn.answer,
            meant(&scene, things).len().to_string(),
            "{turn:?}"
        );
        seen.insert(turn.answer);
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        ["1", "2", "3", "4", "5"]
    );
}

#[test]
fn positions() {
    let mut kinds = std::collections::BTreeSet::new();
    for (scene, turn) in of(Category::Position) {
        let question = turn.ask.question.as_str();
        kinds.insert(turn.kind);
        match turn.kind {
            "place" => {
                let the = between(question, "Where is ", "?").unwrap();
                let object = the_one(&scene, the.trim_end_matches(" in the image"), &turn);
                let [x, y] = object.centre;
                let (u, v) = (x / scene.width as f32, y / scene.height as f32);
                let answer = turn.answer.to_lowercase();
                assert_eq!(answer.contains("left"), u < 0.3, "{u} {answer}");
                assert_eq!(answer.contains("right"), u > 0.7, "{u} {answer}");
                assert_eq!(answer.contains("top"), v < 0.3, "{v} {answer}");
                assert_eq!(answer.contains("bottom"), v > 0.7, "{v} {answer}");
                assert!(Place::ALL.iter().any(|place| place.word(EN) == answer));
            }
            "relation" => {
                let relation = Relation::ALL
                    .into_iter()
                    .find(|r| question.contains(&format!(" {} ", r.word(EN))))
                    .unwrap();
                let (a, b) = question
                    .split_once(&format!(" {} ", relation.word(EN)))
                    .unwrap();
                let a = the_one(&scene, a.trim_start_matches("Is "), &turn);
                let b = the_one(&scene, b.trim_end_matches('?'), &turn);
                let holds = match relation {
                    Relation::LeftOf => a.centre[0] < b.centre[0],
                    Relation::RightOf => a.centre[0] > b.centre[0],
                    Relation::Above => a.centre[1] < b.centre[1],
                    Relation::Below => a.centre[1] > b.centre[1],
                };
                assert_eq!(turn.answer, if holds { "Yes" } else { "No" }, "{turn:?}");
            }
            "neighbour" => assert!(
                scene
                    .objects
                    .iter()
                    .any(|o| o.shape.word(EN) == turn.answer.to_lowercase())
            ),
            _ => {
                let arrow = the_one(&scene, between(question, "does ", " point").unwrap(), &turn);
                assert_eq!(arrow.heading.unwrap().word(EN), turn.answer.to_lowercase());
            }
        }
    }
    assert!(kinds.len() >= 3, "{kinds:?}");
}

#[test]
fn letters_boxes_and_regions() {
    let mut letters = std::collections::BTreeSet::new();
    for (scene, turn) in of(Category::Choice) {
        let at = usize::from(turn.answer.as_bytes()[0] - b'A');
        let options = &turn.ask.options;
        let right = &options[at];
        assert_eq!(options.iter().filter(|o| *o == right).count(), 1);
        if turn.question.starts_with("How many") {
            let things = between(&turn.ask.question, "How many ", " are ").unwrap();
            assert_eq!(*right, meant(&scene, things).len().to_string());
        }
        letters.insert(turn.answer);
    }
    assert_eq!(
        letters.into_iter().collect::<Vec<_>>(),
        ["A", "B", "C", "D"]
    );
    for (scene, turn) in of(Category::Box) {
        let said: SquareBox = turn.answer.parse().unwrap();
        let bounds = match turn.kind {
            "text" => scene.print.as_ref().unwrap().bounds,
            _ => the_one(&scene, &turn.ask.question, &turn).bounds,
        };
        let back = said.to_picture(scene.width, scene.height);
        let off = [
            back.x1 - bounds.x1,
            back.y1 - bounds.y1,
            back.x2 - bounds.x2,
            back.y2 - bounds.y2,
        ];
        // Two decimals of the square.
        let step = f64::from(scene.side()) * 0.0051;
        assert!(off.iter().all(|d| d.abs() <= step), "{off:?}");
    }
    for (scene, turn) in of(Category::Region) {
        // Two red stars are each "the red star" where a box says which.
        let mut boxes = meant(&scene, &turn.answer)
            .into_iter()
            .map(|o| scene.on_square(o.bounds));
        assert!(
            boxes.any(|b| turn.question.ends_with(&b.to_string())),
            "{turn:?}"
        );
    }
}

#[test]
fn forms() {
    for (scene, turn) in of(Category::Json) {
        let form: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&turn.answer).unwrap();
        assert_eq!(form.len(), turn.ask.fields.len());
        let object = turn
            .question
            .strip_prefix("Look at ")
            .map(|rest| the_one(&scene, rest.split_once('.').unwrap().0, &turn));
        let object = object.or(scene.objects.first().filter(|_| scene.objects.len() == 1));
        for (field, value) in form {
            let value = value.as_str().unwrap();
            let expected = match (field.as_str(), object) {
                ("shape", Some(o)) => o.shape.word(EN),
                ("color", Some(o)) => o.colour.word(EN),
                ("size", Some(o)) => o.size.word(EN),
                ("pattern", Some(o)) => o.texture.word(EN),
                ("background", _) => {
                    if scene.backdrop.dark {
                        "dark"
                    } else {
                        "light"
                    }
                }
                ("word", _) => scene
                    .print
                    .as_ref()
                    .filter(|p| !p.is_number)
                    .map_or("N/A", |p| &p.text),
                ("number", _) => scene
                    .print
                    .as_ref()
                    .filter(|p| p.is_number)
                    .map_or("N/A", |p| &p.text),
                (_, None) => "N/A",
                (field, _) => panic!("an unknown field {field}"),
            };
            assert_eq!(value, expected, "{field}: {turn:?}");
        }
    }
}

#[test]
fn refusals_are_balanced_and_only_where_there_is_nothing() {
    let asked = of(Category::Refusal);
    let declined = asked
        .iter()
        .filter(|(_, turn)| turn.answer == "Unanswerable")
        .count() as u64;
    assert_eq!(declined, EACH / 2);
    for (scene, turn) in asked {
        assert!(turn.question.contains("respond with 'Unanswerable'"));
        let question = turn
            .ask
            .question
            .trim_end_matches('?')
            .trim_end_matches(" in the image");
        let the = question.find("the ").map(|at| &question[at..]);
        let named = the.map(|the| the.trim_end_matches(" small or large"));
        let answerable = match named {
            Some(the) if Shape::ALL.iter().any(|s| the.contains(s.word(EN))) => {
                meant(&scene, the).len() == 1
            }
            Some(the) if the.contains("object") => scene.objects.len() == 1,
            Some("the number") => scene.print.as_ref().is_some_and(|p| p.is_number),
            Some(_) => scene.print.is_some(),
            None => scene.print.is_some(),
        };
        assert_eq!(turn.answer != "Unanswerable", answerable, "{turn:?}");
    }
}

#[test]
fn errors_are_pointed_out() {
    let mut kinds = std::collections::BTreeSet::new();
    for (scene, turn) in of(Category::Check) {
        match turn.kind {
            "wrong thing" => {
                let shape = between(&turn.answer, "There is no ", " in").unwrap();
                assert!(meant(&scene, shape).is_empty() && turn.ask.question.contains(shape));
            }
            "wrong colour" => {
                let shape = between(&turn.answer, "The ", " is").unwrap();
                let right = between(&turn.answer, " is ", ",").unwrap();
                let wrong = between(&turn.answer, "not ", ".").unwrap();
                assert_eq!(the_one(&scene, shape, &turn).colour.word(EN), right);
                assert!(turn.ask.question.contains(&format!("{wrong} {shape}")) && wrong != right);
            }
            _ => assert!(!turn.answer.contains("not") && !turn.answer.contains(" no ")),
        }
        kinds.insert(turn.kind);
    }
    assert_eq!(kinds.len(), 3);
}

#[test]
fn words_and_numbers_are_read_as_printed() {
    for category in [Category::Reading, Category::Number] {
        for (scene, turn) in of(category) {
            let print = scene.print.unwrap();
            assert_eq!(turn.answer, print.printed.to_lowercase());
            assert_eq!(
                turn.answer.parse::<u8>().is_ok(),
                category == Category::Number
            );
        }
    }
}

#[test]
fn descriptions_name_everything() {
    for category in [Category::Caption, Category::Detailed] {
        for (scene, turn) in of(category) {
            for object in &scene.objects {
                assert!(
                    turn.answer.to_lowercase().contains(object.shape.word(EN)),
                    "{turn:?}"
                );
                assert!(turn.answer.to_lowercase().contains(object.colour.word(EN)));
            }
            if let Some(print) = &scene.print {
                assert!(turn.answer.contains(&print.text));
            }
        }
    }
}

#[test]
fn every_background_leaves_colours_enough() {
    let generator = generator(Split::Train, 42);
    let mut colours = std::collections::BTreeMap::new();
    for index in 0..2500 {
        for object in generator.conversation(index).scene.objects {
            *colours.entry(object.colour).or_insert(0) += 1;
        }
    }
    assert_eq!(colours.len(), Colour::ALL.len());
    assert!(colours.values().all(|n| *n > 150), "{colours:?}");
}
