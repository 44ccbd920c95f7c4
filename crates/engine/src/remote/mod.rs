//! An engine in another process, behind the same handle.
//!
//! The main program never links CUDA: where NVIDIA's driver is missing, a program that does would
//! not even start. A second executable does, and hosts the engine; when the driver takes it down,
//! only the requests in flight are lost. [`crate::host`] is its side.

mod client;
pub(crate) mod frame;

pub(crate) use client::{Link, Remote, Start};
