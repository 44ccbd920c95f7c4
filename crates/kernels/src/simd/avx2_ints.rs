//! The integer operations on AVX2.

use std::arch::x86_64::*;

use super::avx2::Avx2;
use super::ints::{Bytes, Ints, Step};

/// The bytes at even places, and those at odd places, as 16-bit numbers.
#[inline(always)]
fn words(w: __m256i, signed: bool, _proof: Avx2) -> [__m256i; 2] {
    // SAFETY: the proof.
    unsafe {
        if signed {
            let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(w));
            [even, _mm256_srai_epi16::<8>(w)]
        } else {
            let even = _mm256_and_si256(w, _mm256_set1_epi16(0xff));
            [even, _mm256_srli_epi16::<8>(w)]
        }
    }
}

/// Vector p of the result holds the p-th 32 bits of each of the eight.
#[inline(always)]
fn transpose(w: [__m256i; 8], _proof: Avx2) -> [__m256i; 8] {
    // SAFETY: the proof.
    unsafe {
        let mut pairs = [w[0]; 8];
        for i in 0..4 {
            pairs[i] = _mm256_unpacklo_epi32(w[2 * i], w[2 * i + 1]);
            pairs[i + 4] = _mm256_unpackhi_epi32(w[2 * i], w[2 * i + 1]);
        }
        // Four columns each: fours[h][p] holds place p of columns 4 h.., and p + 4 in the upper half.
        let mut fours = [[w[0]; 4]; 2];
        for (h, four) in fours.iter_mut().enumerate() {
            let (a, b) = (pairs[2 * h], pairs[2 * h + 1]);
            let (c, d) = (pairs[2 * h + 4], pairs[2 * h + 5]);
            four[0] = _mm256_unpacklo_epi64(a, b);
            four[1] = _mm256_unpackhi_epi64(a, b);
            four[2] = _mm256_unpacklo_epi64(c, d);
            four[3] = _mm256_unpackhi_epi64(c, d);
        }
        let mut out = [w[0]; 8];
        for p in 0..4 {
            out[p] = _mm256_permute2x128_si256::<0x20>(fours[0][p], fours[1][p]);
            out[p + 4] = _mm256_permute2x128_si256::<0x31>(fours[0][p], fours[1][p]);
        }
        out
    }
}

impl Ints for Avx2 {
    type Sums = [__m256i; 2];
    type Pairs = [__m256i; 2];
    // 12 sums, 2 weights, an activation and a product fill the 16 registers.
    const ROWS: usize = 6;

    // SAFETY (every block without its own line): a value of `Avx2` exists only inside `enter`.
    #[inline(always)]
    fn no_sums(self) -> [__m256i; 2] {
        [self.no_parts(); 2]
    }
    #[inline(always)]
    unsafe fn load_step(self, p: *const Step) -> [__m256i; 2] {
        // SAFETY: 64 bytes are readable by contract.
        unsafe {
            let p = p.cast::<__m256i>();
            [_mm256_loadu_si256(p), _mm256_loadu_si256(p.add(1))]
        }
    }
    #[inline(always)]
    unsafe fn add_step(
        self,
        sums: [__m256i; 2],
        w: [__m256i; 2],
        x: *const [i16; 2],
    ) -> [__m256i; 2] {
        // SAFETY: four bytes are readable by contract.
        unsafe {
            let x = _mm256_set1_epi32(x.cast::<i32>().read_unaligned());
            [
                _mm256_add_epi32(sums[0], _mm256_madd_epi16(w[0], x)),
                _mm256_add_epi32(sums[1], _mm256_madd_epi16(w[1], x)),
            ]
        }
    }
    #[inline(always)]
    fn add_products(self, sums: [__m256i; 2], w: &[i32; 16], x: i32) -> [__m256i; 2] {
        // SAFETY: see above; the array holds two vectors.
        unsafe {
            let w = w.as_ptr().cast::<__m256i>();
            let x = _mm256_set1_epi32(x);
            let low = _mm256_mullo_epi32(_mm256_loadu_si256(w), x);
            let high = _mm256_mullo_epi32(_mm256_loadu_si256(w.add(1)), x);
            [
                _mm256_add_epi32(sums[0], low),
                _mm256_add_epi32(sums[1], high),
            ]
        }
    }
    #[inline(always)]
    fn times(self, sums: [__m256i; 2], by: &[f32; 16]) -> [f32; 16] {
        let mut out = [0.0; 16];
        for (h, sums) in sums.into_iter().enumerate() {
            // SAFETY: see above; both arrays hold two vectors.
            unsafe {
                let by = _mm256_loadu_ps(by.as_ptr().add(8 * h));
                let product = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), by);
                _mm256_storeu_ps(out.as_mut_ptr().add(8 * h), product);
            }
        }
        out
    }
    #[inline(always)]
    fn add_terms(
        self,
        sums: [__m256i; 2],
        d: &[f32; 16],
        less: &[f32; 16],
        scale: f32,
        out: &mut [f32; 16],
    ) {
        for (h, sums) in sums.into_iter().enumerate() {
            // SAFETY: see above; the arrays hold two vectors.
            unsafe {
                let d = _mm256_loadu_ps(d.as_ptr().add(8 * h));
                let less = _mm256_loadu_ps(less.as_ptr().add(8 * h));
                let term = _mm256_sub_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), d), less);
                let term = _mm256_mul_ps(term, _mm256_set1_ps(scale));
                let out = out.as_mut_ptr().add(8 * h);
                _mm256_storeu_ps(out, _mm256_add_ps(_mm256_loadu_ps(out), term));
            }
        }
    }
}

