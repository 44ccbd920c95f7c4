//! Where things are when nobody says so: the data folder, the practice model.

use std::path::{Path, PathBuf};

/// Where models, pictures and conversations are kept; `VISAVIS_DATA_DIR` overrides.
pub fn data_folder() -> Option<PathBuf> {
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

/// The practice model: beside the program, where packages put it, or in a checkout around it.
pub fn demo_model() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.canonicalize().ok()?;
    let folder = program.parent()?;
    let mut places = vec![folder.join("models/demo")];
    if let Some(prefix) = folder.parent() {
        places.push(prefix.join("Resources/models/demo"));
        places.push(prefix.join("share/visavis/models/demo"));
        places.push(prefix.join("lib/visavis/models/demo"));
    }
    // Only a checkout of this program counts: any other folder's `models/demo` is somebody else's.
    let checkout = folder
        .ancestors()
        .find(|folder| folder.join("crates/llava/Cargo.toml").is_file());
    places.extend(checkout.map(|root| root.join("models/demo")));
    places.into_iter().find(|place| is_model(place))
}

/// Whether a folder looks like a checkpoint.
pub(crate) fn is_model(folder: &Path) -> bool {
    folder.join("config.json").is_file()
}

/// The models in `models/` of the data folder: `name`, or `owner/name` one level deeper.
pub(crate) fn installed(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in visible(&data.join("models")) {
        if is_model(&path) || is_gguf(&path) {
            found.push(path);
        } else {
            let inside = visible(&path).into_iter();
            found.extend(inside.filter(|path| is_model(path)));
        }
    }
    found.sort();
    found
}

/// A GGUF file, or a folder with GGUF files in it; a file of a vision tower alone is none.
fn is_gguf(path: &Path) -> bool {
    let named = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_lowercase();
        name.ends_with(".gguf") && !name.contains("mmproj")
    };
    named(path) || visible(path).iter().any(|file| named(file))
}

fn visible(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let hidden = |path: &Path| {
        path.file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'))
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !hidden(path))
        .collect()
}
