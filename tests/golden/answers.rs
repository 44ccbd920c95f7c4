//! Judging answers, compared with the published scripts (make_answers.py).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde::Deserialize;
use visavis_eval::score::{normalise, says_yes};

#[derive(Deserialize)]
struct Golden {
    normalised: Vec<(String, String)>,
    says_yes: Vec<(String, bool)>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("answers.json")).unwrap()
}

#[test]
fn answers_are_normalised_as_the_vqa_scripts_do() {
    let golden = golden();
    assert!(golden.normalised.len() > 250);
    let changed = golden.normalised.iter().filter(|(a, b)| a != b);
    assert!(changed.count() > 150, "most answers must be changed by it");
    for (answer, expected) in golden.normalised {
        assert_eq!(normalise(&answer), expected, "{answer:?}");
    }
}

#[test]
fn yes_and_no_are_told_apart_as_popes_script_does() {
    let golden = golden();
    let no = golden.says_yes.iter().filter(|(_, yes)| !yes).count();
    assert!(no > 20, "{no}");
    for (answer, expected) in golden.says_yes {
        assert_eq!(says_yes(&answer), expected, "{answer:?}");
    }
}
