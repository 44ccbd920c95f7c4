use super::*;

fn value(expected: &Expected, answer: &str) -> f64 {
    score(expected, answer).value
}

#[test]
fn words_are_compared_after_normalisation() {
    let red = Expected::Words {
        answers: vec!["Red".into(), "crimson".into()],
    };
    for right in ["Red", "red.", " RED ", "the red", "Crimson"] {
        assert_eq!(value(&red, right), 1.0, "{right}");
    }
    for wrong in ["", "reddish", "red star", "blue"] {
        assert_eq!(value(&red, wrong), 0.0, "{wrong}");
    }
    let three = Expected::Words {
        answers: vec!["3".into()],
    };
    assert_eq!(value(&three, "Three"), 1.0);
    let exact = Expected::Exact {
        text: "apple".into(),
    };
    assert_eq!(
        (value(&exact, " apple\n"), value(&exact, "Apple")),
        (1.0, 0.0)
    );
}

#[test]
fn letters() {
    for (answer, options, letter) in [
        ("B", 4, Some('B')),
        ("B. red", 4, Some('B')),
        ("B.", 4, Some('B')),
        ("The answer is C.", 4, Some('C')),
        ("I think. The answer is C. Yes.", 4, Some('C')),
        ("The answer is C. The answer is D.", 4, None),
        ("D", 3, None),
        ("b", 4, None),
        ("Banana", 4, None),
        ("", 4, None),
        ("The answer is C", 4, None),
        ("好", 4, None),
    ] {
        assert_eq!(chosen_letter(answer, options), letter, "{answer:?}");
    }
    let expected = Expected::Letter {
        letter: 'B',
        options: 4,
    };
    assert_eq!(value(&expected, "B"), 1.0);
    assert!(score(&expected, "A").formed && !score(&expected, "red").formed);
}

#[test]
fn overlap_of_boxes() {
    let unit = SquareBox::new(0.0, 0.0, 0.5, 0.5);
    assert_eq!(overlap(unit, unit), 1.0);
    assert_eq!(overlap(unit, SquareBox::new(0.5, 0.5, 1.0, 1.0)), 0.0);
    // Half of it beside half of it: 1/8 over 3/8.
    let moved = SquareBox::new(0.25, 0.0, 0.75, 0.5);
    assert!((overlap(unit, moved) - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(overlap(SquareBox::new(0.2, 0.2, 0.2, 0.2), unit), 0.0);
    let expected = Expected::Box { bounds: unit };
    assert_eq!(value(&expected, "[0.00, 0.00, 0.50, 0.50]"), 1.0);
    assert!(!score(&expected, "on the left").formed);
    assert!(!score(&expected, "[0.0, 0.0, 0.5, 0.5] [0.1, 0.1, 0.2, 0.2]").formed);
}

#[test]
fn forms_are_json_objects() {
    let form = serde_json::json!({"shape": "star", "count": "2"});
    let expected = Expected::Form {
        form: form.as_object().unwrap().clone(),
    };
    assert_eq!(value(&expected, r#"{"shape": "Star", "count": "2"}"#), 1.0);
    assert_eq!(
        value(&expected, r#"{"shape": "star", "count": 2, "more": 1}"#),
        1.0
    );
    assert_eq!(value(&expected, r#"{"shape": "moon", "count": "2"}"#), 0.5);
    for broken in [r#"{"shape": "star""#, "star", "[1]", "{\"a\": 1} so"] {
        assert!(!score(&expected, broken).formed, "{broken}");
    }
}

#[test]
fn declining() {
    let none = Expected::MayDecline { answer: None };
    let red = Expected::MayDecline {
        answer: Some("Red".into()),
    };
    assert_eq!(
        (value(&none, "Unanswerable"), value(&none, "unanswerable.")),
        (1.0, 1.0)
    );
    assert_eq!((value(&none, "Red"), value(&red, "Red")), (0.0, 1.0));
    let refused = score(&red, "Unanswerable");
    assert!(refused.declined && refused.value == 0.0);
    assert!(!score(&red, "Blue").declined);
}

#[test]
fn mentions() {
    let words = vec!["red".to_owned(), "star".to_owned()];
    let expected = Expected::Mentions { words };
    assert_eq!(value(&expected, "A red circle."), 0.5);
    assert_eq!(value(&expected, "A Red STAR."), 1.0);
}
