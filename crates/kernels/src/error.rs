//! What can be wrong with a weight or a setting, said so that the loader can name the file at fault.

/// An error of the kernels. None of these arises from pixel or token values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// The bytes that a matrix claims do not lie inside its storage.
    #[error(
        "a {rows} x {cols} {dtype} matrix needs {needed} bytes at offset {offset}, but the data ends at {available}; the model file is cut short or damaged, fetch it again"
    )]
    OutOfRange {
        /// Output features.
        rows: usize,
        /// Input features.
        cols: usize,
        /// Name of the element type.
        dtype: &'static str,
        /// Byte offset at which the matrix claims to begin.
        offset: usize,
        /// Bytes that the matrix takes.
        needed: usize,
        /// Length of the storage in bytes.
        available: usize,
    },
    /// The size of the matrix does not fit in memory addresses.
    #[error(
        "a {rows} x {cols} matrix is larger than this machine can address; the model file is damaged, fetch it again"
    )]
    TooLarge {
        /// Output features.
        rows: usize,
        /// Input features.
        cols: usize,
    },
    /// A row does not consist of whole blocks of its element type.
    #[error(
        "rows of {cols} values do not divide into {dtype} blocks of {block}; the model file is damaged or of a kind that this version does not read"
    )]
    PartialBlock {
        /// Input features.
        cols: usize,
        /// Name of the element type.
        dtype: &'static str,
        /// Values in one block.
        block: usize,
    },
    /// A size differs from the one that its partner has.
    #[error(
        "{what}: expected {expected} values, found {found}; the parts of this model do not belong together"
    )]
    SizeMismatch {
        /// Which operand.
        what: &'static str,
        /// The length that fits.
        expected: usize,
        /// The length that came.
        found: usize,
    },
    /// Weights of this type can be read but not written.
    #[error("weights cannot be written as {0}; choose Q8_0, Q4_K, Q6_K, Q4_0, F16 or F32")]
    NoEncoder(&'static str),
    /// A position lies past the end of the rotary table.
    #[error(
        "position {position} lies past the {limit} positions that this model knows; shorten the conversation"
    )]
    PositionOutOfRange {
        /// The position asked for.
        position: u32,
        /// Number of positions in the table.
        limit: usize,
    },
    /// The instruction set asked for does not exist on this machine.
    #[error("this processor does not have {0}; choose one that `visavis devices` lists")]
    IsaUnavailable(&'static str),
    /// The worker threads could not be started.
    #[error(
        "could not start the worker threads ({0}); close other programs or ask for fewer threads"
    )]
    Threads(String),
}
