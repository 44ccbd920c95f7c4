//! Saving what can be read of a damaged database.
//!
//! The damaged file is attached and its tables are copied whole; where that fails, in ever
//! smaller ranges, so that one bad page costs the rows on it and no others. What the copies then
//! lack of each other is mended: a branch must stay a branch.

use crate::connection::Pools;
use crate::{Result, spacing};
use sqlx::{AssertSqlSafe, SqliteConnection};
use std::path::Path;

/// What was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rescued {
    /// Threads.
    pub threads: u32,
    /// Messages.
    pub messages: u32,
}

/// How a table can be copied in parts.
enum Key {
    /// By ranges of a whole number.
    Number(&'static str),
    /// By the first digits of a sha256.
    Digits,
    /// Not at all.
    Whole,
}

/// Tables with their columns, in an order in which references come after what they refer to.
const TABLES: [(&str, &str, Key); 8] = [
    (
        "pictures",
        "id, extension, bytes, width, height, warnings, added_at",
        Key::Digits,
    ),
    (
        "threads",
        "id, title, named, created_at, updated_at, activity, pinned, leaf, thumbnail, deleted_at",
        Key::Number("id"),
    ),
    (
        "messages",
        "id, thread, parent, shown, role, text, created_at, status, options, stats, error",
        Key::Number("id"),
    ),
    (
        "message_pictures",
        "message, position, picture, name",
        Key::Number("message"),
    ),
    (
        "drafts",
        "thread, text, options, updated_at",
        Key::Number("thread"),
    ),
    (
        "draft_pictures",
        "thread, position, picture, name",
        Key::Number("thread"),
    ),
    ("settings", "key, value", Key::Whole),
    ("models", "id, location, info, used_at", Key::Number("id")),
];

/// Ids are looked for up to here when the table cannot say how far they go.
const FURTHEST: i64 = 1 << 21;
/// Rows of one attempt, once a whole table has failed.
const RANGE: i64 = 1 << 12;

/// Copies what can be read of `damaged` into the fresh database behind `pools`.
pub(crate) async fn rescue(damaged: &Path, pools: &Pools) -> Result<Rescued> {
    let mut connection = pools.writer().acquire().await?;
    let attached = sqlx::query("ATTACH ? AS damaged")
        .bind(damaged.to_string_lossy().into_owned())
        .execute(&mut *connection)
        .await;
    if attached.is_err() {
        return Ok(Rescued {
            threads: 0,
            messages: 0,
        });
    }
    let copied = copy(&mut connection).await;
    if copied.is_err() {
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    }
    let _ = sqlx::query("DETACH damaged")
        .execute(&mut *connection)
        .await;
    copied
}

async fn copy(connection: &mut SqliteConnection) -> Result<Rescued> {
    run(connection, "BEGIN IMMEDIATE").await?;
    // References are mended at the end.
    run(connection, "PRAGMA defer_foreign_keys = ON").await?;
    for (table, columns, key) in &TABLES {
        copy_table(connection, table, columns, key).await;
    }
    mend(connection).await?;
    index(connection).await?;
    let count = |table: &str| format!("SELECT count(*) FROM main.{table}");
    let threads = sqlx::query_scalar(AssertSqlSafe(count("threads")))
        .fetch_one(&mut *connection)
        .await?;
    let messages = sqlx::query_scalar(AssertSqlSafe(count("messages")))
        .fetch_one(&mut *connection)
        .await?;
    run(connection, "COMMIT").await?;
    Ok(Rescued { threads, messages })
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<()> {
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}

/// Copies a table, whatever can be read of it.
async fn copy_table(connection: &mut SqliteConnection, table: &str, columns: &str, key: &Key) {
    let select = format!(
        "INSERT OR IGNORE INTO main.{table} ({columns}) SELECT {columns} FROM damaged.{table}"
    );
    if part(connection, &select, "").await {
        return;
    }
    tracing::warn!(table, "the table is damaged and is copied in parts");
    match key {
        Key::Whole => {}
        Key::Digits => {
            for first in 0..=255_u8 {
                let range = format!(" WHERE id >= '{first:02x}' AND id < '{first:02x}g'");
                part(connection, &select, &range).await;
            }
        }
        Key::Number(column) => {
            let mut ranges: Vec<(i64, i64)> = Vec::new();
            let furthest = furthest(connection, table, column).await;
            let mut from = 0;
            while from <= furthest {
                ranges.push((from, from + RANGE - 1));
                from += RANGE;
            }
            while let Some((from, to)) = ranges.pop() {
                let range = format!(" WHERE {column} BETWEEN {from} AND {to}");
                if !part(connection, &select, &range).await && from < to {
                    let middle = from + (to - from) / 2;
                    ranges.extend([(from, middle), (middle + 1, to)]);
                }
            }
        }
    }
}

/// Copies a part; whether all of it could be read.
async fn part(connection: &mut SqliteConnection, select: &str, range: &str) -> bool {
    let sql = format!("{select}{range}");
    match sqlx::query(AssertSqlSafe(sql)).execute(connection).await {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%error, "a part cannot be read");
            false
        }
    }
}

