//! Training LLaVA-1.5: the data it learns from and the two stages that teach it.

pub mod adapter;
pub mod batch;
pub mod conversation;
pub mod curve;
pub mod data;
pub mod demo;
pub mod error;
pub mod fresh;
pub mod labels;
pub mod learner;
pub mod ops;
pub mod optimiser;
pub mod order;
pub mod publish;
pub mod run;
pub mod scenes;
pub mod schedule;
pub mod settings;
pub mod source;
pub mod state;
pub mod vocabulary;

pub use error::{Error, Result};