impl Bytes for Avx2 {
    type Bytes = __m256i;
    type Parts = __m256i;
    /// The first eight twice, and the other eight twice.
    type Scales = [__m256i; 2];

    // SAFETY (every block without its own line): a value of `Avx2` exists only inside `enter`.
    #[inline(always)]
    fn prefetch(self, p: *const u8) {
        // SAFETY: see above; a request for any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    fn widen(self, from: &[[u8; 2]; 8]) -> [f32; 8] {
        let mut out = [0.0; 8];
        // SAFETY: see above; both arrays hold eight values.
        unsafe {
            let wide = _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast()));
            _mm256_storeu_ps(out.as_mut_ptr(), wide);
        }
        out
    }

    #[inline(always)]
    fn bytes(self, from: &[u8; 32]) -> __m256i {
        // SAFETY: see above; the array holds a vector.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn nibbles(self, from: &[u8; 16]) -> __m256i {
        // SAFETY: see above; the array holds half a vector.
        unsafe {
            let low = _mm_loadu_si128(from.as_ptr().cast());
            let both = _mm256_set_m128i(_mm_srli_epi16::<4>(low), low);
            _mm256_and_si256(both, _mm256_set1_epi8(15))
        }
    }
    #[inline(always)]
    fn bits(self, bits: u32, value: u8) -> __m256i {
        // SAFETY: see above. Each byte gets the eight bits that its own is among, then tests it.
        unsafe {
            let places = _mm256_setr_epi64x(
                0,
                0x0101_0101_0101_0101,
                0x0202_0202_0202_0202,
                0x0303_0303_0303_0303,
            );
            let spread = _mm256_shuffle_epi8(_mm256_set1_epi32(bits as i32), places);
            let own = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
            let set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, own), own);
            _mm256_and_si256(set, _mm256_set1_epi8(value as i8))
        }
    }
    #[inline(always)]
    fn field(self, a: __m256i, n: u32, mask: u8) -> __m256i {
        // SAFETY: see above. What comes in from the neighbouring byte is masked off.
        unsafe {
            let a = _mm256_srl_epi16(a, _mm_cvtsi32_si128(n as i32));
            _mm256_and_si256(a, _mm256_set1_epi8(mask as i8))
        }
    }
    #[inline(always)]
    fn raise(self, a: __m256i, n: u32) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_sll_epi16(a, _mm_cvtsi32_si128(n as i32)) }
    }
    #[inline(always)]
    fn or(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    fn less(self, a: __m256i, b: u8) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_sub_epi8(a, _mm256_set1_epi8(b as i8)) }
    }

    #[inline(always)]
    fn no_parts(self) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    fn dot(self, w: __m256i, signed: bool, x: &[i16; 32]) -> __m256i {
        let [even, odd] = words(w, signed, self);
        // SAFETY: see above; the array holds two vectors.
        unsafe {
            let x = x.as_ptr().cast::<__m256i>();
            let even = _mm256_madd_epi16(even, _mm256_loadu_si256(x));
            let odd = _mm256_madd_epi16(odd, _mm256_loadu_si256(x.add(1)));
            _mm256_add_epi32(even, odd)
        }
    }
    #[inline(always)]
    fn add_parts(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    fn scales(self, scales: &[i16; 16]) -> [__m256i; 2] {
        // SAFETY: see above; the array holds two halves. Each in both halves of a vector.
        unsafe {
            let p = scales.as_ptr().cast::<__m128i>();
            [
                _mm256_broadcastsi128_si256(_mm_loadu_si128(p)),
                _mm256_broadcastsi128_si256(_mm_loadu_si128(p.add(1))),
            ]
        }
    }
    #[inline(always)]
    fn dot_scaled(
        self,
        w: __m256i,
        signed: bool,
        x: &[i16; 32],
        scales: [__m256i; 2],
        at: [usize; 2],
    ) -> __m256i {
        let [even, odd] = words(w, signed, self);
        // SAFETY: see above; the array holds two vectors.
        unsafe {
            // The two bytes of a scale, eight times.
            let first = _mm_set1_epi16(((at[0] % 8) * 0x202 + 0x100) as i16);
            let other = _mm_set1_epi16(((at[1] % 8) * 0x202 + 0x100) as i16);
            let picks = _mm256_set_m128i(other, first);
            let scale = _mm256_shuffle_epi8(scales[at[0] / 8], picks);
            let x = x.as_ptr().cast::<__m256i>();
            let even = _mm256_mullo_epi16(even, scale);
            let odd = _mm256_mullo_epi16(odd, scale);
            let even = _mm256_madd_epi16(even, _mm256_loadu_si256(x));
            let odd = _mm256_madd_epi16(odd, _mm256_loadu_si256(x.add(1)));
            _mm256_add_epi32(even, odd)
        }
    }
    #[inline(always)]
    fn products(self, a: &[i32; 8], b: &[i32; 8]) -> __m256i {
        // SAFETY: see above; both arrays hold a vector.
        unsafe {
            let a = _mm256_loadu_si256(a.as_ptr().cast());
            _mm256_mullo_epi32(a, _mm256_loadu_si256(b.as_ptr().cast()))
        }
    }
    #[inline(always)]
    fn totals(self, p: [__m256i; 8]) -> [i32; 8] {
        let mut out = [0; 8];
        // SAFETY: see above; the array holds a vector.
        unsafe {
            let low =
                _mm256_hadd_epi32(_mm256_hadd_epi32(p[0], p[1]), _mm256_hadd_epi32(p[2], p[3]));
            let high =
                _mm256_hadd_epi32(_mm256_hadd_epi32(p[4], p[5]), _mm256_hadd_epi32(p[6], p[7]));
            let sums = _mm256_add_epi32(
                _mm256_permute2x128_si256::<0x20>(low, high),
                _mm256_permute2x128_si256::<0x31>(low, high),
            );
            _mm256_storeu_si256(out.as_mut_ptr().cast(), sums);
        }
        out
    }

    #[inline(always)]
    unsafe fn interleave(
        self,
        w: [__m256i; 8],
        signed: bool,
        scales: Option<[&[i16; 8]; 2]>,
        out: *mut [i16; 2],
    ) {
        let w = transpose(w, self);
        // SAFETY: see above; eight pairs are writable in each of sixteen steps by contract.
        unsafe {
            // Each column's scale in both halves of its pair.
            let mut pairs = [_mm256_setzero_si256(); 2];
            if let Some(scales) = scales {
                for (pair, scale) in pairs.iter_mut().zip(scales) {
                    let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(scale.as_ptr().cast()));
                    *pair = _mm256_or_si256(wide, _mm256_slli_epi32::<16>(wide));
                }
            }
            for (p, &w) in w.iter().enumerate() {
                let [mut even, mut odd] = words(w, signed, self);
                if scales.is_some() {
                    even = _mm256_mullo_epi16(even, pairs[p / 4]);
                    odd = _mm256_mullo_epi16(odd, pairs[p / 4]);
                }
                _mm256_storeu_si256(out.add(16 * p).cast(), even);
                _mm256_storeu_si256(out.add(16 * (p + 8)).cast(), odd);
            }
        }
    }
}
