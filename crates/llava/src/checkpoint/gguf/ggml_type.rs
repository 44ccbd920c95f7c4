//! The element types that GGUF files number, with the size of their blocks.

use super::super::StoredType;
use visavis_kernels::DType;

/// An element type of a tensor in a GGUF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GgmlType {
    /// Values in a block.
    pub(super) block_len: usize,
    /// Bytes of a block.
    pub(super) block_bytes: usize,
    pub(super) stored: StoredType,
}

/// The type that files number `id`.
pub(super) fn from_id(id: u32) -> Option<GgmlType> {
    if let Some((_, dtype)) = READ.iter().find(|(number, _)| *number == id) {
        return Some(GgmlType {
            block_len: dtype.block_len(),
            block_bytes: dtype.block_bytes(),
            stored: StoredType::Float(*dtype),
        });
    }
    let known = KNOWN.iter().find(|(number, ..)| *number == id)?;
    Some(GgmlType {
        block_len: known.2,
        block_bytes: known.3,
        stored: StoredType::Other(known.1),
    })
}

/// The number of a type that is read and written.
pub(crate) fn id_of(dtype: DType) -> Option<u32> {
    READ.iter()
        .find(|(_, other)| *other == dtype)
        .map(|(id, _)| *id)
}

const READ: [(u32, DType); 13] = [
    (0, DType::F32),
    (1, DType::F16),
    (2, DType::Q4_0),
    (3, DType::Q4_1),
    (6, DType::Q5_0),
    (7, DType::Q5_1),
    (8, DType::Q8_0),
    (10, DType::Q2K),
    (11, DType::Q3K),
    (12, DType::Q4K),
    (13, DType::Q5K),
    (14, DType::Q6K),
    (30, DType::BF16),
];

/// Types whose size is known, so that a file can be checked and the type named, but not read.
const KNOWN: [(u32, &str, usize, usize); 19] = [
    (9, "Q8_1", 32, 40),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
];
