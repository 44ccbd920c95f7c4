//! `visavis caption`: every picture of folders, several at a time, whatever some of them are like.
//!
//! `plan` decides what is to be done before the model is loaded, `work` does it in threads, and
//! this file prints the outcome in the order of the folders.

mod plan;
mod work;

use crate::args::Common;
use crate::failure::{Failure, Outcome};
use crate::generation::Generation;
use crate::host::Host;
use crate::interrupt::Interrupt;
use crate::locate::Places;
use crate::output::{self, Reader};
use crate::progress::Progress;
use crate::style::AnswerStyle;
use crate::text::{one_line, printable, shown};
use plan::Plan;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use visavis_engine::EngineOptions;
use work::Work;

/// What to caption, and how.
#[derive(Debug)]
pub(crate) struct CaptionJob {
    pub(crate) model: Option<OsString>,
    pub(crate) sources: Vec<PathBuf>,
    /// Empty where the style brings its own wording.
    pub(crate) prompt: String,
    pub(crate) style: AnswerStyle,
    /// Write a text file beside each picture.
    pub(crate) sidecars: bool,
    /// Write over text files that are there.
    pub(crate) replace: bool,
    pub(crate) follow_links: bool,
    pub(crate) generation: Generation,
    pub(crate) json: bool,
}

/// Why a run ends before its last picture.
enum Stop {
    /// Nobody reads the captions any more, which is no error (`visavis caption ... | head`).
    ReaderGone,
    /// Going on is of no use.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// How one picture ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// Captioned.
    Done,
    /// Not captioned now: its text file was there.
    Kept,
    /// `error` says why.
    Failed,
}

/// The line that `--json` prints for a picture.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    path: String,
    /// The path's bytes in hexadecimal, where they are not UTF-8 and `path` is only a likeness.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    status: Status,
    /// Files that hold the caption.
    outputs: Vec<String>,
    text: Option<String>,
    error: Option<String>,
}

impl Row {
    fn new(path: &Path, status: Status) -> Self {
        let bytes = path.as_os_str().as_encoded_bytes();
        let hexadecimal = || bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            path: path.to_string_lossy().into_owned(),
            path_bytes: path.to_str().is_none().then(hexadecimal),
            status,
            outputs: Vec::new(),
            text: None,
            error: None,
        }
    }

    fn failed(path: &Path, error: &str) -> Self {
        Self {
            error: Some(error.to_owned()),
            ..Self::new(path, Status::Failed)
        }
    }

    fn kept(path: &Path, sidecar: &Path) -> Self {
        Self {
            outputs: vec![sidecar.display().to_string()],
            ..Self::new(path, Status::Kept)
        }
    }
}

/// Runs the command.
pub(crate) fn run(job: CaptionJob, common: Common) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let progress = Progress::new(common.quiet);
    let plan = Plan::new(&job, || interrupt.pressed())?;
    if interrupt.pressed() {
        return Err(Failure::interrupted());
    }
    if plan.links_skipped > 0 {
        progress.note(&format!(
            "note: {} links were not followed (--follow-links follows them)",
            plan.links_skipped
        ));
    }
    if plan.tasks.is_empty() {
        progress.note("note: no pictures were found");
        return Ok(Outcome::Done);
    }
    let mut printer = Printer::new(&job, &progress, plan.tasks.len());
    let ended = if plan.to_caption == 0 {
        let settled = plan.tasks.iter().filter_map(|task| task.settled());
        settled
            .enumerate()
            .try_for_each(|(index, row)| printer.row(index, row))
    } else {
        caption(&job, &plan, &interrupt, &progress, &mut printer)
    };
    progress.clear();
    if printer.arrived > 0 {
        progress.note(&printer.summary());
    }
    match ended {
        _ if interrupt.pressed() => Ok(Outcome::Interrupted),
        Err(Stop::Failed(failure)) => Err(failure),
        Err(Stop::ReaderGone) => Ok(Outcome::Done),
        Ok(()) if printer.failed > 0 => Ok(Outcome::PartlyFailed),
        Ok(()) => Ok(Outcome::Done),
    }
}

fn caption(
    job: &CaptionJob,
    plan: &Plan,
    interrupt: &Interrupt,
    progress: &Progress,
    printer: &mut Printer<'_>,
) -> Result<(), Stop> {
    let model = Places::of_this_process().find(job.model.as_deref())?;
    let options = EngineOptions::default();
    // One more than the engine takes, so that the next picture is decoded meanwhile.
    let threads = options.max_batch + 1;
    let host = Host::start(model, job.generation.device, options, interrupt, progress)?;
    progress.pictures(0, plan.tasks.len() as u64);
    let work = Work::new(job, plan, &host, progress, interrupt);
    work.run(threads, |index, row| printer.row(index, row))
}

