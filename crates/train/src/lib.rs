//! Training LLaVA-1.5: the data it learns from and the two stages that teach it.

pub mod batch;
pub mod conversation;
pub mod error;
pub mod labels;
pub mod ops;

pub use error::{Error, Result};
