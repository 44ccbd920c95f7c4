//! `visavis bench`: how fast a model runs on this machine and how much memory it takes.
//!
//! Everything is measured through the engine, on requests like a person's, so that the figures
//! are what people wait for and not what a kernel could do.

mod measure;
mod report;

use crate::args::Common;
use crate::failure::{Failure, Outcome};
use crate::host::Host;
use crate::interrupt::Interrupt;
use crate::locate::Places;
use crate::progress::Progress;
use crate::text::shown;
use crate::{memory, output};
use measure::Bench;
pub(crate) use measure::Plan;
use report::Report;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use visavis_engine::EngineOptions;
use visavis_engine::devices::{self, DeviceReport};
use visavis_llava::checkpoint;
use visavis_llava::device::{self, DeviceChoice};

/// What to measure.
#[derive(Debug)]
pub(crate) struct BenchJob {
    pub(crate) model: Option<OsString>,
    pub(crate) device: DeviceChoice,
    pub(crate) json: Option<PathBuf>,
    pub(crate) plan: Plan,
}

/// Runs the command.
pub(crate) fn run(job: BenchJob, common: Common) -> Result<Outcome, Failure> {
    let located = Places::of_this_process().find(job.model.as_deref())?;
    let found = checkpoint::inspect(&located.path).map_err(|e| Failure::new(e.to_string()))?;
    if let Some(problem) = found.problems.first() {
        return Err(Failure::new(problem));
    }
    let interrupt = Interrupt::install()?;
    let progress = Progress::new(common.quiet);
    let options = EngineOptions {
        max_batch: 1,
        ..EngineOptions::default()
    };
    let host = Host::start(located, job.device, options, &interrupt, &progress);
    let measured = host.and_then(|host| {
        let results = Bench::new(&host, &job.plan, &found, &progress).measure()?;
        Ok((host, results))
    });
    progress.clear();
    let (host, results) = measured?;
    let device = host.device_name();
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        model: host.model_name().to_owned(),
        format: found.format,
        file_bytes: found.bytes,
        parameters: found.parameters,
        description: description(&devices::list(), &device),
        threads: (device == "cpu").then(device::threads),
        repeats: job.plan.repeats,
        results,
        // A model on a card is held by another process, or by the card.
        peak_rss_bytes: (device == "cpu").then(memory::peak_rss_bytes),
        device,
    };
    match job.json {
        Some(path) if path == Path::new("-") => output::print_json(&report),
        Some(path) => {
            save(&path, &report)?;
            output::print_bytes(report.table().as_bytes())
        }
        None => output::print_bytes(report.table().as_bytes()),
    }
}

fn description(devices: &[DeviceReport], name: &str) -> String {
    let found = devices.iter().find(|device| device.name == name);
    found.map_or_else(String::new, |device| device.description.clone())
}

fn save(path: &Path, report: &Report) -> Result<(), Failure> {
    let text = output::json_line(report)?;
    std::fs::write(path, text)
        .map_err(|error| Failure::new(format!("{}: cannot be written ({error})", shown(path))))
}
