//! Super-blocks of 256 values ("K-quants"): scales of 16 or 32 values, themselves quantised.

use super::{Block, SUPER, scale};

/// 2 bits, 16 sub-blocks of 16, `(d * scale) * q - dmin * min`.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Q2K {
    /// Scale in the low, minimum in the high half.
    pub(crate) scales: [u8; 16],
    pub(crate) q: [u8; 64],
    pub(crate) d: [u8; 2],
    pub(crate) dmin: [u8; 2],
}

/// 3 bits, 16 sub-blocks of 16, `(d * (scale - 32)) * (q - 4)`.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Q3K {
    /// Third bits: bit b of byte i belongs to value 32 b + i.
    pub(crate) high: [u8; 32],
    pub(crate) q: [u8; 64],
    pub(crate) scales: [u8; 12],
    pub(crate) d: [u8; 2],
}

/// 4 bits, 8 sub-blocks of 32, `(d * scale) * q - dmin * min`.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Q4K {
    pub(crate) d: [u8; 2],
    pub(crate) dmin: [u8; 2],
    pub(crate) scales: [u8; 12],
    /// Each 32 bytes hold two sub-blocks, in their low and in their high halves.
    pub(crate) q: [u8; 128],
}

/// 5 bits, as [`Q4K`] with a fifth bit.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Q5K {
    pub(crate) d: [u8; 2],
    pub(crate) dmin: [u8; 2],
    pub(crate) scales: [u8; 12],
    /// Bit b of byte i belongs to value 32 b + i.
    pub(crate) high: [u8; 32],
    pub(crate) q: [u8; 128],
}

/// 6 bits, 16 sub-blocks of 16, `(d * scale) * (q - 32)`.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Q6K {
    /// Low four bits. Each 64 bytes hold 128 values: 64 in low halves, then 64 in high halves.
    pub(crate) low: [u8; 128],
    /// High two bits. Each 32 bytes hold 128 values, 32 a bit pair.
    pub(crate) high: [u8; 64],
    pub(crate) scales: [i8; 16],
    pub(crate) d: [u8; 2],
}

impl Block for Q2K {
    const LEN: usize = SUPER;

    fn decode(&self, out: &mut [f32]) {
        let (d, dmin) = (scale(self.d), scale(self.dmin));
        for (i, (out, packed)) in out.chunks_exact_mut(16).zip(&self.scales).enumerate() {
            let dl = d * f32::from(packed & 15);
            let ml = dmin * f32::from(packed >> 4);
            let (q, shift) = pairs(&self.q, i);
            for (out, q) in out.iter_mut().zip(q) {
                *out = dl * f32::from(q >> shift & 3) - ml;
            }
        }
    }
}

impl Block for Q3K {
    const LEN: usize = SUPER;

    fn decode(&self, out: &mut [f32]) {
        let d = scale(self.d);
        let scales = three_k_scales(&self.scales);
        for (i, (out, sub)) in out.chunks_exact_mut(16).zip(scales).enumerate() {
            let dl = d * f32::from(sub);
            let (q, shift) = pairs(&self.q, i);
            // Sub-block i is values 16 i.., which are the (i / 2)-th bit of bytes 16 (i % 2)...
            let high = &self.high[16 * (i % 2)..][..16];
            for ((out, q), high) in out.iter_mut().zip(q).zip(high) {
                // The bit says that nothing is to be taken off.
                let off = if high >> (i / 2) & 1 == 0 { 4 } else { 0 };
                *out = dl * f32::from((q >> shift & 3) as i8 - off);
            }
        }
    }
}

impl Block for Q4K {
    const LEN: usize = SUPER;

    fn decode(&self, out: &mut [f32]) {
        let (d, dmin) = (scale(self.d), scale(self.dmin));
        let (scales, mins) = six_bit_scales(&self.scales);
        for (i, out) in out.chunks_exact_mut(32).enumerate() {
            let (dl, ml) = (d * f32::from(scales[i]), dmin * f32::from(mins[i]));
            let shift = 4 * (i % 2);
            for (out, q) in out.iter_mut().zip(&self.q[32 * (i / 2)..]) {
                *out = dl * f32::from(q >> shift & 15) - ml;
            }
        }
    }
}

