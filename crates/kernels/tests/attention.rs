//! Attention: correct against f64, and the same bits for a row however it is computed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Random, assert_bits, assert_close, each_isa, each_setting};
use half::f16;
use visavis_kernels::{AttentionShape, KvSlice, Mask, append_heads, attention};

#[derive(Clone)]
enum Kv {
    Full(Vec<Vec<f32>>),
    Half(Vec<Vec<f16>>),
}

impl Kv {
    fn new(random: &mut Random, positions: usize, shape: AttentionShape, half: bool) -> Self {
        let width = shape.kv_heads * shape.head_dim;
        let rows = random.values(positions * width);
        if half {
            let mut heads = vec![Vec::new(); shape.kv_heads];
            append_heads(&rows, positions, shape.kv_heads, shape.head_dim, &mut heads);
            Self::Half(heads)
        } else {
            let mut heads = vec![Vec::new(); shape.kv_heads];
            append_heads(&rows, positions, shape.kv_heads, shape.head_dim, &mut heads);
            Self::Full(heads)
        }
    }

    fn slice(&self) -> KvSlice<'_> {
        match self {
            Self::Full(heads) => KvSlice::F32(heads),
            Self::Half(heads) => KvSlice::F16(heads),
        }
    }

    fn at(&self, head: usize, i: usize) -> f64 {
        match self {
            Self::Full(heads) => f64::from(heads[head][i]),
            Self::Half(heads) => f64::from(heads[head][i].to_f32()),
        }
    }

    /// Makes every value from position `from` on NaN.
    fn spoil(&mut self, from: usize, head_dim: usize) {
        match self {
            Self::Full(h) => h
                .iter_mut()
                .for_each(|h| h[from * head_dim..].fill(f32::NAN)),
            Self::Half(h) => h
                .iter_mut()
                .for_each(|h| h[from * head_dim..].fill(f16::NAN)),
        }
    }
}

struct Case {
    q: Vec<f32>,
    k: Kv,
    v: Kv,
    shape: AttentionShape,
    scale: f32,
}

impl Case {
    fn new(seed: u64, rows: usize, positions: usize, shape: AttentionShape, half: bool) -> Self {
        let mut random = Random(seed);
        let k = Kv::new(&mut random, positions, shape, half);
        let v = Kv::new(&mut random, positions, shape, half);
        let q = random
            .values(rows * shape.heads * shape.head_dim)
            .iter()
            .map(|v| v * 4.0)
            .collect();
        Self {
            q,
            k,
            v,
            shape,
            scale: 1.0 / (shape.head_dim as f32).sqrt(),
        }
    }

    fn width(&self) -> usize {
        self.shape.heads * self.shape.head_dim
    }

    /// The rows `from..to` of the queries.
    fn run(&self, from: usize, to: usize, mask: Mask) -> Vec<f32> {
        let q = &self.q[from * self.width()..to * self.width()];
        let mut out = vec![f32::NAN; q.len()];
        let (k, v) = (self.k.slice(), self.v.slice());
        attention(q, to - from, k, v, self.shape, self.scale, mask, &mut out);
        out
    }

    fn reference(&self, row: usize, seen: usize) -> Vec<f64> {
        let AttentionShape {
            heads,
            kv_heads,
            head_dim: d,
        } = self.shape;
        let mut out = vec![0.0; heads * d];
        for h in 0..heads {
            let kv = h / (heads / kv_heads);
            let q = &self.q[row * heads * d + h * d..][..d];
            let dot = |j| {
                (0..d)
                    .map(|c| f64::from(q[c]) * self.k.at(kv, j * d + c))
                    .sum::<f64>()
            };
            let scores: Vec<f64> = (0..seen).map(|j| dot(j) * f64::from(self.scale)).collect();
            let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
            for (j, s) in scores.iter().enumerate() {
                for c in 0..d {
                    out[h * d + c] += (s - max).exp() / sum * self.v.at(kv, j * d + c);
                }
            }
        }
        out
    }
}

fn shape(heads: usize, kv_heads: usize, head_dim: usize) -> AttentionShape {
    AttentionShape {
        heads,
        kv_heads,
        head_dim,
    }
}

/// Head sizes: less than a vector, ragged, those of CLIP and LLaMA, and several blocks of both.
const SHAPES: [AttentionShape; 6] = [
    AttentionShape {
        heads: 1,
        kv_heads: 1,
        head_dim: 1,
    },
    AttentionShape {
        heads: 2,
        kv_heads: 1,
        head_dim: 8,
    },
    AttentionShape {
        heads: 3,
        kv_heads: 3,
        head_dim: 20,
    },
    AttentionShape {
        heads: 4,
        kv_heads: 2,
        head_dim: 64,
    },
    AttentionShape {
        heads: 1,
        kv_heads: 1,
        head_dim: 83,
    },
    AttentionShape {
        heads: 2,
        kv_heads: 2,
        head_dim: 128,
    },
];

