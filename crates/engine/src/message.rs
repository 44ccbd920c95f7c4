//! What goes to the engine and what comes back.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use visavis_llava::Stage;
use visavis_llava::generate::{FinishReason, Sampling};
use visavis_llava::prompt::Conversation;

/// Names one piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// Which work goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// A person waits.
    #[default]
    Chat,
    /// A job runs; yields to chat at every step.
    Batch,
}

/// A picture in a request: decoded 8-bit RGB, shared without copying.
#[derive(Clone, Serialize, Deserialize)]
pub struct RequestPicture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height * 3` bytes.
    pub rgb: Arc<Vec<u8>>,
}

/// A question to be answered.
#[derive(Clone, Serialize, Deserialize)]
pub struct Request {
    /// What was said; ends with the user's question, or with an assistant message to continue.
    pub conversation: Conversation,
    /// The pictures, in the order the conversation counts them.
    pub pictures: Vec<RequestPicture>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens the answer may have at most.
    pub max_tokens: usize,
    /// End an answer that goes round in circles.
    pub stop_repetition: bool,
    /// Chat or batch.
    pub priority: Priority,
}

/// What is certain so far of a question that is still being typed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Prepare {
    /// Earlier turns and a last user message whose text is not final; its pictures are.
    pub conversation: Conversation,
    /// The pictures.
    pub pictures: Vec<RequestPicture>,
}

/// What the engine says about a piece of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// At least once a second while the work goes on.
    Progress {
        /// What is being done.
        stage: Stage,
        /// Units done (bytes, vision blocks, prompt positions, tokens).
        done: u64,
        /// Units in all; for `writing`, the most there can be.
        total: u64,
    },
    /// More of the answer: whole characters only.
    Text {
        /// The new text.
        text: String,
    },
    /// The answer is complete.
    Done(Completion),
    /// Load, unload or prepare is complete.
    Ready,
    /// It did not work, or was cancelled before an answer began.
    Failed(Failure),
}

impl Event {
    /// Whether no event follows this one.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Progress { .. } | Self::Text { .. })
    }
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The answer, trimmed.
    pub text: String,
    /// Its ids, without the final `</s>`.
    pub token_ids: Vec<u32>,
    /// The prompt; every image position, expanded, is -200.
    pub prompt_token_ids: Vec<i64>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// How long each part took.
    pub timings: Timings,
}

/// Seconds and counts of one answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Loading the model; 0 when it was loaded already.
    pub load_s: f64,
    /// Vision tower and connector; 0 when the features were cached.
    pub image_s: f64,
    /// Computing prompt positions.
    pub prefill_s: f64,
    /// Positions computed now.
    pub prefill_tokens: usize,
    /// Computing the answer.
    pub decode_s: f64,
    /// Tokens of the answer.
    pub decode_tokens: usize,
    /// From submission, with the model loaded, to the first token.
    pub first_token_s: f64,
}

/// Why work failed, for programs (`code`) and people (`message`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind of failure.
    pub code: FailureCode,
    /// What is wrong and what to do.
    pub message: String,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// No model is loaded.
    NoModel,
    /// The checkpoint cannot be used.
    BadModel,
    /// The asked device is not there.
    Device,
    /// The request cannot be taken as it is.
    BadRequest,
    /// The conversation does not fit in the context.
    ContextFull,
    /// The model produced values that are not numbers.
    NotANumber,
    /// Out of memory, or another failure of the computation.
    Computation,
    /// The model's code panicked; the engine lives and can load again.
    Crashed,
    /// Cancelled before the first token, or load and prepare cancelled.
    Cancelled,
    /// The engine thread is gone.
    Gone,
}

/// What the engine is doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The loaded checkpoint.
    pub model: Option<PathBuf>,
    /// `cpu`, `cuda:0`, `metal`; empty without a model.
    pub device: String,
    /// Whether a model is being loaded.
    pub loading: bool,
    /// Work waiting or running, in the order it will be served.
    pub queue: Vec<RequestId>,
    /// Bytes that KV caches hold.
    pub cache_bytes: usize,
}
