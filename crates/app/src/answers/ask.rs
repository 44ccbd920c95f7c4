//! What a person does with questions: ask, word anew, answer again, continue, stop.

use super::progress::Progress;
use super::request::wording;
use super::run::{Running, Work};
use super::view::{ContextMeter, Message};
use crate::model::ModelState;
use crate::pictures::MOST_PICTURES;
use crate::settings::AnswerOptions;
use crate::state::App;
use crate::threads::ThreadSummary;
use crate::{AppError, Code, Result, title};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use visavis_store::{MessageStatus, NewQuestion, PictureId, Role};

/// Temperature of an answer that is made anew, where the first was made without chance.
const ANEW: f64 = 0.7;

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// The thread; `None` begins one.
    pub thread: Option<i64>,
    /// The question that this one is a new wording of.
    pub replaces: Option<i64>,
    /// What is asked.
    pub text: String,
    /// Its pictures with their names.
    pub pictures: Vec<(PictureId, String)>,
    /// How it is to be answered.
    pub options: AnswerOptions,
}

/// What happens to a question, in order; the last is `Done` or `Failed`.
#[derive(Debug, Clone)]
pub enum AnswerEvent {
    /// It is saved.
    Accepted {
        /// The thread, perhaps new.
        thread: ThreadSummary,
        /// The question; `None` where none was asked.
        question: Option<Box<Message>>,
        /// The answer as far as it is there.
        answer: Box<Message>,
    },
    /// So many go first.
    Queued(u32),
    /// What is being done.
    Stage(Progress),
    /// More of the answer.
    Text(String),
    /// It is finished, or was stopped.
    Done {
        /// All of it.
        answer: Box<Message>,
        /// The thread.
        thread: ThreadSummary,
        /// How full the context is.
        context: ContextMeter,
    },
    /// It failed.
    Failed {
        /// What there is of it, with the error.
        answer: Box<Message>,
        /// The thread.
        thread: ThreadSummary,
    },
}

impl App {
    /// Asks. When this returns, the question is saved; the answer's id and events come back.
    ///
    /// # Errors
    /// No model is chosen, the style lacks something, too many pictures, or it cannot be saved.
    pub async fn ask(&self, question: Question) -> Result<(i64, UnboundedReceiver<AnswerEvent>)> {
        self.need_model()?;
        if question.pictures.len() > MOST_PICTURES {
            return Err(AppError::new(
                Code::TooManyPictures,
                format!("A question takes at most {MOST_PICTURES} pictures."),
            )
            .hint("Remove some, or ask about them one after the other."));
        }
        let options = question.options.in_range();
        let parent = self.parent(question.thread, question.replaces).await?;
        // Whether the style has what it needs is known before anything is saved.
        let area = match question.pictures.first() {
            Some((id, _)) => Some(self.store.picture(id).await?),
            None => None,
        };
        wording(&question.text, &options, area.as_ref())?;
        let asked = self
            .store
            .ask(NewQuestion {
                thread: question.thread,
                parent,
                text: &question.text,
                options: &serde_json::to_string(&options).map_err(AppError::internal)?,
                pictures: &question.pictures,
                title: &title::from_question(&question.text),
            })
            .await?;
        let work = Work {
            thread: asked.thread,
            answer: asked.answer,
            options,
            written: String::new(),
            new_pictures: question.pictures.len(),
        };
        self.run(work, Some(asked.question)).await
    }

    /// The message that a question follows.
    async fn parent(&self, thread: Option<i64>, replaces: Option<i64>) -> Result<Option<i64>> {
        if let Some(replaced) = replaces {
            return Ok(self.store.message(replaced).await?.parent);
        }
        let Some(thread) = thread else {
            return Ok(None);
        };
        let leaf = self.store.branch(thread).await?.pop();
        match leaf {
            Some(leaf) if leaf.status == MessageStatus::Writing => Err(still_writing()),
            // A question at the end, without any answer: the new one takes its place.
            Some(leaf) if leaf.role == Role::User => Ok(leaf.parent),
            Some(leaf) => Ok(Some(leaf.id)),
            None => Ok(None),
        }
    }

