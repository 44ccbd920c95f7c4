//! `visavis ask`: one question, one answer.

use crate::args::Common;
use crate::failure::{Failure, Outcome};
use crate::generation::Generation;
use crate::host::Host;
use crate::interrupt::Interrupt;
use crate::locate::Places;
use crate::output::{self, Reader};
use crate::progress::Progress;
use crate::style::{AnswerStyle, PixelBox};
use crate::text::printable;
use crate::{memory, pictures};
use serde::Serialize;
use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use visavis_engine::{
    Completion, EngineOptions, Event, FailureCode, Priority, Request, RequestPicture, Timings,
};
use visavis_llava::generate::FinishReason;
use visavis_llava::prompt::{Conversation, Message, Role};

/// A question on standard input may have this many bytes; far more than any context holds.
const LONGEST_QUESTION: u64 = 4 << 20;

/// Where the question comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// The command line; empty where the style brings its own wording.
    Typed(String),
    /// `-`.
    FromStandardInput,
}

/// What to ask.
#[derive(Debug)]
pub(crate) struct AskJob {
    pub(crate) model: Option<OsString>,
    pub(crate) images: Vec<PathBuf>,
    pub(crate) question: Question,
    pub(crate) style: AnswerStyle,
    pub(crate) generation: Generation,
    pub(crate) json: bool,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    text: &'a str,
    token_ids: &'a [u32],
    prompt_token_ids: &'a [i64],
    finish_reason: FinishReason,
    model: &'a str,
    device: String,
    timings: &'a Timings,
    peak_rss_bytes: u64,
    /// Present for the style `box` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    boxes: Option<Vec<PixelBox>>,
}

/// Runs the command.
pub(crate) fn run(job: AskJob, common: Common) -> Result<Outcome, Failure> {
    // What is quick to check comes before the model, which may take a minute to load.
    let question = question_text(&job.question)?;
    // Only from here on: while standard input is read, Ctrl-C ends the program as it ends any.
    let interrupt = Interrupt::install()?;
    let mut pictures = Vec::with_capacity(job.images.len());
    for path in &job.images {
        pictures.push(pictures::read(path)?);
        if interrupt.pressed() {
            return Err(Failure::interrupted());
        }
    }
    let sizes: Vec<(u32, u32)> = pictures
        .iter()
        .map(|picture| (picture.width, picture.height))
        .collect();
    let text = job.style.wording(&question, &sizes)?;
    let model = Places::of_this_process().find(job.model.as_deref())?;

    let progress = Progress::new(common.quiet);
    let options = EngineOptions {
        max_batch: 1,
        ..EngineOptions::default()
    };
    let host = Host::start(model, job.generation.device, options, &interrupt, &progress);
    // A bar that stays behind would hide the error.
    let host = host.inspect_err(|_| progress.clear())?;
    let request = request(&job.generation, text, pictures, Priority::Chat);

    let mut screen = Screen::new(!job.json && output::is_terminal());
    let answered = host.ask(request, |event| match event {
        Event::Progress { stage, done, total } if !screen.begun() => {
            progress.stage(stage, done, total)
        }
        Event::Text { text } if screen.live => {
            progress.clear();
            if screen.show(&text) == Reader::Gone {
                host.cancel_all();
            }
        }
        _ => {}
    });
    progress.clear();
    screen.end_line();
    let answer = match answered {
        Ok(answer) => answer,
        // The reader went away before there was anything to read.
        Err(failure) if failure.code == FailureCode::Cancelled && screen.reader_gone => {
            return Ok(Outcome::Done);
        }
        Err(failure) => return Err(failure.into()),
    };
    deliver(&job, &host, &answer, sizes.first().copied(), &screen)?;
    if interrupt.pressed() && answer.finish_reason == FinishReason::Cancelled {
        return Ok(Outcome::Interrupted);
    }
    remark(&answer, &job.generation, &progress);
    Ok(Outcome::Done)
}

