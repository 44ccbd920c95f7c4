//! Finding what was said.

use crate::{MessageId, PictureId, Role, ThreadId};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A part of what was found, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SearchPage {
    /// At most 50.
    pub hits: Vec<SearchHit>,
    /// Goes into the next request; null at the end.
    pub next: Option<String>,
}

/// A message, or a thread's title, that holds every word of the query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    /// The thread.
    #[ts(type = "ThreadId")]
    pub thread: ThreadId,
    /// Its title.
    pub title: String,
    /// What to mark in the title: UTF-16 code units, from and to.
    pub title_marks: Vec<(u32, u32)>,
    /// Its picture.
    pub thumbnail: Option<PictureId>,
    /// The message; null when only the title holds the words.
    #[ts(type = "MessageId | null")]
    pub message: Option<MessageId>,
    /// Who said it; null with a null message.
    pub role: Option<Role>,
    /// When.
    pub at: i64,
    /// A line of the message around the first hit.
    pub snippet: String,
    /// What to mark in the snippet: UTF-16 code units, from and to.
    pub marks: Vec<(u32, u32)>,
}
