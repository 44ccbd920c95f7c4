//! Working memory that each thread keeps between calls, aligned to a cache line: a vector that
//! straddles two lines is read at half speed.

use std::cell::Cell;

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

thread_local! {
    static LINES: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Lends `f` at least `len` floats of unspecified content.
pub(crate) fn with<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    // Taken out while lent: a nested call finds none and makes its own.
    let mut lines = LINES.take();
    let needed = len.div_ceil(16);
    if lines.len() < needed {
        lines.resize(needed, Line([0.0; 16]));
    }
    let result = f(bytemuck::cast_slice_mut(&mut lines));
    LINES.set(lines);
    result
}
