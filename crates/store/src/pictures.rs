//! The table of pictures: what is known of each, and which are still needed.

use crate::{Error, Result, Store, files, now};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Names a picture by its bytes: their sha256, 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PictureId(String);

impl PictureId {
    pub(crate) fn from_digest(digest: &[u8]) -> Self {
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PictureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PictureId {
    type Err = Error;

    /// Takes exactly 64 lower-case hexadecimal digits, so that an id is never a path.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if text.len() == 64 && digits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::NotFound("picture"))
        }
    }
}

/// What is known of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureRow {
    /// Names it.
    pub id: PictureId,
    /// Of its file, without a dot.
    pub extension: String,
    /// Of its file.
    pub bytes: u64,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// JSON of the use cases.
    pub warnings: String,
}

impl PictureRow {
    /// Reads the columns `id, extension, bytes, width, height, warnings`.
    pub(crate) fn read(row: &SqliteRow) -> Result<Self> {
        let id: String = row.try_get("id")?;
        Ok(Self {
            id: id.parse()?,
            extension: row.try_get("extension")?,
            bytes: u64::try_from(row.try_get::<i64, _>("bytes")?).unwrap_or(0),
            width: row.try_get("width")?,
            height: row.try_get("height")?,
            warnings: row.try_get("warnings")?,
        })
    }
}

impl Store {
    /// Keeps a picture's file and enters it; a picture that is known already stays as it is.
    /// `extension` must be a plain word such as `png`.
    pub async fn add_picture(
        &self,
        bytes: Vec<u8>,
        extension: &'static str,
        size: (u32, u32),
        warnings: String,
    ) -> Result<PictureRow> {
        let files = self.files().clone();
        let length = bytes.len() as u64;
        let written = tokio::task::spawn_blocking(move || files.put(&bytes, extension)).await;
        let id = written.map_err(|error| Error::Database(error.to_string()))??;
        let row = PictureRow {
            id,
            extension: extension.to_owned(),
            bytes: length,
            width: size.0,
            height: size.1,
            warnings,
        };
        let mut change = self.pools().begin().await?;
        sqlx::query(
            "INSERT INTO pictures (id, extension, bytes, width, height, warnings, added_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET added_at = excluded.added_at",
        )
        .bind(row.id.as_str())
        .bind(&row.extension)
        .bind(i64::try_from(row.bytes).unwrap_or(i64::MAX))
        .bind(row.width)
        .bind(row.height)
        .bind(&row.warnings)
        .bind(now())
        .execute(&mut *change)
        .await?;
        change.commit().await?;
        Ok(row)
    }

    /// What is known of a picture.
    pub async fn picture(&self, id: &PictureId) -> Result<PictureRow> {
        let row = sqlx::query(
            "SELECT id, extension, bytes, width, height, warnings FROM pictures WHERE id = ?",
        )
        .bind(id.as_str())
        .fetch_optional(&self.pools().reader)
        .await?;
        PictureRow::read(&row.ok_or(Error::NotFound("picture"))?)
    }

    /// Where a picture's original lies.
    pub fn picture_path(&self, picture: &PictureRow) -> PathBuf {
        self.files().original(&picture.id, &picture.extension)
    }

    /// Where a rendition of a picture lies, or would lie.
    pub fn rendition_path(&self, id: &PictureId, name: &'static str) -> PathBuf {
        self.files().rendition(id, name)
    }

    /// Keeps a rendition. Blocks for the disk.
    pub fn put_rendition(&self, id: &PictureId, name: &'static str, bytes: &[u8]) -> Result<()> {
        self.files().put_rendition(id, name, bytes)
    }

    /// Removes the pictures added before `before` that no message and no draft uses, and older
    /// files that no row knows. Later ones may be on their way into a composer. Returns how many
    /// went.
    pub async fn sweep_pictures(&self, before: i64) -> Result<u32> {
        let unused = self.remove_unused(None, before).await?;
        let known: Vec<String> = sqlx::query_scalar("SELECT id FROM pictures")
            .fetch_all(&self.pools().reader)
            .await?;
        let known: std::collections::HashSet<String> = known.into_iter().collect();
        let files = self.files().clone();
        let removed = tokio::task::spawn_blocking(move || {
            let mut removed = 0;
            for (id, path) in files.all()? {
                let unknown = id.is_none_or(|id| !known.contains(id.as_str()));
                if unknown && written_before(&path, before) {
                    std::fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
                    removed += 1;
                }
            }
            Ok::<u32, Error>(removed)
        })
        .await;
        Ok(unused + removed.map_err(|error| Error::Database(error.to_string()))??)
    }

    /// Removes unused pictures added before `before`, of `among` or of all.
    pub(crate) async fn remove_unused(&self, among: Option<&[String]>, before: i64) -> Result<u32> {
        let mut change = self.pools().begin().await?;
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT id, extension FROM pictures
             WHERE (?1 IS NULL OR id IN (SELECT value FROM json_each(?1))) AND added_at < ?2
               AND NOT EXISTS (SELECT 1 FROM message_pictures WHERE picture = pictures.id)
               AND NOT EXISTS (SELECT 1 FROM draft_pictures WHERE picture = pictures.id)",
        )
        .bind(among.map(|ids| serde_json::Value::from(ids).to_string()))
        .bind(before)
        .fetch_all(&mut *change)
        .await?;
        for (id, _) in &rows {
            sqlx::query("DELETE FROM pictures WHERE id = ?")
                .bind(id)
                .execute(&mut *change)
                .await?;
        }
        change.commit().await?;
        // Rows first: a file without a row is swept later, a row without a file is a broken
        // picture.
        for (id, extension) in &rows {
            self.files().remove(&id.parse()?, extension)?;
        }
        Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
    }

    /// Whether the bytes of an original are still those it is named after. Blocks for the disk.
    pub fn is_intact(&self, picture: &PictureRow) -> bool {
        std::fs::read(self.picture_path(picture))
            .is_ok_and(|bytes| files::digest(&bytes) == picture.id)
    }
}

/// Whether a file was last written before `before`; a file that does not say so was not.
fn written_before(path: &std::path::Path, before: i64) -> bool {
    let written = std::fs::metadata(path).and_then(|found| found.modified());
    let since = written
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since.is_some_and(|since| i64::try_from(since.as_millis()).is_ok_and(|at| at < before))
}
