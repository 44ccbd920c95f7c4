//! Generation: sampling, stopping, text.
//!
//! [`Generation`] is the state of one answer. It is fed one row of logits at a time and says
//! what that made of the answer, so that an engine can advance many of them in one batched
//! forward pass. [`Generator`] is the iterator built on it for everybody who advances one.

mod random;
mod repetition;
mod sampler;
mod stream;

pub use random::SplitMix64;
pub use repetition::RepetitionDetector;
pub use sampler::Sampler;
pub use stream::TextStream;

use crate::prompt::PromptToken;
use crate::{Error, Result, Tokenizer};
use serde::{Deserialize, Serialize};

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f64,
    /// Nucleus; 1 keeps all.
    pub top_p: f64,
    /// 0 keeps all.
    pub top_k: usize,
    /// 1 is none.
    pub repetition_penalty: f32,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }
}

impl Sampling {
    /// Checks the ranges: temperature from 0, top-p above 0 and up to 1, repetition penalty above
    /// 0, all of them finite.
    ///
    /// # Errors
    /// [`Error::Request`] that names the value.
    pub fn validate(&self) -> Result<()> {
        let Self {
            temperature,
            top_p,
            repetition_penalty,
            ..
        } = *self;
        let request = |message: String| Err(Error::Request(message));
        if !(temperature.is_finite() && temperature >= 0.0) {
            return request(format!(
                "the temperature must be 0 or more, not {temperature}"
            ));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return request(format!("top-p must be above 0 and at most 1, not {top_p}"));
        }
        if !(repetition_penalty.is_finite() && repetition_penalty > 0.0) {
            return request(format!(
                "the repetition penalty must be above 0, not {repetition_penalty}"
            ));
        }
        Ok(())
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model said `</s>`.
    Stop,
    /// The asked length was reached.
    Length,
    /// The answer went round in circles.
    Repetition,
    /// The caller stopped it.
    Cancelled,
}

/// What ends an answer, beside `</s>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens the answer may have at most.
    pub max_tokens: usize,
    /// End an answer that goes round in circles.
    pub stop_repetition: bool,
}

/// What one row of logits added to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenStep {
    /// The chosen id; the next one to feed, unless the answer has ended. May be `</s>`.
    pub token: u32,
    /// New text, whole characters only.
    pub text: Option<String>,
    /// Set when this was the last step.
    pub finish: Option<FinishReason>,
}

/// The state of one answer.
#[derive(Debug)]
pub struct Generation {
    sampler: Sampler,
    stream: TextStream,
    repetition: Option<RepetitionDetector>,
    max_tokens: usize,
    eos: u32,
    ids: Vec<u32>,
    text: String,
    finish: Option<FinishReason>,
}

impl Generation {
    /// An answer to `prompt`, whose ids the repetition penalty counts. With `continues`, the
    /// prompt ends inside an answer that goes on, so that a leading space belongs to the text.
    ///
    /// # Errors
    /// [`Error::Request`] when a sampling value is out of range.
    pub fn new(
        tokenizer: &Tokenizer,
        sampling: &Sampling,
        prompt: &[PromptToken],
        limits: Limits,
        continues: bool,
    ) -> Result<Self> {
        let mut sampler = Sampler::new(sampling, tokenizer.pieces(), tokenizer.never())?;
        for token in prompt {
            if let PromptToken::Id(id) = token {
                sampler.observe(*id);
            }
        }
        let stream = if continues {
            TextStream::continuing(tokenizer)
        } else {
            TextStream::new(tokenizer)
        };
        Ok(Self {
            sampler,
            stream,
            repetition: limits.stop_repetition.then(RepetitionDetector::new),
            max_tokens: limits.max_tokens,
            eos: tokenizer.eos(),
            ids: Vec::new(),
            text: String::new(),
            finish: (limits.max_tokens == 0).then_some(FinishReason::Length),
        })
    }

    /// Chooses the next token from the logits of the last position (at least
    /// [`Tokenizer::pieces`] of them).
    ///
    /// # Errors
    /// [`Error::NotANumber`] when a logit is NaN or plus infinity, or none can win;
    /// [`Error::Request`] when the answer has ended. The state is then as it was before.
    pub fn accept(&mut self, logits: &[f32]) -> Result<TokenStep> {
        if self.finish.is_some() {
            return Err(Error::Request("the answer has ended already".to_owned()));
        }
        let token = self.sampler.pick(logits)?;
        if token == self.eos {
            let text = self.end(FinishReason::Stop);
            return Ok(TokenStep {
                token,
                text,
                finish: self.finish,
            });
        }
        self.ids.push(token);
        self.sampler.observe(token);
        let circles = self
            .repetition
            .as_mut()
            .is_some_and(|detector| detector.push(token));
        let new = self.stream.push(token);
        self.text.extend(new.as_deref());
        let mut text = new;
        let finish = if circles {
            Some(FinishReason::Repetition)
        } else {
            (self.ids.len() >= self.max_tokens).then_some(FinishReason::Length)
        };
        if let Some(rest) = finish.and_then(|reason| self.end(reason)) {
            text.get_or_insert_default().push_str(&rest);
        }
        Ok(TokenStep {
            token,
            text,
            finish: self.finish,
        })
    }

    /// Ends the answer as [`FinishReason::Cancelled`], unless it has ended; returns the text that
    /// was still held back.
    pub fn cancel(&mut self) -> Option<String> {
        if self.finish.is_some() {
            None
        } else {
            self.end(FinishReason::Cancelled)
        }
    }

    /// The ids so far, without `</s>`.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The text so far, as given out; not trimmed. Equals [`Tokenizer::decode`] of the ids once
    /// the answer has ended (but for the leading space of one that continues).
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why the answer ended; `None` while it goes on. An answer of no tokens has ended at once.
    pub fn finish(&self) -> Option<FinishReason> {
        self.finish
    }

    fn end(&mut self, reason: FinishReason) -> Option<String> {
        self.finish = Some(reason);
        let rest = self.stream.finish();
        self.text.extend(rest.as_deref());
        rest
    }
}

/// The steps of one answer, as an iterator. `next_logits` is given the token to feed and returns
/// the logits that follow it. Ends after the last step, or after an error.
pub struct Generator<F> {
    generation: Generation,
    next_logits: F,
    logits: Option<Vec<f32>>,
    last: Option<u32>,
    failed: bool,
}

impl<F: FnMut(u32) -> Result<Vec<f32>>> Generator<F> {
    /// Starts from the logits of the prompt's last position.
    pub fn new(generation: Generation, prompt_logits: Vec<f32>, next_logits: F) -> Self {
        Self {
            generation,
            next_logits,
            logits: Some(prompt_logits),
            last: None,
            failed: false,
        }
    }

    /// The answer so far.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    fn step(&mut self) -> Result<Option<TokenStep>> {
        let logits = match (self.logits.take(), self.last) {
            (Some(logits), _) => logits,
            (None, Some(last)) => (self.next_logits)(last)?,
            (None, None) => return Ok(None),
        };
        let step = self.generation.accept(&logits)?;
        self.last = Some(step.token);
        Ok(Some(step))
    }
}

impl<F: FnMut(u32) -> Result<Vec<f32>>> Iterator for Generator<F> {
    type Item = Result<TokenStep>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.generation.finish().is_some() {
            return None;
        }
        let step = self.step();
        self.failed = step.is_err();
        step.transpose()
    }
}

#[cfg(test)]
mod tests;
