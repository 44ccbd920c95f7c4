//! `visavis eval`: how good a model's answers are.

mod scenes;
mod table;

pub(crate) use scenes::ScenesJob;

use crate::args::Common;
use crate::failure::{Failure, Outcome};

/// One of the commands, checked.
#[derive(Debug)]
pub(crate) enum EvalJob {
    /// Questions about drawn scenes.
    Scenes(ScenesJob),
}

/// Runs the command.
pub(crate) fn run(job: EvalJob, common: Common) -> Result<Outcome, Failure> {
    match job {
        EvalJob::Scenes(job) => scenes::run(&job, common),
    }
}
