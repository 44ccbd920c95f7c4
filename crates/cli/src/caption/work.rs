//! The threads of a run: each reads a picture, asks the engine, writes the text file, and takes
//! the next one. The engine computes what the threads ask in one batch.

use super::plan::{Act, Plan, Task};
use super::{CaptionJob, Row, Status, Stop};
use crate::ask::request;
use crate::failure::Failure;
use crate::host::Host;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::text::shown;
use crate::{pictures, sidecar};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use visavis_engine::{FailureCode, Priority, Request};
use visavis_llava::generate::FinishReason;

/// How one task ended; `Err` ends the run.
type Ended = Result<Row, Failure>;

/// What the threads share.
pub(super) struct Work<'a> {
    job: &'a CaptionJob,
    tasks: &'a [Task],
    host: &'a Host,
    progress: &'a Progress,
    interrupt: &'a Interrupt,
    next: AtomicUsize,
    stopped: AtomicBool,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        job: &'a CaptionJob,
        plan: &'a Plan,
        host: &'a Host,
        progress: &'a Progress,
        interrupt: &'a Interrupt,
    ) -> Self {
        let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self {
            job,
            tasks: &plan.tasks,
            host,
            progress,
            interrupt,
            next,
            stopped,
        }
    }

    /// Works on all tasks and hands each row with its place to `on_row`, in the order in which
    /// they are finished. Ends early on Ctrl-C, when `on_row` says so, or when going on is of
    /// no use.
    pub(super) fn run(
        &self,
        threads: usize,
        mut on_row: impl FnMut(usize, Row) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let (sender, ended) = mpsc::channel::<(usize, Ended)>();
        std::thread::scope(|scope| {
            for _ in 0..threads.min(self.tasks.len()) {
                let sender = sender.clone();
                scope.spawn(move || self.thread(&sender));
            }
            // The loop below ends when the last thread drops its sender.
            drop(sender);
            let mut outcome = Ok(());
            for (index, ended) in ended {
                if outcome.is_ok() {
                    outcome = ended
                        .map_err(Stop::Failed)
                        .and_then(|row| on_row(index, row));
                    if outcome.is_err() {
                        self.stopped.store(true, Ordering::SeqCst);
                        self.host.cancel_all();
                    }
                }
            }
            outcome
        })
    }

    fn thread(&self, sender: &mpsc::Sender<(usize, Ended)>) {
        while !self.stopping() {
            let index = self.next.fetch_add(1, Ordering::SeqCst);
            let Some(task) = self.tasks.get(index) else {
                return;
            };
            let Some(ended) = self.task(task) else { return };
            if sender.send((index, ended)).is_err() {
                return;
            }
        }
    }

    fn stopping(&self) -> bool {
        self.interrupt.pressed() || self.stopped.load(Ordering::SeqCst)
    }

    /// `None` if the run was stopped meanwhile.
    fn task(&self, task: &Task) -> Option<Ended> {
        let Act::Caption(sidecar) = &task.act else {
            return task.settled().map(Ok);
        };
        let picture = match pictures::read(&task.path) {
            Ok(picture) => picture,
            Err(failure) => return Some(self.unreadable(&task.path, &failure)),
        };
        let size = (picture.width, picture.height);
        let text = match self.job.style.wording(&self.job.prompt, &[size]) {
            Ok(text) => text,
            Err(failure) => return Some(Ok(Row::failed(&task.path, failure.message()))),
        };
        let request = request(&self.job.generation, text, vec![picture], Priority::Batch);
        match self.answer(request)? {
            Ok(Ok(caption)) => Some(Ok(deliver(&task.path, caption, sidecar.as_deref()))),
            Ok(Err(reason)) => {
                let reason = format!("{}: {reason}", shown(&task.path));
                Some(Ok(Row::failed(&task.path, &reason)))
            }
            Err(failure) => Some(Err(failure)),
        }
    }

    /// One bad picture is a row; a whole source that is gone (a drive was pulled) ends the run,
    /// instead of failing every picture that is left.
    fn unreadable(&self, path: &Path, failure: &Failure) -> Ended {
        let source = self
            .job
            .sources
            .iter()
            .find(|source| path.starts_with(source));
        match source {
            Some(source) if source != path && !source.exists() => Err(Failure::new(format!(
                "{}: this folder is gone",
                shown(source)
            ))
            .hint("connect its drive again and repeat the command")),
            _ => Ok(Row::failed(path, failure.message())),
        }
    }

    /// The caption, or why this picture has none; an outer error ends the run, `None` means
    /// that it was stopped. What may be another picture's fault is tried once more.
    fn answer(&self, request: Request) -> Option<Result<Result<String, String>, Failure>> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let loads = self.host.loads();
            let failure = match self.host.ask(request.clone(), |_| {}) {
                Ok(answer) if answer.finish_reason == FinishReason::Cancelled => return None,
                Ok(answer) => return Some(Ok(Ok(answer.text))),
                Err(failure) => failure,
            };
            match failure.code {
                FailureCode::Cancelled => return None,
                FailureCode::Gone => return Some(Err(failure.into())),
                FailureCode::Crashed | FailureCode::NoModel => {
                    if let Err(failure) = self.host.reload(loads, self.progress) {
                        return Some(Err(failure));
                    }
                }
                FailureCode::Computation => {}
                _ => return Some(Ok(Err(failure.message))),
            }
            if attempts > 1 {
                return Some(Ok(Err(failure.message)));
            }
        }
    }
}

/// Writes the text file, if one is wanted. A caption that cannot be written is still printed.
fn deliver(path: &Path, caption: String, sidecar: Option<&Path>) -> Row {
    let mut row = Row::new(path, Status::Done);
    if let Some(sidecar) = sidecar {
        match sidecar::write(sidecar, &caption) {
            Ok(()) => row.outputs.push(sidecar.display().to_string()),
            Err(failure) => row = Row::failed(path, failure.message()),
        }
    }
    row.text = Some(caption);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_that_cannot_be_written_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let sidecar = folder.path().join("missing/a.txt");
        let row = deliver(Path::new("a.jpg"), "A dog.".to_owned(), Some(&sidecar));
        assert_eq!(
            (row.status, row.text.as_deref()),
            (Status::Failed, Some("A dog."))
        );
        assert!(row.error.unwrap().contains("a.txt") && row.outputs.is_empty());
    }
}
