//! KV caches of sequences that are not running, kept for what comes next in their thread.
//!
//! A follow-up question, a regenerated answer or a second question about the same picture begins
//! as an earlier sequence did, and then needs only its new positions computed.

use crate::backend::Cache;
use crate::position::{Position, common_prefix};

struct Idle<C> {
    cache: C,
    /// Exactly the positions `cache` holds.
    positions: Vec<Position>,
    /// Left by a job, where the next picture seldom shares more than the system text.
    expendable: bool,
}

/// Idle caches, least recently used first, within a limit of bytes.
pub(crate) struct CachePool<C> {
    idle: Vec<Idle<C>>,
    limit: usize,
}

impl<C: Cache> CachePool<C> {
    /// A pool that keeps at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            idle: Vec::new(),
            limit,
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.idle.iter().map(|idle| idle.cache.bytes()).sum()
    }

    /// Drops every cache; returns whether there was one.
    pub(crate) fn clear(&mut self) -> bool {
        let any = !self.idle.is_empty();
        self.idle.clear();
        any
    }

    /// Takes out the cache that shares the longest prefix with `wanted`, cut to that prefix and to
    /// at most `most` positions.
    ///
    /// Taking a cache destroys what it holds beyond the prefix. That is worth it unless the prefix
    /// is less than a quarter of it: a new conversation shares the system text with every other
    /// one, and must not eat a long thread to save a few dozen positions. What a job left is
    /// always taken.
    pub(crate) fn take(&mut self, wanted: &[Position], most: usize) -> Option<C> {
        let (at, shared) = self
            .idle
            .iter()
            .enumerate()
            .map(|(at, idle)| (at, common_prefix(&idle.positions, wanted).min(most), idle))
            .filter(|(_, shared, idle)| {
                *shared > 0 && (idle.expendable || shared * 4 >= idle.positions.len())
            })
            // Of equally good ones the cheapest to lose, which is the one with the least beyond.
            .max_by_key(|(_, shared, idle)| (*shared, usize::MAX - idle.positions.len()))
            .map(|(at, shared, _)| (at, shared))?;
        let mut cache = self.idle.remove(at).cache;
        cache.truncate(shared);
        Some(cache)
    }

    /// Whether a cache holds all of `wanted`; marks it as used just now.
    pub(crate) fn covers(&mut self, wanted: &[Position]) -> bool {
        let found = self
            .idle
            .iter()
            .position(|idle| common_prefix(&idle.positions, wanted) == wanted.len());
        if let Some(at) = found {
            let idle = self.idle.remove(at);
            self.idle.push(idle);
        }
        found.is_some()
    }

    /// Keeps a cache that holds `positions`, and drops others until the limit is kept: what jobs
    /// left first, then the least recently used.
    pub(crate) fn put(&mut self, cache: C, positions: Vec<Position>, expendable: bool) {
        if positions.is_empty() || cache.len() != positions.len() {
            return;
        }
        // A cache whose positions another one begins with can never be the better choice.
        self.idle
            .retain(|idle| common_prefix(&idle.positions, &positions) < idle.positions.len());
        self.idle.push(Idle {
            cache,
            positions,
            expendable,
        });
        while self.bytes() > self.limit {
            let at = self
                .idle
                .iter()
                .position(|idle| idle.expendable)
                .unwrap_or(0);
            self.idle.remove(at);
        }
    }
}
