//! Boxes in answers, and their way back from the padded square to the picture.
//!
//! LLaVA-1.5 writes a box as `[x1, y1, x2, y2]`, fractions of the square that the picture was
//! padded to, with two decimals (section 5 of the training data's format). A picture of w x h
//! pixels lies centred in a square of side max(w, h), so the fractions must be mapped before
//! anything is drawn on the picture, and a region that a person marked must be mapped the other
//! way before it is written into a prompt.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// How far outside [0, 1] a number may lie and still be a slip of the model that is clamped.
/// Beyond it the four numbers are something else: pixels, years, a list.
const SLACK: f64 = 0.5;

/// A box in fractions of the padded square, corners ordered, all within [0, 1]. Displays as the
/// model reads it: `[0.43, 0.71, 0.45, 0.73]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SquareBox {
    /// Left edge.
    pub x1: f64,
    /// Top edge.
    pub y1: f64,
    /// Right edge.
    pub x2: f64,
    /// Bottom edge.
    pub y2: f64,
}

/// A box in pixels of the picture (upright, as people see it), corners ordered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PixelBox {
    /// Left edge.
    pub x1: f64,
    /// Top edge.
    pub y1: f64,
    /// Right edge.
    pub x2: f64,
    /// Bottom edge.
    pub y2: f64,
}

/// A box that stands in a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundBox {
    /// Where: bytes of the text, brackets included.
    pub range: Range<usize>,
    /// The box.
    pub bounds: SquareBox,
}

/// Side and offsets of the padded square, in pixels.
struct Square {
    side: f64,
    left: f64,
    top: f64,
}

impl Square {
    fn around(width: u32, height: u32) -> Self {
        let (w, h) = (f64::from(width.max(1)), f64::from(height.max(1)));
        let side = w.max(h);
        Self {
            side,
            left: (side - w) / 2.0,
            top: (side - h) / 2.0,
        }
    }
}

impl SquareBox {
    /// A box from two opposite corners in any order; clamped to the square.
    pub fn new(x1: f64, y1: f64, x2: f64, y2: f64) -> Self {
        // Adding zero turns -0 into 0, which would be written with its sign.
        let unit = |v: f64| {
            if v.is_nan() {
                0.0
            } else {
                v.clamp(0.0, 1.0) + 0.0
            }
        };
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(unit);
        Self {
            x1: x1.min(x2),
            y1: y1.min(y2),
            x2: x1.max(x2),
            y2: y1.max(y2),
        }
    }

    /// The same box in pixels of a picture of `width` x `height`; what lies in the padding is cut
    /// off.
    pub fn to_picture(self, width: u32, height: u32) -> PixelBox {
        let Square { side, left, top } = Square::around(width, height);
        let x = |v: f64| (v * side - left).clamp(0.0, f64::from(width.max(1)));
        let y = |v: f64| (v * side - top).clamp(0.0, f64::from(height.max(1)));
        PixelBox {
            x1: x(self.x1),
            y1: y(self.y1),
            x2: x(self.x2),
            y2: y(self.y2),
        }
    }
}

impl PixelBox {
    /// The same box in fractions of the padded square of a picture of `width` x `height`.
    pub fn to_square(self, width: u32, height: u32) -> SquareBox {
        let Square { side, left, top } = Square::around(width, height);
        let (x, y) = (|v: f64| (v + left) / side, |v: f64| (v + top) / side);
        SquareBox::new(x(self.x1), y(self.y1), x(self.x2), y(self.y2))
    }
}

impl fmt::Display for SquareBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{:.2}, {:.2}, {:.2}, {:.2}]",
            self.x1, self.y1, self.x2, self.y2
        )
    }
}

impl FromStr for SquareBox {
    type Err = Error;

    /// Reads a text that is one box and nothing else.
    fn from_str(text: &str) -> Result<Self> {
        let trimmed = text.trim();
        match find(trimmed).as_slice() {
            [found] if found.range == (0..trimmed.len()) => Ok(found.bounds),
            _ => Err(Error::Request(format!(
                "{text:?} is no box; write it as [x1, y1, x2, y2] with fractions of the picture's padded square"
            ))),
        }
    }
}

/// All boxes of a text, in order. Spaces may stand anywhere between the numbers and brackets;
/// corners in the wrong order are put right; numbers a little outside [0, 1] are clamped, and
/// four numbers that cannot be fractions are no box.
pub fn find(text: &str) -> Vec<FoundBox> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text
        .get(from..)
        .and_then(|rest| rest.find('['))
        .map(|at| from + at)
    {
        from = open + 1;
        // An inner bracket begins anew, so that "[[0.1, ...]]" and "[see [0.1, ...]" are read.
        let inner = text.get(from..).unwrap_or_default();
        let Some(close) = inner
            .find(['[', ']'])
            .filter(|at| inner[*at..].starts_with(']'))
        else {
            continue;
        };
        if let Some(bounds) = inner.get(..close).and_then(numbers) {
            from = open + 1 + close + 1;
            found.push(FoundBox {
                range: open..from,
                bounds,
            });
        }
    }
    found
}

fn numbers(list: &str) -> Option<SquareBox> {
    let mut values = list.split(',').map(|part| fraction(part.trim()));
    let [x1, y1, x2, y2] = [
        values.next()??,
        values.next()??,
        values.next()??,
        values.next()??,
    ];
    values
        .next()
        .is_none()
        .then(|| SquareBox::new(x1, y1, x2, y2))
}

