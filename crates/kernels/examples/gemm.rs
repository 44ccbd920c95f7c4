//! Prints the speed of the linear layer and of attention on this machine.
//!
//! `cargo run --release -p visavis-kernels --example gemm [threads [types [rows]]]`, where types
//! and rows are lists with commas, such as `2 Q4_K,F16 1,577`.

use std::time::Instant;

use visavis_kernels::{
    AttentionShape, DType, Isa, KvSlice, Linear, Mask, Matrix, Storage, ThreadPool, attention,
    quantise_row, with_isa,
};

/// (out features, in features)
const LANGUAGE: &[(usize, usize)] = &[(4096, 4096), (11008, 4096), (4096, 11008), (32000, 4096)];
const VISION: &[(usize, usize)] = &[(1024, 1024), (4096, 1024), (1024, 4096)];
const TYPES: [DType; 7] = [
    DType::F32,
    DType::F16,
    DType::BF16,
    DType::Q4_0,
    DType::Q8_0,
    DType::Q4K,
    DType::Q6K,
];

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let threads = args.next().map_or(Ok(0), |t| t.parse())?;
    let types = args.next().unwrap_or_else(|| "F32,F16,Q4_K,Q6_K".into());
    let rows = args.next().unwrap_or_else(|| "1,16,128,577".into());
    let rows = rows
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<usize>, _>>()?;
    let pool = ThreadPool::new(threads)?;
    println!("memory: {:.1} GB/s", stream(pool.threads()));
    let Some(&isa) = Isa::available().last() else {
        return Ok(());
    };
    println!("{}, {} threads", isa.name(), pool.threads());
    let run = || pool.install(|| all(&types, &rows));
    with_isa(isa, run)?
}

/// Bytes that `threads` threads read from memory in a second, in 10^9.
fn stream(threads: usize) -> f64 {
    let data = vec![1_u64; 32 << 20];
    let t = best(|| {
        std::thread::scope(|scope| {
            for part in data.chunks(data.len().div_ceil(threads)) {
                scope.spawn(move || {
                    let sums = part.chunks_exact(16).fold([0_u64; 16], |mut sums, c| {
                        for (sum, v) in sums.iter_mut().zip(c) {
                            *sum ^= v;
                        }
                        sums
                    });
                    std::hint::black_box(sums);
                });
            }
        });
    });
    data.len() as f64 * 8.0 / t / 1e9
}

fn all(types: &str, rows: &[usize]) -> Result<(), Failure> {
    for dtype in TYPES {
        if !types.split(',').any(|t| t == dtype.name()) {
            continue;
        }
        let shapes = if dtype.is_quantised() {
            LANGUAGE
        } else {
            VISION
        };
        for &(n, k) in shapes {
            for &rows in rows {
                linear(dtype, rows, n, k)?;
            }
        }
    }
    if types.contains("attention") {
        picture();
    }
    Ok(())
}

/// The best of some runs, in seconds.
fn best(mut f: impl FnMut()) -> f64 {
    f();
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed().as_secs_f64() < 0.4 {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn values(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| (i * 7919 % 1000) as f32 * 0.001 - 0.5)
        .collect()
}

fn linear(dtype: DType, rows: usize, n: usize, k: usize) -> Result<(), Failure> {
    let row = k / dtype.block_len() * dtype.block_bytes();
    let mut one = vec![0; row];
    quantise_row(dtype, &values(k), &mut one)?;
    let bytes: Vec<u8> = one.iter().copied().cycle().take(row * n).collect();
    let size = bytes.len() as f64;
    let layer = Linear::new(Matrix::new(Storage::new(bytes), 0, dtype, n, k)?, None)?;
    let (x, mut y) = (values(rows * k), vec![0.0; rows * n]);
    let t = best(|| layer.forward(&x, rows, &mut y));
    let work = (rows * n * k) as f64;
    println!(
        "  {:4} {rows:4} x {k:5} -> {n:5}: {:8.3} ms {:6.1} GMAC/s {:6.1} GB/s",
        dtype.name(),
        t * 1e3,
        work / t / 1e9,
        size / t / 1e9
    );
    Ok(())
}

fn picture() {
    let cases = [
        ("picture", 577, 0, 16, 64, false),
        ("prefill", 640, 0, 32, 128, true),
        ("decode at 2000", 1, 2000, 32, 128, true),
    ];
    for (name, rows, start, heads, head_dim, causal) in cases {
        let shape = AttentionShape {
            heads,
            kv_heads: heads,
            head_dim,
        };
        let q = values(rows * heads * head_dim);
        let kv = vec![values((start + rows) * head_dim); heads];
        let half: Vec<Vec<half::f16>> = kv
            .iter()
            .map(|h| h.iter().map(|&v| half::f16::from_f32(v)).collect())
            .collect();
        let mask = if causal {
            Mask::Causal { start }
        } else {
            Mask::None
        };
        let mut out = vec![0.0; q.len()];
        for (kind, kv) in [("f32", KvSlice::F32(&kv)), ("f16", KvSlice::F16(&half))] {
            let t = best(|| attention(&q, rows, kv, kv, shape, 0.1, mask, &mut out));
            println!("  attention {name} {kind}: {:8.3} ms", t * 1e3);
        }
    }
}
