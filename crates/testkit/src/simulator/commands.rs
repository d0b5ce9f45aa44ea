//! What people ask of a simulated engine.

use gadugi_core::{Command, CommitId, Target, TaskId};

use super::names;
use super::rng::Rng;

/// A random wish about a run whose tasks are called `t0`, `t1`, ….
pub(super) fn draw(rng: &mut Rng, run: u32, tasks: usize) -> Command {
    let run = names::run(run);
    let some = |rng: &mut Rng| {
        let more = if rng.chance(200) { 3 } else { 1 };
        let task = |_| names::task(u32::try_from(rng.index(tasks)).unwrap_or(0));
        Target::Tasks((0..more).map(task).collect())
    };
    let target = |rng: &mut Rng, all: u32| if rng.chance(all) { Target::All } else { some(rng) };
    match rng.below(20) {
        0 => Command::Cancel { run, target: Target::All },
        1..=4 => Command::Cancel { run, target: some(rng) },
        5..=7 => Command::Pause { run, target: target(rng, 500) },
        8..=11 => Command::Resume { run, target: target(rng, 700) },
        12..=14 => Command::Interrupt { run, now: rng.chance(300) },
        15..=18 => {
            let with = rng.chance(500).then(|| "try harder".to_owned());
            Command::Retry { run, target: target(rng, 150), with }
        }
        _ => Command::RecordLanding { run, into: "main".into(), commit: CommitId::new("c0") },
    }
}

/// The tasks that a wish names.
pub(super) fn tasks(command: &Command) -> &[TaskId] {
    match command {
        Command::Cancel { target: Target::Tasks(tasks), .. }
        | Command::Pause { target: Target::Tasks(tasks), .. }
        | Command::Resume { target: Target::Tasks(tasks), .. }
        | Command::Retry { target: Target::Tasks(tasks), .. } => tasks,
        _ => &[],
    }
}
