//! The data folder: where it is, keeping a copy, starting afresh.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The data folder in words and numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DataFolder {
    /// Where it is, for showing.
    pub location: String,
    /// Threads in it.
    pub threads: u32,
    /// Pictures in it.
    pub pictures: u32,
    /// Bytes of database and pictures, without models.
    pub bytes: u64,
}

/// A backup that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Where, for showing.
    pub location: String,
    /// Bytes.
    pub bytes: u64,
}

/// What a checked backup holds. Nothing is replaced before `backup_restore` is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CheckedBackup {
    /// Goes to `backup_restore`.
    pub id: u32,
    /// Where, for showing.
    pub location: String,
    /// When it was made.
    pub at: i64,
    /// Threads in it.
    pub threads: u32,
    /// Pictures in it.
    pub pictures: u32,
}

/// What the person should be told once, at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Notice {
    /// The database was damaged. It was set aside, and what could be read is here.
    Rescued {
        /// Threads that were saved.
        threads: u32,
        /// Messages that were saved.
        messages: u32,
        /// Where the damaged file is, for showing.
        set_aside: String,
    },
    /// The data was brought to a newer form; the old one was kept.
    Migrated {
        /// Where the copy from before is, for showing.
        backup: String,
    },
    /// Answers were being written when the program ended.
    Interrupted {
        /// How many.
        answers: u32,
    },
}
