//! Which work is on its way out of sealed workspaces, so that whoever wants it to end can say so.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gadugi_core::{AttemptId, Command, RunId, StepId, Target, TaskId};
use tokio::sync::watch;

use crate::layout::Layout;

/// Steps of an attempt are counted from 1, as each is intended; its exports from here. None has the number of another: a
/// container of a dead one may still be there.
const FIRST: u32 = 1_000_000;
const NUMBERS: u32 = 1_000_000_000;

/// What is taken out of workspaces at this moment.
#[derive(Debug, Default)]
pub(crate) struct Exports(Mutex<UnderWay>);

#[derive(Debug, Default)]
struct UnderWay {
    next: u64,
    all: BTreeMap<u64, Export>,
}

#[derive(Debug)]
struct Export {
    attempt: AttemptId,
    /// The number of the step that runs for it, where one does.
    step: Option<u32>,
    ended: watch::Sender<bool>,
}

/// Work that is taken out of a workspace, from its first try to its last.
#[derive(Debug)]
pub(crate) struct Outgoing {
    all: Arc<Exports>,
    key: u64,
    ended: watch::Receiver<bool>,
}

impl Exports {
    fn with<T>(&self, change: impl FnOnce(&mut UnderWay) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From here on it can be ended.
    pub(crate) fn begin(self: &Arc<Self>, attempt: &AttemptId) -> Outgoing {
        let (sender, ended) = watch::channel(false);
        let key = self.with(|under_way| {
            under_way.next += 1;
            let export = Export { attempt: attempt.clone(), step: None, ended: sender };
            under_way.all.insert(under_way.next, export);
            under_way.next
        });
        Outgoing { all: Arc::clone(self), key, ended }
    }

    /// What a person asks for ends what is taken out, too: it would hold the run for as long as what an agent left can be
    /// read. A run that is interrupted takes in what is finished, unless it is to end at once.
    pub(crate) fn hear(&self, command: &Command) {
        match command {
            Command::Cancel { run, target: Target::All } | Command::Interrupt { run, now: true } => {
                self.end(run, None);
            }
            Command::Cancel { run, target: Target::Tasks(tasks) } => self.end(run, Some(tasks)),
            _ => {}
        }
    }

    fn end(&self, run: &RunId, tasks: Option<&[TaskId]>) {
        self.with(|under_way| {
            let wanted = |attempt: &AttemptId| {
                attempt.run == *run && tasks.is_none_or(|tasks| tasks.contains(&attempt.task))
            };
            for export in under_way.all.values().filter(|export| wanted(&export.attempt)) {
                export.ended.send_replace(true);
            }
        });
    }

    /// Folders of exports that nobody waits for any more: their engine died.
    fn left_over(&self, layout: &Layout, attempt: &AttemptId) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(layout.attempt_dir(attempt)).into_iter().flatten().flatten();
        // Each is on record here before its folder is made, so what is seen first and then not on record is nobody's.
        let found: Vec<(u32, PathBuf)> = entries
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
            .filter(|(number, _)| *number >= FIRST)
            .collect();
        self.with(|under_way| {
            let alive = |number: u32| {
                let mut all = under_way.all.values();
                all.any(|export| export.step == Some(number) && export.attempt == *attempt)
            };
            found.into_iter().filter(|(number, _)| !alive(*number)).map(|(_, path)| path).collect()
        })
    }
}

impl Outgoing {
    /// A step that no export before had. What dead ones of the attempt left goes.
    pub(crate) fn step(&self, layout: &Layout, attempt: &AttemptId) -> StepId {
        let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
        let number = FIRST + u32::try_from(random % u64::from(NUMBERS)).unwrap_or_default();
        self.all.with(|under_way| {
            if let Some(export) = under_way.all.get_mut(&self.key) {
                export.step = Some(number);
            }
        });
        for path in self.all.left_over(layout, attempt) {
            if let Err(error) = gadugi_workspace::remove_tree(&path) {
                tracing::warn!(path = %path.display(), %error, "what an export left is kept for now");
            }
        }
        StepId { attempt: attempt.clone(), step: number }
    }

    /// Whether somebody wants it to end.
    pub(crate) fn is_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Returns once somebody does.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.clone();
        // Its sender goes with this value.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.all.with(|under_way| under_way.all.remove(&self.key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(run: &str, task: &str) -> AttemptId {
        AttemptId { run: RunId::new(run), task: TaskId::new(task), attempt: 1 }
    }

    #[test]
    fn who_is_asked_to_end_ends() {
        let exports = Arc::new(Exports::default());
        let [one, two, other] = [("r", "one"), ("r", "two"), ("s", "one")];
        let [one, two, other] = [one, two, other].map(|(run, task)| exports.begin(&attempt(run, task)));
        let ended = || [&one, &two, &other].map(Outgoing::is_ended);
        let run = RunId::new("r");
        exports.hear(&Command::Interrupt { run: run.clone(), now: false });
        exports.hear(&Command::Pause { run: run.clone(), target: Target::All });
        assert_eq!(ended(), [false; 3]);
        let target = Target::Tasks(vec![TaskId::new("two")]);
        exports.hear(&Command::Cancel { run: run.clone(), target });
        assert_eq!(ended(), [false, true, false]);
        exports.hear(&Command::Interrupt { run, now: true });
        assert_eq!(ended(), [true, true, false]);
        // One that begins later was not meant.
        assert!(!exports.begin(&attempt("r", "one")).is_ended());
    }

    #[test]
    fn what_dead_exports_left_goes_and_what_others_do_stays() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let exports = Arc::new(Exports::default());
        let attempt = attempt("r", "one");
        let alive = exports.begin(&attempt);
        let living = layout.step_dir(&alive.step(&layout, &attempt));
        let [dead, step] =
            [FIRST, 1].map(|number| layout.step_dir(&StepId { attempt: attempt.clone(), step: number }));
        for folder in [&living, &dead, &step] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let next = exports.begin(&attempt).step(&layout, &attempt);
        assert!(living.exists() && step.exists() && !dead.exists());
        assert_ne!(layout.step_dir(&next), living);
    }
}
