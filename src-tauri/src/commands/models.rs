//! The model: choosing, looking, loading.

use super::{Held, Out};
use crate::dialogs::Choice;
use crate::dto;
use tauri::AppHandle;
use visavis_ipc as ipc;

#[tauri::command]
pub(super) async fn model_choose(
    handle: AppHandle,
    desk: Held<'_>,
    request: ipc::ModelChoose,
) -> Out<ipc::ModelChoose> {
    let app = desk.app().map_err(dto::error)?;
    let choice = match request.source {
        ipc::ModelSource::Folder => Choice::ModelFolder,
        ipc::ModelSource::File => Choice::ModelFile,
    };
    let paths = desk.dialogs.choose(&handle, choice).await;
    let Some(path) = paths.first() else {
        return Ok(None);
    };
    let found = app.look_at_model(path).await.map_err(dto::error)?;
    Ok(Some(dto::found_model(found)))
}

#[tauri::command]
pub(super) async fn model_list(desk: Held<'_>, request: ipc::ModelList) -> Out<ipc::ModelList> {
    let ipc::ModelList {} = request;
    let app = desk.app().map_err(dto::error)?;
    let known = app.known_models().await.map_err(dto::error)?;
    Ok(known.into_iter().map(dto::found_model).collect())
}

#[tauri::command]
pub(super) async fn model_use(desk: Held<'_>, request: ipc::ModelUse) -> Out<ipc::ModelUse> {
    let app = desk.app().map_err(dto::error)?;
    app.use_model(dto::model_id(&request.model)?)
        .await
        .map_err(dto::error)
}

#[tauri::command]
pub(super) async fn model_reload(
    desk: Held<'_>,
    request: ipc::ModelReload,
) -> Out<ipc::ModelReload> {
    let ipc::ModelReload {} = request;
    let app = desk.app().map_err(dto::error)?;
    app.reload_model().await.map_err(dto::error)
}
