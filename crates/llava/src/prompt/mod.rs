//! The prompt, built from typed pieces (LLaVA-1.5's `vicuna_v1` template).

use serde::{Deserialize, Serialize};

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
    /// The system text; `None` is the training wording.
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
