//! The start, and what the backend tells without being asked.

use crate::{
    AppError, DataFolder, Draft, Message, ModelState, Notice, Settings, ThreadId, ThreadPage,
    ThreadSummary,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Everything that the first frame needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// The program's version.
    pub version: String,
    /// Which keys and words fit.
    pub platform: Platform,
    /// The system's language: a BCP 47 tag such as `zh-CN`.
    pub locale: String,
    /// The settings.
    pub settings: Settings,
    /// The model.
    pub model: ModelState,
    /// The beginning of the list.
    pub threads: ThreadPage,
    /// The composer of a new thread.
    pub draft: Draft,
    /// The thread that was open last; null for a new one.
    #[ts(type = "ThreadId | null")]
    pub open: Option<ThreadId>,
    /// The data folder.
    pub data: DataFolder,
    /// What to tell.
    pub notices: Vec<Notice>,
}

/// The kinds of system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Linux.
    Linux,
    /// macOS.
    Macos,
    /// Windows.
    Windows,
}

/// What the backend tells without being asked, through the channel of `watch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum AppEvent {
    /// The model's state changed.
    Model {
        /// Now.
        state: ModelState,
    },
    /// A thread is new, or its entry in the list changed.
    ThreadChanged {
        /// Now.
        thread: ThreadSummary,
    },
    /// A message changed while nobody listened to its channel.
    MessageChanged {
        /// Its thread.
        #[ts(type = "ThreadId")]
        thread: ThreadId,
        /// Now.
        message: Box<Message>,
    },
    /// A thread is gone.
    ThreadRemoved {
        /// Which.
        #[ts(type = "ThreadId")]
        thread: ThreadId,
    },
    /// Everything changed (restored, deleted): ask `start` again.
    Everything,
    /// Something is dragged over the window.
    Drag(Drag),
    /// A menu item or a system shortcut was chosen.
    Menu {
        /// Which.
        action: MenuAction,
    },
    /// The system changed between light and dark.
    SystemTheme {
        /// Whether it is dark now.
        dark: bool,
    },
    /// Something went wrong in the background.
    Trouble {
        /// What.
        error: AppError,
    },
}

/// Something is dragged from another program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(
    tag = "phase",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum Drag {
    /// It is over the window: show where it would go.
    Over {
        /// In CSS pixels from the left.
        x: f64,
        /// In CSS pixels from the top.
        y: f64,
    },
    /// It left.
    Left,
    /// It was let go. `picture_add_dropped` with `drop` takes the pictures.
    Dropped {
        /// Names what was dropped; good for one call.
        drop: u32,
        /// How many files and folders.
        files: u32,
    },
}

/// Items of the native menu that the page acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum MenuAction {
    /// A new chat.
    NewChat,
    /// Add pictures.
    AddPictures,
    /// Put the cursor into the search field.
    Search,
    /// Show the settings.
    Settings,
    /// Show the shortcuts.
    Shortcuts,
    /// Larger text.
    TextLarger,
    /// Smaller text.
    TextSmaller,
    /// Text of the normal size.
    TextNormal,
    /// Show or hide the list.
    Sidebar,
    /// Stop the answer.
    Stop,
}
