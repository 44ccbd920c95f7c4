//! How a command ends: the exit statuses of the contract, and the errors a person reads.

use crate::text::printable;
use std::io::Write;
use visavis_engine::FailureCode;

/// A command that did what it was asked, or was stopped on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was done.
    Done,
    /// The results are printed, but some parts failed.
    PartlyFailed,
    /// Ctrl-C; what was complete is printed.
    Interrupted,
}

impl Outcome {
    /// The exit status.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::PartlyFailed => 1,
            Self::Interrupted => 130,
        }
    }
}

/// What kind of end a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failed,
    Usage,
    Interrupted,
}

/// Why a command failed: one line, then hints that name a next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hints: Vec<String>,
}

impl Failure {
    /// A failure with exit status 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Failed,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Wrong usage that only shows when options are seen together: exit status 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            ..Self::new(message)
        }
    }

    /// Ctrl-C before there was a result: exit status 130.
    pub(crate) fn interrupted() -> Self {
        Self {
            kind: Kind::Interrupted,
            ..Self::new("interrupted")
        }
    }

    /// Adds a next step.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The message alone, as one line.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Interrupted => 130,
        }
    }

    /// Writes `error: ...` and the hints to standard error.
    pub(crate) fn print(&self) {
        let mut text = match self.kind {
            Kind::Interrupted => format!("{}\n", printable(&self.message)),
            _ => format!("error: {}\n", printable(&self.message)),
        };
        for hint in &self.hints {
            text.push_str(&format!("hint: {}\n", printable(hint)));
        }
        // Nobody is left to be told when standard error itself is gone.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

impl From<visavis_engine::Failure> for Failure {
    fn from(failure: visavis_engine::Failure) -> Self {
        let code = failure.code;
        let said = Self::new(failure.message);
        match code {
            FailureCode::Cancelled => Self::interrupted(),
            FailureCode::Device => {
                said.hint("`visavis devices` lists what is there; `--device cpu` always works")
            }
            FailureCode::BadModel => said.hint(
                "`visavis inspect PATH` tells what a checkpoint holds and what is wrong with it",
            ),
            FailureCode::Crashed | FailureCode::Gone => {
                said.hint("run the command again with -v to see where, and report it")
            }
            _ => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_the_contracts() {
        assert_eq!(Outcome::Done.status(), 0);
        assert_eq!(Outcome::PartlyFailed.status(), 1);
        assert_eq!(Outcome::Interrupted.status(), 130);
        assert_eq!(Failure::new("x").status(), 1);
        assert_eq!(Failure::usage("x").status(), 2);
        assert_eq!(Failure::interrupted().status(), 130);
    }

    #[test]
    fn a_cancelled_request_is_an_interruption() {
        let failure = visavis_engine::Failure {
            code: FailureCode::Cancelled,
            message: "cancelled".to_owned(),
        };
        assert_eq!(Failure::from(failure).status(), 130);
    }
}
