//! Text that others chose (file names, answers) made safe to show on a terminal.

use std::borrow::Cow;
use std::path::Path;

/// Characters that could move the cursor, change colours or reorder a line.
fn is_unsafe(c: char) -> bool {
    let reorders = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    reorders || (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')
}

/// `text` with terminal control and reordering characters written as `\u{..}`; line ends stay.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_unicode())
        } else {
            safe.push(c)
        }
    }
    Cow::Owned(safe)
}

/// `text` on one line: as [`printable`], with line ends and tabs as single spaces.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for part in text
        .split(['\n', '\t', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    printable(&line).into_owned()
}

/// A path to be read by a person: one line, no control characters.
pub(crate) fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            c if is_unsafe(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// Bytes in the unit a person expects: `812 B`, `41.9 MB`, `14.1 GB` (powers of ten).
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (unit, name) in UNITS {
        if bytes >= unit {
            return format!("{:.1} {name}", bytes as f64 / unit as f64);
        }
    }
    format!("{bytes} B")
}

/// A count with a space between thousands: `7 062 902 784`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_bidi_are_shown_not_obeyed() {
        assert_eq!(printable("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(printable("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
        assert_eq!(printable("ü 图\nx\ty"), "ü 图\nx\ty");
        assert_eq!(
            shown(Path::new("a\nb\r\u{1b}.jpg")),
            "a\\nb\\u{d}\\u{1b}.jpg"
        );
    }

    #[test]
    fn one_line_has_no_line_end() {
        assert_eq!(one_line(" A dog.\n\nA cat.\tYes\r\n"), "A dog. A cat. Yes");
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!(size(812), "812 B");
        assert_eq!(size(41_959_424), "42.0 MB");
        assert_eq!(size(14_126_000_000), "14.1 GB");
        assert_eq!(count(7_062_902_784), "7 062 902 784");
        assert_eq!(count(999), "999");
        assert_eq!(count(0), "0");
    }
}
