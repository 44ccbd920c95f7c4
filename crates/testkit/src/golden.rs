//! What the reference computed from the presets (tests/golden/make_models.py).

use crate::spec::TinySpec;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The id that stands for a whole picture in [`Run::ids`].
pub const IMAGE: i64 = -200;

/// All stored outputs of one preset.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Versions of what computed it.
    pub made_with: String,
    /// The preset as it was then.
    pub spec: TinySpec,
    /// Of the names and f32 values of all tensors, in order, before rounding.
    pub weights_sha256: String,
    /// Length of logits: the tokenizer's pieces.
    pub pieces: usize,
    /// Positions one picture takes.
    pub image_tokens: usize,
    /// System text of the conversations.
    pub system: String,
    /// Two pictures after vision tower and connector.
    pub features: Vec<Features>,
    /// Prompts and their greedy continuations.
    pub runs: Vec<Run>,
    /// Logits along the first run's answer.
    pub teacher: Teacher,
    /// Distance of the reference to the same computation in f64.
    pub rounding: Rounding,
    /// How far the classic mistakes move the results.
    pub mutations: Mutations,
}

/// A picture's features, `(image_tokens, hidden)`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// The picture's number in [`crate::formula::pixels`].
    pub picture: u64,
    /// Of the picture's f32 pixels.
    pub pixels_sha256: String,
    /// The rows that are stored.
    pub rows: Vec<usize>,
    /// The stored rows, one after the other.
    #[serde(deserialize_with = "packed")]
    pub values: Vec<f32>,
    /// The Euclidean norm of every row, stored or not.
    #[serde(deserialize_with = "packed")]
    pub norms: Vec<f32>,
}

/// A prompt, the logits after it, and 64 greedy tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// What it is about.
    pub name: String,
    /// The conversation that the prompt spells.
    pub messages: Vec<Message>,
    /// The pictures' numbers, in reading order.
    pub pictures: Vec<u64>,
    /// The prompt; each [`IMAGE`] stands for one picture, `image_tokens` positions.
    pub ids: Vec<i64>,
    /// After the prompt.
    #[serde(deserialize_with = "packed")]
    pub logits: Vec<f32>,
    /// Greedy tokens among the pieces; `</s>` does not end them.
    pub greedy: Vec<u32>,
    /// Smallest distance of the top two logits over the run, by the largest absolute logit.
    pub margin: f64,
    /// Steps in which a row past the pieces would have won.
    pub padding_row_wins: usize,
}

/// One message of a conversation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub text: String,
    /// Pictures before the text.
    #[serde(default)]
    pub pictures: usize,
}

/// Logits at some steps of a run whose answer is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Which run.
    pub run: usize,
    /// Step n has the prompt and the first n tokens of the answer behind it.
    pub steps: Vec<usize>,
    /// One row of `pieces` for each step.
    #[serde(deserialize_with = "packed")]
    pub logits: Vec<f32>,
}

/// Relative distances.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rounding {
    /// Of the first picture's features.
    pub features: f64,
    /// Of the first run's logits.
    pub logits: f64,
}

/// Relative distances that mistakes cause, by the mistake's name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutations {
    /// Of the first picture's features.
    pub features: BTreeMap<String, f64>,
    /// Of the first run's logits.
    pub logits: BTreeMap<String, f64>,
}

/// What the reference computed from a model of one GGUF block type
/// (tests/golden/make_gguf_types.py).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockGolden {
    /// Versions of what computed it.
    pub made_with: String,
    /// Of names, types and bytes of all tensors.
    pub sha256: String,
    /// The picture's number in [`crate::formula::pixels`].
    pub picture: u64,
    /// The prompt; [`IMAGE`] stands for the picture.
    pub ids: Vec<i64>,
    /// The first, the eighth and the last row of the picture's features.
    #[serde(deserialize_with = "packed")]
    pub features: Vec<f32>,
    /// Greedy tokens among the pieces; `</s>` does not end them.
    pub greedy: Vec<u32>,
    /// Distance of the top two logits at each of them, by the largest absolute logit.
    pub margins: Vec<f64>,
    /// Step n has the prompt and the first n tokens behind it.
    pub steps: Vec<usize>,
    /// One row of pieces for each step.
    #[serde(deserialize_with = "packed")]
    pub logits: Vec<f32>,
}

/// The stored outputs for the type or mix `kind`.
pub fn load_blocks(kind: &str) -> BlockGolden {
    read(&folder().join(format!("gguf_types/{kind}.json")))
}

