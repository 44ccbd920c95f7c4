//! The vector operations that every kernel is written in, once, and the instruction sets that
//! supply them. What differs between processors is in this folder and nowhere else.
//!
//! A value of a [`Simd`] type is the proof that the processor has the instruction set, so that
//! arithmetic is safe to call; only what reads or writes through a pointer is not.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_ints;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_ints;
mod element;
mod ints;
mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_ints;
mod portable;
mod portable_ints;

pub(crate) use element::{Bf16, Element, F16, F32};
pub(crate) use ints::{Bytes, Ints, Step, place};
pub(crate) use lanes::{Fold, Map, Map2, add_into, fold, map, map2};

use crate::isa::{Isa, Level};

#[cfg(target_endian = "big")]
compile_error!("weights are little-endian and are read where they lie");

/// Vectors of f32. All operations round to nearest even; none is reordered by the compiler.
pub(crate) trait Simd: Ints {
    /// One vector.
    type V: Copy;
    /// Values in a vector, at most 16.
    const LANES: usize;
    /// Rows of the dot-product tile that fills the registers, at most 6.
    const MR: usize;
    /// Columns of that tile: 2, 3 or 4.
    const NR: usize;
    /// Vectors of output in the tile of the weighted sum: 2 or 4.
    const NV: usize;

    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the processor can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; `b` where `b` is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where `b` is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    fn abs(self, a: Self::V) -> Self::V;
    /// The size of `a` with the sign of `sign`.
    fn copysign(self, a: Self::V, sign: Self::V) -> Self::V;
    /// `yes` where `a < b`, `no` elsewhere.
    fn if_less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// To the nearest whole number, for |a| < 2^22.
    fn round(self, a: Self::V) -> Self::V;
    /// `a * 2^n`, rounded once, for whole n with |n| <= 200 and `a` between 0.5 and 2.
    fn scale2(self, a: Self::V, n: Self::V) -> Self::V;

    /// The sum of the lanes, always in the same order.
    fn sum(self, a: Self::V) -> f32;
    /// [`Simd::sum`] of four vectors, to the bit.
    fn sum4(self, a: [Self::V; 4]) -> [f32; 4];
    /// The largest lane.
    fn max_lane(self, a: Self::V) -> f32;

    /// # Safety
    /// `LANES` floats can be read at `p`, which need not be aligned.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// # Safety
    /// `LANES` floats can be written at `p`, which need not be aligned.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// Widens binary16.
    /// # Safety
    /// `2 * LANES` bytes can be read at `p`.
    unsafe fn load_f16(self, p: *const u8) -> Self::V;
    /// Widens bfloat16.
    /// # Safety
    /// `2 * LANES` bytes can be read at `p`.
    unsafe fn load_bf16(self, p: *const u8) -> Self::V;

    /// The first `n` lanes from memory, zero in the others.
    /// # Safety
    /// `n <= LANES` floats can be read at `p`.
    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, n: usize) -> Self::V {
        let mut lanes = [0.0_f32; 16];
        debug_assert!(n <= Self::LANES && Self::LANES <= 16);
        // SAFETY: `n` floats are readable by contract and fit the array, which holds LANES.
        unsafe {
            p.cast::<u8>()
                .copy_to_nonoverlapping(lanes.as_mut_ptr().cast(), n * 4);
            self.load(lanes.as_ptr())
        }
    }

    /// Writes the first `n` lanes.
    /// # Safety
    /// `n <= LANES` floats can be written at `p`.
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, v: Self::V, n: usize) {
        let mut lanes = [0.0_f32; 16];
        debug_assert!(n <= Self::LANES && Self::LANES <= 16);
        // SAFETY: the array holds LANES; `n` floats are writable by contract.
        unsafe {
            self.store(lanes.as_mut_ptr(), v);
            lanes.as_ptr().copy_to_nonoverlapping(p, n);
        }
    }
}

/// Work that is compiled once for each instruction set. `run` and all that it calls must be
/// `#[inline(always)]`: only code inlined into the entry point is compiled with its features.
pub(crate) trait Kernel {
    /// What the work gives.
    type Out;
    /// Does the work.
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// Runs `kernel` with the instruction set of `level`.
#[inline]
pub(crate) fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Out {
    match level.isa() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Level` exists only for an instruction set that was found.
        Isa::Avx512 => unsafe { avx512::enter(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { avx2::enter(kernel) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above; besides, every 64-bit ARM has it.
        Isa::Neon => unsafe { neon::enter(kernel) },
        _ => kernel.run(portable::Portable),
    }
}

/// Work on the blocks of quantised weights, compiled once for each instruction set that differs
/// there. The rule about inlining is that of [`Kernel`].
pub(crate) trait BlockKernel {
    /// What the work gives.
    type Out;
    /// Does the work.
    fn run<B: Bytes>(self, b: B) -> Self::Out;
}

/// Runs `kernel` with the instruction set of `level`, or with AVX2 where that is AVX-512.
#[inline]
pub(crate) fn dispatch_blocks<K: BlockKernel>(level: Level, kernel: K) -> K::Out {
    match level.isa() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Level` exists only for an instruction set that was found, and AVX-512 is
        // reported only where AVX2, FMA and F16C are.
        Isa::Avx2 | Isa::Avx512 => unsafe { avx2::enter_blocks(kernel) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: every 64-bit ARM has it.
        Isa::Neon => unsafe { neon::enter_blocks(kernel) },
        _ => kernel.run(portable::Portable),
    }
}
