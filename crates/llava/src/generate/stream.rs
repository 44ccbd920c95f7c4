//! From ids to text, piece by piece.
//!
//! What is given out adds up to exactly what decoding all ids at once gives. The reference
//! decodes a run of byte pieces as a whole (valid UTF-8, or one U+FFFD for each byte), so a run
//! is held back until a piece of another kind ends it, or the answer does.

use crate::Tokenizer;
use crate::tokenizer::Shown;

/// Turns ids into text as they come, whole characters only.
#[derive(Debug, Clone)]
pub struct TextStream {
    tokenizer: Tokenizer,
    bytes: Vec<u8>,
    /// Whether a leading space is still to be dropped.
    at_start: bool,
}

impl TextStream {
    /// For a new text, whose one leading space is dropped.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        Self {
            tokenizer: tokenizer.clone(),
            bytes: Vec::new(),
            at_start: true,
        }
    }

    /// For text that goes on from earlier text: a leading space belongs to it.
    pub fn continuing(tokenizer: &Tokenizer) -> Self {
        Self {
            at_start: false,
            ..Self::new(tokenizer)
        }
    }

    /// Takes the next id; returns the text that is certain now, if any. Special tokens and ids
    /// without a piece add nothing.
    pub fn push(&mut self, id: u32) -> Option<String> {
        let piece = match self.tokenizer.shown(id) {
            Shown::Nothing => return None,
            Shown::Byte(byte) => {
                self.bytes.push(*byte);
                return None;
            }
            Shown::Text(piece) => piece.clone(),
        };
        let mut text = self.take_bytes();
        text.push_str(&piece);
        self.give(text)
    }

    /// The text that was held back, at the end of the answer.
    pub fn finish(&mut self) -> Option<String> {
        let text = self.take_bytes();
        self.give(text)
    }

    fn take_bytes(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.bytes))
            .unwrap_or_else(|e| "\u{FFFD}".repeat(e.as_bytes().len()))
    }

    fn give(&mut self, mut text: String) -> Option<String> {
        if self.at_start && !text.is_empty() {
            self.at_start = false;
            if text.starts_with(' ') {
                text.remove(0);
            }
        }
        (!text.is_empty()).then_some(text)
    }
}
