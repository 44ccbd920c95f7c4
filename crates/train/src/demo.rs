//! The practice model, from nothing to a folder that ships, as one recipe: a vocabulary, a new
//! model, then one run after the other. What is done is not done again.

use crate::fresh::{self, Sizes};
use crate::publish::{self, Stored};
use crate::run::{self, Outcome, Watch};
use crate::scenes::{Generator, Mix, Options, Split};
use crate::settings::Settings;
use crate::vocabulary::Corpus;
use crate::{Error, Result};
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use visavis_llava::checkpoint::Checkpoint;
use visavis_llava::prompt::SYSTEM;

/// How the vocabulary is learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VocabularySettings {
    /// Pieces, special tokens and bytes included.
    pub pieces: usize,
    /// Drawn conversations that are counted.
    pub samples: u64,
}

impl Default for VocabularySettings {
    fn default() -> Self {
        Self {
            pieces: 1022,
            samples: 12_000,
        }
    }
}

/// One run of the recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its folder's name.
    pub name: String,
    /// Its settings; the model is the one that the step before it left.
    pub run: Settings,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Where everything goes; a folder for each step.
    pub out: PathBuf,
    /// Of the first weights.
    pub seed: u64,
    /// Sizes of the model.
    pub model: Sizes,
    /// Its vocabulary.
    pub vocabulary: VocabularySettings,
    /// In order.
    pub steps: Vec<Step>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            out: PathBuf::new(),
            seed: 1,
            model: Sizes::default(),
            vocabulary: VocabularySettings::default(),
            steps: Vec::new(),
        }
    }
}

impl Recipe {
    /// Reads a recipe file; `out` in it is relative to the file's folder.
    ///
    /// # Errors
    /// The file cannot be read, a setting is unknown, or a step's name cannot be a folder's.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
        let mut recipe: Self =
            toml::from_str(&text).map_err(|e| Error::data(path, format!("not a recipe: {e}")))?;
        recipe.out = path.parent().unwrap_or(Path::new("")).join(&recipe.out);
        if recipe.steps.is_empty() {
            return Err(Error::data(path, "it has no [[steps]]"));
        }
        for step in &recipe.steps {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if step.name.is_empty() || !step.name.chars().all(plain) {
                let reason = format!(
                    "the step's name {:?} may have letters, digits, - and _ only",
                    step.name
                );
                return Err(Error::data(path, reason));
            }
        }
        Ok(recipe)
    }

    /// Where the finished model goes.
    pub fn model_folder(&self) -> PathBuf {
        self.out.join("model")
    }
}

/// Does every step of `recipe` that is not done yet; the finished model, in f16, is in
/// [`Recipe::model_folder`]. Returns the outcome of each step.
///
/// # Errors
/// As [`run::train`]; also when the vocabulary has no room.
pub fn train(recipe: &Recipe, watch: &mut dyn Watch) -> Result<Vec<(String, Outcome)>> {
    let first = recipe.out.join("new");
    publish::recover(&first)?;
    if !first.join("model.safetensors").exists() {
        watch.note("learning the vocabulary and drawing the first weights");
        let tokenizer = vocabulary(recipe)?;
        fresh::write(&recipe.model, &tokenizer, recipe.seed, &first)?;
    }
    let mut model = first;
    let mut outcomes = Vec::new();
    for step in &recipe.steps {
        watch.note(&format!("step {}", step.name));
        let settings = Settings {
            model,
            out: recipe.out.join(&step.name),
            ..step.run.clone()
        };
        let outcome = run::train(&settings, watch)?;
        model = outcome.model.clone();
        outcomes.push((step.name.clone(), outcome));
    }
    halve(&model, &recipe.model_folder())?;
    Ok(outcomes)
}

fn vocabulary(recipe: &Recipe) -> Result<Value> {
    let drawn = recipe.steps.iter().filter_map(|s| s.run.drawn.as_ref());
    // The steps ask ever more; the vocabulary is learned from the fullest.
    let fullest = drawn.max_by_key(|d| d.level).cloned().unwrap_or_default();
    let options = Options {
        seed: fullest.seed,
        split: Split::Train,
        mix: Mix::level(fullest.level),
        turns: fullest.turns,
        side: fullest.side,
        format_prompts: true,
    };
    let generator = Generator::new(options).map_err(|e| Error::Setting(format!("drawn: {e}")))?;
    let mut corpus = Corpus::default();
    for number in 0..recipe.vocabulary.samples {
        corpus.add(SYSTEM);
        corpus.add("USER: ASSISTANT:");
        for sample in [generator.conversation(number), generator.caption(number)] {
            for turn in sample.turns {
                corpus.add(&turn.question);
                corpus.add(&turn.answer);
            }
        }
    }
    corpus.learn(recipe.vocabulary.pieces)
}

/// Writes the model in `from` to `to` in 16 bits.
///
/// # Errors
/// A file cannot be read or written.
pub fn halve(from: &Path, to: &Path) -> Result<()> {
    let checkpoint = Checkpoint::open(from)?;
    let mut tensors = publish::tensors(&checkpoint.weights, &[], true)?;
    for tensor in &mut tensors {
        if let Stored::F32(values) = &mut tensor.values {
            tensor.values = publish::narrow(std::mem::take(values), Dtype::F16);
        }
    }
    publish::write(to, &[], &publish::companions(from)?, &tensors)
}
