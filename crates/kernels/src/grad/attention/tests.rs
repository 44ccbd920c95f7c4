use super::*;

fn values(seed: usize, n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| (((i * 31 + seed * 17) % 61) as f32 - 30.0) / 25.0)
        .collect()
}

/// `sum(dout * attention)` in f64, written out.
fn value(q: &[f64], k: &[f64], v: &[f64], dout: &[f64], s: &Sequences<'_>) -> f64 {
    let AttentionShape {
        heads,
        kv_heads,
        head_dim: d,
    } = s.shape;
    let (mut total, mut start) = (0.0, 0);
    for &len in s.lengths {
        for h in 0..heads {
            let kv = h / (heads / kv_heads);
            for i in 0..len {
                let seen = if s.causal { i + 1 } else { len };
                let at = |x: &[f64], row: usize, head: usize, of: usize, c: usize| {
                    x[((start + row) * of + head) * d + c]
                };
                let scores: Vec<f64> = (0..seen)
                    .map(|j| {
                        (0..d)
                            .map(|c| at(q, i, h, heads, c) * at(k, j, kv, kv_heads, c))
                            .sum::<f64>()
                            * f64::from(s.scale)
                    })
                    .map(f64::exp)
                    .collect();
                let all: f64 = scores.iter().sum();
                for c in 0..d {
                    let out: f64 = (0..seen)
                        .map(|j| scores[j] / all * at(v, j, kv, kv_heads, c))
                        .sum();
                    total += out * at(dout, i, h, heads, c);
                }
            }
        }
        start += len;
    }
    total
}

#[test]
fn slopes_of_attention() {
    for (causal, heads, kv_heads, lengths) in [
        (true, 2, 2, vec![3, 5]),
        (false, 2, 1, vec![4]),
        (true, 4, 2, vec![1, 130]),
    ] {
        let d = 3;
        let shape = AttentionShape {
            heads,
            kv_heads,
            head_dim: d,
        };
        let s = Sequences {
            lengths: &lengths,
            causal,
            shape,
            scale: 0.7,
        };
        let rows = s.rows();
        let (q, dout) = (values(1, rows * heads * d), values(2, rows * heads * d));
        let (k, v) = (
            values(3, rows * kv_heads * d),
            values(4, rows * kv_heads * d),
        );
        let mut out = vec![0.0; q.len()];
        attend(&q, &k, &v, &s, &mut out);
        let wide = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let operands = [wide(&q), wide(&k), wide(&v)];
        let wide_dout = wide(&dout);
        let f = |o: &[Vec<f64>; 3]| value(&o[0], &o[1], &o[2], &wide_dout, &s);
        let ours: f64 = out
            .iter()
            .zip(&dout)
            .map(|(o, d)| f64::from(*o) * f64::from(*d))
            .sum();
        assert!((ours - f(&operands)).abs() < 1e-4);
        let (mut dq, mut dk, mut dv) = (vec![9.0; q.len()], vec![9.0; k.len()], vec![9.0; v.len()]);
        let grad = AttentionGrad {
            dq: &mut dq,
            dk: &mut dk,
            dv: &mut dv,
        };
        attend_backward([&q, &k, &v, &out], &dout, &s, grad);
        for (which, grad) in [dq, dk, dv].iter().enumerate() {
            // Some elements of each will do: the written-out sum is slow.
            for i in (0..grad.len()).step_by(1 + grad.len() / 40) {
                let mut moved = operands.clone();
                moved[which][i] += 1e-5;
                let up = f(&moved);
                moved[which][i] -= 2e-5;
                let exact = (up - f(&moved)) / 2e-5;
                assert!(
                    (f64::from(grad[i]) - exact).abs() < 2e-5,
                    "{which} {i}: {} {exact}",
                    grad[i]
                );
            }
        }
    }
}
