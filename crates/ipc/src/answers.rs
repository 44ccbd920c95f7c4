//! Questions on their way, and what the backend tells of the answers through the call's channel.

use crate::{
    AnswerOptions, AppError, ContextMeter, Message, MessageId, PictureRef, ThreadId, ThreadSummary,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The thread; null begins one.
    #[ts(type = "ThreadId | null")]
    pub thread: Option<ThreadId>,
    /// The question that this one is a new wording of: it becomes its sibling. Null adds to the
    /// end of the branch that is shown.
    #[ts(type = "MessageId | null")]
    pub replaces: Option<MessageId>,
    /// What is asked; may be empty for styles that bring their own words.
    pub text: String,
    /// At most 8.
    pub pictures: Vec<PictureRef>,
    /// How it is to be answered.
    pub options: AnswerOptions,
}

/// What is certain of a question that is still being typed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReadAhead {
    /// The thread; null for a new one.
    #[ts(type = "ThreadId | null")]
    pub thread: Option<ThreadId>,
    /// As in [`Question`].
    #[ts(type = "MessageId | null")]
    pub replaces: Option<MessageId>,
    /// The pictures in the composer.
    pub pictures: Vec<PictureRef>,
}

/// What happens to a question, in order: `accepted`, then any of the middle ones, then one of
/// `done` and `failed`, which is the last. A call that fails before `accepted` rejects and sends
/// nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum AnswerEvent {
    /// It is saved. `question` is null where none was asked (regenerate, continue).
    Accepted {
        /// The thread, perhaps new.
        thread: ThreadSummary,
        /// The question as saved.
        question: Option<Box<Message>>,
        /// The answer, with status `writing`; its text is empty, or what is continued.
        answer: Box<Message>,
    },
    /// It waits for others.
    Queued {
        /// How many go first; 0 is next.
        ahead: u32,
    },
    /// What the model is doing; at least once a second.
    Stage(StageProgress),
    /// More of the answer, to be added to its text.
    Text {
        /// Whole characters.
        text: String,
    },
    /// It is finished or was stopped, and saved.
    Done {
        /// The whole answer.
        answer: Box<Message>,
        /// The thread's place in the list and its title may have changed.
        thread: ThreadSummary,
        /// How full the context is now.
        context: ContextMeter,
    },
    /// It failed; what had been written is kept in the answer.
    Failed {
        /// With status `failed` and the error.
        answer: Box<Message>,
        /// The thread.
        thread: ThreadSummary,
    },
}

/// What reading ahead tells through its channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum ReadAheadEvent {
    /// What the model is doing.
    Stage(StageProgress),
    /// It is done: the first word will follow the question at once.
    Ready,
    /// It did not work, or was given up. No reason to trouble the person: the question will say.
    Failed {
        /// Why.
        error: AppError,
    },
}

/// How far the work is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StageProgress {
    /// What is being done.
    pub stage: Stage,
    /// Units done.
    pub done: u64,
    /// Units in all; for `writing` the most there can be.
    pub total: u64,
    /// Seconds until the first word (before `writing`), where that can be told.
    pub eta_seconds: Option<f64>,
    /// While `seeing`: the picture and how much of it is seen.
    pub seeing: Option<Seeing>,
}

/// How much of a picture is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Seeing {
    /// Which of the question's pictures, from 0. Earlier ones are seen.
    pub picture: u32,
    /// Patches of it seen, in rows from the top left.
    pub patches_done: u32,
    /// Patches it has: 576.
    pub patches_total: u32,
}

/// What the model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Loads itself.
    Loading,
    /// Looks at the pictures.
    Seeing,
    /// Reads the conversation.
    Reading,
    /// Writes the answer.
    Writing,
}
