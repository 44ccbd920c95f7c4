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
    Bar(ProgressBar),
    Lines { last: Mutex<Instant> },
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
            bar.set_style(style("{spinner} {msg}"));
            Sink::Bar(bar)
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

    fn show(&self, what: &'static str, done: u64, total: u64) {
        match &self.sink {
            Sink::Silent => {}
            Sink::Bar(bar) => {
                let known = total > 0;
                bar.set_style(style(if known {
                    "{msg} {wide_bar} {percent}%"
                } else {
                    "{spinner} {msg}"
                }));
                bar.set_length(total);
                bar.set_position(done.min(total));
                bar.set_message(what);
                bar.tick();
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
            Sink::Bar(bar) => bar.suspend(|| say(text)),
            Sink::Lines { .. } => say(text),
        }
    }

    /// A failure: shown also with `--quiet`.
    pub(crate) fn warn(&self, text: &str) {
        match &self.sink {
            Sink::Bar(bar) => bar.suspend(|| say(text)),
            _ => say(text),
        }
    }

    /// Runs `write` with the bar out of the way of standard output.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.sink {
            Sink::Bar(bar) => bar.suspend(write),
            _ => write(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Sink::Bar(bar) = &self.sink {
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
