//! Options of `visavis bench`.

use super::ModelArgs;
use crate::bench::{BenchJob, Plan};
use clap::Args;
use std::path::PathBuf;
use visavis_llava::device::DeviceChoice;

/// As typed.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Also write the results to this file, as JSON; - prints them in place of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How often each thing is measured; the median counts
    #[arg(long, value_name = "N", default_value = "3", value_parser = repeats)]
    repeats: usize,
    /// Positions of the prompts to prefill
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "512,128",
        value_parser = length
    )]
    prefill: Vec<usize>,
    /// Tokens to decode
    #[arg(long, value_name = "N", default_value = "32", value_parser = length)]
    decode: usize,
    /// Where to run: auto, cpu, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
}

impl BenchArgs {
    pub(crate) fn into_job(self) -> BenchJob {
        BenchJob {
            model: self.model.model,
            device: self.device,
            json: self.json,
            plan: Plan {
                repeats: self.repeats,
                prefill: self.prefill,
                decode: self.decode,
            },
        }
    }
}

fn repeats(text: &str) -> Result<usize, String> {
    between(text, 1, 100)
}

fn length(text: &str) -> Result<usize, String> {
    between(text, 2, 1 << 16)
}

fn between(text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!("not a whole number from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn parsed(line: &str) -> Result<Command, clap::Error> {
        let words = ["visavis", "bench"].into_iter();
        Cli::try_parse_from(words.chain(line.split_whitespace())).map(|cli| cli.command)
    }

    #[test]
    fn options_arrive() {
        let job = |line: &str| match parsed(line).unwrap() {
            Command::Bench(args) => args.into_job(),
            _ => unreachable!("bench was parsed"),
        };
        let usual = job("");
        assert_eq!((usual.plan.repeats, usual.plan.decode), (3, 32));
        assert_eq!(usual.plan.prefill, [512, 128]);
        assert!(usual.model.is_none() && usual.json.is_none());
        let asked = job("--model m --repeats 1 --prefill 16,8 --decode 4 --json x.json");
        assert_eq!(asked.plan.prefill, [16, 8]);
        assert_eq!((asked.plan.repeats, asked.plan.decode), (1, 4));
        assert_eq!(asked.json.unwrap(), std::path::Path::new("x.json"));
    }

    #[test]
    fn wrong_usage_is_refused() {
        for line in [
            "--repeats 0",
            "--decode 1",
            "--prefill 512,x",
            "--prefill 0",
        ] {
            assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
