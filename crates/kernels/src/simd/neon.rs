//! 64-bit ARM.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{BlockKernel, Kernel, Simd};

/// Proof of NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

/// # Safety
/// The processor has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn enter<K: Kernel>(kernel: K) -> K::Out {
    kernel.run(Neon(()))
}

/// # Safety
/// The processor has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn enter_blocks<K: BlockKernel>(kernel: K) -> K::Out {
    kernel.run(Neon(()))
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    // 24 accumulators and 4 weights of 32 registers.
    const MR: usize = 6;
    const NR: usize = 4;
    const NV: usize = 4;

    // SAFETY (every block without its own line): a value of `Neon` exists only inside `enter`.
    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // A comparison, not vmaxq: NaN must follow the same rule as on other processors.
        // SAFETY: see above.
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }
    #[inline(always)]
    fn abs(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vabsq_f32(a) }
    }
    #[inline(always)]
    fn copysign(self, a: float32x4_t, sign: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vbslq_f32(vdupq_n_u32(0x8000_0000), sign, a) }
    }
    #[inline(always)]
    fn if_less(
        self,
        a: float32x4_t,
        b: float32x4_t,
        yes: float32x4_t,
        no: float32x4_t,
    ) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vbslq_f32(vcltq_f32(a, b), yes, no) }
    }
    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: see above.
        unsafe { vrndnq_f32(a) }
    }
    #[inline(always)]
    fn scale2(self, a: float32x4_t, n: float32x4_t) -> float32x4_t {
        // SAFETY: see above. Two factors, since 2^n itself may be out of range.
        unsafe {
            let n = vcvtq_s32_f32(n);
            let half = vshrq_n_s32::<1>(n);
            let bias = vdupq_n_s32(127);
            let low = vshlq_n_s32::<23>(vaddq_s32(half, bias));
            let high = vshlq_n_s32::<23>(vaddq_s32(vsubq_s32(n, half), bias));
            let a = vmulq_f32(a, vreinterpretq_f32_s32(low));
            vmulq_f32(a, vreinterpretq_f32_s32(high))
        }
    }
    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        // SAFETY: see above. Pairwise: (0 + 1) + (2 + 3).
        unsafe { vaddvq_f32(a) }
    }
    #[inline(always)]
    fn sum4(self, a: [float32x4_t; 4]) -> [f32; 4] {
        // SAFETY: see above. Pairwise, as `vaddvq` adds.
        unsafe {
            let sums = vpaddq_f32(vpaddq_f32(a[0], a[1]), vpaddq_f32(a[2], a[3]));
            let mut out = [0.0; 4];
            vst1q_f32(out.as_mut_ptr(), sums);
            out
        }
    }
    #[inline(always)]
    fn max_lane(self, a: float32x4_t) -> f32 {
        // SAFETY: see above.
        unsafe { vmaxnmvq_f32(a) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: readable by contract.
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: writable by contract.
        unsafe { vst1q_f32(p, v) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u8) -> float32x4_t {
        let wide: float32x4_t;
        // SAFETY: eight bytes are readable by contract; the instruction is part of base NEON and
        // touches registers only. (Its intrinsic is not stable.)
        unsafe {
            let narrow = vld1_u16(p.cast());
            asm!("fcvtl {0:v}.4s, {1:v}.4h", out(vreg) wide, in(vreg) narrow,
                options(pure, nomem, nostack, preserves_flags));
        }
        wide
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u8) -> float32x4_t {
        // SAFETY: eight bytes are readable by contract.
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(p.cast()))) }
    }
}
