//! What a run of the window finds: a data folder, a model, a script, answered dialogs.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use visavis_testkit::TinyModel;

/// A throwaway home.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    pub(crate) model: TinyModel,
    pub(crate) language: &'static str,
    /// Whether the engine answers from the script.
    pub(crate) scripted: bool,
    data: PathBuf,
}

impl Home {
    /// With a script of answers.
    pub(crate) fn new(answers: Value) -> Self {
        Self::with_script(json!({
            "load_ms": 50, "see_ms": 250, "read_ms": 100, "piece_ms": 15, "answers": answers,
        }))
    }

    pub(crate) fn with_script(script: Value) -> Self {
        let folder = visavis_testkit::temporary_folder();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let home = Self {
            folder,
            model: TinyModel::preset("base"),
            language: "en_US.UTF-8",
            scripted: true,
            data,
        };
        std::fs::write(home.at("script.json"), script.to_string()).unwrap();
        home.answer_dialogs(&[]);
        home
    }

    /// Puts the data elsewhere.
    pub(crate) fn data_in(mut self, folder: &Path) -> Self {
        self.data = folder.to_owned();
        self
    }

    /// Makes the tiny model one that is installed, so that it is in use from the start.
    pub(crate) fn with_model(self) -> Self {
        let installed = self.data().join("models/tiny");
        std::fs::create_dir_all(&installed).unwrap();
        visavis_testkit::write_checkpoint(&self.model.spec, &installed);
        self
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The answers to the next dialogs, in order.
    pub(crate) fn answer_dialogs(&self, paths: &[&Path]) {
        let lines: Vec<String> = paths
            .iter()
            .map(|path| format!("{}\n", path.display()))
            .collect();
        std::fs::write(self.at("dialogs"), lines.concat()).unwrap();
    }

    /// What was opened outside the window.
    pub(crate) fn opened(&self) -> String {
        std::fs::read_to_string(self.at("opened")).unwrap_or_default()
    }

    /// The environment of the window.
    pub(crate) fn environment(&self, display: &str) -> Vec<(&'static str, String)> {
        let path = |path: &Path| path.display().to_string();
        let home = path(self.folder.path());
        let mut variables = vec![
            ("DISPLAY", display.to_owned()),
            ("HOME", home.clone()),
            ("XDG_CONFIG_HOME", home.clone() + "/config"),
            ("XDG_CACHE_HOME", home.clone() + "/cache"),
            ("XDG_DATA_HOME", home.clone() + "/share"),
            ("XDG_RUNTIME_DIR", home),
            ("LANG", self.language.to_owned()),
            ("LC_ALL", self.language.to_owned()),
            ("VISAVIS_DATA_DIR", path(&self.data)),
            ("VISAVIS_E2E_DIALOGS", path(&self.at("dialogs"))),
            ("VISAVIS_E2E_OPENED", path(&self.at("opened"))),
            ("TAURI_WEBVIEW_AUTOMATION", "true".to_owned()),
            ("GDK_BACKEND", "x11".to_owned()),
            ("LIBGL_ALWAYS_SOFTWARE", "1".to_owned()),
            ("NO_AT_BRIDGE", "1".to_owned()),
            ("GTK_THEME", "Adwaita".to_owned()),
        ];
        if self.scripted {
            variables.push(("VISAVIS_E2E_SCRIPT", path(&self.at("script.json"))));
        }
        variables
    }
}

/// A picture of the repository.
pub(crate) fn picture(name: &str) -> PathBuf {
    root().join("tests/pictures").join(name)
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}
