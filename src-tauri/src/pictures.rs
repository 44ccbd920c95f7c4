//! Pictures for the page, by id: `visavis://localhost/<id>/<rendition>`.

use crate::desk::Desk;
use std::sync::Arc;
use tauri::http::{Request, Response, StatusCode, header};
use tauri::{Manager, UriSchemeContext, UriSchemeResponder, Wry};
use visavis_app::{AppError, Rendition, Shown};

/// Answers a request of the page's.
pub(crate) fn serve(
    context: UriSchemeContext<'_, Wry>,
    request: Request<Vec<u8>>,
    responder: UriSchemeResponder,
) {
    let desk = Arc::clone(context.app_handle().state::<Arc<Desk>>().inner());
    let path = request.uri().path().to_owned();
    tauri::async_runtime::spawn(async move {
        responder.respond(match find(&desk, &path).await {
            Ok((shown, rendition)) => found(shown, rendition),
            Err(error) => {
                tracing::debug!(code = ?error.code, "a picture could not be shown");
                missing()
            }
        });
    });
}

async fn find(desk: &Desk, path: &str) -> Result<(Shown, Rendition), AppError> {
    // The page's helper writes the slash between the two as `%2F`.
    let path = path.trim_start_matches('/').replace("%2F", "/");
    let (id, rendition) = path.split_once('/').unwrap_or((&path, ""));
    let rendition: Rendition = rendition.parse()?;
    let shown = desk.app()?.show(id, rendition).await?;
    Ok((shown, rendition))
}

fn found(shown: Shown, rendition: Rendition) -> Response<Vec<u8>> {
    // An id stands for its bytes for ever; what is seen depends on the model.
    let cache = match rendition {
        Rendition::Seen => "no-store",
        Rendition::Thumbnail | Rendition::Display => "private, max-age=31536000, immutable",
    };
    Response::builder()
        .header(header::CONTENT_TYPE, shown.media_type)
        .header(header::CACHE_CONTROL, cache)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        )
        .body(shown.bytes)
        .unwrap_or_else(|_| missing())
}

fn missing() -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
