//! The real program, run as a person or a script runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod bad_pictures;
mod checkpoints;
mod data;
mod folders;
mod run;
mod training;
mod usage;
mod writing;