/// One user message with the pictures before its text.
pub(crate) fn request(
    generation: &Generation,
    text: String,
    pictures: Vec<RequestPicture>,
    priority: Priority,
) -> Request {
    let message = Message {
        role: Role::User,
        text,
        pictures: pictures.len(),
    };
    Request {
        conversation: Conversation {
            system: generation.system.clone(),
            messages: vec![message],
        },
        pictures,
        sampling: generation.sampling.clone(),
        max_tokens: generation.max_tokens,
        stop_repetition: generation.stop_repetition,
        priority,
    }
}

fn question_text(question: &Question) -> Result<String, Failure> {
    let Question::FromStandardInput = question else {
        let Question::Typed(text) = question else {
            return Ok(String::new());
        };
        return Ok(text.clone());
    };
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(LONGEST_QUESTION + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
    if bytes.len() as u64 > LONGEST_QUESTION {
        return Err(Failure::new(
            "the question on standard input is longer than any model can read",
        ));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new("the question on standard input is not UTF-8 text"))?;
    // An editor's byte order mark is not part of the question.
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(Failure::new("the question on standard input is empty"));
    }
    Ok(text.to_owned())
}

fn deliver(
    job: &AskJob,
    host: &Host,
    answer: &Completion,
    size: Option<(u32, u32)>,
    screen: &Screen,
) -> Result<(), Failure> {
    if job.json {
        let boxes = size.and_then(|size| job.style.boxes(&answer.text, size));
        output::print_json(&Answer {
            text: &answer.text,
            token_ids: &answer.token_ids,
            prompt_token_ids: &answer.prompt_token_ids,
            finish_reason: answer.finish_reason,
            model: host.model_name(),
            device: host.device_name(),
            timings: &answer.timings,
            peak_rss_bytes: memory::peak_rss_bytes(),
            boxes,
        })?;
    } else if !screen.begun() && answer.finish_reason != FinishReason::Cancelled {
        // Half an answer cannot be told from a whole one in a file: it is left out.
        output::write(format!("{}\n", answer.text).as_bytes())?;
    }
    Ok(())
}

/// Says why an answer may look cut off.
fn remark(answer: &Completion, generation: &Generation, progress: &Progress) {
    match answer.finish_reason {
        FinishReason::Length => progress.note(&format!(
            "note: the answer was cut at {} tokens (--max-tokens)",
            generation.max_tokens
        )),
        FinishReason::Repetition => {
            progress.note("note: the answer went round in circles and was ended")
        }
        FinishReason::Stop | FinishReason::Cancelled => {}
    }
}

/// Standard output as a terminal on which the answer appears while it is written. Elsewhere
/// nothing is shown before the answer is complete, so that a failure leaves no half answer.
struct Screen {
    live: bool,
    begun: bool,
    reader_gone: bool,
}

impl Screen {
    fn new(live: bool) -> Self {
        Self {
            live,
            begun: false,
            reader_gone: false,
        }
    }

    fn begun(&self) -> bool {
        self.begun
    }

    fn show(&mut self, text: &str) -> Reader {
        let text = if self.begun { text } else { text.trim_start() };
        if !self.live || text.is_empty() {
            return Reader::There;
        }
        self.begun = true;
        // A terminal that cannot be written to is a reader that is gone.
        let reader = output::write(printable(text).as_bytes()).unwrap_or(Reader::Gone);
        self.reader_gone |= reader == Reader::Gone;
        reader
    }

    fn end_line(&mut self) {
        if self.begun && !self.reader_gone {
            self.show("\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_object_has_the_contracts_fields() {
        let answer = Answer {
            text: "Red.",
            token_ids: &[4367, 29889],
            prompt_token_ids: &[1, -200],
            finish_reason: FinishReason::Stop,
            model: "demo",
            device: "cpu".to_owned(),
            timings: &Timings::default(),
            peak_rss_bytes: 1,
            boxes: None,
        };
        let json = serde_json::to_value(&answer).unwrap();
        let names: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut expected = [
            "text",
            "token_ids",
            "prompt_token_ids",
            "finish_reason",
            "model",
            "device",
            "timings",
            "peak_rss_bytes",
        ];
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(json["finish_reason"], "stop");
        for name in [
            "load_s",
            "image_s",
            "prefill_s",
            "prefill_tokens",
            "decode_s",
            "decode_tokens",
            "first_token_s",
        ] {
            assert!(json["timings"][name].is_number(), "{name}");
        }
    }
}
