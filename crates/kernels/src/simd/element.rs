//! Stored number types that widen to f32 exactly, so that it makes no difference to the bits
//! whether a kernel widens them in registers or reads a panel widened before.

use super::Simd;

/// A stored number type.
pub(crate) trait Element: Copy + Send + Sync {
    /// The bytes of one value: a type without alignment, since weights lie at any offset.
    type Bytes: Copy;

    /// # Safety
    /// `S::LANES` values can be read at `p`.
    unsafe fn load<S: Simd>(s: S, p: *const Self::Bytes) -> S::V;

    /// The first `n` lanes from memory, zero in the others.
    /// # Safety
    /// `n <= S::LANES` values can be read at `p`.
    #[inline(always)]
    unsafe fn load_part<S: Simd>(s: S, p: *const Self::Bytes, n: usize) -> S::V {
        let mut lanes = [0_u8; 64];
        debug_assert!(n <= S::LANES && S::LANES * size_of::<Self::Bytes>() <= 64);
        // SAFETY: `n` values are readable by contract and fit the array, which holds LANES.
        unsafe {
            p.copy_to_nonoverlapping(lanes.as_mut_ptr().cast(), n);
            Self::load(s, lanes.as_ptr().cast())
        }
    }
}

/// IEEE 754 binary32.
#[derive(Clone, Copy)]
pub(crate) struct F32;
/// IEEE 754 binary16.
#[derive(Clone, Copy)]
pub(crate) struct F16;
/// The upper half of a binary32.
#[derive(Clone, Copy)]
pub(crate) struct Bf16;

impl Element for F32 {
    type Bytes = [u8; 4];
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self::Bytes) -> S::V {
        // SAFETY: by contract; `Simd::load` asks for no alignment.
        unsafe { s.load(p.cast()) }
    }
}

impl Element for F16 {
    type Bytes = [u8; 2];
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self::Bytes) -> S::V {
        // SAFETY: by contract.
        unsafe { s.load_f16(p.cast()) }
    }
}

impl Element for Bf16 {
    type Bytes = [u8; 2];
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self::Bytes) -> S::V {
        // SAFETY: by contract.
        unsafe { s.load_bf16(p.cast()) }
    }
}
