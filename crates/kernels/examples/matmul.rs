//! Measures the linear layer at the shapes of the 7B model beside candle's own quantised product,
//! warm, in the same process and run.
//!
//! `cargo run --release -p visavis-kernels --example matmul -- [--threads N] [--types Q4_K,Q6_K]
//! [--rows 1,512] [--alone] [--json FILE]`

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};
use serde_json::{Value, json};
use visavis_kernels::{DType, Linear, Matrix, Storage, ThreadPool, cpu_features, quantise_row};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// (out features, in features)
const SHAPES: [(usize, usize); 4] = [(4096, 4096), (11008, 4096), (4096, 11008), (32000, 4096)];
/// Names, our types, candle's.
const TYPES: [(DType, GgmlDType); 6] = [
    (DType::Q4K, GgmlDType::Q4K),
    (DType::Q6K, GgmlDType::Q6K),
    (DType::Q8_0, GgmlDType::Q8_0),
    (DType::Q4_0, GgmlDType::Q4_0),
    (DType::F16, GgmlDType::F16),
    (DType::F32, GgmlDType::F32),
];

struct Options {
    threads: usize,
    types: Vec<String>,
    rows: Vec<usize>,
    alone: bool,
    json: Option<String>,
}

impl Options {
    fn parse() -> Result<Self, Failure> {
        let mut options = Self {
            threads: 0,
            types: ["Q4_K", "Q6_K", "Q8_0", "F16"].map(String::from).to_vec(),
            rows: vec![1, 16, 128, 512],
            alone: false,
            json: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--threads" => options.threads = value()?.parse()?,
                "--types" => options.types = value()?.split(',').map(String::from).collect(),
                "--rows" => {
                    let rows: Result<_, _> = value()?.split(',').map(str::parse).collect();
                    options.rows = rows?;
                }
                "--alone" => options.alone = true,
                "--json" => options.json = Some(value()?),
                _ => return Err(format!("{arg} is not an option of this measurement").into()),
            }
        }
        Ok(options)
    }
}

fn main() -> Result<(), Failure> {
    let options = Options::parse()?;
    let pool = ThreadPool::new(options.threads)?;
    // candle's products run on the global pool.
    rayon::ThreadPoolBuilder::new()
        .num_threads(pool.threads())
        .build_global()?;
    println!("{}, {} threads", cpu_features(), pool.threads());
    let mut results = Vec::new();
    for (dtype, candle) in TYPES {
        if !options.types.iter().any(|t| t == dtype.name()) {
            continue;
        }
        for (n, k) in SHAPES {
            let bytes = weight(dtype, n, k)?;
            for &rows in &options.rows {
                let result = compare(&options, &pool, dtype, candle, &bytes, [rows, n, k])?;
                results.push(result);
            }
        }
    }
    if let Some(path) = options.json {
        let all = json!({
            "instruction_set": cpu_features(),
            "threads": pool.threads(),
            "results": results,
        });
        std::fs::write(path, serde_json::to_vec_pretty(&all)?)?;
    }
    Ok(())
}

/// Weights of a plausible size: some rows, then the same ones again.
fn weight(dtype: DType, n: usize, k: usize) -> Result<Arc<Vec<u8>>, Failure> {
    let row = k / dtype.block_len() * dtype.block_bytes();
    let mut some = vec![0; row * 16];
    quantise_row(dtype, &values(16 * k, 0.02), &mut some)?;
    Ok(Arc::new(
        some.iter().copied().cycle().take(row * n).collect(),
    ))
}

fn values(n: usize, size: f32) -> Vec<f32> {
    let mut state = 1_u32;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * size
        })
        .collect()
}

struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn compare(
    options: &Options,
    pool: &ThreadPool,
    dtype: DType,
    candle: GgmlDType,
    bytes: &Arc<Vec<u8>>,
    [rows, n, k]: [usize; 3],
) -> Result<Value, Failure> {
    let x = values(rows * k, 1.0);
    let matrix = Matrix::new(Storage::new(Shared(bytes.clone())), 0, dtype, n, k)?;
    let layer = Linear::new(matrix, None)?;
    let mut y = vec![0.0; rows * n];
    let ours = pool.install(|| best(|| layer.forward(&x, rows, &mut y)));
    let theirs = if options.alone {
        None
    } else {
        Some(candle_time(candle, bytes, &x, [rows, n, k], &y)?)
    };
    let macs = (rows * n * k) as f64 / ours / 1e9;
    let gigabytes = bytes.len() as f64 / ours / 1e9;
    let ratio = theirs.map(|t| t / ours);
    println!(
        "{:5} {k:5} -> {n:5} x {rows:3}: {:8.3} ms {macs:6.1} GMAC/s {gigabytes:5.1} GB/s{}",
        dtype.name(),
        ours * 1e3,
        theirs.zip(ratio).map_or_else(String::new, |(t, r)| format!(
            "   candle {:8.3} ms, {r:5.2} times ours",
            t * 1e3
        )),
    );
    Ok(json!({
        "type": dtype.name(), "rows": rows, "out": n, "in": k, "seconds": ours,
        "gmac_per_s": macs, "gb_per_s": gigabytes, "candle_seconds": theirs, "ratio": ratio,
    }))
}

/// candle's time for the same product, after its weights are repacked.
fn candle_time(
    dtype: GgmlDType,
    bytes: &[u8],
    x: &[f32],
    [rows, n, k]: [usize; 3],
    expected: &[f32],
) -> Result<f64, Failure> {
    let storage = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, dtype)?;
    let weight = QMatMul::from_qtensor(QTensor::new(storage, (n, k))?)?;
    let x = Tensor::from_slice(x, (rows, k), &Device::Cpu)?;
    for _ in 0..2 {
        weight.forward(&x)?;
    }
    let mut result = Ok(x.clone());
    let time = best(|| result = weight.forward(&x));
    // The same numbers, but for its 8-bit activations: else the comparison means nothing.
    let found = result?.flatten_all()?.to_vec1::<f32>()?;
    let largest = expected.iter().fold(0.0_f32, |a, v| a.max(v.abs()));
    let differs = |(a, b): (&f32, &f32)| (a - b).abs() > 0.03 * largest;
    if found.iter().zip(expected).any(differs) {
        return Err(format!("{dtype:?}: candle's product is another").into());
    }
    Ok(time)
}

/// The best of some runs, in seconds.
fn best(mut f: impl FnMut()) -> f64 {
    f();
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed() < Duration::from_millis(300) {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}
