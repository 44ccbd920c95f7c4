//! What was said: one branch of a thread's tree, as the page shows it.

use crate::{AnswerOptions, AppError, MessageId, Picture, PictureId, Region, ThreadSummary};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// An opened thread: the branch that is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    /// As in the list.
    pub summary: ThreadSummary,
    /// Question, answer, question, ... from the root to the leaf.
    pub messages: Vec<Message>,
    /// How full the model's context is.
    pub context: ContextMeter,
    /// What stands in its composer.
    pub draft: Draft,
}

/// A question or an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Names it.
    #[ts(type = "MessageId")]
    pub id: MessageId,
    /// What it follows; null for the first question.
    #[ts(type = "MessageId | null")]
    pub parent: Option<MessageId>,
    /// Who says it.
    pub role: Role,
    /// What is said. An answer is Markdown from a model: not to be trusted.
    pub text: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The question's pictures.
    pub pictures: Vec<Picture>,
    /// How the question is to be answered; null for answers.
    pub options: Option<AnswerOptions>,
    /// All messages that follow the same parent, oldest first, this one included. More than one:
    /// arrows to switch.
    #[ts(type = "MessageId[]")]
    pub siblings: Vec<MessageId>,
    /// How far an answer got; `complete` for questions.
    pub status: MessageStatus,
    /// Areas an answer names, to be drawn on the picture.
    pub boxes: Vec<AnswerBox>,
    /// Speed and size of an answer, once it is finished.
    pub stats: Option<AnswerStats>,
    /// Why an answer failed.
    pub error: Option<AppError>,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// How far an answer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// It is being worked on.
    Writing,
    /// The model ended it.
    Complete,
    /// It reached its greatest length: "Continue" goes on.
    Cut,
    /// It went round in circles and was ended.
    Repeating,
    /// The person stopped it.
    Stopped,
    /// The program ended before it was finished.
    Interrupted,
    /// It failed; `error` says why.
    Failed,
}

/// An area in an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AnswerBox {
    /// The picture it lies in.
    pub picture: PictureId,
    /// The area in that picture's pixels.
    pub region: Region,
    /// Where it stands in the text: UTF-16 code units, from and to.
    pub range: (u32, u32),
}

/// Speed and size of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AnswerStats {
    /// The model's name.
    pub model: String,
    /// `cpu`, `cuda:0`, `metal`.
    pub device: String,
    /// From asking to the first word.
    pub first_token_seconds: f64,
    /// Looking at the pictures; 0 when that was done before.
    pub image_seconds: f64,
    /// Reading the conversation.
    pub prefill_seconds: f64,
    /// Writing.
    pub decode_seconds: f64,
    /// Word pieces written.
    pub tokens: u32,
    /// Word pieces a second while writing.
    pub tokens_per_second: f64,
    /// Questions and answers at the thread's beginning that were left out to make it fit.
    pub forgotten_messages: u32,
}

/// How full the model's context is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ContextMeter {
    /// Positions the thread takes, as last counted by the model.
    pub used: u32,
    /// Positions there are; 0 while no model is known.
    pub limit: u32,
    /// Positions one more picture takes.
    pub per_picture: u32,
}

/// What stands in a composer and was not sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// The text.
    pub text: String,
    /// The pictures.
    pub pictures: Vec<Picture>,
    /// The options; null for those of the settings.
    pub options: Option<AnswerOptions>,
}
