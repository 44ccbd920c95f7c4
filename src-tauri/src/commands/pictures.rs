//! Pictures on their way in: chosen, dropped, pasted.

use super::{Held, Out};
use crate::dialogs::Choice;
use crate::{desk, dto};
use tauri::AppHandle;
use tauri::ipc::{InvokeBody, Request};
use visavis_ipc as ipc;

#[tauri::command]
pub(super) async fn picture_choose(
    handle: AppHandle,
    desk: Held<'_>,
    request: ipc::PictureChoose,
) -> Out<ipc::PictureChoose> {
    let ipc::PictureChoose {} = request;
    let app = desk.app().map_err(dto::error)?;
    let paths = desk.dialogs.choose(&handle, Choice::Pictures).await;
    Ok(dto::added(app.add_files(paths).await))
}

#[tauri::command]
pub(super) async fn picture_add_dropped(
    desk: Held<'_>,
    request: ipc::PictureAddDropped,
) -> Out<ipc::PictureAddDropped> {
    let app = desk.app().map_err(dto::error)?;
    let paths = desk.take_drop(request.drop).map_err(dto::error)?;
    if paths.is_empty() {
        // A drag from a browser may bring an address and nothing else.
        return Ok(dto::not_a_file());
    }
    Ok(dto::added(app.add_files(paths).await))
}

#[tauri::command]
pub(super) async fn picture_add_pasted(
    handle: AppHandle,
    request: Request<'_>,
) -> Out<ipc::Pasted> {
    let desk = desk::of(&handle);
    let app = desk.app().map_err(dto::error)?;
    let InvokeBody::Raw(bytes) = request.body() else {
        return Err(dto::internal(&"a pasted picture came without its bytes"));
    };
    let added = match app.add_bytes(bytes.clone(), "").await {
        Ok(picture) => visavis_app::Added {
            pictures: vec![picture],
            ..Default::default()
        },
        Err(error) => visavis_app::Added {
            refused: vec![visavis_app::Refused {
                name: String::new(),
                error,
            }],
            ..Default::default()
        },
    };
    Ok(dto::added(added))
}
