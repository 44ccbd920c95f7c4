//! Options of `visavis eval`.

use super::ModelArgs;
use crate::eval::{EvalJob, ScenesJob};
use crate::failure::Failure;
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use visavis_llava::device::DeviceChoice;

/// As typed.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    command: EvalCommand,
}

#[derive(Debug, Subcommand)]
enum EvalCommand {
    /// Ask about drawn scenes that training never sees
    Scenes(ScenesArgs),
}

#[derive(Debug, Args)]
struct ScenesArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Ask another model, or another format of the same weights, the same questions; may be given
    /// several times
    #[arg(long, value_name = "PATH|ID")]
    compare: Vec<OsString>,
    /// Questions of each kind in each language
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    count: u64,
    /// Another seed draws other scenes
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Do not measure the held-out loss
    #[arg(long)]
    no_loss: bool,
    /// Where to run: auto, cpu, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Tokens of an answer at most
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    max_tokens: usize,
    /// Write each question with its answer and score, one JSON object a line
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Write the model card of the practice model
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// For --card: how the model was made and what short runs showed, as JSON (docs/evaluation.md)
    #[arg(long, value_name = "FILE", requires = "card")]
    about: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl EvalArgs {
    /// Checks what no single option can check alone.
    pub(crate) fn into_job(self) -> Result<EvalJob, Failure> {
        let EvalCommand::Scenes(scenes) = self.command;
        Ok(EvalJob::Scenes(ScenesJob {
            model: scenes.model.model,
            compare: scenes.compare,
            count: scenes.count,
            seed: scenes.seed,
            loss: !scenes.no_loss,
            device: scenes.device,
            max_tokens: scenes.max_tokens,
            answers: scenes.answers,
            card: scenes.card,
            about: scenes.about,
            json: scenes.json,
        }))
    }
}
