//! The corpus of malformed headers, and files cut or changed anywhere.

use super::check_bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Made by `tests/golden/gguf_headers.py`: what each file is refused for. Empty: it is right.
const CORPUS: [(&str, &str); 65] = [
    ("alignment-0", "general.alignment is 0"),
    ("alignment-2-31", "general.alignment is 2147483648"),
    ("alignment-48", "general.alignment is 48"),
    (
        "alignment-negative",
        "general.alignment is not a whole number",
    ),
    ("alignment-text", "general.alignment is not a whole number"),
    ("architecture-missing", "general.architecture is missing"),
    (
        "architecture-number",
        "general.architecture is a whole number where text belongs",
    ),
    ("big-endian", "big-endian"),
    ("cut-in-counts", "at byte 15"),
    ("cut-in-data", "past the end of the file at 159"),
    ("cut-in-tensors", "at byte 90"),
    ("cut-in-values", "the file ends at 50"),
    ("dimension-zero", "impossible size"),
    ("dimensions-0", "0 dimensions"),
    ("dimensions-2-32", "4294967295 dimensions"),
    ("dimensions-5", "5 dimensions"),
    ("dimensions-wrap", "impossible size"),
    ("dimensions-wrap-bytes", "impossible size"),
    ("empty-string-key", "0 bytes long"),
    ("experts", "experts"),
    ("ggml-of-before", "replaced in 2023"),
    ("git-lfs-note", "Git LFS"),
    ("key-length-2-30", "claims 1073741824 bytes"),
    ("key-length-huge", "claims 18446744073709551608 bytes"),
    ("key-not-text", "not text"),
    ("key-twice", "\"general.architecture\" is there twice"),
    ("list-nested-twice", "llama.embedding_length is missing"),
    ("list-of-2-30-strings", "claims 1073741824 values"),
    ("list-of-2-60-bytes", "claims 1152921504606846976 values"),
    ("list-of-lists-huge", "claims 1099511627776 values"),
    ("list-of-unknown", "no known type (99)"),
    ("list-size-wraps", "claims 2305843009213693952 values"),
    ("lists-nested-deep", "nested too deeply"),
    ("magic-only", "at byte 4"),
    ("name-long", "300 bytes long"),
    ("not-gguf", "not a GGUF file"),
    ("offset-past-end", "past the end of the file at 160"),
    ("offset-unaligned", "offset 8 is not a multiple of 32"),
    ("offset-wraps", "past the end of the file at 160"),
    ("projector-ldp", "\"ldp\""),
    ("rope-scaled", "rotary embedding is scaled"),
    ("row-not-whole", "rows of 48 values"),
    ("scores-missing", "tokenizer.ggml.scores is missing"),
    (
        "setting-of-wrong-type",
        "llama.embedding_length is text where a whole number belongs",
    ),
    ("setting-zero", "llama.embedding_length is 0"),
    ("string-length-huge", "claims 18446744073709551615 bytes"),
    ("tensor-count-2-30", "claims 1073741824 tensors"),
    ("tensor-count-huge", "claims 4611686018427387904 tensors"),
    ("tensor-twice", "tensor \"t\" is there twice"),
    ("tensors-overlap", "lies over another tensor"),
    ("tensors-same-place", "lies over another tensor"),
    ("tokenizer-of-gpt", "\"gpt2\""),
    ("type-removed", "has the type 4,"),
    ("type-unknown", "has the type 77,"),
    ("valid-language", ""),
    ("valid-version-2", "llama.embedding_length is missing"),
    ("valid-vision", ""),
    ("value-count-huge", "18446744073709551615 settings"),
    ("value-count-one-more", "0 bytes long"),
    ("value-type-unknown", "no known type (13)"),
    ("version-0", "version 0"),
    ("version-1", "version 1"),
    ("version-4", "version 4"),
    ("vision-gelu", "clip.use_gelu"),
    ("web-page", "not a GGUF file"),
];

fn corpus() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/gguf_header");
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect()
}

#[test]
fn each_wrong_file_is_refused_for_what_is_wrong_with_it() {
    let files = corpus();
    let known: BTreeSet<&str> = CORPUS.iter().map(|(name, _)| *name).collect();
    let there: BTreeSet<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(there, known);
    for (name, reason) in CORPUS {
        match check_bytes(&files[name]) {
            Ok(()) => assert_eq!(reason, "", "{name} was taken"),
            Err(why) => assert!(!reason.is_empty() && why.contains(reason), "{name}: {why}"),
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for name in ["valid-language", "valid-vision"] {
        let bytes = &corpus()[name];
        for end in 0..bytes.len() {
            // The last tensor may end before its padding does.
            let cut = check_bytes(&bytes[..end]);
            assert!(
                cut.is_err() || bytes.len() - end < 32,
                "{name} cut at {end}"
            );
        }
    }
}

#[test]
fn no_byte_of_a_header_makes_the_reader_panic() {
    for name in ["valid-language", "valid-vision"] {
        let bytes = corpus()[name].clone();
        for at in 0..bytes.len().min(9000) {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                // Either answer is right; what counts is that there is one.
                let _ = check_bytes(&changed);
            }
        }
    }
}
