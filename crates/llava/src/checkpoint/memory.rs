//! How much memory a model's files could take without pushing anything else out.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Bytes that are free or could be at once (what only caches files), within the limit that a
/// container may have; `None` where the system does not say.
pub(super) fn available() -> Option<u64> {
    let memory = MemoryRefreshKind::nothing().with_ram();
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(memory)).ok()?;
    // A container counts the files it has read as used, but gives them up as the system does:
    // only what is not backed by a file is taken.
    let limit = system
        .cgroup_limits()
        .map(|c| c.total_memory.saturating_sub(c.rss));
    let free = Some(system.available_memory()).filter(|free| *free > 0);
    [free, limit].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    #[test]
    fn some_memory_is_available() {
        let available = super::available().unwrap();
        assert!((1 << 20..1 << 50).contains(&available));
    }
}
