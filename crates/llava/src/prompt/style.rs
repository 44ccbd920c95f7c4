//! Answer styles: the sentences that LLaVA-1.5 was trained to answer in a certain form.
//!
//! A style turns what the person gave into the text of one question. It is for that question
//! only: the sentence is part of the message's text, and later questions come without it, as in
//! the training data.

use crate::boxes::{self, SquareBox};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// VQAv2, GQA, OKVQA, OCRVQA and most benchmarks (LLaVA-1.5, table 7).
const SHORT: &str = "Answer the question using a single word or phrase.";
/// A-OKVQA; ScienceQA, MMBench, SEED-Bench.
const CHOICE: &str = "Answer with the option's letter from the given choices directly.";
/// TextCaps.
const CAPTION: &str = "Provide a one-sentence caption for the provided image.";
/// The first of the instructions for detailed descriptions in LLaVA's data
/// ("Visual Instruction Tuning", arXiv 2304.08485, appendix).
const DETAILED: &str = "Describe the following image in detail.";
/// RefCOCO and Visual Genome, text to region.
const BOX: &str =
    "Please provide the bounding box coordinate of the region this sentence describes: ";
/// RefCOCO and Visual Genome, region to text.
const REGION: &str = "Please provide a short description for this region: ";
/// TextCaps and TextVQA.
const OCR: &str = "Reference OCR token: ";
/// LLaVA-1.5's own example of a trick question.
const CHECK: &str = "If there are factual errors in the questions, point it out; if not, proceed to answering the question.";
/// VizWiz.
const DECLINE: &str = "When the provided information is insufficient, respond with 'Unanswerable'.";

/// In which form an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Free chat.
    #[default]
    Chat,
    /// A word or a phrase.
    Short,
    /// One sentence about the whole picture.
    Caption,
    /// A full description.
    Detailed,
    /// The letter of an option.
    Choice,
    /// Where something is.
    Box,
    /// What a part of the picture shows.
    Region,
    /// A filled-in form.
    Json,
    /// An answer that first looks for errors in the question.
    Check,
    /// A word or a phrase, helped by words that were read in the picture.
    Ocr,
}

impl Style {
    /// All styles, in the order to list them.
    pub const ALL: [Self; 10] = [
        Self::Chat,
        Self::Short,
        Self::Caption,
        Self::Detailed,
        Self::Choice,
        Self::Box,
        Self::Region,
        Self::Json,
        Self::Check,
        Self::Ocr,
    ];

    /// The name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Short => "short",
            Self::Caption => "caption",
            Self::Detailed => "detailed",
            Self::Choice => "choice",
            Self::Box => "box",
            Self::Region => "region",
            Self::Json => "json",
            Self::Check => "check",
            Self::Ocr => "ocr",
        }
    }

    /// One line for a listing.
    pub fn description(self) -> &'static str {
        match self {
            Self::Chat => "free chat: the question as it is",
            Self::Short => "a single word or phrase",
            Self::Caption => "one sentence about the picture",
            Self::Detailed => "a full description of the picture",
            Self::Choice => "the letter of one of the given options",
            Self::Box => "where the described thing is, as a box",
            Self::Region => "what the marked area shows",
            Self::Json => "a form, filled in from the picture",
            Self::Check => "an answer that points out errors in the question first",
            Self::Ocr => "a word or phrase, helped by words read in the picture",
        }
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Style {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|style| style.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                Error::Request(format!(
                    "there is no answer style {name:?}; the styles are {names}"
                ))
            })
    }
}

/// What a person gave for one question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ask {
    /// The form wanted.
    pub style: Style,
    /// The question; for `box` the phrase to find. `caption`, `detailed`, `region` and `ocr` do
    /// without; a question given to one of the first three stands before its sentence.
    pub question: String,
    /// Let the model answer `Unanswerable` (`chat short caption detailed choice check ocr`).
    pub may_decline: bool,
    /// For `choice`: without letters. May be empty when the question holds lettered lines.
    pub options: Vec<String>,
    /// For `region`. May be missing when the question holds a box.
    pub region: Option<SquareBox>,
    /// For `json`: the names to fill in. May be empty when the question holds a `{...}` form.
    pub fields: Vec<String>,
    /// For `ocr`: the words that were read in the picture. May be empty when the question holds
    /// its own `Reference OCR token:` line.
    pub ocr_tokens: Vec<String>,
}

