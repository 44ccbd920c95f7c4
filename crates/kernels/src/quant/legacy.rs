//! Blocks of 32 values with one scale, and a minimum in the `_1` formats.

use super::{BLOCK, Block, scale};

/// 4 bits, `d * (q - 8)`. The low halves of the bytes are values 0..16, the high halves 16..32.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Q4_0 {
    pub(crate) d: [u8; 2],
    pub(crate) q: [u8; 16],
}

/// 4 bits, `d * q + m`.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Q4_1 {
    pub(crate) d: [u8; 2],
    pub(crate) m: [u8; 2],
    pub(crate) q: [u8; 16],
}

/// 5 bits, `d * (q - 16)`; bit i of `high` is the fifth bit of value i.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Q5_0 {
    pub(crate) d: [u8; 2],
    pub(crate) high: [u8; 4],
    pub(crate) q: [u8; 16],
}

/// 5 bits, `d * q + m`.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Q5_1 {
    pub(crate) d: [u8; 2],
    pub(crate) m: [u8; 2],
    pub(crate) high: [u8; 4],
    pub(crate) q: [u8; 16],
}

/// 8 bits, `d * q`.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Q8_0 {
    pub(crate) d: [u8; 2],
    pub(crate) q: [i8; 32],
}

impl Block for Q4_0 {
    const LEN: usize = BLOCK;

    fn decode(&self, out: &mut [f32]) {
        let d = scale(self.d);
        let (low, high) = out.split_at_mut(16);
        for ((q, low), high) in self.q.iter().zip(low).zip(high) {
            *low = d * f32::from((q & 15) as i8 - 8);
            *high = d * f32::from((q >> 4) as i8 - 8);
        }
    }
}

impl Block for Q4_1 {
    const LEN: usize = BLOCK;

    fn decode(&self, out: &mut [f32]) {
        let (d, m) = (scale(self.d), scale(self.m));
        let (low, high) = out.split_at_mut(16);
        for ((q, low), high) in self.q.iter().zip(low).zip(high) {
            *low = d * f32::from(q & 15) + m;
            *high = d * f32::from(q >> 4) + m;
        }
    }
}

impl Block for Q5_0 {
    const LEN: usize = BLOCK;

    fn decode(&self, out: &mut [f32]) {
        let d = scale(self.d);
        five_bits(&self.q, self.high, out, |q| d * f32::from(q as i8 - 16));
    }
}

impl Block for Q5_1 {
    const LEN: usize = BLOCK;

    fn decode(&self, out: &mut [f32]) {
        let (d, m) = (scale(self.d), scale(self.m));
        five_bits(&self.q, self.high, out, |q| d * f32::from(q) + m);
    }
}

impl Block for Q8_0 {
    const LEN: usize = BLOCK;

    fn decode(&self, out: &mut [f32]) {
        let d = scale(self.d);
        for (q, out) in self.q.iter().zip(out) {
            *out = d * f32::from(*q);
        }
    }
}

fn five_bits(q: &[u8; 16], high: [u8; 4], out: &mut [f32], value: impl Fn(u8) -> f32) {
    let fifth = u32::from_le_bytes(high);
    let bit = |i: usize| ((fifth >> i) as u8 & 1) << 4;
    let (first, second) = out.split_at_mut(16);
    for (i, ((q, first), second)) in q.iter().zip(first).zip(second).enumerate() {
        *first = value(q & 15 | bit(i));
        *second = value(q >> 4 | bit(i + 16));
    }
}
