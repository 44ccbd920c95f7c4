//! Finding what was said: every word of the query, in any order, Chinese ones too.

use crate::error::is_index_damage;
use crate::{PictureId, Result, Role, Store, spacing};
use sqlx::Row;
use sqlx::sqlite::SqlitePool;

/// Words looked for at most; more narrow nothing down and cost time.
const MOST_WORDS: usize = 16;

/// A query, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    words: Vec<Word>,
}

/// A part of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// Begins a word of the text.
    Prefix(String),
    /// Stands anywhere in a text without spaces.
    Run(String),
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Its thread.
    pub thread: i64,
    /// The thread's title.
    pub title: String,
    /// The thread's picture.
    pub thumbnail: Option<PictureId>,
    /// The message.
    pub message: i64,
    /// Who said it.
    pub role: Role,
    /// When.
    pub at: i64,
    /// All of its text.
    pub text: String,
}

/// A thread whose given title was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TitleHit {
    /// The thread.
    pub thread: i64,
    /// Its title.
    pub title: String,
    /// Its picture.
    pub thumbnail: Option<PictureId>,
    /// When something was last said in it.
    pub at: i64,
}

impl SearchQuery {
    /// Takes a query apart; `None` when there is nothing to look for.
    pub fn new(text: &str) -> Option<Self> {
        let mut words = Vec::new();
        let mut word = String::new();
        let mut run = String::new();
        // The blank at the end closes the last word.
        for letter in text.chars().chain([' ']) {
            let cjk = spacing::is_cjk(letter);
            let plain = !cjk && spacing::is_word(letter);
            if !plain && !word.is_empty() {
                words.push(Word::Prefix(std::mem::take(&mut word)));
            }
            if !cjk && !run.is_empty() {
                words.push(Word::Run(std::mem::take(&mut run)));
            }
            if cjk {
                run.push(letter);
            } else if plain {
                word.push(letter);
            }
        }
        words.truncate(MOST_WORDS);
        (!words.is_empty()).then_some(Self { words })
    }

    /// The query in FTS5's language. Everything in it is quoted: only letters and digits come so
    /// far, so nothing can end the quotes.
    fn expression(&self) -> String {
        let words = self.words.iter().map(|word| match word {
            Word::Prefix(word) => format!("\"{word}\"*"),
            Word::Run(run) => {
                let letters: Vec<String> = run.chars().map(String::from).collect();
                format!("\"{}\"", letters.join(" "))
            }
        });
        words.collect::<Vec<_>>().join(" AND ")
    }

    /// Where the words stand in a text: bytes, from and to, in order and without overlaps.
    pub fn marks(&self, text: &str) -> Vec<(usize, usize)> {
        let letters: Vec<(usize, char)> = text.char_indices().collect();
        let mut marks = Vec::new();
        let mut at = 0;
        while let Some(&(start, letter)) = letters.get(at) {
            let begins = spacing::is_cjk(letter)
                || (spacing::is_word(letter)
                    && !at
                        .checked_sub(1)
                        .and_then(|before| letters.get(before))
                        .is_some_and(|(_, c)| spacing::is_word(*c) && !spacing::is_cjk(*c)));
            let rest = letters.get(at..).unwrap_or_default();
            let longest = begins
                .then(|| self.words.iter().filter_map(|word| word.length(rest)).max())
                .flatten();
            match longest {
                Some(length) => {
                    let end = letters.get(at + length).map_or(text.len(), |(end, _)| *end);
                    marks.push((start, end));
                    at += length;
                }
                None => at += 1,
            }
        }
        marks
    }
}

impl Word {
    /// How many characters of `text` this word takes at its beginning.
    fn length(&self, text: &[(usize, char)]) -> Option<usize> {
        let wanted: Vec<char> = match self {
            Self::Prefix(word) | Self::Run(word) => {
                word.chars().flat_map(spacing::folded).collect()
            }
        };
        let mut left = wanted.as_slice();
        for (count, (_, letter)) in text.iter().enumerate() {
            if left.is_empty() {
                return Some(count);
            }
            for part in spacing::folded(*letter) {
                left = match left.split_first() {
                    Some((first, rest)) if *first == part => rest,
                    // The last character of the text may hold more than the word needs.
                    None => left,
                    _ => return None,
                };
            }
        }
        left.is_empty().then_some(text.len())
    }
}

