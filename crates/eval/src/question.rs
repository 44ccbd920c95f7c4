//! A question with its known answer, and files of them: one JSON object a line, with the fields
//! that LLaVA's question files have (`question_id`, `image`, `text`, `category`) and the answer.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use visavis_llava::boxes::SquareBox;

/// One question about one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Its name; unique in its list.
    pub question_id: String,
    /// The picture, relative to the list's picture folder.
    pub image: String,
    /// The whole text of the message: with the format sentence, without a mark for the picture.
    pub text: String,
    /// What it is about; results are counted by it.
    pub category: String,
    /// `en`, `zh`; results are counted by it within the category.
    #[serde(default = "english")]
    pub language: String,
    /// A finer name within the category, such as how a POPE negative was drawn.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Whether the training data never shows what it is about.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unseen: bool,
    /// A right answer as the training data writes it, for the loss.
    pub answer: String,
    /// How answers are judged.
    pub expected: Expected,
}

/// How answers are judged, with what is right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Expected {
    /// One of these, after the usual normalisation (case, punctuation, articles, number words).
    Words {
        /// All right answers.
        answers: Vec<String>,
    },
    /// This text and no other; case counts, spaces around it do not.
    Exact {
        /// The text.
        text: String,
    },
    /// Yes or no, by POPE's rule.
    YesNo {
        /// Whether yes is right.
        yes: bool,
    },
    /// The letter of an option.
    Letter {
        /// The letter, from A.
        letter: char,
        /// How many options there are.
        options: usize,
    },
    /// A box on the padded square; the score is the intersection over union.
    Box {
        /// The box.
        bounds: SquareBox,
    },
    /// A JSON object with these values.
    Form {
        /// The object.
        form: serde_json::Map<String, serde_json::Value>,
    },
    /// A word, or `Unanswerable` where there is no answer.
    MayDecline {
        /// The answer; `None` where declining is right.
        answer: Option<String>,
    },
    /// A free text: the share of these words that it contains.
    Mentions {
        /// The words, in lower case.
        words: Vec<String>,
    },
}

/// What VizWiz's format sentence asks for.
pub const UNANSWERABLE: &str = "Unanswerable";

fn english() -> String {
    "en".to_owned()
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Reads a file of questions. Empty lines are skipped.
///
/// # Errors
/// When the file cannot be read, or a line is no question; the line is named.
pub fn read(path: &Path) -> Result<Vec<Question>> {
    read_lines(path)
}

/// Reads one value a line.
pub(crate) fn read_lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let failed = |error| Error::File {
        doing: "read",
        path: path.to_owned(),
        error,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut values = Vec::new();
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        values.push(serde_json::from_str(&line).map_err(|error| Error::Line {
            path: path.to_owned(),
            line: at + 1,
            reason: error.to_string(),
        })?);
    }
    Ok(values)
}

/// Writes one value a line; the file appears complete or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_lines<T: Serialize>(path: &Path, values: &[T]) -> Result<()> {
    let mut text = Vec::new();
    for value in values {
        // Writing to memory fails for no value of ours: names are strings, numbers are finite.
        serde_json::to_writer(&mut text, value).map_err(|error| Error::File {
            doing: "write",
            path: path.to_owned(),
            error: error.into(),
        })?;
        text.push(b'\n');
    }
    write_whole(path, &text)
}

/// Writes a file that appears complete or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    written().map_err(|error| Error::File {
        doing: "write",
        path: path.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(expected: Expected) -> Question {
        Question {
            question_id: "1".into(),
            image: "a.png".into(),
            text: "What?".into(),
            category: "colour".into(),
            language: "en".into(),
            kind: String::new(),
            unseen: false,
            answer: "Red".into(),
            expected,
        }
    }

    #[test]
    fn files_come_back_as_they_went() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("questions.jsonl");
        let form = serde_json::json!({"a": "b"});
        let all = [
            Expected::Words {
                answers: vec!["Red".into()],
            },
            Expected::YesNo { yes: true },
            Expected::Letter {
                letter: 'B',
                options: 3,
            },
            Expected::Box {
                bounds: SquareBox::new(0.1, 0.2, 0.3, 0.4),
            },
            Expected::Form {
                form: form.as_object().unwrap().clone(),
            },
            Expected::MayDecline { answer: None },
        ]
        .map(question);
        write_lines(&path, &all).unwrap();
        assert_eq!(read(&path).unwrap(), all);
    }

    #[test]
    fn a_broken_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("questions.jsonl");
        std::fs::write(&path, "\n{\"question_id\": 1}\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(
            read(&folder.path().join("none"))
                .unwrap_err()
                .to_string()
                .contains("none")
        );
    }
}
