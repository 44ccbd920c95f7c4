//! How a run shows where it is: a bar on a terminal, a line now and then in a log.

use crate::interrupt::Interrupt;
use crate::text::printable;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};
use visavis_train::run::{Progress, Watch};

/// Between two lines in a log.
const LOG_EVERY: Duration = Duration::from_secs(30);

/// Shows progress on standard error and listens for Ctrl-C.
pub(super) struct Report {
    interrupt: Interrupt,
    quiet: bool,
    bar: Option<ProgressBar>,
    last: Option<Instant>,
}

impl Report {
    /// Chooses by `quiet` and by what standard error is.
    pub(super) fn new(interrupt: Interrupt, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("Step {pos} of {len} {bar:30} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            interrupt,
            quiet,
            bar,
            last: None,
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(text: &str) {
        // Nobody is left to be told when standard error itself is gone.
        let _ = writeln!(std::io::stderr().lock(), "{}", printable(text));
    }
}

impl Watch for Report {
    fn step(&mut self, progress: &Progress) -> bool {
        let says = format!(
            "loss {:.4}, {:.1} conversations/s, about {} left",
            progress.point.loss,
            progress.speed,
            HumanDuration(progress.left)
        );
        if let Some(bar) = &self.bar {
            bar.set_length(progress.steps);
            bar.set_position(progress.point.step);
            bar.set_message(says);
        } else if !self.quiet && self.last.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            self.last = Some(Instant::now());
            Self::line(&format!(
                "step {} of {}: {says}",
                progress.point.step, progress.steps
            ));
        }
        !self.interrupt.pressed()
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| Self::line(text)),
            None if !self.quiet => Self::line(text),
            None => {}
        }
    }
}
