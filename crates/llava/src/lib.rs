//! LLaVA-1.5 (arXiv 2310.03744) on candle: configuration, checkpoint formats, image
//! preprocessing, vision tower, connector, language model, tokenizer, prompt, generation.
//!
//! The crate knows the model and nothing else: no threads of its own, no scheduling, no
//! database. Results equal the Hugging Face reference to rounding (tests/golden).

pub mod boxes;
pub mod cache;
pub mod checkpoint;
pub mod config;
pub mod convert;
pub mod device;
pub mod error;
pub mod generate;
pub mod image;
pub mod model;
pub mod ops;
pub mod prompt;
pub mod tokenizer;
pub mod watch;

mod connector;
mod language;
mod vision;

pub use error::{Error, Result};
pub use model::{ImageFeatures, Input, Model, Step};
pub use tokenizer::Tokenizer;
pub use watch::{Interrupted, Stage, Watch};
