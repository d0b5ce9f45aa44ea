//! What tasks came to, for later plans: what the loop keeps of each that ends, in the database and in the file of all the user's
//! repositories, and what whoever plans reads of the latter. What is in the database is read by [`crate::knowledge`].

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use gadugi_analysis::without_front_matter;
use gadugi_core::{Event, Outcome, PastTask, PastWork, RunId, SCRIPTED, State, StepId, TaskId};
use gadugi_store::{Elsewhere, PAST_TEXT_BYTES};

use crate::layout::Layout;

/// What tasks of the user's other repositories took. Where that cannot be read there are none: nothing depends on it.
pub fn elsewhere(layout: &Layout) -> Vec<PastWork> {
    let Some(file) = Elsewhere::of_user() else { return Vec::new() };
    file.read(&repository(layout)).unwrap_or_else(|error| {
        tracing::debug!(%error, path = %file.path().display(), "not learnt from");
        Vec::new()
    })
}

/// The mark of a repository on what leaves it: nobody can tell from it where that is who does not know it already.
fn repository(layout: &Layout) -> String {
    format!("{:016x}", gadugi_core::fingerprint(layout.root().as_os_str().as_bytes()))
}

/// What the loop keeps of tasks that end.
#[derive(Debug)]
pub(crate) struct Memory {
    layout: Layout,
    repository: String,
    elsewhere: Option<Arc<Elsewhere>>,
    /// The most that the steps of each task that runs were seen to take of the disk, bytes. One that was begun by another engine
    /// counts from here on.
    disk: HashMap<(RunId, TaskId), u64>,
}

impl Memory {
    pub(crate) fn new(layout: &Layout) -> Self {
        let elsewhere = Elsewhere::of_user().map(Arc::new);
        Self { layout: layout.clone(), repository: repository(layout), elsewhere, disk: HashMap::new() }
    }

    /// A step was seen to take so much of the disk.
    pub(crate) fn see(&mut self, step: &StepId, bytes: u64) {
        let task = (step.attempt.run.clone(), step.attempt.task.clone());
        let most = self.disk.entry(task).or_default();
        *most = bytes.max(*most);
    }

    /// What the tasks came to that those events end.
    pub(crate) fn ended(&mut self, state: &State, events: &[Event]) -> Vec<PastTask> {
        let ended = events.iter().filter_map(|event| match event {
            Event::TaskFinished { run, task, .. } => Some((run, task)),
            _ => None,
        });
        let mut past = Vec::new();
        for (run, task) in ended {
            let disk = self.disk.remove(&(run.clone(), task.clone()));
            let told = state.runs.get(run).and_then(|state| state.past_task(state.position(task)?));
            if let Some(mut told) = told {
                told.work.disk_mb = disk.map(|bytes| bytes.div_ceil(1 << 20));
                told.text = self.text(run, task);
                past.push(told);
            }
        }
        past
    }

    /// The beginning of a prompt, behind its front matter. Reads one block of a file that this machine wrote a while ago.
    fn text(&self, run: &RunId, task: &TaskId) -> String {
        let mut bytes = Vec::new();
        let read = File::open(self.layout.prompt(run, task))
            .and_then(|file| file.take(2 * PAST_TEXT_BYTES as u64).read_to_end(&mut bytes));
        match read {
            Ok(_) => without_front_matter(&String::from_utf8_lossy(&bytes)).to_owned(),
            Err(_) => String::new(),
        }
    }

    /// Tells the user's other repositories what was measured, beside the loop. What fails is lost.
    pub(crate) fn share(&self, state: &State, past: Vec<PastTask>) {
        let Some(elsewhere) = &self.elsewhere else { return };
        let shared = |task: &PastTask| {
            let wanted = state.runs.get(&task.run).is_some_and(|run| run.settings.share_past);
            let honest = matches!(task.work.outcome, Outcome::Succeeded | Outcome::TimedOut);
            wanted && honest && task.work.agent != SCRIPTED
        };
        let works: Vec<PastWork> = past.into_iter().filter(shared).map(|task| task.work).collect();
        if works.is_empty() {
            return;
        }
        let (elsewhere, repository) = (Arc::clone(elsewhere), self.repository.clone());
        tokio::task::spawn_blocking(move || {
            for work in works {
                if let Err(error) = elsewhere.add(&repository, &work) {
                    return tracing::debug!(%error, path = %elsewhere.path().display(), "not kept for other repositories");
                }
            }
        });
    }
}