/// The stored outputs of the preset `name`.
pub fn load(name: &str) -> Golden {
    read(&folder().join(format!("models/{name}.json")))
}

/// What a JSON file in tests/golden holds.
pub fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// tests/golden of this repository.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

/// `max|a - b| / max|b|`, `b` being the reference; infinite when `a` has a NaN.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    let mut largest = 0.0f64;
    let mut apart = 0.0f64;
    for (&a, &b) in a.iter().zip(b) {
        if a.is_nan() {
            return f64::INFINITY;
        }
        largest = largest.max(f64::from(b).abs());
        apart = apart.max((f64::from(a) - f64::from(b)).abs());
    }
    apart / largest
}

fn packed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = base64(&text).ok_or_else(|| serde::de::Error::custom("not base64"))?;
    let (words, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(serde::de::Error::custom("not whole floats"));
    }
    Ok(words.iter().map(|w| f32::from_le_bytes(*w)).collect())
}

/// Standard alphabet with padding (RFC 4648, section 4).
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{formula, presets};
    use sha2::{Digest, Sha256};

    fn hex(digest: Sha256) -> String {
        digest
            .finalize()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    fn update(digest: &mut Sha256, values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        digest.update(bytes);
    }

    /// RFC 4648, section 10.
    #[test]
    fn base64_vectors() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ];
        for (plain, coded) in vectors {
            assert_eq!(base64(coded).unwrap(), plain.as_bytes());
        }
        assert_eq!(base64("a*"), None);
    }

    #[test]
    fn distance_is_relative_to_the_reference() {
        assert_eq!(distance(&[1.0, -3.0], &[1.0, -4.0]), 0.25);
        assert_eq!(distance(&[f32::NAN], &[1.0]), f64::INFINITY);
    }

    /// The outputs belong to the presets, and the formula gives Python's bits for every tensor.
    #[test]
    fn outputs_belong_to_the_presets() {
        for spec in presets() {
            let golden = load(&spec.name);
            assert_eq!(golden.spec, spec);
            assert_eq!(golden.pieces, crate::checkpoint::pieces());
            assert_eq!(golden.image_tokens, spec.image_tokens());
            let mut weights = Sha256::new();
            for (name, shape) in spec.tensors() {
                weights.update(name.as_bytes());
                update(&mut weights, &formula::tensor(&name, &shape, &spec));
            }
            assert_eq!(hex(weights), golden.weights_sha256, "{}", spec.name);
            for features in &golden.features {
                let mut pixels = Sha256::new();
                update(
                    &mut pixels,
                    &formula::pixels(spec.vision.image_size, features.picture),
                );
                assert_eq!(hex(pixels), features.pixels_sha256, "{}", spec.name);
                assert_eq!(features.norms.len(), golden.image_tokens);
                assert_eq!(
                    features.values.len(),
                    features.rows.len() * spec.text.hidden
                );
            }
        }
    }

    /// Identical tokens are a fair demand, and the tolerances of tests/golden/models.rs see every
    /// mistake that was tried in at least one preset.
    #[test]
    fn outputs_can_tell_mistakes_apart() {
        let mut worst: BTreeMap<String, f64> = BTreeMap::new();
        for spec in presets() {
            let golden = load(&spec.name);
            assert!(golden.rounding.features < 1e-5 && golden.rounding.logits < 1e-4);
            for run in &golden.runs {
                assert!(run.margin >= 1e-3, "{}: {}", spec.name, run.name);
                assert_eq!((run.greedy.len(), run.logits.len()), (64, golden.pieces));
            }
            assert!(
                golden.runs.iter().any(|r| r.padding_row_wins > 0),
                "{}",
                spec.name
            );
            for pair in golden.runs[..6].chunks(2) {
                assert_eq!(pair[0].ids, pair[1].ids);
                assert_ne!(pair[0].greedy, pair[1].greedy, "the picture must matter");
            }
            let (features, logits) = (golden.mutations.features, golden.mutations.logits);
            let by_tolerance = features
                .into_iter()
                .map(|(k, v)| (k, v / 2e-5))
                .chain(logits.into_iter().map(|(k, v)| (k, v / 1e-3)));
            for (mistake, factor) in by_tolerance {
                let seen = worst.entry(mistake).or_insert(0.0);
                *seen = seen.max(factor);
            }
        }
        assert!(worst.len() >= 18);
        for (mistake, factor) in worst {
            assert!(
                factor >= 5.0,
                "{mistake}: only {factor} times the tolerance"
            );
        }
    }
}
