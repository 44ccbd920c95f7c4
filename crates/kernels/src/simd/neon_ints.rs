//! The integer operations on 64-bit ARM.

use std::arch::aarch64::*;
use std::arch::asm;

use super::Simd;
use super::ints::{Bytes, Ints, Step};
use super::neon::Neon;

type Half = uint8x16_t;

/// The bytes at even places, and those at odd places, as 16-bit numbers.
#[inline(always)]
fn words(w: Half, signed: bool, _proof: Neon) -> [int16x8_t; 2] {
    // SAFETY: the proof.
    unsafe {
        if signed {
            let w = vreinterpretq_s16_u8(w);
            let even = vshrq_n_s16::<8>(vshlq_n_s16::<8>(w));
            [even, vshrq_n_s16::<8>(w)]
        } else {
            let w = vreinterpretq_u16_u8(w);
            let even = vandq_u16(w, vdupq_n_u16(0xff));
            let odd = vshrq_n_u16::<8>(w);
            [vreinterpretq_s16_u16(even), vreinterpretq_s16_u16(odd)]
        }
    }
}

/// Vector p of the result holds the p-th 32 bits of each of the four.
#[inline(always)]
fn transpose(w: [Half; 4], _proof: Neon) -> [Half; 4] {
    // SAFETY: the proof.
    unsafe {
        let [w0, w1] = [vreinterpretq_u32_u8(w[0]), vreinterpretq_u32_u8(w[1])];
        let [w2, w3] = [vreinterpretq_u32_u8(w[2]), vreinterpretq_u32_u8(w[3])];
        let even = [vtrn1q_u32(w0, w1), vtrn1q_u32(w2, w3)];
        let odd = [vtrn2q_u32(w0, w1), vtrn2q_u32(w2, w3)];
        let mut out = w;
        for (i, pair) in [even, odd].into_iter().enumerate() {
            let (a, b) = (
                vreinterpretq_u64_u32(pair[0]),
                vreinterpretq_u64_u32(pair[1]),
            );
            out[i] = vreinterpretq_u8_u64(vtrn1q_u64(a, b));
            out[i + 2] = vreinterpretq_u8_u64(vtrn2q_u64(a, b));
        }
        out
    }
}

impl Ints for Neon {
    type Sums = [int32x4_t; 4];
    /// The first value of k for eight columns and eight more, then the second.
    type Pairs = [int16x8_t; 4];
    // 24 sums, 4 weights and an activation of 32 registers.
    const ROWS: usize = 6;

    // SAFETY (every block without its own line): a value of `Neon` exists only inside `enter`.
    #[inline(always)]
    fn no_sums(self) -> [int32x4_t; 4] {
        // SAFETY: see above.
        unsafe { [vdupq_n_s32(0); 4] }
    }
    #[inline(always)]
    unsafe fn load_step(self, p: *const Step) -> [int16x8_t; 4] {
        let p = p.cast::<i16>();
        // SAFETY: 32 values are readable by contract.
        unsafe {
            let (a, b) = (vld1q_s16(p), vld1q_s16(p.add(8)));
            let (c, d) = (vld1q_s16(p.add(16)), vld1q_s16(p.add(24)));
            [
                vuzp1q_s16(a, b),
                vuzp1q_s16(c, d),
                vuzp2q_s16(a, b),
                vuzp2q_s16(c, d),
            ]
        }
    }
    #[inline(always)]
    unsafe fn add_step(
        self,
        mut sums: [int32x4_t; 4],
        w: [int16x8_t; 4],
        x: *const [i16; 2],
    ) -> [int32x4_t; 4] {
        // SAFETY: two values are readable by contract.
        unsafe {
            let x = vreinterpret_s16_s32(vdup_n_s32(x.cast::<i32>().read_unaligned()));
            for h in 0..2 {
                let (low, high) = (sums[2 * h], sums[2 * h + 1]);
                let low = vmlal_lane_s16::<0>(low, vget_low_s16(w[h]), x);
                let high = vmlal_high_lane_s16::<0>(high, w[h], x);
                sums[2 * h] = vmlal_lane_s16::<1>(low, vget_low_s16(w[h + 2]), x);
                sums[2 * h + 1] = vmlal_high_lane_s16::<1>(high, w[h + 2], x);
            }
        }
        sums
    }
    #[inline(always)]
    fn add_products(self, mut sums: [int32x4_t; 4], w: &[i32; 16], x: i32) -> [int32x4_t; 4] {
        for (sum, w) in sums.iter_mut().zip(w.as_chunks::<4>().0) {
            // SAFETY: see above; the chunk holds a vector.
            unsafe { *sum = vmlaq_n_s32(*sum, vld1q_s32(w.as_ptr()), x) };
        }
        sums
    }
    #[inline(always)]
    fn times(self, sums: [int32x4_t; 4], by: &[f32; 16]) -> [f32; 16] {
        let mut out = [0.0; 16];
        for (h, sums) in sums.into_iter().enumerate() {
            // SAFETY: see above; both arrays hold four vectors.
            unsafe {
                let by = vld1q_f32(by.as_ptr().add(4 * h));
                vst1q_f32(
                    out.as_mut_ptr().add(4 * h),
                    vmulq_f32(vcvtq_f32_s32(sums), by),
                );
            }
        }
        out
    }
    #[inline(always)]
    fn add_terms(
        self,
        sums: [int32x4_t; 4],
        d: &[f32; 16],
        less: &[f32; 16],
        scale: f32,
        out: &mut [f32; 16],
    ) {
        for (h, sums) in sums.into_iter().enumerate() {
            // SAFETY: see above; the arrays hold four vectors.
            unsafe {
                let (d, less) = (
                    vld1q_f32(d.as_ptr().add(4 * h)),
                    vld1q_f32(less.as_ptr().add(4 * h)),
                );
                let term = vsubq_f32(vmulq_f32(vcvtq_f32_s32(sums), d), less);
                let out = out.as_mut_ptr().add(4 * h);
                vst1q_f32(out, vaddq_f32(vld1q_f32(out), vmulq_n_f32(term, scale)));
            }
        }
    }
}

