//! The list of threads.

use crate::{PictureId, ThreadId};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A thread in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ThreadSummary {
    /// Names it.
    #[ts(type = "ThreadId")]
    pub id: ThreadId,
    /// From the first question, or as the person named it. `""` until there is a word to take:
    /// the page then says "Picture" or the like in its own language.
    pub title: String,
    /// When something was last said.
    pub updated_at: i64,
    /// Whether it stays on top.
    pub pinned: bool,
    /// The picture to show beside it.
    pub thumbnail: Option<PictureId>,
    /// Whether an answer is being written in it.
    pub busy: bool,
}

/// A part of the list: pinned threads first, then the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ThreadPage {
    /// In order.
    pub threads: Vec<ThreadSummary>,
    /// Goes into the next request; null at the end.
    pub next: Option<String>,
    /// How many threads there are in all.
    pub total: u32,
}
