//! `cargo xtask bench`: the measurements of the linear layer beside candle's.

use crate::cargo::{cargo, exit_code};
use crate::say;
use std::process::ExitCode;

/// Builds the kernel measurements and runs them with `args`; their exit status is ours.
pub(crate) fn bench(args: &[String]) -> ExitCode {
    let mut command = cargo([
        "run",
        "--release",
        "--package",
        "visavis-kernels",
        "--features",
        "compare",
        "--example",
        "matmul",
        "--",
    ]);
    command.args(args);
    match command.status() {
        Ok(status) => exit_code(status),
        Err(error) => {
            say::problem(&format!("cargo cannot be started: {error}"));
            ExitCode::FAILURE
        }
    }
}