impl Ask {
    /// The text of the message, exactly as the training data would have it.
    ///
    /// # Errors
    /// [`Error::Request`] when an ingredient of the style is missing.
    pub fn prompt(&self) -> Result<String> {
        let question = self.question.trim();
        if self.may_decline && matches!(self.style, Style::Box | Style::Region | Style::Json) {
            return Err(missing(
                self.style,
                "does not go together with declining to answer",
            ));
        }
        match self.style {
            Style::Chat if !self.may_decline => Ok(self.question.clone()),
            Style::Chat => self.needs_question().map(|()| self.lines([question], None)),
            Style::Short => self
                .needs_question()
                .map(|()| self.lines([question], Some(SHORT))),
            Style::Caption => Ok(self.lines([question], Some(CAPTION))),
            Style::Detailed => Ok(self.lines([question], Some(DETAILED))),
            Style::Check => self
                .needs_question()
                .map(|()| self.lines([CHECK, question], None)),
            Style::Choice => self.choice(),
            Style::Box => self.needs_question().map(|()| format!("{BOX}{question}")),
            Style::Region => self.region(),
            Style::Json => self.form(),
            Style::Ocr => self.ocr(),
        }
    }

    /// The given lines that are not empty, the permission to decline, and the format sentence,
    /// which always comes last.
    fn lines<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a str>,
        format: Option<&'a str>,
    ) -> String {
        let decline = self.may_decline.then_some(DECLINE);
        let lines: Vec<&str> = lines
            .into_iter()
            .filter(|line| !line.is_empty())
            .chain(decline)
            .chain(format)
            .collect();
        lines.join("\n")
    }

    fn needs_question(&self) -> Result<()> {
        let what = match self.style {
            Style::Box => "needs a phrase that says what to find",
            _ => "needs a question",
        };
        if self.question.trim().is_empty() {
            Err(missing(self.style, what))
        } else {
            Ok(())
        }
    }

    fn choice(&self) -> Result<String> {
        let question = self.question.trim();
        if self.options.is_empty() && lettered(question) {
            return Ok(self.lines([question], Some(CHOICE)));
        }
        self.needs_question()?;
        let options: Vec<&str> = self.options.iter().map(|option| option.trim()).collect();
        if !(2..=26).contains(&options.len()) || options.contains(&"") {
            return Err(missing(
                self.style,
                "needs 2 to 26 options, none of them empty",
            ));
        }
        let options: Vec<String> = ('A'..='Z')
            .zip(options)
            .map(|(letter, option)| format!("{letter}. {option}"))
            .collect();
        let lines = std::iter::once(question).chain(options.iter().map(String::as_str));
        Ok(self.lines(lines, Some(CHOICE)))
    }

    fn region(&self) -> Result<String> {
        let question = self.question.trim();
        let written = boxes::find(question);
        let (region, question) = match (self.region, written.as_slice()) {
            (Some(region), _) => (region, question.to_owned()),
            (None, [found]) => {
                let mut rest = question.to_owned();
                rest.replace_range(found.range.clone(), "");
                (found.bounds, rest.trim().to_owned())
            }
            (None, _) => {
                return Err(missing(
                    self.style,
                    "needs one area, such as [0.10, 0.20, 0.50, 0.60]",
                ));
            }
        };
        Ok(self.lines([question.as_str()], Some(&format!("{REGION}{region}"))))
    }

    fn form(&self) -> Result<String> {
        const MISSING: &str = "Write \"N/A\" where the picture does not show a value.";
        const FORM: &str = "Fill in this JSON form from the picture and answer with the JSON only:";
        let question = self.question.trim();
        if self.fields.is_empty() && question.contains('{') {
            return Ok(self.lines([question], Some(MISSING)));
        }
        let fields: Vec<&str> = self.fields.iter().map(|field| field.trim()).collect();
        if fields.is_empty() || fields.contains(&"") {
            return Err(missing(
                self.style,
                "needs the names of the fields to fill in",
            ));
        }
        // A JSON string as serde writes it; a `&str` always has one.
        let quoted = |name: &str| serde_json::Value::from(name).to_string();
        let fields: Vec<String> = fields
            .into_iter()
            .map(|field| format!("{}: \"xxx\"", quoted(field)))
            .collect();
        let skeleton = format!("{{{}}}", fields.join(", "));
        Ok(self.lines([question, FORM, &skeleton], Some(MISSING)))
    }

    fn ocr(&self) -> Result<String> {
        let question = self.question.trim();
        if self.ocr_tokens.is_empty() && question.contains(OCR.trim_end()) {
            return Ok(self.lines([question], Some(SHORT)));
        }
        let words: Vec<&str> = self
            .ocr_tokens
            .iter()
            .flat_map(|token| token.split_whitespace())
            .collect();
        if words.is_empty() {
            return Err(missing(
                self.style,
                "needs the words that were read in the picture",
            ));
        }
        let words = format!("{OCR}{}", words.join(", "));
        if question.is_empty() {
            // TextCaps puts the words after its sentence.
            return Ok(self.lines([CAPTION, &words], None));
        }
        Ok(self.lines([question, &words], Some(SHORT)))
    }
}

