//! `visavis data`: what a model is trained on.

mod scenes;

pub(crate) use scenes::ScenesJob;

use crate::args::Common;
use crate::failure::{Failure, Outcome};

/// One of the commands, checked.
#[derive(Debug)]
pub(crate) enum DataJob {
    /// Draw scenes.
    Scenes(ScenesJob),
}

/// Runs the command.
pub(crate) fn run(job: DataJob, common: Common) -> Result<Outcome, Failure> {
    match job {
        DataJob::Scenes(job) => scenes::run(&job, common),
    }
}
