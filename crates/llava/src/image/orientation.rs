//! Turning a picture the way its camera was held.
//!
//! Cameras store the sensor's rows and note in EXIF how to turn them. People see the turned
//! picture, so the model should too.

use ::image::metadata::Orientation;

use super::Picture;

/// Side of the tiles of a transpose: both sides of a tile stay in the first-level cache.
const TILE: usize = 32;

/// Applies one of the eight EXIF orientations.
pub(super) fn apply(picture: Picture, orientation: Orientation) -> Picture {
    match orientation {
        Orientation::NoTransforms => picture,
        Orientation::FlipHorizontal => mirror(picture),
        Orientation::Rotate180 => turn_half(picture),
        Orientation::FlipVertical => mirror(turn_half(picture)),
        // The other four swap the axes; each is a transpose and one of the above.
        Orientation::Rotate90FlipH => transpose(&picture),
        Orientation::Rotate90 => mirror(transpose(&picture)),
        Orientation::Rotate270FlipH => turn_half(transpose(&picture)),
        Orientation::Rotate270 => mirror(turn_half(transpose(&picture))),
    }
}

/// Left and right exchanged.
fn mirror(mut picture: Picture) -> Picture {
    for row in picture.rgb.chunks_mut(picture.width as usize * 3) {
        row.as_chunks_mut::<3>().0.reverse();
    }
    picture
}

/// Turned upside down.
fn turn_half(mut picture: Picture) -> Picture {
    picture.rgb.as_chunks_mut::<3>().0.reverse();
    picture
}

/// Rows become columns.
fn transpose(picture: &Picture) -> Picture {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let source = picture.rgb.as_chunks::<3>().0;
    let mut rgb = vec![0u8; picture.rgb.len()];
    let target = rgb.as_chunks_mut::<3>().0;
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for x in left..(left + TILE).min(width) {
                for y in top..(top + TILE).min(height) {
                    target[x * height + y] = source[y * width + x];
                }
            }
        }
    }
    Picture {
        width: picture.height,
        height: picture.width,
        rgb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture `1 2 3 / 4 5 6`, turned; given as rows of its red channel.
    fn turned(exif: u8) -> (u32, Vec<u8>) {
        let rgb = (1..=6).flat_map(|v| [v, 0, 0]).collect();
        let orientation = Orientation::from_exif(exif).unwrap();
        let picture = apply(
            Picture {
                width: 3,
                height: 2,
                rgb,
            },
            orientation,
        );
        assert_eq!(picture.width * picture.height, 6);
        (
            picture.width,
            picture.rgb.iter().copied().step_by(3).collect(),
        )
    }

    #[test]
    fn all_eight_follow_the_exif_standard() {
        assert_eq!(turned(1), (3, vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(turned(2), (3, vec![3, 2, 1, 6, 5, 4]));
        assert_eq!(turned(3), (3, vec![6, 5, 4, 3, 2, 1]));
        assert_eq!(turned(4), (3, vec![4, 5, 6, 1, 2, 3]));
        assert_eq!(turned(5), (2, vec![1, 4, 2, 5, 3, 6]));
        assert_eq!(turned(6), (2, vec![4, 1, 5, 2, 6, 3]));
        assert_eq!(turned(7), (2, vec![6, 3, 5, 2, 4, 1]));
        assert_eq!(turned(8), (2, vec![3, 6, 2, 5, 1, 4]));
    }

    #[test]
    fn tiles_meet_without_a_seam() {
        let (width, height) = (TILE as u32 * 2 + 5, TILE as u32 + 3);
        let rgb: Vec<u8> = (0..width * height * 3)
            .map(|i| (i * 7 % 251) as u8)
            .collect();
        let picture = Picture { width, height, rgb };
        let twice = transpose(&transpose(&picture));
        assert_eq!((twice.width, twice.height), (width, height));
        assert!(twice.rgb == picture.rgb);
    }
}
