//! Threads: the list, one that is opened, and what a person does with them.

use crate::answers::{ContextMeter, Message};
use crate::pictures::Picture;
use crate::settings::AnswerOptions;
use crate::state::{App, AppEvent};
use crate::{AppError, Result, title};
use visavis_store::{Cursor, PictureId, Role};

/// A thread in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadSummary {
    /// Names it.
    pub id: i64,
    /// Empty until there is a word to take.
    pub title: String,
    /// When something was last said.
    pub updated_at: i64,
    /// Whether it stays on top.
    pub pinned: bool,
    /// Its picture.
    pub thumbnail: Option<PictureId>,
    /// Whether an answer is being written in it.
    pub busy: bool,
}

/// A part of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadPage {
    /// In order.
    pub threads: Vec<ThreadSummary>,
    /// For the next part.
    pub next: Option<String>,
    /// In all.
    pub total: u32,
}

/// An opened thread.
#[derive(Debug, Clone)]
pub struct ThreadView {
    /// As in the list.
    pub summary: ThreadSummary,
    /// The branch that is shown.
    pub messages: Vec<Message>,
    /// How full the context is.
    pub context: ContextMeter,
    /// Its composer.
    pub draft: DraftView,
}

/// What stands in a composer.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftView {
    /// The text.
    pub text: String,
    /// The pictures.
    pub pictures: Vec<Picture>,
    /// `None` for those of the settings.
    pub options: Option<AnswerOptions>,
}

impl App {
    /// A part of the list.
    pub async fn threads(&self, cursor: Option<&str>, limit: u32) -> Result<ThreadPage> {
        let after: Option<Cursor> = cursor.map(str::parse).transpose()?;
        let limit = limit.clamp(1, 500);
        let rows = self.store.threads(after, limit).await?;
        let full = rows.len() == limit as usize;
        let next = rows
            .last()
            .filter(|_| full)
            .map(|last| last.cursor().to_string());
        Ok(ThreadPage {
            threads: rows.into_iter().map(|row| self.summary(row)).collect(),
            next,
            total: self.store.thread_count().await?,
        })
    }

    pub(crate) fn summary(&self, row: visavis_store::Thread) -> ThreadSummary {
        let busy = self
            .lock(&self.running)
            .values()
            .any(|running| running.thread == row.id);
        ThreadSummary {
            id: row.id,
            title: row.title,
            updated_at: row.updated_at,
            pinned: row.pinned,
            thumbnail: row.thumbnail,
            busy,
        }
    }

    pub(crate) async fn thread_summary(&self, thread: i64) -> Result<ThreadSummary> {
        Ok(self.summary(self.store.thread(thread).await?))
    }

    /// Tells that a thread's entry in the list changed.
    pub(crate) async fn tell_thread(&self, thread: i64) {
        if let Ok(summary) = self.thread_summary(thread).await {
            self.tell(AppEvent::ThreadChanged(summary));
        }
    }

    /// Opens a thread, and remembers that.
    pub async fn open_thread(&self, thread: i64) -> Result<ThreadView> {
        let view = self.view_thread(thread).await?;
        // A full disk must not keep a thread from being read.
        if let Err(error) = self.remember_open(Some(thread)).await {
            tracing::warn!(%error, "the open thread could not be remembered");
        }
        Ok(view)
    }

    async fn view_thread(&self, thread: i64) -> Result<ThreadView> {
        let summary = self.thread_summary(thread).await?;
        let branch = self.store.branch(thread).await?;
        let messages = self.view_branch(branch);
        Ok(ThreadView {
            summary,
            context: self.meter(&messages),
            messages,
            draft: self.draft(Some(thread)).await?,
        })
    }

    /// Switches to the branch that a message lies on.
    pub async fn show_message(&self, message: i64) -> Result<ThreadView> {
        let thread = self.store.show(message).await?;
        self.open_thread(thread).await
    }

    /// Names a thread; an empty title goes back to the one from the first question.
    pub async fn rename_thread(&self, thread: i64, text: &str) -> Result<()> {
        let typed = title::typed(text);
        if typed.is_empty() {
            let branch = self.store.branch(thread).await?;
            let first = branch.iter().find(|message| message.role == Role::User);
            let made = first.map(|message| title::from_question(&message.text));
            self.store
                .rename_thread(thread, &made.unwrap_or_default(), false)
                .await?;
        } else {
            self.store.rename_thread(thread, &typed, true).await?;
        }
        self.tell_thread(thread).await;
        Ok(())
    }

    /// Keeps a thread on top, or no longer.
    pub async fn pin_thread(&self, thread: i64, pinned: bool) -> Result<()> {
        self.store.pin_thread(thread, pinned).await?;
        self.tell_thread(thread).await;
        Ok(())
    }

    /// Takes a thread away; for a minute it can come back.
    pub async fn delete_thread(&self, thread: i64) -> Result<()> {
        let answers: Vec<i64> = self
            .lock(&self.running)
            .iter()
            .filter(|(_, running)| running.thread == thread)
            .map(|(answer, _)| *answer)
            .collect();
        for answer in answers {
            self.stop(answer);
        }
        self.store.delete_thread(thread).await?;
        self.tell(AppEvent::ThreadRemoved(thread));
        Ok(())
    }

    /// Brings a deleted thread back.
    pub async fn restore_thread(&self, thread: i64) -> Result<()> {
        self.store.restore_thread(thread).await?;
        self.tell_thread(thread).await;
        Ok(())
    }

    /// What stands in a composer.
    pub async fn draft(&self, thread: Option<i64>) -> Result<DraftView> {
        let draft = self.store.draft(thread).await?;
        Ok(DraftView {
            text: draft.text,
            pictures: draft.pictures.into_iter().map(Picture::from).collect(),
            options: draft
                .options
                .map(|text| AnswerOptions::from_json(Some(&text))),
        })
    }

    /// Remembers what stands in a composer.
    pub async fn save_draft(
        &self,
        thread: Option<i64>,
        text: &str,
        pictures: &[(PictureId, String)],
        options: Option<AnswerOptions>,
    ) -> Result<()> {
        let options = options.map(|options| serde_json::to_string(&options.in_range()));
        let options = options.transpose().map_err(AppError::internal)?;
        self.store
            .save_draft(thread, text, options.as_deref(), pictures)
            .await?;
        Ok(())
    }
}
