//! The engine on a model of a few lines: what is computed, in which order, and what is left
//! standing when something goes wrong.

pub(crate) mod asking;
mod failures;
mod fake;
mod remote;
mod reuse;
mod scheduling;
mod streaming;
