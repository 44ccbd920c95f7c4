//! The real program, run as a person or a script runs it.

mod answers;
mod bad_pictures;
mod checkpoints;
mod folders;
mod run;
mod usage;
