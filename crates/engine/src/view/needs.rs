//! What of a run wants a person. What a person may type about it is said by whoever shows it.

use std::collections::BTreeSet;

use gadugi_core::needs::{Need, NeedKind, Remedial};
use gadugi_core::{AgentName, RunState, Timestamp};

use crate::protocol::NeedView;

pub(super) fn needs(run: &RunState, now: Timestamp) -> Vec<NeedView> {
    run.needs(now).into_iter().map(|need| view(run, need)).collect()
}

fn view(run: &RunState, need: Need) -> NeedView {
    NeedView {
        kind: need.kind.word().to_owned(),
        actions: need.remedies().iter().copied().map(Remedial::word).map(str::to_owned).collect(),
        agents: if need.kind == NeedKind::Auth { agents(run) } else { Vec::new() },
        task: need.task,
        since: need.since,
        until: need.until,
        detail: need.detail,
        path: need.path,
    }
}

/// Those that have something left to do.
fn agents(run: &RunState) -> Vec<AgentName> {
    let open = run.tasks.iter().enumerate().filter(|(_, task)| task.outcome().is_none());
    let agents: BTreeSet<&AgentName> = open.map(|(at, _)| run.agent(at)).collect();
    agents.into_iter().cloned().collect()
}
