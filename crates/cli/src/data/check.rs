//! `visavis data check`: which rows cannot be learned from, and why.

use crate::args::Common;
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::locate::Places;
use crate::output;
use crate::progress::Progress;
use crate::text::printable;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;
use visavis_llava::checkpoint::Checkpoint;
use visavis_train::data::check::{Checks, Findings, Length, check};

/// The paper's longest conversation, in tokens.
const LONGEST: usize = 2048;

/// Checked options.
#[derive(Debug)]
pub(crate) struct CheckJob {
    pub(crate) data: PathBuf,
    pub(crate) images: Option<PathBuf>,
    pub(crate) quick: bool,
    pub(crate) model: Option<OsString>,
    pub(crate) json: bool,
}

/// Runs the command; exit status 1 when there is a fault.
pub(crate) fn run(job: &CheckJob, common: Common) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let progress = Progress::new(common.quiet);
    let checks = Checks {
        pictures: job.images.clone(),
        quick: job.quick,
        length: length(job)?,
    };
    let step = |done: usize, total: usize| {
        progress.pictures(done as u64, total as u64);
        !interrupt.pressed()
    };
    let findings = check(&job.data, &checks, &step);
    progress.clear();
    let findings = findings.map_err(|error| Failure::new(error.to_string()))?;
    if interrupt.pressed() {
        return Err(Failure::interrupted());
    }
    if job.json {
        output::print_json(&findings)?;
    } else {
        output::print_bytes(printable(&told(&findings, job)).as_bytes())?;
    }
    Ok(if findings.faults.is_empty() {
        Outcome::Done
    } else {
        Outcome::PartlyFailed
    })
}

fn length(job: &CheckJob) -> Result<Option<Length>, Failure> {
    let Some(model) = &job.model else {
        return Ok(None);
    };
    let located = Places::of_this_process().find(Some(model))?;
    let checkpoint = Checkpoint::open(&located.path).map_err(|e| Failure::new(e.to_string()))?;
    Ok(Some(Length {
        picture: checkpoint.config.vision.image_tokens(),
        limit: LONGEST.min(checkpoint.config.context),
        tokenizer: checkpoint.tokenizer,
    }))
}

fn told(findings: &Findings, job: &CheckJob) -> String {
    let mut text = String::new();
    // Writing to a `String` does not fail.
    for fault in &findings.faults {
        let id = if fault.id.is_empty() {
            String::new()
        } else {
            format!(" ({})", fault.id)
        };
        let _ = writeln!(text, "row {}{id}: {}", fault.row, fault.reason);
    }
    let _ = write!(
        text,
        "{} rows, {} with a picture ({} pictures): {}",
        findings.rows,
        findings.with_picture,
        findings.pictures,
        match findings.faults.len() {
            0 => "no faults".to_owned(),
            1 => "1 fault".to_owned(),
            n => format!("{n} faults"),
        }
    );
    if job.model.is_some() {
        let _ = write!(
            text,
            "; {} are longer than the model takes and will be cut",
            findings.too_long
        );
    }
    text.push('\n');
    text
}
