//! The worker threads. No result depends on how many there are.

use std::sync::{Arc, PoisonError, RwLock};

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::KernelError;
use crate::isa;

/// The process-wide pool; built at first use.
static POOL: RwLock<Option<ThreadPool>> = RwLock::new(None);

/// A set of worker threads.
#[derive(Debug, Clone)]
pub struct ThreadPool(Arc<rayon::ThreadPool>);

impl ThreadPool {
    /// Starts `threads` workers; 0 means one for each physical core that this process may use.
    ///
    /// # Errors
    /// When the system does not give the threads.
    pub fn new(threads: usize) -> Result<Self, KernelError> {
        let threads = if threads == 0 { cores() } else { threads };
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("kernels-{i}"))
            .build()
            .map(|pool| Self(Arc::new(pool)))
            .map_err(|e| KernelError::Threads(e.to_string()))
    }

    /// Number of workers.
    pub fn threads(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs `f` inside the pool: every kernel that `f` calls uses these workers. To run a whole
    /// forward pass inside one call spares a hand-over per kernel.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        let forced = isa::forced();
        self.0.install(|| isa::with_forced(forced, f))
    }
}

/// Sets the number of workers of the process-wide pool; 0 means one for each physical core.
/// Work in progress ends on the pool that it began on.
///
/// # Errors
/// When the system does not give the threads.
pub fn set_threads(threads: usize) -> Result<(), KernelError> {
    let pool = ThreadPool::new(threads)?;
    *POOL.write().unwrap_or_else(PoisonError::into_inner) = Some(pool);
    Ok(())
}

/// Number of workers that a kernel called here would use.
pub fn threads() -> usize {
    if rayon::current_thread_index().is_some() {
        return rayon::current_num_threads();
    }
    current().map_or(1, |pool| pool.threads())
}

/// Runs `f` inside the process-wide pool; see [`ThreadPool::install`].
pub fn install<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    // Inside a pool already: stay there. Without threads the work is still done, in this one.
    if rayon::current_thread_index().is_some() {
        return f();
    }
    match current() {
        Some(pool) => pool.install(f),
        None => f(),
    }
}

/// Calls `f` with `0..tasks`, spread over the workers if the work is worth the hand-over.
/// `cost` is the work in all, in multiplications.
pub(crate) fn for_each(tasks: usize, cost: usize, f: impl Fn(usize) + Send + Sync) {
    share(tasks, cost, &f);
}

/// Compiled once: what rayon makes of a closure is large, and there are many closures.
fn share(tasks: usize, cost: usize, f: &(dyn Fn(usize) + Send + Sync)) {
    if tasks <= 1 || cost < WORTH_SHARING {
        (0..tasks).for_each(f);
    } else {
        install(|| (0..tasks).into_par_iter().for_each(f));
    }
}

/// Calls `f` with the number and the values of each row of `x` (rows, cols).
/// `cost` is the work per value, in multiplications.
///
/// # Panics
/// When `x` is not whole rows.
pub(crate) fn for_each_row(
    x: &mut [f32],
    cols: usize,
    cost: usize,
    f: impl Fn(usize, &mut [f32]) + Send + Sync,
) {
    if x.is_empty() {
        return;
    }
    assert!(
        cols > 0 && x.len().is_multiple_of(cols),
        "{} values in rows of {cols}",
        x.len()
    );
    if x.len() == cols || x.len() * cost < WORTH_SHARING {
        x.chunks_exact_mut(cols)
            .enumerate()
            .for_each(|(i, row)| f(i, row));
    } else {
        install(|| {
            x.par_chunks_exact_mut(cols)
                .enumerate()
                .for_each(|(i, row)| f(i, row))
        });
    }
}

/// Calls `f` with pieces of `x` and where each begins. For functions of single values, to which
/// it makes no difference where `x` is cut.
pub(crate) fn for_each_piece(
    x: &mut [f32],
    cost: usize,
    f: impl Fn(usize, &mut [f32]) + Send + Sync,
) {
    /// What fits the first-level cache.
    const PIECE: usize = 4096;
    if x.len() * cost < WORTH_SHARING {
        f(0, x);
    } else {
        let pieces = |(i, piece): (usize, &mut [f32])| f(i * PIECE, piece);
        install(|| x.par_chunks_mut(PIECE).enumerate().for_each(pieces));
    }
}

/// About 10 microseconds of one core's work, which is what waking another one takes.
const WORTH_SHARING: usize = 1 << 17;

fn current() -> Option<ThreadPool> {
    if let Some(pool) = &*POOL.read().unwrap_or_else(PoisonError::into_inner) {
        return Some(pool.clone());
    }
    let mut slot = POOL.write().unwrap_or_else(PoisonError::into_inner);
    if slot.is_none() {
        *slot = ThreadPool::new(0).ok();
    }
    slot.clone()
}

/// Physical cores that this process may use. Two hardware threads of one core share its
/// multipliers, so the second one adds contention and no speed.
fn cores() -> usize {
    let logical = std::thread::available_parallelism().map_or(1, |n| n.get());
    physical_cores().map_or(logical, |physical| physical.clamp(1, logical))
}

#[cfg(target_os = "linux")]
fn physical_cores() -> Option<usize> {
    let mut cores = std::collections::HashSet::new();
    for entry in std::fs::read_dir("/sys/devices/system/cpu").ok()?.flatten() {
        let list = entry.path().join("topology/thread_siblings_list");
        if let Ok(siblings) = std::fs::read_to_string(list) {
            cores.insert(siblings);
        }
    }
    (!cores.is_empty()).then_some(cores.len())
}

#[cfg(not(target_os = "linux"))]
fn physical_cores() -> Option<usize> {
    None
}
