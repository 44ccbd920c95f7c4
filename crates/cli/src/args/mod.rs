//! The command line as typed. Each command's options become one checked value (`into_job`), so
//! that the rest of the program never looks at flags.

mod ask;
mod bench;
mod caption;
mod convert;
mod data;
mod eval;
mod train;

pub(crate) use ask::AskArgs;
pub(crate) use bench::BenchArgs;
pub(crate) use caption::CaptionArgs;
pub(crate) use convert::{ConvertArgs, OutputArgs, SynthArgs};
pub(crate) use data::DataArgs;
pub(crate) use eval::EvalArgs;
pub(crate) use train::TrainArgs;

use crate::failure::Failure;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Ask a model about pictures, on this computer.
#[derive(Debug, Parser)]
#[command(
    name = "visavis",
    version,
    disable_help_subcommand = true,
    max_term_width = 100
)]
#[command(after_help = "Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Common {
    /// No progress and no notes on standard error, only errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say what is done on standard error; -vv says more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask a question about pictures
    Ask(AskArgs),
    /// Describe every picture in folders
    Caption(CaptionArgs),
    /// Make and check what a model is trained on
    Data(DataArgs),
    /// Measure how good a model's answers are
    Eval(EvalArgs),
    /// Train a model on pictures and conversations
    Train(Box<TrainArgs>),
    /// Tell what a checkpoint holds and whether it will run
    Inspect(InspectArgs),
    /// Write a model as GGUF files, smaller if wanted
    Convert(ConvertArgs),
    /// Write a model of true size with made-up weights, to measure with
    Synth(SynthArgs),
    /// Measure how fast a model runs here and how much memory it takes
    Bench(BenchArgs),
    /// List the devices a model can run on
    Devices(DevicesArgs),
    /// Print a shell's completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page in roff
    Man {
        /// The command; without it, the page of visavis itself
        command: Option<String>,
    },
}

/// Which model to run.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// A checkpoint's folder, or the ID of an installed model [default: the one in use]
    #[arg(short, long, value_name = "PATH|ID")]
    pub(crate) model: Option<OsString>,
}

/// Options of `visavis inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A checkpoint's folder or a file in it
    pub(crate) path: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `visavis devices`.
#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// A shell's completion script.
pub(crate) fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "visavis", &mut script);
    script
}

/// A manual page in roff.
pub(crate) fn manual(command: Option<&str>) -> Result<Vec<u8>, Failure> {
    let mut whole = Cli::command();
    whole.build();
    let described = match command {
        None => whole,
        Some(name) => whole
            .find_subcommand(name)
            .cloned()
            .map(|found| found.display_name(format!("visavis-{name}")))
            .ok_or_else(|| Failure::usage(format!("there is no command \"{name}\"")))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(described)
        .render(&mut page)
        .map_err(|error| Failure::new(format!("cannot make the page: {error}")))?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn pages_and_scripts_name_the_program() {
        for command in [None, Some("ask"), Some("caption")] {
            let page = String::from_utf8(manual(command).unwrap()).unwrap();
            assert!(page.contains(".TH visavis"), "{page}");
        }
        assert_eq!(manual(Some("nothing")).unwrap_err().status(), 2);
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::PowerShell] {
            assert!(
                String::from_utf8(completions(shell))
                    .unwrap()
                    .contains("visavis")
            );
        }
    }
}
