//! What long work tells a person who waits: a bar on a terminal, a line every ten seconds in a
//! log, nothing with `--quiet`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use visavis_llava::Stage;

/// Between two lines in a log.
const LOG_EVERY: Duration = Duration::from_secs(10);

enum Sink {
    Silent,
    Bar {
        bar: ProgressBar,
        /// What the bar says now, and whether it knows how much there is.
        says: Mutex<(&'static str, bool)>,
    },
    Lines {
        last: Mutex<Instant>,
    },
}

/// Shows progress on standard error. Shared by threads.
pub(crate) struct Progress {
    sink: Sink,
}

impl Progress {
    /// Chooses by `quiet` and by what standard error is.
    pub(crate) fn new(quiet: bool) -> Self {
        let sink = if quiet {
            Sink::Silent
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            Sink::Bar {
                bar,
                says: Mutex::default(),
            }
        } else {
            Sink::Lines {
                last: Mutex::new(Instant::now()),
            }
        };
        Self { sink }
    }

    /// Where one piece of work is.
    pub(crate) fn stage(&self, stage: Stage, done: u64, total: u64) {
        let what = match stage {
            Stage::Loading => "Loading the model",
            Stage::Seeing => "Looking at the picture",
            Stage::Reading => "Reading the question",
            Stage::Writing => "Writing",
            Stage::Converting => "Converting the model",
        };
        // The length of an answer is not known before it ends: its bar would lie.
        let total = if stage == Stage::Writing { 0 } else { total };
        self.show(what, done, total);
    }

    /// How many pictures are finished.
    pub(crate) fn pictures(&self, done: u64, total: u64) {
        self.show("Pictures", done, total);
    }

    /// How many questions of an evaluation are done.
    pub(crate) fn questions(&self, what: &'static str, done: u64, total: u64) {
        self.show(what, done, total);
    }

    fn show(&self, what: &'static str, done: u64, total: u64) {
        match &self.sink {
            Sink::Silent => {}
            Sink::Bar { bar, says } => {
                let Ok(mut says) = says.lock() else { return };
                // Every change of style or message draws the bar anew: only when it must.
                if *says != (what, total > 0) {
                    *says = (what, total > 0);
                    bar.set_style(style(if total > 0 {
                        "{msg} {bar:30} {percent}%"
                    } else {
                        "{spinner} {msg}"
                    }));
                    bar.set_message(what);
                }
                if bar.length() != Some(total) {
                    bar.set_length(total);
                }
                bar.set_position(done);
            }
            Sink::Lines { last } => {
                let Ok(mut last) = last.lock() else { return };
                if last.elapsed() >= LOG_EVERY {
                    *last = Instant::now();
                    say(&line(what, done, total));
                }
            }
        }
    }

    /// A message for the person, above the bar; not shown with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        match &self.sink {
            Sink::Silent => {}
            Sink::Bar { bar, .. } => bar.suspend(|| say(text)),
            Sink::Lines { .. } => say(text),
        }
    }

    /// A failure: shown also with `--quiet`.
    pub(crate) fn warn(&self, text: &str) {
        match &self.sink {
            Sink::Bar { bar, .. } => bar.suspend(|| say(text)),
            _ => say(text),
        }
    }

    /// Runs `write` with the bar out of the way of standard output.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.sink {
            Sink::Bar { bar, .. } => bar.suspend(write),
            _ => write(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Sink::Bar { bar, .. } = &self.sink {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn line(what: &str, done: u64, total: u64) -> String {
    match (done.saturating_mul(100)).checked_div(total) {
        Some(percent) => format!("{what}: {percent}%"),
        None => format!("{what}: {done}"),
    }
}

fn say(text: &str) {
    // Nobody is left to be told when standard error itself is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_or_how_much() {
        assert_eq!(line("Loading the model", 1, 4), "Loading the model: 25%");
        assert_eq!(line("Writing", 12, 0), "Writing: 12");
    }
}
