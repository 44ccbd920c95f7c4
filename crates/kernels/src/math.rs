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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Isa, Level, with_isa};
    use crate::simd::{Kernel, Map, dispatch, map};

    #[derive(Clone, Copy)]
    struct Exp;
    impl Map for Exp {
        #[inline(always)]
        fn apply<S: Simd>(&self, s: S, x: S::V) -> S::V {
            exp(s, x)
        }
    }

    #[derive(Clone, Copy)]
    struct Erf;
    impl Map for Erf {
        #[inline(always)]
        fn apply<S: Simd>(&self, s: S, x: S::V) -> S::V {
            erf(s, x)
        }
    }

    struct Apply<'a, F>(&'a mut [f32], F);
    impl<F: Map> Kernel for Apply<'_, F> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            map(s, self.0, &self.1);
        }
    }

    /// Calls `check(isa, inputs, outputs)` for every instruction set.
    fn each(x: &[f32], f: impl Map + Copy, check: impl Fn(Isa, &[f32], &[f32])) {
        for &isa in Isa::available() {
            let mut y = x.to_vec();
            with_isa(isa, || dispatch(Level::current(), Apply(&mut y, f))).unwrap();
            check(isa, x, &y);
        }
    }

    /// One in 997 of all finite numbers, of both signs.
    fn sample() -> Vec<f32> {
        (0..=u32::MAX)
            .step_by(997)
            .map(f32::from_bits)
            .filter(|v| v.is_finite())
            .collect()
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let mut x = sample();
        x.extend((-1_040_000..=890_000).map(|i| i as f32 * 1e-4));
        each(&x, Exp, |isa, x, y| {
            for (&x, &y) in x.iter().zip(y) {
                let exact = f64::from(x).exp();
                let rounded = exact as f32;
                if rounded.is_infinite() || y.is_infinite() {
                    assert!(
                        exact > f64::from(f32::MAX) * 0.999_999_5,
                        "{isa:?} exp({x}) = {y}"
                    );
                    assert!(y > 3.402_82e38, "{isa:?} exp({x}) = {y}");
                    continue;
                }
                let unit = f64::from(rounded.next_up()) - f64::from(rounded);
                let off = (f64::from(y) - exact).abs() / unit;
                assert!(off <= 2.0, "{isa:?} exp({x}) = {y}, off by {off} units");
            }
        });
    }

    #[test]
    fn exp_of_the_ends_of_the_range() {
        let x = [
            f32::NEG_INFINITY,
            f32::INFINITY,
            0.0,
            -0.0,
            f32::MIN,
            f32::MAX,
            f32::NAN,
        ];
        each(&x, Exp, |isa, _, y| {
            assert_eq!(
                y[..6],
                [0.0, f32::INFINITY, 1.0, 1.0, 0.0, f32::INFINITY],
                "{isa:?}"
            );
            assert!(y[6].is_nan(), "{isa:?}");
        });
    }

    /// The error function from its integral, by Simpson's rule in steps of 1/4096.
    fn erf_table() -> Vec<f64> {
        let density = |t: f64| (-t * t).exp() * std::f64::consts::FRAC_2_SQRT_PI;
        let h = 1.0 / 4096.0;
        let mut table = vec![0.0];
        for i in 0..6 * 4096 {
            let t = f64::from(i) * h;
            let area = density(t) + 4.0 * density(t + h / 2.0) + density(t + h);
            table.push(table[i as usize] + area * h / 6.0);
        }
        table
    }

    #[test]
    fn erf_is_within_its_bound() {
        let table = erf_table();
        let x: Vec<f32> = (0..table.len()).map(|i| i as f32 / 4096.0).collect();
        let negative: Vec<f32> = x.iter().map(|x| -x).collect();
        let worst = |isa: Isa, y: &[f32], sign: f64| {
            for (i, (y, exact)) in y.iter().zip(&table).enumerate() {
                let off = (f64::from(*y) - sign * exact).abs();
                assert!(off <= 1.2e-7, "{isa:?} erf of {i}/4096 is off by {off:e}");
            }
        };
        each(&x, Erf, |isa, _, y| worst(isa, y, 1.0));
        each(&negative, Erf, |isa, _, y| worst(isa, y, -1.0));
        let ends = [f32::NEG_INFINITY, f32::INFINITY, f32::MAX, 1e-40, f32::NAN];
        each(&ends, Erf, |isa, _, y| {
            assert_eq!(y[..3], [-1.0, 1.0, 1.0], "{isa:?}");
            assert!(
                y[3] > 0.0 && y[3] < 1.2e-40,
                "{isa:?} erf(1e-40) = {:e}",
                y[3]
            );
            assert!(y[4].is_nan(), "{isa:?}");
        });
    }
}
