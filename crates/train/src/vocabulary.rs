//! A small vocabulary of LLaMA's kind, learned from a corpus: pieces of words, every byte as the
//! last resort.
//!
//! Learned so that it keeps what the rest of the program relies on: no piece reaches over the
//! beginning of a word, digits and punctuation stand alone (a coordinate is always read the same
//! way), and a newline is a byte, as LLaMA has it.

use crate::{Error, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How SentencePiece writes a space inside a piece.
const SPACE: char = '▁';

/// Counts the words of a corpus and learns pieces from them.
#[derive(Debug, Default)]
pub struct Corpus {
    words: BTreeMap<String, u64>,
}

impl Corpus {
    /// Adds a text as the tokenizer sees it: a string of its own, with a space in front.
    pub fn add(&mut self, text: &str) {
        let mut word = String::from(SPACE);
        let mut last = SPACE;
        for c in text.chars() {
            let c = if c == ' ' { SPACE } else { c };
            if c == '\n' {
                self.close(&mut word);
            } else {
                if begins(last, c) {
                    self.close(&mut word);
                }
                word.push(c);
            }
            last = c;
        }
        self.close(&mut word);
    }

    fn close(&mut self, word: &mut String) {
        if !word.is_empty() {
            *self.words.entry(std::mem::take(word)).or_default() += 1;
        }
    }

    /// A tokenizer.json with at most `pieces` pieces, special tokens and bytes included.
    ///
    /// # Errors
    /// The corpus has more different characters than there is room for.
    pub fn learn(&self, pieces: usize) -> Result<Value> {
        let letters: BTreeSet<char> = self
            .words
            .keys()
            .flat_map(|w| w.chars())
            .chain([SPACE])
            .collect();
        let mut vocabulary: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).to_vec();
        vocabulary.extend((0..=255u8).map(|byte| format!("<0x{byte:02X}>")));
        vocabulary.extend(letters.iter().map(char::to_string));
        if vocabulary.len() > pieces {
            return Err(Error::Setting(format!(
                "a vocabulary of {pieces} pieces has no room for the corpus's {} characters and 256 bytes",
                letters.len()
            )));
        }
        let merges = self.merges(pieces - vocabulary.len());
        let mut known: BTreeSet<String> = vocabulary.iter().cloned().collect();
        for (left, right) in &merges {
            let whole = format!("{left}{right}");
            if known.insert(whole.clone()) {
                vocabulary.push(whole);
            }
        }
        Ok(file(&vocabulary, &merges))
    }

    /// Byte-pair encoding: the most frequent pair of neighbours becomes a piece, again and again;
    /// of equally frequent ones the first in the alphabet.
    fn merges(&self, room: usize) -> Vec<(String, String)> {
        let mut words: Vec<(Vec<String>, u64)> = self
            .words
            .iter()
            .map(|(word, count)| (word.chars().map(String::from).collect(), *count))
            .collect();
        let mut merges = Vec::new();
        while merges.len() < room {
            let mut pairs: HashMap<(&str, &str), u64> = HashMap::new();
            for (word, count) in &words {
                for pair in word.windows(2) {
                    if let [left, right] = pair {
                        *pairs.entry((left, right)).or_default() += count;
                    }
                }
            }
            let best = pairs
                .into_iter()
                .filter(|(_, count)| *count > 1)
                .max_by(|(a, x), (b, y)| x.cmp(y).then(b.cmp(a)));
            let Some(((left, right), _)) = best else {
                break;
            };
            let (left, right) = (left.to_owned(), right.to_owned());
            for (word, _) in &mut words {
                join(word, &left, &right);
            }
            merges.push((left, right));
        }
        merges
    }
}

/// Whether a new unit begins between two neighbours: at a space, and around everything that is not
/// a letter. A space belongs to what follows it, unless that is a digit.
fn begins(last: char, next: char) -> bool {
    if next == SPACE {
        return true;
    }
    if last == SPACE {
        return next.is_numeric();
    }
    !(last.is_alphabetic() && next.is_alphabetic())
}

fn join(word: &mut Vec<String>, left: &str, right: &str) {
    let mut at = 0;
    while at + 1 < word.len() {
        if word[at] == left && word[at + 1] == right {
            word[at].push_str(right);
            word.remove(at + 1);
        }
        at += 1;
    }
}

/// The file as llava-hf's older ones are: SentencePiece's way in transformers' words.
fn file(vocabulary: &[String], merges: &[(String, String)]) -> Value {
    let ids: serde_json::Map<String, Value> = vocabulary
        .iter()
        .enumerate()
        .map(|(id, piece)| (piece.clone(), json!(id)))
        .collect();
    let special = |id: usize, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    let pieces = vocabulary.len();
    let added: Vec<Value> = [
        (0, "<unk>"),
        (1, "<s>"),
        (2, "</s>"),
        (pieces, "<image>"),
        (pieces + 1, "<pad>"),
    ]
    .map(|(id, content)| special(id, content))
    .to_vec();
    let merges: Vec<String> = merges.iter().map(|(l, r)| format!("{l} {r}")).collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null,
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<s>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": ids, "merges": merges},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use visavis_llava::Tokenizer;

    fn learned(pieces: usize) -> Tokenizer {
        let mut corpus = Corpus::default();
        for i in 0..50 {
            corpus.add(&format!(
                "There is a red circle. [0.{i:02}, 0.5{}, 0.77, 0.90]",
                i % 10
            ));
            corpus.add("图中有一个红色的圆形。");
            corpus.add("What colour is it?\nAnswer: red");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, corpus.learn(pieces).unwrap().to_string()).unwrap();
        Tokenizer::from_file(&path, pieces + 2).unwrap()
    }

    #[test]
    fn frequent_words_are_one_piece_and_digits_stand_alone() {
        let t = learned(400);
        assert!(t.words_split());
        assert_eq!(t.encode("red circle").unwrap().len(), 2);
        // ▁ 0 . 1 2
        assert_eq!(t.encode("0.12").unwrap().len(), 5);
        for text in [
            "a red circle",
            "0.12, 0.9",
            "红色的圆形",
            "never seen: ß 🦀\nx",
        ] {
            assert_eq!(t.decode(&t.encode(text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn the_same_corpus_gives_the_same_file_and_a_small_room_is_refused() {
        let mut corpus = Corpus::default();
        corpus.add("one two two three three three");
        assert_eq!(corpus.learn(300).unwrap(), corpus.learn(300).unwrap());
        assert!(
            corpus
                .learn(260)
                .unwrap_err()
                .to_string()
                .contains("no room")
        );
    }
}
