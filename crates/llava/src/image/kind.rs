//! What the bytes are, told by their beginning and never by the file's name.

use ::image::ImageFormat;

/// The kinds of picture that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Png,
    WebP,
    Gif,
    Bmp,
    Tiff,
}

impl Kind {
    /// The kind of `bytes`, or the reason why it is none.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, String> {
        match ::image::guess_format(bytes).ok() {
            Some(ImageFormat::Jpeg) => Ok(Self::Jpeg),
            Some(ImageFormat::Png) => Ok(Self::Png),
            Some(ImageFormat::WebP) => Ok(Self::WebP),
            Some(ImageFormat::Gif) => Ok(Self::Gif),
            Some(ImageFormat::Bmp) => Ok(Self::Bmp),
            Some(ImageFormat::Tiff) => Ok(Self::Tiff),
            guess => Err(match foreign(bytes, guess) {
                Some(name) => format!(
                    "this is {name}, which is not read here; save it as JPEG or PNG and use that"
                ),
                None => "this is not a picture, whatever its name says; \
                         JPEG, PNG, WebP, GIF, BMP and TIFF are read"
                    .into(),
            }),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
        }
    }
}

/// Names a well-known kind of file that is not read.
fn foreign(bytes: &[u8], guess: Option<ImageFormat>) -> Option<&'static str> {
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(brand(bytes));
    }
    let starts: &[(&[u8], &str)] = &[
        (b"\xff\x0a", "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
        (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
        (b"8BPS", "a Photoshop document"),
        (b"%PDF", "a PDF document"),
        (b"II+\0", "a BigTIFF picture"),
        (b"MM\0+", "a BigTIFF picture"),
        (b"FUJIFILMCCD-RAW", "a raw camera picture"),
        (b"gimp xcf", "a GIMP document"),
        (b"\x1f\x8b", "a compressed file"),
        (b"PK\x03\x04", "a ZIP archive or an office document"),
    ];
    if let Some((_, name)) = starts.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(name);
    }
    match guess {
        Some(ImageFormat::Ico) => Some("an icon (ICO)"),
        Some(ImageFormat::Avif) => Some("an AVIF picture"),
        Some(ImageFormat::OpenExr) => Some("an OpenEXR picture"),
        Some(ImageFormat::Hdr) => Some("a Radiance HDR picture"),
        Some(ImageFormat::Dds) => Some("a DDS texture"),
        Some(ImageFormat::Qoi) => Some("a QOI picture"),
        Some(ImageFormat::Farbfeld) => Some("a farbfeld picture"),
        // "P3" may begin a sentence; a PNM header goes on with white space.
        Some(ImageFormat::Pnm) if bytes.get(2).is_some_and(u8::is_ascii_whitespace) => {
            Some("a PNM picture")
        }
        _ => is_svg(bytes).then_some("an SVG drawing"),
    }
}

/// The name of an ISO media file (HEIC, AVIF, films) by its brands.
fn brand(bytes: &[u8]) -> &'static str {
    // Major brand at 8, compatible brands from 16 to the end of the box.
    let length = bytes
        .first_chunk::<4>()
        .map_or(0, |b| u32::from_be_bytes(*b) as usize);
    let brands = bytes
        .get(8..length.clamp(12, 256).min(bytes.len()))
        .unwrap_or(&[]);
    let has = |names: &[&[u8]]| brands.chunks(4).any(|brand| names.contains(&brand));
    if has(&[b"avif", b"avis"]) {
        "an AVIF picture"
    } else if has(&[
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1",
    ]) {
        "a HEIC picture"
    } else if has(&[b"crx "]) {
        "a raw camera picture"
    } else {
        "a film"
    }
}

/// An SVG root element near the beginning, whatever comes before it (declaration, comments).
fn is_svg(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(4096)];
    let text = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    text.starts_with(b"<") && text.windows(4).any(|tag| tag.eq_ignore_ascii_case(b"<svg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_are_not_read_are_named() {
        let cases: [(&[u8], &str); 9] = [
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
            (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B", "AVIF"),
            (b"\0\0\0\x14ftypisom\0\0\0\0mp42", "film"),
            (b"\xff\x0a\x00\x00", "JPEG XL"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
            (b"<?xml version='1.0'?>\n<!-- a --><svg xmlns='x'>", "SVG"),
            (b"  <SVG>", "SVG"),
            (b"8BPS\0\x01", "Photoshop"),
        ];
        for (bytes, name) in cases {
            let reason = Kind::of(bytes).unwrap_err();
            assert!(
                reason.contains(name) && reason.contains("save it as"),
                "{reason}"
            );
        }
    }

    #[test]
    fn text_is_not_a_picture() {
        for bytes in [
            &b"hello, this is no picture"[..],
            b"P3x",
            b"<html>",
            b"\0",
            b"RIFF",
        ] {
            assert!(Kind::of(bytes).unwrap_err().contains("not a picture"));
        }
    }
}
