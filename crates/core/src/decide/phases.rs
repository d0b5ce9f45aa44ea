//! What is put on record about the eleven phases, and when.
//!
//! Phases that this version does not perform are recorded as left out: never as done.

use crate::{AgentEnd, Phase, PhaseRecord, PhaseStatus, RunState};

fn proved(phase: Phase, evidence: impl Into<String>) -> PhaseRecord {
    PhaseRecord { phase, status: PhaseStatus::Proved { evidence: evidence.into() } }
}

fn left_out(phase: Phase, because: &str) -> PhaseRecord {
    PhaseRecord { phase, status: PhaseStatus::LeftOut { because: because.to_owned() } }
}

/// The workspace is there.
pub(super) fn prepared(run: &RunState, at: usize, base: &str, branch: &str) -> Vec<PhaseRecord> {
    if !run.plan.tasks[at].purpose.is_work() {
        return asking(base);
    }
    let review = if run.settings.review { "gadugi does not review yet" } else { "--no-review" };
    vec![
        proved(Phase::InitialSetup, format!("workspace at {base}")),
        left_out(Phase::IssueCreation, "no forge"),
        proved(Phase::BranchManagement, format!("{branch} at {base}")),
        left_out(
            Phase::Testing,
            "gadugi does not test in the task's own workspace yet; the composed tree is verified at the merge",
        ),
        left_out(Phase::Review, review),
        left_out(Phase::ReviewResponse, review),
    ]
}

/// A question changes nothing: of the workflow it has the workspace alone.
fn asking(base: &str) -> Vec<PhaseRecord> {
    let others =
        Phase::ALL.into_iter().filter(|phase| !matches!(phase, Phase::InitialSetup | Phase::SettingsUpdate));
    let others = others.map(|phase| left_out(phase, "it asks, and changes nothing"));
    std::iter::once(proved(Phase::InitialSetup, format!("workspace at {base}"))).chain(others).collect()
}

/// The agent's last step is over.
pub(super) fn spoken(end: &AgentEnd) -> Vec<PhaseRecord> {
    let claim = |phase: Phase| {
        let claimed = end.claimed_phases.contains(&phase.number());
        PhaseRecord { phase, status: if claimed { PhaseStatus::Claimed } else { PhaseStatus::Unreported } }
    };
    vec![claim(Phase::ResearchAndPlanning), claim(Phase::Documentation)]
}

/// Gadugi looked at what is on the branch.
pub(super) fn implemented(changed: usize, branch: &str) -> Vec<PhaseRecord> {
    vec![
        proved(Phase::Implementation, format!("{changed} paths differ from the base")),
        proved(Phase::PullRequest, format!("{branch} is on the merge queue")),
    ]
}

/// Nothing had to change, and the agent said why.
pub(super) fn no_change(reason: &str) -> Vec<PhaseRecord> {
    vec![
        proved(Phase::Implementation, format!("no change, as the agent says: {reason}")),
        left_out(Phase::PullRequest, "nothing to merge"),
    ]
}

/// The agent did not come to a good end.
pub(super) fn failed(because: &str) -> Vec<PhaseRecord> {
    vec![
        PhaseRecord {
            phase: Phase::Implementation,
            status: PhaseStatus::Failed { because: because.to_owned() },
        },
        left_out(Phase::PullRequest, "nothing to merge"),
    ]
}

/// The task is over.
pub(super) fn recorded() -> Vec<PhaseRecord> {
    vec![proved(Phase::SettingsUpdate, "run record")]
}
