//! The first page of a TIFF, palette pictures included.
//!
//! The TIFF decoder refuses palettes. Its samples are decoded all the same when the page says
//! that they are grey, so the page's photometric tag is changed in a copy of the file, and the
//! indices go through the colour map here.

use std::io::Cursor;

use ::image::codecs::tiff::TiffDecoder;

use super::colour::from_palette;
use super::decode::{Bounds, Failure, read};
use super::{DecodeOptions, Picture};

const PHOTOMETRIC: u16 = 262;
const COLOUR_MAP: u16 = 320;
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;
/// An entry of a page's directory: tag, type, count and value.
const ENTRY: usize = 12;

/// Decodes the first page.
pub(super) fn first_page(
    bytes: &[u8],
    options: &DecodeOptions,
    bounds: &Bounds,
) -> Result<Picture, Failure> {
    let Some(palette) = Directory::of(bytes).and_then(|page| page.palette()) else {
        return read(TiffDecoder::new(Cursor::new(bytes))?, options, bounds);
    };
    let mut copy = bytes.to_vec();
    if let Some(value) = copy.get_mut(palette.photometric_at..palette.photometric_at + 2) {
        value.copy_from_slice(&palette.grey);
    }
    let mut picture = read(TiffDecoder::new(Cursor::new(copy))?, options, bounds)?;
    let indices: Vec<u8> = picture.rgb.iter().copied().step_by(3).collect();
    picture.rgb = from_palette(&indices, &palette.colours);
    Ok(picture)
}

/// The first page's directory.
struct Directory<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    at: usize,
    entries: usize,
}

/// What is needed to read a palette page as a grey one.
struct Palette {
    /// Where the photometric value lies.
    photometric_at: usize,
    /// The bytes that say grey.
    grey: [u8; 2],
    /// 256 RGB colours.
    colours: Vec<u8>,
}

impl<'a> Directory<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let big_endian = bytes.starts_with(b"MM");
        let mut page = Self {
            bytes,
            big_endian,
            at: 0,
            entries: 0,
        };
        page.at = page.long(4)?;
        page.entries = page.short(page.at)?.into();
        Some(page)
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk::<2>()?;
        Some(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    fn long(&self, at: usize) -> Option<usize> {
        let bytes = *self.bytes.get(at..)?.first_chunk::<4>()?;
        let value = if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        };
        usize::try_from(value).ok()
    }

    /// Where the entry of `tag` begins.
    fn entry(&self, tag: u16) -> Option<usize> {
        let first = self.at.checked_add(2)?;
        (0..self.entries)
            .map(|index| first + index * ENTRY)
            .take_while(|at| *at < self.bytes.len())
            .find(|at| self.short(*at) == Some(tag))
    }

    /// The palette of an 8-bit palette page; `None` for every other page.
    fn palette(&self) -> Option<Palette> {
        let photometric_at = self.entry(PHOTOMETRIC)? + 8;
        if self.short(photometric_at)? != PALETTE {
            return None;
        }
        let map = self.entry(COLOUR_MAP)?;
        let count = self.long(map + 4)?;
        // All reds, then all greens, then all blues, 16 bits each. Fewer than 256 belong to
        // pages of less than 8 bits, which the decoder does not read either way.
        if count != 3 * 256 {
            return None;
        }
        let start = self.long(map + 8)?;
        let value = |colour: usize, channel: usize| {
            Some((self.short(start.checked_add((channel * 256 + colour) * 2)?)? >> 8) as u8)
        };
        let colours: Option<Vec<u8>> = (0..256 * 3).map(|at| value(at / 3, at % 3)).collect();
        let grey = if self.big_endian {
            BLACK_IS_ZERO.to_be_bytes()
        } else {
            BLACK_IS_ZERO.to_le_bytes()
        };
        Some(Palette {
            photometric_at,
            grey,
            colours: colours?,
        })
    }
}
