//! From 8-bit pixels to the floats the vision tower takes.

use super::{Picture, Preprocess};

impl Preprocess {
    /// `(3, size, size)` floats, channels first, normalised: `(v / 255 - mean) / std`.
    ///
    /// The order and width of the operations are those of transformers' `CLIPImageProcessorPil`
    /// (`v * (1/255)` in f64, rounded to f32, then subtraction and division in f32), so the
    /// floats are equal bit for bit.
    ///
    /// # Panics
    ///
    /// As [`Preprocess::square`].
    pub fn pixels(&self, picture: &Picture) -> Vec<f32> {
        let square = self.square(picture);
        let mut floats = Vec::with_capacity(square.len());
        for channel in 0..3 {
            let table = self.table(channel);
            let values = square.iter().skip(channel).step_by(3);
            floats.extend(values.map(|v| table[usize::from(*v)]));
        }
        floats
    }

    /// The float for each of the 256 levels of a channel.
    fn table(&self, channel: usize) -> [f32; 256] {
        let (mean, std) = (self.mean[channel], self.std[channel]);
        std::array::from_fn(|v| {
            let unit = (v as f64 * (1.0 / 255.0)) as f32;
            (unit - mean) / std
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::image::{Aspect, Picture, Preprocess};

    #[test]
    fn black_and_white_have_the_published_values() {
        let clip = Preprocess {
            size: 2,
            aspect: Aspect::Pad,
            mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
        };
        let picture = Picture {
            width: 2,
            height: 1,
            rgb: vec![0, 0, 0, 255, 255, 255],
        };
        let picture = Picture {
            height: 2,
            rgb: picture.rgb.repeat(2),
            ..picture
        };
        let floats = clip.pixels(&picture);
        let expected = [
            (-1.792_263, 1.930_336),
            (-1.752_097, 2.074_884),
            (-1.480_22, 2.145_897),
        ];
        for (plane, (black, white)) in floats.chunks(4).zip(expected) {
            assert!((plane[0] - black).abs() < 1e-6 && (plane[2] - black).abs() < 1e-6);
            assert!((plane[1] - white).abs() < 1e-6 && (plane[3] - white).abs() < 1e-6);
        }
    }
}
