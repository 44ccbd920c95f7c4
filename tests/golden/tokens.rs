//! Tokens and prompts against the references, with the real LLaMA vocabulary.
//! `make_tokens.py` made the files in tokens/ and says how.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use visavis_llava::generate::TextStream;
use visavis_llava::prompt::{self, Conversation, Message, PromptToken};
use visavis_llava::tokenizer::{PieceKind, SpecialIds, Tokenizer};

static LLAMA: LazyLock<Tokenizer> = LazyLock::new(|| {
    let pieces = vocabulary();
    let kinds: Vec<PieceKind> = (0..pieces.len()).map(kind).collect();
    let special = SpecialIds { bos: 1, eos: 2 };
    let scores = scores(&pieces);
    Tokenizer::from_vocabulary(
        &pieces,
        &scores,
        &kinds,
        special,
        Path::new("LLaMA"),
        32_064,
    )
    .unwrap()
});

fn unpacked(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden/tokens")
        .join(name);
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn vocabulary() -> Vec<String> {
    let pieces: Vec<String> = unpacked("vocabulary.txt.gz")
        .trim_end_matches('\n')
        .split('\n')
        .map(str::to_owned)
        .collect();
    assert_eq!(pieces.len(), 32_000);
    pieces
}

fn kind(id: usize) -> PieceKind {
    match id {
        0 => PieceKind::Unknown,
        1 | 2 => PieceKind::Control,
        3..259 => PieceKind::Byte,
        _ => PieceKind::Normal,
    }
}

fn scores(pieces: &[String]) -> Vec<f32> {
    let score = |(id, piece): (usize, &String)| match id {
        0..259 => 0.0,
        _ if piece.chars().all(|c| c == '▁') => -1e9,
        _ => 259.0 - id as f32,
    };
    pieces.iter().enumerate().map(score).collect()
}

/// The vocabulary as llava-hf's tokenizer.json: `<image>` and `<pad>` added, merges listed.
fn tokenizer_json() -> Value {
    let pieces = vocabulary();
    let scores = scores(&pieces);
    let ids: HashMap<&str, usize> = pieces.iter().map(String::as_str).zip(0..).collect();
    let text = |piece: &str| ids.get(piece).copied().filter(|id| *id >= 259);
    let mut merges: Vec<(f32, usize, usize, usize)> = Vec::new();
    for (id, piece) in pieces.iter().enumerate().skip(259) {
        for (at, _) in piece.char_indices().skip(1) {
            if let (Some(left), Some(right)) = (text(&piece[..at]), text(&piece[at..])) {
                merges.push((-scores[id], id, left, right));
            }
        }
    }
    merges.sort_by(|a, b| {
        a.0.total_cmp(&b.0)
            .then((a.1, a.2, a.3).cmp(&(b.1, b.2, b.3)))
    });
    assert_eq!(merges.len(), 61_249);
    let merges: Vec<String> = merges
        .iter()
        .map(|(_, _, left, right)| format!("{} {}", pieces[*left], pieces[*right]))
        .collect();
    let added = |id: usize, content: &str| json!({"id": id, "content": content, "special": true});
    let markers = [
        (0, "<unk>"),
        (1, "<s>"),
        (2, "</s>"),
        (32_000, "<image>"),
        (32_001, "<pad>"),
    ];
    json!({
        "added_tokens": markers.map(|(id, content)| added(id, content)),
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ]},
        "pre_tokenizer": null,
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
                  "vocab": ids, "merges": merges},
    })
}

fn reference_strings() -> Vec<(String, Vec<u32>)> {
    let lines = unpacked("strings.jsonl.gz");
    let strings: Vec<_> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(strings.len() >= 2_000);
    strings
}

#[test]
fn ids_equal_sentencepieces() {
    for (text, ids) in reference_strings() {
        assert_eq!(LLAMA.encode(&text).unwrap(), ids, "{text:?}");
        assert_eq!(LLAMA.decode(&ids).unwrap(), text.replace('▁', " "));
    }
}

#[test]
fn ids_from_a_tokenizer_json_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, serde_json::to_vec(&tokenizer_json()).unwrap()).unwrap();
    let loaded = Tokenizer::from_file(&path, 32_064).unwrap();
    assert_eq!(
        (loaded.pieces(), loaded.bos(), loaded.eos()),
        (32_000, 1, 2)
    );
    assert!(loaded.never().is_empty() && loaded.words_split());
    for (text, ids) in reference_strings() {
        assert_eq!(loaded.encode(&text).unwrap(), ids, "{text:?}");
    }
    // The original's table has no row for <image>.
    let error = Tokenizer::from_file(&path, 32_000).unwrap_err().to_string();
    assert!(
        error.contains("does not match") && error.contains("32001"),
        "{error}"
    );
}

#[test]
fn texts_equal_the_reference_decoder() {
    let lines = unpacked("decoded.jsonl.gz");
    for line in lines.lines() {
        let (ids, text): (Vec<u32>, String) = serde_json::from_str(line).unwrap();
        assert_eq!(LLAMA.decode(&ids).unwrap(), text, "{ids:?}");
        let mut stream = TextStream::new(&LLAMA);
        let mut streamed: String = ids.iter().filter_map(|id| stream.push(*id)).collect();
        streamed.extend(stream.finish());
        assert_eq!(streamed, text, "{ids:?}");
    }
}

