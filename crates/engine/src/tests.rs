//! The engine on a model of a few lines: what is computed, in which order, and what is left
//! standing when something goes wrong.

mod failures;
pub(crate) mod fake;
mod remote;
mod reuse;
mod scheduling;
mod streaming;
