//! The window itself: hidden until the page has drawn, in the right colour, and on its own.

use crate::desk::Desk;
use crate::{menu, place};
use std::sync::Arc;
use std::time::Duration;
use tauri::webview::NewWindowResponse;
use tauri::window::Color;
use tauri::{
    AppHandle, DragDropEvent, LogicalPosition, Manager, WebviewUrl, WebviewWindow,
    WebviewWindowBuilder, WindowEvent,
};
use visavis_app::{Language, Theme};
use visavis_ipc::{AppEvent, Drag};

pub(crate) const LABEL: &str = "main";
/// A page that says nothing for so long is shown as it is.
const PATIENCE: Duration = Duration::from_secs(3);
/// The canvas of both themes.
const LIGHT: Color = Color(0xfa, 0xfa, 0xf9, 0xff);
const DARK: Color = Color(0x16, 0x18, 0x1a, 0xff);

/// Makes the window.
pub(crate) fn open(handle: &AppHandle, desk: &Arc<Desk>) -> tauri::Result<()> {
    let settings = desk.app().map(|app| app.settings()).unwrap_or_default();
    let theme = wanted(settings.theme);
    let menu = menu::build(handle, chinese(settings.language))?;
    let window = WebviewWindowBuilder::new(handle, LABEL, WebviewUrl::App("index.html".into()))
        .title("Visavis")
        .inner_size(place::SIZE.0, place::SIZE.1)
        .min_inner_size(place::LEAST.0, place::LEAST.1)
        .visible(false)
        .background_color(if theme == Some(tauri::Theme::Dark) {
            DARK
        } else {
            LIGHT
        })
        .theme(theme)
        .menu(menu)
        // The page is our own; whatever leads elsewhere leads nowhere.
        .on_navigation(|url| url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost"))
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    let dark = matches!(window.theme(), Ok(tauri::Theme::Dark));
    let _ = window.set_background_color(Some(if dark { DARK } else { LIGHT }));
    if let Ok(app) = desk.app() {
        let kept = tauri::async_runtime::block_on(app.window());
        place::restore(&window, kept.as_deref());
    }
    listen(&window, desk);
    let late = window.clone();
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(PATIENCE).await;
        let _ = late.show();
    });
    Ok(())
}

fn wanted(theme: Theme) -> Option<tauri::Theme> {
    match theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    }
}

/// Whether the window speaks Chinese.
pub(crate) fn chinese(language: Language) -> bool {
    match language {
        Language::English => false,
        Language::Chinese => true,
        Language::System => locale().to_lowercase().starts_with("zh"),
    }
}

/// The system's language.
pub(crate) fn locale() -> String {
    sys_locale::get_locale().unwrap_or_else(|| "en".to_owned())
}

/// Takes over a change of theme or language.
pub(crate) fn apply(handle: &AppHandle, settings: &visavis_app::Settings) {
    let Some(window) = crate::main_window(handle) else {
        return;
    };
    let _ = window.set_theme(wanted(settings.theme));
    match menu::build(handle, chinese(settings.language)) {
        Ok(menu) => {
            let _ = window.set_menu(menu);
        }
        Err(error) => tracing::warn!(%error, "the menu could not be made"),
    }
}

/// Follows what happens to the window.
fn listen(window: &WebviewWindow, desk: &Arc<Desk>) {
    let (watched, desk) = (window.clone(), Arc::clone(desk));
    window.on_window_event(move |event| match event {
        WindowEvent::DragDrop(drag) => {
            let scale = watched.scale_factor().unwrap_or(1.0);
            dragged(&desk, drag, scale);
        }
        WindowEvent::ThemeChanged(theme) => {
            let dark = *theme == tauri::Theme::Dark;
            let _ = watched.set_background_color(Some(if dark { DARK } else { LIGHT }));
            desk.tell(AppEvent::SystemTheme { dark });
        }
        WindowEvent::Moved(_) | WindowEvent::Resized(_) | WindowEvent::CloseRequested { .. } => {
            place::note(&watched.app_handle().clone(), &desk);
        }
        _ => {}
    });
}

fn dragged(desk: &Desk, drag: &DragDropEvent, scale: f64) {
    let told = match drag {
        DragDropEvent::Enter { position, .. } | DragDropEvent::Over { position } => {
            let LogicalPosition { x, y } = position.to_logical::<f64>(scale);
            Drag::Over { x, y }
        }
        DragDropEvent::Drop { paths, .. } => Drag::Dropped {
            files: u32::try_from(paths.len()).unwrap_or(u32::MAX),
            drop: desk.keep_drop(paths.clone()),
        },
        _ => Drag::Left,
    };
    desk.tell(AppEvent::Drag(told));
}
