//! Unit tests of the block formats: layout, rounding, and what encoding loses.

use super::quantise_row;
use super::super_blocks::{pack_six_bit_scales, six_bit_scales};
use crate::{DType, KernelError, Matrix, Storage};

/// Made by `tests/golden/gguf_blocks.py`.
const GOLDEN: &str = include_str!("../../../../tests/golden/gguf_blocks.txt");
const ALL: [DType; 10] = [
    DType::Q4_0,
    DType::Q4_1,
    DType::Q5_0,
    DType::Q5_1,
    DType::Q8_0,
    DType::Q2K,
    DType::Q3K,
    DType::Q4K,
    DType::Q5K,
    DType::Q6K,
];
const ENCODED: [DType; 4] = [DType::Q4_0, DType::Q8_0, DType::Q4K, DType::Q6K];

/// The generator of the Python script.
struct Lcg(u32);

impl Iterator for Lcg {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(self.0)
    }
}

fn fnv(words: impl Iterator<Item = u64>) -> String {
    let hash = words.fold(0xcbf2_9ce4_8422_2325u64, |h, w| {
        (h ^ w).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn golden(what: &str, dtype: DType) -> String {
    let key = format!("{what} {} ", dtype.name());
    let line = GOLDEN.lines().find_map(|l| l.strip_prefix(&key));
    line.expect("the golden file has the format").to_owned()
}

/// The script's blocks: random bytes, then constant ones.
fn blocks(size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = Lcg(size as u32)
        .take(200 * size)
        .map(|v| (v >> 24) as u8)
        .collect();
    for byte in [0x00, 0xff, 0x7b, 0x80, 0x01] {
        bytes.extend(std::iter::repeat_n(byte, size));
    }
    bytes
}

/// The script's values.
fn values(n: usize) -> Vec<f32> {
    let mut v: Vec<f32> = Lcg(7)
        .take(n)
        .map(|v| ((v >> 16) as f32 - 32768.0) / (1 << 18) as f32)
        .collect();
    v[32..64].fill(0.0);
    v[100] = 3.0;
    v
}

/// Close to normal, as the weights of a trained layer are.
fn weights(n: usize, seed: u32) -> Vec<f32> {
    let mut g = Lcg(seed).map(|v| (v >> 8) as f32 / (1 << 24) as f32);
    let mut next = || (0..12).filter_map(|_| g.next()).sum::<f32>() - 6.0;
    (0..n).map(|_| next() * 0.02).collect()
}

fn decode(dtype: DType, bytes: Vec<u8>) -> Vec<f32> {
    let cols = bytes.len() / dtype.block_bytes() * dtype.block_len();
    Matrix::new(Storage::new(bytes), 0, dtype, 1, cols)
        .unwrap()
        .to_f32()
}

fn encode(dtype: DType, values: &[f32]) -> Vec<u8> {
    let mut out = vec![0; values.len() / dtype.block_len() * dtype.block_bytes()];
    quantise_row(dtype, values, &mut out).unwrap();
    out
}

fn relative_error(dtype: DType, values: &[f32]) -> f64 {
    let back = decode(dtype, encode(dtype, values));
    let square = |v: f32| f64::from(v) * f64::from(v);
    let error: f64 = back.iter().zip(values).map(|(a, b)| square(a - b)).sum();
    let whole: f64 = values.iter().map(|v| square(*v)).sum();
    (error / whole).sqrt()
}

#[test]
fn decoded_bits_are_the_references() {
    for dtype in ALL {
        let out = decode(dtype, blocks(dtype.block_bytes()));
        let bits = out.iter().map(|v| {
            if v.is_nan() {
                0x7fc0_0000
            } else {
                u64::from(v.to_bits())
            }
        });
        assert_eq!(fnv(bits), golden("decode", dtype), "{}", dtype.name());
    }
}

#[test]
fn encoded_bytes_are_the_references() {
    for dtype in [DType::Q4_0, DType::Q8_0] {
        let bytes = encode(dtype, &values(4096));
        let hash = fnv(bytes.iter().map(|b| u64::from(*b)));
        assert_eq!(hash, golden("encode", dtype), "{}", dtype.name());
    }
}

#[test]
fn the_search_beats_plain_rounding() {
    let w = weights(64 * 256, 3);
    // Q4_0 rounds by the largest magnitude of each block and errs by 8.5 % on such weights.
    assert!((0.08..0.09).contains(&relative_error(DType::Q4_0, &w)));
    let four = relative_error(DType::Q4K, &w);
    assert!(four < 0.073, "{four}");
    let six = relative_error(DType::Q6K, &w);
    assert!(six < 0.0175, "{six}");
    assert!(relative_error(DType::Q8_0, &w) < 0.006);
}

#[test]
fn degenerate_blocks_stay_finite() {
    let mut cases = vec![
        vec![0.0; 256],
        vec![1e-30; 256],
        vec![-2.5; 256],
        vec![7.25; 256],
    ];
    let mut spike = vec![0.0; 256];
    spike[17] = -1000.0;
    cases.push(spike);
    cases.push(
        (0..256)
            .map(|i| if i < 128 { 1e-7 } else { 50.0 })
            .collect(),
    );
    cases.push(vec![f32::MAX; 256]);
    for dtype in ENCODED {
        for case in &cases {
            let out = decode(dtype, encode(dtype, case));
            // Beyond 16-bit scales only the older formats overflow, as the reference does.
            let huge = case[0] == f32::MAX && !matches!(dtype, DType::Q4K | DType::Q6K);
            assert!(huge || out.iter().all(|v| v.is_finite()), "{dtype:?}");
            let largest = case.iter().fold(0.0f32, |a, v| a.max(v.abs()));
            if !huge && case[0] != f32::MAX {
                let bound = largest / 8.0 + 1e-20;
                assert!(
                    out.iter().zip(case).all(|(a, b)| (a - b).abs() <= bound),
                    "{dtype:?} {largest}"
                );
            }
        }
    }
    // What is not a number does not panic.
    for dtype in ENCODED {
        encode(dtype, &[f32::NAN; 256]);
        encode(dtype, &[f32::NEG_INFINITY; 256]);
    }
}

#[test]
fn six_bit_scales_survive_packing() {
    let mut g = Lcg(11).map(|v| (v >> 26) as u8);
    for _ in 0..100 {
        let scales: [u8; 8] = std::array::from_fn(|_| g.next().unwrap());
        let mins: [u8; 8] = std::array::from_fn(|_| g.next().unwrap());
        let packed = pack_six_bit_scales(&scales, &mins);
        assert_eq!(six_bit_scales(&packed), (scales, mins));
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let values = [0.0; 48];
    let partial = quantise_row(DType::Q8_0, &values, &mut [0; 51]).unwrap_err();
    assert!(matches!(partial, KernelError::PartialBlock { .. }));
    let short = quantise_row(DType::Q8_0, &values[..32], &mut [0; 33]).unwrap_err();
    assert!(matches!(short, KernelError::SizeMismatch { .. }));
    let none = quantise_row(DType::Q5_1, &values[..32], &mut [0; 24]).unwrap_err();
    assert_eq!(none, KernelError::NoEncoder("Q5_1"));
}
