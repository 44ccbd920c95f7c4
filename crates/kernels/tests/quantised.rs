//! The linear layer over quantised weights: close to f64 arithmetic on the decoded weights, and the
//! same bits for a row however, and on whatever instruction set, it is computed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Random, assert_bits, assert_close, each_isa, each_setting};
use proptest::prelude::*;
use visavis_kernels::{DType, Isa, Linear, Matrix, Storage, ThreadPool, with_isa};

const TYPES: [DType; 10] = [
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

/// Where the 16-bit floats of a block lie: its scale and, if it has one, its minimum.
fn floats(dtype: DType) -> &'static [usize] {
    match dtype {
        DType::Q4_0 | DType::Q5_0 | DType::Q8_0 => &[0],
        DType::Q4_1 | DType::Q5_1 | DType::Q4K | DType::Q5K => &[0, 2],
        DType::Q2K => &[80, 82],
        DType::Q3K => &[108],
        DType::Q6K => &[208],
        other => panic!("{other:?} has no blocks"),
    }
}

/// Random blocks whose 16-bit floats are drawn from `choices`.
fn blocks(dtype: DType, count: usize, random: &mut Random, choices: &[f32]) -> Vec<u8> {
    let size = dtype.block_bytes();
    let mut bytes: Vec<u8> = (0..count * size).map(|_| random.bits() as u8).collect();
    for block in bytes.chunks_exact_mut(size) {
        for &at in floats(dtype) {
            let choice = choices[random.bits() as usize % choices.len()];
            let value = half::f16::from_f32(choice);
            block[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
    }
    bytes
}

/// A layer over `bytes` that lie at byte `offset` of storage without a byte to spare.
fn layer(dtype: DType, bytes: &[u8], n: usize, k: usize, offset: usize) -> Linear {
    let mut all = vec![0xa5; offset];
    all.extend_from_slice(bytes);
    let storage = Storage::new(all.into_boxed_slice());
    Linear::new(Matrix::new(storage, offset, dtype, n, k).unwrap(), None).unwrap()
}

fn random_layer(dtype: DType, n: usize, k: usize, seed: u64) -> Linear {
    let mut random = Random(seed);
    let count = n * k / dtype.block_len();
    let bytes = blocks(dtype, count, &mut random, &[0.01, 0.002, -0.005, 0.02]);
    layer(dtype, &bytes, n, k, 3)
}

fn forward(layer: &Linear, x: &[f32], rows: usize) -> Vec<f32> {
    // Not zero, so that an output that is never written shows.
    let mut y = vec![f32::NAN; rows * layer.out_features()];
    layer.forward(x, rows, &mut y);
    y
}

/// The product in f64 on the decoded weights, and how far 14-bit activations may be off: half a
/// step of the largest of 256 for each weight, and some f32 rounding.
fn reference(layer: &Linear, x: &[f32], rows: usize) -> (Vec<f64>, Vec<f64>) {
    let (n, k) = (layer.out_features(), layer.in_features());
    let w = layer.weight().to_f32();
    let (mut sums, mut limits) = (Vec::new(), Vec::new());
    for x in x.chunks_exact(k).take(rows) {
        for w in w.chunks_exact(k).take(n) {
            let (mut sum, mut limit) = (0.0, 1e-30);
            for (x, w) in x.chunks(256).zip(w.chunks(256)) {
                let largest = x.iter().fold(0.0_f32, |a, v| a.max(v.abs()));
                for (x, w) in x.iter().zip(w) {
                    let (x, w) = (f64::from(*x), f64::from(*w));
                    sum += x * w;
                    limit += f64::from(largest) / 16382.0 * w.abs() * 1.001;
                    limit += 1e-6 * (x * w).abs();
                }
            }
            sums.push(sum);
            limits.push(limit);
        }
    }
    // What a scale and a minimum that nearly cancel leave of the rounding of each.
    let rounding = minima(layer, x, rows);
    for (limit, rounding) in limits.iter_mut().zip(rounding) {
        *limit += rounding;
    }
    (sums, limits)
}

/// 1e-6 of what the parts of the weights weigh apart, where a type has minima.
fn minima(layer: &Linear, x: &[f32], rows: usize) -> Vec<f64> {
    let weight = layer.weight();
    let (n, k) = (weight.rows(), weight.cols());
    let places = floats(weight.dtype());
    let size = weight.dtype().block_bytes();
    let mut sizes = Vec::new();
    for row in 0..rows {
        let total: f64 = x[row * k..][..k].iter().map(|v| f64::from(v.abs())).sum();
        for column in 0..n {
            let row_bytes = k / weight.dtype().block_len() * size;
            let bytes = &weight.data()[column * row_bytes..][..row_bytes];
            let largest = bytes
                .chunks_exact(size)
                .flat_map(|b| places.iter().map(|&at| [b[at], b[at + 1]]))
                .map(|b| f64::from(half::f16::from_le_bytes(b).to_f32()).abs())
                .fold(0.0, f64::max);
            // No whole number of a weight exceeds 31 * 63, Q6_K's 32 * 128 apart, which has no
            // minimum to cancel with.
            sizes.push(1e-7 * total * largest * 2000.0);
        }
    }
    sizes
}

/// (rows, out, in): one row and many, each edge of a tile, a panel, a task and a block.
const SHAPES: [(usize, usize, usize); 8] = [
    (1, 1, 256),
    (1, 37, 768),
    (2, 16, 512),
    (3, 17, 256),
    (6, 8, 512),
    (7, 33, 256),
    (13, 65, 512),
    (40, 70, 256),
];

#[test]
fn agrees_with_f64_for_every_type_and_shape() {
    for (i, &(rows, n, k)) in SHAPES.iter().enumerate() {
        for dtype in TYPES {
            let layer = random_layer(dtype, n, k, i as u64);
            let x = Random(90 + i as u64).values(rows * k);
            let (expected, limits) = reference(&layer, &x, rows);
            each_isa(|isa| {
                let what = format!("{isa:?} {dtype:?} {rows} x {k} -> {n}");
                assert_close(&forward(&layer, &x, rows), &expected, |i| limits[i], &what);
            });
        }
    }
}

#[test]
fn is_a_hundred_times_closer_than_eight_bits_would_be() {
    // Of unit variance, as a norm leaves them, against weights as a layer has them.
    let (rows, n, k) = (3, 64, 4096);
    let x = Random(7).values(rows * k);
    for dtype in [DType::Q4K, DType::Q6K, DType::Q8_0] {
        let weights: Vec<f32> = Random(8).values(n * k).iter().map(|v| v * 0.02).collect();
        let mut bytes = vec![0; n * k / dtype.block_len() * dtype.block_bytes()];
        visavis_kernels::quantise_row(dtype, &weights, &mut bytes).unwrap();
        let layer = layer(dtype, &bytes, n, k, 0);
        let (expected, _) = reference(&layer, &x, rows);
        let largest = expected.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        let y = forward(&layer, &x, rows);
        let error = y
            .iter()
            .zip(&expected)
            .fold(0.0_f64, |a, (y, e)| a.max((f64::from(*y) - e).abs()));
        // Rounding by 1/16382 of the largest gives about 1e-4; by 1/254 it gives about 6e-3.
        assert!(error / largest < 2e-4, "{dtype:?}: {}", error / largest);
    }
}

#[test]
fn older_blocks_need_not_fill_the_last_256() {
    for dtype in TYPES.into_iter().filter(|t| t.block_len() == 32) {
        for (rows, k) in [(1, 32), (1, 352), (5, 224), (9, 288)] {
            let layer = random_layer(dtype, 19, k, k as u64);
            let x = Random(k as u64).values(rows * k);
            let (expected, limits) = reference(&layer, &x, rows);
            each_isa(|isa| {
                let what = format!("{isa:?} {dtype:?} {rows} x {k}");
                assert_close(&forward(&layer, &x, rows), &expected, |i| limits[i], &what);
            });
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    for dtype in TYPES {
        for rows in [1, 11] {
            let layer = random_layer(dtype, 50, 1024, 5);
            let x = Random(6).extreme(rows * 1024);
            let expected = with_isa(Isa::Portable, || forward(&layer, &x, rows)).unwrap();
            each_isa(|isa| {
                let what = format!("{isa:?} {dtype:?} {rows} rows");
                assert_bits(&forward(&layer, &x, rows), &expected, &what);
            });
        }
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others() {
    let (n, k, most) = (83, 512, 300);
    let x = Random(4).extreme(most * k);
    for dtype in TYPES {
        let layer = random_layer(dtype, n, k, 3);
        each_setting(|isa, threads| {
            // The portable path has the same bits (above); here it would only take long.
            let most = if isa == Isa::Portable { 13 } else { most };
            let mut alone = vec![f32::NAN; most * n];
            for (x, y) in x.chunks_exact(k).zip(alone.chunks_exact_mut(n)) {
                layer.forward(x, 1, y);
            }
            for rows in [1, 2, 5, 6, 7, 13, most] {
                let together = forward(&layer, &x[..rows * k], rows);
                let what = format!("{isa:?} {dtype:?} {threads} threads, {rows} rows");
                assert_bits(&together, &alone[..rows * n], &what);
            }
        });
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let (rows, n, k) = (30, 500, 768);
    let layer = random_layer(DType::Q4K, n, k, 9);
    let x = Random(10).values(rows * k);
    let run = |threads| {
        let pool = ThreadPool::new(threads).unwrap();
        pool.install(|| [forward(&layer, &x, rows), forward(&layer, &x[..k], 1)])
    };
    let [many, one] = run(1);
    for threads in [2, 5] {
        let [found_many, found_one] = run(threads);
        assert_bits(
            &found_many,
            &many,
            &format!("{threads} threads, {rows} rows"),
        );
        assert_bits(&found_one, &one, &format!("{threads} threads, one row"));
    }
}

/// Blocks of a single byte all through, but for their 16-bit floats.
fn constant(dtype: DType, count: usize, byte: u8, float: f32) -> Vec<u8> {
    let mut bytes = vec![byte; count * dtype.block_bytes()];
    for block in bytes.chunks_exact_mut(dtype.block_bytes()) {
        for &at in floats(dtype) {
            block[at..at + 2].copy_from_slice(&half::f16::from_f32(float).to_le_bytes());
        }
    }
    bytes
}

#[test]
fn the_largest_whole_numbers_do_not_overflow() {
    // Every activation at full scale meets weights of every constant pattern, among them those
    // with the largest scales and values of each type; 0x80 and 0x00 give Q6_K its -32 * -128.
    let k = 512;
    for dtype in TYPES {
        for byte in [0x00, 0xff, 0x7f, 0x80, 0x3f, 0xf0, 0x0f] {
            for sign in [1.0_f32, -1.0] {
                let bytes = constant(dtype, 3 * k / dtype.block_len(), byte, 1.0);
                let mut bytes = bytes;
                if dtype == DType::Q6K {
                    for block in bytes.chunks_exact_mut(210) {
                        block[192..208].fill(0x80);
                    }
                }
                let layer = layer(dtype, &bytes, 3, k, 0);
                for rows in [1, 6] {
                    let x = vec![sign; rows * k];
                    let (expected, limits) = reference(&layer, &x, rows);
                    each_isa(|isa| {
                        let what = format!("{isa:?} {dtype:?} {byte:#x} {sign} {rows} rows");
                        assert_close(&forward(&layer, &x, rows), &expected, |i| limits[i], &what);
                    });
                }
            }
        }
    }
}

#[test]
fn extreme_scales_are_exact() {
    let k = 256;
    // Zero, the smallest subnormal and normal, negative ones, the largest.
    let choices = [0.0, -0.0, 6e-8, 6.2e-5, -6e-8, -1.5, 65504.0, -65504.0];
    for dtype in TYPES {
        let mut random = Random(12);
        let bytes = blocks(dtype, 24 * k / dtype.block_len(), &mut random, &choices);
        let layer = layer(dtype, &bytes, 24, k, 1);
        for rows in [1, 8] {
            let x = Random(13).values(rows * k);
            let (expected, limits) = reference(&layer, &x, rows);
            each_isa(|isa| {
                let what = format!("{isa:?} {dtype:?} {rows} rows");
                assert_close(&forward(&layer, &x, rows), &expected, |i| limits[i], &what);
            });
        }
    }
}

#[test]
fn activations_of_any_size_keep_their_precision() {
    let (n, k) = (9, 512);
    for dtype in [DType::Q4K, DType::Q8_0] {
        let layer = random_layer(dtype, n, k, 14);
        for size in [1e-25, 1e-8, 1.0, 1e12, 1e30] {
            let x: Vec<f32> = Random(15).values(2 * k).iter().map(|v| v * size).collect();
            let (expected, limits) = reference(&layer, &x, 2);
            let y = forward(&layer, &x, 2);
            assert_close(&y, &expected, |i| limits[i], &format!("{dtype:?} {size}"));
        }
        let zero = forward(&layer, &vec![0.0; 2 * k], 2);
        assert!(zero.iter().all(|v| *v == 0.0), "{dtype:?}");
        let tiny = forward(&layer, &vec![1e-42; 2 * k], 2);
        assert!(tiny.iter().all(|v| v.abs() < 1e-25), "{dtype:?}");
    }
}

#[test]
fn what_is_not_finite_spoils_its_row_and_no_other() {
    let (n, k) = (18, 512);
    for dtype in TYPES {
        let layer = random_layer(dtype, n, k, 16);
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = Random(17).values(7 * k);
            let clean = forward(&layer, &x, 7);
            x[2 * k + 300] = bad;
            each_isa(|isa| {
                let y = forward(&layer, &x, 7);
                assert!(
                    y[2 * n..3 * n].iter().all(|v| v.is_nan()),
                    "{isa:?} {dtype:?}"
                );
                assert_bits(&y[..2 * n], &clean[..2 * n], "rows before");
                assert_bits(&y[3 * n..], &clean[3 * n..], "rows after");
                let alone = forward(&layer, &x[2 * k..3 * k], 1);
                assert!(alone.iter().all(|v| v.is_nan()), "{isa:?} {dtype:?} alone");
            });
        }
    }
}

#[test]
fn a_scale_that_is_not_finite_stays_in_its_column() {
    let (n, k) = (20, 256);
    for dtype in TYPES {
        let mut random = Random(18);
        let mut bytes = blocks(dtype, n * k / dtype.block_len(), &mut random, &[0.01]);
        let at = 5 * k / dtype.block_len() * dtype.block_bytes() + floats(dtype)[0];
        bytes[at..at + 2].copy_from_slice(&half::f16::NAN.to_le_bytes());
        let layer = layer(dtype, &bytes, n, k, 0);
        each_isa(|isa| {
            for rows in [1, 4] {
                let y = forward(&layer, &Random(19).values(rows * k), rows);
                for (i, y) in y.iter().enumerate() {
                    assert_eq!(y.is_nan(), i % n == 5, "{isa:?} {dtype:?} {i}");
                }
            }
        });
    }
}

#[test]
fn adds_the_bias_last() {
    let (rows, n, k) = (5, 21, 256);
    for dtype in [DType::Q4K, DType::Q8_0] {
        let plain = random_layer(dtype, n, k, 20);
        let bias = Random(21).values(n);
        let biased = Linear::new(plain.weight().clone(), Some(bias.clone())).unwrap();
        let x = Random(22).values(rows * k);
        let mut expected = forward(&plain, &x, rows);
        for row in expected.chunks_exact_mut(n) {
            row.iter_mut().zip(&bias).for_each(|(y, b)| *y += b);
        }
        assert_bits(&forward(&biased, &x, rows), &expected, "many");
        assert_bits(&forward(&biased, &x[..k], 1), &expected[..n], "one");
    }
}

#[test]
fn sizes_of_zero_are_fine() {
    for dtype in TYPES {
        let none = layer(dtype, &[], 0, 256, 0);
        assert!(forward(&none, &[1.0; 512], 2).is_empty());
        let empty = layer(dtype, &[], 3, 0, 0);
        assert_eq!(forward(&empty, &[], 2), [0.0; 6]);
        assert_eq!(forward(&empty, &[], 1), [0.0; 3]);
        assert!(forward(&random_layer(dtype, 3, 256, 1), &[], 0).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn cutting_the_rows_anywhere_changes_no_bit(
        seed: u64, rows in 1_usize..40, cut in 0_usize..40, n in 1_usize..90, blocks in 1_usize..5,
        dtype in 0_usize..10,
    ) {
        let (dtype, cut) = (TYPES[dtype], cut.min(rows));
        let k = blocks * dtype.block_len();
        let layer = random_layer(dtype, n, k, seed);
        let x = Random(seed).extreme(rows * k);
        let whole = forward(&layer, &x, rows);
        let mut parts = forward(&layer, &x[..cut * k], cut);
        parts.extend(forward(&layer, &x[cut * k..], rows - cut));
        assert_bits(&parts, &whole, &format!("{dtype:?}"));
    }
}
