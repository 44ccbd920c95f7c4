//! Options of `visavis ask`.

use super::ModelArgs;
use crate::ask::{AskJob, Question};
use crate::failure::Failure;
use crate::generation::GenerationArgs;
use crate::style::{Style, StyleArgs};
use clap::Args;
use std::path::PathBuf;

/// As typed.
#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// The question; - reads it from standard input. The styles caption, detailed and region
    /// need none
    #[arg(value_name = "QUESTION")]
    question: Option<String>,
    #[command(flatten)]
    model: ModelArgs,
    /// A picture; may be given several times
    #[arg(short, long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// Print one JSON object: the answer, its tokens, timings and memory
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    style: StyleArgs,
    #[command(flatten)]
    generation: GenerationArgs,
    /// End an answer that goes round in circles
    #[arg(long, help_heading = "Generation")]
    stop_repetition: bool,
}

impl AskArgs {
    /// Checks what no single option can check alone.
    pub(crate) fn into_job(self) -> Result<AskJob, Failure> {
        let style = self.style.typed(Style::Chat)?;
        let question = match self.question {
            Some(dash) if dash == "-" => Question::FromStandardInput,
            typed => {
                // Not trimmed: the model is asked exactly what was typed.
                let text = typed.unwrap_or_default();
                let example = "for example: visavis ask --image photo.jpg \"What is this?\"";
                style
                    .check(&text)
                    .map_err(|failure| failure.hint(example))?;
                Question::Typed(text)
            }
        };
        if style.needs_one_picture() && self.images.len() != 1 {
            return Err(Failure::usage("--region needs exactly one --image"));
        }
        Ok(AskJob {
            model: self.model.model,
            images: self.images,
            question,
            style,
            generation: self.generation.typed(self.stop_repetition),
            json: self.json,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;
    use visavis_llava::device::DeviceChoice;

    fn job(words: &[&str]) -> Result<AskJob, Failure> {
        let cli = Cli::try_parse_from(["visavis", "ask"].iter().chain(words)).unwrap();
        let Command::Ask(args) = cli.command else {
            unreachable!("ask was parsed")
        };
        args.into_job()
    }

    fn refused(words: &[&str]) -> bool {
        Cli::try_parse_from(["visavis", "ask"].iter().chain(words))
            .is_err_and(|error| error.exit_code() == 2)
    }

    #[test]
    fn defaults_are_the_contracts() {
        let job = job(&["What is this?"]).unwrap();
        assert_eq!(job.question, Question::Typed("What is this?".to_owned()));
        assert_eq!(job.style, crate::style::AnswerStyle::plain(Style::Chat));
        let generation = job.generation;
        assert_eq!(
            generation.sampling,
            visavis_llava::generate::Sampling::default()
        );
        assert_eq!(
            (generation.max_tokens, generation.stop_repetition),
            (512, false)
        );
        assert_eq!(
            (generation.device, generation.system),
            (DeviceChoice::Auto, None)
        );
        assert!(job.model.is_none() && job.images.is_empty() && !job.json);
    }

    #[test]
    fn every_option_arrives() {
        let words = "--model m --image a.jpg --image b.jpg --device cuda:1 --temperature 0.2 --top-p 0.7 --top-k 5 \
             --repetition-penalty 1.1 --max-tokens 9 --seed 3 --style short --may-decline --system S \
             --stop-repetition --json Q";
        let job = job(&words.split_whitespace().collect::<Vec<_>>()).unwrap();
        assert_eq!(job.model.unwrap(), "m");
        assert_eq!(job.images, [PathBuf::from("a.jpg"), PathBuf::from("b.jpg")]);
        let sampling = job.generation.sampling;
        assert_eq!(
            (sampling.temperature, sampling.top_p, sampling.top_k),
            (0.2, 0.7, 5)
        );
        assert_eq!((sampling.repetition_penalty, sampling.seed), (1.1, 3));
        assert_eq!(job.generation.device, DeviceChoice::Cuda(1));
        assert_eq!(job.generation.system.as_deref(), Some("S"));
        assert!(job.generation.stop_repetition && job.json && job.style.may_decline);
        assert_eq!(
            (job.style.style, job.generation.max_tokens),
            (Style::Short, 9)
        );
    }

    #[test]
    fn wrong_usage_is_refused() {
        assert!(refused(&["--temperature=-1", "Q"]));
        assert!(refused(&["--max-tokens", "0", "Q"]));
        assert!(refused(&["--device", "gpu", "Q"]));
        assert!(refused(&["--style", "poem", "Q"]));
        assert!(refused(&["--nothing", "Q"]));
        assert!(refused(&["-q", "-v", "Q"]));
        for words in [
            &[][..],
            &["  "],
            &["--style", "region", "--region", "1,2,3,4"],
            &["--style", "choice", "Q"],
        ] {
            assert_eq!(job(words).unwrap_err().status(), 2, "{words:?}");
        }
    }

    #[test]
    fn a_dash_is_standard_input() {
        assert_eq!(job(&["-"]).unwrap().question, Question::FromStandardInput);
    }
}
