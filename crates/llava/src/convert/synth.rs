//! Models of the true shape with made-up weights, for measuring speed and memory without a
//! download. They answer nonsense, but finite nonsense: every matrix has the spread that a trained
//! one has, so that activations neither vanish nor overflow.

use super::output::{Rows, Tensor};
use super::plan::Blueprint;
use super::recipe::Recipe;
use super::{Target, Written, write};
use crate::Result;
use crate::checkpoint::RopeLayout;
use crate::config::{Config, ConnectorActivation, ConnectorConfig, LanguageConfig, VisionConfig};
use crate::image::{Aspect, Preprocess};
use crate::tokenizer::export::Exported;
use crate::tokenizer::{PieceKind, SpecialIds};
use crate::watch::Watch;
use half::f16;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use std::ops::Range;
use std::path::Path;
use visavis_kernels::{DType, install};

/// Shapes that can be made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A model of a few megabytes.
    Tiny,
    /// LLaVA-1.5's vision tower before a language model of 1.1 billion parameters.
    OneB,
    /// LLaVA-1.5 7B.
    SevenB,
    /// LLaVA-1.5 13B.
    ThirteenB,
}

impl Shape {
    /// `tiny`, `1b`, `7b` or `13b`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::OneB => "1b",
            Self::SevenB => "7b",
            Self::ThirteenB => "13b",
        }
    }

    /// The model's shape.
    pub fn config(self) -> Config {
        let (hidden, intermediate, layers, heads, kv_heads) = match self {
            Self::Tiny => (256, 768, 4, 4, 4),
            Self::OneB => (2048, 5632, 22, 16, 16),
            Self::SevenB => (4096, 11008, 32, 32, 32),
            Self::ThirteenB => (5120, 13824, 40, 40, 40),
        };
        let mut vision = VisionConfig {
            hidden: 1024,
            intermediate: 4096,
            layers: 23,
            heads: 16,
            image_size: 336,
            patch_size: 14,
            layer_norm_eps: 1e-5,
            blocks_run: 23,
            keep_class_token: false,
        };
        if self == Self::Tiny {
            vision = VisionConfig {
                hidden: 128,
                intermediate: 256,
                layers: 3,
                heads: 2,
                image_size: 56,
                blocks_run: 3,
                ..vision
            };
        }
        Config {
            vision,
            connector: ConnectorConfig {
                depth: 2,
                activation: ConnectorActivation::Gelu,
                bias: true,
            },
            language: LanguageConfig {
                hidden,
                intermediate,
                layers,
                heads,
                kv_heads,
                head_dim: hidden / heads,
                vocab_rows: if self == Self::Tiny { 1024 } else { 32000 },
                rms_norm_eps: 1e-5,
                rope_theta: 10000.0,
                tied_embeddings: false,
            },
            context: 4096,
        }
    }
}

impl std::str::FromStr for Shape {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let all = [Self::Tiny, Self::OneB, Self::SevenB, Self::ThirteenB];
        all.into_iter()
            .find(|s| s.name() == name)
            .ok_or_else(|| format!("{name:?} is none of tiny, 1b, 7b and 13b"))
    }
}

/// Writes a model of shape `shape` with made-up weights into `folder`, as
/// [`convert`](super::convert) would, named `synthetic-<shape>`. The same bytes each time.
///
/// # Errors
/// A file of the name is there already and may not be replaced, or the disk is full.
pub fn synth(
    shape: Shape,
    recipe: Recipe,
    folder: &Path,
    replace: bool,
    watch: &dyn Watch,
) -> Result<Written> {
    let config = shape.config();
    let preprocess = Preprocess {
        size: config.vision.image_size as u32,
        aspect: Aspect::Pad,
        mean: crate::checkpoint::CLIP_MEAN,
        std: crate::checkpoint::CLIP_STD,
    };
    let vocabulary = vocabulary(config.language.vocab_rows);
    let name = &format!("synthetic-{}", shape.name());
    let blueprint = Blueprint {
        name,
        config: &config,
        preprocess: &preprocess,
        vocabulary: &vocabulary,
        recipe,
        rope: RopeLayout::Half,
    };
    let target = Target {
        folder,
        name,
        replace,
    };
    write(&blueprint, &target, &MadeUp, watch)
}

/// LLaMA's structure: markers, bytes, then pieces that are each the union of two others, then
/// single characters.
pub(super) fn vocabulary(rows: usize) -> Exported {
    let markers = ["<unk>", "<s>", "</s>"].map(str::to_owned);
    let bytes = (0..=255u8).map(|b| format!("<0x{b:02X}>"));
    let mut pieces: Vec<String> = markers.into_iter().chain(bytes).collect();
    let first = pieces.len();
    let letters: Vec<char> = ('a'..='z').collect();
    let singles: Vec<String> = ('!'..='~').chain(['▁']).map(String::from).collect();
    let room = rows.saturating_sub(first + singles.len());
    let begin = letters.iter().map(|l| format!("▁{l}"));
    let pairs = letters
        .iter()
        .flat_map(|a| letters.iter().map(move |b| format!("{a}{b}")));
    let starts = pairs.clone().map(|p| format!("▁{p}"));
    let triples = pairs
        .clone()
        .flat_map(|p| letters.iter().map(move |c| format!("{p}{c}")));
    let words = triples.clone().map(|t| format!("▁{t}"));
    let all = begin.chain(pairs).chain(starts).chain(triples).chain(words);
    pieces.extend(all.take(room));
    pieces.extend(singles);
    pieces.truncate(rows);
    let kind = |id: usize| match id {
        0 => PieceKind::Unknown,
        1 | 2 => PieceKind::Control,
        _ if id < first => PieceKind::Byte,
        _ => PieceKind::Normal,
    };
    Exported {
        scores: (0..pieces.len())
            .map(|id| -(id.saturating_sub(first) as f32))
            .collect(),
        kinds: (0..pieces.len()).map(kind).collect(),
        pieces,
        special: SpecialIds { bos: 1, eos: 2 },
        unknown: Some(0),
        padding: None,
    }
}

