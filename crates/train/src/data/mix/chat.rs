//! Conversations that are conversations already: LLaVA-Instruct and ShareGPT.

use super::rows::Rows;
use crate::Result;
use crate::conversation;
use crate::data::stream::elements;
use serde::Deserialize;
use std::path::Path;
use visavis_llava::Tokenizer;
use visavis_llava::prompt::{self, Conversation, Message};

/// LLaVA-Instruct, as it is. Rows that cannot be learned from are left out.
pub(super) fn llava(file: &Path, rows: &mut Rows) -> Result<()> {
    let mut number = 0;
    elements(file, None, &mut |_, value: serde_json::Value| {
        rows.read();
        number += 1;
        match conversation::row(value.clone(), number) {
            Ok(row) => rows.push_value(&value, row.turns.len()),
            Err(_) => {
                rows.leave_out();
                Ok(())
            }
        }
    })
}

#[derive(Deserialize)]
struct Shared {
    #[serde(default)]
    id: serde_json::Value,
    #[serde(default)]
    conversations: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    from: String,
    value: String,
}

/// Words with which Vicuna's data drops a conversation.
const UNWANTED: [&str; 2] = ["openai", "chatgpt"];

/// ShareGPT, filtered as for Vicuna: at least a question and an answer, taking turns, nobody
/// speaking of the model's origin. What is longer than `longest` tokens is cut after the last
/// answer that fits; the rest is not used.
pub(super) fn sharegpt(
    file: &Path,
    tokenizer: &Tokenizer,
    longest: usize,
    rows: &mut Rows,
) -> Result<()> {
    elements(file, None, &mut |position, shared: Shared| {
        rows.read();
        let turns = filtered(shared.conversations)
            .map(|turns| cut(turns, tokenizer, longest))
            .transpose()?;
        let Some(turns) = turns.filter(|turns| !turns.is_empty()) else {
            rows.leave_out();
            return Ok(());
        };
        let id = shared.id.as_str().map_or(position, str::to_owned);
        rows.push(&id, None, &turns)
    })
}

/// Pairs of question and answer; `None` for a conversation that is not wanted.
fn filtered(said: Vec<Said>) -> Option<Vec<(String, String)>> {
    let unwanted = |said: &Said| {
        let text = said.value.to_lowercase();
        // A literal mark would be taken for a picture.
        UNWANTED.iter().any(|word| text.contains(word)) || text.contains("<image>")
    };
    if said.iter().any(unwanted) {
        return None;
    }
    // As the reference: an answer that nobody asked for is left out.
    let answered_first = said
        .first()
        .is_some_and(|first| is_answer(&first.from) == Some(true));
    let said: Vec<Said> = said.into_iter().skip(usize::from(answered_first)).collect();
    let mut turns = Vec::with_capacity(said.len() / 2);
    let mut said = said.into_iter();
    while let (Some(question), answer) = (said.next(), said.next()) {
        // A last question without an answer teaches nothing.
        let Some(answer) = answer else { break };
        let (asked, answered) = (question.value.trim(), answer.value.trim());
        let sound = is_answer(&question.from) == Some(false)
            && is_answer(&answer.from) == Some(true)
            && !asked.is_empty()
            && !answered.is_empty();
        if !sound {
            return None;
        }
        turns.push((asked.to_owned(), answered.to_owned()));
    }
    (!turns.is_empty()).then_some(turns)
}

/// Whether a role is the model's; `None` for one that is neither.
fn is_answer(from: &str) -> Option<bool> {
    match from {
        "human" | "user" => Some(false),
        "gpt" | "chatgpt" | "bing" | "bard" => Some(true),
        _ => None,
    }
}

/// As many turns from the beginning as fit.
fn cut(
    mut turns: Vec<(String, String)>,
    tokenizer: &Tokenizer,
    longest: usize,
) -> Result<Vec<(String, String)>> {
    // Each piece of text is tokenised once: pieces meet at `</s>`, where the tokenizer begins anew.
    let mut length = 0;
    let mut fitting = 0;
    for (at, (question, answer)) in turns.iter().enumerate() {
        let conversation = Conversation {
            // Only the first turn carries the system text.
            system: if at == 0 { None } else { Some(String::new()) },
            messages: vec![
                Message::user(question.clone(), 0),
                Message::assistant(answer.clone()),
            ],
        };
        let tokens = prompt::tokenize(&conversation, tokenizer)?.len();
        // With its `</s>`; `<s>` stands before the first turn only.
        length += tokens + usize::from(at == 0);
        if length > longest {
            break;
        }
        fitting += 1;
    }
    turns.truncate(fitting);
    Ok(turns)
}
