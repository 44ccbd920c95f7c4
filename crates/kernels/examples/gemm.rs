//! Prints the speed of the linear layer and of attention on this machine.
//!
//! `cargo run --release -p visavis-kernels --example gemm [threads]`

use std::time::Instant;

use visavis_kernels::{
    AttentionShape, DType, Isa, KvSlice, Linear, Mask, Matrix, Storage, ThreadPool, attention,
    with_isa,
};

/// (rows, out features, in features)
const SHAPES: &[(usize, usize, usize)] = &[
    (1, 1024, 1024),
    (1, 4096, 4096),
    (1, 11008, 4096),
    (1, 4096, 11008),
    (1, 32000, 4096),
    (4, 4096, 4096),
    (12, 4096, 4096),
    (16, 4096, 4096),
    (128, 4096, 4096),
    (577, 1024, 1024),
    (577, 4096, 1024),
    (577, 1024, 4096),
    (640, 4096, 4096),
    (640, 11008, 4096),
    (640, 4096, 11008),
];

fn main() -> Result<(), Failure> {
    let threads = std::env::args().nth(1).map_or(Ok(0), |t| t.parse())?;
    let pool = ThreadPool::new(threads)?;
    for &isa in Isa::available() {
        println!("{}, {} threads", isa.name(), pool.threads());
        let run = || pool.install(|| if isa == Isa::Portable { Ok(()) } else { all() });
        with_isa(isa, run)??;
    }
    Ok(())
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn all() -> Result<(), Failure> {
    for &dtype in &[DType::F32, DType::F16, DType::BF16] {
        for &(rows, n, k) in SHAPES {
            linear(dtype, rows, n, k)?;
        }
    }
    picture();
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
    let bytes = vec![0x3c; n * k * dtype.block_bytes()];
    let size = bytes.len() as f64;
    let layer = Linear::new(Matrix::new(Storage::new(bytes), 0, dtype, n, k)?, None)?;
    let (x, mut y) = (values(rows * k), vec![0.0; rows * n]);
    let t = best(|| layer.forward(&x, rows, &mut y));
    let flops = 2.0 * (rows * n * k) as f64;
    println!(
        "  {:4} {rows:4} x {k:5} -> {n:5}: {:8.3} ms {:6.1} GFLOP/s {:6.1} GB/s",
        dtype.name(),
        t * 1e3,
        flops / t / 1e9,
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
