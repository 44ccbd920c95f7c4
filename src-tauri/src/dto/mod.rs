//! From the use cases' types to the page's and back. Every field by hand: what the page gets is
//! decided here, and a new field on one side is a compiler error on the other.

mod answers;
mod incoming;
mod model;

pub(crate) use answers::{answer_event, read_ahead_event, thread};
pub(crate) use incoming::{answer_options, model_id, picture_refs, question, settings_change};
pub(crate) use model::{found_model, hardware, model_state};

use std::path::Path;
use visavis_app as app;
use visavis_ipc as ipc;

/// An error.
pub(crate) fn error(error: app::AppError) -> ipc::AppError {
    ipc::AppError {
        code: code(error.code),
        message: error.message,
        hint: error.hint,
        details: error.details,
    }
}

/// Something that should not happen.
pub(crate) fn internal(what: &dyn std::fmt::Display) -> ipc::AppError {
    ipc::AppError {
        code: ipc::ErrorCode::Internal,
        message: "Something went wrong inside Visavis.".to_owned(),
        hint: Some("Please report it with the details below.".to_owned()),
        details: Some(what.to_string()),
    }
}

fn code(code: app::Code) -> ipc::ErrorCode {
    use app::Code as C;
    use ipc::ErrorCode as E;
    match code {
        C::DataFolderReadOnly => E::DataFolderReadOnly,
        C::DataFolderInUse => E::DataFolderInUse,
        C::DataTooNew => E::DataTooNew,
        C::DataDamaged => E::DataDamaged,
        C::DiskFull => E::DiskFull,
        C::Storage => E::Storage,
        C::NotFound => E::NotFound,
        C::NoModel => E::NoModel,
        C::ModelLoading => E::ModelLoading,
        C::BadModel => E::BadModel,
        C::NotEnoughMemory => E::NotEnoughMemory,
        C::ModelCrashed => E::ModelCrashed,
        C::ModelDamaged => E::ModelDamaged,
        C::Device => E::Device,
        C::ContextFull => E::ContextFull,
        C::BadQuestion => E::BadQuestion,
        C::BadPicture => E::BadPicture,
        C::FileUnreadable => E::FileUnreadable,
        C::NotAFile => E::NotAFile,
        C::TooManyPictures => E::TooManyPictures,
        C::Busy => E::Busy,
        C::Cancelled => E::Cancelled,
        C::BadBackup => E::BadBackup,
        C::BadLink => E::BadLink,
        C::Internal => E::Internal,
    }
}

/// Everything for the first frame.
pub(crate) fn start(start: app::Start, locale: String) -> ipc::Start {
    ipc::Start {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: match std::env::consts::OS {
            "windows" => ipc::Platform::Windows,
            "macos" => ipc::Platform::Macos,
            _ => ipc::Platform::Linux,
        },
        locale,
        settings: settings(start.settings),
        model: model_state(start.model),
        threads: thread_page(start.threads),
        draft: draft(start.draft),
        open: start.open,
        data: data_folder(&start.folder, start.whole),
        notices: start.notices.into_iter().map(notice).collect(),
    }
}

fn notice(notice: app::Notice) -> ipc::Notice {
    match notice {
        app::Notice::Rescued {
            threads,
            messages,
            set_aside,
        } => ipc::Notice::Rescued {
            threads,
            messages,
            set_aside: set_aside.display().to_string(),
        },
        app::Notice::Migrated(backup) => ipc::Notice::Migrated {
            backup: backup.display().to_string(),
        },
        app::Notice::Interrupted(answers) => ipc::Notice::Interrupted { answers },
    }
}

/// The data folder.
pub(crate) fn data_folder(folder: &Path, whole: app::Whole) -> ipc::DataFolder {
    ipc::DataFolder {
        location: folder.display().to_string(),
        threads: whole.threads,
        pictures: whole.pictures,
        bytes: whole.bytes,
    }
}

/// The settings.
pub(crate) fn settings(settings: app::Settings) -> ipc::Settings {
    ipc::Settings {
        language: match settings.language {
            app::Language::System => ipc::Language::System,
            app::Language::English => ipc::Language::English,
            app::Language::Chinese => ipc::Language::Chinese,
        },
        theme: match settings.theme {
            app::Theme::System => ipc::Theme::System,
            app::Theme::Light => ipc::Theme::Light,
            app::Theme::Dark => ipc::Theme::Dark,
        },
        text_size: settings.text_size,
        device: settings.device.to_string(),
        answer: options(settings.answer),
        read_ahead: settings.read_ahead,
    }
}

