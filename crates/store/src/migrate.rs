//! Bringing a database to the present form, one numbered step after another.
//!
//! The version is SQLite's own `user_version`, set in the transaction of its step, so that a step
//! is there with its number or not at all. A program of its own (sqlx's) would add a table and a
//! lock that does nothing in SQLite.

use crate::connection::{Pools, quick_check, read_only};
use crate::{Error, Result};
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::path::{Path, PathBuf};

/// The steps; a database of version n has had the first n of them.
const STEPS: &[&str] = &[include_str!("../migrations/0001_first.sql")];

/// Tells our databases from other SQLite files: "visa" in ASCII.
const APPLICATION_ID: i64 = 0x7669_7361;

/// The version of databases that this program writes.
pub(crate) fn newest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The version of the database at `path`, without changing it; 0 where there is none yet. A newer
/// one is an error.
pub(crate) async fn version(path: &Path) -> Result<i64> {
    if std::fs::metadata(path).map_or(0, |found| found.len()) == 0 {
        return Ok(0);
    }
    let mut connection = read_only(path).connect().await?;
    let looked = async {
        let application: i64 = sqlx::query_scalar("PRAGMA application_id")
            .fetch_one(&mut connection)
            .await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut connection)
            .await?;
        Ok::<_, sqlx::Error>((application, version))
    }
    .await;
    let _ = connection.close().await;
    let (application, version) = looked?;
    if version > 0 && application != APPLICATION_ID {
        return Err(Error::Damaged("it is another program's database".into()));
    }
    if version > newest() {
        return Err(Error::TooNew {
            path: path.to_owned(),
            found: version,
            known: newest(),
        });
    }
    Ok(version)
}

/// Takes the steps that are missing. A database with content is checked and copied first; the
/// copy's path comes back.
pub(crate) async fn migrate(
    pools: &Pools,
    from: i64,
    backup: impl FnOnce() -> PathBuf,
) -> Result<Option<PathBuf>> {
    let missing = STEPS.get(usize::try_from(from).unwrap_or(0)..);
    let missing = missing.unwrap_or_default();
    if missing.is_empty() {
        return Ok(None);
    }
    let mut kept = None;
    if from > 0 {
        quick_check(pools.writer()).await?;
        let path = backup();
        copy_into(pools.writer(), &path).await?;
        kept = Some(path);
    }
    for (number, step) in (from + 1..).zip(missing) {
        let mut change = pools.begin().await?;
        change.execute(*step).await?;
        // Pragmas take no parameters; both are numbers of ours.
        let numbers =
            format!("PRAGMA user_version = {number}; PRAGMA application_id = {APPLICATION_ID}");
        change.execute(AssertSqlSafe(numbers)).await?;
        change.commit().await?;
    }
    Ok(kept)
}

/// Writes a compact copy of the whole database to a new file.
pub(crate) async fn copy_into(pool: &SqlitePool, path: &Path) -> Result<()> {
    let name = path.to_str().ok_or_else(|| Error::Io {
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "its name is not Unicode"),
    })?;
    sqlx::query("VACUUM INTO ?")
        .bind(name)
        .execute(pool)
        .await?;
    Ok(())
}
