//! Any bytes at all go through decoding and preprocessing: an error or a picture, never a crash.
#![no_main]

use std::path::Path;
use std::sync::Once;

use libfuzzer_sys::fuzz_target;

// The module itself, not the crate: the tensor library would only slow the sanitised build.
#[allow(dead_code, unreachable_pub)]
#[path = "../../src/image/mod.rs"]
mod image;

use image::{Aspect, DecodeOptions, Picture, Preprocess};

/// Small enough that a forged header cannot spend the whole run on zeroing memory.
const MAX_PIXELS: u64 = 1 << 16;

/// A decoder that panics is caught at the seam and becomes an error, so the fuzzer's hook,
/// which ends the process at any panic, is taken out. A panic outside the seam still ends it.
static HOOK: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            eprintln!("PANIC at {place}");
        }));
    });
    for apply_orientation in [true, false] {
        let options = DecodeOptions { apply_orientation };
        match Picture::decode_within(bytes, Path::new("fuzz"), &options, MAX_PIXELS) {
            Ok(picture) => check(&picture),
            Err(error) => assert!(!error.reason.is_empty()),
        }
    }
});

fn check(picture: &Picture) {
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    assert!(pixels > 0 && pixels <= MAX_PIXELS);
    assert_eq!(picture.rgb.len() as u64, pixels * 3);
    for aspect in [Aspect::Pad, Aspect::CenterCrop] {
        let preprocess = Preprocess { size: 28, aspect, mean: [0.5; 3], std: [0.5; 3] };
        assert_eq!(preprocess.square(picture).len(), 28 * 28 * 3);
        assert!(preprocess.pixels(picture).iter().all(|value| value.is_finite()));
    }
}
