//! What a person can set, and how it is kept.

use crate::state::App;
use crate::{AppError, Code, Result};
use serde::{Deserialize, Serialize};
use visavis_llava::boxes::PixelBox;
use visavis_llava::device::DeviceChoice;
use visavis_llava::prompt::style::Style;

/// Where they are kept.
const KEY: &str = "settings";
/// Where the shell keeps the window's size and place.
const WINDOW: &str = "window";
/// The longest answer that can be asked for.
const LONGEST: u32 = 2048;

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Of the window.
    pub language: Language,
    /// Light or dark.
    pub theme: Theme,
    /// In per cent.
    pub text_size: u32,
    /// `auto`, or a device.
    pub device: DeviceChoice,
    /// What a new question starts with.
    pub answer: AnswerOptions,
    /// Whether pictures are looked at while the person types.
    pub read_ahead: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            language: Language::System,
            theme: Theme::System,
            text_size: 100,
            device: DeviceChoice::Auto,
            answer: AnswerOptions::default(),
            read_ahead: true,
        }
    }
}

/// A change of some settings.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    /// See [`Settings`].
    pub language: Option<Language>,
    /// See [`Settings`].
    pub theme: Option<Theme>,
    /// See [`Settings`].
    pub text_size: Option<u32>,
    /// As text: see [`DeviceChoice`].
    pub device: Option<String>,
    /// See [`Settings`].
    pub answer: Option<AnswerOptions>,
    /// See [`Settings`].
    pub read_ahead: Option<bool>,
}

/// The window's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// As the system.
    System,
    /// English.
    English,
    /// Simplified Chinese.
    Chinese,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the system.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// How a question is to be answered. Kept with the question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerOptions {
    /// The form.
    pub style: Style,
    /// Let the model say that it cannot tell.
    pub may_decline: bool,
    /// For `choice`.
    pub options: Vec<String>,
    /// For `json`.
    pub fields: Vec<String>,
    /// For `region`: in pixels of the first picture.
    pub region: Option<PixelBox>,
    /// Word pieces of the answer at most.
    pub max_tokens: u32,
    /// 0 always takes the likeliest.
    pub temperature: f64,
    /// Of the random numbers.
    pub seed: u32,
    /// Leave the oldest messages out when the thread no longer fits.
    pub forget_oldest: bool,
}

impl Default for AnswerOptions {
    fn default() -> Self {
        Self {
            style: Style::Chat,
            may_decline: false,
            options: Vec::new(),
            fields: Vec::new(),
            region: None,
            max_tokens: 512,
            temperature: 0.0,
            seed: 0,
            forget_oldest: false,
        }
    }
}

impl AnswerOptions {
    /// Brings numbers into their ranges, so that a slip of the page is not a failed question.
    pub(crate) fn in_range(mut self) -> Self {
        self.max_tokens = self.max_tokens.clamp(1, LONGEST);
        self.temperature = if self.temperature.is_finite() {
            self.temperature.clamp(0.0, 2.0)
        } else {
            0.0
        };
        let finite = |area: &PixelBox| {
            [area.x1, area.y1, area.x2, area.y2]
                .iter()
                .all(|edge| edge.is_finite())
        };
        self.region = self.region.filter(finite);
        self
    }

    /// Reads what was kept; what cannot be read is the default.
    pub(crate) fn from_json(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }
}

impl App {
    /// The settings as they are.
    pub fn settings(&self) -> Settings {
        self.lock(&self.settings).clone()
    }

    /// Changes some; comes back with all of them.
    pub async fn save_settings(&self, change: SettingsChange) -> Result<Settings> {
        let before = self.settings();
        let mut settings = before.clone();
        if let Some(device) = change.device {
            settings.device = device.parse().map_err(|why: String| {
                AppError::new(Code::Device, "There is no such device.").details(why)
            })?;
        }
        settings.language = change.language.unwrap_or(settings.language);
        settings.theme = change.theme.unwrap_or(settings.theme);
        settings.text_size = change
            .text_size
            .unwrap_or(settings.text_size)
            .clamp(80, 200);
        settings.read_ahead = change.read_ahead.unwrap_or(settings.read_ahead);
        if let Some(answer) = change.answer {
            settings.answer = answer.in_range();
        }
        self.store
            .set_setting(
                KEY,
                &serde_json::to_string(&settings).map_err(AppError::internal)?,
            )
            .await?;
        *self.lock(&self.settings) = settings.clone();
        if settings.device != before.device {
            self.reload_model().await?;
        }
        Ok(settings)
    }

    /// Reads what was kept.
    pub(crate) async fn read_settings(&self) -> Result<()> {
        let kept = self.store.setting(KEY).await?;
        let settings = kept.and_then(|text| serde_json::from_str(&text).ok());
        *self.lock(&self.settings) = settings.unwrap_or_default();
        Ok(())
    }

    /// The window's size and place, as the shell wrote it.
    pub async fn window(&self) -> Option<String> {
        self.store.setting(WINDOW).await.ok().flatten()
    }

    /// Keeps the window's size and place.
    pub async fn set_window(&self, place: &str) -> Result<()> {
        Ok(self.store.set_setting(WINDOW, place).await?)
    }
}
