//! `visavis data scenes`: drawn pictures and conversations about them, as files.

use crate::args::Common;
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output;
use crate::progress::Progress;
use crate::text::shown;
use serde::Serialize;
use std::ops::Range;
use std::path::PathBuf;
use visavis_train::scenes::{self, Generator};

/// Checked options.
#[derive(Debug)]
pub(crate) struct ScenesJob {
    pub(crate) generator: Generator,
    pub(crate) folder: PathBuf,
    pub(crate) samples: Range<u64>,
    pub(crate) captions: bool,
    pub(crate) json: bool,
}

#[derive(Serialize)]
struct Report {
    data: PathBuf,
    images: PathBuf,
    conversations: u64,
    turns: u64,
}

/// Runs the command.
pub(crate) fn run(job: &ScenesJob, common: Common) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let progress = Progress::new(common.quiet);
    let total = job.samples.end - job.samples.start;
    let step = |done: u64| {
        progress.pictures(done, total);
        !interrupt.pressed()
    };
    let written = scenes::write_folder(
        &job.generator,
        &job.folder,
        job.samples.clone(),
        job.captions,
        &step,
    );
    progress.clear();
    let written = written.map_err(|error| match error.kind() {
        std::io::ErrorKind::Interrupted => Failure::interrupted(),
        std::io::ErrorKind::StorageFull => {
            Failure::new(error.to_string()).hint("free some space, or give another --out")
        }
        _ => Failure::new(error.to_string()),
    })?;
    if job.json {
        return output::print_json(&Report {
            data: written.data,
            images: written.images,
            conversations: written.conversations,
            turns: written.turns,
        });
    }
    let line = format!(
        "{}: {} pictures, {} questions\n",
        shown(&written.data),
        written.conversations,
        written.turns
    );
    output::print_bytes(line.as_bytes())
}
