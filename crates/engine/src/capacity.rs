//! How many attempts this machine bears at once, where nobody named a number.

/// Slots, and what was measured, for people. `min(cpus - 1, available memory in GiB / 2, 4)`, and never below one: the
/// original project's rule, kept as the starting value.
pub fn measure() -> (u32, String) {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let available = available_gib();
    let slots = rule(cpus, available);
    (slots, format!("{cpus} processors, {available:.1} GiB of memory available"))
}

fn rule(cpus: usize, available_gib: f64) -> u32 {
    let by_cpu = u32::try_from(cpus.saturating_sub(1)).unwrap_or(u32::MAX);
    // A whole number below 4 in the end, so the cut is what is meant.
    let by_memory = (available_gib / 2.0).clamp(0.0, 64.0) as u32;
    by_cpu.min(by_memory).clamp(1, 4)
}

/// `MemAvailable` of `/proc/meminfo`; where that cannot be read, enough for the rule not to hold anything back.
fn available_gib() -> f64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(8.0, |kib| kib / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::rule;

    #[test]
    fn slots_follow_the_machine() {
        assert_eq!(rule(1, 32.0), 1);
        assert_eq!(rule(2, 32.0), 1);
        assert_eq!(rule(4, 32.0), 3);
        assert_eq!(rule(16, 32.0), 4);
        assert_eq!(rule(16, 5.9), 2);
        assert_eq!(rule(16, 0.3), 1);
    }
}
