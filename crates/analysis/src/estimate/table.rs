//! What a task takes by its kind and complexity alone: starting values, after the original's own table, that nobody has
//! measured. What tasks really took replaces them step by step.

use gadugi_core::{Complexity, Estimate, Kind};

/// Seconds that a task of medium complexity takes, MiB of memory and disk that it needs, processors.
const ESTIMATES: [(Kind, f64, u64, u64, f64); 6] = [
    (Kind::TestCoverage, 900.0, 1024, 512, 1.0),
    (Kind::BugFix, 600.0, 768, 256, 1.0),
    (Kind::Feature, 1200.0, 1024, 512, 1.0),
    (Kind::Refactoring, 900.0, 1024, 512, 1.0),
    (Kind::Documentation, 300.0, 512, 128, 0.5),
    (Kind::Configuration, 300.0, 512, 128, 0.5),
];

/// What complexity makes of that: seconds, memory and disk, processors.
const FACTORS: [(Complexity, f64, f64, f64); 4] = [
    (Complexity::Low, 0.5, 0.5, 1.0),
    (Complexity::Medium, 1.0, 1.0, 1.0),
    (Complexity::High, 2.0, 1.5, 1.5),
    (Complexity::Critical, 4.0, 2.0, 2.0),
];

/// What such a task takes, by the table.
pub(crate) fn by_table(kind: Kind, complexity: Complexity) -> Estimate {
    // Both tables name every value of their enum (a test looks), so the defaults are never taken.
    let (_, seconds, memory, disk, cpu) =
        ESTIMATES.into_iter().find(|row| row.0 == kind).unwrap_or((kind, 900.0, 1024, 512, 1.0));
    let (_, time, size, cpus) =
        FACTORS.into_iter().find(|row| row.0 == complexity).unwrap_or((complexity, 1.0, 1.0, 1.0));
    Estimate {
        seconds: seconds * time,
        spread: Estimate::UNMEASURED_SPREAD,
        cpu: cpu * cpus,
        memory_mb: (memory as f64 * size) as u64,
        disk_mb: (disk as f64 * size) as u64,
        source: "table".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_complexity_has_its_row() {
        for kind in Kind::ALL {
            assert!(ESTIMATES.iter().any(|row| row.0 == kind));
            let mut last = 0.0;
            for complexity in [Complexity::Low, Complexity::Medium, Complexity::High, Complexity::Critical] {
                let estimate = by_table(kind, complexity);
                assert!(estimate.seconds > last && estimate.memory_mb > 0 && estimate.disk_mb > 0);
                assert_eq!(estimate.source, "table");
                last = estimate.seconds;
            }
        }
    }
}
