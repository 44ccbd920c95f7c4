//! The measurements. Each one is repeated, and the median counts.

use crate::failure::Failure;
use crate::host::Host;
use crate::progress::Progress;
use serde::Serialize;
use std::sync::Arc;
use visavis_engine::{Completion, Priority, Request, RequestPicture};
use visavis_llava::checkpoint::Inspection;
use visavis_llava::generate::{FinishReason, Sampling};
use visavis_llava::prompt::{Conversation, Message, Role};

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// How often each thing is measured.
    pub(crate) repeats: usize,
    /// Positions of the prompts.
    pub(crate) prefill: Vec<usize>,
    /// Tokens to decode.
    pub(crate) decode: usize,
}

/// Positions or tokens, and how long they took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Rate {
    pub(crate) tokens: usize,
    pub(crate) seconds: f64,
    pub(crate) tokens_per_s: f64,
}

impl Rate {
    fn new(tokens: usize, seconds: f64) -> Self {
        Self {
            tokens,
            seconds,
            tokens_per_s: tokens as f64 / seconds.max(1e-9),
        }
    }
}

/// What was measured; nothing where the model's context is too short for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Results {
    /// The first load, which may have read from the disk.
    pub(crate) first_load_s: f64,
    /// Loads after that.
    pub(crate) load_s: f64,
    /// Preparing a picture, vision tower and connector.
    pub(crate) picture_s: Option<f64>,
    pub(crate) prefill: Vec<Rate>,
    pub(crate) decode: Option<Rate>,
    /// From a picture and a short question to the first token: positions computed, and seconds.
    pub(crate) first_word: Option<Rate>,
    /// The same for a second question about the same picture.
    pub(crate) follow_up: Option<Rate>,
}

/// Positions that a picture's question and its answer take beside the picture, with room to spare.
const AROUND_PICTURE: usize = 128;
/// Words of the question whose answer is timed.
const SHORT_QUESTION: usize = 32;
/// The second question comes after an answer of this many tokens.
const SHORT_ANSWER: usize = 8;

pub(crate) struct Bench<'a> {
    host: &'a Host,
    plan: &'a Plan,
    model: &'a Inspection,
    progress: &'a Progress,
    /// Requests so far: each begins differently, so that nothing of it is cached.
    round: usize,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(
        host: &'a Host,
        plan: &'a Plan,
        model: &'a Inspection,
        progress: &'a Progress,
    ) -> Self {
        Self {
            host,
            plan,
            model,
            progress,
            round: 0,
        }
    }

    pub(crate) fn measure(mut self) -> Result<Results, Failure> {
        let mut results = Results {
            first_load_s: self.host.load_s(),
            ..Results::default()
        };
        // What was loaded a moment ago comes from the cache of the disk, where it fits.
        let load = |bench: &mut Self| bench.host.load_again(bench.progress);
        results.load_s = median(self.repeat(load)?);
        let around = self.positions_around()?;
        for &tokens in &self.plan.prefill {
            if tokens > around && tokens + 1 < self.model.context {
                let runs = self.repeat(|bench| bench.read(tokens - around, 1))?;
                results.prefill.push(prefilled(&runs));
            }
        }
        let answer = self.plan.decode + 1;
        if around + SHORT_QUESTION + answer < self.model.context {
            results.decode = decoded(&self.repeat(|bench| bench.read(SHORT_QUESTION, answer))?);
        }
        if self.model.image_tokens + AROUND_PICTURE < self.model.context {
            self.look(&mut results)?;
        }
        Ok(results)
    }

    /// A picture with a question, and another question.
    fn look(&mut self, results: &mut Results) -> Result<(), Failure> {
        let (mut seen, mut first, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.plan.repeats {
            let mut request = self.request("What is in this picture?", SHORT_ANSWER);
            request.pictures = vec![picture(self.round)];
            request.conversation.messages[0].pictures = 1;
            let answer = self.ask(request.clone())?;
            seen.push(answer.timings.image_s);
            first.push(answer);
            let said = first.last().map_or("", |answer| answer.text.as_str());
            let said = if said.is_empty() { "A picture." } else { said };
            for (role, text) in [
                (Role::Assistant, said),
                (Role::User, "And what colour is it?"),
            ] {
                request.conversation.messages.push(Message {
                    role,
                    text: text.to_owned(),
                    pictures: 0,
                });
            }
            request.max_tokens = 1;
            next.push(self.ask(request)?);
        }
        results.picture_s = Some(median(seen));
        results.first_word = Some(waited(&first));
        results.follow_up = Some(waited(&next));
        Ok(())
    }

    /// Positions that a prompt has beside the words of its question. Asked twice: the first
    /// request also wakes what sleeps.
    fn positions_around(&mut self) -> Result<usize, Failure> {
        const WORDS: usize = 8;
        self.read(WORDS, 2)?;
        let answer = self.read(WORDS, 1)?;
        Ok(answer.timings.prefill_tokens.saturating_sub(WORDS))
    }

    /// Asks a question of so many words, each of one position.
    fn read(&mut self, words: usize, answer: usize) -> Result<Completion, Failure> {
        let text = vec!["a"; words].join(" ");
        let request = self.request(&text, answer);
        self.ask(request)
    }

    fn request(&mut self, text: &str, max_tokens: usize) -> Request {
        self.round += 1;
        let message = Message {
            role: Role::User,
            text: text.to_owned(),
            pictures: 0,
        };
        Request {
            conversation: Conversation {
                // Of the same length each time, and different from its second position on.
                system: Some(format!("{:06}", self.round * 104_729 % 1_000_000)),
                messages: vec![message],
            },
            pictures: Vec::new(),
            sampling: Sampling::default(),
            max_tokens,
            stop_repetition: false,
            priority: Priority::Chat,
        }
    }

    fn ask(&self, request: Request) -> Result<Completion, Failure> {
        let answer = self.host.ask(request, |_| {})?;
        if answer.finish_reason == FinishReason::Cancelled {
            return Err(Failure::interrupted());
        }
        Ok(answer)
    }

    fn repeat<T>(
        &mut self,
        mut once: impl FnMut(&mut Self) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        (0..self.plan.repeats).map(|_| once(self)).collect()
    }
}

