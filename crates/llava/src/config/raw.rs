//! The file as it is written, with transformers' defaults, and its way into [`Config`].

use super::{Config, ConnectorActivation, ConnectorConfig, LanguageConfig, VisionConfig};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct RawConfig {
    model_type: Option<String>,
    text_config: Option<RawText>,
    vision_config: Option<RawVision>,
    vision_feature_layer: Option<Value>,
    vision_feature_select_strategy: Option<String>,
    projector_hidden_act: Option<String>,
    multimodal_projector_bias: Option<bool>,
    mm_projector_type: Option<String>,
    mm_vision_tower: Option<String>,
    tie_word_embeddings: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawText {
    model_type: Option<String>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
    hidden_act: Option<String>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    tie_word_embeddings: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawVision {
    model_type: Option<String>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    image_size: Option<usize>,
    patch_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    hidden_act: Option<String>,
    num_channels: Option<usize>,
}

/// Parses a config; the error is a sentence without the file's name.
pub(super) fn parse(text: &str) -> Result<Config, String> {
    let raw: RawConfig = serde_json::from_str(text).map_err(|e| {
        format!("not a readable model configuration ({e}); download the file again")
    })?;
    refuse_other_models(&raw)?;
    let text = raw.text_config.unwrap_or_default();
    let vision = raw.vision_config.unwrap_or_else(llava_vision_default);
    let language = language(&text, raw.tie_word_embeddings)?;
    Ok(Config {
        vision: vision_config(
            &vision,
            raw.vision_feature_layer.as_ref(),
            raw.vision_feature_select_strategy.as_deref(),
        )?,
        connector: connector(
            raw.mm_projector_type.as_deref(),
            raw.projector_hidden_act.as_deref(),
            raw.multimodal_projector_bias,
        )?,
        language,
        context: text.max_position_embeddings.unwrap_or(2048),
    })
}

fn refuse_other_models(raw: &RawConfig) -> Result<(), String> {
    if raw.mm_vision_tower.is_some() && raw.vision_config.is_none() {
        return Err(super::super::checkpoint::ORIGINAL_LAYOUT.into());
    }
    match raw.model_type.as_deref() {
        Some("llava") => Ok(()),
        Some(other) => Err(format!(
            "this is a \"{other}\" model; Visavis runs LLaVA-1.5 (model_type \"llava\"), for example llava-hf/llava-1.5-7b-hf"
        )),
        None => Err("model_type is missing, so this is not a LLaVA-1.5 configuration".into()),
    }
}

/// What transformers' `LlavaConfig` takes when `vision_config` is absent.
fn llava_vision_default() -> RawVision {
    RawVision {
        hidden_size: Some(1024),
        intermediate_size: Some(4096),
        num_hidden_layers: Some(24),
        num_attention_heads: Some(16),
        image_size: Some(336),
        patch_size: Some(14),
        ..RawVision::default()
    }
}

fn language(raw: &RawText, tied: Option<bool>) -> Result<LanguageConfig, String> {
    expect(
        "text_config.model_type",
        raw.model_type.as_deref(),
        &["llama"],
    )?;
    expect(
        "text_config.hidden_act",
        raw.hidden_act.as_deref(),
        &["silu"],
    )?;
    if raw.attention_bias == Some(true) || raw.mlp_bias == Some(true) {
        return Err("text_config has biases, which LLaMA-2 and Vicuna do not have".into());
    }
    let hidden = raw.hidden_size.unwrap_or(4096);
    let heads = raw.num_attention_heads.unwrap_or(32);
    if heads == 0 {
        return Err("text_config.num_attention_heads is 0; the file is damaged".into());
    }
    Ok(LanguageConfig {
        hidden,
        intermediate: raw.intermediate_size.unwrap_or(11008),
        layers: raw.num_hidden_layers.unwrap_or(32),
        heads,
        kv_heads: raw.num_key_value_heads.unwrap_or(heads),
        head_dim: raw.head_dim.unwrap_or(hidden / heads),
        vocab_rows: raw.vocab_size.unwrap_or(32000),
        rms_norm_eps: raw.rms_norm_eps.unwrap_or(1e-6),
        rope_theta: rope_theta(raw)?,
        // As transformers: either flag ties them.
        tied_embeddings: raw.tie_word_embeddings == Some(true) || tied == Some(true),
    })
}

/// `rope_theta` stands beside the other fields, or inside `rope_parameters` (transformers 5).
fn rope_theta(raw: &RawText) -> Result<f64, String> {
    let mut theta = raw.rope_theta;
    for block in [&raw.rope_scaling, &raw.rope_parameters]
        .into_iter()
        .flatten()
    {
        let kind = block
            .get("rope_type")
            .or_else(|| block.get("type"))
            .and_then(Value::as_str);
        if !matches!(kind, None | Some("default")) {
            return Err(format!(
                "rope scaling {block} is not what LLaVA-1.5 uses; Visavis does not run it"
            ));
        }
        theta = block.get("rope_theta").and_then(Value::as_f64).or(theta);
    }
    let theta = theta.unwrap_or(10000.0);
    if theta.is_finite() && theta > 1.0 {
        Ok(theta)
    } else {
        Err(format!("rope_theta is {theta}; the file is damaged"))
    }
}

fn vision_config(
    raw: &RawVision,
    layer: Option<&Value>,
    strategy: Option<&str>,
) -> Result<VisionConfig, String> {
    expect(
        "vision_config.model_type",
        raw.model_type.as_deref(),
        &["clip_vision_model"],
    )?;
    expect(
        "vision_config.hidden_act",
        raw.hidden_act.as_deref(),
        &["quick_gelu"],
    )?;
    expect(
        "vision_feature_select_strategy",
        strategy,
        &["default", "full"],
    )?;
    if raw.num_channels.is_some_and(|n| n != 3) {
        return Err("vision_config.num_channels is not 3".into());
    }
    let layers = raw.num_hidden_layers.unwrap_or(12);
    Ok(VisionConfig {
        hidden: raw.hidden_size.unwrap_or(768),
        intermediate: raw.intermediate_size.unwrap_or(3072),
        layers,
        heads: raw.num_attention_heads.unwrap_or(12),
        image_size: raw.image_size.unwrap_or(224),
        patch_size: raw.patch_size.unwrap_or(32),
        layer_norm_eps: raw.layer_norm_eps.unwrap_or(1e-5),
        blocks_run: blocks_run(layers, layer)?,
        keep_class_token: strategy == Some("full"),
    })
}

/// transformers' `hidden_states` has `layers + 1` entries; entry k is the output of block k.
fn blocks_run(layers: usize, layer: Option<&Value>) -> Result<usize, String> {
    let index = match layer {
        None | Some(Value::Null) => -2,
        Some(Value::Array(list)) if list.len() == 1 => list[0].as_i64().unwrap_or(i64::MIN),
        Some(value) => value.as_i64().unwrap_or(i64::MIN),
    };
    let blocks = if index < 0 {
        index.saturating_add(layers as i64 + 1)
    } else {
        index
    };
    usize::try_from(blocks)
        .ok()
        .filter(|b| (1..=layers).contains(b))
        .ok_or_else(|| {
            let stated = layer.map_or("-2".to_owned(), Value::to_string);
            format!("vision_feature_layer {stated} does not name one block of {layers}")
        })
}

fn connector(
    kind: Option<&str>,
    activation: Option<&str>,
    bias: Option<bool>,
) -> Result<ConnectorConfig, String> {
    expect("projector_hidden_act", activation, &["gelu"])?;
    let kind = kind.unwrap_or("mlp2x_gelu");
    let depth = match kind {
        "linear" => 1,
        _ => kind
            .strip_prefix("mlp")
            .and_then(|rest| rest.strip_suffix("x_gelu"))
            .and_then(|n| n.parse().ok())
            .filter(|n| (1..=16).contains(n))
            .ok_or_else(|| {
                format!("mm_projector_type \"{kind}\" is none of linear and mlpNx_gelu")
            })?,
    };
    Ok(ConnectorConfig {
        depth,
        activation: ConnectorActivation::Gelu,
        bias: bias.unwrap_or(true),
    })
}

fn expect(name: &str, value: Option<&str>, allowed: &[&str]) -> Result<(), String> {
    match value {
        Some(v) if !allowed.contains(&v) => Err(format!(
            "{name} is \"{v}\"; Visavis runs {}",
            allowed.join(" or ")
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN_B: &str = r#"{"model_type": "llava", "projector_hidden_act": "gelu", "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "vocab_size": 32064},
        "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336,
            "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14}}"#;

    #[test]
    fn the_released_7b_is_read_with_llama_defaults() {
        let c = parse(SEVEN_B).unwrap();
        assert_eq!(
            (c.language.hidden, c.language.layers, c.language.head_dim),
            (4096, 32, 128)
        );
        assert_eq!(
            (c.vision.blocks_run, c.vision.image_tokens(), c.context),
            (23, 576, 4096)
        );
        assert_eq!(c.connector.depth, 2);
        // Section 1: 6,738,415,616 with 32,000 rows; 64 more rows in both tables; projector and 23 blocks.
        let language = 6_738_415_616 + 2 * 64 * 4096;
        let vision = 303_507_456 - 12_596_224 - 2048;
        assert_eq!(c.parameters(), language + 20_979_712 + vision);
    }

    #[test]
    fn rope_theta_is_found_in_both_places_and_scaling_is_refused() {
        let with =
            |extra: &str| SEVEN_B.replace("\"vocab_size\"", &format!("{extra}, \"vocab_size\""));
        assert_eq!(
            parse(&with("\"rope_theta\": 5e5"))
                .unwrap()
                .language
                .rope_theta,
            5e5
        );
        let nested = with(r#""rope_parameters": {"rope_type": "default", "rope_theta": 2e4}"#);
        assert_eq!(parse(&nested).unwrap().language.rope_theta, 2e4);
        let scaled = with(r#""rope_scaling": {"type": "linear", "factor": 2.0}"#);
        assert!(parse(&scaled).unwrap_err().contains("rope scaling"));
    }

    #[test]
    fn other_models_are_named() {
        let next = SEVEN_B.replacen("\"llava\"", "\"llava_next\"", 1);
        assert!(parse(&next).unwrap_err().contains("llava_next"));
        let original =
            r#"{"model_type": "llava", "mm_vision_tower": "openai/clip-vit-large-patch14-336"}"#;
        assert!(parse(original).unwrap_err().contains("llava-hf"));
        assert!(parse("{").unwrap_err().contains("download"));
    }

    #[test]
    fn impossible_layers_are_refused() {
        for layer in ["-26", "25", "\"x\"", "[1, 2]", "0"] {
            let text = SEVEN_B.replace(
                "\"vision_feature_layer\": -2",
                &format!("\"vision_feature_layer\": {layer}"),
            );
            assert!(parse(&text).is_err(), "{layer}");
        }
    }
}
