//! The start, settings, and what the page is told.

use super::{Held, Out};
use crate::{dto, window};
use tauri::ipc::Channel;
use tauri::{AppHandle, Runtime};
use visavis_ipc as ipc;

#[tauri::command]
pub(super) async fn start(desk: Held<'_>, request: ipc::StartUp) -> Out<ipc::StartUp> {
    let ipc::StartUp {} = request;
    let app = desk.app().map_err(dto::error)?;
    Ok(dto::start(
        app.start().await.map_err(dto::error)?,
        window::locale(),
    ))
}

#[tauri::command]
pub(super) async fn watch(
    desk: Held<'_>,
    request: ipc::Watch,
    events: Channel<ipc::AppEvent>,
) -> Out<ipc::Watch> {
    let ipc::Watch {} = request;
    desk.listen(events);
    Ok(())
}

#[tauri::command]
pub(super) async fn window_ready<R: Runtime>(
    window: tauri::WebviewWindow<R>,
    request: ipc::WindowReady,
) -> Out<ipc::WindowReady> {
    let ipc::WindowReady {} = request;
    let shown = window.show().and_then(|()| window.set_focus());
    shown.map_err(|error| dto::internal(&error))?;
    tracing::info!("the window is shown");
    Ok(())
}

#[tauri::command]
pub(super) async fn settings_save(
    handle: AppHandle,
    desk: Held<'_>,
    request: ipc::SettingsSave,
) -> Out<ipc::SettingsSave> {
    let app = desk.app().map_err(dto::error)?;
    let before = app.settings();
    let change = dto::settings_change(request.change);
    let settings = app.save_settings(change).await.map_err(dto::error)?;
    if (settings.theme, settings.language) != (before.theme, before.language) {
        let (shown, now) = (handle.clone(), settings.clone());
        let done = handle.run_on_main_thread(move || window::apply(&shown, &now));
        done.map_err(|error| dto::internal(&error))?;
    }
    Ok(dto::settings(settings))
}

#[tauri::command]
pub(super) async fn hardware(desk: Held<'_>, request: ipc::HardwareAsk) -> Out<ipc::HardwareAsk> {
    let ipc::HardwareAsk {} = request;
    let app = desk.app().map_err(dto::error)?;
    Ok(dto::hardware(app.hardware().await.map_err(dto::error)?))
}
