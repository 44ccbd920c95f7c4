//! `visavis convert` and `visavis synth`: models written as GGUF files.

use crate::args::{Common, OutputArgs};
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::locate::Places;
use crate::output;
use crate::progress::Progress;
use crate::text::{printable, shown};
use serde::Serialize;
use std::ffi::OsString;
use std::path::Path;
use visavis_llava::checkpoint::Checkpoint;
use visavis_llava::convert::{Recipe, Shape, Target, Written, convert, synth};
use visavis_llava::{Error, Interrupted, Stage};

/// What to convert.
#[derive(Debug)]
pub(crate) struct ConvertJob {
    pub(crate) model: OsString,
    pub(crate) recipe: Recipe,
    pub(crate) name: Option<String>,
    pub(crate) output: OutputArgs,
}

/// What to make up.
#[derive(Debug)]
pub(crate) struct SynthJob {
    pub(crate) shape: Shape,
    pub(crate) recipe: Recipe,
    pub(crate) output: OutputArgs,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    language: String,
    vision: String,
    bytes: u64,
    notes: &'a [String],
}

/// Runs `visavis convert`.
pub(crate) fn run(job: ConvertJob, common: Common) -> Result<Outcome, Failure> {
    let found = Places::of_this_process().find(Some(&job.model))?;
    let checkpoint = Checkpoint::open(&found.path).map_err(failed)?;
    let name = match job.name {
        Some(name) => name,
        None => name_of(&found.path)?,
    };
    written(&job.output, common, |watch| {
        let target = Target {
            folder: &job.output.out,
            name: &name,
            replace: job.output.replace,
        };
        convert(&checkpoint, job.recipe, &target, watch)
    })
}

/// Runs `visavis synth`.
pub(crate) fn run_synth(job: SynthJob, common: Common) -> Result<Outcome, Failure> {
    let OutputArgs { out, replace, .. } = &job.output;
    written(&job.output, common, |watch| {
        synth(job.shape, job.recipe, out, *replace, watch)
    })
}

/// Writes with progress and Ctrl-C, then tells which files there are.
fn written(
    output: &OutputArgs,
    common: Common,
    write: impl FnOnce(&dyn visavis_llava::Watch) -> visavis_llava::Result<Written>,
) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let progress = Progress::new(common.quiet);
    let watch = |stage: Stage, done: u64, total: u64| {
        progress.stage(stage, done, total);
        if interrupt.pressed() {
            Err(Interrupted)
        } else {
            Ok(())
        }
    };
    let written = write(&watch);
    progress.clear();
    let written = written.map_err(failed)?;
    for note in &written.notes {
        progress.note(&printable(&format!("note: {note}")));
    }
    tell(output, &written)
}

fn tell(output: &OutputArgs, written: &Written) -> Result<Outcome, Failure> {
    let files = [&written.language, &written.vision];
    if output.json {
        let size = |path: &&std::path::PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
        return output::print_json(&Report {
            language: written.language.display().to_string(),
            vision: written.vision.display().to_string(),
            bytes: files.iter().map(size).sum(),
            notes: &written.notes,
        });
    }
    let lines: String = files.map(|path| format!("{}\n", shown(path))).concat();
    output::print_bytes(lines.as_bytes())
}

fn failed(error: Error) -> Failure {
    let said = Failure::new(error.to_string());
    match error {
        Error::Interrupted(_) => Failure::interrupted(),
        Error::Exists { .. } => said.hint("--replace writes over it"),
        _ => said,
    }
}

/// What a model is called that nobody named: as its folder, or as its GGUF file without the type.
fn name_of(path: &Path) -> Result<String, Failure> {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let part = if full.is_file() {
        full.file_stem()
    } else {
        full.file_name()
    };
    let name = part.unwrap_or_default().to_string_lossy();
    let plain = ["-Q4_K_M", "-Q8_0", "-F16", "-F32"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(&name)
        .trim_start_matches("mmproj-");
    if plain.is_empty() {
        return Err(Failure::usage("--name says what to call this model"));
    }
    Ok(plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_folder_or_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("llava-1.5-7b-hf");
        std::fs::create_dir(&model).unwrap();
        assert_eq!(name_of(&model).unwrap(), "llava-1.5-7b-hf");
        assert_eq!(name_of(&model.join(".")).unwrap(), "llava-1.5-7b-hf");
        for (file, name) in [
            ("llava-F16.gguf", "llava"),
            ("mmproj-llava-F16.gguf", "llava"),
            ("ggml-model-q5_k.gguf", "ggml-model-q5_k"),
        ] {
            let path = folder.path().join(file);
            std::fs::write(&path, "").unwrap();
            assert_eq!(name_of(&path).unwrap(), name);
        }
        assert_eq!(name_of(Path::new("/")).unwrap_err().status(), 2);
    }
}
