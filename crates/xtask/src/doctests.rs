//! Whether the workspace has documentation tests.
//!
//! nextest does not run them, and rustdoc takes its time over every library even when there are
//! none; so they are looked for first.

use std::path::Path;

/// Whether a library under `crates` has an example in its documentation that rustdoc would run.
pub(crate) fn exist(root: &Path) -> bool {
    let Ok(crates) = std::fs::read_dir(root.join("crates")) else {
        return false;
    };
    crates
        .flatten()
        .map(|entry| entry.path().join("src"))
        .any(|source| {
            // rustdoc tests libraries only.
            source.join("lib.rs").is_file() && folder_has_one(&source)
        })
}

fn folder_has_one(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return folder_has_one(&path);
        }
        path.extension().is_some_and(|extension| extension == "rs")
            && std::fs::read_to_string(&path).is_ok_and(|text| text_has_one(&text))
    })
}

/// Whether a doc comment in `text` opens a code block that rustdoc takes for Rust.
fn text_has_one(text: &str) -> bool {
    let mut inside = false;
    for line in text.lines().map(str::trim_start) {
        let Some(doc) = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"))
        else {
            inside = false;
            continue;
        };
        let Some(info) = doc.trim().strip_prefix("```") else {
            continue;
        };
        if !inside && is_rust(info) {
            return true;
        }
        inside = !inside;
    }
    false
}

/// Whether rustdoc compiles a block with these words after its fence.
fn is_rust(info: &str) -> bool {
    info.split([',', ' '])
        .filter(|word| !word.is_empty())
        .all(|word| {
            matches!(word, "rust" | "should_panic" | "no_run" | "compile_fail")
                || word.starts_with("edition")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_blocks_count() {
        assert!(text_has_one(
            "/// Adds.\n///\n/// ```\n/// assert_eq!(1 + 1, 2);\n/// ```\n"
        ));
        assert!(text_has_one(
            "    //! ```no_run\n    //! f();\n    //! ```\n"
        ));
        assert!(text_has_one(
            "/// ```text\n/// a\n/// ```\n/// ```rust\n/// f();\n/// ```\n"
        ));
    }

    #[test]
    fn other_blocks_do_not() {
        assert!(!text_has_one(
            "/// ```text\n/// (batch, tokens)\n/// ```\nfn f() {}\n"
        ));
        assert!(!text_has_one("/// ```ignore\n/// f();\n/// ```\n"));
        assert!(!text_has_one("// ```\n// not documentation\n// ```\n"));
        assert!(!text_has_one("/// `a` and ``b``\n"));
    }
}
