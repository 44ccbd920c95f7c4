//! Safe loops over slices, a vector at a time. The rest of a slice that fills no vector goes
//! through the same operations in a vector of its own, so that a value's bits do not depend on
//! where in a chunk it stands.

use super::Simd;

/// A function of one vector. A trait and not a closure: it must be `#[inline(always)]`.
pub(crate) trait Map: Sync {
    fn apply<S: Simd>(&self, s: S, x: S::V) -> S::V;
}

/// A function of two vectors.
pub(crate) trait Map2: Sync {
    fn apply<S: Simd>(&self, s: S, x: S::V, y: S::V) -> S::V;
}

/// A reduction.
pub(crate) trait Fold {
    /// What the accumulator starts from.
    const START: f32;
    /// What lanes past the end of the row hold: a step with it must not change the accumulator.
    fn fill(&self) -> f32;
    fn step<S: Simd>(&self, s: S, acc: S::V, x: S::V) -> S::V;
    /// Unites two accumulators.
    fn join<S: Simd>(&self, s: S, a: S::V, b: S::V) -> S::V;
}

/// `x = f(x)`.
#[inline(always)]
pub(crate) fn map<S: Simd, F: Map>(s: S, x: &mut [f32], f: &F) {
    let mut chunks = x.chunks_exact_mut(S::LANES);
    for c in &mut chunks {
        // SAFETY: a chunk holds LANES values.
        unsafe { s.store(c.as_mut_ptr(), f.apply(s, s.load(c.as_ptr()))) }
    }
    let c = chunks.into_remainder();
    if !c.is_empty() {
        // SAFETY: exactly the values of the remainder, which are fewer than LANES.
        unsafe {
            s.store_part(
                c.as_mut_ptr(),
                f.apply(s, s.load_part(c.as_ptr(), c.len())),
                c.len(),
            )
        }
    }
}

/// `out = f(x, y)` over the shortest of the three lengths.
#[inline(always)]
pub(crate) fn map2<S: Simd, F: Map2>(s: S, x: &[f32], y: &[f32], out: &mut [f32], f: &F) {
    let n = out.len().min(x.len()).min(y.len());
    let (x, y, out) = (x.as_ptr(), y.as_ptr(), out.as_mut_ptr());
    let whole = n - n % S::LANES;
    let mut i = 0;
    while i < whole {
        // SAFETY: i + LANES <= n, which no slice is shorter than.
        unsafe { s.store(out.add(i), f.apply(s, s.load(x.add(i)), s.load(y.add(i)))) }
        i += S::LANES;
    }
    if whole < n {
        let rest = n - whole;
        // SAFETY: the last `rest` < LANES values of each.
        unsafe {
            let (x, y) = (
                s.load_part(x.add(whole), rest),
                s.load_part(y.add(whole), rest),
            );
            s.store_part(out.add(whole), f.apply(s, x, y), rest);
        }
    }
}

/// `x += y` over the shorter length.
#[inline(always)]
pub(crate) fn add_into<S: Simd>(s: S, x: &mut [f32], y: &[f32]) {
    for (x, y) in x.chunks_mut(S::LANES).zip(y.chunks(S::LANES)) {
        let n = x.len().min(y.len());
        if n == S::LANES {
            // SAFETY: both hold LANES values.
            unsafe {
                s.store(
                    x.as_mut_ptr(),
                    s.add(s.load(x.as_ptr()), s.load(y.as_ptr())),
                )
            }
        } else {
            x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
        }
    }
}

/// Reduces a row to one vector: four chains that take turns, joined in a fixed order.
#[inline(always)]
pub(crate) fn fold<S: Simd, F: Fold>(s: S, x: &[f32], f: &F) -> S::V {
    let mut acc = [s.splat(F::START); 4];
    let mut blocks = x.chunks_exact(4 * S::LANES);
    for block in &mut blocks {
        for (i, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the block holds 4 * LANES values and i < 4.
            *acc = f.step(s, *acc, unsafe { s.load(block.as_ptr().add(i * S::LANES)) });
        }
    }
    for (c, acc) in blocks.remainder().chunks(S::LANES).zip(&mut acc) {
        let mut lanes = [f.fill(); 16];
        for (lane, x) in lanes.iter_mut().zip(c) {
            *lane = *x;
        }
        // SAFETY: the array holds 16 >= LANES values.
        *acc = f.step(s, *acc, unsafe { s.load(lanes.as_ptr()) });
    }
    let [a, b, c, d] = acc;
    f.join(s, f.join(s, a, b), f.join(s, c, d))
}
