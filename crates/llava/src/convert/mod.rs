//! Writing models: an opened safetensors checkpoint as a pair of GGUF files, smaller if wanted.
//!
//! The vision tower's file has right names (fc1 is `ffn_up`), the blocks that run and no more,
//! and says which block's output is used, so that no reader has to guess. Rows of q and k are
//! permuted for rotary embeddings of neighbours, as the format wants them.

mod output;
mod plan;
mod recipe;
mod synth;

pub use recipe::Recipe;
pub use synth::{Shape, synth};

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

/// Writes `checkpoint` as `<name>-<recipe>.gguf` and `mmproj-<name>-<F16 or F32>.gguf` into
/// `folder`, which is made if need be. Counts bytes as [`Stage::Converting`]; memory in use stays
/// at a few rows of weights. On an error or interruption nothing is left behind.
///
/// # Errors
/// The checkpoint is GGUF already or has a setting that GGUF has no word for, a weight is missing
/// or not a number, a file of the name is there already, or the disk is full.
///
/// [`Stage::Converting`]: crate::Stage::Converting
pub fn convert(
    checkpoint: &Checkpoint,
    folder: &Path,
    name: &str,
    recipe: Recipe,
    watch: &dyn Watch,
) -> Result<Written> {
    let refuse = |why: &str| Err(Error::checkpoint(&checkpoint.path, why));
    if checkpoint.rope != RopeLayout::Half {
        return refuse("this model is in GGUF files already; convert from the llava-hf model");
    }
    if checkpoint.config.vision.keep_class_token {
        return refuse(
            "this model hands the class token on (vision_feature_select_strategy \"full\"), \
             which GGUF files cannot say",
        );
    }
    let home = crate::checkpoint::folder_of(&checkpoint.path)?;
    let rows = checkpoint.config.language.vocab_rows;
    let vocabulary = export(&home.join("tokenizer.json"), rows)?;
    let blueprint = Blueprint {
        name,
        config: &checkpoint.config,
        preprocess: &checkpoint.preprocess,
        vocabulary: &vocabulary,
        recipe,
    };
    let source = Encoder {
        weights: &checkpoint.weights,
    };
    write(&blueprint, folder, &source, watch)
}

/// Writes both files, and names them only when both are whole.
fn write(
    blueprint: &Blueprint<'_>,
    folder: &Path,
    source: &dyn Rows,
    watch: &dyn Watch,
) -> Result<Written> {
    let (language, vision) = (blueprint.language(folder), blueprint.vision(folder));
    std::fs::create_dir_all(folder).map_err(|e| output::failed(folder, &e))?;
    for output in [&language, &vision] {
        output.check_free()?;
    }
    let mut progress = Progress {
        watch,
        done: 0,
        total: language.bytes() + vision.bytes(),
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
