//! Which tensor is stored how.

use visavis_kernels::DType;

/// How the language model's weights are stored. Norms are always F32; the vision tower is F16,
/// or F32 beside an F32 language model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// Everything in 32 bits.
    F32,
    /// 16 bits.
    F16,
    /// 8.5 bits a value.
    Q8_0,
    /// Mostly 4.5 bits a value: Q4_K, with Q6_K where an error costs most.
    Q4KM,
}

impl Recipe {
    /// The name as files carry it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Q8_0 => "Q8_0",
            Self::Q4KM => "Q4_K_M",
        }
    }

    /// `general.file_type`.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
            Self::Q4KM => 15,
        }
    }

    /// The type of the vision tower's matrices.
    pub(super) fn vision(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            _ => DType::F16,
        }
    }

    /// The type of a matrix of the language model; `part` is its GGUF name without layer and
    /// `.weight`.
    pub(super) fn language(self, part: &str, layer: usize, layers: usize) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Q8_0 => DType::Q8_0,
            Self::Q4KM => match part {
                "output" => DType::Q6K,
                "attn_v" | "ffn_down" if more_bits(layer, layers) => DType::Q6K,
                _ => DType::Q4K,
            },
        }
    }
}

impl std::str::FromStr for Recipe {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::F32, Self::F16, Self::Q8_0, Self::Q4KM];
        all.into_iter()
            .find(|r| r.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| format!("{name:?} is none of q4_k_m, q8_0, f16 and f32"))
    }
}

/// llama.cpp's choice for its `_M` mixes: the first and the last eighth of the layers, and every
/// third between.
fn more_bits(layer: usize, layers: usize) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}

/// The type that rows of `cols` values can have: blocks must be whole.
pub(super) fn fitting(wanted: DType, cols: usize) -> DType {
    [wanted, DType::Q8_0, DType::F16]
        .into_iter()
        .find(|d| cols.is_multiple_of(d.block_len()))
        .unwrap_or(DType::F16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_layers_get_more_bits() {
        let q6 = |layers| (0..layers).filter(|l| more_bits(*l, layers)).count();
        assert_eq!((q6(32), q6(40)), (16, 20));
        let r = Recipe::Q4KM;
        assert_eq!(r.language("output", 0, 32), DType::Q6K);
        assert_eq!(r.language("token_embd", 0, 32), DType::Q4K);
        assert_eq!(r.language("attn_v", 0, 32), DType::Q6K);
        assert_eq!(r.language("attn_v", 4, 32), DType::Q4K);
        assert_eq!(r.language("attn_q", 0, 32), DType::Q4K);
    }

    #[test]
    fn rows_that_are_not_whole_blocks_fall_back() {
        assert_eq!(fitting(DType::Q4K, 11008), DType::Q4K);
        assert_eq!(fitting(DType::Q4K, 5632 + 32), DType::Q8_0);
        assert_eq!(fitting(DType::Q6K, 33), DType::F16);
        assert_eq!(fitting(DType::F32, 33), DType::F32);
    }

    #[test]
    fn names_are_read() {
        assert_eq!("q4_k_m".parse(), Ok(Recipe::Q4KM));
        assert!("q5_k_m".parse::<Recipe>().unwrap_err().contains("q8_0"));
    }
}
