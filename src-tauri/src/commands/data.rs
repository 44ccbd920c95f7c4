//! The data folder, backups, and what leaves the window.

use super::{Held, Out};
use crate::dialogs::Choice;
use crate::{dto, outside};
use tauri::AppHandle;
use visavis_ipc as ipc;

#[tauri::command]
pub(super) async fn data_folder(
    desk: Held<'_>,
    request: ipc::DataFolderAsk,
) -> Out<ipc::DataFolderAsk> {
    let ipc::DataFolderAsk {} = request;
    let app = desk.app().map_err(dto::error)?;
    let whole = app.whole().await.map_err(dto::error)?;
    Ok(dto::data_folder(app.folder(), whole))
}

#[tauri::command]
pub(super) async fn data_folder_show(
    desk: Held<'_>,
    request: ipc::DataFolderShow,
) -> Out<ipc::DataFolderShow> {
    let ipc::DataFolderShow {} = request;
    // Also where the data cannot be used: that is when one wants to look.
    outside::open_folder(&desk.folder).map_err(dto::error)
}

#[tauri::command]
pub(super) async fn backup_save(
    handle: AppHandle,
    desk: Held<'_>,
    request: ipc::BackupSave,
) -> Out<ipc::BackupSave> {
    let ipc::BackupSave {} = request;
    let app = desk.app().map_err(dto::error)?;
    let paths = desk.dialogs.choose(&handle, Choice::NewBackup).await;
    let Some(path) = paths.first() else {
        return Ok(None);
    };
    let written = app.back_up(path).await.map_err(dto::error)?;
    Ok(Some(ipc::Backup {
        location: written.path.display().to_string(),
        bytes: written.bytes,
    }))
}

#[tauri::command]
pub(super) async fn backup_choose(
    handle: AppHandle,
    desk: Held<'_>,
    request: ipc::BackupChoose,
) -> Out<ipc::BackupChoose> {
    let ipc::BackupChoose {} = request;
    let app = desk.app().map_err(dto::error)?;
    let paths = desk.dialogs.choose(&handle, Choice::Backup).await;
    let Some(path) = paths.first() else {
        return Ok(None);
    };
    let checked = app.check_backup(path).await.map_err(dto::error)?;
    Ok(Some(ipc::CheckedBackup {
        location: checked.path.display().to_string(),
        at: checked.at,
        threads: checked.threads,
        pictures: checked.pictures,
        id: desk.keep_backup(checked),
    }))
}

#[tauri::command]
pub(super) async fn backup_restore(
    desk: Held<'_>,
    request: ipc::BackupRestore,
) -> Out<ipc::BackupRestore> {
    let app = desk.app().map_err(dto::error)?;
    let backup = desk.backup(request.backup).map_err(dto::error)?;
    app.restore(&backup).await.map_err(dto::error)?;
    desk.forget_backup(request.backup);
    Ok(())
}

#[tauri::command]
pub(super) async fn delete_everything(
    desk: Held<'_>,
    request: ipc::DeleteEverything,
) -> Out<ipc::DeleteEverything> {
    let ipc::DeleteEverything {} = request;
    let app = desk.app().map_err(dto::error)?;
    app.delete_everything().await.map_err(dto::error)
}

#[tauri::command]
pub(super) async fn link_open(request: ipc::LinkOpen) -> Out<ipc::LinkOpen> {
    outside::open_link(&request.url).map_err(dto::error)
}
