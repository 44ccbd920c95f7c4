//! `cargo xtask bindings`: the page's TypeScript from the types of `crates/ipc`.

use crate::cargo::{cargo, exit_code};
use crate::say;
use std::process::ExitCode;

/// Writes `ui/src/ipc/bindings.ts`. A test of `crates/ipc` fails while it is out of date.
pub(crate) fn write() -> ExitCode {
    let mut command = cargo([
        "run",
        "--quiet",
        "--release",
        "--package",
        "visavis-ipc",
        "--example",
        "bindings",
    ]);
    match command.status() {
        Ok(status) => exit_code(status),
        Err(error) => {
            say::problem(&format!("cargo cannot be started: {error}"));
            ExitCode::FAILURE
        }
    }
}