fn missing(style: Style, what: &str) -> Error {
    Error::Request(format!("the answer style {style} {what}"))
}

/// Whether a text holds its options itself: lines `A. ..`, `B. ..`.
fn lettered(text: &str) -> bool {
    let mut letters = ('A'..='Z').peekable();
    let options = text.lines().filter(|line| {
        let label = letters.peek().map(|letter| format!("{letter}. "));
        let matches = label.is_some_and(|label| line.trim_start().starts_with(&label));
        if matches {
            letters.next();
        }
        matches
    });
    options.count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(style: Style, question: &str) -> Ask {
        Ask {
            style,
            question: question.to_owned(),
            ..Ask::default()
        }
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn chat_is_the_question_untouched() {
        assert_eq!(ask(Style::Chat, " Why?\n").prompt().unwrap(), " Why?\n");
    }

    #[test]
    fn short_caption_and_detailed() {
        assert_eq!(
            ask(Style::Short, "What is this?").prompt().unwrap(),
            "What is this?\nAnswer the question using a single word or phrase."
        );
        assert_eq!(
            ask(Style::Caption, "").prompt().unwrap(),
            "Provide a one-sentence caption for the provided image."
        );
        assert_eq!(
            ask(Style::Detailed, "").prompt().unwrap(),
            "Describe the following image in detail."
        );
        assert_eq!(
            ask(Style::Detailed, "Begin with the sky.")
                .prompt()
                .unwrap(),
            "Begin with the sky.\nDescribe the following image in detail."
        );
    }

    #[test]
    fn choice_letters_its_options() {
        let mut towels = ask(Style::Choice, "How many towels are in the image?");
        towels.options = owned(&["One", "Two", "Three", "Four"]);
        let seed = "How many towels are in the image?\nA. One\nB. Two\nC. Three\nD. Four\n\
                    Answer with the option's letter from the given choices directly.";
        assert_eq!(towels.prompt().unwrap(), seed);
        let written = ask(
            Style::Choice,
            "How many towels are in the image?\nA. One\nB. Two\nC. Three\nD. Four",
        );
        assert_eq!(written.prompt().unwrap(), seed);
        assert!(ask(Style::Choice, "Which?").prompt().is_err());
        assert!(ask(Style::Choice, "Which?\nA. only one").prompt().is_err());
        towels.options.push(" ".to_owned());
        assert!(towels.prompt().is_err());
        towels.options = owned(&["x"; 27]);
        assert!(towels.prompt().is_err());
    }

    #[test]
    fn boxes_and_regions() {
        assert_eq!(
            ask(Style::Box, "the red cup.").prompt().unwrap(),
            "Please provide the bounding box coordinate of the region this sentence describes: the red cup."
        );
        let form = "Please provide a short description for this region: [0.43, 0.71, 0.45, 0.73]";
        let marked = boxes::PixelBox {
            x1: 43.0,
            y1: 46.0,
            x2: 45.0,
            y2: 48.0,
        }
        .to_square(100, 50);
        assert_eq!(
            Ask {
                region: Some(marked),
                ..ask(Style::Region, "")
            }
            .prompt()
            .unwrap(),
            form
        );
        assert_eq!(
            ask(Style::Region, " [0.43,0.71,0.45,0.73]")
                .prompt()
                .unwrap(),
            form
        );
        assert_eq!(
            ask(Style::Region, "What colour? [0.43,0.71,0.45,0.73]")
                .prompt()
                .unwrap(),
            format!("What colour?\n{form}")
        );
        assert!(ask(Style::Region, "this").prompt().is_err());
        assert!(ask(Style::Box, " ").prompt().is_err());
    }

    #[test]
    fn reading_helps() {
        let mut question = ask(Style::Ocr, "what brand is this camera?");
        question.ocr_tokens = owned(&["DAKOTA", "DIGITAL", "Single-Use"]);
        assert_eq!(
            question.prompt().unwrap(),
            "what brand is this camera?\nReference OCR token: DAKOTA, DIGITAL, Single-Use\n\
             Answer the question using a single word or phrase."
        );
        question.question.clear();
        assert_eq!(
            question.prompt().unwrap(),
            "Provide a one-sentence caption for the provided image.\n\
             Reference OCR token: DAKOTA, DIGITAL, Single-Use"
        );
        assert!(ask(Style::Ocr, "what brand?").prompt().is_err());
    }

    #[test]
    fn forms_show_what_to_fill_in() {
        let mut form = ask(Style::Json, "Read the licence.");
        form.fields = owned(&["name", "date of \"birth\""]);
        let prompt = form.prompt().unwrap();
        let skeleton = prompt.lines().find(|line| line.starts_with('{')).unwrap();
        let parsed: serde_json::Value = serde_json::from_str(skeleton).unwrap();
        assert_eq!(
            parsed,
            serde_json::json!({"name": "xxx", "date of \"birth\"": "xxx"})
        );
        assert!(prompt.starts_with("Read the licence.\n") && prompt.contains("\"N/A\""));
        let own = ask(Style::Json, "Answer as {\"year\": \"xxx\"}")
            .prompt()
            .unwrap();
        assert!(own.starts_with("Answer as {\"year\": \"xxx\"}\nWrite \"N/A\""));
        assert!(ask(Style::Json, "Read it.").prompt().is_err());
    }

    #[test]
    fn check_stands_in_front() {
        assert_eq!(
            ask(Style::Check, "What's happening in the desert?")
                .prompt()
                .unwrap(),
            "If there are factual errors in the questions, point it out; if not, proceed to answering the \
             question.\nWhat's happening in the desert?"
        );
    }

    #[test]
    fn declining_stands_before_the_format_sentence() {
        let vizwiz = Ask {
            may_decline: true,
            ..ask(Style::Short, "What is this?")
        };
        assert_eq!(
            vizwiz.prompt().unwrap(),
            "What is this?\nWhen the provided information is insufficient, respond with 'Unanswerable'.\n\
             Answer the question using a single word or phrase."
        );
        let chat = Ask {
            may_decline: true,
            ..ask(Style::Chat, "What is this?")
        };
        assert_eq!(
            chat.prompt().unwrap(),
            "What is this?\nWhen the provided information is insufficient, respond with 'Unanswerable'."
        );
        for style in [Style::Box, Style::Region, Style::Json] {
            let mut refused = Ask {
                may_decline: true,
                ..ask(style, "x")
            };
            refused.fields = owned(&["x"]);
            refused.region = Some(SquareBox::new(0.0, 0.0, 1.0, 1.0));
            assert!(refused.prompt().is_err(), "{style}");
        }
    }

    #[test]
    fn names_read_back_and_match_the_files() {
        for style in Style::ALL {
            assert_eq!(style.to_string().parse::<Style>().unwrap(), style);
            assert_eq!(serde_json::to_value(style).unwrap(), style.name());
            assert!(!style.description().is_empty());
        }
        let unknown = "poem".parse::<Style>().unwrap_err().to_string();
        assert!(
            unknown.contains("poem") && unknown.contains("detailed"),
            "{unknown}"
        );
    }

    #[test]
    fn a_question_is_needed_where_the_form_asks_about_one() {
        for style in [Style::Short, Style::Choice, Style::Box, Style::Check] {
            assert!(
                matches!(ask(style, " \n").prompt(), Err(Error::Request(_))),
                "{style}"
            );
        }
    }
}
