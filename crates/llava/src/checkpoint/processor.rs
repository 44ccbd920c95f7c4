//! How a checkpoint wants its pictures: preprocessor_config.json, checked against the tower.

use crate::config::Config;
use crate::image::{Aspect, Preprocess};
use crate::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// CLIP's statistics, used when a checkpoint states none.
pub(crate) const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
pub(crate) const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// Reads `preprocessor_config.json`, or `processor_config.json`'s `image_processor`
/// (transformers 5). Aspect is always pad, as LLaVA-1.5 was tuned and evaluated, although
/// transformers' own default is not to pad.
pub(super) fn open(folder: &Path, config: &Config) -> Result<Preprocess> {
    let mut preprocess = Preprocess {
        size: config.vision.image_size as u32,
        aspect: Aspect::Pad,
        mean: CLIP_MEAN,
        std: CLIP_STD,
    };
    let own = folder.join("preprocessor_config.json");
    let shared = folder.join("processor_config.json");
    if own.exists() {
        apply(&read(&own)?, &own, &mut preprocess)?;
    } else if shared.exists()
        && let Some(value) = read(&shared)?.get("image_processor")
    {
        apply(value, &shared, &mut preprocess)?;
    }
    Ok(preprocess)
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    serde_json::from_str(&text).map_err(|e| {
        Error::checkpoint(path, format!("not readable ({e}); download the file again"))
    })
}

fn apply(value: &Value, path: &Path, preprocess: &mut Preprocess) -> Result<()> {
    for switch in ["do_resize", "do_rescale", "do_normalize"] {
        if value.get(switch).and_then(Value::as_bool) == Some(false) {
            return Err(Error::checkpoint(
                path,
                format!("{switch} is off, which LLaVA-1.5 never has"),
            ));
        }
    }
    if value
        .get("resample")
        .and_then(Value::as_i64)
        .is_some_and(|r| r != 3)
    {
        return Err(Error::checkpoint(
            path,
            "resample is not 3 (bicubic), which LLaVA-1.5 always has",
        ));
    }
    if let Some(side) = crop_side(value)
        && side != u64::from(preprocess.size)
    {
        return Err(Error::checkpoint(
            path,
            format!(
                "asks for pictures of {side} pixels, but the vision tower takes {}",
                preprocess.size
            ),
        ));
    }
    if let Some(mean) = triple(value.get("image_mean")) {
        preprocess.mean = mean;
    }
    if let Some(std) = triple(value.get("image_std")) {
        if std.contains(&0.0) {
            return Err(Error::checkpoint(
                path,
                "image_std has a zero in it; the file is damaged",
            ));
        }
        preprocess.std = std;
    }
    Ok(())
}

/// `crop_size` is a number or `{"height", "width"}`.
fn crop_side(value: &Value) -> Option<u64> {
    let crop = value.get("crop_size")?;
    crop.as_u64().or_else(|| crop.get("height")?.as_u64())
}

fn triple(value: Option<&Value>) -> Option<[f32; 3]> {
    let list = value?.as_array()?;
    let number = |i: usize| list.get(i).and_then(Value::as_f64).map(|v| v as f32);
    Some([number(0)?, number(1)?, number(2)?])
}
