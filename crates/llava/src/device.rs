//! Which processor the model runs on.

use crate::{Error, Result};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a person asks for: `auto | cpu | cuda:N | metal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// The best that is there.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The n-th NVIDIA graphics card.
    Cuda(usize),
    /// The graphics part of an Apple chip.
    Metal,
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "metal" => Ok(Self::Metal),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| {
                    format!("\"{text}\" is not a device; use auto, cpu, cuda:N or metal")
                }),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

/// The devices this executable can run on, best first. The processor is always there.
///
/// The main program never links CUDA: without its driver such a program would not even start.
/// The executable that does is built from the same crate with the feature `cuda`.
pub fn available() -> Vec<DeviceChoice> {
    cuda_cards()
        .into_iter()
        .chain(metal_chip())
        .chain([DeviceChoice::Cpu])
        .collect()
}

/// Threads that a model on the processor computes with.
pub fn threads() -> usize {
    visavis_kernels::threads()
}

/// Opens a device; `Auto` is the best that is there.
///
/// # Errors
/// [`Error::Device`] says why the asked device is not there, and what there is.
pub fn open(choice: DeviceChoice) -> Result<(DeviceChoice, Device)> {
    let there = available();
    let choice = match choice {
        DeviceChoice::Auto => there.first().copied().unwrap_or(DeviceChoice::Cpu),
        asked => asked,
    };
    let device = match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(n) => cuda(n),
        DeviceChoice::Metal => metal(),
    };
    device.map(|d| (choice, d)).map_err(|why| {
        let names: Vec<String> = there.iter().map(ToString::to_string).collect();
        Error::Device(format!(
            "the device {choice} cannot be used: {why}; there is: {}",
            names.join(", ")
        ))
    })
}

#[cfg(feature = "cuda")]
fn cuda_cards() -> Vec<DeviceChoice> {
    (0..16)
        .map_while(|n| Device::new_cuda(n).ok().map(|_| DeviceChoice::Cuda(n)))
        .collect()
}

#[cfg(not(feature = "cuda"))]
fn cuda_cards() -> Vec<DeviceChoice> {
    Vec::new()
}

#[cfg(all(feature = "metal", target_os = "macos"))]
fn metal_chip() -> Option<DeviceChoice> {
    Device::new_metal(0).ok().map(|_| DeviceChoice::Metal)
}

#[cfg(not(all(feature = "metal", target_os = "macos")))]
fn metal_chip() -> Option<DeviceChoice> {
    None
}

#[cfg(feature = "cuda")]
fn cuda(n: usize) -> std::result::Result<Device, String> {
    Device::new_cuda(n).map_err(|e| e.to_string())
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> std::result::Result<Device, String> {
    Err("this program is built without support for NVIDIA graphics cards".into())
}

#[cfg(all(feature = "metal", target_os = "macos"))]
fn metal() -> std::result::Result<Device, String> {
    Device::new_metal(0).map_err(|e| e.to_string())
}

#[cfg(not(all(feature = "metal", target_os = "macos")))]
fn metal() -> std::result::Result<Device, String> {
    Err("Metal is there only in the macOS version".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["auto", "cpu", "cuda:0", "cuda:3", "metal"] {
            assert_eq!(name.parse::<DeviceChoice>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        assert!(
            "gpu"
                .parse::<DeviceChoice>()
                .unwrap_err()
                .contains("cuda:N")
        );
        assert!("cuda:-1".parse::<DeviceChoice>().is_err());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_missing_device_says_what_there_is() {
        let Err(error) = open(DeviceChoice::Cuda(0)) else {
            panic!("there is no cuda here")
        };
        let text = error.to_string();
        assert!(
            text.contains("cuda:0") && text.contains("there is: ") && text.contains("cpu"),
            "{text}"
        );
    }
}
