//! Writing models: an opened checkpoint as a pair of GGUF files, smaller if wanted.
//!
//! The vision tower's file has right names (fc1 is `ffn_up`), the blocks that run and no more,
//! and says which block's output is used, so that no reader has to guess. Rows of q and k are
//! permuted for rotary embeddings of neighbours, as the format wants them; a GGUF source has them
//! so already.

mod output;
mod plan;
mod recipe;
mod room;
mod synth;

pub use recipe::Recipe;
pub use synth::{Shape, synth};

use crate::checkpoint::gguf;
use crate::checkpoint::{Checkpoint, RopeLayout, Weights};
use crate::tokenizer::export::export;
use crate::watch::Watch;
use crate::{Error, Result};
use output::{Progress, Rows, Tensor};
use plan::Blueprint;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use std::ops::Range;
use std::path::{Path, PathBuf};
use visavis_kernels::{install, quantise_row};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The language model.
    pub language: PathBuf,
    /// The vision tower with the connector.
    pub vision: PathBuf,
    /// What was done otherwise than asked, in sentences.
    pub notes: Vec<String>,
}

/// Where a written model goes.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The folder; made if need be.
    pub folder: &'a Path,
    /// What the model is called, in the files' names and inside them.
    pub name: &'a str,
    /// Files of these names may be there, and are replaced when the new ones are whole.
    pub replace: bool,
}

impl Target<'_> {
    /// The name becomes part of file names: nothing that leads out of the folder.
    fn check(&self) -> Result<()> {
        let plain = !self.name.is_empty()
            && !self.name.starts_with('.')
            && !self.name.contains(['/', '\\', ':', '\0']);
        if plain {
            return Ok(());
        }
        Err(Error::Request(format!(
            "{:?} cannot be part of a file's name; choose another name for the model",
            self.name
        )))
    }
}

/// Writes `checkpoint` as `<name>-<recipe>.gguf` and `mmproj-<name>-<F16 or F32>.gguf` to
/// `target`. Counts bytes as [`Stage::Converting`]; memory in use stays at a few rows of weights.
/// On an error or interruption nothing is left behind, and what was there stays.
///
/// A checkpoint that is quantised already is decoded and encoded anew; blocks of the wanted type
/// are taken over as they are.
///
/// # Errors
/// The checkpoint has a setting that GGUF has no word for, a weight is missing or not a number, a
/// file of the name is there already, or the disk has too little room.
///
/// [`Stage::Converting`]: crate::Stage::Converting
pub fn convert(
    checkpoint: &Checkpoint,
    recipe: Recipe,
    target: &Target<'_>,
    watch: &dyn Watch,
) -> Result<Written> {
    if checkpoint.config.vision.keep_class_token {
        return Err(Error::checkpoint(
            &checkpoint.path,
            "this model hands the class token on (vision_feature_select_strategy \"full\"), \
             which GGUF files cannot say",
        ));
    }
    let rows = checkpoint.config.language.vocab_rows;
    let vocabulary = match checkpoint.rope {
        RopeLayout::Half => {
            let home = crate::checkpoint::folder_of(&checkpoint.path)?;
            export(&home.join("tokenizer.json"), rows)?
        }
        RopeLayout::Interleaved => gguf::exported(&checkpoint.path)?,
    };
    let blueprint = Blueprint {
        name: target.name,
        config: &checkpoint.config,
        preprocess: &checkpoint.preprocess,
        vocabulary: &vocabulary,
        recipe,
        rope: checkpoint.rope,
    };
    let source = Encoder {
        weights: &checkpoint.weights,
    };
    let mut written = write(&blueprint, target, &source, watch)?;
    written.notes.extend(lost_already(checkpoint, recipe));
    Ok(written)
}

