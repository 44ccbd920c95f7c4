//! Blocks as integers: `value = d * (scale * q) - dmin * min`, with everything but `d` and `dmin`
//! a small whole number. The fast kernels read weights in this form and no other.

use super::legacy::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
use super::super_blocks::{Q2K, Q3K, Q4K, Q5K, Q6K, six_bit_scales, three_k_scales};
use super::{BLOCK, Block, SUPER};
use crate::simd::Bytes;

/// How the integers of a block are put together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Per {
    /// There are none.
    Nothing,
    /// One to sixteen values.
    Sixteen,
    /// One to thirty-two values.
    ThirtyTwo,
}

impl Per {
    /// How many of them `values` values have.
    pub(super) const fn of(self, values: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Sixteen => values / 16,
            Self::ThirtyTwo => values / 32,
        }
    }
}

/// A block of [`Block::LEN`] weights, of which thirty-two are a group.
pub(super) trait Integers: Block + Sync {
    /// Values whose products with activations surely fit 32 bits when summed: they make one
    /// rounded term of an output. Part of the definition of the result.
    const UNIT: usize;
    /// Whether the bytes of a group carry a sign.
    const SIGNED: bool;
    /// How far a scale reaches.
    const SCALES: Per;
    /// How far a minimum reaches.
    const MINS: Per;

    /// Group `g` of the block, without its scales.
    fn group<B: Bytes>(&self, b: B, g: usize) -> B::Bytes;
    /// The whole scales, as many as [`Integers::SCALES`] gives the block.
    fn scales(&self) -> [i16; 16] {
        [1; 16]
    }
    /// The whole minima.
    fn mins(&self) -> [i32; 16] {
        [0; 16]
    }
    /// `d` and `dmin`, as 16-bit floats.
    fn steps(&self) -> [[u8; 2]; 2];
}

/// Largest magnitude of a quantised activation: 14 bits with the sign.
pub(super) const LARGEST: i32 = 8191;

/// Proof that sums over a unit of weights up to `largest` stay inside 32 bits.
const fn fits(largest: i64, unit: usize) -> bool {
    largest * LARGEST as i64 * unit as i64 <= i32::MAX as i64
}
const _: () = assert!(
    fits(8, 32) // Q4_0
        && fits(31, 32) // Q4_1, Q5_0, Q5_1
        && fits(128, 32) // Q8_0
        && fits(3 * 15, 256) // Q2_K
        && fits(4 * 32, 256) // Q3_K
        && fits(15 * 63, 256) // Q4_K
        && fits(31 * 63, 128) // Q5_K
        && fits(32 * 128, 64) // Q6_K
        && fits(63, 256) // minima
);

impl Integers for Q4_0 {
    const UNIT: usize = BLOCK;
    const SIGNED: bool = true;
    const SCALES: Per = Per::Nothing;
    const MINS: Per = Per::Nothing;

    #[inline(always)]
    fn group<B: Bytes>(&self, b: B, _: usize) -> B::Bytes {
        b.less(b.nibbles(&self.q), 8)
    }
    #[inline(always)]
    fn steps(&self) -> [[u8; 2]; 2] {
        [self.d, [0; 2]]
    }
}

/// The formats that add a minimum instead of taking it off.
#[inline(always)]
fn negative(f16: [u8; 2]) -> [u8; 2] {
    [f16[0], f16[1] ^ 0x80]
}

impl Integers for Q4_1 {
    const UNIT: usize = BLOCK;
    const SIGNED: bool = false;
    const SCALES: Per = Per::Nothing;
    const MINS: Per = Per::ThirtyTwo;

    #[inline(always)]
    fn group<B: Bytes>(&self, b: B, _: usize) -> B::Bytes {
        b.nibbles(&self.q)
    }
    #[inline(always)]
    fn mins(&self) -> [i32; 16] {
        [1; 16]
    }
    #[inline(always)]
    fn steps(&self) -> [[u8; 2]; 2] {
        [self.d, negative(self.m)]
    }
}

impl Integers for Q5_0 {
    const UNIT: usize = BLOCK;
    const SIGNED: bool = true;
    const SCALES: Per = Per::Nothing;
    const MINS: Per = Per::Nothing;

    #[inline(always)]
    fn group<B: Bytes>(&self, b: B, _: usize) -> B::Bytes {
        let fifth = b.bits(u32::from_le_bytes(self.high), 16);
        b.less(b.or(b.nibbles(&self.q), fifth), 16)
    }
    #[inline(always)]
    fn steps(&self) -> [[u8; 2]; 2] {
        [self.d, [0; 2]]
    }
}

impl Integers for Q5_1 {
    const UNIT: usize = BLOCK;
    const SIGNED: bool = false;
    const SCALES: Per = Per::Nothing;
    const MINS: Per = Per::ThirtyTwo;

    #[inline(always)]
    fn group<B: Bytes>(&self, b: B, _: usize) -> B::Bytes {
        let fifth = b.bits(u32::from_le_bytes(self.high), 16);
        b.or(b.nibbles(&self.q), fifth)
    }
    #[inline(always)]
    fn mins(&self) -> [i32; 16] {
        [1; 16]
    }
    #[inline(always)]
    fn steps(&self) -> [[u8; 2]; 2] {
        [self.d, negative(self.m)]
    }
}

impl Integers for Q8_0 {
    const UNIT: usize = BLOCK;
    const SIGNED: bool = true;
    const SCALES: Per = Per::Nothing;
    const MINS: Per = Per::Nothing;

