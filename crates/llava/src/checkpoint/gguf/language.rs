//! The language model's settings and names: `general.architecture = "llama"`.

use super::cursor::Fault;
use super::meta::{Meta, missing};
use crate::config::LanguageConfig;

/// Tensor names of a layer, and where llava-hf has them.
pub(crate) const LAYER_TENSORS: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// Tensor names outside the layers.
pub(crate) const OUTER_TENSORS: [(&str, &str); 3] = [
    (
        "token_embd.weight",
        "language_model.model.embed_tokens.weight",
    ),
    ("output_norm.weight", "language_model.model.norm.weight"),
    ("output.weight", "language_model.lm_head.weight"),
];

/// Factors of a scaled rotary embedding; all ones where there is no scaling.
pub(super) const ROPE_FACTORS: &str = "rope_freqs.weight";

/// The llava-hf name of a tensor of the language model.
pub(super) fn canonical(name: &str, layers: usize) -> Option<String> {
    if let Some((_, hf)) = OUTER_TENSORS.iter().find(|(gguf, _)| *gguf == name) {
        return Some((*hf).to_owned());
    }
    let (index, tail) = numbered(name, "blk.")?;
    let part = tail.strip_suffix(".weight")?;
    let (_, hf) = LAYER_TENSORS.iter().find(|(gguf, _)| *gguf == part)?;
    (index < layers).then(|| format!("language_model.model.layers.{index}.{hf}.weight"))
}

/// The number after `prefix`, and what follows its dot.
pub(super) fn numbered<'a>(name: &'a str, prefix: &str) -> Option<(usize, &'a str)> {
    let (digits, tail) = name.strip_prefix(prefix)?.split_once('.')?;
    let plain = digits == "0" || !digits.starts_with(['0', '+']);
    plain.then(|| Some((digits.parse().ok()?, tail))).flatten()
}

/// The shape of the language model, and the positions it was trained for.
pub(super) fn config(meta: &Meta<'_>) -> Result<(LanguageConfig, usize), Fault> {
    refuse_variants(meta)?;
    let hidden = meta.required("llama.embedding_length")?;
    let heads = meta.required("llama.attention.head_count")?;
    let head_dim = head_dim(meta, hidden, heads)?;
    let table = meta.tensors.get("token_embd.weight").ok_or(
        "the tensor token_embd.weight is missing; the file is incomplete, download it again",
    )?;
    let vocab_rows = table.shape.first().copied().unwrap_or(0);
    let config = LanguageConfig {
        hidden,
        intermediate: meta.required("llama.feed_forward_length")?,
        layers: meta.required("llama.block_count")?,
        heads,
        kv_heads: meta.size("llama.attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        vocab_rows,
        rms_norm_eps: meta.epsilon("llama.attention.layer_norm_rms_epsilon")?,
        rope_theta: rope_theta(meta)?,
        tied_embeddings: !meta.tensors.contains_key("output.weight"),
    };
    Ok((config, meta.required("llama.context_length")?))
}

fn head_dim(meta: &Meta<'_>, hidden: usize, heads: usize) -> Result<usize, Fault> {
    let stated = [
        "llama.attention.key_length",
        "llama.attention.value_length",
        "llama.rope.dimension_count",
    ];
    let mut dim = None;
    for key in stated {
        let Some(length) = meta.size(key)? else {
            continue;
        };
        if *dim.get_or_insert(length) != length {
            return Err(format!(
                "{key} is {length}, another length of a head than {}; Visavis does not run such models",
                dim.unwrap_or(0)
            ));
        }
    }
    Ok(dim.unwrap_or(hidden / heads))
}

fn rope_theta(meta: &Meta<'_>) -> Result<f64, Fault> {
    let theta = meta.fraction("llama.rope.freq_base")?.unwrap_or(10000.0);
    if theta.is_finite() && theta > 1.0 {
        Ok(theta)
    } else {
        Err(format!(
            "llama.rope.freq_base is {theta}; the file is damaged"
        ))
    }
}

/// What llama.cpp calls `llama` covers more than LLaMA-2 and Vicuna.
fn refuse_variants(meta: &Meta<'_>) -> Result<(), Fault> {
    let refuse = |what: &str| {
        Err(format!(
            "{what}, which LLaVA-1.5 does not have; this is another model, and Visavis does not run it"
        ))
    };
    let kind = meta.text("llama.rope.scaling.type")?;
    let factor = meta.fraction("llama.rope.scaling.factor")?;
    let linear = meta.fraction("llama.rope.scale_linear")?;
    let scaled = |f: Option<f64>| f.is_some_and(|f| f != 0.0 && f != 1.0);
    if !matches!(kind, None | Some("none" | "linear")) || scaled(factor) || scaled(linear) {
        return refuse("the rotary embedding is scaled");
    }
    if meta.whole("llama.expert_count")?.unwrap_or(0) > 0 {
        return refuse("the layers are split into experts");
    }
    if let Some(window) = meta.whole("llama.attention.sliding_window")?
        && window > 0
        && meta.whole("llama.context_length")? > Some(window)
    {
        return refuse("the attention has a sliding window");
    }
    if meta.has("llama.attention.causal") && meta.yes("llama.attention.causal")? == Some(false) {
        return refuse("the attention is not causal");
    }
    Ok(())
}

/// The architecture that a file names.
pub(super) fn architecture<'a>(meta: &Meta<'a>) -> Result<&'a str, Fault> {
    meta.text("general.architecture")?
        .ok_or_else(|| missing("general.architecture"))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn names_of_the_language_model() {
        let pairs = [
            ("output.weight", Some("language_model.lm_head.weight")),
            (
                "blk.31.ffn_down.weight",
                Some("language_model.model.layers.31.mlp.down_proj.weight"),
            ),
            (
                "blk.0.attn_norm.weight",
                Some("language_model.model.layers.0.input_layernorm.weight"),
            ),
            ("blk.32.attn_q.weight", None),
            ("blk.01.attn_q.weight", None),
            ("blk.+1.attn_q.weight", None),
            ("blk.0.attn_q.bias", None),
            ("blk.0.ffn_gate_exps.weight", None),
            ("blk.", None),
        ];
        for (name, wanted) in pairs {
            assert_eq!(canonical(name, 32).as_deref(), wanted, "{name}");
        }
    }
}
