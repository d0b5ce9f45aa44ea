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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read() {
        let text = "MemTotal:       16384000 kB\nMemFree: 1 kB\nMemAvailable:    8192000 kB\n";
        assert_eq!((meminfo(text, "MemTotal:"), meminfo(text, "MemAvailable:")), (Some(16_000), Some(8_000)));
        assert_eq!(meminfo(text, "Swap:"), None);
    }
}
