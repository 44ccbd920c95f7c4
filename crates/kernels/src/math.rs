//! Exponential and error function on vectors: the standard library's are one value at a time.
//!
//! The polynomials were fitted for least maximum error over their range, the coefficients rounded
//! to f32 from the lowest order up, each time refitting the rest.

use crate::simd::Simd;

/// `c[0] + c[1] x + c[2] x^2 + ...`
#[inline(always)]
fn poly<S: Simd, const N: usize>(s: S, x: S::V, c: [f32; N]) -> S::V {
    let mut acc = s.splat(0.0);
    for (i, &c) in c.iter().rev().enumerate() {
        acc = if i == 0 {
            s.splat(c)
        } else {
            s.fma(acc, x, s.splat(c))
        };
    }
    acc
}

/// `e^x` within 2 units in the last place, over the whole range; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    // Beyond these bounds the result is 0 or infinite anyway. NaN passes, as second operand.
    let x = s.min(s.splat(89.0), s.max(s.splat(-104.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts; the first is short, so that its product with n is exact.
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let p = poly(
        s,
        r,
        [
            0.499_999_94,
            0.166_665_21,
            0.041_668_292,
            8.368_716e-3,
            1.381_869_8e-3,
        ],
    );
    let p = s.add(s.fma(s.mul(r, r), p, r), s.splat(1.0));
    s.scale2(p, n)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// The error function within 1.2e-7.
#[inline(always)]
pub(crate) fn erf<S: Simd>(s: S, x: S::V) -> S::V {
    let t = s.min(s.splat(4.0), s.abs(x));
    // Below 1: erf(t) = t + t P(t^2). Above: erf(t) = 1 - e^Q(t), and 1 to the bit from 3.92 on.
    let small = poly(
        s,
        s.mul(t, t),
        [
            0.128_379_17,
            -0.376_126_26,
            0.112_835_79,
            -0.026_853_347,
            5.187_162e-3,
            -7.997_853e-4,
            7.806_904e-5,
        ],
    );
    let small = s.fma(small, t, t);
    let large = poly(
        s,
        t,
        [
            -3.537_18e-4,
            -1.127_04,
            -0.638_225_73,
            -0.103_037_26,
            0.021_805_229,
            -2.939_573e-3,
            1.855_690_8e-4,
        ],
    );
    let large = s.sub(s.splat(1.0), exp(s, large));
    s.copysign(s.if_less(t, s.splat(1.0), small, large), x)
}