impl Store {
    /// Messages that hold every word, newest first, older than `before`.
    pub async fn search(
        &self,
        query: &SearchQuery,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Hit>> {
        let pools = self.pools();
        match hits(&pools.reader, query, before, limit).await {
            Err(error) if is_index_damage(&error) => {
                tracing::warn!(%error, "the search index is damaged and is built anew");
                self.rebuild_search().await?;
                Ok(hits(&pools.reader, query, before, limit).await?)
            }
            other => Ok(other?),
        }
    }

    /// Threads whose given title holds every word, those used last first.
    pub async fn search_titles(&self, query: &SearchQuery, limit: u32) -> Result<Vec<TitleHit>> {
        let rows = sqlx::query(
            "SELECT threads.id, threads.title, thumbnail, updated_at
             FROM search_titles JOIN threads ON threads.id = search_titles.rowid
             WHERE search_titles MATCH ? AND deleted_at IS NULL
             ORDER BY activity DESC LIMIT ?",
        )
        .bind(query.expression())
        .bind(limit)
        .fetch_all(&self.pools().reader)
        .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let thumbnail: Option<String> = row.try_get("thumbnail")?;
            Ok(TitleHit {
                thread: row.try_get("id")?,
                title: row.try_get("title")?,
                thumbnail: thumbnail.and_then(|id| id.parse().ok()),
                at: row.try_get("updated_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Builds the search index anew from the messages.
    pub async fn rebuild_search(&self) -> Result<()> {
        let mut change = self.pools().begin().await?;
        for sql in [
            "DROP TABLE search",
            "CREATE VIRTUAL TABLE search
             USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')",
            "INSERT INTO search (search, rank) VALUES ('secure-delete', 1)",
        ] {
            sqlx::query(sql).execute(&mut *change).await?;
        }
        let mut last = 0_i64;
        loop {
            let rows: Vec<(i64, String)> = sqlx::query_as(
                "SELECT id, text FROM messages
                 WHERE id > ? AND status <> 'writing' ORDER BY id LIMIT 500",
            )
            .bind(last)
            .fetch_all(&mut *change)
            .await?;
            let Some((newest, _)) = rows.last() else {
                break;
            };
            last = *newest;
            for (id, text) in &rows {
                sqlx::query("INSERT INTO search (rowid, text) VALUES (?, ?)")
                    .bind(id)
                    .bind(spacing::spaced(text))
                    .execute(&mut *change)
                    .await?;
            }
        }
        change.commit().await?;
        Ok(())
    }
}

async fn hits(
    pool: &SqlitePool,
    query: &SearchQuery,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Hit>, sqlx::Error> {
    // The index walks its rows downwards by itself; the plus keeps SQLite from sorting.
    let rows = sqlx::query(
        "SELECT messages.id, messages.thread, role, messages.text, messages.created_at,
                title, thumbnail
         FROM search CROSS JOIN messages ON messages.id = search.rowid
         CROSS JOIN threads ON threads.id = messages.thread
         WHERE search MATCH ?1 AND (?2 IS NULL OR search.rowid < ?2) AND deleted_at IS NULL
         ORDER BY search.rowid DESC LIMIT ?3",
    )
    .bind(query.expression())
    .bind(before)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        let role: String = row.try_get("role")?;
        let thumbnail: Option<String> = row.try_get("thumbnail")?;
        Ok(Hit {
            thread: row.try_get("thread")?,
            title: row.try_get("title")?,
            thumbnail: thumbnail.and_then(|id| id.parse().ok()),
            message: row.try_get("id")?,
            role: if role == "user" {
                Role::User
            } else {
                Role::Assistant
            },
            at: row.try_get("created_at")?,
            text: row.try_get("text")?,
        })
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked<'a>(query: &str, text: &'a str) -> Vec<&'a str> {
        let query = SearchQuery::new(query).unwrap();
        let marks = query.marks(text);
        marks
            .into_iter()
            .map(|(from, to)| &text[from..to])
            .collect()
    }

    #[test]
    fn queries_are_taken_apart() {
        let expression = |text: &str| SearchQuery::new(text).map(|query| query.expression());
        assert_eq!(expression("red Cup").unwrap(), "\"red\"* AND \"Cup\"*");
        assert_eq!(
            expression("两只猫cat").unwrap(),
            "\"两 只 猫\" AND \"cat\"*"
        );
        assert_eq!(expression("a\" OR *").unwrap(), "\"a\"* AND \"OR\"*");
        assert_eq!(expression(" .,!"), None);
    }

    #[test]
    fn hits_are_marked_where_they_stand() {
        assert_eq!(marked("cat", "A Cat, a scat, CATS."), ["Cat", "CAT"]);
        assert_eq!(marked("只猫", "两只猫和一只猫"), ["只猫", "只猫"]);
        assert_eq!(marked("eclair", "Un Éclair"), ["Éclair"]);
        assert_eq!(marked("ca cat", "cat"), ["cat"]);
        assert_eq!(marked("猫", "cat猫cat"), ["猫"]);
        assert_eq!(marked("cat", "猫cat"), ["cat"]);
    }
}
