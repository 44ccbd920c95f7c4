//! `visavis devices`: where a model can run.

use crate::args::DevicesArgs;
use crate::failure::{Failure, Outcome};
use crate::output;
use serde::Serialize;
use visavis_llava::device::{self, DeviceChoice};

/// One line of the list.
#[derive(Debug, PartialEq, Serialize)]
struct Device {
    /// What `--device` takes.
    name: String,
    /// What it is, in words.
    description: String,
    /// Whether `--device auto` takes it.
    default: bool,
}

/// Runs the command.
pub(crate) fn run(args: &DevicesArgs) -> Result<Outcome, Failure> {
    let devices = list(&device::available());
    if args.json {
        return output::print_json(&devices);
    }
    output::print_bytes(table(&devices).as_bytes())
}

fn list(available: &[DeviceChoice]) -> Vec<Device> {
    let device = |(index, choice): (usize, &DeviceChoice)| Device {
        name: choice.to_string(),
        description: describe(*choice),
        default: index == 0,
    };
    available.iter().enumerate().map(device).collect()
}

fn describe(choice: DeviceChoice) -> String {
    match choice {
        DeviceChoice::Auto => "the best that is there".to_owned(),
        DeviceChoice::Cuda(_) => "NVIDIA graphics card".to_owned(),
        DeviceChoice::Metal => "graphics part of this Apple chip".to_owned(),
        DeviceChoice::Cpu => {
            let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            format!("this computer's processor, {threads} threads")
        }
    }
}

fn table(devices: &[Device]) -> String {
    let line = |device: &Device| {
        let mark = if device.default { "  (auto)" } else { "" };
        format!("{:<8}{}{mark}\n", device.name, device.description)
    };
    devices.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_what_auto_takes() {
        let devices = list(&[DeviceChoice::Cuda(0), DeviceChoice::Cpu]);
        assert_eq!(
            (devices[0].name.as_str(), devices[0].default),
            ("cuda:0", true)
        );
        assert_eq!(
            (devices[1].name.as_str(), devices[1].default),
            ("cpu", false)
        );
        assert_eq!(table(&devices).lines().count(), 2);
    }

    #[test]
    fn the_processor_is_always_there() {
        assert!(
            list(&device::available())
                .iter()
                .any(|device| device.name == "cpu")
        );
    }
}
