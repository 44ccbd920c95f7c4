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
        // One that can never fit must not push out the others first.
        if positions.is_empty() || cache.len() != positions.len() || cache.bytes() > self.limit {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten bytes a position.
    struct Held(usize);

    impl Cache for Held {
        fn len(&self) -> usize {
            self.0
        }

        fn bytes(&self) -> usize {
            self.0 * 10
        }

        fn truncate(&mut self, len: usize) {
            self.0 = self.0.min(len);
        }
    }

    /// `common` positions that all share, then `own` of its own.
    fn sequence(common: usize, own: u32, length: usize) -> Vec<Position> {
        let start = (0..common).map(|_| Position::Id(0));
        start
            .chain((common..length).map(|_| Position::Id(own)))
            .collect()
    }

    fn put(pool: &mut CachePool<Held>, positions: Vec<Position>, expendable: bool) {
        pool.put(Held(positions.len()), positions, expendable);
    }

    fn taken(pool: &mut CachePool<Held>, wanted: &[Position]) -> Option<usize> {
        pool.take(wanted, wanted.len()).map(|held| held.len())
    }

    #[test]
    fn the_longest_prefix_is_taken_and_cut() {
        let mut pool = CachePool::new(10_000);
        put(&mut pool, sequence(20, 1, 30), false);
        put(&mut pool, sequence(25, 2, 40), false);
        assert_eq!(taken(&mut pool, &sequence(40, 0, 40)), Some(25));
        assert_eq!(taken(&mut pool, &sequence(40, 0, 40)), Some(20));
        assert_eq!(taken(&mut pool, &sequence(40, 0, 40)), None);
        put(&mut pool, sequence(30, 0, 30), false);
        assert_eq!(
            pool.take(&sequence(30, 0, 30), 29).map(|held| held.len()),
            Some(29)
        );
    }

    #[test]
    fn a_long_thread_is_not_eaten_for_its_system_text() {
        let mut pool = CachePool::new(10_000);
        put(&mut pool, sequence(10, 1, 100), false);
        assert_eq!(taken(&mut pool, &sequence(10, 2, 50)), None);
        assert_eq!(pool.bytes(), 1000);
        put(&mut pool, sequence(10, 3, 100), true);
        assert_eq!(
            taken(&mut pool, &sequence(10, 2, 50)),
            Some(10),
            "what a job left is"
        );
        assert_eq!(taken(&mut pool, &sequence(30, 1, 100)), None);
        assert_eq!(taken(&mut pool, &sequence(10, 1, 35)), Some(35));
    }

    #[test]
    fn of_equal_prefixes_the_shorter_cache_is_taken() {
        let mut pool = CachePool::new(10_000);
        put(&mut pool, sequence(10, 1, 12), false);
        put(&mut pool, sequence(10, 2, 30), false);
        assert_eq!(taken(&mut pool, &sequence(10, 3, 20)), Some(10));
        assert_eq!(pool.bytes(), 300);
    }

    #[test]
    fn jobs_go_first_and_then_the_least_recently_used() {
        let mut pool = CachePool::new(300);
        put(&mut pool, sequence(0, 1, 10), false);
        put(&mut pool, sequence(0, 2, 10), true);
        put(&mut pool, sequence(0, 3, 10), false);
        assert!(pool.covers(&sequence(0, 1, 5)), "used now");
        put(&mut pool, sequence(0, 4, 10), false);
        assert_eq!(taken(&mut pool, &sequence(0, 2, 10)), None, "the job's");
        put(&mut pool, sequence(0, 5, 10), false);
        assert_eq!(taken(&mut pool, &sequence(0, 3, 10)), None, "the oldest");
        assert_eq!(taken(&mut pool, &sequence(0, 1, 10)), Some(10));
        put(&mut pool, sequence(0, 6, 31), false);
        assert_eq!(
            pool.bytes(),
            200,
            "one that can never fit pushes nothing out"
        );
    }

    #[test]
    fn what_goes_on_replaces_what_it_began_with() {
        let mut pool = CachePool::new(10_000);
        put(&mut pool, sequence(0, 1, 10), false);
        put(&mut pool, sequence(0, 1, 20), false);
        assert_eq!(pool.bytes(), 200);
        pool.put(Held(7), sequence(0, 2, 10), false);
        assert_eq!(
            pool.bytes(),
            200,
            "a cache that does not hold what is said of it is dropped"
        );
    }
}