impl Block for Q5K {
    const LEN: usize = SUPER;

    fn decode(&self, out: &mut [f32]) {
        let (d, dmin) = (scale(self.d), scale(self.dmin));
        let (scales, mins) = six_bit_scales(&self.scales);
        for (i, out) in out.chunks_exact_mut(32).enumerate() {
            let (dl, ml) = (d * f32::from(scales[i]), dmin * f32::from(mins[i]));
            let shift = 4 * (i % 2);
            let q = self.q[32 * (i / 2)..].iter().zip(&self.high);
            for (out, (q, high)) in out.iter_mut().zip(q) {
                let q = q >> shift & 15 | (high >> i & 1) << 4;
                *out = dl * f32::from(q) - ml;
            }
        }
    }
}

impl Block for Q6K {
    const LEN: usize = SUPER;

    fn decode(&self, out: &mut [f32]) {
        let d = scale(self.d);
        for (i, (out, sub)) in out.chunks_exact_mut(16).zip(self.scales).enumerate() {
            let dl = d * f32::from(sub);
            // Eight sub-blocks to each half of 128 values; four of them to a half of the bytes.
            let (half, sub) = (i / 8, i % 8);
            let low = &self.low[64 * half + 16 * (sub % 4)..][..16];
            let high = &self.high[32 * half + 16 * (sub % 2)..][..16];
            for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
                let q = low >> (4 * (sub / 4)) & 15 | (high >> (2 * (sub / 2)) & 3) << 4;
                *out = dl * f32::from(q as i8 - 32);
            }
        }
    }
}

/// The 16 bytes and the shift at which two-bit values of sub-block `i` lie: each 32 bytes hold
/// 128 values, 32 a bit pair.
fn pairs(q: &[u8; 64], i: usize) -> (&[u8], usize) {
    let (half, sub) = (i / 8, i % 8);
    (&q[32 * half + 16 * (sub % 2)..][..16], 2 * (sub / 2))
}

/// The eight scales and minima of Q4_K and Q5_K, six bits each: the first four lie in the low six
/// bits of bytes 0..4 and 4..8; of the others the low four bits share bytes 8..12 and the high two
/// lie above the first four.
#[inline(always)]
pub(crate) fn six_bit_scales(packed: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    // Four bytes at a time: this runs once for each block that is read in decoding.
    const LOW_SIX: u32 = 0x3f3f_3f3f;
    const LOW_FOUR: u32 = 0x0f0f_0f0f;
    let word = |i: usize| {
        u32::from_le_bytes([
            packed[4 * i],
            packed[4 * i + 1],
            packed[4 * i + 2],
            packed[4 * i + 3],
        ])
    };
    let (first, second, third) = (word(0), word(1), word(2));
    let top = |word: u32| word >> 2 & 0x3030_3030;
    let join = |low: u32, high: u32| (u64::from(low) | u64::from(high) << 32).to_le_bytes();
    let scales = join(first & LOW_SIX, third & LOW_FOUR | top(first));
    let mins = join(second & LOW_SIX, third >> 4 & LOW_FOUR | top(second));
    (scales, mins)
}

/// The reverse of [`six_bit_scales`]; all values below 64.
pub(crate) fn pack_six_bit_scales(scales: &[u8; 8], mins: &[u8; 8]) -> [u8; 12] {
    let mut packed = [0; 12];
    for i in 0..4 {
        packed[i] = scales[i] | scales[i + 4] >> 4 << 6;
        packed[i + 4] = mins[i] | mins[i + 4] >> 4 << 6;
        packed[i + 8] = scales[i + 4] & 15 | (mins[i + 4] & 15) << 4;
    }
    packed
}

/// The sixteen scales of Q3_K, six bits each, less 32: low four bits in bytes 0..8 (first eight
/// scales in the low halves), high two bits in bytes 8..12, four scales a bit pair.
pub(crate) fn three_k_scales(packed: &[u8; 12]) -> [i8; 16] {
    std::array::from_fn(|i| {
        let low = packed[i % 8] >> (4 * (i / 8)) & 15;
        let high = packed[8 + i % 4] >> (2 * (i / 4)) & 3;
        (low | high << 4) as i8 - 32
    })
}
