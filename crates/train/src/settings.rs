//! What a run is: one recipe, with the paper's values where it says nothing.

use crate::labels::Template;
use crate::ops::{LoraSettings, Trainable};
use crate::optimiser::AdamSettings;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use visavis_llava::device::DeviceChoice;
use visavis_llava::image::Aspect;

/// Which of the paper's trainings (LLaVA-1.5 section 7.1), or all of the model at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Stage {
    /// Stage 1: captions in the plain template align the connector; all else is frozen.
    #[serde(rename = "1")]
    Connector,
    /// Stage 2: conversations tune connector and language model.
    #[default]
    #[serde(rename = "2")]
    Instruct,
    /// Stage 2 with low-rank adapters on the language model.
    #[serde(rename = "lora")]
    Lora,
    /// Everything learns, the vision tower too: for models from nothing. LLaVA-1.5 itself takes
    /// its tower from CLIP and its language model from Vicuna.
    #[serde(rename = "all")]
    All,
}

impl std::str::FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "1" => Ok(Self::Connector),
            "2" => Ok(Self::Instruct),
            "lora" => Ok(Self::Lora),
            "all" => Ok(Self::All),
            _ => Err(format!("\"{text}\" is not a stage; use 1, 2, lora or all")),
        }
    }
}

/// How weights are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As the starting checkpoint stores them.
    #[default]
    Same,
    /// 32-bit.
    F32,
}

/// Samples that are drawn while training; see [`crate::scenes`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drawn {
    /// Other seeds give other samples.
    pub seed: u64,
    /// Samples of an epoch.
    pub count: usize,
    /// How much is asked, 1 to 5; the kinds of questions come in the order of the levels.
    pub level: u8,
    /// Questions of a conversation, from and to.
    pub turns: [usize; 2],
    /// Longest side of a picture in pixels, from and to.
    pub side: [u32; 2],
    /// The share of samples that are one description instead of questions.
    pub captions: f64,
}

impl Default for Drawn {
    fn default() -> Self {
        Self {
            seed: 0,
            count: 100_000,
            level: 5,
            turns: [3, 6],
            side: [112, 320],
            captions: 0.0,
        }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What is trained, and how conversations are written.
    pub stage: Stage,
    /// The checkpoint to start from: a llava-hf folder.
    pub model: PathBuf,
    /// Where the trained model, the state and the loss curve go.
    pub out: PathBuf,
    /// LLaVA JSON files.
    pub data: Vec<PathBuf>,
    /// The folder below which the rows' pictures lie.
    pub pictures: PathBuf,
    /// Drawn samples instead of files.
    pub drawn: Option<Drawn>,
    /// Conversations in a micro-batch.
    pub batch: usize,
    /// Micro-batches in a step; by default as many as make the paper's 256 or 128 conversations.
    pub accumulate: Option<usize>,
    /// Passes over the data.
    pub epochs: f64,
    /// Optimiser steps, instead of epochs.
    pub steps: Option<u64>,
    /// Peak learning rate.
    pub rate: Option<f64>,
    /// That of the connector, where it differs.
    pub connector_rate: Option<f64>,
    /// That of the vision tower, where it differs.
    pub vision_rate: Option<f64>,
    /// Share of the steps in which the rate rises.
    pub warmup: f64,
    /// The optimiser.
    pub adam: AdamSettings,
    /// Positions of a conversation; what lies past is cut.
    pub limit: usize,
    /// Of orders and of what is drawn anew.
    pub seed: u64,
    /// Parts of a micro-batch computed side by side on the processor.
    pub shards: usize,
    /// Forget activations and compute them again.
    pub recompute: bool,
    /// `cpu`, `cuda:N` or `metal`.
    pub device: DeviceChoice,
    /// Whether a step's conversations are alike in modality and length; by default in stage 2.
    pub grouped: Option<bool>,
    /// Draw the connector anew, as the paper's stage 1 begins.
    pub new_connector: bool,
    /// Adapters (stage `lora`).
    pub lora: LoraSettings,
    /// How weights are written.
    pub save: Precision,
    /// Minutes between checkpoints.
    pub save_minutes: f64,
    /// Steps between checkpoints, besides.
    pub save_steps: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stage: Stage::default(),
            model: PathBuf::new(),
            out: PathBuf::new(),
            data: Vec::new(),
            pictures: PathBuf::new(),
            drawn: None,
            batch: 16,
            accumulate: None,
            epochs: 1.0,
            steps: None,
            rate: None,
            connector_rate: None,
            vision_rate: None,
            warmup: 0.03,
            adam: AdamSettings::default(),
            limit: 2048,
            seed: 0,
            shards: 2,
            recompute: false,
            device: DeviceChoice::Cpu,
            grouped: None,
            new_connector: false,
            lora: LoraSettings::default(),
            save: Precision::default(),
            save_minutes: 10.0,
            save_steps: None,
        }
    }
}

