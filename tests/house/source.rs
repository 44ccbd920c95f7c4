//! What the sources may contain: `unsafe` code in kernels and memory maps only, and at the top of
//! every module the reason why it exists.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::{assert_none, root};
use std::path::{Path, PathBuf};

/// Where `unsafe` code is at home. Elsewhere it may make a memory map and nothing else.
const UNSAFE_AT_HOME: &str = "crates/kernels/";

/// Folders without sources of ours.
const NOT_OURS: [&str; 3] = ["target", "node_modules", "dist"];

/// Every Rust file of the repository with its text, by its path from the root with `/` between.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&root(), &mut files);
    let relative = |path: &Path| {
        let parts = path.strip_prefix(root()).unwrap().components();
        parts
            .map(|part| part.as_os_str().to_str().unwrap())
            .collect::<Vec<_>>()
            .join("/")
    };
    files
        .iter()
        .map(|path| (relative(path), std::fs::read_to_string(path).unwrap()))
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !NOT_OURS.contains(&name.as_str()) {
                collect(&path, files);
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

/// `source` with comments, strings and characters blanked, line breaks kept.
fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let end = skipped(rest, code.chars().next_back());
        let (part, after) = rest.split_at(if end == 0 { first.len_utf8() } else { end });
        if end == 0 {
            code.push_str(part);
        } else {
            code.extend(part.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    code
}

/// Length in bytes of the comment or literal that `text` begins with; 0 where it begins with code.
fn skipped(text: &str, before: Option<char>) -> usize {
    let to = |end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return to("*/");
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    if text.starts_with('r') && !before.is_some_and(is_word) {
        let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
        if text[1 + hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let inside = 2 + hashes;
            return text[inside..]
                .find(&close)
                .map_or(text.len(), |at| inside + at + close.len());
        }
    }
    // A character, not a lifetime: closed after one character or an escape.
    let mut letters = text.chars();
    match (letters.next(), letters.next(), letters.next()) {
        (Some('\''), Some('\\'), _) => quoted(text, '\''),
        (Some('\''), Some(letter), Some('\'')) => 2 + letter.len_utf8(),
        _ => 0,
    }
}

/// Length in bytes of a literal between two `mark`s with backslash escapes.
fn quoted(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == mark => return at + mark.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The lines on which `source` uses `unsafe` for something other than making a memory map.
fn unsafe_lines(source: &str) -> Vec<usize> {
    let code = code_only(source);
    let uses = code.match_indices("unsafe").filter(|(at, word)| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    });
    uses.filter(|(at, word)| !makes_a_map(&code[at + word.len()..]))
        .map(|(at, _)| 1 + code[..at].matches('\n').count())
        .collect()
}

/// Whether the code after `unsafe` is one block that maps a file.
fn makes_a_map(after: &str) -> bool {
    let Some(block) = after.trim_start().strip_prefix('{') else {
        return false;
    };
    let inside = block.split('}').next().unwrap_or_default();
    let statements = inside
        .split(';')
        .filter(|statement| !statement.trim().is_empty())
        .count();
    let single = statements == 1 && !inside.contains('{');
    single && (inside.contains("Mmap::map") || inside.contains("MmapOptions"))
}

/// Whether the first line that is neither blank nor a plain comment says why the module exists.
fn opens_with_a_reason(source: &str) -> bool {
    let plain =
        |line: &&str| !line.is_empty() && (!line.starts_with("//") || line.starts_with("//!"));
    source
        .lines()
        .map(str::trim)
        .find(plain)
        .is_none_or(|line| line.starts_with("//! "))
}

#[test]
fn unsafe_code_stays_in_kernels_and_memory_maps() {
    let sources = sources();
    assert!(
        sources
            .iter()
            .any(|(path, _)| path == "crates/llava/src/lib.rs")
    );
    let elsewhere = sources
        .iter()
        .filter(|(path, _)| !path.starts_with(UNSAFE_AT_HOME));
    assert_none(
        elsewhere
            .flat_map(|(path, text)| unsafe_lines(text).into_iter().map(move |line| (path, line)))
            .map(|(path, line)| format!("{path}:{line}: unsafe code belongs in {UNSAFE_AT_HOME}"))
            .collect(),
    );
}

#[test]
fn every_module_says_why_it_exists() {
    let silent = sources()
        .into_iter()
        .filter(|(_, text)| !opens_with_a_reason(text));
    assert_none(
        silent
            .map(|(path, _)| format!("{path}: begin with `//!` and why it exists"))
            .collect(),
    );
}

#[test]
fn unsafe_code_is_found() {
    for code in [
        "unsafe { *pointer }",
        "fn f() {\n    unsafe { libc::abort() }\n}",
        "unsafe fn f() {}",
        "unsafe impl Send for X {}",
        "#[unsafe(no_mangle)] fn f() {}",
        "let c = '\"'; unsafe { f() } // \"",
        "let c = '\\''; unsafe { f() }",
        "fn f<'a>(x: &'a str) { unsafe { g(x) } }",
        "unsafe { Mmap::map(&file); f() }",
        "/* a */ unsafe { f() }",
    ] {
        assert_eq!(unsafe_lines(code).len(), 1, "{code}");
    }
    assert_eq!(unsafe_lines("\n// one\n\nunsafe fn f() {}"), [4]);
}

#[test]
fn what_only_looks_like_it_is_not() {
    for code in [
        "// unsafe { f() }",
        "/// Not `unsafe` at all.",
        "/* unsafe */",
        "#![forbid(unsafe_code)]",
        "#![deny(unsafe_op_in_unsafe_fn)]",
        "let text = \"unsafe { \\\" }\";",
        "let text = r#\"a \" unsafe\"#;",
        "let map = unsafe { memmap2::Mmap::map(&file) }?;",
        "let map = unsafe { MmapOptions::new().len(4).map(&file) }?;",
    ] {
        assert_eq!(unsafe_lines(code), [0; 0], "{code}");
    }
}

#[test]
fn a_module_without_a_reason_is_found() {
    assert!(opens_with_a_reason("//! Why.\nfn f() {}"));
    assert!(opens_with_a_reason("// Licence.\n\n//! Why.\n"));
    assert!(opens_with_a_reason(""));
    assert!(!opens_with_a_reason("use std::fs;\n//! Too late."));
    assert!(!opens_with_a_reason("//!\nfn f() {}"));
}
