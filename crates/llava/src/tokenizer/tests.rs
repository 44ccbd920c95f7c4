//! Unit tests of the tokenizer on a small vocabulary: both file flavours, markers, damage.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokenizers::Decoder as _;
use tokenizers::decoders::DecoderWrapper;

/// Words of the small vocabulary, best first. Joining letter by letter must be possible.
const WORDS: [&str; 24] = [
    "▁t",
    "th",
    "▁th",
    "he",
    "▁the",
    "▁a",
    "in",
    "er",
    "▁c",
    "at",
    "▁cat",
    "</",
    "s>",
    "US",
    "ER",
    "▁US",
    "ge",
    "im",
    "ag",
    "image",
    "▁▁",
    "▁▁▁▁",
    "ima",
    "</s",
];
const MARKERS: [&str; 3] = ["<unk>", "<s>", "</s>"];

/// Pieces of a small vocabulary: markers, bytes, letters, words.
fn small_pieces() -> (Vec<String>, Vec<f32>, Vec<PieceKind>) {
    let bytes = (0..=255u8).map(|b| (format!("<0x{b:02X}>"), PieceKind::Byte));
    let letters = "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ<>/:|,.'中".chars();
    let text = WORDS
        .iter()
        .map(ToString::to_string)
        .chain(letters.map(String::from));
    let markers = [PieceKind::Unknown, PieceKind::Control, PieceKind::Control];
    let all: Vec<(String, PieceKind)> = MARKERS
        .iter()
        .map(ToString::to_string)
        .zip(markers)
        .chain(bytes)
        .chain(text.map(|piece| (piece, PieceKind::Normal)))
        .collect();
    let scores = (0..all.len()).map(|at| -(at as f32)).collect();
    let (pieces, kinds) = all.into_iter().unzip();
    (pieces, scores, kinds)
}

/// A small tokenizer for tests all over the crate.
pub(crate) fn small() -> Tokenizer {
    let (pieces, scores, kinds) = small_pieces();
    let special = SpecialIds { bos: 1, eos: 2 };
    Tokenizer::from_vocabulary(&pieces, &scores, &kinds, special, Path::new("small"), 512).unwrap()
}

/// The small vocabulary as a tokenizer.json with older llava-hf's normaliser.
fn small_json() -> Value {
    let (pieces, scores, kinds) = small_pieces();
    let parts = vocabulary::parts(
        &pieces,
        &scores,
        &kinds,
        SpecialIds { bos: 1, eos: 2 },
        Path::new(""),
    )
    .unwrap();
    let added = |id: usize, content: &str, special: bool| {
        json!({"id": id, "content": content, "special": special, "normalized": false,
               "single_word": false, "lstrip": false, "rstrip": false})
    };
    let count = pieces.len();
    json!({
        "version": "1.0",
        "added_tokens": [
            added(0, "<unk>", true), added(1, "<s>", true), added(2, "</s>", true),
            added(count, "<image>", true), added(count + 1, "<pad>", false),
        ],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ]},
        "pre_tokenizer": null,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
            "vocab": parts.vocabulary.iter().cloned().collect::<HashMap<_, _>>(),
            "merges": parts.merges.iter().map(|(l, r)| format!("{l} {r}")).collect::<Vec<_>>(),
        },
    })
}

fn load(file: &Value, rows: usize) -> Result<Tokenizer> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, serde_json::to_vec(file).unwrap()).unwrap();
    Tokenizer::from_file(&path, rows)
}

fn pieces_of(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let shown = |id: u32| match tokenizer.shown(id) {
        Shown::Nothing => format!("#{id}"),
        Shown::Byte(byte) => format!("<{byte:02X}>"),
        Shown::Text(text) => text.to_string(),
    };
    tokenizer
        .encode(text)
        .unwrap()
        .into_iter()
        .map(shown)
        .collect()
}

#[test]
fn merges_by_score_and_falls_back_to_bytes() {
    let small = small();
    assert_eq!(pieces_of(&small, "the cat"), [" the", " cat"]);
    assert_eq!(
        pieces_of(&small, "中\né"),
        [" ", "中", "<0A>", "<C3>", "<A9>"]
    );
    assert_eq!(pieces_of(&small, "  USER:"), ["  ", " US", "ER", ":"]);
    assert!(small.encode("").unwrap().is_empty());
}

#[test]
fn every_flavour_of_the_file_gives_the_same_ids() {
    let original = small();
    let older = small_json();
    let metaspace = |scheme: &str| {
        let mut newer = small_json();
        newer["normalizer"] = Value::Null;
        newer["pre_tokenizer"] = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false});
        let merges = newer["model"]["merges"].as_array().unwrap().iter();
        newer["model"]["merges"] = merges
            .map(|m| m.as_str().unwrap().split(' ').collect::<Vec<_>>())
            .collect();
        newer
    };
    for file in [older, metaspace("first"), metaspace("always")] {
        let loaded = load(&file, 512).unwrap();
        for text in [
            "the cat",
            "  the",
            " ",
            "\n",
            "USER: the",
            "<s></s><image>",
            "中é\t",
        ] {
            assert_eq!(
                loaded.encode(text).unwrap(),
                original.encode(text).unwrap(),
                "{text:?}"
            );
        }
    }
}

