//! `cargo xtask test`: everything that must hold before a change is merged.
//!
//! What is quick and stands alone comes first and is run to its end; then the lints; then the
//! tests. Everything is compiled for one profile, release with overflow checks, so that a crate
//! is compiled once for the tests and for everyday use.

use crate::cargo::{WORKSPACE, cargo, root, succeeds};
use crate::doctests;
use crate::prerequisites::{self, CHECKS, WINDOW, WINDOW_TESTS};
use crate::steps::{Report, Step};
use crate::ui;
use std::process::{Command, ExitCode};

/// Lints are errors here and only here: while one writes, they are warnings.
const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

/// Runs all steps. The status is 1 when one of them failed.
pub(crate) fn test() -> ExitCode {
    let mut report = Report::new();
    report.time("prerequisites", "prerequisites", || {
        prerequisites::provide(&[CHECKS, WINDOW, WINDOW_TESTS])
    });
    report.group(vec![
        Step {
            name: "formatting",
            command: cargo(["fmt", "--all", "--check"]),
        },
        Step {
            name: "lints of xtask",
            command: lints(&["--package", "visavis-xtask"]),
        },
        Step {
            name: "tests of xtask",
            command: cargo(["test", "-q", "-p", "visavis-xtask"]),
        },
    ]);
    // The window contains the page, so the page comes before anything that is compiled.
    report.group(vec![ui::libraries()]);
    let mut page = ui::checks();
    page.push(ui::build());
    report.group(page);
    report.group(vec![Step {
        name: "lints",
        command: lints(&release(&WORKSPACE)),
    }]);
    report.group(tests());
    if report.finish() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One set of features for lints and tests, so that crates are compiled once: with what the
/// tests of the window answer in place of a person.
fn release<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    [
        packages,
        &["--release", "--features", "visavis-desktop/e2e"],
    ]
    .concat()
}

fn lints(packages: &[&str]) -> Command {
    cargo(
        [
            &["clippy"],
            packages,
            &["--all-targets", "--keep-going"],
            &DENY_WARNINGS,
        ]
        .concat(),
    )
}

/// The workspace's tests, by nextest where it is installed.
///
/// Documentation tests come before the others, so that the last words above the summary are the
/// ones people look for: how many tests ran and how many failed.
fn tests() -> Vec<Step> {
    if !succeeds(cargo(["nextest", "--version"])) {
        // Runs the documentation tests too.
        let all = [&["test"], &release(&WORKSPACE)[..], &["--no-fail-fast"]].concat();
        return vec![Step {
            name: "tests",
            command: cargo(all),
        }];
    }
    let mut steps = Vec::new();
    if doctests::exist(&root()) {
        let docs = [&["test", "--doc"], &release(&WORKSPACE)[..]].concat();
        steps.push(Step {
            name: "documentation tests",
            command: cargo(docs),
        });
    }
    let all = [&["nextest", "run"], &release(&WORKSPACE)[..]].concat();
    steps.push(Step {
        name: "tests",
        command: cargo(all),
    });
    steps
}
