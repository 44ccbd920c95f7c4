//! Messages as they are shown: with options, speed and boxes read from what was kept.

use crate::pictures::Picture;
use crate::search::utf16;
use crate::settings::AnswerOptions;
use crate::state::App;
use crate::{AppError, Result};
use serde::{Deserialize, Serialize};
use visavis_engine::{Completion, Timings};
use visavis_llava::boxes::{self, PixelBox};
use visavis_store::{MessageStatus, PictureId, Role};

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Names it.
    pub id: i64,
    /// Its thread.
    pub thread: i64,
    /// What it follows.
    pub parent: Option<i64>,
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub text: String,
    /// When.
    pub at: i64,
    /// The question's pictures.
    pub pictures: Vec<Picture>,
    /// How the question is to be answered.
    pub options: Option<AnswerOptions>,
    /// Itself and its alternatives, oldest first.
    pub siblings: Vec<i64>,
    /// How far it got.
    pub status: MessageStatus,
    /// Areas that an answer names.
    pub boxes: Vec<AnswerBox>,
    /// Speed and size of an answer.
    pub stats: Option<AnswerStats>,
    /// Why it failed.
    pub error: Option<AppError>,
}

/// An area that an answer names.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerBox {
    /// The picture it lies in.
    pub picture: PictureId,
    /// In that picture's pixels.
    pub region: PixelBox,
    /// Where it stands in the text: UTF-16 code units, from and to.
    pub range: (u32, u32),
}

/// Speed and size of an answer. Kept with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerStats {
    /// The model's name.
    pub model: String,
    /// Where it ran.
    pub device: String,
    /// From asking to the first word, in seconds.
    pub first_token_s: f64,
    /// Looking, in seconds.
    pub image_s: f64,
    /// Reading, in seconds.
    pub prefill_s: f64,
    /// Writing, in seconds.
    pub decode_s: f64,
    /// Word pieces written.
    pub tokens: u32,
    /// Positions of the prompt and the answer together.
    pub positions: u32,
    /// Messages at the beginning that were left out.
    pub forgotten: u32,
}

/// How full the context is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextMeter {
    /// Positions the thread takes, as last counted.
    pub used: u32,
    /// Positions there are.
    pub limit: u32,
    /// Positions one more picture takes.
    pub per_picture: u32,
}

impl AnswerStats {
    pub(crate) fn new(
        model: String,
        device: String,
        completion: &Completion,
        forgotten: u32,
    ) -> Self {
        let Timings {
            image_s,
            prefill_s,
            decode_s,
            decode_tokens,
            first_token_s,
            ..
        } = completion.timings;
        let positions = completion.prompt_token_ids.len() + completion.token_ids.len();
        Self {
            model,
            device,
            first_token_s,
            image_s,
            prefill_s,
            decode_s,
            tokens: u32::try_from(decode_tokens).unwrap_or(u32::MAX),
            positions: u32::try_from(positions).unwrap_or(u32::MAX),
            forgotten,
        }
    }

    /// Word pieces a second while writing; 0 when nothing was written.
    pub fn tokens_per_second(&self) -> f64 {
        if self.decode_s > 0.0 {
            f64::from(self.tokens) / self.decode_s
        } else {
            0.0
        }
    }
}

impl App {
    /// A branch from its root on, as it is shown.
    pub(crate) fn view_branch(&self, branch: Vec<visavis_store::Message>) -> Vec<Message> {
        let mut picture = None;
        let mut shown = Vec::with_capacity(branch.len());
        for message in branch {
            if let Some(first) = message.pictures.first() {
                picture = Some(first.picture.clone());
            }
            let mut view = view(message);
            if let Some(picture) = &picture {
                view.boxes = boxes_in(&view, picture);
            }
            shown.push(view);
        }
        shown
    }

    /// One message with what it takes from those before it.
    pub(crate) async fn view_message(&self, id: i64) -> Result<Message> {
        let branch = self.store.branch_to(id).await?;
        let last = self.view_branch(branch).pop();
        last.ok_or_else(|| visavis_store::Error::NotFound("message").into())
    }

    /// How full the context is after `branch`, by what the model counted last and a guess at what
    /// came since.
    pub(crate) fn meter(&self, branch: &[Message]) -> ContextMeter {
        let state = self.model_state();
        let (limit, per_picture) = state
            .model()
            .map_or((0, 0), |model| (model.context, model.image_tokens));
        let mut used = 0_u32;
        for message in branch {
            let counted = message.stats.as_ref().map_or(0, |stats| stats.positions);
            if counted > 0 {
                used = counted;
            } else {
                // Word pieces have about three letters, Chinese ones less than one.
                let bytes = u32::try_from(message.text.len()).unwrap_or(u32::MAX);
                let pictures = u32::try_from(message.pictures.len()).unwrap_or(0);
                used = used
                    .saturating_add(bytes / 3)
                    .saturating_add(pictures.saturating_mul(per_picture));
            }
        }
        ContextMeter {
            used,
            limit,
            per_picture,
        }
    }
}

fn view(message: visavis_store::Message) -> Message {
    let options =
        (message.role == Role::User).then(|| AnswerOptions::from_json(message.options.as_deref()));
    let read = |text: &Option<String>| text.as_deref().map(serde_json::from_str::<AnswerStats>);
    Message {
        id: message.id,
        thread: message.thread,
        parent: message.parent,
        role: message.role,
        text: message.text,
        at: message.created_at,
        pictures: message.pictures.into_iter().map(Picture::from).collect(),
        options,
        siblings: message.siblings,
        status: message.status,
        boxes: Vec::new(),
        stats: read(&message.stats).and_then(std::result::Result::ok),
        error: message
            .error
            .and_then(|text| serde_json::from_str(&text).ok()),
    }
}

/// The areas in an answer, in pixels of `picture`.
fn boxes_in(message: &Message, picture: &visavis_store::PictureRow) -> Vec<AnswerBox> {
    if message.role == Role::User {
        return Vec::new();
    }
    let found = boxes::find(&message.text)
        .into_iter()
        .map(|found| AnswerBox {
            picture: picture.id.clone(),
            region: found.bounds.to_picture(picture.width, picture.height),
            range: (
                utf16(&message.text, found.range.start),
                utf16(&message.text, found.range.end),
            ),
        });
    found.collect()
}