/// The greatest id that a table may hold.
async fn furthest(connection: &mut SqliteConnection, table: &str, column: &str) -> i64 {
    let greatest = format!("SELECT max({column}) FROM damaged.{table}");
    let found: std::result::Result<Option<i64>, _> = sqlx::query_scalar(AssertSqlSafe(greatest))
        .fetch_one(&mut *connection)
        .await;
    if let Ok(Some(found)) = found {
        return found.clamp(0, FURTHEST);
    }
    let counted: std::result::Result<i64, _> =
        sqlx::query_scalar("SELECT max(seq) FROM damaged.sqlite_sequence")
            .fetch_one(&mut *connection)
            .await;
    counted.map_or(FURTHEST, |counted| counted.clamp(0, FURTHEST))
}

/// Gives what was saved everything it refers to, or takes the reference away.
async fn mend(connection: &mut SqliteConnection) -> Result<()> {
    // Messages of a thread that was lost get one again.
    sqlx::query(
        "INSERT INTO threads (id, title, created_at, updated_at, activity)
         SELECT thread, '', min(created_at), max(created_at), max(id) FROM messages
         WHERE thread NOT IN (SELECT id FROM threads) GROUP BY thread",
    )
    .execute(&mut *connection)
    .await?;
    // An answer whose question was lost follows an empty one.
    sqlx::query(
        "INSERT INTO messages (id, thread, parent, role, text, created_at, status)
         SELECT parent, min(thread), NULL, 'user', '', min(created_at), 'complete' FROM messages
         WHERE role = 'assistant' AND parent NOT IN (SELECT id FROM messages) GROUP BY parent",
    )
    .execute(&mut *connection)
    .await?;
    for sql in [
        "UPDATE messages SET parent = NULL
         WHERE parent NOT IN (SELECT id FROM messages)",
        "UPDATE messages SET shown = NULL WHERE shown NOT IN (SELECT id FROM messages)",
        "UPDATE messages SET status = 'interrupted' WHERE status = 'writing'",
        "UPDATE threads SET leaf = NULL WHERE leaf NOT IN (SELECT id FROM messages)",
        "UPDATE threads SET thumbnail = NULL WHERE thumbnail NOT IN (SELECT id FROM pictures)",
        "DELETE FROM message_pictures WHERE message NOT IN (SELECT id FROM messages)
         OR picture NOT IN (SELECT id FROM pictures)",
        "DELETE FROM draft_pictures WHERE thread NOT IN (SELECT thread FROM drafts)
         OR picture NOT IN (SELECT id FROM pictures)",
    ] {
        run(connection, sql).await?;
    }
    Ok(())
}

/// Enters everything that was saved into the search.
async fn index(connection: &mut SqliteConnection) -> Result<()> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, text FROM main.messages WHERE text <> ''")
            .fetch_all(&mut *connection)
            .await?;
    for (id, text) in rows {
        sqlx::query("INSERT INTO search (rowid, text) VALUES (?, ?)")
            .bind(id)
            .bind(spacing::spaced(&text))
            .execute(&mut *connection)
            .await?;
    }
    let titles: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, title FROM main.threads WHERE named = 1")
            .fetch_all(&mut *connection)
            .await?;
    for (id, title) in titles {
        sqlx::query("INSERT INTO search_titles (rowid, title) VALUES (?, ?)")
            .bind(id)
            .bind(spacing::spaced(&title))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
