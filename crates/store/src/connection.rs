//! How the database is talked to: one writer, several readers, and what is set on each.

use crate::{Error, Result};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};
use std::path::Path;
use std::time::Duration;

/// Readers beside the writer: the page asks for one thing at a time, search and list included.
const READERS: u32 = 3;
/// How long one program waits for the other's write.
const PATIENCE: Duration = Duration::from_secs(5);

/// The open database.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    writer: SqlitePool,
    /// For everything that only reads.
    pub(crate) reader: SqlitePool,
}

/// What every connection is set to.
fn options(database: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        .synchronous(SqliteSynchronous::Full)
        // Deleted text must not stay behind in free pages.
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
        .pragma("trusted_schema", "OFF")
}

/// For looking at a database without changing it. Fails where there is none.
pub(crate) fn read_only(database: &Path) -> SqliteConnectOptions {
    options(database).read_only(true).create_if_missing(false)
}

/// For changing it, write-ahead log on.
pub(crate) fn read_write(database: &Path) -> SqliteConnectOptions {
    options(database)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
}

impl Pools {
    /// Opens the database for use; it is created if missing.
    pub(crate) async fn open(database: &Path) -> Result<Self> {
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(read_write(database))
            .await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(1)
            .connect_with(options(database).pragma("query_only", "ON"))
            .await?;
        Ok(Self { writer, reader })
    }

    /// Begins a change. Taking the write lock at once means that no change fails half-way because
    /// another program came between.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// The one connection that writes, for what cannot run in a transaction.
    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// Waits for what runs, and closes everything.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        // Last, so that closing it empties the write-ahead log.
        self.writer.close().await;
    }
}

/// Runs SQLite's own check; `Ok` when it finds nothing.
pub(crate) async fn quick_check(pool: &SqlitePool) -> Result<()> {
    let lines: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(20)")
        .fetch_all(pool)
        .await?;
    match lines.as_slice() {
        [only] if only == "ok" => Ok(()),
        _ => Err(Error::Damaged(lines.join("; "))),
    }
}
