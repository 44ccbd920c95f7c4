//! The linear layer: correct against f64, and the same bits for a row however it is computed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{DTYPES, Random, assert_bits, assert_close, each_isa, each_setting, matrix};
use half::f16;
use proptest::prelude::*;
use visavis_kernels::{DType, KernelError, Linear, Matrix, Storage, ThreadPool};

fn forward(layer: &Linear, x: &[f32], rows: usize) -> Vec<f32> {
    // Not zero, so that an output that is never written shows.
    let mut y = vec![f32::NAN; rows * layer.out_features()];
    layer.forward(x, rows, &mut y);
    y
}

/// The product in f64, and for each output the sum of the sizes of its terms.
fn reference(layer: &Linear, x: &[f32], rows: usize) -> (Vec<f64>, Vec<f64>) {
    let (n, k) = (layer.out_features(), layer.in_features());
    let w = layer.weight().to_f32();
    let (mut sums, mut sizes) = (Vec::new(), Vec::new());
    for i in 0..rows {
        for j in 0..n {
            let bias = layer.bias().map_or(0.0, |b| f64::from(b[j]));
            let (mut sum, mut size) = (bias, bias.abs());
            for (a, b) in x[i * k..][..k].iter().zip(&w[j * k..][..k]) {
                let term = f64::from(*a) * f64::from(*b);
                sum += term;
                size += term.abs();
            }
            sums.push(sum);
            sizes.push(size);
        }
    }
    (sums, sizes)
}

/// (rows, out, in): each edge of a tile, a vector, a panel and a block of k, and primes.
const SHAPES: &[(usize, usize, usize)] = &[
    (1, 1, 1),
    (1, 3, 7),
    (2, 5, 17),
    (3, 8, 16),
    (5, 13, 1023),
    (6, 7, 1024),
    (7, 12, 1025),
    (12, 31, 67),
    (13, 29, 2051),
    (14, 97, 130),
    (37, 101, 33),
    (64, 200, 96),
];

#[test]
fn agrees_with_f64_for_every_shape_and_type() {
    let mut random = Random(1);
    for &(rows, n, k) in SHAPES {
        for dtype in DTYPES {
            let weight = matrix(&random.values(n * k), n, k, dtype, 3);
            let bias = (n % 2 == 1).then(|| random.values(n));
            let layer = Linear::new(weight, bias).unwrap();
            let x = random.values(rows * k);
            let (expected, sizes) = reference(&layer, &x, rows);
            each_isa(|isa| {
                let what = format!("{isa:?} {dtype:?} {rows} x {k} -> {n}");
                let y = forward(&layer, &x, rows);
                assert_close(&y, &expected, |i| 2e-6 * sizes[i], &what);
            });
        }
    }
}

#[test]
fn agrees_with_f64_for_extreme_values() {
    let mut random = Random(2);
    for (rows, n, k) in [(1, 9, 1100), (20, 17, 1100)] {
        let layer = Linear::new(matrix(&random.extreme(n * k), n, k, DType::F32, 1), None).unwrap();
        let x = random.extreme(rows * k);
        let (expected, sizes) = reference(&layer, &x, rows);
        each_isa(|isa| {
            let y = forward(&layer, &x, rows);
            assert_close(
                &y,
                &expected,
                |i| 2e-6 * sizes[i] + 1e-40,
                &format!("{isa:?}"),
            );
        });
    }
}

