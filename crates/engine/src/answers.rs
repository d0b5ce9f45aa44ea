//! The answers of agents that were asked: read from what their last step wrote, and looked at.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;

use gadugi_agents::{AgentKind, last_words};
use gadugi_analysis::decompose;
use gadugi_core::{Appraisal, Purpose, StepId};

use crate::sandbox::agent;
use crate::world::{RunContext, World};

/// What the last words of a step are worth. It only reads, and may be asked again.
pub(crate) async fn take(world: &Arc<World>, run: &RunContext, step: &StepId) -> Result<Appraisal, String> {
    let task = run.plan.task(&step.attempt.task).ok_or("the plan has no such task")?;
    let Purpose::Decompose(most) = task.purpose else { return Err("nobody asked it anything".to_owned()) };
    let kind = agent(run, &task.id).ok_or("there is no such agent")?;
    let dir = world.layout.step_dir(step);
    let read = tokio::task::spawn_blocking(move || {
        let words = words(&dir, kind).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(decompose::appraise(&words, most))
    });
    read.await.map_err(|panic| panic.to_string())?
}

/// The last words of the step in that folder; none where it said nothing.
fn words(dir: &Path, kind: AgentKind) -> io::Result<String> {
    let output = BufReader::new(File::open(dir.join(gadugi_exec::STDOUT))?);
    Ok(last_words(kind, output)?.unwrap_or_default())
}
