//! The prompt, built from typed pieces (LLaVA-1.5's `vicuna_v1` template).
//!
//! The reference writes one string with markers in it and splits it again, so that a person who
//! types `<image>` or `</s>` disturbs it. Here the markers are values of their own from the
//! start, and text is only ever text.
//!
//! Two choices of the field, made here once:
//! - Each run of text between markers is a fresh SentencePiece string (the reference's
//!   `tokenizer_image_token`), so the newline after a picture is `▁` + `<0x0A>`.
//! - That holds after `</s>` too ("legacy" tokenisation): the second turn's `USER` is `▁US` `ER`
//!   (3148 1001), as llava-hf's tokenizer and llama.cpp have it, not `USER` (11889).

pub mod style;

use crate::{Error, Result, Tokenizer};
use serde::{Deserialize, Serialize};

/// The system text of training and of every published evaluation. (The original's demo says
/// "curious human" instead.)
pub const SYSTEM: &str = "A chat between a curious user and an artificial intelligence assistant. \
     The assistant gives helpful, detailed, and polite answers to the user's questions.";

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One message; pictures stand before its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said: plain text, never markers.
    pub text: String,
    /// How many pictures stand before the text.
    #[serde(default)]
    pub pictures: usize,
}

/// What was said so far. Ends with a user message, or with an assistant message to be continued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The system text; `None` is the training wording, an empty text is none at all.
    pub system: Option<String>,
    /// In order; roles alternate, starting with the user.
    pub messages: Vec<Message>,
}

/// One position-bearing part of a tokenised prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PromptToken {
    /// A vocabulary id: one position.
    Id(u32),
    /// The conversation's n-th picture: as many positions as the model has image tokens.
    Picture(usize),
}

/// A typed piece of a rendered prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// `<s>`.
    Begin,
    /// Text, tokenised as a string of its own.
    Text(String),
    /// The conversation's n-th picture.
    Picture(usize),
    /// `</s>`, after an answer.
    End,
}

impl Message {
    /// A question, with pictures before it.
    pub fn user(text: impl Into<String>, pictures: usize) -> Self {
        Self {
            role: Role::User,
            text: text.into(),
            pictures,
        }
    }

    /// An answer.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self {
            role: Role::Assistant,
            text: text.into(),
            pictures: 0,
        }
    }
}

impl Conversation {
    /// How many pictures it has in all.
    pub fn pictures(&self) -> usize {
        self.messages
            .iter()
            .map(|m| m.pictures)
            .fold(0, usize::saturating_add)
    }

    /// Whether it ends inside an answer that is to be continued.
    pub fn continues(&self) -> bool {
        self.messages
            .last()
            .is_some_and(|m| m.role == Role::Assistant && !m.text.is_empty())
    }

    /// Checks the roles: user first, then alternating; pictures and questions where they belong.
    fn check(&self, last_text_is_open: bool) -> Result<()> {
        let request = |message: String| Err(Error::Request(message));
        let Some(last) = self.messages.len().checked_sub(1) else {
            return request("the conversation is empty; it needs a question".to_owned());
        };
        let turns = [Role::User, Role::Assistant].into_iter().cycle();
        for ((at, message), role) in self.messages.iter().enumerate().zip(turns) {
            let number = at + 1;
            if message.role != role {
                return request(format!(
                    "message {number} has the wrong role: user and assistant must take turns, the user first"
                ));
            }
            if role == Role::Assistant && message.pictures > 0 {
                return request(format!(
                    "message {number} is an answer and cannot hold pictures"
                ));
            }
            let may_be_empty = message.pictures > 0 || (last_text_is_open && at == last);
            if role == Role::User && message.text.is_empty() && !may_be_empty {
                return request(format!(
                    "message {number} is empty: write a question or add a picture"
                ));
            }
        }
        Ok(())
    }
}

/// Collects pieces; joins neighbouring text.
#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    text: String,
    pictures: usize,
}

impl Pieces {
    fn mark(&mut self, piece: Piece) {
        if !self.text.is_empty() {
            self.done.push(Piece::Text(std::mem::take(&mut self.text)));
        }
        self.done.push(piece);
    }

    fn open(&mut self, system: Option<&str>) {
        self.mark(Piece::Begin);
        let system = system.unwrap_or(SYSTEM);
        if !system.is_empty() {
            self.text.push_str(system);
            self.text.push(' ');
        }
    }