/// Random blocks of sane scale.
pub(super) struct MadeUp;

impl Rows for MadeUp {
    fn fill(&self, tensor: &Tensor, rows: Range<usize>, out: &mut [u8]) -> Result<()> {
        let spread = spread(tensor);
        let seed = tensor.name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        let row_bytes = tensor.row_bytes();
        install(|| {
            out.par_chunks_mut(row_bytes)
                .enumerate()
                .for_each(|(i, out)| {
                    let row = (rows.start + i) as u64;
                    let mut bits = Bits(seed ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    fill_row(tensor.dtype, spread, &mut bits, out);
                });
        });
        Ok(())
    }
}

/// Middle and standard deviation of a tensor's values.
#[derive(Clone, Copy)]
struct Spread {
    middle: f32,
    deviation: f32,
}

fn spread(tensor: &Tensor) -> Spread {
    let norm = tensor.name.contains("norm") || tensor.name.contains("ln");
    let (_, cols) = tensor.size();
    let (middle, deviation) = match tensor.shape.len() {
        1 if norm && tensor.name.ends_with("weight") => (1.0, 0.05),
        1 => (0.0, 0.02),
        // An output then has about the size of an input.
        _ => (0.0, 1.0 / (cols as f32).sqrt()),
    };
    Spread { middle, deviation }
}

/// splitmix64.
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

fn fill_row(dtype: DType, spread: Spread, bits: &mut Bits, out: &mut [u8]) {
    match dtype {
        DType::Q4K => out
            .chunks_exact_mut(144)
            .for_each(|b| q4k(b, spread.deviation, bits)),
        DType::Q6K => out
            .chunks_exact_mut(210)
            .for_each(|b| q6k(b, spread.deviation, bits)),
        DType::Q8_0 => out.chunks_exact_mut(34).for_each(|b| {
            // Bytes taken as levels deviate by 74.
            bits.fill(&mut b[2..]);
            put(&mut b[..2], spread.deviation / 74.0);
        }),
        DType::F16 => plain(spread, bits, out, |v| f16::from_f32(v).to_le_bytes()),
        _ => plain(spread, bits, out, f32::to_le_bytes),
    }
}

/// Scales and minima are all 32 to 47, and the minimum's unit is 7.5 times the scale's: values are
/// `d * scale * (level - 7.5)` or near it.
fn q4k(block: &mut [u8], deviation: f32, bits: &mut Bits) {
    bits.fill(&mut block[4..]);
    // Levels deviate by 4.6, scales are 40 in the middle.
    let d = deviation / (4.6 * 40.0);
    put(&mut block[..2], d);
    put(&mut block[2..4], 7.5 * d);
    // Low six bits 32..=47 in the first eight bytes; above them the two high bits of the last
    // four pairs, which are 10 in binary for 32..=47. The low halves of those are in bytes 8..12.
    for scale in &mut block[4..12] {
        *scale = 0b1010_0000 | (*scale & 15);
    }
    // The same for scale and minimum keeps the middle at zero.
    for i in 4..8 {
        block[i + 4] = block[i];
        block[i + 8] = (block[i + 8] & 15) * 17;
    }
}

/// Scales are 64 to 127 of either sign; levels deviate by 18.5.
fn q6k(block: &mut [u8], deviation: f32, bits: &mut Bits) {
    bits.fill(block);
    for scale in &mut block[192..208] {
        let size = 64 | (*scale & 63) as i8;
        let sign = if *scale & 64 == 0 { 1 } else { -1 };
        *scale = (size * sign) as u8;
    }
    put(&mut block[208..], deviation / (18.5 * 96.0));
}

/// Evenly distributed values: their width is sqrt(12) deviations.
fn plain<const N: usize>(
    spread: Spread,
    bits: &mut Bits,
    out: &mut [u8],
    bytes: impl Fn(f32) -> [u8; N],
) {
    let unit = spread.deviation * 12f32.sqrt() / 65536.0;
    for chunk in out.chunks_mut(4 * N) {
        let mut random = bits.next();
        for value in chunk.chunks_exact_mut(N) {
            let level = (random as u16).cast_signed();
            random >>= 16;
            value.copy_from_slice(&bytes(spread.middle + f32::from(level) * unit));
        }
    }
}

fn put(out: &mut [u8], scale: f32) {
    out.copy_from_slice(&f16::from_f32(scale).to_le_bytes());
}
