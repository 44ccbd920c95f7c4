//! What a person can set.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// All settings. The size and place of the window are remembered too, but not by the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Of the window.
    pub language: Language,
    /// Light or dark.
    pub theme: Theme,
    /// In per cent: 80 to 200.
    pub text_size: u32,
    /// `auto`, or a device's id.
    pub device: String,
    /// What a new question starts with.
    pub answer: AnswerOptions,
    /// Whether a picture in the composer is looked at while the person types.
    pub read_ahead: bool,
}

/// A change of some settings; what is missing stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct SettingsChange {
    /// See [`Settings`].
    pub language: Option<Language>,
    /// See [`Settings`].
    pub theme: Option<Theme>,
    /// See [`Settings`].
    pub text_size: Option<u32>,
    /// Another device loads the model again.
    pub device: Option<String>,
    /// See [`Settings`].
    pub answer: Option<AnswerOptions>,
    /// See [`Settings`].
    pub read_ahead: Option<bool>,
}

/// The window's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub enum Language {
    /// As the system: Chinese where it is Chinese, else English.
    #[serde(rename = "system")]
    System,
    /// English.
    #[serde(rename = "en")]
    English,
    /// Simplified Chinese.
    #[serde(rename = "zh-CN")]
    Chinese,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the system.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// In which form an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Free chat.
    Chat,
    /// A word or a phrase.
    Short,
    /// One sentence about the picture; needs no question.
    Caption,
    /// A full description; needs no question.
    Detailed,
    /// The letter of one of `options`.
    Choice,
    /// Where something is; the answer has boxes.
    Box,
    /// What the marked `region` shows.
    Region,
    /// A form with `fields`.
    Json,
    /// An answer that points out errors in the question first.
    Check,
}

/// How one question is to be answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AnswerOptions {
    /// The form.
    pub style: Style,
    /// Let the model say that it cannot tell. Has no meaning for `box`, `region` and `json`.
    pub may_decline: bool,
    /// For `choice`: the options, without letters. May be empty when the question has lines that
    /// begin `A. `, `B. `.
    pub options: Vec<String>,
    /// For `json`: the names to fill in.
    pub fields: Vec<String>,
    /// For `region`: the area in the first picture, in its pixels.
    pub region: Option<Region>,
    /// Word pieces of the answer at most: 1 to 2048.
    pub max_tokens: u32,
    /// 0 always takes the likeliest word; up to 2 is more varied.
    pub temperature: f64,
    /// Of the random numbers; the same seed gives the same answer.
    pub seed: u32,
    /// When the thread no longer fits, leave its oldest questions and answers out instead of
    /// failing with `context_full`.
    pub forget_oldest: bool,
}

/// An area of a picture, in pixels of the upright picture, corners ordered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
pub struct Region {
    /// Left edge.
    pub x1: f64,
    /// Top edge.
    pub y1: f64,
    /// Right edge.
    pub x2: f64,
    /// Bottom edge.
    pub y2: f64,
}
