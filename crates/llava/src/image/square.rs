//! Where a picture lies in the square the model sees: padded, or cut to its middle.

use super::resample::{Span, resize};
use super::{Aspect, Picture, Preprocess};

impl Preprocess {
    /// `size * size * 3` bytes, rows of RGB: what the model sees, before normalisation.
    ///
    /// Equal to Pillow bit for bit (LLaVA-1.5 section 3): [`Aspect::Pad`] puts the picture in
    /// the middle of a square of the mean colour, an odd remainder going to the bottom or
    /// right, and then resizes; [`Aspect::CenterCrop`] resizes the short side and cuts.
    ///
    /// # Panics
    ///
    /// Only if the fields of `picture` were set by hand to sizes that disagree, or to zero.
    pub fn square(&self, picture: &Picture) -> Vec<u8> {
        let (width, height) = (picture.width as usize, picture.height as usize);
        // Decoding never makes such a picture; answering with some square would hide a defect.
        assert!(width > 0 && height > 0 && picture.rgb.len() == width * height * 3);
        let size = self.size as usize;
        let (across, down) = match self.aspect {
            Aspect::Pad => {
                let side = width.max(height);
                let padded = |real: usize| Span {
                    padded: side,
                    lead: (side - real) / 2,
                    real,
                    resized: size,
                    kept: 0..size,
                };
                (padded(width), padded(height))
            }
            Aspect::CenterCrop => {
                let short = width.min(height);
                let cropped = |real: usize| {
                    let resized = scaled(size, real, short);
                    let lead = (resized - size) / 2;
                    Span {
                        padded: real,
                        lead: 0,
                        real,
                        resized,
                        kept: lead..lead + size,
                    }
                };
                (cropped(width), cropped(height))
            }
        };
        resize(&picture.rgb, &across, &down, self.around())
    }

    /// The colour of the padding: `int(mean * 255)`.
    fn around(&self) -> [u8; 3] {
        self.mean.map(|mean| (f64::from(mean) * 255.0) as u8)
    }
}

/// `int(size * long / short)` as Python computes it: a true division, then truncation.
fn scaled(size: usize, side: usize, short: usize) -> usize {
    ((size * side) as f64 / short as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(width: u32, height: u32, rgb: [u8; 3]) -> Picture {
        Picture {
            width,
            height,
            rgb: rgb.repeat((width * height) as usize),
        }
    }

    fn clip(size: u32, aspect: Aspect) -> Preprocess {
        Preprocess {
            size,
            aspect,
            mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
        }
    }

    #[test]
    fn padding_is_the_mean_colour_and_lies_on_both_sides() {
        let square = clip(12, Aspect::Pad).square(&plain(12, 4, [9, 9, 9]));
        assert_eq!(square[..3], [122, 116, 104]);
        assert_eq!(square[6 * 12 * 3..][..3], [9, 9, 9]);
        assert_eq!(square[11 * 12 * 3..][..3], [122, 116, 104]);
    }

    #[test]
    fn an_odd_remainder_goes_to_the_bottom() {
        let square = clip(4, Aspect::Pad).square(&plain(4, 1, [9, 9, 9]));
        let rows: Vec<u8> = square.chunks(12).map(|row| row[0]).collect();
        assert_eq!(rows, [122, 9, 122, 122]);
    }

    #[test]
    fn cropping_leaves_no_padding() {
        let square = clip(8, Aspect::CenterCrop).square(&plain(50, 7, [1, 2, 3]));
        assert!(square.chunks(3).all(|pixel| pixel == [1, 2, 3]));
    }

    #[test]
    fn strips_cost_what_they_hold() {
        for (width, height) in [(1, 50_000), (50_000, 1), (1, 1)] {
            for aspect in [Aspect::Pad, Aspect::CenterCrop] {
                let square = clip(336, aspect).square(&plain(width, height, [200, 100, 50]));
                assert_eq!(square.len(), 336 * 336 * 3);
            }
        }
    }
}
