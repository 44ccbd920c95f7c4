//! How good a model's answers are: questions with known answers, asked through the engine, scored
//! by the published rules, and told in a card.
//!
//! A benchmark is a list of [`Question`]s and a way to get their pictures; what is common to all
//! benchmarks is here. [`score`] knows how an answer is judged, [`summary`] counts, [`ask`] talks
//! to the engine, [`loss`] measures the held-out loss, and [`card`] writes what a person reads.

pub mod ask;
pub mod card;
pub mod loss;
pub mod question;
pub mod run;
pub mod score;
pub mod summary;
pub mod targets;

pub use ask::{Answered, Asker};
pub use question::{Expected, Question};
pub use run::Evaluation;
pub use summary::Summary;

/// Why an evaluation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot {doing} {path}: {error}")]
    File {
        /// What was attempted: `read`, `write`.
        doing: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// A line of a file is not what it should be.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// The file.
        path: std::path::PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A question cannot be asked.
    #[error("question {id}: {reason}")]
    Question {
        /// The question's id.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] visavis_engine::Failure),
    /// The model failed outside the engine.
    #[error(transparent)]
    Model(#[from] visavis_llava::Error),
}

/// What is returned here.
pub type Result<T> = std::result::Result<T, Error>;
