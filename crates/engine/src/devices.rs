//! Where a model can run on this machine, and how sure that is.
//!
//! The processor and an Apple chip are asked directly. NVIDIA's driver is asked by a process of
//! its own, because asking it can take the asker down.

use crate::EngineOptions;
use crate::host;
use crate::remote::Link;
use serde::Serialize;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};
use visavis_llava::device::{self, DeviceChoice};

/// The second executable, beside the program.
const CUDA_HOST: &str = "visavis-engine-cuda";
/// A driver that wakes a sleeping card needs seconds; one that needs longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A device, and whether a model can run on it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceReport {
    /// What `--device` takes: `cpu`, `cuda:0`, `metal`.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// The machine's memory, for the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Whether it works.
    pub state: DeviceState,
}

/// The three answers of asking a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum DeviceState {
    /// It can be used.
    Works,
    /// It cannot.
    Failed {
        /// Why, in the driver's words.
        reason: String,
    },
    /// The question had no answer; trying it may work.
    Inconclusive {
        /// What happened instead.
        reason: String,
    },
}

/// Every device, best first. Takes seconds when there is a host for graphics cards.
pub fn list() -> Vec<DeviceReport> {
    let mut devices = Vec::new();
    if let Some(host) = cuda_host() {
        devices.extend(cuda_reports(probed(&host)));
    }
    for choice in device::available() {
        devices.push(match choice {
            DeviceChoice::Cpu | DeviceChoice::Auto => processor(),
            DeviceChoice::Metal => simple(choice, "the graphics part of this Apple chip"),
            DeviceChoice::Cuda(_) => simple(choice, "an NVIDIA graphics card"),
        });
    }
    devices
}

/// Whether a choice is for the host process: a graphics card by name, or by `auto` if one works.
pub(crate) fn is_remote(choice: DeviceChoice) -> bool {
    // A program that can reach the card itself needs no host.
    if cfg!(feature = "cuda") {
        return false;
    }
    match (choice, cuda_host()) {
        (DeviceChoice::Cuda(_), Some(_)) => true,
        (DeviceChoice::Auto, Some(host)) => matches!(probed(&host), Probe::Works(_)),
        _ => false,
    }
}

/// Starts the host process.
pub(crate) fn start_host(options: &EngineOptions) -> io::Result<Link> {
    let host = cuda_host().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("{CUDA_HOST} is not beside the program"),
        )
    })?;
    Link::spawn(&host, &host::arguments(options))
}

fn cuda_host() -> Option<PathBuf> {
    let name = format!("{CUDA_HOST}{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().ok()?;
    let path = own.with_file_name(name);
    // A host must never start hosts: it would start itself without end.
    (path != own && path.is_file()).then_some(path)
}

fn processor() -> DeviceReport {
    let kinds = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    // Without the system's word the processor still works; it only has no name then.
    let system = System::new_with_specifics(kinds).ok();
    let first = system.as_ref().and_then(|system| system.cpus().first());
    let brand = first.map(|cpu| cpu.brand().trim()).unwrap_or_default();
    let brand = if brand.is_empty() { "processor" } else { brand };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernels = visavis_kernels::cpu_features();
    DeviceReport {
        name: DeviceChoice::Cpu.to_string(),
        description: format!("{brand}, {threads} threads, {kernels}"),
        memory_bytes: system.map(|system| system.total_memory()),
        state: DeviceState::Works,
    }
}

fn simple(choice: DeviceChoice, description: &str) -> DeviceReport {
    DeviceReport {
        name: choice.to_string(),
        description: description.to_owned(),
        memory_bytes: None,
        state: DeviceState::Works,
    }
}

/// What the host's `--probe` found out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Probe {
    Works(Vec<String>),
    Failed(String),
    Inconclusive(String),
}

/// Asked once: a driver does not change its mind while the program runs.
fn probed(host: &Path) -> Probe {
    static ANSWER: OnceLock<Probe> = OnceLock::new();
    ANSWER
        .get_or_init(|| {
            let mut command = Command::new(host);
            probe(command.arg("--probe"), PATIENCE)
        })
        .clone()
}

fn cuda_reports(probe: Probe) -> Vec<DeviceReport> {
    let report = |name: String, state| DeviceReport {
        name,
        description: "an NVIDIA graphics card".to_owned(),
        memory_bytes: None,
        state,
    };
    let first = || DeviceChoice::Cuda(0).to_string();
    match probe {
        Probe::Works(names) => names
            .into_iter()
            .map(|name| report(name, DeviceState::Works))
            .collect(),
        Probe::Failed(reason) => vec![report(first(), DeviceState::Failed { reason })],
        Probe::Inconclusive(reason) => vec![report(first(), DeviceState::Inconclusive { reason })],
    }
}

/// Runs a probe to its end, or to the end of our patience.
fn probe(command: &mut Command, patience: Duration) -> Probe {
    let inconclusive = |error: &dyn std::fmt::Display| {
        Probe::Inconclusive(format!("the graphics card could not be asked: {error}"))
    };
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return inconclusive(&error),
    };
    let deadline = Instant::now() + patience;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return inconclusive(&format!("no answer within {} s", patience.as_secs()));
            }
            Err(error) => return inconclusive(&error),
        }
    };
    // Both answers are a few lines, which a pipe holds, so reading after the end is safe.
    let (mut said, mut complained) = (String::new(), String::new());
    let read = child
        .stdout
        .take()
        .map(|mut pipe| pipe.read_to_string(&mut said));
    let also = child
        .stderr
        .take()
        .map(|mut pipe| pipe.read_to_string(&mut complained));
    if let Some(Err(error)) = read.or(also) {
        return inconclusive(&error);
    }
    let names: Vec<String> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(Into::into)
        .collect();
    match status.code() {
        Some(0) if !names.is_empty() => Probe::Works(names),
        Some(_) => {
            let reason = complained
                .lines()
                .rev()
                .map(str::trim)
                .find(|line| !line.is_empty());
            Probe::Failed(reason.unwrap_or("the driver gave no reason").to_owned())
        }
        None => inconclusive(&status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_always_there_and_works() {
        let devices = list();
        let cpu = devices.iter().find(|device| device.name == "cpu").unwrap();
        assert_eq!(cpu.state, DeviceState::Works);
        assert!(
            cpu.description.contains(visavis_kernels::cpu_features()),
            "{cpu:?}"
        );
        assert!(
            cpu.memory_bytes.is_some_and(|bytes| bytes > 1 << 20),
            "{cpu:?}"
        );
    }

    #[cfg(unix)]
    fn shell(script: &str, patience: Duration) -> Probe {
        probe(Command::new("sh").args(["-c", script]), patience)
    }

    #[cfg(unix)]
    #[test]
    fn a_probe_has_three_answers() {
        let long = Duration::from_secs(60);
        let names = vec!["cuda:0".to_owned(), "cuda:1".to_owned()];
        assert_eq!(shell("echo cuda:0; echo cuda:1", long), Probe::Works(names));
        let failed = shell("echo first >&2; echo no driver >&2; exit 3", long);
        assert_eq!(failed, Probe::Failed("no driver".into()));
        assert!(
            matches!(shell("exit 0", long), Probe::Failed(_)),
            "no card named"
        );
        assert!(matches!(shell("kill -9 $$", long), Probe::Inconclusive(_)));
        let hangs = shell("sleep 600", Duration::ZERO);
        assert!(matches!(hangs, Probe::Inconclusive(_)), "{hangs:?}");
        let missing = probe(&mut Command::new("/no/such/program"), long);
        assert!(matches!(missing, Probe::Inconclusive(_)), "{missing:?}");
    }
}
