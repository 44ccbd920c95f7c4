//! `visavis devices`: where a model can run.

use crate::args::DevicesArgs;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::text::{one_line, size};
use serde::Serialize;
use visavis_engine::devices::{self, DeviceReport, DeviceState};

/// One entry of `--json`: the engine's report, and whether `--device auto` takes it.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    report: &'a DeviceReport,
    default: bool,
}

/// Runs the command.
pub(crate) fn run(args: &DevicesArgs) -> Result<Outcome, Failure> {
    let reports = devices::list();
    let entries = entries(&reports);
    if args.json {
        return output::print_json(&entries);
    }
    output::print_bytes(table(&entries).as_bytes())
}

/// The reports come best first; `auto` takes the first that works.
fn entries(reports: &[DeviceReport]) -> Vec<Entry<'_>> {
    let auto = reports
        .iter()
        .position(|report| report.state == DeviceState::Works);
    let entry = |(index, report)| Entry {
        report,
        default: Some(index) == auto,
    };
    reports.iter().enumerate().map(entry).collect()
}

fn table(entries: &[Entry<'_>]) -> String {
    let line = |entry: &Entry<'_>| {
        let DeviceReport {
            name,
            description,
            memory_bytes,
            state,
        } = entry.report;
        let memory = memory_bytes
            .map(|bytes| format!(", {} of memory", size(bytes)))
            .unwrap_or_default();
        let state = match state {
            DeviceState::Works if entry.default => " (auto)".to_owned(),
            DeviceState::Works => String::new(),
            DeviceState::Failed { reason } => format!(": cannot be used, {reason}"),
            DeviceState::Inconclusive { reason } => format!(": may work, {reason}"),
        };
        let line = format!("{name:<8}{description}{memory}{state}");
        format!("{}\n", one_line(&line))
    };
    entries.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, state: DeviceState) -> DeviceReport {
        DeviceReport {
            name: name.to_owned(),
            description: "a device".to_owned(),
            memory_bytes: None,
            state,
        }
    }

    #[test]
    fn auto_is_the_first_that_works() {
        let failed = DeviceState::Failed {
            reason: "no driver".to_owned(),
        };
        let reports = [report("cuda:0", failed), report("cpu", DeviceState::Works)];
        let entries = entries(&reports);
        assert_eq!(
            entries
                .iter()
                .map(|entry| entry.default)
                .collect::<Vec<_>>(),
            [false, true]
        );
        let table = table(&entries);
        assert!(
            table
                .contains("cuda:0  a device: cannot be used, no driver\ncpu     a device (auto)\n"),
            "{table}"
        );
        let json = serde_json::to_value(&entries).unwrap();
        assert_eq!(
            (&json[0]["name"], &json[1]["default"]),
            (&"cuda:0".into(), &true.into())
        );
    }
}
