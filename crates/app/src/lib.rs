//! The use cases of Visavis: asking, threads, pictures, search, settings, the model, the data.
//!
//! Joins the store and the engine, and knows no window: the shell turns the page's calls into
//! calls of [`App`], and tests make them directly.

mod answers;
mod data;
mod engine;
mod error;
mod hardware;
mod model;
mod pictures;
pub mod places;
#[cfg(any(test, feature = "scripted"))]
pub mod scripted;
mod search;
mod settings;
mod state;
mod threads;
mod title;

pub use answers::{
    AnswerBox, AnswerEvent, AnswerStats, ContextMeter, Message, Progress, Question, ReadAhead,
    ReadAheadEvent, Seeing,
};
pub use engine::{Engine, Events};
pub use error::{AppError, Code, Result};
pub use hardware::{Device, DeviceKind, Hardware};
pub use model::{Fit, FoundModel, ModelInfo, ModelState, Verdict};
pub use pictures::{Added, MOST_PICTURES, Picture, PictureWarning, Refused, Rendition, Shown};
pub use search::{SearchHit, SearchPage};
pub use settings::{AnswerOptions, Language, Settings, SettingsChange, Theme};
pub use state::{App, AppEvent, Notice, Start};
pub use threads::{DraftView, ThreadPage, ThreadSummary, ThreadView};
pub use visavis_engine::{EngineHandle, EngineOptions};
pub use visavis_llava::Stage;
pub use visavis_llava::boxes::PixelBox;
pub use visavis_llava::prompt::style::Style;
pub use visavis_store::{BackupFile, CheckedBackup, MessageStatus, PictureId, Role, Whole};

#[cfg(test)]
mod tests;
