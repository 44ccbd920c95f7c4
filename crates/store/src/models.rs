//! The table of models: where a person's models lie, and what was found in them.

use crate::{Error, Result, Store, now};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A model that a person chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownModel {
    /// Names it.
    pub id: i64,
    /// A folder or file.
    pub location: PathBuf,
    /// JSON of the use cases.
    pub info: String,
}

impl Store {
    /// Enters a model, or what is newly known of it.
    pub async fn put_model(&self, location: &Path, info: &str) -> Result<i64> {
        let mut change = self.pools().begin().await?;
        let id = sqlx::query_scalar(
            "INSERT INTO models (location, info, used_at) VALUES (?, ?, ?)
             ON CONFLICT (location) DO UPDATE SET info = excluded.info, used_at = excluded.used_at
             RETURNING id",
        )
        .bind(to_bytes(location))
        .bind(info)
        .bind(now())
        .fetch_one(&mut *change)
        .await?;
        change.commit().await?;
        Ok(id)
    }

    /// A model.
    pub async fn model(&self, id: i64) -> Result<KnownModel> {
        let row: Option<(Vec<u8>, String)> =
            sqlx::query_as("SELECT location, info FROM models WHERE id = ?")
                .bind(id)
                .fetch_optional(&self.pools().reader)
                .await?;
        let (location, info) = row.ok_or(Error::NotFound("model"))?;
        Ok(KnownModel {
            id,
            location: from_bytes(location),
            info,
        })
    }

    /// All of them, those used last first.
    pub async fn models(&self) -> Result<Vec<KnownModel>> {
        let rows: Vec<(i64, Vec<u8>, String)> =
            sqlx::query_as("SELECT id, location, info FROM models ORDER BY used_at DESC, id DESC")
                .fetch_all(&self.pools().reader)
                .await?;
        let models = rows.into_iter().map(|(id, location, info)| KnownModel {
            id,
            location: from_bytes(location),
            info,
        });
        Ok(models.collect())
    }
}

/// A path without loss: the system's bytes on Unix, UTF-16 elsewhere.
#[cfg(unix)]
fn to_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(windows)]
fn to_bytes(path: &Path) -> Vec<u8> {
    use std::os::windows::ffi::OsStrExt;
    path.as_os_str()
        .encode_wide()
        .flat_map(u16::to_le_bytes)
        .collect()
}

#[cfg(windows)]
fn from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::windows::ffi::OsStringExt;
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    PathBuf::from(OsString::from_wide(&units))
}
