//! The table of drafts: what stands in composers and was not sent.

use crate::messages::PictureUse;
use crate::{PictureRow, Result, Store, now};
use sqlx::Row;

/// The composer of a new thread.
const NEW: i64 = 0;

/// What stands in a composer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// The text.
    pub text: String,
    /// JSON of the use cases; `None` for the settings'.
    pub options: Option<String>,
    /// The pictures.
    pub pictures: Vec<PictureUse>,
}

impl Store {
    /// The draft of a thread, or of a new one; empty when there is none.
    pub async fn draft(&self, thread: Option<i64>) -> Result<Draft> {
        let thread = thread.unwrap_or(NEW);
        let pools = self.pools();
        let found: Option<(String, Option<String>)> =
            sqlx::query_as("SELECT text, options FROM drafts WHERE thread = ?")
                .bind(thread)
                .fetch_optional(&pools.reader)
                .await?;
        let Some((text, options)) = found else {
            return Ok(Draft::default());
        };
        let rows = sqlx::query(
            "SELECT id, extension, bytes, width, height, warnings, name
             FROM draft_pictures JOIN pictures ON pictures.id = picture
             WHERE thread = ? ORDER BY position",
        )
        .bind(thread)
        .fetch_all(&pools.reader)
        .await?;
        let mut pictures = Vec::with_capacity(rows.len());
        for row in rows {
            pictures.push(PictureUse {
                name: row.try_get("name")?,
                picture: PictureRow::read(&row)?,
            });
        }
        Ok(Draft {
            text,
            options,
            pictures,
        })
    }

    /// Keeps what stands in a composer; nothing is kept of an empty one. Pictures that are not
    /// known are left out. A thread that is gone keeps none.
    pub async fn save_draft(
        &self,
        thread: Option<i64>,
        text: &str,
        options: Option<&str>,
        pictures: &[(crate::PictureId, String)],
    ) -> Result<()> {
        let thread = thread.unwrap_or(NEW);
        let mut change = self.pools().begin().await?;
        sqlx::query("DELETE FROM drafts WHERE thread = ?")
            .bind(thread)
            .execute(&mut *change)
            .await?;
        let empty = text.is_empty() && pictures.is_empty() && options.is_none();
        if !empty {
            sqlx::query(
                "INSERT INTO drafts (thread, text, options, updated_at)
                 SELECT ?1, ?2, ?3, ?4
                 WHERE ?1 = 0 OR EXISTS (SELECT 1 FROM threads WHERE id = ?1)",
            )
            .bind(thread)
            .bind(text)
            .bind(options)
            .bind(now())
            .execute(&mut *change)
            .await?;
            for (position, (id, name)) in (0_i64..).zip(pictures) {
                sqlx::query(
                    "INSERT INTO draft_pictures (thread, position, picture, name)
                     SELECT ?1, ?2, ?3, ?4
                     WHERE EXISTS (SELECT 1 FROM pictures WHERE id = ?3)
                       AND EXISTS (SELECT 1 FROM drafts WHERE thread = ?1)",
                )
                .bind(thread)
                .bind(position)
                .bind(id.as_str())
                .bind(name)
                .execute(&mut *change)
                .await?;
            }
        }
        change.commit().await?;
        Ok(())
    }
}
