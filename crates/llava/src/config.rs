//! config.json of llava-hf checkpoints.

/// The shape of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `max_position_embeddings`: positions a sequence may have.
    pub context: usize,
}
