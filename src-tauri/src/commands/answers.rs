//! Questions and answers; what happens to them goes through the call's own channel.

use super::{Held, Out};
use crate::dto;
use tauri::ipc::Channel;
use tokio::sync::mpsc::UnboundedReceiver;
use visavis_app::{AnswerEvent, ReadAhead};
use visavis_ipc as ipc;

/// Passes events on until the last. A page that no longer hears does not stop the answer.
fn forward(mut from: UnboundedReceiver<AnswerEvent>, to: Channel<ipc::AnswerEvent>) {
    tauri::async_runtime::spawn(async move {
        while let Some(event) = from.recv().await {
            if let Err(error) = to.send(dto::answer_event(event)) {
                tracing::warn!(%error, "the page does not hear an answer");
                return;
            }
        }
    });
}

#[tauri::command]
pub(super) async fn ask(
    desk: Held<'_>,
    request: ipc::Ask,
    events: Channel<ipc::AnswerEvent>,
) -> Out<ipc::Ask> {
    let app = desk.app().map_err(dto::error)?;
    let question = dto::question(request.question)?;
    let (answer, from) = app.ask(question).await.map_err(dto::error)?;
    forward(from, events);
    Ok(answer)
}

#[tauri::command]
pub(super) async fn regenerate(
    desk: Held<'_>,
    request: ipc::Regenerate,
    events: Channel<ipc::AnswerEvent>,
) -> Out<ipc::Regenerate> {
    let app = desk.app().map_err(dto::error)?;
    let options = request.options.map(dto::answer_options);
    let again = app.regenerate(request.answer, options).await;
    let (answer, from) = again.map_err(dto::error)?;
    forward(from, events);
    Ok(answer)
}

#[tauri::command]
pub(super) async fn continue_answer(
    desk: Held<'_>,
    request: ipc::ContinueAnswer,
    events: Channel<ipc::AnswerEvent>,
) -> Out<ipc::ContinueAnswer> {
    let app = desk.app().map_err(dto::error)?;
    let more = app.continue_answer(request.answer).await;
    let (answer, from) = more.map_err(dto::error)?;
    forward(from, events);
    Ok(answer)
}

#[tauri::command]
pub(super) async fn stop(desk: Held<'_>, request: ipc::Stop) -> Out<ipc::Stop> {
    desk.app().map_err(dto::error)?.stop(request.answer);
    Ok(())
}

#[tauri::command]
pub(super) async fn read_ahead(
    desk: Held<'_>,
    request: ipc::ReadAheadStart,
    events: Channel<ipc::ReadAheadEvent>,
) -> Out<ipc::ReadAheadStart> {
    let app = desk.app().map_err(dto::error)?;
    let ipc::ReadAhead {
        thread,
        replaces,
        pictures,
    } = request.question;
    let pictures = dto::picture_refs(pictures)?;
    let ahead = ReadAhead {
        thread,
        replaces,
        pictures: pictures.into_iter().map(|(id, _)| id).collect(),
    };
    let mut from = app.read_ahead(ahead).await.map_err(dto::error)?;
    tauri::async_runtime::spawn(async move {
        while let Some(event) = from.recv().await {
            if events.send(dto::read_ahead_event(event)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

#[tauri::command]
pub(super) async fn read_ahead_stop(
    desk: Held<'_>,
    request: ipc::ReadAheadStop,
) -> Out<ipc::ReadAheadStop> {
    let ipc::ReadAheadStop {} = request;
    desk.app().map_err(dto::error)?.stop_read_ahead();
    Ok(())
}