/// Prints rows in the order of the plan, holding back those that are early.
struct Printer<'a> {
    json: bool,
    /// Go on without a reader: the text files are what is wanted.
    unread: bool,
    progress: &'a Progress,
    early: BTreeMap<usize, Row>,
    next: usize,
    arrived: usize,
    total: usize,
    done: usize,
    kept: usize,
    failed: usize,
    reader: Reader,
}

impl<'a> Printer<'a> {
    fn new(job: &CaptionJob, progress: &'a Progress, total: usize) -> Self {
        Self {
            json: job.json,
            unread: job.sidecars,
            progress,
            early: BTreeMap::new(),
            next: 0,
            arrived: 0,
            total,
            done: 0,
            kept: 0,
            failed: 0,
            reader: Reader::There,
        }
    }

    fn row(&mut self, index: usize, row: Row) -> Result<(), Stop> {
        self.arrived += 1;
        self.early.insert(index, row);
        while let Some(row) = self.early.remove(&self.next) {
            self.next += 1;
            self.print(&row)?;
        }
        self.progress
            .pictures(self.arrived as u64, self.total as u64);
        Ok(())
    }

    fn print(&mut self, row: &Row) -> Result<(), Stop> {
        match row.status {
            Status::Done => self.done += 1,
            Status::Kept => self.kept += 1,
            Status::Failed => self.failed += 1,
        }
        if let Some(error) = &row.error {
            self.progress.warn(&format!("error: {}", one_line(error)));
        }
        let line = if self.json {
            output::json_line(row)?
        } else {
            plain_line(row).into_bytes()
        };
        if line.is_empty() || self.reader == Reader::Gone {
            return Ok(());
        }
        self.reader = self.progress.aside(|| output::write(&line))?;
        if self.reader == Reader::Gone && !self.unread {
            return Err(Stop::ReaderGone);
        }
        Ok(())
    }

    fn summary(&self) -> String {
        let mut parts = vec![format!("{} of {} captioned", self.done, self.total)];
        if self.kept > 0 {
            parts.push(format!("{} kept", self.kept));
        }
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        parts.join(", ")
    }
}

/// `path`, a tab, and the caption on one line; nothing for a picture without a new caption.
fn plain_line(row: &Row) -> String {
    match &row.text {
        Some(text) => format!(
            "{}\t{}\n",
            shown(Path::new(&row.path)),
            one_line(&printable(text))
        ),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    #[test]
    fn a_row_has_the_contracts_fields() {
        let row = serde_json::to_value(Row::failed(Path::new("a.jpg"), "no")).unwrap();
        let expected = serde_json::json!({
            "path": "a.jpg", "status": "failed", "outputs": [], "text": null, "error": "no",
        });
        assert_eq!(row, expected);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_utf8_can_be_told_from_its_likeness() {
        use std::os::unix::ffi::OsStrExt;
        let row = Row::new(
            Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9")),
            Status::Done,
        );
        assert_eq!(row.path_bytes.as_deref(), Some("636166e9"));
    }

    #[test]
    fn captions_take_one_line_and_early_rows_wait() {
        let cli = Cli::parse_from(["visavis", "caption", "photos"]);
        let Command::Caption(args) = cli.command else {
            unreachable!("caption was parsed")
        };
        let (job, progress) = (args.into_job().unwrap(), Progress::new(true));
        let mut printer = Printer::new(&job, &progress, 3);
        let failed = || Row::failed(Path::new("b"), "no");
        assert!(printer.row(1, failed()).is_ok());
        assert_eq!((printer.next, printer.failed), (0, 0));
        assert!(
            printer
                .row(0, Row::new(Path::new("a"), Status::Kept))
                .is_ok()
        );
        assert_eq!((printer.next, printer.failed), (2, 1));
        assert_eq!(printer.summary(), "0 of 3 captioned, 1 kept, 1 failed");
        let row = Row {
            text: Some("A dog.\nA cat.".to_owned()),
            ..Row::new(Path::new("a\tb"), Status::Done)
        };
        assert_eq!(plain_line(&row), "a\\tb\tA dog. A cat.\n");
    }
}
