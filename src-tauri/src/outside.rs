//! What leaves the window: folders for the file manager, links for the browser.

use std::path::Path;
use visavis_app::{AppError, Code};

/// Addresses longer than this are no links that a person would follow.
const LONGEST: usize = 2048;

/// Opens a folder in the system's file manager.
pub(crate) fn open_folder(folder: &Path) -> Result<(), AppError> {
    open(folder.as_os_str(), "The folder could not be opened.")
}

/// Opens a link in the browser; `https:` only. The page has asked the person before.
pub(crate) fn open_link(url: &str) -> Result<(), AppError> {
    if !is_https(url) {
        return Err(AppError::new(Code::BadLink, "Only https links are opened.")
            .hint("Copy it if you trust it."));
    }
    open(url.as_ref(), "The link could not be opened.")
}

/// Whether an address is a plain https one: no other scheme, no name and password, no blanks.
fn is_https(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    url.len() <= LONGEST
        && !host.is_empty()
        && !host.contains('@')
        && !url
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
}

fn open(what: &std::ffi::OsStr, failed: &str) -> Result<(), AppError> {
    #[cfg(feature = "e2e")]
    if let Some(file) = std::env::var_os("VISAVIS_E2E_OPENED") {
        let line = format!("{}\n", what.to_string_lossy());
        let noted = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()));
        return noted.map_err(|e| AppError::new(Code::Internal, failed).details(e.to_string()));
    }
    open::that_detached(what)
        .map_err(|e| AppError::new(Code::Internal, failed).details(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_https_is_opened() {
        assert!(is_https("https://example.org/a?b#c"));
        for bad in [
            "http://example.org",
            "file:///etc/passwd",
            "smb://server/share",
            "javascript:alert(1)",
            "https://",
            "https:///path",
            "https://user:password@example.org",
            "https://example.org/ --flag",
            "https://example.org/\nx",
            "HTTPS://example.org\\x",
            "",
        ] {
            assert!(!is_https(bad), "{bad}");
        }
    }
}
