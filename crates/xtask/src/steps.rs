//! Steps that run one after another, each with its time, and the summary at the end.

use crate::say;
use std::process::Command;
use std::time::{Duration, Instant};

/// One thing to do.
pub(crate) struct Step {
    /// A few words for the summary.
    pub(crate) name: &'static str,
    /// What it runs. Its output goes where ours goes.
    pub(crate) command: Command,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    Ok,
    Failed,
    NotRun,
}

/// One line of the summary.
#[derive(Debug)]
pub(crate) struct Line {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// What has been done so far.
pub(crate) struct Report {
    lines: Vec<Line>,
    started: Instant,
}

impl Report {
    /// An empty report; the total time counts from here.
    pub(crate) fn new() -> Self {
        Self {
            lines: Vec::new(),
            started: Instant::now(),
        }
    }

    /// Whether a step has failed.
    pub(crate) fn failed(&self) -> bool {
        self.lines
            .iter()
            .any(|line| line.outcome == Outcome::Failed)
    }

    /// Runs every step of a group, also past one that fails, unless an earlier group has failed:
    /// whoever mends a group wants to hear of all its faults at once, but not to wait for what is
    /// bound to be run again.
    pub(crate) fn group(&mut self, steps: Vec<Step>) {
        self.group_by(steps, run);
    }

    fn group_by(&mut self, steps: Vec<Step>, run: impl Fn(&mut Command) -> Result<(), String>) {
        let skip = self.failed();
        for mut step in steps {
            if skip {
                self.add(step.name, Outcome::NotRun, Duration::ZERO);
            } else {
                let heading = format!("{}: {}", step.name, words(&step.command));
                self.time(step.name, &heading, || run(&mut step.command));
            }
        }
    }

    /// Does one thing that is not a command and reports it like one. The error is for the person.
    pub(crate) fn time(
        &mut self,
        name: &'static str,
        heading: &str,
        work: impl FnOnce() -> Result<(), String>,
    ) {
        say::heading(heading);
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        match result {
            Ok(()) => {
                say::line(&format!("    {name}: ok in {}", in_words(took)));
                self.add(name, Outcome::Ok, took);
            }
            Err(reason) => {
                say::line(&format!(
                    "    {name}: failed after {}: {reason}",
                    in_words(took)
                ));
                self.add(name, Outcome::Failed, took);
            }
        }
    }

    fn add(&mut self, name: &'static str, outcome: Outcome, took: Duration) {
        self.lines.push(Line {
            name,
            outcome,
            took,
        });
    }

    /// Prints the summary; true when nothing failed.
    pub(crate) fn finish(self) -> bool {
        say::heading("summary");
        for line in &self.lines {
            say::line(&format!("    {}", summary_line(line)));
        }
        let verdict = if self.failed() {
            "Something failed"
        } else {
            "All is well"
        };
        say::line(&format!(
            "    {verdict}, after {}.",
            in_words(self.started.elapsed())
        ));
        !self.failed()
    }
}

fn summary_line(line: &Line) -> String {
    let took = in_words(line.took);
    match line.outcome {
        Outcome::Ok => format!("ok      {took:>14}  {}", line.name),
        Outcome::Failed => format!("FAILED  {took:>14}  {}", line.name),
        Outcome::NotRun => format!("not run {:>14}  {}", "", line.name),
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(format!(
            "{} cannot be started: {error}",
            command.get_program().display()
        )),
    }
}

/// The command as one would type it.
fn words(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut text = program
        .file_stem()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

/// `0.4 s`, `12.0 s`, `3 min 05 s`.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &'static str) -> Step {
        Step {
            name,
            command: Command::new(name),
        }
    }

    fn all_but_bad(command: &mut Command) -> Result<(), String> {
        if command.get_program() == "bad" {
            Err("told to fail".to_owned())
        } else {
            Ok(())
        }
    }

    #[test]
    fn a_group_runs_to_its_end_and_the_next_one_does_not_start() {
        let mut report = Report::new();
        report.group_by(vec![step("good")], all_but_bad);
        assert!(!report.failed());
        report.group_by(vec![step("bad"), step("beside")], all_but_bad);
        report.group_by(vec![step("after")], all_but_bad);
        let outcomes: Vec<_> = report
            .lines
            .iter()
            .map(|line| (line.name, line.outcome))
            .collect();
        assert_eq!(
            outcomes,
            [
                ("good", Outcome::Ok),
                ("bad", Outcome::Failed),
                ("beside", Outcome::Ok),
                ("after", Outcome::NotRun),
            ]
        );
        assert!(!report.finish());
    }

    #[test]
    fn how_a_command_ends_is_told() {
        let mut good = crate::cargo::cargo(["--version"]);
        assert_eq!(run(good.stdout(std::process::Stdio::null())), Ok(()));
        let mut bad = crate::cargo::cargo(["no-such-command"]);
        let error = run(bad.stderr(std::process::Stdio::null())).unwrap_err();
        assert!(error.contains("101"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("visavis-no-such-program")).unwrap_err();
        assert!(error.contains("visavis-no-such-program"), "{error}");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(in_words(Duration::from_millis(420)), "0.4 s");
        assert_eq!(in_words(Duration::from_secs(60)), "1 min 00 s");
        assert_eq!(in_words(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn commands_are_shown_as_typed() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["fmt", "--all"]);
        assert_eq!(words(&command), "cargo fmt --all");
    }
}
