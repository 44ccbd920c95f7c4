//! The system's own dialogs, behind a trait: tests answer them from a file.

use std::path::PathBuf;
use tauri::AppHandle;

/// What a person is asked to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Pictures, one or several.
    Pictures,
    /// A model's folder.
    ModelFolder,
    /// A model's file.
    ModelFile,
    /// A backup.
    Backup,
    /// A name for a new backup.
    NewBackup,
}

/// Asks a person for files.
pub(crate) trait Dialogs: Send + Sync {
    /// Shows the dialog; nothing when it is closed without a choice.
    fn choose(
        &self,
        handle: &AppHandle,
        choice: Choice,
    ) -> std::pin::Pin<Box<dyn Future<Output = Vec<PathBuf>> + Send>>;
}

/// The dialogs of this run.
pub(crate) fn dialogs() -> Box<dyn Dialogs> {
    #[cfg(feature = "e2e")]
    if let Some(file) = std::env::var_os("VISAVIS_E2E_DIALOGS") {
        return Box::new(written::Written(file.into()));
    }
    Box::new(Native)
}

/// The system's.
struct Native;

impl Dialogs for Native {
    fn choose(
        &self,
        handle: &AppHandle,
        choice: Choice,
    ) -> std::pin::Pin<Box<dyn Future<Output = Vec<PathBuf>> + Send>> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let window = crate::main_window(handle);
        // The dialog must be made on the main thread, which must not wait for it.
        let shown = handle.run_on_main_thread(move || {
            let mut dialog = rfd::AsyncFileDialog::new();
            if let Some(window) = &window {
                dialog = dialog.set_parent(window);
            }
            let dialog = asking(dialog, choice);
            std::thread::spawn(move || {
                let _ = sender.send(tauri::async_runtime::block_on(dialog));
            });
        });
        Box::pin(async move {
            match shown {
                Ok(()) => receiver.await.unwrap_or_default(),
                Err(error) => {
                    tracing::warn!(%error, "a dialog could not be shown");
                    Vec::new()
                }
            }
        })
    }
}

/// The future of a dialog, which is shown as soon as this returns.
fn asking(
    dialog: rfd::AsyncFileDialog,
    choice: Choice,
) -> std::pin::Pin<Box<dyn Future<Output = Vec<PathBuf>> + Send>> {
    let one = |file: Option<rfd::FileHandle>| -> Vec<PathBuf> {
        file.iter().map(|file| file.path().to_owned()).collect()
    };
    match choice {
        Choice::Pictures => {
            let endings = [
                "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif", "avif",
                "jp2", "JPG", "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIF", "TIFF",
            ];
            let files = dialog.add_filter("Pictures", &endings).pick_files();
            Box::pin(async move {
                let files = files.await.unwrap_or_default();
                files.iter().map(|file| file.path().to_owned()).collect()
            })
        }
        Choice::ModelFolder => {
            let folder = dialog.pick_folder();
            Box::pin(async move { one(folder.await) })
        }
        Choice::ModelFile => {
            let file = dialog
                .add_filter("GGUF, safetensors", &["gguf", "safetensors", "json"])
                .pick_file();
            Box::pin(async move { one(file.await) })
        }
        Choice::Backup => {
            let file = dialog.add_filter("Visavis", &["visavis"]).pick_file();
            Box::pin(async move { one(file.await) })
        }
        Choice::NewBackup => {
            let file = dialog
                .add_filter("Visavis", &["visavis"])
                .set_file_name("Visavis backup.visavis")
                .save_file();
            Box::pin(async move { one(file.await) })
        }
    }
}

/// Dialogs that a test has answered beforehand.
#[cfg(feature = "e2e")]
mod written {
    use super::{AppHandle, Choice, Dialogs, PathBuf};

    /// A file with one line for each dialog: paths, with tabs between them. Lines are used up.
    pub(super) struct Written(pub(super) PathBuf);

    impl Dialogs for Written {
        fn choose(
            &self,
            _: &AppHandle,
            _: Choice,
        ) -> std::pin::Pin<Box<dyn Future<Output = Vec<PathBuf>> + Send>> {
            let text = std::fs::read_to_string(&self.0).unwrap_or_default();
            let (line, rest) = text.split_once('\n').unwrap_or((&text, ""));
            let paths = line.split('\t').filter(|path| !path.is_empty());
            let paths: Vec<PathBuf> = paths.map(PathBuf::from).collect();
            if let Err(error) = std::fs::write(&self.0, rest) {
                tracing::warn!(%error, "an answered dialog stays answered");
            }
            Box::pin(async move { paths })
        }
    }
}
