//! Looking at the pictures while the person still types.

use super::progress::{Gauge, Progress};
use crate::model::ModelState;
use crate::state::App;
use crate::{AppError, Result};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use visavis_engine::{Event, Prepare};
use visavis_llava::prompt::Message as Turn;
use visavis_store::PictureId;

/// What is certain of a question.
#[derive(Debug, Clone)]
pub struct ReadAhead {
    /// Its thread.
    pub thread: Option<i64>,
    /// The question that it is a new wording of.
    pub replaces: Option<i64>,
    /// Its pictures.
    pub pictures: Vec<PictureId>,
}

/// What reading ahead tells.
#[derive(Debug, Clone)]
pub enum ReadAheadEvent {
    /// What is being done.
    Stage(Progress),
    /// It is done.
    Ready,
    /// It did not work, or was given up.
    Failed(AppError),
}

impl App {
    /// Reads ahead, in place of what was read ahead before. Nothing comes if the model is not
    /// ready: then it has better things to do.
    pub async fn read_ahead(&self, ahead: ReadAhead) -> Result<UnboundedReceiver<ReadAheadEvent>> {
        self.stop_read_ahead();
        let (events, receiver) = unbounded_channel();
        let ready = matches!(self.model_state(), ModelState::Ready { .. });
        if !ready || ahead.pictures.is_empty() {
            let _ = events.send(ReadAheadEvent::Ready);
            return Ok(receiver);
        }
        let branch = match (ahead.thread, ahead.replaces) {
            (_, Some(replaced)) => {
                let mut branch = self.store.branch_to(replaced).await?;
                branch.pop();
                branch
            }
            (Some(thread), None) => self.store.branch(thread).await?,
            (None, None) => Vec::new(),
        };
        let mut talk = self.talk(&branch).await?;
        // A question that waits at the end will be replaced by the one being typed.
        if talk.turns.len() % 2 == 1
            && let Some(open) = talk.turns.pop()
        {
            let kept = talk.pictures.len().saturating_sub(open.pictures);
            talk.pictures.truncate(kept);
        }
        for id in &ahead.pictures {
            let row = self.store.picture(id).await?;
            talk.pictures.push(self.pixels(&row).await?);
        }
        talk.turns.push(Turn::user("", ahead.pictures.len()));
        let mut stream = self.engine.prepare(Prepare {
            conversation: talk.conversation(),
            pictures: talk.pictures.clone(),
        });
        *self.lock(&self.read_ahead) = Some(stream.id);
        let mut gauge = Gauge::new(
            self,
            ahead.pictures.len(),
            ahead.pictures.len() as f64 * 576.0,
        );
        let app = self.clone();
        tokio::spawn(async move {
            while let Some(event) = stream.next().await {
                let told = match event {
                    Event::Progress { stage, done, total } => {
                        ReadAheadEvent::Stage(gauge.read(stage, done, total))
                    }
                    Event::Failed(failure) => ReadAheadEvent::Failed(failure.into()),
                    Event::Ready | Event::Done(_) => ReadAheadEvent::Ready,
                    Event::Text { .. } => continue,
                };
                if events.send(told).is_err() {
                    break;
                }
            }
            let mut current = app.lock(&app.read_ahead);
            if *current == Some(stream.id) {
                *current = None;
            }
        });
        Ok(receiver)
    }

    /// Gives the reading ahead up.
    pub fn stop_read_ahead(&self) {
        let current = self.lock(&self.read_ahead).take();
        if let Some(id) = current {
            self.engine.cancel(id);
        }
    }
}
