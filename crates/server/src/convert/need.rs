//! What wants a person, with the commands that they may type about it.

use std::collections::HashSet;

use gadugi_agents::{AgentKind, shell_word};
use gadugi_core::{ExecutorKind, RunId, TaskId};
use gadugi_engine::protocol::{NeedView, RunView};

use super::moment;
use crate::text::is_unprintable;
use crate::wire::{self, NeedKind};

/// Without those of a kind that the API has no word for yet.
pub(super) fn needs(run: &RunView) -> Vec<wire::Need> {
    let local = run.tasks.iter().filter(|task| task.executor == ExecutorKind::Local.word());
    let local: HashSet<&TaskId> = local.map(|task| &task.id).collect();
    let is_local = |need: &NeedView| need.task.as_ref().is_some_and(|task| local.contains(task));
    run.needs.iter().filter_map(|of| need(&run.run, of, is_local(of))).collect()
}

fn need(run: &RunId, need: &NeedView, is_local: bool) -> Option<wire::Need> {
    let kind = kind(&need.kind)?;
    Some(wire::Need {
        kind,
        task: need.task.as_ref().map(ToString::to_string),
        since: need.since.map(moment),
        detail: need.detail.clone(),
        commands: commands(run, need, kind, is_local),
        actions: need.actions.iter().filter_map(|word| action(word)).collect(),
    })
}

fn kind(word: &str) -> Option<NeedKind> {
    Some(match word {
        "failed" => NeedKind::Failed,
        "conflict" => NeedKind::Conflict,
        "rejected" => NeedKind::Rejected,
        "suspect" => NeedKind::Suspect,
        "limit" => NeedKind::Limit,
        "budget" => NeedKind::Budget,
        "auth" => NeedKind::Auth,
        "paused" => NeedKind::Paused,
        "held" => NeedKind::Held,
        "kept" => NeedKind::Kept,
        "land" => NeedKind::Land,
        other => {
            tracing::error!(kind = other, "the API has no word for something that wants a person");
            return None;
        }
    })
}

fn action(word: &str) -> Option<wire::Action> {
    match word {
        "retry" => Some(wire::Action::Retry),
        "cancel" => Some(wire::Action::Cancel),
        "pause" => Some(wire::Action::Pause),
        "resume" => Some(wire::Action::Resume),
        "land" => Some(wire::Action::Land),
        _ => None,
    }
}

/// Each exact: they name the run too, as later ones may have a task of the same name.
fn commands(id: &RunId, need: &NeedView, kind: NeedKind, is_local: bool) -> Vec<String> {
    let about = |command: &str| need.task.as_ref().map(|task| format!("gadugi {command} {task} --run {id}"));
    let task = need.task.as_ref().map_or_else(String::new, |task| format!(" {task}"));
    match kind {
        NeedKind::Auth => logins(need).chain([format!("gadugi resume {id}")]).collect(),
        NeedKind::Paused | NeedKind::Held => vec![format!("gadugi resume {id}{task}")],
        NeedKind::Suspect => {
            about("logs -f").into_iter().chain([format!("gadugi cancel {id}{task}")]).collect()
        }
        NeedKind::Failed => ["logs", "retry"].into_iter().filter_map(about).collect(),
        NeedKind::Conflict => ["diff", "retry"].into_iter().filter_map(about).collect(),
        NeedKind::Rejected => ["logs", "diff", "retry"].into_iter().filter_map(about).collect(),
        NeedKind::Budget => about("logs").into_iter().collect(),
        NeedKind::Limit => vec![format!("gadugi status {id}")],
        NeedKind::Kept => kept(id, need, is_local),
        NeedKind::Land => vec![format!("gadugi land {id}")],
    }
}

fn logins(need: &NeedView) -> impl Iterator<Item = String> {
    let kinds = need.agents.iter().filter_map(|agent| AgentKind::from_name(agent).ok());
    kinds.filter_map(AgentKind::login).map(str::to_owned)
}

/// A repository that an agent wrote in a container is to be opened by nothing on this machine. A path that cannot be typed as it
/// is shown is not shown.
fn kept(id: &RunId, need: &NeedView, is_local: bool) -> Vec<String> {
    let path = need.path.as_ref().filter(|path| is_local && !path.contains(is_unprintable));
    match (path, &need.task) {
        (Some(path), _) => vec![format!("git -C {} status", shell_word(path))],
        (None, Some(task)) => vec![format!("gadugi diff {task} --run {id}")],
        (None, None) => vec!["gadugi worktrees".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        kind: NeedKind,
        task: Option<&str>,
        path: Option<&str>,
        agents: &[&str],
        is_local: bool,
    ) -> Vec<String> {
        let need = NeedView {
            kind: String::new(),
            task: task.map(TaskId::new),
            since: None,
            until: None,
            detail: String::new(),
            path: path.map(str::to_owned),
            agents: agents.iter().map(|&agent| agent.to_owned()).collect(),
            actions: Vec::new(),
        };
        commands(&RunId::new("run-1"), &need, kind, is_local)
    }

    #[test]
    fn an_agent_is_logged_in_by_its_own_command() {
        let auth = |agents: &[&str]| of(NeedKind::Auth, None, None, agents, false);
        assert_eq!(auth(&["claude", "scripted"]), ["claude setup-token", "gadugi resume run-1"]);
        assert_eq!(auth(&["scripted", "gone"]), ["gadugi resume run-1"]);
    }

    #[test]
    fn commands_name_the_run_and_the_task() {
        let words = of(NeedKind::Suspect, Some("a"), None, &[], true);
        assert_eq!(words, ["gadugi logs -f a --run run-1", "gadugi cancel run-1 a"]);
        assert_eq!(of(NeedKind::Held, Some("a"), None, &[], true), ["gadugi resume run-1 a"]);
        assert_eq!(of(NeedKind::Land, None, None, &[], false), ["gadugi land run-1"]);
    }

    #[test]
    fn what_an_agent_wrote_in_a_container_is_opened_by_nothing_and_paths_are_typed_as_they_are_shown() {
        let kept = |path, is_local| of(NeedKind::Kept, Some("a"), Some(path), &[], is_local);
        assert_eq!(kept("/w/it's", true), ["git -C '/w/it'\\''s' status"]);
        assert_eq!(kept("/w/a", false), ["gadugi diff a --run run-1"]);
        assert_eq!(kept("/w/a\u{1b}[2J", true), ["gadugi diff a --run run-1"]);
        assert_eq!(kept("/w/\u{202e}a", true), ["gadugi diff a --run run-1"]);
        assert_eq!(of(NeedKind::Kept, None, Some("/w/a"), &[], false), ["gadugi worktrees"]);
    }
}