    fn answered(&mut self, messages: &[Message]) {
        for message in messages {
            match message.role {
                Role::User => {
                    self.pictures(message.pictures);
                    self.question(&message.text);
                }
                Role::Assistant => {
                    self.answer(&message.text);
                    self.mark(Piece::End);
                }
            }
        }
    }

    /// `USER: ` and the pictures, each but the last with its newline: that one belongs to the
    /// question's text.
    fn pictures(&mut self, count: usize) {
        self.text.push_str("USER: ");
        for n in 0..count {
            if n > 0 {
                self.text.push('\n');
            }
            self.mark(Piece::Picture(self.pictures));
            self.pictures += 1;
        }
    }

    fn question(&mut self, text: &str) {
        if matches!(self.done.last(), Some(Piece::Picture(_))) && self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.text.push_str(" ASSISTANT:");
    }

    fn answer(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.push(' ');
            self.text.push_str(text);
        }
    }

    fn close(mut self) -> Vec<Piece> {
        if !self.text.is_empty() {
            self.done.push(Piece::Text(self.text));
        }
        self.done
    }
}

/// Renders a conversation: `{system} USER: <image>\n{question} ASSISTANT: {answer}</s>USER: ...`,
/// ending with `ASSISTANT:`, or with the answer that is to be continued. LLaVA-1.5 was trained
/// with one picture, in the first question; several are rendered as its users do
/// (`<image>\n<image>\n{question}`), and may stand in any question.
///
/// # Errors
/// [`Error::Request`] when there is no question, roles do not alternate, a question without a
/// picture is empty, or an answer holds pictures.
pub fn render(conversation: &Conversation) -> Result<Vec<Piece>> {
    conversation.check(false)?;
    let mut pieces = Pieces::default();
    pieces.open(conversation.system.as_deref());
    let (open_answer, answered) = match conversation.messages.split_last() {
        Some((last, rest)) if last.role == Role::Assistant => (last.text.as_str(), rest),
        _ => ("", conversation.messages.as_slice()),
    };
    pieces.answered(answered);
    pieces.answer(open_answer);
    Ok(pieces.close())
}

/// Renders and tokenises a conversation. `<s>` stands once, in front; a picture is one
/// [`PromptToken`].
///
/// # Errors
/// As [`render`].
pub fn tokenize(conversation: &Conversation, tokenizer: &Tokenizer) -> Result<Vec<PromptToken>> {
    ids(&render(conversation)?, tokenizer)
}

/// The beginning of the tokenised prompt that is certain while the last question's text is still
/// being typed: everything up to its pictures, or up to `USER:` when it has none. It is a prefix
/// of what [`tokenize`] gives once the text is known, whatever the text.
///
/// # Errors
/// As [`render`], but the last question may be empty; also when the last message is an answer.
pub fn certain_prefix(
    conversation: &Conversation,
    tokenizer: &Tokenizer,
) -> Result<Vec<PromptToken>> {
    conversation.check(true)?;
    let Some((last, answered)) = conversation
        .messages
        .split_last()
        .filter(|(m, _)| m.role == Role::User)
    else {
        return Err(Error::Request(
            "reading ahead needs a question at the end".to_owned(),
        ));
    };
    let mut pieces = Pieces::default();
    pieces.open(conversation.system.as_deref());
    pieces.answered(answered);
    pieces.pictures(last.pictures);
    if last.pictures == 0 {
        // The space after "USER:" joins the word that follows. Up to it the ids are certain if
        // no piece of the vocabulary spans two words; else this whole text must wait.
        let kept = if tokenizer.words_split() {
            pieces.text.trim_end_matches(' ').len()
        } else {
            0
        };
        pieces.text.truncate(kept);
    }
    ids(&pieces.close(), tokenizer)
}

fn ids(pieces: &[Piece], tokenizer: &Tokenizer) -> Result<Vec<PromptToken>> {
    let mut tokens = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Begin => tokens.push(PromptToken::Id(tokenizer.bos())),
            Piece::End => tokens.push(PromptToken::Id(tokenizer.eos())),
            Piece::Picture(n) => tokens.push(PromptToken::Picture(*n)),
            Piece::Text(text) => {
                tokens.extend(tokenizer.encode(text)?.into_iter().map(PromptToken::Id))
            }
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests;
