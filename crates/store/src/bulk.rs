//! Many threads at once, in one change: what an import brings, and what measurements need.

use crate::threads::NEXT_ACTIVITY;
use crate::{Result, Role, Store, spacing};
use sqlx::AssertSqlSafe;

/// A thread with one branch.
#[derive(Debug, Clone)]
pub struct WholeThread {
    /// Its title.
    pub title: String,
    /// When it was begun; messages follow a second apart.
    pub created_at: i64,
    /// In order, a question first.
    pub messages: Vec<(Role, String)>,
}

impl Store {
    /// Enters threads; all of them or none. The last becomes the newest.
    pub async fn add_threads(&self, threads: &[WholeThread]) -> Result<()> {
        let mut change = self.pools().begin().await?;
        let new_thread = format!(
            "INSERT INTO threads (title, created_at, updated_at, activity)
             VALUES (?1, ?2, ?2, {NEXT_ACTIVITY}) RETURNING id"
        );
        for thread in threads {
            let id: i64 = sqlx::query_scalar(AssertSqlSafe(new_thread.clone()))
                .bind(&thread.title)
                .bind(thread.created_at)
                .fetch_one(&mut *change)
                .await?;
            let mut parent: Option<i64> = None;
            for (at, (role, text)) in (thread.created_at..).step_by(1000).zip(&thread.messages) {
                let role = match role {
                    Role::User => "user",
                    Role::Assistant => "assistant",
                };
                let message: i64 = sqlx::query_scalar(
                    "INSERT INTO messages (thread, parent, role, text, created_at, status)
                     VALUES (?, ?, ?, ?, ?, 'complete') RETURNING id",
                )
                .bind(id)
                .bind(parent)
                .bind(role)
                .bind(text)
                .bind(at)
                .fetch_one(&mut *change)
                .await?;
                sqlx::query("INSERT INTO search (rowid, text) VALUES (?, ?)")
                    .bind(message)
                    .bind(spacing::spaced(text))
                    .execute(&mut *change)
                    .await?;
                parent = Some(message);
            }
            sqlx::query("UPDATE threads SET leaf = ? WHERE id = ?")
                .bind(parent)
                .bind(id)
                .execute(&mut *change)
                .await?;
        }
        change.commit().await?;
        Ok(())
    }
}
