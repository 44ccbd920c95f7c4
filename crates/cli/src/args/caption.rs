//! Options of `visavis caption`.

use super::ModelArgs;
use crate::caption::CaptionJob;
use crate::failure::Failure;
use crate::generation::GenerationArgs;
use crate::style::{Style, StyleArgs};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where captions go besides standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputName {
    /// Nowhere
    None,
    /// A text file beside each picture: a.txt for a.jpg
    Txt,
}

/// As typed.
#[derive(Debug, Args)]
pub(crate) struct CaptionArgs {
    /// Folders, with all that lies in them, and single pictures
    #[arg(value_name = "FOLDER", required = true)]
    sources: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Ask this of every picture instead of the style's own wording
    #[arg(short, long, value_name = "TEXT")]
    prompt: Option<String>,
    /// What to write beside the pictures
    #[arg(short, long, value_enum, default_value = "none")]
    output: OutputName,
    /// Write over text files that are there already; without it they are kept
    #[arg(long)]
    replace: bool,
    /// Follow links to files and folders elsewhere
    #[arg(long)]
    follow_links: bool,
    /// Print one JSON object a picture, one on each line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    style: StyleArgs,
    #[command(flatten)]
    generation: GenerationArgs,
    /// Let a caption that goes round in circles run to its full length
    #[arg(long, help_heading = "Generation", overrides_with = "stop_repetition")]
    no_stop_repetition: bool,
    /// The default here; for those who pass the same options to `ask`
    #[arg(long, hide = true)]
    stop_repetition: bool,
}

impl CaptionArgs {
    /// Checks what no single option can check alone.
    pub(crate) fn into_job(self) -> Result<CaptionJob, Failure> {
        let style = self.style.typed(if self.prompt.is_some() {
            Style::Chat
        } else {
            Style::Caption
        })?;
        let prompt = self.prompt.unwrap_or_default();
        style
            .check(&prompt)
            .map_err(|failure| failure.hint("--prompt gives the question"))?;
        Ok(CaptionJob {
            model: self.model.model,
            sources: self.sources,
            prompt,
            style,
            sidecars: self.output == OutputName::Txt,
            replace: self.replace,
            follow_links: self.follow_links,
            generation: self.generation.typed(!self.no_stop_repetition),
            json: self.json,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn job(words: &[&str]) -> Result<CaptionJob, Failure> {
        let cli = Cli::try_parse_from(["visavis", "caption"].iter().chain(words)).unwrap();
        let Command::Caption(args) = cli.command else {
            unreachable!("caption was parsed")
        };
        args.into_job()
    }

    #[test]
    fn nothing_is_written_unless_asked() {
        let bare = job(&["photos"]).unwrap();
        assert!(!bare.sidecars && !bare.replace && !bare.follow_links && !bare.json);
        assert!(bare.generation.stop_repetition);
        let stops = |words: &[&str]| job(words).unwrap().generation.stop_repetition;
        assert!(stops(&["photos", "--stop-repetition"]));
        assert!(!stops(&[
            "photos",
            "--stop-repetition",
            "--no-stop-repetition"
        ]));
        assert_eq!(
            (bare.style.style, bare.prompt.as_str()),
            (Style::Caption, "")
        );
    }

    #[test]
    fn a_prompt_stands_for_itself_unless_a_style_is_named() {
        let chat = job(&["photos", "--prompt", "What weather is it?"]).unwrap();
        assert_eq!(
            (chat.style.style, chat.prompt.as_str()),
            (Style::Chat, "What weather is it?")
        );
        let short = job(&["photos", "--prompt", "Q", "--style", "short"]).unwrap();
        assert_eq!(short.style.style, Style::Short);
        assert_eq!(
            job(&["photos", "--style", "short"]).unwrap_err().status(),
            2
        );
    }

    #[test]
    fn a_folder_is_required() {
        assert_eq!(
            Cli::try_parse_from(["visavis", "caption"])
                .unwrap_err()
                .exit_code(),
            2
        );
    }
}
