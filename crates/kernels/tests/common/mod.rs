//! What the tests share: repeatable values, every instruction set, one and two threads.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub)] // each test file uses a part

use half::{bf16, f16};
use visavis_kernels::{DType, Isa, Matrix, Storage, ThreadPool, with_isa};

/// A small generator of repeatable numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between -1 and 1.
    pub fn value(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }

    /// Sizes from 1e-30 to 1e8, either sign.
    pub fn extreme(&mut self, n: usize) -> Vec<f32> {
        (0..n)
            .map(|_| self.value() * 10_f32.powi((self.bits() % 39) as i32 - 30))
            .collect()
    }
}

/// Calls `f` for every instruction set of this machine.
pub fn each_isa(mut f: impl FnMut(Isa)) {
    for &isa in Isa::available() {
        with_isa(isa, || f(isa)).unwrap();
    }
}

/// Calls `f` for every instruction set, with one and with two threads.
pub fn each_setting(f: impl Fn(Isa, usize) + Sync) {
    for threads in [1, 2] {
        let pool = ThreadPool::new(threads).unwrap();
        each_isa(|isa| pool.install(|| f(isa, threads)));
    }
}

/// `values` as a matrix of `dtype` that begins at byte `offset`, after garbage.
pub fn matrix(values: &[f32], rows: usize, cols: usize, dtype: DType, offset: usize) -> Matrix {
    let mut bytes = vec![0xff; offset];
    for &v in values {
        match dtype {
            DType::F32 => bytes.extend(v.to_le_bytes()),
            DType::F16 => bytes.extend(f16::from_f32(v).to_le_bytes()),
            DType::BF16 => bytes.extend(bf16::from_f32(v).to_le_bytes()),
            other => panic!("no test values of {other:?}"),
        }
    }
    // Exactly as long as needed, so that the sanitizer sees a read past the end.
    Matrix::new(
        Storage::new(bytes.into_boxed_slice()),
        offset,
        dtype,
        rows,
        cols,
    )
    .unwrap()
}

pub const DTYPES: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

/// Equal to the bit, NaN included.
#[track_caller]
pub fn assert_bits(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert_eq!(
            f.to_bits(),
            e.to_bits(),
            "{what}: value {i} is {f:e}, expected {e:e}"
        );
    }
}

/// Each within `limit(i)` of the reference.
#[track_caller]
pub fn assert_close(found: &[f32], expected: &[f64], limit: impl Fn(usize) -> f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(f) - e).abs();
        assert!(
            error <= limit(i),
            "{what}: value {i} is {f:e}, expected {e:e}, off by {error:e}"
        );
    }
}
