//! Which model a command runs: the one named, else the one in use, else one that is installed.
//!
//! Knows folders only; what is inside a checkpoint is read by `visavis_llava::checkpoint`.

use crate::failure::Failure;
use crate::text::shown;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// A checkpoint on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    /// The checkpoint: a folder, or a single file that is a whole model.
    pub(crate) path: PathBuf,
    /// Its name in results: the ID of an installed model, else the path as it was given.
    pub(crate) name: String,
}

/// Where models may be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// `VISAVIS_MODEL`: the model in use.
    pub(crate) in_use: Option<OsString>,
    /// `models/` of the data folder.
    pub(crate) installed: Option<PathBuf>,
    /// Where the small model that comes with the program may be, first found first.
    pub(crate) demo: Vec<PathBuf>,
}

impl Places {
    /// From the environment and the place of the program.
    pub(crate) fn of_this_process() -> Self {
        Self {
            in_use: std::env::var_os("VISAVIS_MODEL").filter(|value| !value.is_empty()),
            installed: data_folder().map(|folder| folder.join("models")),
            demo: demo_places(std::env::current_exe().ok(), std::env::current_dir().ok()),
        }
    }

    /// Finds the model asked for with `--model`, or the one to run without it.
    pub(crate) fn find(&self, asked: Option<&OsStr>) -> Result<Located, Failure> {
        if let Some(asked) = asked.or(self.in_use.as_deref()) {
            return self.named(asked);
        }
        if let Some(first) = self.ids().into_iter().next() {
            return Ok(first);
        }
        match self.demo() {
            Some(demo) => Ok(demo),
            None => Err(self.nothing_installed()),
        }
    }

    /// A path that exists wins over an ID of the same letters.
    fn named(&self, asked: &OsStr) -> Result<Located, Failure> {
        let path = Path::new(asked);
        if path.exists() {
            return Ok(Located {
                path: checkpoint_of(path)?,
                name: path.display().to_string(),
            });
        }
        let id = asked.to_string_lossy();
        if let Some(found) = self.ids().into_iter().find(|model| model.name == id) {
            return Ok(found);
        }
        if id == "demo"
            && let Some(demo) = self.demo()
        {
            return Ok(demo);
        }
        let failure = Failure::new(format!("there is no model \"{}\"", shown(path)));
        let installed: Vec<String> = self.ids().into_iter().map(|model| model.name).collect();
        Err(if installed.is_empty() {
            failure.hint(
                "--model takes the folder of a checkpoint, for example --model ./llava-1.5-7b-hf",
            )
        } else {
            failure.hint(format!("installed: {}", installed.join(", ")))
        })
    }

    /// The installed models in the order of their IDs: `name`, or `owner/name` one level deeper.
    fn ids(&self) -> Vec<Located> {
        let Some(folder) = &self.installed else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for path in subfolders(folder) {
            if is_checkpoint(&path) {
                found.extend(installed(folder, path));
            } else {
                let inside = subfolders(&path)
                    .into_iter()
                    .filter(|path| is_checkpoint(path));
                found.extend(inside.filter_map(|path| installed(folder, path)));
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    fn demo(&self) -> Option<Located> {
        let path = self.demo.iter().find(|path| is_checkpoint(path))?;
        Some(Located {
            path: path.clone(),
            name: "demo".to_owned(),
        })
    }

    fn nothing_installed(&self) -> Failure {
        let failure = Failure::new("no model is installed")
            .hint(
                "download a LLaVA-1.5 checkpoint in Hugging Face form, for example llava-hf/llava-1.5-7b-hf, \
                 and name its folder: --model ./llava-1.5-7b-hf",
            )
            .hint("VISAVIS_MODEL names the model to use when --model is not given");
        match &self.installed {
            Some(folder) => failure.hint(format!(
                "models that lie in {} are found by themselves",
                shown(folder)
            )),
            None => failure,
        }
    }
}

fn installed(models: &Path, path: PathBuf) -> Option<Located> {
    let parts = path.strip_prefix(models).ok()?.components();
    let name = parts
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/");
    Some(Located { path, name })
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let hidden = |path: &Path| {
        path.file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'))
    };
    let folders = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && !hidden(path));
    folders.collect()
}

fn is_checkpoint(folder: &Path) -> bool {
    folder.join("config.json").is_file()
}

/// The checkpoint that `path` belongs to: a folder is one, and so is the folder around a file
/// that is part of one. A GGUF file is a model by itself.
fn checkpoint_of(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    if name.ends_with(".gguf") {
        return Ok(path.to_owned());
    }
    let part = [".json", ".safetensors", ".bin", ".model"]
        .iter()
        .any(|end| name.ends_with(end));
    if !part {
        return Err(
            Failure::new(format!("{} is not part of a checkpoint", shown(path)))
                .hint("--model takes the folder that holds config.json and the weights"),
        );
    }
    // The parent of a bare file name is the empty path, which no system call accepts.
    let parent = path
        .parent()
        .filter(|parent| parent.components().next().is_some());
    Ok(parent.unwrap_or(Path::new(".")).to_owned())
}

/// Where models, pictures and conversations are kept; `VISAVIS_DATA_DIR` overrides.
pub(crate) fn data_folder() -> Option<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = variable("VISAVIS_DATA_DIR") {
        return Some(folder);
    }
    if cfg!(windows) {
        // Not the roaming folder: models are too large to follow a person from machine to machine.
        return variable("LOCALAPPDATA").map(|folder| folder.join("visavis"));
    }
    let home = variable("HOME")?;
    if cfg!(target_vendor = "apple") {
        return Some(home.join("Library/Application Support/visavis"));
    }
    let data = variable("XDG_DATA_HOME").filter(|folder| folder.is_absolute());
    Some(
        data.unwrap_or_else(|| home.join(".local/share"))
            .join("visavis"),
    )
}

/// Beside the program, where packages put it, and in the checkout one works in.
fn demo_places(program: Option<PathBuf>, current: Option<PathBuf>) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let program = program.and_then(|program| program.canonicalize().ok());
    if let Some(folder) = program.as_deref().and_then(Path::parent) {
        places.push(folder.join("models/demo"));
        if let Some(prefix) = folder.parent() {
            places.push(prefix.join("Resources/models/demo"));
            places.push(prefix.join("share/visavis/models/demo"));
            places.push(prefix.join("lib/visavis/models/demo"));
        }
        places.extend(checkout_around(folder));
    }
    places.extend(current.as_deref().and_then(checkout_around));
    places
}

