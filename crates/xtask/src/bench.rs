//! `cargo xtask bench`: the measurements, one after the other.

use crate::cargo::{cargo, exit_code, root};
use crate::{bench_model, say, ui};
use std::process::{Child, Command, ExitCode, Stdio};

/// Builds and runs the measurements. With `model PATH`, that of the model there alone; with other
/// `args`, those of the kernels beside candle's alone, which take them. The first that fails ends
/// it, and its exit status is ours.
pub(crate) fn bench(args: &[String]) -> ExitCode {
    if let Some((word, rest)) = args.split_first()
        && word == "model"
    {
        return bench_model::bench(rest);
    }
    let mut kernels = cargo([
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
    kernels.args(args);
    if !args.is_empty() {
        return measured(kernels);
    }
    let mut done = measured(kernels);
    if done == ExitCode::SUCCESS {
        say::heading("a library of 10,000 chats, and the window on it");
        done = library();
    }
    done
}

/// The library, with the window where one can be built and shown.
fn library() -> ExitCode {
    let mut library = example("visavis-app", "library");
    let built = ui::provide().is_ok()
        && cargo(["build", "--release", "--package", "visavis-desktop"])
            .status()
            .is_ok_and(|status| status.success());
    let display = Display::start();
    match (built, &display) {
        (true, Some(display)) => {
            library
                .arg("--window")
                .arg(target().join("release/visavis-desktop"))
                .env("DISPLAY", &display.name);
        }
        _ => say::line("The window is left out: it cannot be built or shown here."),
    }
    measured(library)
}

fn target() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}

fn example(package: &str, name: &str) -> Command {
    cargo([
        "run",
        "--release",
        "--package",
        package,
        "--example",
        name,
        "--",
    ])
}

fn measured(mut command: Command) -> ExitCode {
    match command.status() {
        Ok(status) => exit_code(status),
        Err(error) => {
            say::problem(&format!("cargo cannot be started: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A display without a screen; the same for every measurement.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    fn start() -> Option<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1600x1000x24"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut number = String::new();
        let out = server.stdout.take()?;
        let read = std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut number);
        let name = format!(":{}", number.trim());
        read.is_ok_and(|length| length > 1)
            .then_some(Self { server, name })
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