/// How a question is to be answered.
pub(crate) fn options(options: app::AnswerOptions) -> ipc::AnswerOptions {
    use app::Style as S;
    ipc::AnswerOptions {
        style: match options.style {
            S::Short => ipc::Style::Short,
            S::Caption => ipc::Style::Caption,
            S::Detailed => ipc::Style::Detailed,
            S::Choice => ipc::Style::Choice,
            S::Box => ipc::Style::Box,
            S::Region => ipc::Style::Region,
            S::Json => ipc::Style::Json,
            S::Check => ipc::Style::Check,
            // Only the command line has `ocr`; the nearest to it here is a short answer.
            S::Ocr => ipc::Style::Short,
            S::Chat => ipc::Style::Chat,
        },
        may_decline: options.may_decline,
        options: options.options,
        fields: options.fields,
        region: options.region.map(region),
        max_tokens: options.max_tokens,
        temperature: options.temperature,
        seed: options.seed,
        forget_oldest: options.forget_oldest,
    }
}

fn region(area: app::PixelBox) -> ipc::Region {
    let app::PixelBox { x1, y1, x2, y2 } = area;
    ipc::Region { x1, y1, x2, y2 }
}

/// A part of the list.
pub(crate) fn thread_page(page: app::ThreadPage) -> ipc::ThreadPage {
    ipc::ThreadPage {
        threads: page.threads.into_iter().map(thread_summary).collect(),
        next: page.next,
        total: page.total,
    }
}

fn thread_summary(thread: app::ThreadSummary) -> ipc::ThreadSummary {
    ipc::ThreadSummary {
        id: thread.id,
        title: thread.title,
        updated_at: thread.updated_at,
        pinned: thread.pinned,
        thumbnail: thread.thumbnail.map(|id| id.to_string()),
        busy: thread.busy,
    }
}

fn draft(draft: app::DraftView) -> ipc::Draft {
    ipc::Draft {
        text: draft.text,
        pictures: draft.pictures.into_iter().map(picture).collect(),
        options: draft.options.map(options),
    }
}

fn picture(picture: app::Picture) -> ipc::Picture {
    use app::PictureWarning as W;
    let warning = |warning| match warning {
        W::FirstFrame => ipc::PictureWarning::FirstFrame,
        W::FirstPage => ipc::PictureWarning::FirstPage,
        W::VeryLong => ipc::PictureWarning::VeryLong,
        W::VerySmall => ipc::PictureWarning::VerySmall,
    };
    ipc::Picture {
        id: picture.id.to_string(),
        name: picture.name,
        width: picture.width,
        height: picture.height,
        bytes: picture.bytes,
        warnings: picture.warnings.into_iter().map(warning).collect(),
    }
}

/// What became of added files.
pub(crate) fn added(added: app::Added) -> ipc::AddedPictures {
    let refused = |refused: app::Refused| ipc::RefusedPicture {
        name: refused.name,
        error: error(refused.error),
    };
    ipc::AddedPictures {
        pictures: added.pictures.into_iter().map(picture).collect(),
        refused: added.refused.into_iter().map(refused).collect(),
        left_out: added.left_out,
    }
}

/// What a drop without any file becomes.
pub(crate) fn not_a_file() -> ipc::AddedPictures {
    let why = app::AppError::new(
        app::Code::NotAFile,
        "This is not a picture on this computer.",
    );
    let why = why.hint("Copy the picture itself in the browser and paste it here.");
    ipc::AddedPictures {
        pictures: Vec::new(),
        refused: vec![ipc::RefusedPicture {
            name: String::new(),
            error: error(why),
        }],
        left_out: 0,
    }
}

/// What was found.
pub(crate) fn search_page(page: app::SearchPage) -> ipc::SearchPage {
    let hit = |hit: app::SearchHit| ipc::SearchHit {
        thread: hit.thread,
        title: hit.title,
        title_marks: hit.title_marks,
        thumbnail: hit.thumbnail.map(|id| id.to_string()),
        message: hit.message.map(|(id, _)| id),
        role: hit.message.map(|(_, who)| role(who)),
        at: hit.at,
        snippet: hit.snippet,
        marks: hit.marks,
    };
    ipc::SearchPage {
        hits: page.hits.into_iter().map(hit).collect(),
        next: page.next,
    }
}

fn role(role: app::Role) -> ipc::Role {
    match role {
        app::Role::User => ipc::Role::User,
        app::Role::Assistant => ipc::Role::Assistant,
    }
}

/// What happens without being asked for.
pub(crate) fn app_event(event: app::AppEvent) -> ipc::AppEvent {
    match event {
        app::AppEvent::Model(state) => ipc::AppEvent::Model {
            state: model_state(state),
        },
        app::AppEvent::ThreadChanged(thread) => ipc::AppEvent::ThreadChanged {
            thread: thread_summary(thread),
        },
        app::AppEvent::MessageChanged(thread, message) => ipc::AppEvent::MessageChanged {
            thread,
            message: Box::new(answers::message(*message)),
        },
        app::AppEvent::ThreadRemoved(thread) => ipc::AppEvent::ThreadRemoved { thread },
        app::AppEvent::Everything => ipc::AppEvent::Everything,
        app::AppEvent::Trouble(why) => ipc::AppEvent::Trouble { error: error(why) },
    }
}