impl Settings {
    /// Reads a recipe. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// The file cannot be read, or a setting is unknown or of the wrong kind.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
        let mut settings: Self =
            toml::from_str(&text).map_err(|e| Error::data(path, format!("not a recipe: {e}")))?;
        let home = path.parent().unwrap_or(Path::new(""));
        let place = |p: &mut PathBuf| {
            if !p.as_os_str().is_empty() {
                *p = home.join(&*p);
            }
        };
        place(&mut settings.model);
        place(&mut settings.out);
        place(&mut settings.pictures);
        settings.data.iter_mut().for_each(place);
        Ok(settings)
    }

    /// Fails with a sentence when a setting cannot be used.
    ///
    /// # Errors
    /// As it says.
    pub fn check(&self) -> Result<()> {
        let fail = |why: String| Err(Error::Setting(why));
        for (name, path) in [("model", &self.model), ("out", &self.out)] {
            if path.as_os_str().is_empty() {
                return fail(format!(
                    "{name} is missing: name it in the recipe or with --{name}"
                ));
            }
        }
        if self.data.is_empty() == self.drawn.is_none() {
            return fail(
                "name what to learn from: either data files (--data) or drawn scenes".into(),
            );
        }
        let counts = [
            ("batch", self.batch),
            ("accumulate", self.accumulate()),
            ("shards", self.shards),
            ("limit", self.limit),
            ("lora.r", self.lora.r),
        ];
        for (name, count) in counts {
            if count == 0 || count > 1 << 20 {
                return fail(format!("{name} is {count}; it must be from 1 to a million"));
            }
        }
        let mut rates = vec![("rate", self.rate()), ("epochs", self.epochs)];
        rates.extend(self.connector_rate.map(|r| ("connector_rate", r)));
        rates.extend(self.vision_rate.map(|r| ("vision_rate", r)));
        rates.extend(self.adam.clip.map(|r| ("adam.clip", r)));
        for (name, value) in rates {
            if !(value.is_finite() && value > 0.0) {
                return fail(format!("{name} is {value}; it must be a number above 0"));
            }
        }
        if !(0.0..=1.0).contains(&self.warmup) {
            return fail(format!(
                "warmup is {}; it is a share from 0 to 1",
                self.warmup
            ));
        }
        if self
            .drawn
            .as_ref()
            .is_some_and(|d| d.count == 0 || !(0.0..=1.0).contains(&d.captions))
        {
            return fail("drawn.count must be above 0, drawn.captions a share from 0 to 1".into());
        }
        Ok(())
    }

    /// Micro-batches in a step.
    pub fn accumulate(&self) -> usize {
        let paper = match self.stage {
            Stage::Connector => 256,
            Stage::Instruct | Stage::Lora => 128,
            Stage::All => self.batch,
        };
        self.accumulate
            .unwrap_or((paper / self.batch.max(1)).max(1))
    }

    /// Peak learning rate.
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(match self.stage {
            Stage::Connector | Stage::All => 1e-3,
            Stage::Instruct => 2e-5,
            Stage::Lora => 2e-4,
        })
    }

    /// The peak rate of the variable with this name.
    pub fn rate_of(&self, name: &str) -> f64 {
        let own = match name.split('.').next() {
            // The paper's LoRA script tunes the connector at the full stage's rate.
            Some("multi_modal_projector") if self.stage == Stage::Lora => {
                Some(self.connector_rate.unwrap_or(2e-5))
            }
            Some("multi_modal_projector") => self.connector_rate,
            Some("vision_tower") => self.vision_rate,
            _ => None,
        };
        own.unwrap_or(self.rate())
    }

    /// Which parts learn.
    pub fn trainable(&self) -> Trainable {
        Trainable {
            vision: self.stage == Stage::All,
            connector: true,
            language: matches!(self.stage, Stage::Instruct | Stage::All),
            lora: (self.stage == Stage::Lora).then(|| self.lora.clone()),
        }
    }

    /// How conversations are written.
    pub fn template(&self) -> Template {
        match self.stage {
            Stage::Connector => Template::Plain,
            _ => Template::V1,
        }
    }

    /// What happens to pictures that are not square: the paper's stage 1 cut them.
    pub fn aspect(&self) -> Aspect {
        match self.stage {
            Stage::Connector => Aspect::CenterCrop,
            _ => Aspect::Pad,
        }
    }

    /// Whether a step's conversations are alike.
    pub fn grouped(&self) -> bool {
        self.grouped
            .unwrap_or(matches!(self.stage, Stage::Instruct | Stage::Lora))
    }

    /// The settings that define the result, as text; a run goes on only with the same ones.
    pub(crate) fn identity(&self) -> serde_json::Value {
        // Where files lie may change; what they are called may not. The starting model has a
        // fingerprint of its own.
        let name = |path: &PathBuf| path.file_name().map(PathBuf::from).unwrap_or_default();
        let named = Self {
            data: self.data.iter().map(name).collect(),
            ..self.clone()
        };
        let mut value = serde_json::to_value(named).unwrap_or_default();
        if let Some(map) = value.as_object_mut() {
            let free = [
                "model",
                "out",
                "pictures",
                "device",
                "save",
                "save_minutes",
                "save_steps",
            ];
            free.iter().for_each(|name| drop(map.remove(*name)));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_values_stand_where_nothing_is_said() {
        let of =
            |stage: &str| -> Settings { toml::from_str(&format!("stage = \"{stage}\"")).unwrap() };
        let (one, two, lora) = (of("1"), of("2"), of("lora"));
        assert_eq!((one.rate(), two.rate(), lora.rate()), (1e-3, 2e-5, 2e-4));
        assert_eq!(lora.rate_of("multi_modal_projector.linear_1.weight"), 2e-5);
        assert_eq!(two.rate_of("multi_modal_projector.linear_1.weight"), 2e-5);
        assert_eq!(
            (one.batch * one.accumulate(), two.batch * two.accumulate()),
            (256, 128)
        );
        assert_eq!((lora.lora.r, lora.lora.alpha), (128, 256.0));
        assert_eq!(
            (one.aspect(), two.aspect()),
            (Aspect::CenterCrop, Aspect::Pad)
        );
        assert!(!one.grouped() && two.grouped());
    }

    #[test]
    fn mistakes_are_named() {
        let text = |recipe: &str| {
            toml::from_str::<Settings>(recipe)
                .unwrap()
                .check()
                .unwrap_err()
                .to_string()
        };
        assert!(text("").contains("--model"));
        let paths = "model = \"m\"\nout = \"o\"\n";
        assert!(text(paths).contains("--data"));
        assert!(text(&format!("{paths}data = [\"d\"]\nrate = -1.0")).contains("rate is -1"));
        assert!(text(&format!("{paths}data = [\"d\"]\nbatch = 0")).contains("batch is 0"));
        assert!(
            toml::from_str::<Settings>("speed = 3")
                .unwrap_err()
                .to_string()
                .contains("speed")
        );
    }
}
