//! Writes GGUF models: `gguf synth 7b q4_k_m FOLDER` makes one up, `gguf convert MODEL q4_k_m
//! FOLDER` converts a llava-hf folder.

use std::path::Path;
use std::process::ExitCode;
use visavis_llava::checkpoint::Checkpoint;
use visavis_llava::convert::{Written, convert, synth};
use visavis_llava::watch::Silent;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(written) => {
            println!("{}", written.language.display());
            println!("{}", written.vision.display());
            written.notes.iter().for_each(|note| eprintln!("{note}"));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<Written, Box<dyn std::error::Error>> {
    let [what, which, recipe, folder] = arguments else {
        return Err("synth SHAPE RECIPE FOLDER, or convert MODEL RECIPE FOLDER".into());
    };
    let (recipe, folder) = (recipe.parse()?, Path::new(folder));
    match what.as_str() {
        "synth" => Ok(synth(which.parse()?, recipe, folder, &Silent)?),
        "convert" => {
            let model = Path::new(which);
            let name = model.file_name().unwrap_or_default().to_string_lossy();
            let checkpoint = Checkpoint::open(model)?;
            Ok(convert(&checkpoint, folder, &name, recipe, &Silent)?)
        }
        other => Err(format!("{other:?} is neither synth nor convert").into()),
    }
}
