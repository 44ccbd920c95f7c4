//! Dependencies point one way: `kernels <- llava <- engine <- app <- {src-tauri, cli}`,
//! `store, catalog <- app`, `llava <- train <- cli`, `engine <- eval <- {app, train, cli}`,
//! `ipc <- src-tauri`. Tauri stays in the window's shell, and SQL in the store.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::{assert_none, root};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder and the folders it builds on directly. What those build on is allowed as well.
const BUILDS_ON: &[(&str, &[&str])] = &[
    ("kernels", &[]),
    ("llava", &["kernels"]),
    ("engine", &["llava"]),
    ("store", &[]),
    ("catalog", &[]),
    ("ipc", &[]),
    ("eval", &["engine"]),
    ("train", &["llava", "eval"]),
    ("app", &["engine", "store", "catalog", "eval"]),
    ("cli", &["app", "train"]),
    ("src-tauri", &["app", "ipc"]),
    ("testkit", &["app"]),
    ("tests", &["cli", "ipc"]),
    ("xtask", &[]),
];

/// Third-party crates, by name or by the beginning of their name, with the one folder that may
/// use them.
const AT_HOME: &[(&str, &str)] = &[
    ("tauri", "src-tauri"),
    ("tauri-", "src-tauri"),
    ("sqlx", "store"),
    ("sqlx-", "store"),
    ("libsqlite3-sys", "store"),
];

/// The part of `cargo metadata` that is read here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// Absent for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
    /// Its folder, for a crate of this repository.
    path: Option<PathBuf>,
}

impl Dependency {
    fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

fn metadata() -> Metadata {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The folder's name, which is what the rules speak of.
fn folder(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

/// Everything `name` may use, itself excluded; nothing for a folder without a rule.
fn allowed(name: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut open = vec![name];
    while let Some(next) = open.pop() {
        let direct = BUILDS_ON
            .iter()
            .find(|(folder, _)| *folder == next)
            .map(|(_, on)| *on);
        for on in direct.unwrap_or_default() {
            if found.insert(*on) {
                open.push(on);
            }
        }
    }
    found
}

/// Every dependency against the rules, as a sentence.
fn faults(metadata: &Metadata) -> Vec<String> {
    metadata.packages.iter().flat_map(package_faults).collect()
}

fn package_faults(package: &Package) -> Vec<String> {
    let user = folder(package.manifest_path.parent().unwrap());
    if !BUILDS_ON.iter().any(|(folder, _)| *folder == user) {
        return vec![format!(
            "{user} is new here: give it a line in BUILDS_ON (tests/house/dependencies.rs) and in \
             ARCHITECTURE.md"
        )];
    }
    let mut faults = Vec::new();
    if user != "src-tauri" && package.name != format!("visavis-{user}") {
        faults.push(format!(
            "the package in {user} is called {}, not visavis-{user}",
            package.name
        ));
    }
    faults.extend(
        package
            .dependencies
            .iter()
            .filter_map(|used| dependency_fault(user, used)),
    );
    faults
}

fn dependency_fault(user: &str, used: &Dependency) -> Option<String> {
    let name = &used.name;
    if let Some(path) = &used.path {
        let used_folder = folder(path);
        if used_folder == "testkit" {
            return (!used.is_dev()).then(|| {
                format!("{user} uses testkit outside its tests; make it a dev-dependency")
            });
        }
        return (!allowed(user).contains(used_folder)).then(|| {
            format!("{user} must not use {used_folder}: dependencies point the other way")
        });
    }
    let at_home = |(start, _): &&(&str, &str)| {
        name == start || (start.ends_with('-') && name.starts_with(start))
    };
    let (_, home) = AT_HOME.iter().find(at_home)?;
    (user != *home).then(|| format!("{user} uses {name}, which only {home} may"))
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    let names: Vec<_> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    assert!(names.contains(&"visavis-llava"), "{names:?}");
    assert_none(faults(&metadata));
}

#[test]
fn the_rules_have_no_circle() {
    for (name, _) in BUILDS_ON {
        assert!(!allowed(name).contains(name), "{name} builds on itself");
    }
}

/// A package of `crates/` with one dependency.
fn using(user: &str, dependency: serde_json::Value) -> Metadata {
    serde_json::from_value(serde_json::json!({ "packages": [{
        "name": format!("visavis-{user}"),
        "manifest_path": format!("/checkout/crates/{user}/Cargo.toml"),
        "dependencies": [dependency],
    }]}))
    .unwrap()
}

fn ours(name: &str, kind: Option<&str>) -> serde_json::Value {
    let path = format!("/checkout/crates/{name}");
    serde_json::json!({ "name": format!("visavis-{name}"), "kind": kind, "path": path })
}

fn theirs(name: &str) -> serde_json::Value {
    serde_json::json!({ "name": name, "kind": "build", "path": null })
}

#[test]
fn what_the_picture_shows_is_allowed() {
    for (user, used) in [
        ("llava", "kernels"),
        ("cli", "llava"),
        ("train", "eval"),
        ("app", "store"),
    ] {
        assert_none(faults(&using(user, ours(used, None))));
    }
    assert_none(faults(&using("llava", ours("testkit", Some("dev")))));
    assert_none(faults(&using("store", theirs("sqlx"))));
    assert_none(faults(&using("llava", theirs("candle-core"))));
}

#[test]
fn what_runs_against_it_is_found() {
    for (user, used) in [
        ("kernels", "llava"),
        ("llava", "engine"),
        ("engine", "store"),
        ("store", "catalog"),
        ("ipc", "app"),
        ("train", "cli"),
        ("xtask", "llava"),
        ("cli", "testkit"),
    ] {
        assert_eq!(
            faults(&using(user, ours(used, None))).len(),
            1,
            "{user} uses {used}"
        );
    }
    // A test is no excuse for looking up.
    assert_eq!(
        faults(&using("llava", ours("engine", Some("dev")))).len(),
        1
    );
    for (user, used) in [
        ("app", "tauri"),
        ("ipc", "tauri-build"),
        ("app", "sqlx"),
        ("cli", "libsqlite3-sys"),
    ] {
        assert_eq!(
            faults(&using(user, theirs(used))).len(),
            1,
            "{user} uses {used}"
        );
    }
    assert_eq!(faults(&using("utils", ours("llava", None))).len(), 1);
}
