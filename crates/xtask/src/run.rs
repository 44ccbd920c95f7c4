//! `cargo xtask run`: the window, or where there is no display, the command line at work.
//!
//! Which model runs is the program's own choice. Only one thing is decided here: that a fresh
//! machine has no model yet is no fault of anybody's, so it is explained instead of failed.

use crate::cargo::{cargo, exit_code, root};
use crate::prerequisites::{self, WINDOW};
use crate::{say, ui};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Opens the window; with `args`, or without a display, runs `visavis`: with `args` where there
/// are any, else on `tests/pictures`. The exit status of what was run is ours, except that the
/// demonstration without a model is a success.
pub(crate) fn run(args: &[String]) -> ExitCode {
    if !args.is_empty() {
        return started(visavis().args(args));
    }
    if has_display() {
        return window();
    }
    say::line(
        "There is no display here, so the window cannot be opened. Here is the command line \
         at work instead.\n",
    );
    demonstration()
}

/// Whether a window could be shown. macOS and Windows always have a place for one.
fn has_display() -> bool {
    !cfg!(target_os = "linux")
        || variable("DISPLAY").is_some()
        || variable("WAYLAND_DISPLAY").is_some()
}

/// Builds page and window and opens it.
fn window() -> ExitCode {
    let ready = prerequisites::provide(&[WINDOW]).and_then(|()| ui::provide());
    if let Err(reason) = ready {
        say::problem(&format!("The window cannot be built: {reason}."));
        return ExitCode::FAILURE;
    }
    started(&mut cargo([
        "run",
        "--release",
        "--package",
        "visavis-desktop",
    ]))
}

fn started(command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) => exit_code(status),
        Err(error) => {
            say::problem(&format!("cargo cannot be started: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Shows the command line at work on the pictures that the tests use.
fn demonstration() -> ExitCode {
    let mut command = visavis();
    command
        .args(["caption", "tests/pictures"])
        .current_dir(root());
    let status = match command.status() {
        Ok(status) => status,
        Err(error) => {
            say::problem(&format!("cargo cannot be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    // 1 is the program's own failure; a failed build has another status.
    if status.code() == Some(1) && !Places::here().hold_a_model() {
        say::line(&how_to_get_a_model(Places::here().installed.as_deref()));
        return ExitCode::SUCCESS;
    }
    exit_code(status)
}

/// `cargo run` for the program, in the folder one is in, so that paths mean what they say.
fn visavis() -> Command {
    let mut command = cargo([
        "run",
        "--release",
        "--package",
        "visavis-cli",
        "--bin",
        "visavis",
    ]);
    command
        .arg("--manifest-path")
        .arg(root().join("Cargo.toml"))
        .arg("--");
    if let Ok(here) = std::env::current_dir() {
        command.current_dir(here);
    }
    command
}

/// Where the program looks for a model that nobody named (docs/command-line.md).
struct Places {
    named: Option<OsString>,
    installed: Option<PathBuf>,
    demo: PathBuf,
}

impl Places {
    fn here() -> Self {
        Self {
            named: variable("VISAVIS_MODEL"),
            installed: data_folder().map(|folder| folder.join("models")),
            demo: root().join("models/demo"),
        }
    }

    /// Whether a failure may be due to a model rather than to there being none.
    fn hold_a_model(&self) -> bool {
        let visible = |path: &Path| {
            path.file_name()
                .is_some_and(|name| !name.to_string_lossy().starts_with('.'))
        };
        let anything = |folder: &Path| {
            std::fs::read_dir(folder)
                .is_ok_and(|entries| entries.flatten().any(|entry| visible(&entry.path())))
        };
        self.named.is_some()
            || self.installed.as_deref().is_some_and(anything)
            || self.demo.join("config.json").is_file()
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The data folder, as the program finds it.
fn data_folder() -> Option<PathBuf> {
    if let Some(folder) = variable("VISAVIS_DATA_DIR") {
        return Some(folder.into());
    }
    let under = |name, path| variable(name).map(|folder| PathBuf::from(folder).join(path));
    if cfg!(windows) {
        under("LOCALAPPDATA", "visavis")
    } else if cfg!(target_vendor = "apple") {
        under("HOME", "Library/Application Support/visavis")
    } else {
        let data = variable("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        data.map(|data| data.join("visavis"))
            .or_else(|| under("HOME", ".local/share/visavis"))
    }
}

fn how_to_get_a_model(installed: Option<&Path>) -> String {
    let place = installed.map_or_else(
        || "wherever you like".to_owned(),
        |models| models.join("llava-1.5-7b-hf").display().to_string(),
    );
    format!(
        "
Visavis is built and works; it only has no model to show yet.

The model is LLaVA-1.5 7B, in the Hugging Face repository llava-hf/llava-1.5-7b-hf. Please
read its licence there first, the LLAMA 2 Community License. Download these files:

    config.json  preprocessor_config.json  tokenizer.json
    model.safetensors.index.json  model-00001-of-00003.safetensors
    model-00002-of-00003.safetensors  model-00003-of-00003.safetensors

They take 14.1 GB of disk space; 16 GB of memory should be free to run them. Put them into

    {place}

and run `cargo xtask run` again. A folder anywhere else is found by setting VISAVIS_MODEL to it."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(folder: &Path) -> Places {
        Places {
            named: None,
            installed: Some(folder.join("models")),
            demo: folder.join("demo"),
        }
    }

    /// A folder of this test's own, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("visavis-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_fresh_machine_holds_no_model() {
        let folder = Folder::new("fresh");
        assert!(!empty(&folder.0).hold_a_model());
        std::fs::create_dir_all(folder.0.join("models/.cache")).unwrap();
        assert!(!empty(&folder.0).hold_a_model());
    }

    #[test]
    fn any_place_may_hold_one() {
        let folder = Folder::new("places");
        let named = Places {
            named: Some("llava".into()),
            ..empty(&folder.0)
        };
        assert!(named.hold_a_model());
        std::fs::create_dir_all(folder.0.join("demo")).unwrap();
        std::fs::write(folder.0.join("demo/config.json"), "{}").unwrap();
        assert!(empty(&folder.0).hold_a_model());
        std::fs::remove_dir_all(folder.0.join("demo")).unwrap();
        std::fs::create_dir_all(folder.0.join("models/llava")).unwrap();
        assert!(empty(&folder.0).hold_a_model());
    }

    #[test]
    fn the_explanation_names_the_repository_and_the_place() {
        let text = how_to_get_a_model(Some(Path::new("/data/models")));
        assert!(text.contains("llava-hf/llava-1.5-7b-hf"), "{text}");
        assert!(
            text.contains(
                &Path::new("/data/models")
                    .join("llava-1.5-7b-hf")
                    .display()
                    .to_string()
            )
        );
    }
}
