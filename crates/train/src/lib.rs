//! Training LLaVA-1.5: the data it learns from and the two stages that teach it.

pub mod batch;
pub mod conversation;
pub mod error;
pub mod fresh;
pub mod labels;
pub mod learner;
pub mod optimiser;
pub mod order;
pub mod publish;
pub mod schedule;
pub mod vocabulary;
pub mod ops;

pub use error::{Error, Result};