    #[inline(always)]
    fn group<B: Bytes>(&self, b: B, _: usize) -> B::Bytes {
        b.bytes(bytemuck::cast_ref(&self.q))
    }
    #[inline(always)]
    fn steps(&self) -> [[u8; 2]; 2] {
        [self.d, [0; 2]]
    }
}

impl Integers for Q2K {
    const UNIT: usize = SUPER;
    const SIGNED: bool = false;
    const SCALES: Per = Per::Sixteen;
    const MINS: Per = Per::Sixteen;

    #[inline(always)]
    fn group<B: Bytes>(&self, b: B, g: usize) -> B::Bytes {
        let (q, _) = self.q.as_chunks::<32>();
        b.field(b.bytes(&q[g / 4]), 2 * (g % 4) as u32, 3)
    }
    #[inline(always)]
    fn scales(&self) -> [i16; 16] {
        self.scales.map(|s| i16::from(s & 15))
    }
    #[inline(always)]
    fn mins(&self) -> [i32; 16] {
        self.scales.map(|s| i32::from(s >> 4))
    }
    #[inline(always)]
    fn steps(&self) -> [[u8; 2]; 2] {
        [self.d, self.dmin]
    }
}

impl Integers for Q3K {
    const UNIT: usize = SUPER;
    const SIGNED: bool = true;
    const SCALES: Per = Per::Sixteen;
    const MINS: Per = Per::Nothing;

    #[inline(always)]
    fn group<B: Bytes>(&self, b: B, g: usize) -> B::Bytes {
        let (q, _) = self.q.as_chunks::<32>();
        let low = b.field(b.bytes(&q[g / 4]), 2 * (g % 4) as u32, 3);
        let third = b.field(b.bytes(&self.high), g as u32, 1);
        b.less(b.or(low, b.raise(third, 2)), 4)
    }
    #[inline(always)]
    fn scales(&self) -> [i16; 16] {
        three_k_scales(&self.scales).map(i16::from)
    }
    #[inline(always)]
    fn steps(&self) -> [[u8; 2]; 2] {
        [self.d, [0; 2]]
    }
}

/// Eight of sixteen places; the others are not looked at.
#[inline(always)]
fn eight<T: Copy + Default>(from: [u8; 8], widen: impl Fn(u8) -> T) -> [T; 16] {
    let mut out = [T::default(); 16];
    for (out, from) in out.iter_mut().zip(from) {
        *out = widen(from);
    }
    out
}

impl Integers for Q4K {
    const UNIT: usize = SUPER;
    const SIGNED: bool = false;
    const SCALES: Per = Per::ThirtyTwo;
    const MINS: Per = Per::ThirtyTwo;

    #[inline(always)]
    fn group<B: Bytes>(&self, b: B, g: usize) -> B::Bytes {
        let (q, _) = self.q.as_chunks::<32>();
        b.field(b.bytes(&q[g / 2]), 4 * (g % 2) as u32, 15)
    }
    #[inline(always)]
    fn scales(&self) -> [i16; 16] {
        eight(six_bit_scales(&self.scales).0, i16::from)
    }
    #[inline(always)]
    fn mins(&self) -> [i32; 16] {
        eight(six_bit_scales(&self.scales).1, i32::from)
    }
    #[inline(always)]
    fn steps(&self) -> [[u8; 2]; 2] {
        [self.d, self.dmin]
    }
}

impl Integers for Q5K {
    const UNIT: usize = SUPER / 2;
    const SIGNED: bool = false;
    const SCALES: Per = Per::ThirtyTwo;
    const MINS: Per = Per::ThirtyTwo;

    #[inline(always)]
    fn group<B: Bytes>(&self, b: B, g: usize) -> B::Bytes {
        let (q, _) = self.q.as_chunks::<32>();
        let low = b.field(b.bytes(&q[g / 2]), 4 * (g % 2) as u32, 15);
        let fifth = b.field(b.bytes(&self.high), g as u32, 1);
        b.or(low, b.raise(fifth, 4))
    }
    #[inline(always)]
    fn scales(&self) -> [i16; 16] {
        eight(six_bit_scales(&self.scales).0, i16::from)
    }
    #[inline(always)]
    fn mins(&self) -> [i32; 16] {
        eight(six_bit_scales(&self.scales).1, i32::from)
    }
    #[inline(always)]
    fn steps(&self) -> [[u8; 2]; 2] {
        [self.d, self.dmin]
    }
}

impl Integers for Q6K {
    const UNIT: usize = SUPER / 4;
    const SIGNED: bool = true;
    const SCALES: Per = Per::Sixteen;
    const MINS: Per = Per::Nothing;

    #[inline(always)]
    fn group<B: Bytes>(&self, b: B, g: usize) -> B::Bytes {
        let (low, _) = self.low.as_chunks::<32>();
        let (high, _) = self.high.as_chunks::<32>();
        let (half, part) = (g / 4, g % 4);
        let low = b.field(
            b.bytes(&low[2 * half + part % 2]),
            4 * (part / 2) as u32,
            15,
        );
        let high = b.field(b.bytes(&high[half]), 2 * part as u32, 3);
        b.less(b.or(low, b.raise(high, 4)), 32)
    }
    #[inline(always)]
    fn scales(&self) -> [i16; 16] {
        self.scales.map(i16::from)
    }
    #[inline(always)]
    fn steps(&self) -> [[u8; 2]; 2] {
        [self.d, [0; 2]]
    }
}
