//! One answer, from the engine's first report to the last word on the disk.

use super::ask::AnswerEvent;
use super::progress::{Gauge, Progress};
use super::request::Talk;
use super::view::AnswerStats;
use crate::model::ModelState;
use crate::settings::AnswerOptions;
use crate::state::{App, AppEvent};
use crate::{AppError, Code, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use visavis_engine::{Completion, Event, FailureCode, RequestId};
use visavis_llava::Stage;
use visavis_llava::generate::FinishReason;
use visavis_store::{Finished, MessageStatus};

/// What is written goes to the disk at least this often.
const SAVE: Duration = Duration::from_millis(400);
/// How often the queue is looked at while nothing comes.
const LOOK: Duration = Duration::from_millis(500);
/// How often a finished answer is tried to be saved while the disk is full.
const RETRY: Duration = Duration::from_secs(2);
/// The shortest answer that a nearly full context is still asked for.
const SHORTEST: u32 = 64;

/// An answer that is being worked on.
pub(crate) struct Running {
    /// Its thread.
    pub(crate) thread: i64,
    /// The engine's work, once it has some.
    pub(crate) request: Option<RequestId>,
    /// Whether the person stopped it.
    pub(crate) stopped: bool,
    /// Wakes work that waits for a model when it is stopped.
    pub(crate) wake: Arc<Notify>,
}

impl Running {
    pub(crate) fn new(thread: i64) -> Self {
        Self {
            thread,
            request: None,
            stopped: false,
            wake: Arc::default(),
        }
    }
}

/// What is to be done for an answer.
pub(crate) struct Work {
    pub(crate) thread: i64,
    pub(crate) answer: i64,
    pub(crate) options: AnswerOptions,
    /// What is there already, when it is continued.
    pub(crate) written: String,
    /// Pictures that the model has not seen, as far as one can tell.
    pub(crate) new_pictures: usize,
}

/// How the engine's work ended.
enum End {
    Done(Completion),
    Failed(AppError),
    /// The context is full; something may be left out.
    Full(AppError),
}

impl Work {
    /// Asks the engine, tells and keeps what comes, and leaves the answer finished.
    pub(crate) async fn run(mut self, app: &App, events: &UnboundedSender<AnswerEvent>) {
        let ended = self.answer_of(app, events).await;
        let (status, stats, error) = match ended {
            Ok((completion, forgotten)) => {
                app.note_speeds(&completion.timings, self.new_pictures)
                    .await;
                let device = app.engine.status().device;
                let model = app.model_state().model().map(|m| m.name.clone());
                let stats =
                    AnswerStats::new(model.unwrap_or_default(), device, &completion, forgotten);
                (status_of(completion.finish_reason), Some(stats), None)
            }
            Err(error) if error.code == Code::Cancelled => (MessageStatus::Stopped, None, None),
            Err(error) => (MessageStatus::Failed, None, Some(error)),
        };
        self.finish(app, events, status, stats, error).await;
    }

    async fn answer_of(
        &mut self,
        app: &App,
        events: &UnboundedSender<AnswerEvent>,
    ) -> Result<(Completion, u32)> {
        self.wait_for_model(app, events).await?;
        let mut branch = app.store.branch_to(self.answer).await?;
        if self.written.is_empty() {
            // The answer itself is empty: the conversation ends with the question.
            branch.pop();
        }
        let mut talk = app.talk(&branch).await?;
        let mut forgotten = 0;
        let mut room = self.options.max_tokens;
        loop {
            match self.attempt(app, events, &talk, room).await? {
                End::Done(completion) => return Ok((completion, forgotten)),
                End::Failed(error) => return Err(error),
                // A shorter answer first; then, if the person wants it, a shorter memory.
                End::Full(_) if room > SHORTEST => room = (room / 2).max(SHORTEST),
                End::Full(error) => {
                    if !(self.options.forget_oldest && talk.forget_oldest()) {
                        return Err(error);
                    }
                    forgotten += 2;
                    room = self.options.max_tokens;
                }
            }
        }
    }

    /// Waits while the model is being loaded, and tells how far that is.
    async fn wait_for_model(&self, app: &App, events: &UnboundedSender<AnswerEvent>) -> Result<()> {
        let mut model = app.model.subscribe();
        let wake = app
            .lock(&app.running)
            .get(&self.answer)
            .map(|running| Arc::clone(&running.wake));
        let wake = wake.unwrap_or_default();
        loop {
            if self.stopped(app) {
                return Err(cancelled());
            }
            match &*model.borrow_and_update() {
                ModelState::Ready { .. } => return Ok(()),
                ModelState::None => return Err(AppError::no_model()),
                ModelState::Failed { error, .. } => return Err(error.clone()),
                ModelState::Loading {
                    done,
                    total,
                    eta_seconds,
                    ..
                } => {
                    let _ = events.send(AnswerEvent::Stage(Progress {
                        stage: Stage::Loading,
                        done: *done,
                        total: *total,
                        eta_seconds: *eta_seconds,
                        seeing: None,
                    }));
                }
            }
            tokio::select! {
                changed = model.changed() => changed.map_err(AppError::internal)?,
                () = wake.notified() => {}
            }
        }
    }

    /// Asks once and follows it to its end.
    async fn attempt(
        &mut self,
        app: &App,
        events: &UnboundedSender<AnswerEvent>,
        talk: &Talk,
        room: u32,
    ) -> Result<End> {
        let mut stream = app.engine.submit(talk.request(&self.options, room));
        if let Some(running) = app.lock(&app.running).get_mut(&self.answer) {
            running.request = Some(stream.id);
        }
        // Stopped just before the engine had something to cancel.
        if self.stopped(app) {
            app.engine.cancel(stream.id);
        }
        let positions = positions(talk);
        let mut gauge = Gauge::new(app, self.new_pictures, positions);
        let mut saved = Instant::now();
        let mut unsaved = false;
        let mut heard = false;
        loop {
            let event = match tokio::time::timeout(LOOK, stream.next()).await {
                Ok(event) => event,
                Err(_) => {
                    if !heard {
                        self.tell_queue(app, events, stream.id);
                    }
                    if unsaved {
                        self.save(app).await;
                        unsaved = false;
                    }
                    continue;
                }
            };
            match event {
                Some(Event::Progress { stage, done, total }) => {
                    heard = true;
                    let progress = gauge.read(stage, done, total);
                    let _ = events.send(AnswerEvent::Stage(progress));
                }
                Some(Event::Text { text }) => {
                    heard = true;
                    unsaved = true;
                    self.add(text, events);
                    if saved.elapsed() >= SAVE {
                        self.save(app).await;
                        (saved, unsaved) = (Instant::now(), false);
                    }
                }
                Some(Event::Done(completion)) => return Ok(End::Done(completion)),
                Some(Event::Failed(failure)) => {
                    let full = failure.code == FailureCode::ContextFull;
                    let error = AppError::from(failure);
                    if error.code == Code::ModelCrashed {
                        app.model_crashed(&error);
                    }
                    return Ok(if full {
                        End::Full(error)
                    } else {
                        End::Failed(error)
                    });
                }
                Some(Event::Ready) | None => {
                    return Err(AppError::internal("the engine ended without an answer"));
                }
            }
        }
    }

    /// The first word of an answer comes with the blank that stands before it in the prompt.
    fn add(&mut self, text: String, events: &UnboundedSender<AnswerEvent>) {
        let text = if self.written.is_empty() {
            text.trim_start().to_owned()
        } else {
            text
        };
        if !text.is_empty() {
            self.written.push_str(&text);
            let _ = events.send(AnswerEvent::Text(text));
        }
    }

    fn tell_queue(&self, app: &App, events: &UnboundedSender<AnswerEvent>, id: RequestId) {
        let queue = app.engine.status().queue;
        if let Some(ahead) = queue.iter().position(|other| *other == id) {
            let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
            let _ = events.send(AnswerEvent::Queued(ahead));
        }
    }

    async fn save(&self, app: &App) {
        // What cannot be saved now is saved with what follows; the end says so if it never is.
        if let Err(error) = app.store.write_answer(self.answer, &self.written).await {
            tracing::warn!(%error, "a part of an answer could not be saved");
        }
    }

    fn stopped(&self, app: &App) -> bool {
        app.lock(&app.running)
            .get(&self.answer)
            .is_none_or(|running| running.stopped)
    }

    async fn finish(
        &mut self,
        app: &App,
        events: &UnboundedSender<AnswerEvent>,
        status: MessageStatus,
        stats: Option<AnswerStats>,
        error: Option<AppError>,
    ) {
        self.written.truncate(self.written.trim_end().len());
        let stats = stats.and_then(|stats| serde_json::to_string(&stats).ok());
        let kept_error = error
            .as_ref()
            .and_then(|error| serde_json::to_string(error).ok());
        let end = Finished {
            text: &self.written,
            status,
            stats: stats.as_deref(),
            error: kept_error.as_deref(),
        };
        let saved = app.store.finish_answer(self.answer, end.clone()).await;
        if let Err(unsaved) = saved {
            self.save_later(app, events, end, unsaved.into()).await;
        }
        app.lock(&app.running).remove(&self.answer);
        self.tell_end(app, events, error.is_some()).await;
        app.tell_thread(self.thread).await;
    }

    /// The disk is full, or gone: the person is told, and the answer is held until it can be
    /// saved or its thread is gone.
    async fn save_later(
        &self,
        app: &App,
        events: &UnboundedSender<AnswerEvent>,
        end: Finished<'_>,
        why: AppError,
    ) {
        app.tell(AppEvent::Trouble(why.clone()));
        if let Ok(mut answer) = app.view_message(self.answer).await
            && let Ok(thread) = app.thread_summary(self.thread).await
        {
            answer.text = self.written.clone();
            answer.status = end.status;
            answer.error = Some(why);
            let _ = events.send(AnswerEvent::Failed {
                answer: Box::new(answer),
                thread,
            });
        }
        loop {
            tokio::time::sleep(RETRY).await;
            match app.store.finish_answer(self.answer, end.clone()).await {
                Ok(()) => break,
                Err(visavis_store::Error::Full | visavis_store::Error::Io { .. })
                    if !self.stopped(app) => {}
                Err(_) => return,
            }
        }
        if let Ok(answer) = app.view_message(self.answer).await {
            app.tell(AppEvent::MessageChanged(self.thread, Box::new(answer)));
        }
    }

    async fn tell_end(&self, app: &App, events: &UnboundedSender<AnswerEvent>, failed: bool) {
        let Ok(branch) = app.store.branch_to(self.answer).await else {
            // The thread was deleted meanwhile.
            return;
        };
        let mut messages = app.view_branch(branch);
        let context = app.meter(&messages);
        let (Some(answer), Ok(thread)) = (messages.pop(), app.thread_summary(self.thread).await)
        else {
            return;
        };
        let answer = Box::new(answer);
        let _ = events.send(if failed {
            AnswerEvent::Failed { answer, thread }
        } else {
            AnswerEvent::Done {
                answer,
                thread,
                context,
            }
        });
    }
}

/// About how many positions are read after the pictures: a guess for the time left, no more.
fn positions(talk: &Talk) -> f64 {
    let letters: usize = talk.turns.iter().map(|turn| turn.text.len()).sum();
    talk.pictures.len() as f64 * 576.0 + letters as f64 / 4.0
}

fn status_of(reason: FinishReason) -> MessageStatus {
    match reason {
        FinishReason::Stop => MessageStatus::Complete,
        FinishReason::Length => MessageStatus::Cut,
        FinishReason::Repetition => MessageStatus::Repeating,
        FinishReason::Cancelled => MessageStatus::Stopped,
    }
}

fn cancelled() -> AppError {
    AppError::new(Code::Cancelled, "Stopped.")
}