#[test]
fn agrees_with_f64() {
    for (seed, &shape) in SHAPES.iter().enumerate() {
        for half in [false, true] {
            let case = Case::new(seed as u64, 30, 101, shape, half);
            for (mask, seen) in [(Mask::None, None), (Mask::Causal { start: 71 }, Some(72))] {
                let expected: Vec<f64> = (0..30)
                    .flat_map(|r| case.reference(r, seen.map_or(101, |seen| seen + r)))
                    .collect();
                each_isa(|isa| {
                    let what = format!("{isa:?} {shape:?} {mask:?} half {half}");
                    assert_close(&case.run(0, 30, mask), &expected, |_| 2e-6, &what);
                });
            }
        }
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others() {
    for half in [false, true] {
        for shape in [shape(2, 1, 64), shape(1, 1, 20)] {
            let case = Case::new(7, 577, 577, shape, half);
            each_setting(|isa, threads| {
                let alone: Vec<f32> = (0..577)
                    .flat_map(|r| case.run(r, r + 1, Mask::None))
                    .collect();
                for rows in [1, 2, 7, 64, 577] {
                    let what = format!("{isa:?} {threads} threads, {rows} rows, half {half}");
                    let together = case.run(0, rows, Mask::None);
                    assert_bits(&together, &alone[..rows * case.width()], &what);
                }
            });
        }
    }
}

#[test]
fn a_prompt_in_chunks_has_the_bits_of_the_whole() {
    for half in [false, true] {
        for shape in [shape(2, 2, 128), shape(4, 2, 8), shape(1, 1, 83)] {
            let rows = 150;
            let case = Case::new(8, rows, rows, shape, half);
            each_setting(|isa, threads| {
                let whole = case.run(0, rows, Mask::Causal { start: 0 });
                for chunk in [1, 5, 24, 64, 149] {
                    let chunks: Vec<f32> = (0..rows)
                        .step_by(chunk)
                        .flat_map(|r| case.run(r, rows.min(r + chunk), Mask::Causal { start: r }))
                        .collect();
                    let what = format!("{isa:?} {threads} threads, chunks of {chunk}");
                    assert_bits(&chunks, &whole, &what);
                }
            });
        }
    }
}

#[test]
fn a_row_knows_nothing_of_later_positions() {
    for half in [false, true] {
        let shape = shape(2, 1, 64);
        let case = Case::new(9, 40, 40, shape, half);
        let mut spoiled = Case {
            q: case.q.clone(),
            k: case.k.clone(),
            v: case.v.clone(),
            ..case
        };
        spoiled.k.spoil(17, 64);
        spoiled.v.spoil(17, 64);
        each_isa(|isa| {
            let mask = Mask::Causal { start: 0 };
            let (clean, spoiled) = (case.run(0, 40, mask), spoiled.run(0, 40, mask));
            let seen = 17 * case.width();
            assert_bits(&spoiled[..seen], &clean[..seen], &format!("{isa:?}"));
            assert!(
                spoiled[seen..].iter().all(|v| v.is_nan()),
                "{isa:?}: NaN is not passed on"
            );
        });
    }
}

#[test]
fn large_scores_do_not_overflow() {
    let case = Case {
        scale: 1e4,
        ..Case::new(10, 8, 33, shape(1, 1, 16), false)
    };
    let expected: Vec<f64> = (0..8).flat_map(|r| case.reference(r, 33)).collect();
    each_isa(|isa| {
        assert_close(
            &case.run(0, 8, Mask::None),
            &expected,
            |_| 2e-2,
            &format!("{isa:?}"),
        );
    });
}

#[test]
fn no_rows_and_no_positions() {
    let none = Case::new(11, 0, 5, shape(2, 1, 8), false);
    assert!(none.run(0, 0, Mask::Causal { start: 0 }).is_empty());
    let blind = Case::new(12, 2, 0, shape(2, 1, 8), false);
    assert_eq!(blind.run(0, 2, Mask::None), [0.0; 32]);
}

#[test]
#[should_panic(expected = "causal rows past")]
fn a_causal_row_without_its_position_is_refused() {
    Case::new(13, 4, 5, shape(1, 1, 8), false).run(0, 4, Mask::Causal { start: 2 });
}

#[test]
fn append_heads_scatters_rows_and_rounds_to_even() {
    let rows: Vec<f32> = (0..12).map(|v| v as f32).collect();
    let mut heads = vec![vec![-1.0], vec![-2.0], vec![-3.0]];
    append_heads(&rows, 2, 3, 2, &mut heads);
    assert_eq!(heads[0], [-1.0, 0.0, 1.0, 6.0, 7.0]);
    assert_eq!(heads[1], [-2.0, 2.0, 3.0, 8.0, 9.0]);
    assert_eq!(heads[2], [-3.0, 4.0, 5.0, 10.0, 11.0]);
    let mut half: Vec<Vec<f16>> = vec![Vec::new()];
    append_heads(&[2049.0, 2051.0, 1e-8, -70_000.0], 1, 1, 4, &mut half);
    let values: Vec<f32> = half[0].iter().map(|v| v.to_f32()).collect();
    assert_eq!(values, [2048.0, 2052.0, 0.0, f32::NEG_INFINITY]);
}
