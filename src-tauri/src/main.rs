//! The window: the page's calls on one side, the use cases on the other, the system around them.

// No console window beside the program on Windows.
#![cfg_attr(windows, windows_subsystem = "windows")]

mod commands;
mod desk;
mod dialogs;
mod dto;
mod instance;
mod logging;
mod menu;
mod outside;
mod pictures;
mod place;
mod window;

use desk::Desk;
use std::process::ExitCode;
use std::sync::Arc;
use tauri::{Manager, RunEvent};

fn main() -> ExitCode {
    let Some(folder) = visavis_app::places::data_folder() else {
        eprintln!(
            "visavis: there is no home folder; set VISAVIS_DATA_DIR to a folder for its data"
        );
        return ExitCode::FAILURE;
    };
    // A second start shows the first window and is done.
    if instance::show_running(&folder) {
        return ExitCode::SUCCESS;
    }
    logging::begin(&folder);
    let desk = Arc::new(Desk::open(folder));
    match run(desk) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("visavis: the window cannot be opened: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(desk: Arc<Desk>) -> tauri::Result<()> {
    let shown = Arc::clone(&desk);
    let builder = tauri::Builder::default()
        .manage(Arc::clone(&desk))
        .register_asynchronous_uri_scheme_protocol("visavis", pictures::serve)
        .invoke_handler(commands::handler())
        .on_menu_event(menu::chosen)
        .setup(move |app| {
            window::open(app.handle(), &shown)?;
            desk::begin(app.handle(), &shown);
            Ok(())
        });
    let app = builder.build(tauri::generate_context!())?;
    app.run(move |handle, event| {
        if let RunEvent::Exit = event {
            place::keep(handle, &desk);
            desk.close();
        }
    });
    Ok(())
}

/// The one window.
pub(crate) fn main_window(handle: &tauri::AppHandle) -> Option<tauri::WebviewWindow> {
    handle.get_webview_window(window::LABEL)
}
