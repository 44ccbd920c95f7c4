//! `visavis`: the model from the command line.
//!
//! This file parses, dispatches and turns an outcome into an exit status; each command has its
//! own module. The contract: standard output carries only the result, every message goes to
//! standard error, and the exit status is 0 (done), 1 (failed), 2 (wrong usage) or 130
//! (interrupted).

mod args;
mod ask;
mod bench;
mod caption;
mod convert;
mod data;
mod devices;
mod eval;
mod failure;
mod generation;
mod host;
mod inspect;
mod interrupt;
mod locate;
mod logging;
mod memory;
mod output;
mod pictures;
mod progress;
mod sidecar;
mod style;
mod text;
mod train;
mod walk;

use args::{Cli, Command};
use clap::Parser;
use failure::{Failure, Outcome};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.common.verbose);
    let ended = std::panic::catch_unwind(|| run(cli)).unwrap_or_else(|_| {
        Err(Failure::new("the program met an internal error")
            .hint("run the command again with -v to see where, and report it"))
    });
    match ended {
        Ok(outcome) => ExitCode::from(outcome.status()),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.status())
        }
    }
}

fn run(cli: Cli) -> Result<Outcome, Failure> {
    let common = cli.common;
    match cli.command {
        Command::Ask(args) => ask::run(args.into_job()?, common),
        Command::Caption(args) => caption::run(args.into_job()?, common),
        Command::Data(args) => data::run(args.into_job()?, common),
        Command::Eval(args) => eval::run(args.into_job()?, common),
        Command::Train(args) => train::run(args.into_job()?, common),
        Command::Inspect(args) => inspect::run(&args),
        Command::Convert(args) => convert::run(args.into_job(), common),
        Command::Synth(args) => convert::run_synth(args.into_job(), common),
        Command::Bench(args) => bench::run(args.into_job(), common),
        Command::Devices(args) => devices::run(&args),
        Command::Completions { shell } => output::print_bytes(&args::completions(shell)),
        Command::Man { command } => output::print_bytes(&args::manual(command.as_deref())?),
    }
}