impl Bytes for Neon {
    type Bytes = [Half; 2];
    type Parts = [int32x4_t; 2];
    type Scales = [i16; 16];

    // SAFETY (every block without its own line): a value of `Neon` exists only inside `enter`.
    #[inline(always)]
    fn prefetch(self, p: *const u8) {
        // SAFETY: a request for any address is harmless. (Its intrinsic is not stable.)
        unsafe {
            asm!("prfm pldl1keep, [{0}]", in(reg) p, options(nostack, preserves_flags, readonly));
        }
    }
    #[inline(always)]
    fn widen(self, from: &[[u8; 2]; 8]) -> [f32; 8] {
        let mut out = [0.0; 8];
        // SAFETY: see above; both arrays hold eight values.
        unsafe {
            for at in [0, 4] {
                let wide = self.load_f16(from.as_ptr().add(at).cast());
                self.store(out.as_mut_ptr().add(at), wide);
            }
        }
        out
    }

    #[inline(always)]
    fn bytes(self, from: &[u8; 32]) -> [Half; 2] {
        // SAFETY: see above; the array holds two vectors.
        unsafe { [vld1q_u8(from.as_ptr()), vld1q_u8(from.as_ptr().add(16))] }
    }
    #[inline(always)]
    fn nibbles(self, from: &[u8; 16]) -> [Half; 2] {
        // SAFETY: see above; the array holds a vector.
        unsafe {
            let both = vld1q_u8(from.as_ptr());
            [vandq_u8(both, vdupq_n_u8(15)), vshrq_n_u8::<4>(both)]
        }
    }
    #[inline(always)]
    fn bits(self, bits: u32, value: u8) -> [Half; 2] {
        const OWN: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        let bytes = bits.to_le_bytes();
        // SAFETY: see above; the array holds a vector.
        unsafe {
            let own = vld1q_u8(OWN.as_ptr());
            let mut out = [own; 2];
            for (h, out) in out.iter_mut().enumerate() {
                let (low, high) = (vdup_n_u8(bytes[2 * h]), vdup_n_u8(bytes[2 * h + 1]));
                let set = vtstq_u8(vcombine_u8(low, high), own);
                *out = vandq_u8(set, vdupq_n_u8(value));
            }
            out
        }
    }
    #[inline(always)]
    fn field(self, a: [Half; 2], n: u32, mask: u8) -> [Half; 2] {
        // SAFETY: see above. A shift to the left by a negative number is one to the right.
        unsafe {
            let (n, mask) = (vdupq_n_s8(-(n as i8)), vdupq_n_u8(mask));
            [
                vandq_u8(vshlq_u8(a[0], n), mask),
                vandq_u8(vshlq_u8(a[1], n), mask),
            ]
        }
    }
    #[inline(always)]
    fn raise(self, a: [Half; 2], n: u32) -> [Half; 2] {
        // SAFETY: see above.
        unsafe {
            let n = vdupq_n_s8(n as i8);
            [vshlq_u8(a[0], n), vshlq_u8(a[1], n)]
        }
    }
    #[inline(always)]
    fn or(self, a: [Half; 2], b: [Half; 2]) -> [Half; 2] {
        // SAFETY: see above.
        unsafe { [vorrq_u8(a[0], b[0]), vorrq_u8(a[1], b[1])] }
    }
    #[inline(always)]
    fn less(self, a: [Half; 2], b: u8) -> [Half; 2] {
        // SAFETY: see above.
        unsafe {
            let b = vdupq_n_u8(b);
            [vsubq_u8(a[0], b), vsubq_u8(a[1], b)]
        }
    }

