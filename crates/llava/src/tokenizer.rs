//! The LLaMA tokenizer, for text that is always plain text.

use crate::Result;
use std::path::Path;

/// SentencePiece BPE with byte fallback.
pub struct Tokenizer {}

impl Tokenizer {
    /// Loads `tokenizer.json`; `vocab_rows` is the embedding table's height, which every id must stay below.
    pub fn from_file(_path: &Path, _vocab_rows: usize) -> Result<Self> {
        todo!()
    }

    /// Encodes plain text as a fresh SentencePiece string (leading `▁`), without BOS; markers
    /// such as `</s>` in it are letters.
    pub fn encode(&self, _text: &str) -> Result<Vec<u32>> {
        todo!()
    }

    /// Decodes ids, without special tokens, as transformers' `decode(skip_special_tokens=True)`.
    pub fn decode(&self, _ids: &[u32]) -> Result<String> {
        todo!()
    }

    /// `<s>`.
    pub fn bos(&self) -> u32 {
        todo!()
    }

    /// `</s>`.
    pub fn eos(&self) -> u32 {
        todo!()
    }

    /// The number of real pieces (32,000 for LLaMA): ids from here on never win.
    pub fn pieces(&self) -> usize {
        todo!()
    }
}
