//! `visavis inspect`: what a checkpoint holds, and whether it will run.

use crate::args::InspectArgs;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::text::{count, printable, shown, size};
use serde::Serialize;
use std::collections::BTreeMap;
use visavis_llava::checkpoint::{self, Inspection};

/// The object that `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    path: String,
    runs: bool,
    format: &'a str,
    types: &'a BTreeMap<String, usize>,
    parameters: u64,
    bytes: u64,
    files: Vec<File>,
    vision: &'a str,
    connector: &'a str,
    language: &'a str,
    image_size: usize,
    image_tokens: usize,
    context: usize,
    vocabulary: usize,
    memory_bytes: u64,
    problems: &'a [String],
}

#[derive(Serialize)]
struct File {
    path: String,
    bytes: u64,
}

/// Runs the command. A checkpoint with problems is reported in full and ends with status 1.
pub(crate) fn run(args: &InspectArgs) -> Result<Outcome, Failure> {
    let found = checkpoint::inspect(&args.path).map_err(|error| Failure::new(error.to_string()))?;
    if args.json {
        output::print_json(&report(args, &found))?;
    } else {
        output::print_bytes(printable(&describe(args, &found)).as_bytes())?;
    }
    Ok(if found.problems.is_empty() {
        Outcome::Done
    } else {
        Outcome::PartlyFailed
    })
}

fn report<'a>(args: &InspectArgs, found: &'a Inspection) -> Report<'a> {
    let file = |(path, bytes): &(std::path::PathBuf, u64)| File {
        path: path.display().to_string(),
        bytes: *bytes,
    };
    Report {
        path: args.path.display().to_string(),
        runs: found.problems.is_empty(),
        format: &found.format,
        types: &found.types,
        parameters: found.parameters,
        bytes: found.bytes,
        files: found.files.iter().map(file).collect(),
        vision: &found.vision,
        connector: &found.connector,
        language: &found.language,
        image_size: found.image_size,
        image_tokens: found.image_tokens,
        context: found.context,
        vocabulary: found.vocabulary,
        memory_bytes: found.memory_bytes,
        problems: &found.problems,
    }
}

fn describe(args: &InspectArgs, found: &Inspection) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("{name:<14}{value}\n"));
        }
    };
    row("Checkpoint", shown(&args.path));
    row("Format", found.format.clone());
    let types: Vec<&str> = found.types.keys().map(String::as_str).collect();
    row(
        "Weights",
        format!(
            "{} parameters, {}, {}",
            count(found.parameters),
            types.join(" and "),
            size(found.bytes)
        ),
    );
    row("Vision", found.vision.clone());
    row("Connector", found.connector.clone());
    row("Language", found.language.clone());
    row(
        "Picture",
        format!(
            "{0} x {0} pixels, {1} positions",
            found.image_size, found.image_tokens
        ),
    );
    row("Context", format!("{} positions", found.context));
    row("Vocabulary", format!("{} pieces", found.vocabulary));
    row(
        "Memory",
        format!("about {} to run", size(found.memory_bytes)),
    );
    for (path, bytes) in &found.files {
        row("File", format!("{} ({})", shown(path), size(*bytes)));
    }
    match found.problems.as_slice() {
        [] => row("Verdict", "complete; this program runs it".to_owned()),
        problems => {
            for problem in problems {
                row("Problem", problem.clone());
            }
            row("Verdict", "this program cannot run it".to_owned());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn inspection(problems: &[&str]) -> Inspection {
        Inspection {
            format: "llava-hf safetensors, classic layout".to_owned(),
            types: BTreeMap::from([("F16".to_owned(), 686)]),
            parameters: 7_062_902_784,
            bytes: 14_125_805_568,
            files: vec![(PathBuf::from("model.safetensors"), 14_125_900_000)],
            vision: "CLIP ViT, 24 blocks of 1024".to_owned(),
            language: "LLaMA, 32 layers of 4096".to_owned(),
            connector: "two linear layers, 1024 to 4096".to_owned(),
            image_size: 336,
            image_tokens: 576,
            context: 4096,
            vocabulary: 32_000,
            memory_bytes: 15_000_000_000,
            problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
        }
    }

    #[test]
    fn a_sound_checkpoint_is_described_and_runs() {
        let args = InspectArgs {
            path: PathBuf::from("llava"),
            json: false,
        };
        let text = describe(&args, &inspection(&[]));
        for part in [
            "7 062 902 784 parameters, F16, 14.1 GB",
            "336 x 336 pixels, 576 positions",
            "runs it",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let json = serde_json::to_value(report(&args, &inspection(&[]))).unwrap();
        assert_eq!(json["runs"], true);
        assert_eq!(json["files"][0]["bytes"], 14_125_900_000_u64);
    }

    #[test]
    fn problems_are_listed_and_it_does_not_run() {
        let args = InspectArgs {
            path: PathBuf::from("llava"),
            json: false,
        };
        let found = inspection(&["a tensor is missing", "config.json is damaged"]);
        let text = describe(&args, &found);
        assert!(
            text.contains("a tensor is missing") && text.contains("cannot run it"),
            "{text}"
        );
        let json = serde_json::to_value(report(&args, &found)).unwrap();
        assert_eq!(
            (&json["runs"], json["problems"].as_array().unwrap().len()),
            (&false.into(), 2)
        );
    }
}
