//! The development commands of Visavis: `cargo xtask run | test | bench | bindings`.
//!
//! They exist so that a fresh machine needs two commands and no reading, and so that continuous
//! integration runs exactly what a contributor runs. Nothing here knows the other crates: they
//! are reached as processes, and this program builds in seconds.

mod bench;
mod bench_model;
mod bindings;
mod cargo;
mod doctests;
mod llama_cpp;
mod prerequisites;
mod run;
mod say;
mod steps;
mod test;
mod ui;

use std::process::ExitCode;

const HELP: &str = "\
Development commands of Visavis

Usage: cargo xtask <COMMAND>

Commands:
  run [-- ARGS]    Build Visavis and open its window; where there is no display, show the
                   visavis program at work on the pictures in tests/pictures. With ARGS,
                   run `visavis ARGS` instead
  test             Install what is missing, then check and test everything, as
                   continuous integration does
  bench [-- ARGS]  Build and run the measurements: the CPU kernels, a library of 10,000
                   chats, the window. With ARGS, those of the kernels alone; with
                   `-- model PATH`, of the GGUF model there, and of llama.cpp on the same
                   files if LLAMA_CPP_DIR names a build of it
  bindings         Write the page's TypeScript (ui/src/ipc/bindings.ts) from crates/ipc
  help             Print this text

Set CI=true to be asked nothing.
";

/// Exit status of a command line that was not understood.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match parse(&args) {
        Ok(Task::Help) => {
            say::line(HELP.trim_end());
            ExitCode::SUCCESS
        }
        Ok(Task::Run(rest)) => run::run(rest),
        Ok(Task::Test) => test::test(),
        Ok(Task::Bench(rest)) => bench::bench(rest),
        Ok(Task::Bindings) => bindings::write(),
        Err(message) => {
            say::problem(&format!("{message}\n\n{}", HELP.trim_end()));
            ExitCode::from(WRONG_USAGE)
        }
    }
}

/// A command line that was understood.
#[derive(Debug, PartialEq)]
enum Task<'a> {
    Help,
    Run(&'a [String]),
    Test,
    Bench(&'a [String]),
    Bindings,
}

/// Reads the arguments after `cargo xtask`. The error is a sentence for the person.
fn parse(args: &[String]) -> Result<Task<'_>, String> {
    let Some((name, rest)) = args.split_first() else {
        return Err("Name a command.".to_owned());
    };
    match name.as_str() {
        "help" | "-h" | "--help" => Ok(Task::Help),
        "run" => passed_on(rest).map(Task::Run),
        "bench" => passed_on(rest).map(Task::Bench),
        "test" => match rest.first() {
            None => Ok(Task::Test),
            Some(extra) => Err(format!(
                "`test` takes no arguments, so `{extra}` means nothing here. To run one test, use \
                 `cargo test --release -p <package> {extra}`."
            )),
        },
        "bindings" => match rest.first() {
            None => Ok(Task::Bindings),
            Some(extra) => Err(format!(
                "`bindings` takes no arguments, so `{extra}` means nothing here."
            )),
        },
        other => Err(format!("There is no command `{other}`.")),
    }
}

/// What follows `--`. Anything before it is refused, lest a mistyped option be passed over.
fn passed_on(args: &[String]) -> Result<&[String], String> {
    match args.split_first() {
        None => Ok(args),
        Some((dashes, rest)) if dashes == "--" => Ok(rest),
        Some((other, _)) => Err(format!("`{other}` is not understood; put `--` before it.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn commands_are_understood() {
        assert_eq!(parse(&words("test")), Ok(Task::Test));
        assert_eq!(parse(&words("run")), Ok(Task::Run(&[])));
        assert_eq!(
            parse(&words("run -- ask hello")),
            Ok(Task::Run(&words("ask hello")))
        );
        assert_eq!(parse(&words("bench --")), Ok(Task::Bench(&[])));
        assert_eq!(parse(&words("bindings")), Ok(Task::Bindings));
        assert_eq!(parse(&words("--help")), Ok(Task::Help));
    }

    #[test]
    fn anything_else_is_refused() {
        for line in ["", "package", "run ask", "test image", "bindings x", "-x"] {
            assert!(parse(&words(line)).is_err(), "`{line}` was accepted");
        }
    }
}
