//! What this machine has: for the plan's estimate and for `doctor`. The engine decides by itself.

use std::fs;
use std::path::Path;

/// Memory in MiB, all of it and what is available; none where the kernel does not say.
pub(crate) fn memory_mib() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    Some((meminfo(&text, "MemTotal:")?, meminfo(&text, "MemAvailable:")?))
}

fn meminfo(text: &str, key: &str) -> Option<u64> {
    let kib = text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?;
    Some(kib.parse::<u64>().ok()? / 1024)
}

/// Free disk space for this user under a folder, in MiB.
pub(crate) fn disk_mib(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024))
}

/// Processors.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Tasks at a time where nobody names a number: `min(cpus - 1, available GiB / 2, 4)`, at least one.
pub(crate) fn slots() -> usize {
    slots_for(cpus(), memory_mib().map(|(_, available)| available))
}

fn slots_for(cpus: usize, available_mib: Option<u64>) -> usize {
    let by_memory = available_mib.map_or(usize::MAX, |mib| usize::try_from(mib / 2048).unwrap_or(usize::MAX));
    cpus.saturating_sub(1).min(by_memory).clamp(1, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_by_the_rule() {
        for (cpus, mib, slots) in [
            (1, Some(64_000), 1),
            (4, Some(64_000), 3),
            (64, Some(64_000), 4),
            (8, Some(5_000), 2),
            (8, Some(100), 1),
            (3, None, 2),
        ] {
            assert_eq!(slots_for(cpus, mib), slots, "{cpus} {mib:?}");
        }
    }

    #[test]
    fn meminfo_is_read() {
        let text = "MemTotal:       16384000 kB\nMemFree: 1 kB\nMemAvailable:    8192000 kB\n";
        assert_eq!((meminfo(text, "MemTotal:"), meminfo(text, "MemAvailable:")), (Some(16_000), Some(8_000)));
        assert_eq!(meminfo(text, "Swap:"), None);
    }
}