/// Says so when a model is made from one that has lost something before.
fn lost_already(checkpoint: &Checkpoint, recipe: Recipe) -> Option<String> {
    let wanted = recipe.language("attn_q", 0, checkpoint.config.language.layers);
    // The format names the language model's type before the vision tower's.
    let language = checkpoint.format.split("language model").next();
    let same = language.is_some_and(|format| format.contains(wanted.name()));
    (checkpoint.weights.quantised() && !same).then(|| {
        format!(
            "the source is quantised ({}): what it has lost stays lost; convert from the llava-hf \
             model where you can",
            checkpoint.format
        )
    })
}

/// Writes both files, and names them only when both are whole.
fn write(
    blueprint: &Blueprint<'_>,
    target: &Target<'_>,
    source: &dyn Rows,
    watch: &dyn Watch,
) -> Result<Written> {
    target.check()?;
    let folder = target.folder;
    let (language, vision) = (blueprint.language(folder), blueprint.vision(folder));
    std::fs::create_dir_all(folder).map_err(|e| output::failed(folder, &e))?;
    for output in [&language, &vision] {
        output.check_free(target.replace)?;
    }
    let total = language.bytes() + vision.bytes();
    room::check(folder, total)?;
    let mut progress = Progress {
        watch,
        done: 0,
        total,
    };
    progress.add(0)?;
    let notes = blueprint.notes(&language);
    let tower = vision.write(source, &mut progress)?;
    let decoder = language.write(source, &mut progress)?;
    Ok(Written {
        vision: tower.keep()?,
        language: decoder.keep()?,
        notes,
    })
}

/// Reads a checkpoint's weights and encodes them.
struct Encoder<'a> {
    weights: &'a Weights,
}

impl Rows for Encoder<'_> {
    fn fill(&self, tensor: &Tensor, rows: Range<usize>, out: &mut [u8]) -> Result<()> {
        let bad = |why: String| {
            let path = self.weights.entry(&tensor.canonical, &tensor.shape);
            let path = path.map_or(PathBuf::new(), |(e, _)| e.path().to_owned());
            Error::checkpoint(path, format!("the tensor {}: {why}", tensor.canonical))
        };
        let encode = |values: &[f32], out: &mut [u8]| {
            if values.iter().any(|v| !v.is_finite()) {
                return Err(bad(
                    "it has values that are not numbers; download the model again".into(),
                ));
            }
            quantise_row(tensor.dtype, values, out).map_err(|e| bad(e.to_string()))
        };
        if let [len] = tensor.shape.as_slice() {
            return encode(&self.weights.vector(&tensor.canonical, *len)?, out);
        }
        let matrix = self.weights.matrix(&tensor.canonical, &tensor.shape)?;
        let row_bytes = tensor.row_bytes();
        if tensor.dtype.is_quantised() && matrix.dtype() == tensor.dtype {
            // Decoding and encoding again would only add an error.
            for (i, out) in out.chunks_exact_mut(row_bytes).enumerate() {
                let row = source_row(tensor, matrix.rows(), rows.start + i);
                let from = matrix.data().get(row * row_bytes..(row + 1) * row_bytes);
                out.copy_from_slice(from.ok_or_else(|| bad("a row is missing".into()))?);
            }
            return Ok(());
        }
        install(|| {
            out.par_chunks_mut(row_bytes).enumerate().try_for_each_init(
                || vec![0.0; matrix.cols()],
                |values, (i, out)| {
                    let row = source_row(tensor, matrix.rows(), rows.start + i);
                    matrix.row_to_f32(row, values);
                    encode(values, out)
                },
            )
        })
    }
}

/// Where row `row` of a GGUF matrix lies in the llava-hf one. Within a head, row `2 j + s` there is
/// row `s * half + j` here: the two elements that are turned together become neighbours.
fn source_row(tensor: &Tensor, rows: usize, row: usize) -> usize {
    let Some(heads) = tensor.heads else {
        return row;
    };
    let dim = rows / heads;
    let (head, within) = (row / dim, row % dim);
    head * dim + within % 2 * (dim / 2) + within / 2
}

#[cfg(test)]
mod tests;
