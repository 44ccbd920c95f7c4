//! Threads, drafts, search.

use super::{Held, Out};
use crate::dto;
use visavis_ipc as ipc;

#[tauri::command]
pub(super) async fn thread_list(desk: Held<'_>, request: ipc::ThreadList) -> Out<ipc::ThreadList> {
    let app = desk.app().map_err(dto::error)?;
    let page = app.threads(request.cursor.as_deref(), request.limit).await;
    Ok(dto::thread_page(page.map_err(dto::error)?))
}

#[tauri::command]
pub(super) async fn thread_open(desk: Held<'_>, request: ipc::ThreadOpen) -> Out<ipc::ThreadOpen> {
    let app = desk.app().map_err(dto::error)?;
    let view = app.open_thread(request.thread).await;
    Ok(dto::thread(view.map_err(dto::error)?))
}

#[tauri::command]
pub(super) async fn thread_close(
    desk: Held<'_>,
    request: ipc::ThreadClose,
) -> Out<ipc::ThreadClose> {
    let ipc::ThreadClose {} = request;
    let app = desk.app().map_err(dto::error)?;
    app.remember_open(None).await.map_err(dto::error)
}

#[tauri::command]
pub(super) async fn thread_show(desk: Held<'_>, request: ipc::ThreadShow) -> Out<ipc::ThreadShow> {
    let app = desk.app().map_err(dto::error)?;
    let view = app.show_message(request.message).await;
    Ok(dto::thread(view.map_err(dto::error)?))
}

#[tauri::command]
pub(super) async fn thread_rename(
    desk: Held<'_>,
    request: ipc::ThreadRename,
) -> Out<ipc::ThreadRename> {
    let app = desk.app().map_err(dto::error)?;
    let renamed = app.rename_thread(request.thread, &request.title).await;
    renamed.map_err(dto::error)
}

#[tauri::command]
pub(super) async fn thread_pin(desk: Held<'_>, request: ipc::ThreadPin) -> Out<ipc::ThreadPin> {
    let app = desk.app().map_err(dto::error)?;
    let pinned = app.pin_thread(request.thread, request.pinned).await;
    pinned.map_err(dto::error)
}

#[tauri::command]
pub(super) async fn thread_delete(
    desk: Held<'_>,
    request: ipc::ThreadDelete,
) -> Out<ipc::ThreadDelete> {
    let app = desk.app().map_err(dto::error)?;
    app.delete_thread(request.thread).await.map_err(dto::error)
}

#[tauri::command]
pub(super) async fn thread_restore(
    desk: Held<'_>,
    request: ipc::ThreadRestore,
) -> Out<ipc::ThreadRestore> {
    let app = desk.app().map_err(dto::error)?;
    app.restore_thread(request.thread).await.map_err(dto::error)
}

#[tauri::command]
pub(super) async fn search(desk: Held<'_>, request: ipc::Search) -> Out<ipc::Search> {
    let app = desk.app().map_err(dto::error)?;
    let page = app.search(&request.query, request.cursor.as_deref()).await;
    Ok(dto::search_page(page.map_err(dto::error)?))
}

#[tauri::command]
pub(super) async fn draft_save(desk: Held<'_>, request: ipc::DraftSave) -> Out<ipc::DraftSave> {
    let app = desk.app().map_err(dto::error)?;
    let pictures = dto::picture_refs(request.pictures)?;
    let options = request.options.map(dto::answer_options);
    app.save_draft(request.thread, &request.text, &pictures, options)
        .await
        .map_err(dto::error)
}
