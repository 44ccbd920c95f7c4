//! The LLaVA JSON format: conversations about pictures (LLaVA-1.5 section 7.8).
//!
//! A row that the reference would train on wrongly without a word (roles that do not alternate, a
//! picture without `<image>`) is an error that names the row.

use crate::{Error, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// How the format writes the place of the picture.
const IMAGE: &str = "<image>";

/// Question and answer, in that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What the person says, without `<image>`.
    pub question: String,
    /// What the model is to say.
    pub answer: String,
}

/// One row: a picture or none, and at least one turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number in the file, from 1.
    pub number: usize,
    /// What it calls itself.
    pub id: String,
    /// Path below the picture folder.
    pub image: Option<PathBuf>,
    /// In order. The picture stands before the first question.
    pub turns: Vec<Turn>,
}

#[derive(Deserialize)]
struct Raw {
    id: Option<serde_json::Value>,
    image: Option<String>,
    #[serde(default)]
    conversations: Vec<RawTurn>,
}

#[derive(Deserialize)]
struct RawTurn {
    from: String,
    value: String,
}

impl Row {
    /// Words of all turns, as the reference counts them for grouping; negative without a picture.
    pub fn modality_length(&self) -> i64 {
        let words = |text: &str| text.split_whitespace().count();
        // The reference counts `<image>` with the words.
        let marker = usize::from(self.image.is_some());
        let all: usize = self
            .turns
            .iter()
            .map(|t| words(&t.question) + words(&t.answer))
            .sum();
        let all = (all + marker) as i64;
        if self.image.is_some() { all } else { -all }
    }
}

/// Reads all rows of a file.
///
/// # Errors
/// The file is not LLaVA JSON, or the first broken row.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read(path).map_err(|e| Error::read(path, e))?;
    let raw: Vec<serde_json::Value> = serde_json::from_slice(&text).map_err(|e| {
        Error::data(
            path,
            format!("not a LLaVA data file, which is a JSON list of conversations ({e})"),
        )
    })?;
    if raw.is_empty() {
        return Err(Error::data(path, "there is no conversation in it"));
    }
    raw.into_iter()
        .enumerate()
        .map(|(i, value)| {
            let id = value.get("id").map(shown).unwrap_or_default();
            row(value, i + 1).map_err(|reason| Error::Row {
                path: path.to_owned(),
                row: i + 1,
                id,
                reason,
            })
        })
        .collect()
}

fn shown(id: &serde_json::Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// Checks one row; the error is a sentence.
pub(crate) fn row(value: serde_json::Value, number: usize) -> std::result::Result<Row, String> {
    let raw: Raw = serde_json::from_value(value)
        .map_err(|e| format!("not a conversation ({e}); visavis data check lists all such rows"))?;
    let mut turns = raw.conversations;
    // As the reference: an answer that nobody asked for is left out.
    if turns
        .first()
        .is_some_and(|t| is_answer(&t.from) == Ok(true))
    {
        turns.remove(0);
    }
    let marked = turns
        .iter()
        .map(|t| t.value.matches(IMAGE).count())
        .sum::<usize>();
    match (&raw.image, marked) {
        (Some(_), 1) | (None, 0) => {}
        (Some(_), 0) => return Err(format!("it names a picture, but no turn says {IMAGE}")),
        (Some(_), n) => {
            return Err(format!(
                "it says {IMAGE} {n} times; LLaVA-1.5 trains one picture a row"
            ));
        }
        (None, _) => return Err(format!("it says {IMAGE}, but names no picture")),
    }
    if turns.is_empty() || !turns.len().is_multiple_of(2) {
        return Err("questions and answers do not come in pairs".into());
    }
    let mut pairs = Vec::with_capacity(turns.len() / 2);
    for (i, pair) in turns.chunks_exact(2).enumerate() {
        let [human, model] = pair else { continue };
        if is_answer(&human.from)? || !is_answer(&model.from)? {
            return Err("human and gpt do not take turns".into());
        }
        if model.value.contains(IMAGE) || (i > 0 && human.value.contains(IMAGE)) {
            return Err(format!("{IMAGE} belongs in the first question"));
        }
        let question = if human.value.contains(IMAGE) {
            human.value.replace(IMAGE, "").trim().to_owned()
        } else {
            human.value.clone()
        };
        pairs.push(Turn {
            question,
            answer: model.value.clone(),
        });
    }
    Ok(Row {
        number,
        id: raw.id.as_ref().map(shown).unwrap_or_default(),
        image: raw.image.map(PathBuf::from),
        turns: pairs,
    })
}

fn is_answer(from: &str) -> std::result::Result<bool, String> {
    match from {
        "gpt" => Ok(true),
        "human" => Ok(false),
        other => Err(format!("\"{other}\" speaks; only human and gpt may")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn turns(list: &[(&str, &str)]) -> serde_json::Value {
        list.iter()
            .map(|(from, value)| json!({"from": from, "value": value}))
            .collect()
    }

    #[test]
    fn the_picture_goes_to_the_front() {
        let value = json!({"id": 7, "image": "a/b.jpg", "conversations":
            turns(&[("human", "What is this?\n<image>"), ("gpt", "A cat."), ("human", " More? "), ("gpt", "")])});
        let row = row(value, 3).unwrap();
        assert_eq!((row.id.as_str(), row.number), ("7", 3));
        assert_eq!(row.turns[0].question, "What is this?");
        // Only a turn with a picture is trimmed, as the reference does it.
        assert_eq!(row.turns[1].question, " More? ");
        assert_eq!(row.modality_length(), 7);
    }

    #[test]
    fn an_answer_nobody_asked_for_is_left_out() {
        let value = json!({"conversations":
            turns(&[("gpt", "Hello."), ("human", "Hi"), ("gpt", "Yes")])});
        let row = row(value, 1).unwrap();
        assert_eq!(row.turns.len(), 1);
        assert_eq!(row.modality_length(), -2);
    }

    #[test]
    fn what_would_train_wrongly_is_refused() {
        let bad = [
            (
                json!({"image": "a.jpg", "conversations": turns(&[("human", "Hi"), ("gpt", "a")])}),
                "no turn says",
            ),
            (
                json!({"conversations": turns(&[("human", "<image>"), ("gpt", "a")])}),
                "names no picture",
            ),
            (json!({"conversations": turns(&[("human", "Hi")])}), "pairs"),
            (json!({"conversations": []}), "pairs"),
            (
                json!({"conversations": turns(&[("human", "Hi"), ("human", "a")])}),
                "take turns",
            ),
            (
                json!({"conversations": turns(&[("human", "Hi"), ("bot", "a")])}),
                "bot",
            ),
            (
                json!({"image": "a.jpg", "conversations": turns(&[("human", "<image><image>"), ("gpt", "a")])}),
                "2 times",
            ),
            (
                json!({"image": "a.jpg", "conversations":
                turns(&[("human", "Hi"), ("gpt", "a"), ("human", "<image>"), ("gpt", "b")])}),
                "first question",
            ),
            (json!({"conversations": 3}), "data check"),
        ];
        for (value, part) in bad {
            let reason = row(value, 1).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        }
    }
}
