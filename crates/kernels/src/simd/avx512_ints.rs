//! The integer operations on AVX-512: panels in vectors of sixteen columns. What is read block by
//! block comes in thirty-two bytes, for which AVX2 does.

use std::arch::x86_64::*;

use super::avx512::Avx512;
use super::ints::{Ints, Step};

impl Ints for Avx512 {
    type Sums = __m512i;
    type Pairs = __m512i;
    const ROWS: usize = 6;

    // SAFETY (every block without its own line): a value of `Avx512` exists only inside `enter`.
    #[inline(always)]
    fn no_sums(self) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn load_step(self, p: *const Step) -> __m512i {
        // SAFETY: 64 bytes are readable by contract.
        unsafe { _mm512_loadu_si512(p.cast()) }
    }
    #[inline(always)]
    unsafe fn add_step(self, sums: __m512i, w: __m512i, x: *const [i16; 2]) -> __m512i {
        // SAFETY: four bytes are readable by contract.
        unsafe {
            let x = _mm512_set1_epi32(x.cast::<i32>().read_unaligned());
            _mm512_add_epi32(sums, _mm512_madd_epi16(w, x))
        }
    }
    #[inline(always)]
    fn add_products(self, sums: __m512i, w: &[i32; 16], x: i32) -> __m512i {
        // SAFETY: see above; the array holds a vector.
        unsafe {
            let w = _mm512_loadu_si512(w.as_ptr().cast());
            _mm512_add_epi32(sums, _mm512_mullo_epi32(w, _mm512_set1_epi32(x)))
        }
    }
    #[inline(always)]
    fn times(self, sums: __m512i, by: &[f32; 16]) -> [f32; 16] {
        let mut out = [0.0; 16];
        // SAFETY: see above; both arrays hold a vector.
        unsafe {
            let product = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_loadu_ps(by.as_ptr()));
            _mm512_storeu_ps(out.as_mut_ptr(), product);
        }
        out
    }
    #[inline(always)]
    fn add_terms(
        self,
        sums: __m512i,
        d: &[f32; 16],
        less: &[f32; 16],
        scale: f32,
        out: &mut [f32; 16],
    ) {
        // SAFETY: see above; the arrays hold a vector.
        unsafe {
            let (d, less) = (_mm512_loadu_ps(d.as_ptr()), _mm512_loadu_ps(less.as_ptr()));
            let term = _mm512_sub_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), d), less);
            let term = _mm512_mul_ps(term, _mm512_set1_ps(scale));
            let sum = _mm512_add_ps(_mm512_loadu_ps(out.as_ptr()), term);
            _mm512_storeu_ps(out.as_mut_ptr(), sum);
        }
    }
}
