//! Threads, messages, and what happens to answers, for the page.

use super::{draft, error, options, picture, region, role, thread_summary};
use visavis_app as app;
use visavis_ipc as ipc;

/// An opened thread.
pub(crate) fn thread(view: app::ThreadView) -> ipc::Thread {
    ipc::Thread {
        summary: thread_summary(view.summary),
        messages: view.messages.into_iter().map(message).collect(),
        context: context(view.context),
        draft: draft(view.draft),
    }
}

fn context(meter: app::ContextMeter) -> ipc::ContextMeter {
    ipc::ContextMeter {
        used: meter.used,
        limit: meter.limit,
        per_picture: meter.per_picture,
    }
}

pub(super) fn message(message: app::Message) -> ipc::Message {
    ipc::Message {
        id: message.id,
        parent: message.parent,
        role: role(message.role),
        text: message.text,
        at: message.at,
        pictures: message.pictures.into_iter().map(picture).collect(),
        options: message.options.map(options),
        siblings: message.siblings,
        status: status(message.status),
        boxes: message.boxes.into_iter().map(answer_box).collect(),
        stats: message.stats.map(stats),
        error: message.error.map(error),
    }
}

fn status(status: app::MessageStatus) -> ipc::MessageStatus {
    use app::MessageStatus as A;
    use ipc::MessageStatus as I;
    match status {
        A::Writing => I::Writing,
        A::Complete => I::Complete,
        A::Cut => I::Cut,
        A::Repeating => I::Repeating,
        A::Stopped => I::Stopped,
        A::Interrupted => I::Interrupted,
        A::Failed => I::Failed,
    }
}

fn answer_box(found: app::AnswerBox) -> ipc::AnswerBox {
    ipc::AnswerBox {
        picture: found.picture.to_string(),
        region: region(found.region),
        range: found.range,
    }
}

fn stats(stats: app::AnswerStats) -> ipc::AnswerStats {
    ipc::AnswerStats {
        tokens_per_second: stats.tokens_per_second(),
        model: stats.model,
        device: stats.device,
        first_token_seconds: stats.first_token_s,
        image_seconds: stats.image_s,
        prefill_seconds: stats.prefill_s,
        decode_seconds: stats.decode_s,
        tokens: stats.tokens,
        forgotten_messages: stats.forgotten,
    }
}

/// What happens to a question.
pub(crate) fn answer_event(event: app::AnswerEvent) -> ipc::AnswerEvent {
    use app::AnswerEvent as A;
    use ipc::AnswerEvent as I;
    let boxed = |view: Box<app::Message>| Box::new(message(*view));
    match event {
        A::Accepted {
            thread,
            question,
            answer,
        } => I::Accepted {
            thread: thread_summary(thread),
            question: question.map(boxed),
            answer: boxed(answer),
        },
        A::Queued(ahead) => I::Queued { ahead },
        A::Stage(done) => I::Stage(progress(done)),
        A::Text(text) => I::Text { text },
        A::Done {
            answer,
            thread,
            context: meter,
        } => I::Done {
            answer: boxed(answer),
            thread: thread_summary(thread),
            context: context(meter),
        },
        A::Failed { answer, thread } => I::Failed {
            answer: boxed(answer),
            thread: thread_summary(thread),
        },
    }
}

/// What reading ahead tells.
pub(crate) fn read_ahead_event(event: app::ReadAheadEvent) -> ipc::ReadAheadEvent {
    match event {
        app::ReadAheadEvent::Stage(done) => ipc::ReadAheadEvent::Stage(progress(done)),
        app::ReadAheadEvent::Ready => ipc::ReadAheadEvent::Ready,
        app::ReadAheadEvent::Failed(why) => ipc::ReadAheadEvent::Failed { error: error(why) },
    }
}

fn progress(progress: app::Progress) -> ipc::StageProgress {
    ipc::StageProgress {
        stage: match progress.stage {
            app::Stage::Loading | app::Stage::Converting => ipc::Stage::Loading,
            app::Stage::Seeing => ipc::Stage::Seeing,
            app::Stage::Reading => ipc::Stage::Reading,
            app::Stage::Writing => ipc::Stage::Writing,
        },
        done: progress.done,
        total: progress.total,
        eta_seconds: progress.eta_seconds,
        seeing: progress.seeing.map(|seeing| ipc::Seeing {
            picture: seeing.picture,
            patches_done: seeing.patches_done,
            patches_total: seeing.patches_total,
        }),
    }
}