/// A plain decimal near [0, 1]: no exponents, no `inf`, no `nan`.
fn fraction(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value = plain.then(|| text.parse::<f64>().ok()).flatten()?;
    (-SLACK..=1.0 + SLACK).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<(&str, [f64; 4])> {
        let corners = |b: SquareBox| [b.x1, b.y1, b.x2, b.y2];
        find(text)
            .into_iter()
            .map(|f| (&text[f.range], corners(f.bounds)))
            .collect()
    }

    #[test]
    fn reads_the_models_own_form() {
        let text = "[0.12, 0.34, 0.56, 0.78]";
        assert_eq!(found(text), [(text, [0.12, 0.34, 0.56, 0.78])]);
        assert_eq!(text.parse::<SquareBox>().unwrap().to_string(), text);
    }

    #[test]
    fn tolerates_spaces_order_and_slips() {
        assert_eq!(
            found("at [ .5,0.25 ,1 , 0.75 ]."),
            [("[ .5,0.25 ,1 , 0.75 ]", [0.5, 0.25, 1.0, 0.75])]
        );
        assert_eq!(found("[0.9,0.8,0.1,0.2]")[0].1, [0.1, 0.2, 0.9, 0.8]);
        assert_eq!(found("[-0.02, 0.0, 1.01, 1.0]")[0].1, [0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn finds_several_among_other_brackets() {
        let text =
            "红色 [0.1, 0.1, 0.2, 0.2] and [a], [[0.3, 0.3, 0.4, 0.4]] [1] [0.5, 0.5, 0.6, 0.6";
        let ranges: Vec<&str> = found(text).into_iter().map(|f| f.0).collect();
        assert_eq!(ranges, ["[0.1, 0.1, 0.2, 0.2]", "[0.3, 0.3, 0.4, 0.4]"]);
    }

    #[test]
    fn other_lists_are_no_boxes() {
        for text in [
            "[1990, 1991, 1992, 1993]",
            "[0.1, 0.2, 0.3]",
            "[0.1, 0.2, 0.3, 0.4, 0.5]",
            "[inf, nan, 0, 1]",
            "[1e-1, 0, 0, 0]",
            "[0.1, , 0.2, 0.3]",
            "[., 0, 0, 1]",
            "[--0.1, 0, 0, 1]",
            "[]",
        ] {
            assert!(find(text).is_empty(), "{text}");
        }
        assert!("x [0.1, 0.1, 0.2, 0.2]".parse::<SquareBox>().is_err());
    }

    #[test]
    fn maps_both_orientations() {
        // 200 x 100: 50 pixels of padding above and below.
        let wide = PixelBox {
            x1: 0.0,
            y1: 0.0,
            x2: 200.0,
            y2: 100.0,
        };
        assert_eq!(
            wide.to_square(200, 100),
            SquareBox::new(0.0, 0.25, 1.0, 0.75)
        );
        // 100 x 200: 50 pixels left and right.
        let tall = PixelBox {
            x1: 10.0,
            y1: 20.0,
            x2: 60.0,
            y2: 120.0,
        };
        assert_eq!(
            tall.to_square(100, 200),
            SquareBox::new(0.3, 0.1, 0.55, 0.6)
        );
        let back = SquareBox::new(0.0, 0.0, 1.0, 1.0).to_picture(100, 200);
        assert_eq!(
            back,
            PixelBox {
                x1: 0.0,
                y1: 0.0,
                x2: 100.0,
                y2: 200.0
            }
        );
    }

    #[test]
    fn writes_two_decimals_without_a_negative_zero() {
        assert_eq!(
            SquareBox::new(-0.0, 0.004, 0.996, 1.0).to_string(),
            "[0.00, 0.00, 1.00, 1.00]"
        );
    }

    fn size() -> impl Strategy<Value = u32> {
        prop_oneof![1u32..5000, Just(1), Just(u32::MAX)]
    }

    proptest! {
        #[test]
        fn pixels_survive_the_square_and_back(
            (w, h) in (size(), size()), corners in prop::array::uniform4(0.0f64..=1.0),
        ) {
            let [a, b, c, d] = corners;
            let (fw, fh) = (f64::from(w), f64::from(h));
            let there = PixelBox { x1: a.min(c) * fw, y1: b.min(d) * fh, x2: a.max(c) * fw, y2: b.max(d) * fh };
            let back = there.to_square(w, h).to_picture(w, h);
            let near = |p: f64, q: f64| (p - q).abs() <= 1e-9 * fw.max(fh);
            prop_assert!(near(there.x1, back.x1) && near(there.y1, back.y1));
            prop_assert!(near(there.x2, back.x2) && near(there.y2, back.y2));
        }

        #[test]
        fn a_written_box_is_found_where_it_was_written(
            corners in prop::array::uniform4(0.0f64..=1.0), before in "[^\\[\\]]{0,20}", after in "[^\\]]{0,20}",
        ) {
            let [a, b, c, d] = corners;
            let bounds = SquareBox::new(a, b, c, d);
            let text = format!("{before}{bounds}{after}");
            let all = find(&text);
            prop_assert_eq!(all.len(), 1);
            prop_assert_eq!(&text[all[0].range.clone()], bounds.to_string());
            prop_assert!((all[0].bounds.x1 - bounds.x1).abs() <= 0.005 + 1e-12);
            prop_assert!((all[0].bounds.y2 - bounds.y2).abs() <= 0.005 + 1e-12);
        }

        #[test]
        fn any_text_is_read_without_a_panic_and_boxes_are_in_order(text in "[\\[\\]0-9., \\-x红]{0,60}") {
            for found in find(&text) {
                let b = found.bounds;
                prop_assert!(0.0 <= b.x1 && b.x1 <= b.x2 && b.x2 <= 1.0);
                prop_assert!(0.0 <= b.y1 && b.y1 <= b.y2 && b.y2 <= 1.0);
                prop_assert!(text.get(found.range).is_some());
            }
        }
    }
}
