//! `cargo xtask bench -- model PATH`: `visavis bench` on a GGUF model, and llama.cpp on the same
//! files right after it where `LLAMA_CPP_DIR` names a build of it. Figures of two programs can be
//! compared only where one machine made them one after the other.

use crate::cargo::{cargo, exit_code, root};
use crate::llama_cpp::{self, LlamaCpp};
use crate::say;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measures the model whose folder is the first of `args`; the others go to `visavis bench`.
pub(crate) fn bench(args: &[String]) -> ExitCode {
    let Some((model, rest)) = args.split_first() else {
        say::problem("Name the model's folder: cargo xtask bench -- model PATH");
        return ExitCode::from(crate::WRONG_USAGE);
    };
    let figures = std::env::temp_dir().join(format!("visavis-bench-{}.json", std::process::id()));
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
        .arg(root().join("Cargo.toml"));
    if let Ok(here) = std::env::current_dir() {
        command.current_dir(here);
    }
    command.args(["--", "bench", "--model", model, "--json"]);
    command.arg(&figures).args(rest);
    let status = match command.status() {
        Ok(status) if status.success() => None,
        Ok(status) => Some(exit_code(status)),
        Err(error) => {
            say::problem(&format!("cargo cannot be started: {error}"));
            Some(ExitCode::FAILURE)
        }
    };
    let ours = std::fs::read_to_string(&figures).unwrap_or_default();
    // A file in the system's temporary folder, which somebody clears if this does not.
    let _ = std::fs::remove_file(&figures);
    if let Some(failed) = status {
        return failed;
    }
    let Some(build) = std::env::var_os("LLAMA_CPP_DIR") else {
        say::line("Set LLAMA_CPP_DIR to a build of llama.cpp to have it measured beside this.");
        return ExitCode::SUCCESS;
    };
    match beside(Path::new(&build), Path::new(model), &ours) {
        Ok(table) => {
            say::line(&table);
            ExitCode::SUCCESS
        }
        Err(message) => {
            say::problem(&message);
            ExitCode::FAILURE
        }
    }
}

/// llama.cpp's figures beside ours.
fn beside(build: &Path, model: &Path, ours: &str) -> Result<String, String> {
    let pair = Pair::in_folder(model)?;
    let threads = number(ours, "threads").unwrap_or(1.0) as usize;
    let picture = root().join("tests/pictures/cat.jpg");
    let theirs = llama_cpp::measure(build, &pair.language, &pair.vision, &picture, threads)?;
    Ok(table(ours, &theirs))
}

/// The two files of a model.
struct Pair {
    language: PathBuf,
    vision: PathBuf,
}

impl Pair {
    fn in_folder(folder: &Path) -> Result<Self, String> {
        let entries =
            std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "gguf"))
            .collect();
        files.sort();
        let is_vision = |path: &PathBuf| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().contains("mmproj"))
        };
        let (vision, language): (Vec<_>, Vec<_>) = files.into_iter().partition(is_vision);
        match (
            <[PathBuf; 1]>::try_from(language),
            <[PathBuf; 1]>::try_from(vision),
        ) {
            (Ok([language]), Ok([vision])) => Ok(Self { language, vision }),
            _ => Err(format!(
                "{}: to compare with llama.cpp this must be a folder with one language model and one \
                 mmproj file in GGUF",
                folder.display()
            )),
        }
    }
}

/// Rows of name, ours, theirs.
fn table(ours: &str, theirs: &LlamaCpp) -> String {
    let mut text = format!("\n{:<24}{:>12}{:>12}\n", "", "Visavis", "llama.cpp");
    let mut row = |name: &str, ours: Option<f64>, theirs: Option<f64>, unit: &str| {
        let show = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
        text.push_str(&format!(
            "{name:<24}{:>12}{:>12} {unit}\n",
            show(ours),
            show(theirs)
        ));
    };
    row("Load", number(ours, "load_s"), theirs.load_s, "s");
    row("Picture", number(ours, "picture_s"), theirs.picture_s, "s");
    for part in list(ours, "prefill") {
        let tokens = number(part, "tokens").unwrap_or_default();
        row(
            &format!("Prefill {tokens}"),
            number(part, "tokens_per_s"),
            theirs.prefill(tokens as usize),
            "tokens/s",
        );
    }
    let decode = object(ours, "decode").and_then(|part| number(part, "tokens_per_s"));
    row("Decode", decode, theirs.decode, "tokens/s");
    let peak = number(ours, "peak_rss_bytes").map(|bytes| bytes / 1e9);
    row(
        "Peak memory",
        peak,
        theirs.peak_rss_bytes.map(|b| b / 1e9),
        "GB",
    );
    text
}

/// The number of a field in JSON that our own program wrote: flat, and without such names in
/// its texts.
fn number(json: &str, name: &str) -> Option<f64> {
    let value = after(json, name)?;
    let end = value.find([',', '}', ']']).unwrap_or(value.len());
    value.get(..end)?.trim().parse().ok()
}

fn object<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let value = after(json, name)?;
    value.get(..=value.find('}')?)
}

fn list<'a>(json: &'a str, name: &str) -> Vec<&'a str> {
    let Some(value) = after(json, name) else {
        return Vec::new();
    };
    let end = value.find(']').unwrap_or(value.len());
    let inside = value.get(..end).unwrap_or_default();
    inside
        .split_inclusive('}')
        .filter(|part| part.contains('{'))
        .collect()
}

fn after<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let key = format!("\"{name}\":");
    json.get(json.find(&key)? + key.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#"{"version":"0.1.0","threads":2,"load_s":0.5,"picture_s":2.25,"prefill":[{"tokens":512,"seconds":32.0,"tokens_per_s":16.0},{"tokens":128,"seconds":8.0,"tokens_per_s":15.5}],"decode":{"tokens":32,"seconds":8.0,"tokens_per_s":4.0},"first_word":null,"peak_rss_bytes":5100000000}"#;

    #[test]
    fn both_programs_stand_in_one_table() {
        let theirs = LlamaCpp {
            load_s: Some(20.0),
            picture_s: Some(3.5),
            speeds: vec![(512, 0, 9.0), (128, 0, 10.0), (0, 32, 4.5)],
            decode: Some(4.5),
            peak_rss_bytes: None,
        };
        let table = table(OURS, &theirs);
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        for row in [
            &["Load", "0.50", "20.00", "s"][..],
            &["Picture", "2.25", "3.50", "s"],
            &["Prefill", "512", "16.00", "9.00", "tokens/s"],
            &["Prefill", "128", "15.50", "10.00", "tokens/s"],
            &["Decode", "4.00", "4.50", "tokens/s"],
            &["Peak", "memory", "5.10", "-", "GB"],
        ] {
            assert!(rows.contains(&row.to_vec()), "{row:?} is not in\n{table}");
        }
    }

    #[test]
    fn fields_are_found() {
        assert_eq!(number(OURS, "threads"), Some(2.0));
        assert_eq!(number(OURS, "nothing"), None);
        assert_eq!(list(OURS, "prefill").len(), 2);
        assert_eq!(
            object(OURS, "first_word").and_then(|part| number(part, "tokens")),
            None
        );
    }
}
