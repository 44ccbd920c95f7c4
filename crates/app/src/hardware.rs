//! The computer, in the few numbers that matter here.

use crate::Result;
use std::path::Path;
use sysinfo::{Disks, MemoryRefreshKind, RefreshKind, System};
use visavis_engine::devices::{self, DeviceReport, DeviceState};

/// The computer.
#[derive(Debug, Clone, PartialEq)]
pub struct Hardware {
    /// The processor's name.
    pub processor: String,
    /// Its logical cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of memory free now.
    pub free_memory_bytes: u64,
    /// Bytes free on the disk of the data folder.
    pub free_disk_bytes: u64,
    /// Where a model could run, best first.
    pub devices: Vec<Device>,
}

/// A place where a model could run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// `cpu`, `cuda:0`, `metal`.
    pub id: String,
    /// The kind.
    pub kind: DeviceKind,
    /// The maker's name for it.
    pub name: String,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// The kinds of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor.
    Processor,
    /// An NVIDIA card.
    GraphicsCard,
    /// The graphics part of an Apple chip.
    AppleGraphics,
}

impl Device {
    /// A device by the name the engine gives it.
    pub(crate) fn named(id: &str) -> Self {
        let kind = match id {
            "metal" => DeviceKind::AppleGraphics,
            _ if id.starts_with("cuda") => DeviceKind::GraphicsCard,
            _ => DeviceKind::Processor,
        };
        Self {
            id: id.to_owned(),
            kind,
            name: String::new(),
            problem: None,
        }
    }

    fn reported(report: DeviceReport) -> Self {
        let problem = match report.state {
            DeviceState::Works => None,
            DeviceState::Failed { reason } | DeviceState::Inconclusive { reason } => Some(reason),
        };
        Self {
            name: report.description,
            problem,
            ..Self::named(&report.name)
        }
    }
}

/// Memory of this computer: free now, and in all.
pub(crate) fn memory() -> (u64, u64) {
    let kinds = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    match System::new_with_specifics(kinds) {
        Ok(system) => (system.available_memory(), system.total_memory()),
        Err(_) => (0, 0),
    }
}

/// Bytes free on the disk that holds `folder`; 0 where the system does not say.
fn free_disk(folder: &Path) -> u64 {
    let Ok(folder) = folder.canonicalize() else {
        return 0;
    };
    let Ok(disks) = Disks::new_with_refreshed_list() else {
        return 0;
    };
    disks
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())
        .map_or(0, sysinfo::Disk::available_space)
}

impl crate::App {
    /// Asks the computer. May take seconds where there is a graphics card.
    pub async fn hardware(&self) -> Result<Hardware> {
        let folder = self.folder().to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let devices: Vec<Device> = devices::list().into_iter().map(Device::reported).collect();
            let processor = devices.iter().find(|device| device.id == "cpu");
            let (free, total) = memory();
            Hardware {
                processor: processor.map(|d| d.name.clone()).unwrap_or_default(),
                cores: std::thread::available_parallelism()
                    .map_or(1, |count| u32::try_from(count.get()).unwrap_or(1)),
                memory_bytes: total,
                free_memory_bytes: free,
                free_disk_bytes: free_disk(&folder),
                devices,
            }
        });
        Ok(asked.await?)
    }
}
