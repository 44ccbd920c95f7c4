//! The mixture of stage 2 (LLaVA-1.5 table 7 and appendix A.2), from the public files.
//!
//! The strategies: questions about one picture become one conversation (1); ShareGPT is filtered
//! as for Vicuna and conversations that are too long are cut, not split (2); each A-OKVQA question
//! comes once for each of its choices (3); of OCR-VQA, 80,000 conversations are drawn (4); of
//! Visual Genome, ten annotations of a picture (5); RefCOCO's conversations are cut into pieces of
//! fewer than ten turns (6). The seventh, batches of one modality, is the trainer's.

mod chat;
mod choice;
mod region;
mod rows;
mod vqa;

pub use rows::Counts;

use crate::scenes::dice::Dice;
use crate::{Error, Result};
use rows::Rows;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use visavis_llava::Tokenizer;

/// What goes into the mixture.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Decides about everything that is drawn or shuffled.
    #[serde(default)]
    pub seed: u64,
    /// The data sets.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
}

/// One data set. Paths are relative to the recipe's folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Which data set, and so which format.
    pub kind: Kind,
    /// Its files, in the order that docs/data.md gives for the kind.
    pub files: Vec<PathBuf>,
    /// What stands before a picture's name in the mixture, such as `coco/train2017`.
    #[serde(default)]
    pub images: String,
    /// At most so many conversations, drawn from all of them.
    pub limit: Option<usize>,
    /// ShareGPT only: the tokenizer.json that counts the tokens.
    pub tokenizer: Option<PathBuf>,
}

/// The data sets whose public format is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// LLaVA-Instruct: already conversations.
    Llava,
    /// ShareGPT with its HTML turned into Markdown.
    Sharegpt,
    /// VQAv2: questions, annotations.
    Vqav2,
    /// GQA: balanced questions.
    Gqa,
    /// OK-VQA: questions, annotations.
    Okvqa,
    /// OCR-VQA: dataset.json.
    Ocrvqa,
    /// A-OKVQA: its annotations.
    Aokvqa,
    /// TextCaps: captions, and Rosetta's tokens of the pictures.
    Textcaps,
    /// RefCOCO, RefCOCO+ or RefCOCOg as MDETR publishes them (COCO's format, an expression for
    /// each picture's entry).
    Refcoco,
    /// Visual Genome: region descriptions, picture data.
    Vg,
}

impl Kind {
    /// The name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llava => "llava",
            Self::Sharegpt => "sharegpt",
            Self::Vqav2 => "vqav2",
            Self::Gqa => "gqa",
            Self::Okvqa => "okvqa",
            Self::Ocrvqa => "ocrvqa",
            Self::Aokvqa => "aokvqa",
            Self::Textcaps => "textcaps",
            Self::Refcoco => "refcoco",
            Self::Vg => "vg",
        }
    }

    fn files(self) -> usize {
        match self {
            Self::Vqav2 | Self::Okvqa | Self::Textcaps | Self::Vg => 2,
            _ => 1,
        }
    }
}

/// The paper's number of OCR-VQA conversations.
const OCRVQA: usize = 80_000;

/// Longest conversation, in tokens with the system text.
const LONGEST: usize = 2048;

/// Reads a recipe.
///
/// # Errors
/// When it cannot be read, has an unknown setting, or names the wrong number of files.
pub fn read_recipe(path: &Path) -> Result<Recipe> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::read(path, error))?;
    let recipe: Recipe =
        toml::from_str(&text).map_err(|error| Error::data(path, error.to_string()))?;
    for source in &recipe.sources {
        let (name, wanted) = (source.kind.name(), source.kind.files());
        if source.files.len() != wanted {
            return Err(Error::data(
                path,
                format!(
                    "{name} has {wanted} file(s), not {}; docs/data.md names them",
                    source.files.len()
                ),
            ));
        }
        if source.kind == Kind::Sharegpt && source.tokenizer.is_none() {
            return Err(Error::data(
                path,
                "sharegpt needs tokenizer = \"...\", the tokenizer.json of the model to be trained: long \
                 conversations are cut by tokens"
                    .to_owned(),
            ));
        }
    }
    Ok(recipe)
}

/// Makes the mixture: `out` is a LLaVA JSON file whose rows are in random order. `folder` is what
/// the recipe's paths are relative to. `progress` is told the data set that begins and may say
/// stop.
///
/// # Errors
/// When a file cannot be read or is not in its format, `out` cannot be written, or `progress` says
/// stop.
pub fn mix(
    recipe: &Recipe,
    folder: &Path,
    out: &Path,
    progress: &mut dyn FnMut(Kind) -> bool,
) -> Result<Vec<Counts>> {
    let mut rows = Rows::create(out)?;
    let mut counts = Vec::with_capacity(recipe.sources.len());
    for (at, source) in recipe.sources.iter().enumerate() {
        if !progress(source.kind) {
            return Err(Error::Stopped { step: at as u64 });
        }
        let mut dice = Dice::named(&[recipe.seed, at as u64]);
        rows.begin(source);
        gather(source, folder, &mut rows, &mut dice)?;
        let limit = match source.kind {
            Kind::Ocrvqa => Some(source.limit.unwrap_or(OCRVQA)),
            _ => source.limit,
        };
        counts.push(rows.end(limit, &mut dice));
    }
    rows.finish(&mut Dice::named(&[recipe.seed, u64::MAX]))?;
    Ok(counts)
}

fn gather(source: &Source, folder: &Path, rows: &mut Rows, dice: &mut Dice) -> Result<()> {
    let files: Vec<PathBuf> = source.files.iter().map(|file| folder.join(file)).collect();
    // The recipe was read with the right number of files for each kind.
    let file = |at: usize| files.get(at).map(PathBuf::as_path).unwrap_or(Path::new(""));
    match source.kind {
        Kind::Llava => chat::llava(file(0), rows),
        Kind::Sharegpt => {
            let path = folder.join(
                source
                    .tokenizer
                    .as_deref()
                    .unwrap_or(Path::new("tokenizer.json")),
            );
            let tokenizer = Tokenizer::from_file(&path, usize::MAX)?;
            chat::sharegpt(file(0), &tokenizer, LONGEST, rows)
        }
        Kind::Vqav2 | Kind::Okvqa => vqa::vqa(file(0), file(1), rows),
        Kind::Gqa => vqa::gqa(file(0), rows),
        Kind::Ocrvqa => vqa::ocrvqa(file(0), rows),
        Kind::Aokvqa => choice::aokvqa(file(0), rows),
        Kind::Textcaps => vqa::textcaps(file(0), file(1), rows, dice),
        Kind::Refcoco => region::refcoco(file(0), rows, dice),
        Kind::Vg => region::vg(file(0), file(1), rows, dice),
    }
}

#[cfg(test)]
mod tests;
