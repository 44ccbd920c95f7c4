//! The window's page: its libraries, its checks, and the build that the window contains.

use crate::cargo::root;
use crate::say;
use crate::steps::Step;
use std::process::Command;

/// The oldest Node.js that the page's tools run on.
const OLDEST: (u32, u32) = (20, 19);

/// An npm command in the page's folder.
fn npm(args: &[&str]) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.args(args).current_dir(root().join("ui"));
    command
}

/// Whether Node.js is there and recent enough, and npm with it.
pub(crate) fn node_is_recent() -> bool {
    let version = |mut command: Command| {
        let output = command
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    };
    let mut node = Command::new("node");
    node.arg("--version");
    version(node).is_some_and(|text| is_recent(&text)) && version(npm(&["--version"])).is_some()
}

/// Whether `v20.19.0` is.
fn is_recent(version: &str) -> bool {
    let mut parts = version.trim().trim_start_matches('v').split('.');
    let mut number = || parts.next()?.parse::<u32>().ok();
    match (number(), number()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST,
        _ => false,
    }
}

/// Fetches the page's libraries, exactly those of the lock file.
pub(crate) fn libraries() -> Step {
    Step {
        name: "libraries of the page",
        command: npm(&["ci", "--no-audit", "--no-fund"]),
    }
}

/// Builds the page; everything that contains the window needs it.
pub(crate) fn build() -> Step {
    Step {
        name: "build of the page",
        command: npm(&["run", "build"]),
    }
}

/// The page's own checks and tests.
pub(crate) fn checks() -> Vec<Step> {
    let step = |name, script| Step {
        name,
        command: npm(&["run", script]),
    };
    vec![
        step("types of the page", "check"),
        step("lints of the page", "lint"),
        step("tests of the page", "test"),
    ]
}

/// Makes the page for `cargo xtask run`: fetches libraries when the lock file asks for others
/// than are there. The error is a sentence for the person.
pub(crate) fn provide() -> Result<(), String> {
    let ui = root().join("ui");
    let written = |path: &str| {
        let found = std::fs::metadata(ui.join(path)).ok()?;
        found.modified().ok()
    };
    // npm writes this file at the end of an installation.
    let installed = written("node_modules/.package-lock.json");
    if installed.is_none() || installed < written("package-lock.json") {
        run(libraries())?;
    }
    run(build())
}

fn run(mut step: Step) -> Result<(), String> {
    say::heading(step.name);
    match step.command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the {} failed: {status}", step.name)),
        Err(error) => Err(format!("npm cannot be started: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for version in ["v20.19.0", "v20.20.1\n", "v22.1.0", "v100.0.0"] {
            assert!(is_recent(version), "{version}");
        }
        for version in ["v20.9.0", "v18.20.4", "v9.99.0", "", "nonsense"] {
            assert!(!is_recent(version), "{version}");
        }
    }
}
