//! tmp
use std::time::Instant;
use visavis_kernels::grad::*;
use visavis_kernels::*;
fn main() {
    let pool = ThreadPool::new(1).unwrap();
    pool.install(|| {
    for (r, k, n) in [(2000usize, 256usize, 256usize), (2000, 256, 704), (2000, 704, 256), (2000,320,320),(2000,320,864), (1000,192,768),(1000,768,192),(4000,256,704)] {
        let x = vec![0.5f32; r * k]; let w = vec![0.25f32; n * k]; let dy = vec![0.1f32; r * n];
        let mut y = vec![0.0f32; r * n]; let mut dx = vec![0.0f32; r * k]; let mut dw = vec![0.0f32; n * k];
        let gf = 2.0 * (r * k * n) as f64 / 1e9;
        let t = |f: &mut dyn FnMut()| { f(); let mut best = f64::MAX; for _ in 0..8 { let s = Instant::now(); f(); best = best.min(s.elapsed().as_secs_f64()); } gf / best };
        let a = t(&mut || product(View::new(&x, r, k), View::new(&w, n, k).t(), 1.0, false, &mut y, n));
        let b = t(&mut || product(View::new(&dy, r, n), View::new(&w, n, k), 1.0, false, &mut dx, k));
        let c = t(&mut || product(View::new(&dy, r, n).t(), View::new(&x, r, k), 1.0, false, &mut dw, k));
        println!("{r} {k} {n}: fwd {a:.1} dx {b:.1} dw {c:.1} GFLOP/s");
    }
    for d in [32usize, 64] {
        let lens = vec![200usize; 10]; let heads = 256 / d; let rows = 2000;
        let shape = AttentionShape { heads, kv_heads: heads, head_dim: d };
        let s = Sequences { lengths: &lens, causal: true, shape, scale: 0.1 };
        let q = vec![0.1f32; rows * 256]; let mut o = vec![0.0f32; rows * 256];
        let (mut a, mut b, mut c) = (o.clone(), o.clone(), o.clone());
        let st = Instant::now(); for _ in 0..5 { attend(&q, &q, &q, &s, &mut o); } println!("attn {d} fwd {:.2} ms", st.elapsed().as_secs_f64() * 200.0);
        let st = Instant::now(); for _ in 0..5 { attend_backward([&q, &q, &q, &o], &q, &s, AttentionGrad { dq: &mut a, dk: &mut b, dv: &mut c }); } println!("attn {d} bwd {:.2} ms", st.elapsed().as_secs_f64() * 200.0);
    }
    let n = 2000 * 704; let g = vec![0.3f32; n]; let mut o1 = vec![0.0f32; n]; let mut o2 = vec![0.0f32; n];
    let st = Instant::now(); for _ in 0..5 { silu_mul_backward(&g, &g, &g, &mut o1, &mut o2); } println!("silu bwd {:.2} ms", st.elapsed().as_secs_f64() * 200.0);
    let st = Instant::now(); for _ in 0..5 { silu_mul(&g, &g, &mut o1); } println!("silu fwd {:.2} ms", st.elapsed().as_secs_f64() * 200.0);
    });
}
