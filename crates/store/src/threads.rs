//! The table of threads: the list, and what a person does with whole threads.

use crate::{Error, PictureId, Result, Store, now, spacing};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::str::FromStr;

/// A thread as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Names it.
    pub id: i64,
    /// From the first question, or as a person named it.
    pub title: String,
    /// Whether a person named it.
    pub named: bool,
    /// When something was last said.
    pub updated_at: i64,
    /// Its place in the list: the higher, the further up.
    pub activity: i64,
    /// Whether it stays on top.
    pub pinned: bool,
    /// Its first picture.
    pub thumbnail: Option<PictureId>,
    /// The last message of the branch that is shown.
    pub leaf: Option<i64>,
}

/// A place in the list, to go on from. Its text form is for the page to hand back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pinned: bool,
    activity: i64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", u8::from(self.pinned), self.activity)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (pinned, activity) = text.split_once('-')?;
            Some(Self {
                pinned: pinned == "1",
                activity: activity.parse().ok()?,
            })
        };
        parse().ok_or(Error::NotFound("place in the list"))
    }
}

const COLUMNS: &str = "SELECT id, title, named, updated_at, activity, pinned, thumbnail, leaf
     FROM threads WHERE deleted_at IS NULL";

impl Thread {
    fn read(row: &SqliteRow) -> Result<Self> {
        let thumbnail: Option<String> = row.try_get("thumbnail")?;
        Ok(Self {
            id: row.try_get("id")?,
            title: row.try_get("title")?,
            named: row.try_get("named")?,
            updated_at: row.try_get("updated_at")?,
            activity: row.try_get("activity")?,
            pinned: row.try_get("pinned")?,
            thumbnail: thumbnail.and_then(|id| id.parse().ok()),
            leaf: row.try_get("leaf")?,
        })
    }

    /// The place just after this thread.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            pinned: self.pinned,
            activity: self.activity,
        }
    }
}

/// SQL for the next place in the order.
pub(crate) const NEXT_ACTIVITY: &str = "(SELECT coalesce(max(activity), 0) + 1 FROM threads)";

impl Store {
    /// A part of the list: pinned threads first, then the newest first.
    pub async fn threads(&self, after: Option<Cursor>, limit: u32) -> Result<Vec<Thread>> {
        let sql = format!(
            "{COLUMNS} AND (?1 IS NULL OR (pinned, activity) < (?1, ?2))
             ORDER BY pinned DESC, activity DESC LIMIT ?3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(after.map(|cursor| cursor.pinned))
            .bind(after.map(|cursor| cursor.activity))
            .bind(limit)
            .fetch_all(&self.pools().reader)
            .await?;
        rows.iter().map(Thread::read).collect()
    }

    /// How many threads the list has.
    pub async fn thread_count(&self) -> Result<u32> {
        Ok(
            sqlx::query_scalar("SELECT count(*) FROM threads WHERE deleted_at IS NULL")
                .fetch_one(&self.pools().reader)
                .await?,
        )
    }

    /// A thread that is not deleted.
    pub async fn thread(&self, id: i64) -> Result<Thread> {
        let sql = format!("{COLUMNS} AND id = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&self.pools().reader)
            .await?;
        Thread::read(&row.ok_or(Error::NotFound("thread"))?)
    }

    /// Names a thread; `named` is false for a title made from the first question.
    pub async fn rename_thread(&self, id: i64, title: &str, named: bool) -> Result<()> {
        let mut change = self.pools().begin().await?;
        let changed = sqlx::query("UPDATE threads SET title = ?, named = ? WHERE id = ?")
            .bind(title)
            .bind(named)
            .bind(id)
            .execute(&mut *change)
            .await?;
        some(changed.rows_affected())?;
        sqlx::query("DELETE FROM search_titles WHERE rowid = ?")
            .bind(id)
            .execute(&mut *change)
            .await?;
        if named {
            sqlx::query("INSERT INTO search_titles (rowid, title) VALUES (?, ?)")
                .bind(id)
                .bind(spacing::spaced(title))
                .execute(&mut *change)
                .await?;
        }
        change.commit().await?;
        Ok(())
    }

    /// Keeps a thread on top, or no longer.
    pub async fn pin_thread(&self, id: i64, pinned: bool) -> Result<()> {
        let mut change = self.pools().begin().await?;
        let changed = sqlx::query("UPDATE threads SET pinned = ? WHERE id = ?")
            .bind(pinned)
            .bind(id)
            .execute(&mut *change)
            .await?;
        some(changed.rows_affected())?;
        change.commit().await?;
        Ok(())
    }

    /// Takes a thread out of sight. It can come back until [`Store::purge_threads`].
    pub async fn delete_thread(&self, id: i64) -> Result<()> {
        self.set_deleted(id, Some(now())).await
    }

    /// Brings a deleted thread back.
    pub async fn restore_thread(&self, id: i64) -> Result<()> {
        self.set_deleted(id, None).await
    }

    async fn set_deleted(&self, id: i64, at: Option<i64>) -> Result<()> {
        let mut change = self.pools().begin().await?;
        let changed = sqlx::query("UPDATE threads SET deleted_at = ? WHERE id = ?")
            .bind(at)
            .bind(id)
            .execute(&mut *change)
            .await?;
        some(changed.rows_affected())?;
        change.commit().await?;
        Ok(())
    }

    /// Removes for good what was deleted before `before`, with pictures that nothing else uses.
    /// Returns how many threads went.
    pub async fn purge_threads(&self, before: i64) -> Result<u32> {
        let pools = self.pools();
        let mut change = pools.begin().await?;
        let pictures: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT picture FROM message_pictures
             JOIN messages ON messages.id = message JOIN threads ON threads.id = thread
             WHERE deleted_at < ?1
             UNION SELECT picture FROM draft_pictures JOIN threads ON threads.id = thread
             WHERE deleted_at < ?1",
        )
        .bind(before)
        .fetch_all(&mut *change)
        .await?;
        let gone = sqlx::query("DELETE FROM threads WHERE deleted_at < ?")
            .bind(before)
            .execute(&mut *change)
            .await?
            .rows_affected();
        change.commit().await?;
        if gone > 0 {
            self.remove_unused(Some(&pictures), i64::MAX).await?;
            // What was deleted must not stay behind in the log.
            crate::open::empty_log(&pools).await?;
        }
        Ok(u32::try_from(gone).unwrap_or(u32::MAX))
    }
}

/// An error when nothing was changed.
fn some(rows: u64) -> Result<()> {
    if rows == 0 {
        Err(Error::NotFound("thread"))
    } else {
        Ok(())
    }
}
