//! `visavis train`: both stages of the paper, adapters, and the practice model.

mod report;

use crate::args::Common;
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output;
use crate::text::shown;
use report::Report;
use serde::Serialize;
use std::path::{Path, PathBuf};
use visavis_train::demo::Recipe;
use visavis_train::run::{self, Outcome as Trained};
use visavis_train::settings::Settings;
use visavis_train::{Error, adapter, demo};

/// One of the commands, checked.
#[derive(Debug)]
pub(crate) enum TrainJob {
    /// One run.
    Run { settings: Box<Settings>, json: bool },
    /// Every step of the practice model's recipe.
    Demo {
        recipe: PathBuf,
        out: Option<PathBuf>,
        json: bool,
    },
    /// An adapter into its base model.
    Merge {
        model: PathBuf,
        adapter: PathBuf,
        out: PathBuf,
    },
}

#[derive(Serialize)]
struct Line<'a> {
    model: &'a Path,
    loss: f64,
    steps: u64,
    conversations: u64,
    seconds: f64,
}

/// Runs the command.
pub(crate) fn run(job: TrainJob, common: Common) -> Result<Outcome, Failure> {
    match job {
        TrainJob::Run { settings, json } => {
            let mut report = Report::new(Interrupt::install()?, common.quiet);
            let trained = run::train(&settings, &mut report);
            report.clear();
            print(&trained.map_err(|e| failed(&e))?, json)
        }
        TrainJob::Demo { recipe, out, json } => {
            let mut recipe = Recipe::read(&recipe).map_err(|e| failed(&e))?;
            recipe.out = out.unwrap_or(recipe.out);
            let mut report = Report::new(Interrupt::install()?, common.quiet);
            let trained = demo::train(&recipe, &mut report);
            report.clear();
            let mut last = trained.map_err(|e| failed(&e))?.pop();
            if let Some((_, last)) = &mut last {
                last.model = recipe.model_folder();
                return print(last, json);
            }
            Ok(Outcome::Done)
        }
        TrainJob::Merge {
            model,
            adapter,
            out,
        } => {
            adapter::merge(&model, &adapter, &out).map_err(|e| failed(&e))?;
            output::print_bytes(format!("{}\n", shown(&out)).as_bytes())
        }
    }
}

fn print(trained: &Trained, json: bool) -> Result<Outcome, Failure> {
    if json {
        return output::print_json(&Line {
            model: &trained.model,
            loss: trained.loss,
            steps: trained.steps,
            conversations: trained.conversations,
            seconds: trained.seconds,
        });
    }
    let line = format!(
        "{}: {} steps, {} conversations, loss {:.4}\n",
        shown(&trained.model),
        trained.steps,
        trained.conversations,
        trained.loss
    );
    output::print_bytes(line.as_bytes())
}

fn failed(error: &Error) -> Failure {
    match error {
        Error::Stopped { step } => {
            // What was learned is safe, and there is nothing to print.
            let _ = step;
            Failure::interrupted().hint("the same command goes on from where it was")
        }
        other => Failure::new(other.to_string()),
    }
}