    /// Answers a question once more. Without `options` with chance, lest the same words come.
    pub async fn regenerate(
        &self,
        answer: i64,
        options: Option<AnswerOptions>,
    ) -> Result<(i64, UnboundedReceiver<AnswerEvent>)> {
        self.need_model()?;
        self.not_running(answer)?;
        let question = self.store.message(answer).await?.parent;
        let question = question.ok_or(visavis_store::Error::NotFound("message"))?;
        let asked = self.store.message(question).await?;
        let options = match options {
            Some(options) => options.in_range(),
            None => {
                let mut options = AnswerOptions::from_json(asked.options.as_deref());
                if options.temperature == 0.0 {
                    options.temperature = ANEW;
                }
                // Every further answer differs from those before.
                let count = self.store.message(answer).await?.siblings.len();
                options.seed = options.seed.wrapping_add(u32::try_from(count).unwrap_or(1));
                options
            }
        };
        let asked = self.store.answer_again(question).await?;
        let work = Work {
            thread: asked.thread,
            answer: asked.answer,
            options,
            written: String::new(),
            new_pictures: 0,
        };
        self.run(work, None).await
    }

    /// Goes on with an answer that was cut, stopped or interrupted.
    pub async fn continue_answer(
        &self,
        answer: i64,
    ) -> Result<(i64, UnboundedReceiver<AnswerEvent>)> {
        self.need_model()?;
        self.not_running(answer)?;
        let branch = self.store.branch_to(answer).await?;
        let [.., question, last] = branch.as_slice() else {
            return Err(visavis_store::Error::NotFound("message").into());
        };
        if last.role != Role::Assistant {
            return Err(visavis_store::Error::NotFound("message").into());
        }
        let work = Work {
            thread: last.thread,
            answer,
            options: AnswerOptions::from_json(question.options.as_deref()),
            written: last.text.clone(),
            new_pictures: 0,
        };
        self.store.resume(answer).await?;
        self.run(work, None).await
    }

    /// Stops an answer. Nothing happens if it has ended.
    pub fn stop(&self, answer: i64) {
        let request = match self.lock(&self.running).get_mut(&answer) {
            Some(running) => {
                running.stopped = true;
                running.wake.notify_one();
                running.request
            }
            None => None,
        };
        if let Some(request) = request {
            self.engine.cancel(request);
        }
    }

    pub(crate) fn stop_all(&self) {
        let answers: Vec<i64> = self.lock(&self.running).keys().copied().collect();
        for answer in answers {
            self.stop(answer);
        }
    }

    fn need_model(&self) -> Result<()> {
        match self.model_state() {
            ModelState::None => Err(AppError::no_model()),
            ModelState::Failed { error, .. } => Err(error),
            ModelState::Loading { .. } | ModelState::Ready { .. } => Ok(()),
        }
    }

    fn not_running(&self, answer: i64) -> Result<()> {
        if self.lock(&self.running).contains_key(&answer) {
            Err(still_writing())
        } else {
            Ok(())
        }
    }

    /// Enters the answer as running, tells that it is accepted, and lets it go.
    async fn run(
        &self,
        work: Work,
        question: Option<i64>,
    ) -> Result<(i64, UnboundedReceiver<AnswerEvent>)> {
        let answer = work.answer;
        self.lock(&self.running)
            .insert(answer, Running::new(work.thread));
        let (events, receiver) = unbounded_channel();
        let accepted = self.accepted(&work, question, &events).await;
        if let Err(error) = accepted {
            self.lock(&self.running).remove(&answer);
            return Err(error);
        }
        // The question takes over what was read ahead for it; cancelling would throw that away.
        self.lock(&self.read_ahead).take();
        let app = self.clone();
        tokio::spawn(async move { work.run(&app, &events).await });
        Ok((answer, receiver))
    }

    async fn accepted(
        &self,
        work: &Work,
        question: Option<i64>,
        events: &UnboundedSender<AnswerEvent>,
    ) -> Result<()> {
        let thread = self.thread_summary(work.thread).await?;
        let question = match question {
            Some(id) => Some(Box::new(self.view_message(id).await?)),
            None => None,
        };
        let answer = Box::new(self.view_message(work.answer).await?);
        self.remember_open(Some(work.thread)).await?;
        self.tell_thread(work.thread).await;
        let _ = events.send(AnswerEvent::Accepted {
            thread,
            question,
            answer,
        });
        Ok(())
    }
}

fn still_writing() -> AppError {
    AppError::new(Code::Busy, "The answer is still being written.")
        .hint("Wait for it or stop it, then ask.")
}
