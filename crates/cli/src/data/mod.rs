//! `visavis data`: what a model is trained on.

mod check;
mod mix;
mod scenes;

pub(crate) use check::CheckJob;
pub(crate) use mix::MixJob;
pub(crate) use scenes::ScenesJob;

use crate::args::Common;
use crate::failure::{Failure, Outcome};

/// One of the commands, checked.
#[derive(Debug)]
pub(crate) enum DataJob {
    /// Draw scenes.
    Scenes(ScenesJob),
    /// Mix the paper's data.
    Mix(MixJob),
    /// Look for faults.
    Check(CheckJob),
}

/// Runs the command.
pub(crate) fn run(job: DataJob, common: Common) -> Result<Outcome, Failure> {
    match job {
        DataJob::Scenes(job) => scenes::run(&job, common),
        DataJob::Mix(job) => mix::run(&job, common),
        DataJob::Check(job) => check::run(&job, common),
    }
}
