//! The header of a GGUF file of unknown origin, its settings and its vocabulary:
//! `cargo +nightly fuzz run gguf_header` in crates/llava.

#![no_main]

use libfuzzer_sys::fuzz_target;
use visavis_llava::checkpoint::gguf;

fuzz_target!(|bytes: &[u8]| {
    let _ = gguf::check_bytes(bytes);
});
