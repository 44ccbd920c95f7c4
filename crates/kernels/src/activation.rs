//! Element by element: activations, the residual sum, and softmax.

/// `x * sigmoid(1.702 x)` in place: the activation of CLIP.
pub fn quick_gelu(x: &mut [f32]) {
    x.iter_mut().for_each(|v| *v /= 1.0 + (-1.702 * *v).exp());
}

/// `x / 2 * (1 + erf(x / sqrt 2))` in place: the exact GELU, of LLaVA's connector.
pub fn gelu_erf(x: &mut [f32]) {
    x.iter_mut()
        .for_each(|v| *v *= 0.5 + 0.5 * (0.797_884_6 * *v).tanh());
}

/// `out = gate * sigmoid(gate) * up`: the gated activation of LLaMA.
///
/// # Panics
/// When the lengths differ.
pub fn silu_mul(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
        *o = g / (1.0 + (-g).exp()) * u;
    }
}

/// `x += y`.
///
/// # Panics
/// When the lengths differ.
pub fn add_assign(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

/// Softmax of each row of `x` (rows, cols) in place, with the maximum taken off first.
///
/// # Panics
/// When `x` is not whole rows.
pub fn softmax_rows(x: &mut [f32], cols: usize) {
    for row in x.chunks_exact_mut(cols) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|v| *v = (*v - max).exp());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
}
