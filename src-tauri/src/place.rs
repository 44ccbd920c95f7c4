//! Where the window was, so that it comes back there.

use crate::desk::Desk;
use crate::main_window;
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, LogicalSize, PhysicalPosition, WebviewWindow};

/// A window's size in CSS pixels and its place in the screen's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    width: f64,
    height: f64,
    x: i32,
    y: i32,
    maximized: bool,
}

/// The first time.
pub(crate) const SIZE: (f64, f64) = (1120.0, 780.0);
/// Smaller than this nothing fits any more.
pub(crate) const LEAST: (f64, f64) = (640.0, 480.0);

/// Puts the window where it was, if that place still exists.
pub(crate) fn restore(window: &WebviewWindow, kept: Option<&str>) {
    let Some(place) = kept.and_then(|text| serde_json::from_str::<Place>(text).ok()) else {
        return;
    };
    let size = LogicalSize::new(place.width.max(LEAST.0), place.height.max(LEAST.1));
    let _ = window.set_size(size);
    let monitors = window.available_monitors().unwrap_or_default();
    let visible = monitors.iter().any(|monitor| {
        let (at, size) = (monitor.position(), monitor.size());
        let right = at.x.saturating_add_unsigned(size.width);
        let bottom = at.y.saturating_add_unsigned(size.height);
        // Enough of the title to take hold of.
        (at.x - 8..right - 100).contains(&place.x) && (at.y - 8..bottom - 60).contains(&place.y)
    });
    if visible {
        let _ = window.set_position(PhysicalPosition::new(place.x, place.y));
    }
    if place.maximized {
        let _ = window.maximize();
    }
}

/// Where the window is now.
fn of(window: &WebviewWindow) -> tauri::Result<Place> {
    let scale = window.scale_factor()?;
    let size = window.inner_size()?.to_logical::<f64>(scale);
    let at = window.outer_position()?;
    Ok(Place {
        width: size.width,
        height: size.height,
        x: at.x,
        y: at.y,
        maximized: window.is_maximized()?,
    })
}

/// Remembers where the window is. A maximized one keeps the size it had before.
pub(crate) fn note(handle: &AppHandle, desk: &Desk) {
    let Some(window) = main_window(handle) else {
        return;
    };
    if window.is_minimized().unwrap_or(false) || !window.is_visible().unwrap_or(false) {
        return;
    }
    if let Ok(mut place) = of(&window) {
        let mut last = desk.lock(&desk.place);
        if place.maximized
            && let Some(before) = *last
        {
            place = Place {
                maximized: true,
                ..before
            };
        }
        *last = Some(place);
    }
}

/// Writes it down.
pub(crate) fn keep(handle: &AppHandle, desk: &Desk) {
    note(handle, desk);
    let place = *desk.lock(&desk.place);
    let text = place.and_then(|place| serde_json::to_string(&place).ok());
    if let (Some(text), Ok(app)) = (text, desk.app()) {
        let kept = tauri::async_runtime::block_on(app.set_window(&text));
        if let Err(error) = kept {
            tracing::warn!(%error, "the window's place could not be kept");
        }
    }
}
