//! The most memory this process has held, for `peak_rss_bytes`.

/// Bytes of resident memory at the highest point so far; 0 where the system does not say.
#[cfg(target_os = "linux")]
pub(crate) fn peak_rss_bytes() -> u64 {
    // Not `getrusage`: its maximum is inherited from the program that started this one.
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| high_water(&status))
        .unwrap_or(0)
}

/// `VmHWM:   123456 kB` in bytes.
#[cfg(target_os = "linux")]
fn high_water(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Bytes of resident memory at the highest point so far; 0 where the system does not say.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn peak_rss_bytes() -> u64 {
    use nix::sys::resource::{UsageWho, getrusage};
    // Apple counts bytes, the BSDs kilobytes.
    let unit = if cfg!(target_vendor = "apple") {
        1
    } else {
        1024
    };
    getrusage(UsageWho::RUSAGE_SELF)
        .ok()
        .and_then(|usage| u64::try_from(usage.max_rss()).ok())
        .map_or(0, |peak| peak.saturating_mul(unit))
}

/// Bytes of resident memory now: there is no safe way to the peak here, and the weights, which
/// make up nearly all of it, are still held when this is asked.
#[cfg(not(unix))]
pub(crate) fn peak_rss_bytes() -> u64 {
    use sysinfo::{ProcessesToUpdate, System};
    let Ok(me) = sysinfo::get_current_pid() else {
        return 0;
    };
    let mut system = System::new();
    system.refresh_processes(ProcessesToUpdate::Some(&[me]), true);
    system.process(me).map_or(0, sysinfo::Process::memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_high_water_mark_is_read() {
        assert_eq!(
            high_water("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"),
            Some(2 << 20)
        );
        assert_eq!(high_water("Name:\tx\n"), None);
    }

    #[test]
    fn a_buffer_counts() {
        let buffer = vec![1_u8; 8 << 20];
        assert!(peak_rss_bytes() >= std::hint::black_box(&buffer).len() as u64);
    }
}
