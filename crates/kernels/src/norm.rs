//! Normalisation over rows.

/// `out = x / sqrt(mean(x^2) + eps) * weight` per row, for `x` and `out` (rows, cols) and
/// `weight` (cols). The root mean square norm of LLaMA.
///
/// # Panics
/// When lengths do not fit.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, cols: usize, out: &mut [f32]) {
    for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
        let mean = x.iter().map(|v| v * v).sum::<f32>() / cols as f32;
        let inv = 1.0 / (mean + eps).sqrt();
        for ((o, x), w) in out.iter_mut().zip(x).zip(weight) {
            *o = x * inv * w;
        }
    }
}

/// `out = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias` per row, with the biased variance,
/// for `x` and `out` (rows, cols), `weight` and `bias` (cols).
///
/// # Panics
/// When lengths do not fit.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, cols: usize, out: &mut [f32]) {
    for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
        let mean = x.iter().sum::<f32>() / cols as f32;
        let var = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / cols as f32;
        let inv = 1.0 / (var + eps).sqrt();
        for (((o, x), w), b) in out.iter_mut().zip(x).zip(weight).zip(bias) {
            *o = (x - mean) * inv * w + b;
        }
    }
}
