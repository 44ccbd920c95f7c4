//! `cargo xtask bench`: the measurements of the linear layer beside candle's, or of a whole model.

use crate::bench_model;
use crate::cargo::{cargo, exit_code};
use crate::say;
use std::process::ExitCode;

/// With `model PATH`, measures the model there; else builds the kernel measurements and runs them
/// with `args`. Their exit status is ours.
pub(crate) fn bench(args: &[String]) -> ExitCode {
    if let Some((word, rest)) = args.split_first()
        && word == "model"
    {
        return bench_model::bench(rest);
    }
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
