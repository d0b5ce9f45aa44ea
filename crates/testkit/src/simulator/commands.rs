//! What people ask of a simulated engine.

use gadugi_core::{CancelTarget, Command, CommitId, RunId, TaskId};

use super::rng::Rng;

/// A random wish about a run whose tasks are called `t0`, `t1`, ….
pub(super) fn draw(rng: &mut Rng, run: RunId, tasks: usize) -> Command {
    let task = TaskId::new(format!("t{}", rng.index(tasks)));
    match rng.below(20) {
        0 => Command::Cancel { run, target: CancelTarget::All },
        1..=4 => Command::Cancel { run, target: CancelTarget::Tasks(vec![task]) },
        5..=6 => Command::Pause { run },
        7..=9 => Command::Resume { run },
        10..=12 => Command::Interrupt { run, now: rng.chance(300) },
        13..=16 => Command::Retry { run, task, with: rng.chance(500).then(|| "try harder".to_owned()) },
        17..=18 => {
            let slots = u32::try_from(rng.between(1..=6)).unwrap_or(1);
            Command::SetCapacity { slots, reason: "measured".into() }
        }
        _ => Command::RecordLanding { run, into: "main".into(), commit: CommitId::new("c0") },
    }
}
