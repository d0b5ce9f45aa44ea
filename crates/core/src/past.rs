//! What tasks came to, for whoever plans later ones: estimates are made from what earlier tasks took, and confidence from what
//! earlier claims came to.

use serde::{Deserialize, Serialize};

use crate::{
    AgentName, ClaimSource, Complexity, Confidence, Kind, Outcome, RunId, RunState, TaskId, TaskStatus,
    Timestamp,
};

/// A task that is over: what sort of work it was, and what it took. No word of its prompt and no path is in it, so that it can
/// be kept outside the repository too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastWork {
    /// When it was over.
    pub finished_at: Timestamp,
    /// What sort of work.
    pub kind: Kind,
    /// How much it looked like beforehand.
    pub complexity: Complexity,
    /// Who did it.
    pub agent: AgentName,
    /// With which model, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Bytes of its prompt.
    pub prompt_bytes: u64,
    /// How many files it was expected to write.
    pub targets: u32,
    /// How it ended. Only what succeeded was measured whole; what ran out of time would have taken longer still.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Measured time of its setup and agent steps in all its tries, seconds.
    pub seconds: f64,
    /// The most memory that a step of it was seen to have, MiB. None where nobody saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u64>,
    /// Processors over all that time. None where nobody saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// The most that its workspace and home were seen to take of the disk, MiB. None where nobody saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_mb: Option<u64>,
}

/// A task of this repository that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct PastTask {
    /// Its run.
    pub run: RunId,
    /// Its id there.
    pub task: TaskId,
    /// What it was and took.
    pub work: PastWork,
    /// Its title.
    pub title: String,
    /// The beginning of its prompt, where it is known.
    pub text: String,
    /// What it was expected to write.
    pub predicted: Vec<PastClaim>,
    /// What it wrote: paths from the repository's root. None where its work was never collected.
    pub writes: Option<Vec<String>>,
}

/// A file or folder that a task was expected to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastClaim {
    /// Path or pattern.
    pub path: String,
    /// How sure the rule itself was, before earlier claims of its sort were heard.
    pub stated: Confidence,
    /// The rule.
    pub source: ClaimSource,
    /// Whether the task wrote it, or something in it. None where its work was never collected.
    pub written: Option<bool>,
}

impl RunState {
    /// The account of the task at that plan position, for later plans: none where it is not over, was never begun, or changes
    /// nothing of the repository. What the state does not know stays out: the prompt's text and the disk.
    pub fn past_task(&self, at: usize) -> Option<PastTask> {
        let (task, planned) = (self.tasks.get(at)?, self.plan.tasks.get(at)?);
        let TaskStatus::Finished { at: finished_at, outcome, .. } = &task.status else { return None };
        if task.attempts == 0 || !planned.purpose.is_work() {
            return None;
        }
        let seconds = task.time.as_seconds();
        let collected = task.commit.is_some();
        let written = self.writes_of(at);
        let work = PastWork {
            finished_at: *finished_at,
            kind: planned.kind,
            complexity: planned.complexity,
            agent: self.agent(at).clone(),
            model: planned.model.clone().or_else(|| self.settings.model.clone()),
            prompt_bytes: planned.prompt.bytes,
            targets: u32::try_from(planned.writes.len()).unwrap_or(u32::MAX),
            outcome: outcome.clone(),
            seconds,
            memory_mb: (task.peak_mib > 0).then_some(task.peak_mib),
            cpu: (task.cpu_ms > 0 && task.time.0 > 0).then(|| task.cpu_ms as f64 / task.time.0 as f64),
            disk_mb: None,
        };
        let claims = planned.writes.iter().enumerate();
        let predicted = claims.map(|(number, claim)| PastClaim {
            path: claim.path.clone(),
            stated: claim.stated.unwrap_or(claim.confidence),
            source: claim.source,
            written: written.as_ref().map(|writes| writes.claims[number]),
        });
        Some(PastTask {
            run: self.id.clone(),
            task: planned.id.clone(),
            work,
            title: planned.name.clone(),
            text: String::new(),
            predicted: predicted.collect(),
            writes: collected.then(|| task.changed.clone()),
        })
    }
}
