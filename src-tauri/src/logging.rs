//! The log: what the program did, and nothing that a person said or named.

use std::fs::{self, File};
use std::path::Path;
use tracing_subscriber::EnvFilter;

/// Writes into `logs/visavis.log` of the data folder; the log of the last run is kept beside it.
/// A folder that cannot be written gets no log; the window says why.
pub(crate) fn begin(folder: &Path) {
    let logs = folder.join("logs");
    let path = logs.join("visavis.log");
    let open = || {
        fs::create_dir_all(&logs)?;
        if path.exists() {
            fs::rename(&path, logs.join("visavis.old.log"))?;
        }
        File::create(&path)
    };
    let Ok(file) = open() else { return };
    let filter = EnvFilter::try_from_env("VISAVIS_LOG").unwrap_or_else(|_| "info".into());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file))
        .finish();
    // Only the first one counts, and there is only one.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
