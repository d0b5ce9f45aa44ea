//! What people ask of a simulated engine.

use gadugi_core::{CancelTarget, Command, CommitId, TaskId};

use super::names;
use super::rng::Rng;

/// A random wish about a run whose tasks are called `t0`, `t1`, ….
pub(super) fn draw(rng: &mut Rng, run: u32, tasks: usize) -> Command {
    let run = names::run(run);
    let task = names::task(u32::try_from(rng.index(tasks)).unwrap_or(0));
    match rng.below(20) {
        0 => Command::Cancel { run, target: CancelTarget::All },
        1..=4 => Command::Cancel { run, target: CancelTarget::Tasks(vec![task]) },
        5..=6 => Command::Pause { run },
        7..=9 => Command::Resume { run },
        10..=12 => Command::Interrupt { run, now: rng.chance(300) },
        13..=16 => Command::Retry { run, task, with: rng.chance(500).then(|| "try harder".to_owned()) },
        17..=18 => Command::SetCapacity { slots: rng.small(1..=6), reason: "measured".into() },
        _ => Command::RecordLanding { run, into: "main".into(), commit: CommitId::new("c0") },
    }
}

/// The tasks that a wish names.
pub(super) fn tasks(command: &Command) -> &[TaskId] {
    match command {
        Command::Cancel { target: CancelTarget::Tasks(tasks), .. } => tasks,
        Command::Retry { task, .. } => std::slice::from_ref(task),
        _ => &[],
    }
}
