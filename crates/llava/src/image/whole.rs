//! Whether the file is all there.
//!
//! Two decoders fill what is missing with grey or with zeros and report success; half a picture
//! would then be captioned as if it were the whole one. Pillow refuses such files too.

/// Whether a JPEG reaches the end-of-image marker. Bytes after it are nobody's business:
/// cameras append previews and depth maps.
pub(super) fn jpeg(bytes: &[u8]) -> bool {
    // After the start marker come segments: 0xff, a marker, and (mostly) a length.
    let mut at = 2;
    loop {
        let Some(marker) = next_marker(bytes, &mut at) else {
            return false;
        };
        match marker {
            0xd9 => return true,
            // Markers without a body: a stray restart, TEM, a second start.
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let Some(length) = bytes.get(at..at + 2) else {
                    return false;
                };
                // The length counts itself.
                at += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
            }
        }
    }
}

/// The next marker at or after `at`, which moves behind it. Skips entropy-coded data, in which
/// 0xff 0x00 is a byte of data and 0xff 0xd0 to 0xd7 are restarts.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += bytes.get(*at..)?.iter().position(|byte| *byte == 0xff)? + 1;
        // Any number of 0xff may stand before a marker.
        *at += bytes.get(*at..)?.iter().position(|byte| *byte != 0xff)? + 1;
        let marker = *bytes.get(*at - 1)?;
        if marker != 0 {
            return Some(marker);
        }
    }
}

/// Whether a WebP has the length its header announces. One byte of padding at the end may be
/// missing, as some writers forget it.
pub(super) fn webp(bytes: &[u8]) -> bool {
    bytes
        .get(4..8)
        .and_then(|length| length.first_chunk::<4>())
        .is_some_and(|length| {
            (bytes.len() as u64) + 1 >= u64::from(u32::from_le_bytes(*length)) + 8
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[u8] = &[
        0xff, 0xd8, // start
        0xff, 0xe1, 0x00, 0x06, 0xff, 0xd9, 0xff, 0xd9, // a segment that contains end markers
        0xff, 0xda, 0x00, 0x03, 0x00, // start of scan
        0x12, 0xff, 0x00, 0x34, 0xff, 0xd0, 0x56, // data, an escaped 0xff, a restart
        0xff, 0xff, 0xd9, // filled end
    ];

    #[test]
    fn only_the_end_marker_ends_a_jpeg() {
        assert!(jpeg(SMALL));
        for cut in 2..SMALL.len() {
            assert!(!jpeg(&SMALL[..cut]), "cut at {cut}");
        }
        assert!(jpeg(
            &[SMALL, b"\xff\xd8 and whatever the camera appended"].concat()
        ));
    }

    #[test]
    fn a_webp_is_as_long_as_it_says() {
        let bytes = b"RIFF\x06\0\0\0WEBPxy";
        assert!(webp(bytes));
        assert!(webp(&bytes[..bytes.len() - 1]));
        assert!(!webp(&bytes[..bytes.len() - 2]));
        assert!(!webp(b"RIFF"));
    }
}
