//! What a state still owes to the world. After a crash, doing it again is all the recovery there is.

use crate::{Effect, MergeStage, RunState, RunStatus, Stage, State, StepId};

/// The effects that were asked for and have not been reported on, as far as the state knows. Processes are looked
/// for and followed, never started.
pub fn outstanding(state: &State) -> Vec<Effect> {
    state.runs.values().filter(|run| !run.is_finished()).flat_map(of_run).collect()
}

fn of_run(run: &RunState) -> Vec<Effect> {
    let mut effects = Vec::new();
    if run.tip.is_none() {
        let (id, branch, base) = (run.id.clone(), run.branch(), run.plan.base.clone());
        effects.push(Effect::OpenIntegration { run: id, branch, base });
    }
    if run.status == RunStatus::Ending {
        effects.push(Effect::TidyRun { run: run.id.clone() });
    }
    for at in run.unsalvaged() {
        let owed = run.tasks[at].salvage.iter().filter(|(_, salvage)| salvage.is_none());
        effects.extend(owed.map(|(number, _)| Effect::SalvageWork { attempt: run.attempt_id(at, *number) }));
    }
    for (at, attempt) in run.active() {
        let (id, purpose) = (run.attempt_id(at, attempt.number), run.plan.tasks[at].purpose);
        let (run, task) = (id.run.clone(), id.task.clone());
        match &attempt.stage {
            Stage::Preparing => {
                effects.push(Effect::PrepareWorkspace { attempt: id, base: attempt.base.clone() });
            }
            Stage::Collecting if !purpose.is_work() => {
                effects.push(Effect::TakeAnswer { step: StepId { attempt: id, step: attempt.steps } });
            }
            Stage::Collecting => {
                effects.push(Effect::CollectWork { attempt: id, base: attempt.base.clone() });
            }
            Stage::Merging { work, onto, at: MergeStage::Composing } => {
                effects.push(Effect::Compose { run, task, work: work.clone(), onto: onto.clone() });
            }
            Stage::Merging { onto, at: MergeStage::Advancing { to, .. }, .. } => {
                effects.push(Effect::Advance { run, task, from: onto.clone(), to: to.clone() });
            }
            Stage::Step(step) | Stage::Merging { at: MergeStage::Verifying { step, .. }, .. } => {
                // One that is to be stopped is asked to once it is found: nobody can stop what they do not follow yet.
                effects.push(Effect::AdoptStep { step: step.id(id), kind: step.kind.clone() });
            }
            Stage::Ready
            | Stage::Suspended { .. }
            | Stage::Queued { .. }
            | Stage::Merging { at: MergeStage::Composed { .. }, .. } => {}
        }
    }
    effects
}
