//! Weights where they lie: a matrix is a view into shared bytes, never a copy of them.

use std::fmt;
use std::sync::Arc;

use half::{bf16, f16};

use crate::KernelError;

/// Shared bytes that weights lie in: a memory map of a model file, or a `Vec<u8>`.
#[derive(Clone)]
pub struct Storage(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl Storage {
    /// Takes over anything that lends bytes. The bytes must not change while a matrix uses them.
    pub fn new<T: AsRef<[u8]> + Send + Sync + 'static>(bytes: T) -> Self {
        Self(Arc::new(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl From<Arc<dyn AsRef<[u8]> + Send + Sync>> for Storage {
    fn from(bytes: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({} bytes)", self.bytes().len())
    }
}

/// Element type of a stored matrix. All are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
    /// Blocks of 32 values of 4 bits with a scale.
    Q4_0,
    /// Blocks of 32 values of 4 bits with a scale and a minimum.
    Q4_1,
    /// Blocks of 32 values of 5 bits with a scale.
    Q5_0,
    /// Blocks of 32 values of 5 bits with a scale and a minimum.
    Q5_1,
    /// Blocks of 32 values of 8 bits with a scale.
    Q8_0,
    /// Super-blocks of 256 values of 2 bits.
    Q2K,
    /// Super-blocks of 256 values of 3 bits.
    Q3K,
    /// Super-blocks of 256 values of 4 bits.
    Q4K,
    /// Super-blocks of 256 values of 5 bits.
    Q5K,
    /// Super-blocks of 256 values of 6 bits.
    Q6K,
}

impl DType {
    /// Values in one block; 1 for the types that are not quantised.
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes of one block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Whether values share scales in blocks.
    pub const fn is_quantised(self) -> bool {
        self.block_len() > 1
    }

    /// Name as the file formats write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// Widens whole blocks; `src` holds exactly the blocks of `dst.len()` values.
    pub(crate) fn widen(self, src: &[u8], dst: &mut [f32]) {
        match self {
            Self::F32 => {
                for (d, s) in dst.iter_mut().zip(src.as_chunks::<4>().0) {
                    *d = f32::from_le_bytes(*s);
                }
            }
            Self::F16 => {
                for (d, s) in dst.iter_mut().zip(src.as_chunks::<2>().0) {
                    *d = f16::from_le_bytes(*s).to_f32();
                }
            }
            Self::BF16 => {
                for (d, s) in dst.iter_mut().zip(src.as_chunks::<2>().0) {
                    *d = bf16::from_le_bytes(*s).to_f32();
                }
            }
            quantised => crate::quant::widen(quantised, src, dst),
        }
    }
}

/// A row-major matrix (out features, in features) inside a [`Storage`].
#[derive(Debug, Clone)]
pub struct Matrix {
    storage: Storage,
    offset: usize,
    bytes: usize,
    dtype: DType,
    rows: usize,
    cols: usize,
}

impl Matrix {
    /// A view of `rows x cols` values of `dtype` that begin at byte `offset` of `storage`.
    /// The offset may be any number: safetensors data is not aligned.
    ///
    /// # Errors
    /// When the rows are not whole blocks, or the range does not lie inside the storage.
    pub fn new(
        storage: Storage,
        offset: usize,
        dtype: DType,
        rows: usize,
        cols: usize,
    ) -> Result<Self, KernelError> {
        let block = dtype.block_len();
        if !cols.is_multiple_of(block) {
            return Err(KernelError::PartialBlock {
                cols,
                dtype: dtype.name(),
                block,
            });
        }
        let too_large = KernelError::TooLarge { rows, cols };
        let bytes = (cols / block)
            .checked_mul(dtype.block_bytes())
            .and_then(|row| row.checked_mul(rows))
            .filter(|&n| n <= isize::MAX as usize)
            .ok_or(too_large)?;
        let available = storage.bytes().len();
        if offset.checked_add(bytes).is_none_or(|end| end > available) {
            return Err(KernelError::OutOfRange {
                rows,
                cols,
                dtype: dtype.name(),
                offset,
                needed: bytes,
                available,
            });
        }
        Ok(Self {
            storage,
            offset,
            bytes,
            dtype,
            rows,
            cols,
        })
    }

    /// A matrix of its own, from values (rows, cols).
    ///
    /// # Errors
    /// When the number of values is not `rows * cols`.
    pub fn from_f32(values: &[f32], rows: usize, cols: usize) -> Result<Self, KernelError> {
        let expected = rows
            .checked_mul(cols)
            .ok_or(KernelError::TooLarge { rows, cols })?;
        if values.len() != expected {
            let found = values.len();
            return Err(KernelError::SizeMismatch {
                what: "matrix values",
                expected,
                found,
            });
        }
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self::new(Storage::new(bytes), 0, DType::F32, rows, cols)
    }

    /// Output features.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input features.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Bytes that the values take.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    /// Bytes of one row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.cols / self.dtype.block_len() * self.dtype.block_bytes()
    }

    /// The bytes of the values, row after row.
    ///
    /// # Panics
    /// When the storage lends fewer bytes than it did when the matrix was made.
    pub fn data(&self) -> &[u8] {
        // Checked anew on each call: `AsRef` promises nothing about lending the same slice twice,
        // and the kernels read through pointers.
        match self
            .storage
            .bytes()
            .get(self.offset..self.offset + self.bytes)
        {
            Some(bytes) => bytes,
            None => panic!("the bytes under a matrix shrank after it was checked"),
        }
    }

    /// Writes row `row`, widened, to `out` (cols). This is the embedding look-up.
    ///
    /// # Panics
    /// When `row` or the length of `out` does not fit.
    pub fn row_to_f32(&self, row: usize, out: &mut [f32]) {
        assert!(
            row < self.rows,
            "row {row} of a matrix of {} rows",
            self.rows
        );
        assert_eq!(
            out.len(),
            self.cols,
            "a row holds as many values as the matrix has columns"
        );
        let bytes = self.row_bytes();
        self.dtype.widen(&self.data()[row * bytes..][..bytes], out);
    }

    /// All values, widened (rows, cols).
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.rows * self.cols];
        self.dtype.widen(self.data(), &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_reads_its_rows_at_any_offset() {
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            for offset in 0..5 {
                let mut bytes = vec![0xff; offset];
                for v in [1.5_f32, -2.0, 0.0, 4.0, 0.25, -8.0] {
                    match dtype {
                        DType::F32 => bytes.extend(v.to_le_bytes()),
                        DType::F16 => bytes.extend(f16::from_f32(v).to_le_bytes()),
                        _ => bytes.extend(bf16::from_f32(v).to_le_bytes()),
                    }
                }
                let m = Matrix::new(Storage::new(bytes), offset, dtype, 2, 3).unwrap();
                assert_eq!(m.to_f32(), [1.5, -2.0, 0.0, 4.0, 0.25, -8.0]);
                let mut row = [0.0; 3];
                m.row_to_f32(1, &mut row);
                assert_eq!(row, [4.0, 0.25, -8.0]);
            }
        }
    }

    #[test]
    fn a_matrix_outside_its_storage_is_refused() {
        let new = |offset, rows, cols| {
            Matrix::new(Storage::new(vec![0_u8; 24]), offset, DType::F32, rows, cols)
        };
        assert!(new(0, 2, 3).is_ok());
        assert!(new(24, 0, 3).is_ok());
        let cut_short = new(1, 2, 3).unwrap_err();
        assert!(matches!(
            cut_short,
            KernelError::OutOfRange {
                needed: 24,
                available: 24,
                ..
            }
        ));
        assert!(cut_short.to_string().contains("cut short"), "{cut_short}");
        assert!(matches!(
            new(usize::MAX, 1, 1),
            Err(KernelError::OutOfRange { .. })
        ));
        assert!(matches!(
            new(0, usize::MAX, 2),
            Err(KernelError::TooLarge { .. })
        ));
        assert!(matches!(
            new(0, 1 << 31, 1 << 31),
            Err(KernelError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_matrix_of_values_needs_all_of_them() {
        assert_eq!(
            Matrix::from_f32(&[1.0, 2.0], 1, 2).unwrap().to_f32(),
            [1.0, 2.0]
        );
        assert!(matches!(
            Matrix::from_f32(&[1.0], 1, 2),
            Err(KernelError::SizeMismatch {
                expected: 2,
                found: 1,
                ..
            })
        ));
    }

    #[test]
    #[should_panic(expected = "shrank")]
    fn storage_that_shrinks_is_noticed() {
        use std::sync::atomic::{AtomicBool, Ordering};
        struct Shrinking(AtomicBool);
        impl AsRef<[u8]> for Shrinking {
            fn as_ref(&self) -> &[u8] {
                if self.0.swap(true, Ordering::Relaxed) {
                    &[]
                } else {
                    &[0; 8]
                }
            }
        }
        let storage = Storage::new(Shrinking(AtomicBool::new(false)));
        Matrix::new(storage, 0, DType::F32, 1, 2).unwrap().to_f32();
    }
}