fn prefilled(runs: &[Completion]) -> Rate {
    let tokens = runs.first().map_or(0, |run| run.timings.prefill_tokens);
    Rate::new(
        tokens,
        median(runs.iter().map(|run| run.timings.prefill_s).collect()),
    )
}

/// The first token comes from the prompt's last position; every further one, and the end of an
/// answer that ends by itself, takes a step.
fn decoded(runs: &[Completion]) -> Option<Rate> {
    let steps = |run: &Completion| match run.finish_reason {
        FinishReason::Stop => run.timings.decode_tokens,
        _ => run.timings.decode_tokens.saturating_sub(1),
    };
    let mut rates: Vec<Rate> = runs
        .iter()
        .filter(|run| steps(run) > 0)
        .map(|run| Rate::new(steps(run), run.timings.decode_s))
        .collect();
    rates.sort_by(|a, b| a.tokens_per_s.total_cmp(&b.tokens_per_s));
    rates.get(rates.len() / 2).copied()
}

fn waited(runs: &[Completion]) -> Rate {
    let tokens = runs.first().map_or(0, |run| run.timings.prefill_tokens);
    let seconds = runs.iter().map(|run| run.timings.first_token_s).collect();
    Rate::new(tokens, median(seconds))
}

/// The middle one; of two, the lower.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or_default()
}

/// A picture unlike the others: a gradient whose colours follow from its number.
fn picture(number: usize) -> RequestPicture {
    const WIDTH: usize = 640;
    const HEIGHT: usize = 480;
    let rgb = (0..WIDTH * HEIGHT).flat_map(|i| {
        let (x, y) = (i % WIDTH, i / WIDTH);
        [
            x / 3 + number,
            y / 2 + 7 * number,
            (x + y) / 5 + 31 * number,
        ]
        .map(|v| v as u8)
    });
    RequestPicture {
        width: WIDTH as u32,
        height: HEIGHT as u32,
        rgb: Arc::new(rgb.collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use visavis_engine::Timings;

    fn run(finish_reason: FinishReason, decode_tokens: usize, decode_s: f64) -> Completion {
        Completion {
            text: String::new(),
            token_ids: Vec::new(),
            prompt_token_ids: Vec::new(),
            finish_reason,
            timings: Timings {
                prefill_tokens: 100,
                prefill_s: decode_s * 4.0,
                decode_s,
                decode_tokens,
                first_token_s: decode_s * 5.0,
                ..Timings::default()
            },
        }
    }

    #[test]
    fn the_middle_one_counts() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 1.0);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn tokens_are_counted_by_the_steps_they_took() {
        let runs = [
            run(FinishReason::Length, 33, 8.0),
            run(FinishReason::Length, 33, 4.0),
            run(FinishReason::Stop, 32, 16.0),
        ];
        assert_eq!(decoded(&runs), Some(Rate::new(32, 8.0)));
        // An answer of nothing but its end still took a step; one token cut there took none.
        assert_eq!(decoded(&[run(FinishReason::Length, 1, 0.0)]), None);
        assert_eq!(prefilled(&runs).tokens_per_s, 100.0 / 32.0);
        assert_eq!(waited(&runs).seconds, 40.0);
    }

    #[test]
    fn no_picture_is_like_another() {
        let first = picture(1);
        assert_eq!(first.rgb.len(), 640 * 480 * 3);
        assert!(first.rgb != picture(2).rgb && first.rgb == picture(1).rgb);
    }
}
