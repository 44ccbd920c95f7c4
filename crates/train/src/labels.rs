//! From conversations to tokens, and which of them are learned (LLaVA-1.5 sections 7.4 and 7.5).
//!
//! The reference renders one string and then counts tokens to find out which belong to answers;
//! where its counts do not meet, it drops the whole conversation. Here answers are known from the
//! start, so nothing is dropped; where its counts do meet, both agree (tests/golden).

use crate::Result;
use crate::conversation::{Row, Turn};
use serde::{Deserialize, Serialize};
use visavis_llava::Tokenizer;
use visavis_llava::prompt::SYSTEM;

/// How a conversation is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// Stage 1: the picture and the answer, nothing else; no end marker.
    Plain,
    /// Stage 2: Vicuna's template; answers and `</s>` are learned.
    V1,
}

/// One position-bearing part of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A piece that is read.
    Given(u32),
    /// A piece that is learned.
    Learned(u32),
    /// The picture: as many positions as the model has image tokens.
    Picture,
}

/// Tokenises `row`. Nothing is cut.
///
/// # Errors
/// The tokenizer's.
pub fn tokens(row: &Row, template: Template, tokenizer: &Tokenizer) -> Result<Vec<Token>> {
    match template {
        Template::Plain => plain(row, tokenizer),
        Template::V1 => v1(row, tokenizer),
    }
}

fn plain(row: &Row, tokenizer: &Tokenizer) -> Result<Vec<Token>> {
    let mut out = vec![Token::Given(tokenizer.bos())];
    if row.image.is_some() {
        out.push(Token::Picture);
    }
    let caption = row.turns.first().map_or("", |t| t.answer.as_str());
    let ids = tokenizer.encode(&format!("{caption}\n"))?;
    out.extend(ids.into_iter().map(Token::Learned));
    Ok(out)
}

fn v1(row: &Row, tokenizer: &Tokenizer) -> Result<Vec<Token>> {
    let mut out = vec![Token::Given(tokenizer.bos())];
    let given = |out: &mut Vec<Token>, text: &mut String| -> Result<()> {
        out.extend(tokenizer.encode(text)?.into_iter().map(Token::Given));
        text.clear();
        Ok(())
    };
    let mut text = format!("{SYSTEM} ");
    for (i, Turn { question, answer }) in row.turns.iter().enumerate() {
        text.push_str("USER: ");
        if i == 0 && row.image.is_some() {
            given(&mut out, &mut text)?;
            out.push(Token::Picture);
            if !question.is_empty() {
                text.push('\n');
            }
        }
        text.push_str(question);
        text.push_str(" ASSISTANT:");
        // The reference writes neither space nor end for an empty answer, so nothing of it is
        // learned, and the next question goes on in the same string.
        if !answer.is_empty() {
            let asked = tokenizer.encode(&text)?.len();
            let ids = tokenizer.encode(&format!("{text} {answer}"))?;
            text.clear();
            out.extend(ids.into_iter().enumerate().map(|(n, id)| {
                if n < asked {
                    Token::Given(id)
                } else {
                    Token::Learned(id)
                }
            }));
            out.push(Token::Learned(tokenizer.eos()));
        }
    }
    given(&mut out, &mut text)?;
    Ok(out)
}

/// Positions that `tokens` take.
pub fn positions(tokens: &[Token], image_tokens: usize) -> usize {
    let pictures = tokens.iter().filter(|t| **t == Token::Picture).count();
    tokens.len() - pictures + pictures * image_tokens
}
