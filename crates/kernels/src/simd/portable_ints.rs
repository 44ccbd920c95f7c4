//! The integer operations in plain Rust: what all others must equal. The longer ones are compiled
//! once instead of into each of their many callers, since no instruction set has to reach them.

use super::ints::{Bytes, Ints, Step, place};
use super::portable::Portable;

#[inline(always)]
fn widened(byte: u8, signed: bool) -> i16 {
    if signed {
        i16::from(byte as i8)
    } else {
        i16::from(byte)
    }
}

/// Products of two 16-bit numbers fit; their sums may wrap.
#[inline(always)]
fn product(a: i16, b: i16) -> i32 {
    i32::from(a) * i32::from(b)
}

impl Ints for Portable {
    type Sums = [i32; 16];
    type Pairs = Step;
    const ROWS: usize = 2;

    #[inline(always)]
    fn no_sums(self) -> [i32; 16] {
        [0; 16]
    }
    #[inline(always)]
    unsafe fn load_step(self, p: *const Step) -> Step {
        // SAFETY: readable by contract.
        unsafe { p.read_unaligned() }
    }
    #[inline(always)]
    unsafe fn add_step(self, mut sums: [i32; 16], w: Step, x: *const [i16; 2]) -> [i32; 16] {
        // SAFETY: readable by contract.
        let x = unsafe { x.read_unaligned() };
        for (sum, w) in sums.iter_mut().zip(w) {
            let pair = product(w[0], x[0]).wrapping_add(product(w[1], x[1]));
            *sum = sum.wrapping_add(pair);
        }
        sums
    }
    #[inline(always)]
    fn add_products(self, mut sums: [i32; 16], w: &[i32; 16], x: i32) -> [i32; 16] {
        for (sum, w) in sums.iter_mut().zip(w) {
            *sum = sum.wrapping_add(w.wrapping_mul(x));
        }
        sums
    }
    #[inline(always)]
    fn times(self, sums: [i32; 16], by: &[f32; 16]) -> [f32; 16] {
        std::array::from_fn(|j| sums[j] as f32 * by[j])
    }
    #[inline(always)]
    fn add_terms(
        self,
        sums: [i32; 16],
        d: &[f32; 16],
        less: &[f32; 16],
        scale: f32,
        out: &mut [f32; 16],
    ) {
        for (j, out) in out.iter_mut().enumerate() {
            *out += (sums[j] as f32 * d[j] - less[j]) * scale;
        }
    }
}

impl Bytes for Portable {
    type Bytes = [u8; 32];
    type Parts = [i32; 2];
    type Scales = [i16; 16];

    #[inline(always)]
    fn prefetch(self, _: *const u8) {}
    #[inline]
    fn widen(self, from: &[[u8; 2]; 8]) -> [f32; 8] {
        from.map(|f| half::f16::from_le_bytes(f).to_f32())
    }

    #[inline(always)]
    fn bytes(self, from: &[u8; 32]) -> [u8; 32] {
        *from
    }
    #[inline]
    fn nibbles(self, from: &[u8; 16]) -> [u8; 32] {
        std::array::from_fn(|i| from[i % 16] >> (4 * (i / 16)) & 15)
    }
    #[inline]
    fn bits(self, bits: u32, value: u8) -> [u8; 32] {
        std::array::from_fn(|i| if bits >> i & 1 == 1 { value } else { 0 })
    }
    #[inline]
    fn field(self, a: [u8; 32], n: u32, mask: u8) -> [u8; 32] {
        a.map(|a| a >> n & mask)
    }
    #[inline]
    fn raise(self, a: [u8; 32], n: u32) -> [u8; 32] {
        a.map(|a| a << n)
    }
    #[inline]
    fn or(self, a: [u8; 32], b: [u8; 32]) -> [u8; 32] {
        std::array::from_fn(|i| a[i] | b[i])
    }
    #[inline]
    fn less(self, a: [u8; 32], b: u8) -> [u8; 32] {
        a.map(|a| a.wrapping_sub(b))
    }

    #[inline(always)]
    fn no_parts(self) -> [i32; 2] {
        [0; 2]
    }
    #[inline(never)]
    fn dot(self, w: [u8; 32], signed: bool, x: &[i16; 32]) -> [i32; 2] {
        let sum = |from: usize| {
            (from..from + 16).fold(0_i32, |sum, i| {
                sum.wrapping_add(product(widened(w[i], signed), x[place(i)]))
            })
        };
        [sum(0), sum(16)]
    }
    #[inline(always)]
    fn add_parts(self, a: [i32; 2], b: [i32; 2]) -> [i32; 2] {
        [a[0].wrapping_add(b[0]), a[1].wrapping_add(b[1])]
    }
    #[inline(always)]
    fn scales(self, scales: &[i16; 16]) -> [i16; 16] {
        *scales
    }
    #[inline(always)]
    fn dot_scaled(
        self,
        w: [u8; 32],
        signed: bool,
        x: &[i16; 32],
        scales: [i16; 16],
        at: [usize; 2],
    ) -> [i32; 2] {
        let [first, other] = self.dot(w, signed, x);
        [
            first.wrapping_mul(i32::from(scales[at[0]])),
            other.wrapping_mul(i32::from(scales[at[1]])),
        ]
    }
    #[inline]
    fn products(self, a: &[i32; 8], b: &[i32; 8]) -> [i32; 2] {
        let sum = |from: usize| {
            (from..from + 4).fold(0_i32, |sum, i| sum.wrapping_add(a[i].wrapping_mul(b[i])))
        };
        [sum(0), sum(4)]
    }
    #[inline(always)]
    fn totals(self, parts: [[i32; 2]; 8]) -> [i32; 8] {
        parts.map(|[a, b]| a.wrapping_add(b))
    }

    #[inline(never)]
    unsafe fn interleave(
        self,
        w: [[u8; 32]; 8],
        signed: bool,
        scales: Option<[&[i16; 8]; 2]>,
        out: *mut [i16; 2],
    ) {
        for step in 0..16 {
            for (column, w) in w.iter().enumerate() {
                // Even places of four values make one step, odd places the step eight later.
                let first = 4 * (step % 8) + step / 8;
                let scale = scales.map_or(1, |s| s[first / 16][column]);
                let value = |i: usize| widened(w[i], signed).wrapping_mul(scale);
                // SAFETY: this column of this step is writable by contract.
                unsafe {
                    out.add(16 * step + column)
                        .write_unaligned([value(first), value(first + 2)]);
                }
            }
        }
    }
}
