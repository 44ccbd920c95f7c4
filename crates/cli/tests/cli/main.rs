//! The real program, run as a person or a script runs it.

mod bad_pictures;
mod run;
mod usage;
