//! `visavis data mix`: the paper's stage 2 data, from the public files.

use crate::args::Common;
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output;
use crate::progress::Progress;
use crate::text::printable;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use visavis_train::Error;
use visavis_train::data::mix::{self, Counts};

/// Checked options.
#[derive(Debug)]
pub(crate) struct MixJob {
    pub(crate) recipe: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) seed: Option<u64>,
    pub(crate) json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    data: &'a Path,
    conversations: usize,
    turns: usize,
    sources: &'a [Counts],
}

/// Runs the command.
pub(crate) fn run(job: &MixJob, common: Common) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let progress = Progress::new(common.quiet);
    let mut recipe = mix::read_recipe(&job.recipe).map_err(|e| Failure::new(e.to_string()))?;
    recipe.seed = job.seed.unwrap_or(recipe.seed);
    let folder = job.recipe.parent().unwrap_or(Path::new(""));
    let mixed = mix::mix(&recipe, folder, &job.out, &mut |kind| {
        progress.note(&format!("reading {}", kind.name()));
        !interrupt.pressed()
    });
    let sources = mixed.map_err(|error| match error {
        Error::Stopped { .. } => Failure::interrupted(),
        other => Failure::new(other.to_string()),
    })?;
    let report = Report {
        data: &job.out,
        conversations: sources.iter().map(|s| s.kept).sum(),
        turns: sources.iter().map(|s| s.turns).sum(),
        sources: &sources,
    };
    if job.json {
        return output::print_json(&report);
    }
    output::print_bytes(printable(&table(&report)).as_bytes())
}

fn table(report: &Report<'_>) -> String {
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = writeln!(
        text,
        "{:<10} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "entries", "left out", "made", "kept", "questions"
    );
    for source in report.sources {
        let _ = writeln!(
            text,
            "{:<10} {:>9} {:>9} {:>9} {:>9} {:>9}",
            source.kind, source.entries, source.left_out, source.made, source.kept, source.turns
        );
    }
    let _ = writeln!(
        text,
        "{}: {} conversations, {} questions",
        report.data.display(),
        report.conversations,
        report.turns
    );
    text
}