/// Only a checkout of this program counts: any other folder's `models/demo` is somebody else's.
fn checkout_around(folder: &Path) -> Option<PathBuf> {
    debug_assert!(folder.components().all(|part| part != Component::CurDir));
    let root = folder
        .ancestors()
        .find(|folder| folder.join("crates/llava/Cargo.toml").is_file())?;
    Some(root.join("models/demo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(folder: &Path) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("config.json"), "{}").unwrap();
        folder.to_owned()
    }

    fn places(data: &Path) -> Places {
        Places {
            in_use: None,
            installed: Some(data.join("models")),
            demo: vec![data.join("demo")],
        }
    }

    #[test]
    fn a_path_is_a_folder_or_a_file_in_it() {
        let data = tempfile::tempdir().unwrap();
        let folder = checkpoint(&data.path().join("llava"));
        std::fs::write(folder.join("model.gguf"), "").unwrap();
        std::fs::write(folder.join("photo.jpg"), "").unwrap();
        let places = places(data.path());
        let find = |path: PathBuf| places.find(Some(path.as_os_str())).map(|found| found.path);
        assert_eq!(find(folder.clone()).unwrap(), folder);
        assert_eq!(find(folder.join("config.json")).unwrap(), folder);
        assert_eq!(
            find(folder.join("model.gguf")).unwrap(),
            folder.join("model.gguf")
        );
        assert!(
            find(folder.join("photo.jpg"))
                .unwrap_err()
                .message()
                .contains("photo.jpg")
        );
    }

    #[test]
    fn installed_models_go_by_name_and_in_order() {
        let data = tempfile::tempdir().unwrap();
        let models = data.path().join("models");
        checkpoint(&models.join("b"));
        let owned = checkpoint(&models.join("a-owner/llava"));
        std::fs::create_dir_all(models.join("empty")).unwrap();
        let mut places = places(data.path());
        assert_eq!(
            places.find(None).unwrap(),
            Located {
                path: owned,
                name: "a-owner/llava".to_owned()
            }
        );
        assert_eq!(places.find(Some("b".as_ref())).unwrap().name, "b");
        places.in_use = Some("b".into());
        assert_eq!(places.find(None).unwrap().name, "b");
        let missing = places.find(Some("../models/c".as_ref())).unwrap_err();
        assert!(missing.message().contains("../models/c"), "{missing:?}");
    }

    #[test]
    fn the_demo_is_the_last_resort() {
        let data = tempfile::tempdir().unwrap();
        let places = places(data.path());
        assert!(
            places
                .find(None)
                .unwrap_err()
                .message()
                .contains("no model is installed")
        );
        checkpoint(&data.path().join("demo"));
        assert_eq!(places.find(None).unwrap().name, "demo");
        checkpoint(&data.path().join("models/real"));
        assert_eq!(places.find(None).unwrap().name, "real");
    }

    #[test]
    fn only_a_checkout_of_this_program_lends_its_demo() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("target/release");
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::create_dir_all(folder.path().join("models/demo")).unwrap();
        assert_eq!(checkout_around(&inside), None);
        std::fs::create_dir_all(folder.path().join("crates/llava")).unwrap();
        std::fs::write(folder.path().join("crates/llava/Cargo.toml"), "").unwrap();
        assert_eq!(
            checkout_around(&inside),
            Some(folder.path().join("models/demo"))
        );
    }
}
