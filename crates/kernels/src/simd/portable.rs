//! Plain Rust in groups of four, which compilers turn into whatever vectors the target has.
//! Multiplication and addition round separately: a fused one in software is very slow.

use half::{bf16, f16};

use super::Simd;

/// Needs nothing of the processor.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

type V4 = [f32; 4];

#[inline(always)]
fn each(a: V4, b: V4, f: impl Fn(f32, f32) -> f32) -> V4 {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Portable {
    type V = V4;
    const LANES: usize = 4;
    const MR: usize = 4;
    const NR: usize = 2;
    const NV: usize = 2;

    #[inline(always)]
    fn splat(self, x: f32) -> V4 {
        [x; 4]
    }
    #[inline(always)]
    fn add(self, a: V4, b: V4) -> V4 {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: V4, b: V4) -> V4 {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: V4, b: V4) -> V4 {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: V4, b: V4) -> V4 {
        each(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: V4, b: V4, c: V4) -> V4 {
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn max(self, a: V4, b: V4) -> V4 {
        each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: V4, b: V4) -> V4 {
        each(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: V4) -> V4 {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn copysign(self, a: V4, sign: V4) -> V4 {
        each(a, sign, f32::copysign)
    }
    #[inline(always)]
    fn if_less(self, a: V4, b: V4, yes: V4, no: V4) -> V4 {
        std::array::from_fn(|i| if a[i] < b[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn round(self, a: V4) -> V4 {
        // 1.5 * 2^23: adding it leaves no bits for a fraction.
        const MAGIC: f32 = 12_582_912.0;
        a.map(|a| (a + MAGIC) - MAGIC)
    }
    #[inline(always)]
    fn scale2(self, a: V4, n: V4) -> V4 {
        each(a, n, |a, n| {
            let n = n as i32;
            let half = n >> 1;
            // Two factors, since 2^n itself may be out of range; only the last product rounds.
            let power = |n: i32| f32::from_bits(((n + 127) as u32) << 23);
            a * power(half) * power(n - half)
        })
    }
    #[inline(always)]
    fn sum(self, a: V4) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }
    #[inline(always)]
    fn sum4(self, a: [V4; 4]) -> [f32; 4] {
        a.map(|a| self.sum(a))
    }
    #[inline(always)]
    fn max_lane(self, a: V4) -> f32 {
        a[0].max(a[2]).max(a[1].max(a[3]))
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> V4 {
        // SAFETY: four floats are readable by contract.
        unsafe { p.cast::<V4>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: V4) {
        // SAFETY: four floats are writable by contract.
        unsafe { p.cast::<V4>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u8) -> V4 {
        // SAFETY: eight bytes are readable by contract.
        let bits = unsafe { p.cast::<[u16; 4]>().read_unaligned() };
        bits.map(|b| f16::from_bits(b).to_f32())
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u8) -> V4 {
        // SAFETY: eight bytes are readable by contract.
        let bits = unsafe { p.cast::<[u16; 4]>().read_unaligned() };
        bits.map(|b| bf16::from_bits(b).to_f32())
    }
}
