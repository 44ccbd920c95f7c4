//! Search as the page shows it: a line around each hit, and what to mark in it.

use crate::state::App;
use crate::{AppError, Code, Result};
use visavis_store::{PictureId, Role, SearchQuery};

/// Hits of one part.
const PAGE: u32 = 50;
/// Characters of a line before the first hit, and in all.
const BEFORE: usize = 40;
const LINE: usize = 160;

/// A part of what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPage {
    /// Newest first.
    pub hits: Vec<SearchHit>,
    /// For the next part.
    pub next: Option<String>,
}

/// A hit. Marks are UTF-16 code units, from and to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// The thread.
    pub thread: i64,
    /// Its title.
    pub title: String,
    /// In the title.
    pub title_marks: Vec<(u32, u32)>,
    /// The thread's picture.
    pub thumbnail: Option<PictureId>,
    /// The message, and who said it; `None` when only the title has the words.
    pub message: Option<(i64, Role)>,
    /// When.
    pub at: i64,
    /// A line around the first hit.
    pub snippet: String,
    /// In the snippet.
    pub marks: Vec<(u32, u32)>,
}

impl App {
    /// Finds messages and given titles that hold every word.
    pub async fn search(&self, text: &str, cursor: Option<&str>) -> Result<SearchPage> {
        let Some(query) = SearchQuery::new(text) else {
            return Ok(SearchPage {
                hits: Vec::new(),
                next: None,
            });
        };
        let before = cursor
            .map(|cursor| cursor.parse::<i64>())
            .transpose()
            .map_err(|_| AppError::new(Code::NotFound, "The search cannot go on from there."))?;
        let mut hits = Vec::new();
        if before.is_none() {
            for hit in self.store.search_titles(&query, PAGE).await? {
                hits.push(SearchHit {
                    thread: hit.thread,
                    title_marks: marks(&query, &hit.title),
                    title: hit.title,
                    thumbnail: hit.thumbnail,
                    message: None,
                    at: hit.at,
                    snippet: String::new(),
                    marks: Vec::new(),
                });
            }
        }
        let found = self.store.search(&query, before, PAGE).await?;
        let full = found.len() == PAGE as usize;
        let next = found
            .last()
            .filter(|_| full)
            .map(|last| last.message.to_string());
        for hit in found {
            let snippet = line_around(&query, &hit.text);
            hits.push(SearchHit {
                thread: hit.thread,
                title_marks: marks(&query, &hit.title),
                title: hit.title,
                thumbnail: hit.thumbnail,
                message: Some((hit.message, hit.role)),
                at: hit.at,
                marks: marks(&query, &snippet),
                snippet,
            });
        }
        Ok(SearchPage { hits, next })
    }
}

/// The marks of a text in UTF-16 code units.
fn marks(query: &SearchQuery, text: &str) -> Vec<(u32, u32)> {
    query
        .marks(text)
        .into_iter()
        .map(|(from, to)| (utf16(text, from), utf16(text, to)))
        .collect()
}

/// How many UTF-16 code units stand before byte `at`.
pub(crate) fn utf16(text: &str, at: usize) -> u32 {
    let units = text.get(..at).unwrap_or(text).encode_utf16().count();
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// A line of the text around its first hit, with blanks for line breaks.
fn line_around(query: &SearchQuery, text: &str) -> String {
    let first = query.marks(text).first().map_or(0, |(from, _)| *from);
    let lead = text.get(..first).unwrap_or_default();
    let start = lead
        .char_indices()
        .rev()
        .nth(BEFORE.saturating_sub(1))
        .map_or(0, |(at, _)| at);
    // From the beginning of a word on, where one is near.
    let start = match lead
        .get(start..)
        .and_then(|part| part.find(char::is_whitespace))
    {
        Some(blank) if start > 0 => start + blank,
        _ => start,
    };
    let rest = text.get(start..).unwrap_or_default();
    let mut line = String::new();
    if start > 0 {
        line.push('…');
    }
    let words = rest.split_whitespace().flat_map(|word| [" ", word]).skip(1);
    let mut left = LINE;
    for part in words {
        let length = part.chars().count();
        if length > left {
            line.extend(part.chars().take(left));
            line.push('…');
            break;
        }
        left -= length;
        line.push_str(part);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_begins_near_the_hit() {
        let query = SearchQuery::new("needle").unwrap();
        let text = format!("{}\nthe needle lies here", "hay ".repeat(500));
        let line = line_around(&query, &text);
        assert!(
            line.starts_with('…') && line.ends_with("the needle lies here"),
            "{line}"
        );
        assert!(line.chars().count() <= LINE + 2);
        let all = line_around(&query, "needle");
        assert_eq!(all, "needle");
    }

    #[test]
    fn marks_count_as_the_page_does() {
        let query = SearchQuery::new("猫").unwrap();
        // An emoji is two UTF-16 code units.
        assert_eq!(marks(&query, "🙂猫"), [(2, 3)]);
    }
}
