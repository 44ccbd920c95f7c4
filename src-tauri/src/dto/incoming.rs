//! What the page sends, for the use cases. Ids are checked here; numbers are brought into their
//! ranges by the use cases.

use super::error;
use visavis_app as app;
use visavis_ipc as ipc;

/// Pictures by their ids.
pub(crate) fn picture_refs(
    pictures: Vec<ipc::PictureRef>,
) -> Result<Vec<(app::PictureId, String)>, ipc::AppError> {
    let read = |picture: ipc::PictureRef| {
        let id = picture.id.parse::<app::PictureId>();
        id.map(|id| (id, picture.name))
            .map_err(|why| error(why.into()))
    };
    pictures.into_iter().map(read).collect()
}

/// A model's number.
pub(crate) fn model_id(id: &str) -> Result<i64, ipc::AppError> {
    id.parse().map_err(|_| {
        error(app::AppError::new(
            app::Code::NotFound,
            "There is no such model.",
        ))
    })
}

/// A question.
pub(crate) fn question(question: ipc::Question) -> Result<app::Question, ipc::AppError> {
    Ok(app::Question {
        thread: question.thread,
        replaces: question.replaces,
        text: question.text,
        pictures: picture_refs(question.pictures)?,
        options: answer_options(question.options),
    })
}

/// How a question is to be answered.
pub(crate) fn answer_options(options: ipc::AnswerOptions) -> app::AnswerOptions {
    use ipc::Style as S;
    app::AnswerOptions {
        style: match options.style {
            S::Chat => app::Style::Chat,
            S::Short => app::Style::Short,
            S::Caption => app::Style::Caption,
            S::Detailed => app::Style::Detailed,
            S::Choice => app::Style::Choice,
            S::Box => app::Style::Box,
            S::Region => app::Style::Region,
            S::Json => app::Style::Json,
            S::Check => app::Style::Check,
        },
        may_decline: options.may_decline,
        options: options.options,
        fields: options.fields,
        region: options.region.map(|area| app::PixelBox {
            x1: area.x1,
            y1: area.y1,
            x2: area.x2,
            y2: area.y2,
        }),
        max_tokens: options.max_tokens,
        temperature: options.temperature,
        seed: options.seed,
        forget_oldest: options.forget_oldest,
    }
}

/// A change of settings.
pub(crate) fn settings_change(change: ipc::SettingsChange) -> app::SettingsChange {
    app::SettingsChange {
        language: change.language.map(|language| match language {
            ipc::Language::System => app::Language::System,
            ipc::Language::English => app::Language::English,
            ipc::Language::Chinese => app::Language::Chinese,
        }),
        theme: change.theme.map(|theme| match theme {
            ipc::Theme::System => app::Theme::System,
            ipc::Theme::Light => app::Theme::Light,
            ipc::Theme::Dark => app::Theme::Dark,
        }),
        text_size: change.text_size,
        device: change.device,
        answer: change.answer.map(answer_options),
        read_ahead: change.read_ahead,
    }
}
