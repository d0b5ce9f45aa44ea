//! What of a run wants a person, with the commands that a person may type about it.

use gadugi_core::needs::{Need, NeedKind, Remedial};
use gadugi_core::{ExecutorKind, RunState, Timestamp};

use crate::protocol::NeedView;

pub(super) fn needs(run: &RunState, now: Timestamp) -> Vec<NeedView> {
    run.needs(now).into_iter().map(|need| view(run, need)).collect()
}

fn view(run: &RunState, need: Need) -> NeedView {
    NeedView {
        kind: need.kind.word().to_owned(),
        commands: commands(run, &need),
        actions: need.remedies().iter().copied().map(Remedial::word).map(str::to_owned).collect(),
        task: need.task,
        since: need.since,
        until: need.until,
        detail: need.detail,
    }
}

/// Each exact: they name the run too, as later ones may have a task of the same name.
fn commands(run: &RunState, need: &Need) -> Vec<String> {
    let id = &run.id;
    let about = |command: &str| need.task.as_ref().map(|task| format!("gadugi {command} {task} --run {id}"));
    let task = need.task.as_ref().map_or_else(String::new, |task| format!(" {task}"));
    match need.kind {
        NeedKind::Auth => vec!["claude setup-token".to_owned(), format!("gadugi resume {id}")],
        NeedKind::Paused | NeedKind::Held => vec![format!("gadugi resume {id}{task}")],
        NeedKind::Suspect => {
            about("logs -f").into_iter().chain([format!("gadugi cancel {id}{task}")]).collect()
        }
        NeedKind::Failed => ["logs", "retry"].into_iter().filter_map(about).collect(),
        NeedKind::Conflict => ["diff", "retry"].into_iter().filter_map(about).collect(),
        NeedKind::Rejected => ["logs", "diff", "retry"].into_iter().filter_map(about).collect(),
        NeedKind::Budget => about("logs").into_iter().collect(),
        NeedKind::Limit => vec![format!("gadugi status {id}")],
        NeedKind::Kept => kept(run, need),
        NeedKind::Land => vec![format!("gadugi land {id}")],
    }
}

/// A repository that an agent wrote in a container is to be opened by nothing on this machine.
fn kept(run: &RunState, need: &Need) -> Vec<String> {
    let place = need.task.as_ref().and_then(|task| run.position(task));
    let own = place.is_some_and(|at| run.executor(at) == ExecutorKind::Local);
    match (&need.path, &need.task) {
        (Some(path), _) if own => vec![format!("git -C {} status", shell_word(path))],
        (_, Some(task)) => vec![format!("gadugi diff {task} --run {}", run.id)],
        (_, None) => vec!["gadugi worktrees".to_owned()],
    }
}

/// A word as a shell takes it.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
