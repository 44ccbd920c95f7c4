//! Options of `visavis convert` and `visavis synth`.

use crate::convert::{ConvertJob, SynthJob};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use visavis_llava::convert::{Recipe, Shape};

/// Where the files go, and what is told of them.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// The folder to write to; made if need be
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Write over files of the same names
    #[arg(long)]
    pub(crate) replace: bool,
    /// Print one JSON object: the files, their bytes, and notes
    #[arg(long)]
    pub(crate) json: bool,
}

/// `visavis convert` as typed.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The model: a llava-hf folder, a GGUF file, or the ID of an installed model
    #[arg(value_name = "PATH|ID")]
    model: OsString,
    /// How the language model is stored: q4_k_m, q8_0, f16 or f32
    #[arg(long, value_name = "TYPE", default_value = "q4_k_m")]
    quant: Recipe,
    /// What the model is called in its files [default: as its folder]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

impl ConvertArgs {
    pub(crate) fn into_job(self) -> ConvertJob {
        ConvertJob {
            model: self.model,
            recipe: self.quant,
            name: self.name,
            output: self.output,
        }
    }
}

/// `visavis synth` as typed.
#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// Whose shape the model has: tiny, 1b, 7b or 13b
    #[arg(long, value_name = "SHAPE")]
    shape: Shape,
    /// How the language model is stored: q4_k_m, q8_0, f16 or f32
    #[arg(long, value_name = "TYPE", default_value = "q4_k_m")]
    quant: Recipe,
    #[command(flatten)]
    output: OutputArgs,
}

impl SynthArgs {
    pub(crate) fn into_job(self) -> SynthJob {
        SynthJob {
            shape: self.shape,
            recipe: self.quant,
            output: self.output,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::args::{Cli, Command};
    use clap::Parser;
    use std::path::Path;
    use visavis_llava::convert::{Recipe, Shape};

    fn parsed(line: &str) -> Result<Command, clap::Error> {
        let words = ["visavis"].into_iter().chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.command)
    }

    #[test]
    fn options_arrive() {
        let Command::Convert(args) = parsed("convert llava --out o").unwrap() else {
            unreachable!("convert was parsed")
        };
        let job = args.into_job();
        assert_eq!((job.model.to_str(), job.name), (Some("llava"), None));
        assert_eq!(job.recipe, Recipe::Q4KM);
        assert!(!job.output.replace && !job.output.json);

        let line = "synth --shape 13b --quant Q8_0 --out o --replace --json";
        let Command::Synth(args) = parsed(line).unwrap() else {
            unreachable!("synth was parsed")
        };
        let job = args.into_job();
        assert_eq!((job.shape, job.recipe), (Shape::ThirteenB, Recipe::Q8_0));
        assert_eq!(job.output.out, Path::new("o"));
        assert!(job.output.replace && job.output.json);
    }

    #[test]
    fn wrong_usage_is_refused() {
        for line in [
            "convert llava",
            "convert --out o",
            "convert llava --out o --quant q3_k_s",
            "synth --out o",
            "synth --shape 70b --out o",
        ] {
            assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
