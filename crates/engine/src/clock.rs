//! Time as a value that tests can set.

use std::time::{Duration, Instant};

/// Tells how long the engine has been running. Monotonic: a person who changes the time of day
/// changes nothing here.
pub(crate) trait Clock: Send + Sync {
    /// Time since the clock was made.
    fn now(&self) -> Duration;
}

/// The system's monotonic clock.
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    /// Starts at zero.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