#[test]
fn markers_in_text_are_letters() {
    let mut file = small_json();
    let marker_merges = json!(["</ s>", "</s >", "< s>", "<0 x0A>"]);
    let vocab = file["model"]["vocab"].as_object_mut().unwrap();
    vocab.extend([
        ("<0".to_owned(), json!(400)),
        ("x0A>".to_owned(), json!(401)),
    ]);
    // A file whose merges could build markers and byte pieces.
    let merges = file["model"]["merges"].as_array_mut().unwrap();
    merges.splice(0..0, marker_merges.as_array().unwrap().clone());
    file["added_tokens"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": 402, "content": "the", "special": false}));
    let tokenizer = load(&file, 512).unwrap();
    let barred: Vec<u32> = (0..259).chain([402]).collect();
    for text in [
        "<s>",
        "</s>",
        "a</s>b",
        "<unk>",
        "<image>",
        "<pad>",
        "<0x0A>",
        "a<s>",
        "the",
        "the</s>the",
    ] {
        let ids = tokenizer.encode(text).unwrap();
        let letters = text
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || b"<>/".contains(&b));
        if letters {
            assert!(ids.iter().all(|id| !barred.contains(id)), "{text}: {ids:?}");
        }
        assert!(
            ids.iter().all(|id| ![0, 1, 2, 13, 402].contains(id)),
            "{text}: {ids:?}"
        );
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }
}

#[test]
fn the_ids_that_may_win() {
    let small = small();
    let real = small_pieces().0.len();
    assert_eq!(
        (small.pieces(), small.never(), small.bos(), small.eos()),
        (real, &[][..], 1, 2)
    );
    let loaded = load(&small_json(), 512).unwrap();
    assert_eq!((loaded.pieces(), loaded.never()), (real, &[][..]));
    // Newer files repeat <image> and <pad> in the vocabulary itself.
    let mut repeated = small_json();
    repeated["model"]["vocab"]["<image>"] = json!(real);
    repeated["model"]["vocab"]["<pad>"] = json!(real + 1);
    let loaded = load(&repeated, 512).unwrap();
    assert_eq!((loaded.pieces(), loaded.never()), (real, &[][..]));
    // Somebody's own vocabulary may have them in front.
    let mut inside = small_json();
    inside["added_tokens"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": 300, "content": "cat!", "special": true}));
    let loaded = load(&inside, 512).unwrap();
    assert_eq!((loaded.pieces(), loaded.never()), (real, &[300][..]));
}

#[test]
fn padding_rows_of_a_gguf_vocabulary_never_win() {
    let (mut pieces, mut scores, mut kinds) = small_pieces();
    let real = pieces.len();
    let extra = [
        ("<image>", PieceKind::UserDefined),
        ("<pad>", PieceKind::Control),
        ("[PAD2]", PieceKind::Unused),
    ];
    for (piece, kind) in extra {
        pieces.push(piece.to_owned());
        scores.push(-10_000.0);
        kinds.push(kind);
    }
    let special = SpecialIds { bos: 1, eos: 2 };
    let padded =
        Tokenizer::from_vocabulary(&pieces, &scores, &kinds, special, Path::new("x"), real + 3)
            .unwrap();
    assert_eq!((padded.pieces(), padded.never()), (real, &[][..]));
    assert_eq!(
        padded.encode("<image>").unwrap(),
        small().encode("<image>").unwrap()
    );
}

#[test]
fn a_tokenizer_that_does_not_match_is_refused() {
    let file = small_json();
    let rows = small_pieces().0.len() + 2;
    assert!(load(&file, rows).is_ok());
    let error = load(&file, rows - 1).unwrap_err();
    assert!(matches!(error, Error::Tokenizer { .. }));
    assert!(error.to_string().contains("does not match"), "{error}");
}

#[test]
fn damaged_and_foreign_files_are_refused_by_name() {
    let missing = Tokenizer::from_file(Path::new("nowhere/tokenizer.json"), 512).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }) && missing.to_string().contains("nowhere"));
    let change = |pointer: &str, value: Value| {
        let mut file = small_json();
        *file.pointer_mut(pointer).unwrap() = value;
        load(&file, 512)
    };
    for (pointer, value) in [
        ("/model", json!({"type": "Unigram", "vocab": []})),
        ("/model/type", json!("WordPiece")),
        (
            "/model/vocab",
            json!({"a": 0, "b": 0, "<s>": 1, "</s>": 2, "<unk>": 3}),
        ),
        ("/model/vocab", json!({"a": -1})),
        (
            "/model/vocab",
            json!({"a": 4_294_967_295u32, "<s>": 1, "</s>": 2}),
        ),
        ("/model/merges", json!(["ab"])),
        ("/model/merges", json!(["q zz"])),
        ("/normalizer", json!({"type": "NFKC"})),
        ("/pre_tokenizer", json!({"type": "ByteLevel"})),
    ] {
        let error = change(pointer, value.clone()).unwrap_err();
        assert!(
            matches!(error, Error::Tokenizer { .. }),
            "{pointer} {value}: {error}"
        );
        assert!(error.to_string().contains("tokenizer.json"), "{error}");
    }
    let mut nameless = small_json();
    nameless["added_tokens"] = json!([]);
    nameless["model"]["vocab"]
        .as_object_mut()
        .unwrap()
        .remove("</s>");
    let error = load(&nameless, 512).unwrap_err().to_string();
    assert!(error.contains("</s>"), "{error}");
    let mut mute = small_json();
    mute["model"]["byte_fallback"] = json!(false);
    mute["model"]["unk_token"] = Value::Null;
    mute["added_tokens"] = json!([]);
    mute["model"]["vocab"]
        .as_object_mut()
        .unwrap()
        .remove("<unk>");
    let error = load(&mute, 512).unwrap_err().to_string();
    assert!(error.contains("unknown piece"), "{error}");
}