#[test]
fn widens_every_half_precision_number_exactly() {
    for dtype in [DType::F16, DType::BF16] {
        // Sixteen to a row, times a row of x with a single one: each output is a weight.
        let finite: Vec<[u8; 2]> = (0..=u16::MAX)
            .map(u16::to_le_bytes)
            .filter(|b| match dtype {
                DType::F16 => f16::from_le_bytes(*b).is_finite(),
                _ => half::bf16::from_le_bytes(*b).is_finite(),
            })
            .collect();
        let n = finite.len() / 16;
        let bytes = finite[..n * 16].concat();
        let weight = Matrix::new(Storage::new(bytes), 0, dtype, n, 16).unwrap();
        let all = weight.to_f32();
        let layer = Linear::new(weight, None).unwrap();
        let mut x = vec![0.0; 256];
        (0..16).for_each(|i| x[i * 17] = 1.0);
        each_isa(|isa| {
            let y = forward(&layer, &x, 16);
            for i in 0..16 {
                let alone = forward(&layer, &x[i * 16..][..16], 1);
                for j in 0..n {
                    assert_eq!(y[i * n + j], all[j * 16 + i], "{isa:?} {dtype:?} {i} {j}");
                    assert_eq!(alone[j], all[j * 16 + i], "{isa:?} {dtype:?} {i} {j}");
                }
            }
        });
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others() {
    // Two blocks of k, the second ragged; more than one panel of columns, the last ragged.
    let (n, k) = (203, 1107);
    let mut random = Random(3);
    let weights = random.extreme(n * k);
    let x = random.extreme(577 * k);
    let bias = random.values(n);
    for dtype in DTYPES {
        let layer = Linear::new(matrix(&weights, n, k, dtype, 5), Some(bias.clone())).unwrap();
        each_setting(|isa, threads| {
            let mut alone = vec![f32::NAN; 577 * n];
            for (x, y) in x.chunks_exact(k).zip(alone.chunks_exact_mut(n)) {
                layer.forward(x, 1, y);
            }
            for rows in [1, 2, 7, 12, 13, 64, 577] {
                let together = forward(&layer, &x[..rows * k], rows);
                let what = format!("{isa:?} {dtype:?} {threads} threads, {rows} rows");
                assert_bits(&together, &alone[..rows * n], &what);
            }
        });
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let (rows, n, k) = (40, 500, 700);
    let mut random = Random(4);
    let layer = Linear::new(matrix(&random.values(n * k), n, k, DType::F16, 0), None).unwrap();
    let x = random.values(rows * k);
    let pools = [1, 2, 5].map(|n| ThreadPool::new(n).unwrap());
    each_isa(|isa| {
        let expected = pools[0].install(|| forward(&layer, &x, rows));
        for pool in &pools[1..] {
            let found = pool.install(|| forward(&layer, &x, rows));
            assert_bits(
                &found,
                &expected,
                &format!("{isa:?} {} threads", pool.threads()),
            );
        }
    });
}

#[test]
fn nan_and_infinity_stay_in_their_row_and_column() {
    let (n, k) = (21, 40);
    for rows in [3, 20] {
        let mut random = Random(5);
        let mut weights = random.values(n * k);
        let mut x = random.values(rows * k);
        weights[4 * k + 39] = f32::INFINITY;
        x[k + 38] = f32::NAN;
        let layer = Linear::new(matrix(&weights, n, k, DType::F32, 0), None).unwrap();
        each_isa(|isa| {
            for (at, y) in forward(&layer, &x, rows).iter().enumerate() {
                let (i, j) = (at / n, at % n);
                assert_eq!(y.is_nan(), i == 1, "{isa:?} row {i} column {j}: {y}");
                assert_eq!(
                    y.is_infinite(),
                    i != 1 && j == 4,
                    "{isa:?} row {i} column {j}: {y}"
                );
            }
        });
    }
}

#[test]
fn sizes_of_zero_are_fine() {
    let empty = |n, k| Linear::new(Matrix::from_f32(&[], n, k).unwrap(), None).unwrap();
    assert!(forward(&empty(0, 4), &[1.0; 8], 2).is_empty());
    assert_eq!(forward(&empty(3, 0), &[], 2), [0.0; 6]);
    let biased = Linear::new(Matrix::from_f32(&[], 2, 0).unwrap(), Some(vec![1.0, 2.0])).unwrap();
    assert_eq!(forward(&biased, &[], 2), [1.0, 2.0, 1.0, 2.0]);
    let layer = Linear::new(Matrix::from_f32(&[1.0; 6], 2, 3).unwrap(), None).unwrap();
    assert!(forward(&layer, &[], 0).is_empty());
}

#[test]
fn a_bias_of_the_wrong_length_is_an_error() {
    let weight = Matrix::from_f32(&[0.0; 6], 2, 3).unwrap();
    let error = Linear::new(weight, Some(vec![0.0; 3])).unwrap_err();
    assert_eq!(
        error,
        KernelError::SizeMismatch {
            what: "bias",
            expected: 2,
            found: 3
        }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn cutting_the_rows_anywhere_changes_no_bit(
        seed: u64, rows in 1_usize..50, cut in 0_usize..50, n in 1_usize..120, k in 1_usize..1300,
        dtype in 0_usize..3, offset in 0_usize..9,
    ) {
        let mut random = Random(seed);
        let weight = matrix(&random.values(n * k), n, k, DTYPES[dtype], offset);
        let layer = Linear::new(weight, None).unwrap();
        let x = random.values(rows * k);
        let cut = cut.min(rows);
        each_isa(|isa| {
            let whole = forward(&layer, &x, rows);
            let mut parts = forward(&layer, &x[..cut * k], cut);
            parts.extend(forward(&layer, &x[cut * k..], rows - cut));
            assert_bits(&parts, &whole, &format!("{isa:?}"));
        });
    }
}
