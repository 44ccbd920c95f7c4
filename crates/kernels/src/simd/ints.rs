//! The integer operations of the quantised kernels. Integer sums have no rounding and hence no
//! order: every implementation gives the same numbers, and the tests demand the same bits.
//!
//! Two shapes of work need them. *Many rows* multiply a panel, whose lanes are sixteen columns of
//! the output, by one row of activations after the other. *Few rows* multiply thirty-two weights as
//! they come out of a block by the thirty-two activations that belong to them.
//!
//! Both take values of k in the order that falls out of a block without a shuffle: of thirty-two
//! values first those at even places, then those at odd ones ([`place`]).

/// Two values of k for each of sixteen columns: one step of a panel.
pub(crate) type Step = [[i16; 2]; 16];

/// Where value `i` of thirty-two lies among activations and in panels.
#[inline(always)]
pub(crate) const fn place(i: usize) -> usize {
    16 * (i % 2) + i / 2
}

/// What a panel is multiplied with. Sums wrap; the callers keep them inside 32 bits.
pub(crate) trait Ints: Copy {
    /// Sixteen sums, one for each column of a panel.
    type Sums: Copy;
    /// One [`Step`] in registers.
    type Pairs: Copy;
    /// Rows of the panel tile that fills the registers, at most 6.
    const ROWS: usize;

    fn no_sums(self) -> Self::Sums;
    /// # Safety
    /// A step can be read at `p`, which need not be aligned.
    unsafe fn load_step(self, p: *const Step) -> Self::Pairs;
    /// Adds to each column its two weights times the two activations at `x`.
    ///
    /// # Safety
    /// Two values can be read at `x`, which need not be aligned.
    unsafe fn add_step(self, sums: Self::Sums, w: Self::Pairs, x: *const [i16; 2]) -> Self::Sums;
    /// Adds `w * x` to each column.
    fn add_products(self, sums: Self::Sums, w: &[i32; 16], x: i32) -> Self::Sums;
    /// `sums * by`, each converted and multiplied in f32.
    fn times(self, sums: Self::Sums, by: &[f32; 16]) -> [f32; 16];
    /// Adds `(sums * d - less) * scale` to `out`, in f32 and in this order, each step rounded.
    fn add_terms(
        self,
        sums: Self::Sums,
        d: &[f32; 16],
        less: &[f32; 16],
        scale: f32,
        out: &mut [f32; 16],
    );
}

/// What weights are taken out of their blocks with, thirty-two bytes at a time.
pub(crate) trait Bytes: Copy {
    /// Thirty-two bytes.
    type Bytes: Copy;
    /// A few partial sums of one dot product, those of the first sixteen values apart from those
    /// of the other sixteen.
    type Parts: Copy;
    /// Sixteen scales.
    type Scales: Copy;

    /// Asks for the cache line at `p`, which may be any address.
    fn prefetch(self, p: *const u8);
    /// Widens 16-bit floats.
    fn widen(self, from: &[[u8; 2]; 8]) -> [f32; 8];

    fn bytes(self, from: &[u8; 32]) -> Self::Bytes;
    /// The low halves of sixteen bytes, then the high halves.
    fn nibbles(self, from: &[u8; 16]) -> Self::Bytes;
    /// `value` where the bit is set, 0 elsewhere; bit 0 belongs to the first byte.
    fn bits(self, bits: u32, value: u8) -> Self::Bytes;
    /// `(a >> n) & mask`, bytewise, for a mask that fits `8 - n` bits.
    fn field(self, a: Self::Bytes, n: u32, mask: u8) -> Self::Bytes;
    /// `a << n`, bytewise, where no bit leaves its byte.
    fn raise(self, a: Self::Bytes, n: u32) -> Self::Bytes;
    fn or(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// `a - b`, bytewise, wrapping.
    fn less(self, a: Self::Bytes, b: u8) -> Self::Bytes;

    fn no_parts(self) -> Self::Parts;
    /// Products of the bytes (`signed` or not) with activations in the order of [`place`].
    fn dot(self, w: Self::Bytes, signed: bool, x: &[i16; 32]) -> Self::Parts;
    fn add_parts(self, a: Self::Parts, b: Self::Parts) -> Self::Parts;
    /// Readies scales for [`Bytes::dot_scaled`].
    fn scales(self, scales: &[i16; 16]) -> Self::Scales;
    /// [`Bytes::dot`] with one of the scales for the first and one for the other sixteen values:
    /// the numbers `at`, both below eight or neither. Scaled weights fit 16 bits.
    fn dot_scaled(
        self,
        w: Self::Bytes,
        signed: bool,
        x: &[i16; 32],
        scales: Self::Scales,
        at: [usize; 2],
    ) -> Self::Parts;
    /// The eight products, some of them summed.
    fn products(self, a: &[i32; 8], b: &[i32; 8]) -> Self::Parts;
    /// Eight dot products, in full.
    fn totals(self, parts: [Self::Parts; 8]) -> [i32; 8];

    /// Turns thirty-two bytes (`signed` or not) of each of eight columns into sixteen steps' worth
    /// of pairs, times the `scales` of the first and of the other sixteen values of each column.
    ///
    /// # Safety
    /// At `out`, the place of the eight columns in the first step, eight pairs can be written, and
    /// likewise in each of the fifteen steps that follow.
    unsafe fn interleave(
        self,
        w: [Self::Bytes; 8],
        signed: bool,
        scales: Option<[&[i16; 8]; 2]>,
        out: *mut [i16; 2],
    );
}