#[test]
fn a_damaged_vocabulary_is_refused() {
    let (pieces, scores, kinds) = small_pieces();
    let special = SpecialIds { bos: 1, eos: 2 };
    let build = |pieces: &[String], scores: &[f32], special| {
        Tokenizer::from_vocabulary(pieces, scores, &kinds, special, Path::new("v.gguf"), 512)
    };
    assert!(build(&pieces, &scores, special).is_ok());
    assert!(build(&pieces, &scores[1..], special).is_err());
    assert!(build(&pieces, &scores, SpecialIds { bos: 1, eos: 9999 }).is_err());
    let mut nan = scores.clone();
    nan[300] = f32::NAN;
    assert!(build(&pieces, &nan, special).is_err());
    let mut long = pieces.clone();
    long[300] = "a".repeat(5000);
    assert!(build(&long, &scores, special).is_err());
}

/// The decoder of llava-hf's tokenizer.json, run by the library that transformers runs.
fn reference_decode(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let decoder: DecoderWrapper = serde_json::from_value(json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ]}))
    .unwrap();
    let (pieces, ..) = small_pieces();
    let tokens = ids
        .iter()
        .filter(|id| !matches!(tokenizer.shown(**id), Shown::Nothing));
    decoder
        .decode(tokens.map(|id| pieces[*id as usize].clone()).collect())
        .unwrap()
}

#[test]
fn a_broken_run_of_bytes_becomes_one_mark_a_byte() {
    let small = small();
    let byte = |b: u8| 3 + u32::from(b);
    let run: Vec<u32> = "é".bytes().chain([0xFF]).map(byte).collect();
    assert_eq!(small.decode(&run).unwrap(), "\u{FFFD}\u{FFFD}\u{FFFD}");
    // A special token between two bytes is left out before the bytes are put together.
    assert_eq!(small.decode(&[byte(0xC3), 2, byte(0xA9)]).unwrap(), "é");
}

proptest! {
    #[test]
    fn decoding_matches_the_reference(
        ids in prop::collection::vec(prop_oneof![0..small_pieces().0.len() as u32, 3u32..259, 256u32..290], 0..40),
    ) {
        let small = small();
        prop_assert_eq!(small.decode(&ids).unwrap(), reference_decode(&small, &ids));
    }

    #[test]
    fn a_stream_adds_up_to_the_whole(ids in prop::collection::vec(0u32..400, 0..40)) {
        let small = small();
        let mut stream = TextStream::new(&small);
        let mut parts: Vec<String> = ids.iter().filter_map(|id| stream.push(*id)).collect();
        parts.extend(stream.finish());
        prop_assert!(parts.iter().all(|part| !part.is_empty()));
        let known: Vec<u32> = ids.into_iter().filter(|id| (*id as usize) < small.pieces()).collect();
        prop_assert_eq!(parts.concat(), reference_decode(&small, &known));
    }

    #[test]
    fn text_survives_encoding(text in "\\PC{0,30}|[ \\n\\t中é]{0,10}|[<>/simage]{0,12}") {
        // `▁` itself reads back as a space, in SentencePiece too.
        let small = small();
        let ids = small.encode(&text).unwrap();
        prop_assert!(ids.iter().all(|id| *id > 2), "{:?}", ids);
        prop_assert_eq!(small.decode(&ids).unwrap(), text.replace('▁', " "));
    }
}
