//! Options of `visavis data`.

use crate::data::{CheckJob, DataJob, MixJob, ScenesJob};
use crate::failure::Failure;
use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use visavis_train::scenes::{Category, Generator, Mix, Options, Split};

/// As typed.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Draw pictures with conversations about them
    Scenes(ScenesArgs),
    /// Mix the paper's data sets from their public files
    Mix(MixArgs),
    /// Find rows that cannot be learned from, and missing or unreadable pictures
    Check(CheckArgs),
}

/// Which part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SplitName {
    /// What a model may learn from
    Train,
    /// What it is asked afterwards; shares no scene with train, and shows combinations of colour
    /// and shape that train never does
    Test,
}

#[derive(Debug, Args)]
struct ScenesArgs {
    /// The folder to write into: data.json and images/
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// How many pictures
    #[arg(short = 'n', long, value_name = "N")]
    count: u64,
    /// Another seed draws other scenes
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// What the pictures are for
    #[arg(long, value_enum, default_value = "train")]
    split: SplitName,
    /// The first picture's number in the sequence of this seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// How much is taught: 1 colour, shape, yes and no; 2 also counting, position, choice; 3 also
    /// boxes, JSON, refusal; 4 also reading; 5 also Chinese
    #[arg(long, value_name = "1-5", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=5))]
    level: u8,
    /// How often a kind of question is asked, such as box=3; may be given several times
    #[arg(long = "weight", value_name = "KIND=W", value_parser = weight)]
    weights: Vec<(Category, f32)>,
    /// The share of conversations in Chinese, 0 to 1 [default: 0.25 at level 5, else 0]
    #[arg(long, value_name = "SHARE")]
    chinese: Option<f32>,
    /// Questions of one conversation, from and to
    #[arg(long, value_name = "A-B", default_value = "3-6", value_parser = range)]
    turns: [u32; 2],
    /// The longest side of a picture in pixels, from and to
    #[arg(long, value_name = "A-B", default_value = "112-320", value_parser = range)]
    side: [u32; 2],
    /// Write one description of each picture (for stage 1) instead of a conversation
    #[arg(long)]
    captions: bool,
    /// Leave out the sentence that asks for a short answer, to see what it is good for
    #[arg(long)]
    no_format_prompts: bool,
    /// Print one JSON object about what was written
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct MixArgs {
    /// Which data sets, where their files are (docs/data.md)
    #[arg(value_name = "RECIPE.toml")]
    recipe: PathBuf,
    /// The LLaVA JSON file to write
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Another seed draws and shuffles differently [default: the recipe's]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// A LLaVA JSON file
    #[arg(value_name = "DATA.json")]
    data: PathBuf,
    /// The folder its pictures are in; without it they are not looked for
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Only look whether pictures are there, do not decode them
    #[arg(long, requires = "images")]
    quick: bool,
    /// A checkpoint whose tokenizer tells how many rows are longer than 2,048 tokens
    #[arg(long, value_name = "PATH|ID")]
    model: Option<OsString>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl DataArgs {
    /// Checks what no single option can check alone.
    pub(crate) fn into_job(self) -> Result<DataJob, Failure> {
        match self.command {
            DataCommand::Scenes(scenes) => scenes.into_job().map(DataJob::Scenes),
            DataCommand::Mix(mix) => Ok(DataJob::Mix(MixJob {
                recipe: mix.recipe,
                out: mix.out,
                seed: mix.seed,
                json: mix.json,
            })),
            DataCommand::Check(check) => Ok(DataJob::Check(CheckJob {
                data: check.data,
                images: check.images,
                quick: check.quick,
                model: check.model,
                json: check.json,
            })),
        }
    }
}

impl ScenesArgs {
    fn into_job(self) -> Result<ScenesJob, Failure> {
        let mut mix = Mix::level(self.level);
        for (category, weight) in self.weights {
            mix.set(category, weight);
        }
        mix.chinese = self.chinese.unwrap_or(mix.chinese);
        let last = self
            .first
            .checked_add(self.count)
            .ok_or_else(|| Failure::usage("--first and --count are too large together"))?;
        let generator = Generator::new(Options {
            seed: self.seed,
            split: match self.split {
                SplitName::Train => Split::Train,
                SplitName::Test => Split::Test,
            },
            mix,
            turns: self.turns.map(|n| n as usize),
            side: self.side,
            format_prompts: !self.no_format_prompts,
        })
        .map_err(|error| Failure::usage(error.to_string()))?;
        Ok(ScenesJob {
            generator,
            folder: self.out,
            samples: self.first..last,
            captions: self.captions,
            json: self.json,
        })
    }
}

fn weight(text: &str) -> Result<(Category, f32), String> {
    let (name, weight) = text.split_once('=').ok_or("must be like box=3")?;
    let category = Category::named(name).ok_or_else(|| {
        let names = Category::ALL.map(Category::name).join(", ");
        format!("there is no kind {name:?}; the kinds are {names}")
    })?;
    let weight = weight
        .parse()
        .ok()
        .filter(|w: &f32| w.is_finite() && *w >= 0.0)
        .ok_or("the weight must be 0 or a positive number")?;
    Ok((category, weight))
}

fn range(text: &str) -> Result<[u32; 2], String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<u32>().ok();
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Ok([from, to]),
        _ => Err("must be two whole numbers, such as 3-6".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn job(words: &[&str]) -> Result<DataJob, Failure> {
        let cli = Cli::try_parse_from(["visavis", "data"].iter().chain(words)).unwrap();
        let Command::Data(args) = cli.command else {
            unreachable!("data was parsed")
        };
        args.into_job()
    }

    #[test]
    fn scenes_take_a_range_of_the_sequence() {
        let words = ["scenes", "--out", "x", "-n", "5", "--first", "10"];
        let DataJob::Scenes(job) = job(&words).unwrap() else {
            unreachable!("scenes were asked for")
        };
        assert_eq!(job.samples, 10..15);
    }

    #[test]
    fn weights_and_ranges_are_checked() {
        assert_eq!(weight("box=2.5").unwrap(), (Category::Box, 2.5));
        for bad in ["box", "poem=1", "box=-1", "box=many", "box=inf"] {
            assert!(weight(bad).is_err(), "{bad}");
        }
        assert_eq!(range("3-6").unwrap(), [3, 6]);
        assert_eq!(range("4").unwrap(), [4, 4]);
        for bad in ["6-3", "a-b", "", "1-2-3"] {
            assert!(range(bad).is_err(), "{bad}");
        }
        let beyond = ["scenes", "--out", "x", "-n", "1", "--side", "1-9000"];
        assert_eq!(job(&beyond).unwrap_err().status(), 2);
    }
}