/// Ids as the command line's contract writes them: a picture is -200, once.
fn prompt_ids(system: Option<&str>, messages: Vec<Message>) -> Vec<i64> {
    let conversation = Conversation {
        system: system.map(str::to_owned),
        messages,
    };
    let number = |token| match token {
        PromptToken::Id(id) => i64::from(id),
        PromptToken::Picture(_) => -200,
    };
    prompt::tokenize(&conversation, &LLAMA)
        .unwrap()
        .into_iter()
        .map(number)
        .collect()
}

fn numbers(text: &str) -> Vec<i64> {
    text.split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect()
}

const USER_SYSTEM: &str = "1 319 13563 1546 263 12758 1404 322 385 23116 21082 20255 29889 450 20255 4076 \
    8444 29892 13173 29892 322 1248 568 6089 304 278 1404 29915 29879 5155 29889";

/// The dump of the original's demo, published in an issue of its repository.
#[test]
fn the_published_prompt() {
    let system = "A chat between a curious human and an artificial intelligence assistant. The assistant \
                  gives helpful, detailed, and polite answers to the human's questions.";
    let ids = numbers(
        "1 319 13563 1546 263 12758 5199 322 385 23116 21082 20255 29889 450 20255 4076 8444 29892 13173 \
         29892 322 1248 568 6089 304 278 5199 29915 29879 5155 29889 3148 1001 29901 29871 -200 29871 13 \
         12148 8453 445 1967 297 9493 29889 319 1799 9047 13566 29901",
    );
    let question = Message::user("Please describe this image in detail.", 1);
    assert_eq!(prompt_ids(Some(system), vec![question]), ids);
}

#[test]
fn the_training_prompt() {
    let question = "What is this?\nAnswer the question using a single word or phrase.";
    let ids = numbers(&format!(
        "{USER_SYSTEM} 3148 1001 29901 29871 -200 29871 13 5618 338 445 29973 13 22550 278 1139 773 263 \
         2323 1734 470 16549 29889 319 1799 9047 13566 29901"
    ));
    assert_eq!(prompt_ids(None, vec![Message::user(question, 1)]), ids);
    let words = numbers(&format!(
        "{USER_SYSTEM} 3148 1001 29901 15043 319 1799 9047 13566 29901"
    ));
    assert_eq!(prompt_ids(None, vec![Message::user("Hello", 0)]), words);
}

#[test]
fn later_turns_and_an_answer_to_be_continued() {
    let first = vec![Message::user("Hello", 0), Message::assistant("Yellow")];
    let answered =
        format!("{USER_SYSTEM} 3148 1001 29901 15043 319 1799 9047 13566 29901 612 4743");
    assert_eq!(prompt_ids(None, first.clone()), numbers(&answered));
    let second = first
        .into_iter()
        .chain([Message::user("Hello", 1)])
        .collect();
    // "USER" after </s> is a fresh string: 3148 1001.
    let ids =
        format!("{answered} 2 3148 1001 29901 29871 -200 29871 13 10994 319 1799 9047 13566 29901");
    assert_eq!(prompt_ids(None, second), numbers(&ids));
}

fn typed() -> impl Strategy<Value = String> {
    let marker = prop::sample::select(vec![
        "<image>",
        "</s>",
        "<s>",
        "<unk>",
        "<pad>",
        "ASSISTANT:",
        "<0x0A>",
    ]);
    prop::collection::vec(
        prop_oneof!["\\PC{0,8}", marker.prop_map(str::to_owned), "[ \\n]{0,4}"],
        1..5,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn typed_markers_are_letters(text in typed(), pictures in 1usize..3) {
        let ids = prompt_ids(None, vec![Message::user(text.clone(), pictures)]);
        let count = |wanted: i64| ids.iter().filter(|id| **id == wanted).count();
        prop_assert_eq!((count(0), count(1), count(2), count(-200)), (0, 1, 0, pictures));
        prop_assert!(ids.iter().all(|id| *id < 32_000));
        // The text stands there in letters, with nothing lost.
        let tail: Vec<u32> = ids.iter().rev().map_while(|id| u32::try_from(*id).ok()).collect();
        let tail: Vec<u32> = tail.into_iter().rev().collect();
        prop_assert_eq!(LLAMA.decode(&tail).unwrap(), format!("\n{} ASSISTANT:", text.replace('▁', " ")));
    }

    #[test]
    fn what_is_certain_while_typing_stays(text in typed(), pictures in 0usize..3) {
        let talk = |text: String| Conversation {
            system: None,
            messages: vec![Message::user("Hi", 1), Message::assistant("Yes"), Message::user(text, pictures)],
        };
        let certain = prompt::certain_prefix(&talk(String::new()), &LLAMA).unwrap();
        let whole = prompt::tokenize(&talk(format!("{text}?")), &LLAMA).unwrap();
        prop_assert!(whole.starts_with(&certain));
        let last = if pictures == 0 { PromptToken::Id(29_901) } else { PromptToken::Picture(pictures) };
        prop_assert_eq!(certain.last(), Some(&last));
    }
}
