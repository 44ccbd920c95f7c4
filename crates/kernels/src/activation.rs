//! Element by element: activations and the residual sum.

use crate::isa::Level;
use crate::math::{erf, sigmoid};
use crate::pool;
use crate::simd::{Kernel, Map, Map2, Simd, add_into, dispatch, map, map2};

/// `x * sigmoid(1.702 x)` in place: the activation of CLIP.
pub fn quick_gelu(x: &mut [f32]) {
    each(x, &QuickGelu);
}

/// `x / 2 * (1 + erf(x / sqrt 2))` in place: the exact GELU, of LLaVA's connector.
pub fn gelu_erf(x: &mut [f32]) {
    each(x, &GeluErf);
}

/// `out = gate * sigmoid(gate) * up`: the gated activation of LLaMA.
///
/// # Panics
/// When the lengths differ.
pub fn silu_mul(gate: &[f32], up: &[f32], out: &mut [f32]) {
    assert!(
        gate.len() == up.len() && up.len() == out.len(),
        "operands of silu_mul"
    );
    let level = Level::current();
    pool::for_each_piece(out, EXP_COST, |at, out| {
        let (gate, up) = (&gate[at..][..out.len()], &up[at..][..out.len()]);
        dispatch(
            level,
            Pairs {
                x: gate,
                y: up,
                out,
                f: &SiluMul,
            },
        );
    });
}

/// `x += y`.
///
/// # Panics
/// When the lengths differ.
pub fn add_assign(x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len(), "operands of a sum");
    let level = Level::current();
    pool::for_each_piece(x, 1, |at, x| dispatch(level, Add { x, y: &y[at..] }));
}

/// An exponential is about as much work as ten multiplications.
const EXP_COST: usize = 10;

fn each<F: Map>(x: &mut [f32], f: &F) {
    let level = Level::current();
    pool::for_each_piece(x, EXP_COST, |_, x| dispatch(level, Each { x, f }));
}

struct Each<'a, F> {
    x: &'a mut [f32],
    f: &'a F,
}

impl<F: Map> Kernel for Each<'_, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        map(s, self.x, self.f);
    }
}

struct Pairs<'a, F> {
    x: &'a [f32],
    y: &'a [f32],
    out: &'a mut [f32],
    f: &'a F,
}

impl<F: Map2> Kernel for Pairs<'_, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        map2(s, self.x, self.y, self.out, self.f);
    }
}

struct Add<'a> {
    x: &'a mut [f32],
    y: &'a [f32],
}

impl Kernel for Add<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        add_into(s, self.x, self.y);
    }
}

struct QuickGelu;

impl Map for QuickGelu {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, x: S::V) -> S::V {
        s.mul(x, sigmoid(s, s.mul(x, s.splat(1.702))))
    }
}

struct GeluErf;

impl Map for GeluErf {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, x: S::V) -> S::V {
        let erf = erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2)));
        s.mul(s.mul(x, s.splat(0.5)), s.add(erf, s.splat(1.0)))
    }
}

struct SiluMul;

impl Map2 for SiluMul {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, gate: S::V, up: S::V) -> S::V {
        s.mul(s.mul(gate, sigmoid(s, gate)), up)
    }
}
