//! Who takes part in a step.
//!
//! Only the most urgent class of work steps: while a chat request is reading or writing, nothing
//! is read ahead and no job computes. A step of a batch is several times as long as a step of
//! one sequence on a CPU, so anything taken along would be felt by the person who waits.
//! Sequences that are passed over keep their caches and go on where they were.

use crate::backend::{Backend, Cache};
use crate::sequence::{Job, Sequence};
use crate::shared::Class;
use std::collections::VecDeque;
use std::ops::Range;

/// What a step computes for one sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its place among the running sequences.
    pub(crate) at: usize,
    /// The positions to compute.
    pub(crate) range: Range<usize>,
    /// Whether a token is chosen after them.
    pub(crate) logits: bool,
}

/// The most urgent class that has work.
pub(crate) fn class<B: Backend>(waiting: &VecDeque<Job>, running: &[Sequence<B>]) -> Option<Class> {
    let waiting = waiting.iter().map(|job| job.reporter.class);
    waiting
        .chain(running.iter().map(|sequence| sequence.job.reporter.class))
        .min()
}

/// How many sequences of a class run together. Reading ahead is one at a time, so that what the
/// person turned to first is ready first.
pub(crate) fn limit(class: Class, max_batch: usize) -> usize {
    if class == Class::Prepare {
        1
    } else {
        max_batch.max(1)
    }
}

/// Takes the longest waiting work of a class out of the queue.
pub(crate) fn next(waiting: &mut VecDeque<Job>, class: Class) -> Option<Job> {
    let at = waiting.iter().position(|job| job.reporter.class == class)?;
    waiting.remove(at)
}

/// The parts of a step of `class`: one position of every sequence that is writing, and in all at
/// most `chunk` positions of those that are reading, in the order they came.
pub(crate) fn plan<B: Backend>(running: &[Sequence<B>], class: Class, chunk: usize) -> Vec<Part> {
    let mut room = chunk.max(1);
    let mut parts = Vec::new();
    for (at, sequence) in running.iter().enumerate() {
        if sequence.job.reporter.class != class || sequence.outcome.is_some() {
            continue;
        }
        let start = sequence.cache.len();
        let end = if sequence.reading() {
            let end = sequence.prompt.min(start + room);
            room -= end - start;
            end
        } else {
            sequence.positions.len()
        };
        if start < end {
            let logits = sequence.answer.is_some() && end == sequence.positions.len();
            parts.push(Part {
                at,
                range: start..end,
                logits,
            });
        }
    }
    parts
}