    #[inline(always)]
    fn no_parts(self) -> [int32x4_t; 2] {
        // SAFETY: see above.
        unsafe { [vdupq_n_s32(0); 2] }
    }
    #[inline(always)]
    fn dot(self, w: [Half; 2], signed: bool, x: &[i16; 32]) -> [int32x4_t; 2] {
        let mut parts = self.no_parts();
        for (h, part) in parts.iter_mut().enumerate() {
            let [even, odd] = words(w[h], signed, self);
            // SAFETY: see above; even places come first among the 32 activations.
            unsafe {
                let x_even = vld1q_s16(x.as_ptr().add(8 * h));
                let x_odd = vld1q_s16(x.as_ptr().add(16 + 8 * h));
                let sum = vmull_s16(vget_low_s16(even), vget_low_s16(x_even));
                let sum = vmlal_high_s16(sum, even, x_even);
                let sum = vmlal_s16(sum, vget_low_s16(odd), vget_low_s16(x_odd));
                *part = vmlal_high_s16(sum, odd, x_odd);
            }
        }
        parts
    }
    #[inline(always)]
    fn add_parts(self, a: [int32x4_t; 2], b: [int32x4_t; 2]) -> [int32x4_t; 2] {
        // SAFETY: see above.
        unsafe { [vaddq_s32(a[0], b[0]), vaddq_s32(a[1], b[1])] }
    }
    #[inline(always)]
    fn scales(self, scales: &[i16; 16]) -> [i16; 16] {
        *scales
    }
    #[inline(always)]
    fn dot_scaled(
        self,
        w: [Half; 2],
        signed: bool,
        x: &[i16; 32],
        scales: [i16; 16],
        at: [usize; 2],
    ) -> [int32x4_t; 2] {
        let [first, other] = self.dot(w, signed, x);
        // SAFETY: see above.
        unsafe {
            [
                vmulq_n_s32(first, i32::from(scales[at[0]])),
                vmulq_n_s32(other, i32::from(scales[at[1]])),
            ]
        }
    }
    #[inline(always)]
    fn products(self, a: &[i32; 8], b: &[i32; 8]) -> [int32x4_t; 2] {
        let (a, b) = (a.as_ptr(), b.as_ptr());
        // SAFETY: see above; both arrays hold two vectors.
        unsafe {
            [
                vmulq_s32(vld1q_s32(a), vld1q_s32(b)),
                vmulq_s32(vld1q_s32(a.add(4)), vld1q_s32(b.add(4))),
            ]
        }
    }
    #[inline(always)]
    fn totals(self, parts: [[int32x4_t; 2]; 8]) -> [i32; 8] {
        let mut out = [0; 8];
        // SAFETY: see above; the array holds two vectors.
        unsafe {
            let mut p = [parts[0][0]; 8];
            for (p, part) in p.iter_mut().zip(parts) {
                *p = vaddq_s32(part[0], part[1]);
            }
            let low = vpaddq_s32(vpaddq_s32(p[0], p[1]), vpaddq_s32(p[2], p[3]));
            let high = vpaddq_s32(vpaddq_s32(p[4], p[5]), vpaddq_s32(p[6], p[7]));
            vst1q_s32(out.as_mut_ptr(), low);
            vst1q_s32(out.as_mut_ptr().add(4), high);
        }
        out
    }

    #[inline(always)]
    unsafe fn interleave(
        self,
        w: [[Half; 2]; 8],
        signed: bool,
        scales: Option<[&[i16; 8]; 2]>,
        out: *mut [i16; 2],
    ) {
        for h in 0..2 {
            for four in [0, 4] {
                let columns = transpose(
                    [w[four][h], w[four + 1][h], w[four + 2][h], w[four + 3][h]],
                    self,
                );
                for (p, &column) in columns.iter().enumerate() {
                    let [mut even, mut odd] = words(column, signed, self);
                    // SAFETY: see above; eight pairs are writable in each of sixteen steps by
                    // contract, and a scale is there for each column.
                    unsafe {
                        if let Some(scales) = scales {
                            let scale = vld1_s16(scales[h].as_ptr().add(four));
                            // Each column's scale in both halves of its pair.
                            let scale =
                                vcombine_s16(vzip1_s16(scale, scale), vzip2_s16(scale, scale));
                            even = vmulq_s16(even, scale);
                            odd = vmulq_s16(odd, scale);
                        }
                        let step = 4 * h + p;
                        vst1q_s16(out.add(16 * step + four).cast(), even);
                        vst1q_s16(out.add(16 * (step + 8) + four).cast(), odd);
                    }
                }
            }
        }
    }
}
