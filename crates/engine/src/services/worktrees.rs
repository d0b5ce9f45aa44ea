//! What lies about of gadugi's: worktrees, and what dead runs left beside them. Looking changes nothing; mending loses
//! nothing (what is unsaved is salvaged first), and leaves alone whatever belongs to a run that is not over.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gadugi_core::{AttemptId, RunId, TaskId};
use gadugi_workspace::{
    BranchRemoval, OwnBranch, Removal, Repository, Salvaged, Salvaging, SealedInfo, WorktreeInfo, attempt_at,
    is_composed,
};

use super::processes::{self, Marked, marked};
use super::{blocking, task_of, view};
use crate::connection::{Inside, ask};
use crate::driver::{Asked, failure};
use crate::protocol::{Failure, Reply, RunView, TaskView, WorktreeLine};

/// The runs on record, and which of them are not over.
#[derive(Clone, Debug)]
struct Records {
    runs: Vec<RunView>,
    /// Runs whose record is damaged. Nobody knows whether they are over or what is theirs: whatever could be stays.
    unreadable: Vec<RunId>,
    /// Where worktrees lie, or lay.
    dirs: BTreeSet<PathBuf>,
}

impl Records {
    async fn read(inside: &Inside) -> Result<Self, Failure> {
        let (mut runs, mut unreadable) = (Vec::new(), Vec::new());
        for line in ask(inside, Asked::Runs).await? {
            match view(inside, &line.run).await {
                Ok(run) => runs.push(*run),
                Err(damaged) if damaged.code == "store" => unreadable.push(line.run),
                Err(failure) => return Err(failure),
            }
        }
        let default = inside.world.repository.root().join(".worktrees");
        let dirs = runs.iter().map(|run| run.worktree_dir.clone()).chain([default]).collect();
        Ok(Self { runs, unreadable, dirs })
    }

    /// The run and the task that a worktree was made for.
    fn owner(&self, path: &Path) -> Option<(&RunView, &TaskView)> {
        self.runs.iter().find_map(|run| Some((run, task_of(run, path)?)))
    }

    fn is_live(&self, run: &str) -> bool {
        self.is_unreadable(run)
            || self.runs.iter().any(|known| known.run.as_str() == run && known.finished_at.is_none())
    }

    fn knows(&self, run: &str) -> bool {
        self.is_unreadable(run) || self.runs.iter().any(|known| known.run.as_str() == run)
    }

    fn is_unreadable(&self, run: &str) -> bool {
        self.unreadable.iter().any(|known| known.as_str() == run)
    }

    /// Whether a path is in the folder of a run that is not over.
    fn lies_in_live(&self, path: &Path) -> bool {
        let within = |run: &RunId| self.dirs.iter().any(|dir| path.starts_with(dir.join(run.as_str())));
        if self.unreadable.iter().any(within) {
            return true;
        }
        let live = self.runs.iter().filter(|run| run.finished_at.is_none());
        live.into_iter().any(|run| {
            path.starts_with(run.worktree_dir.join(run.run.as_str()))
                || run
                    .tasks
                    .iter()
                    .any(|task| task.workspace.as_deref().is_some_and(|own| path.starts_with(own)))
        })
    }

    /// Whose work lies at a path; none: somebody works there.
    fn dead_attempt(&self, path: &Path) -> Option<AttemptId> {
        if self.lies_in_live(path) {
            return None;
        }
        let current = self.owner(path).filter(|(_, task)| task.workspace.as_deref() == Some(path));
        Some(current.map_or_else(
            || attempt_at(path),
            |(run, task)| AttemptId {
                run: run.run.clone(),
                task: task.id.clone(),
                attempt: task.attempts.max(1),
            },
        ))
    }

    /// Whether a branch is one of a run on record, or could be.
    fn has_branch(&self, branch: &str) -> bool {
        !self.unreadable.is_empty()
            || self
                .runs
                .iter()
                .any(|run| run.branch == branch || run.tasks.iter().any(|task| is_branch_of(task, branch)))
    }
}

/// The branch of any of a task's attempts: `x`, `x-2`, …
fn is_branch_of(task: &TaskView, branch: &str) -> bool {
    let Some(own) = &task.branch else { return false };
    let first = own.strip_suffix(&format!("-{}", task.attempts)).filter(|_| task.attempts > 1).unwrap_or(own);
    let number = |rest: &str| rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok());
    own == branch || branch.strip_prefix(first).is_some_and(|rest| rest.is_empty() || number(rest))
}

/// The worktrees that are gadugi's, whose they are, and what else of dead runs lies about.
pub(crate) async fn worktrees(inside: &Inside, repair: bool) -> Result<Reply, Failure> {
    let repaired = if repair { mend(inside).await? } else { Vec::new() };
    let records = Records::read(inside).await?;
    let worktrees = blocking(inside, move |git| list(git, &records)).await?;
    let worktrees = worktrees.map_err(|error| failure("git", error.to_string()))?;
    Ok(Reply::Worktrees { worktrees, repaired })
}

/// Mends what dead runs left. What is there is looked at before the records are: a run that begins meanwhile is on record
/// before anything of it is there, and so is never taken for a dead one.
async fn mend(inside: &Inside) -> Result<Vec<String>, Failure> {
    let processes = blocking(inside, |_| marked()).await?;
    let records = Records::read(inside).await?;
    let mut said = blocking(inside, move |git| {
        let mut said = Vec::new();
        mend_remains(git, &records, processes, &mut said);
        said
    })
    .await?;
    let found = blocking(inside, |git| Ok((git.worktrees()?, git.own_branches()?))).await?;
    let (worktrees, branches) =
        found.map_err(|error: gadugi_workspace::Error| failure("git", error.to_string()))?;
    let records = Records::read(inside).await?;
    let orphans = blocking(inside, move |git| {
        let mut said = Vec::new();
        for info in worktrees.iter().filter(|info| info.ours) {
            mend_orphan(git, &records, info, &mut said);
        }
        mend_branches(git, &records, branches, &mut said);
        said
    });
    said.extend(orphans.await?);
    Ok(said)
}

fn list(git: &Repository, records: &Records) -> gadugi_workspace::Result<Vec<WorktreeLine>> {
    let infos = git.worktrees()?;
    let mut lines: Vec<WorktreeLine> =
        infos.iter().filter(|info| info.ours).map(|info| worktree_line(records, info)).collect();
    lines.extend(git.sealed_workspaces().into_iter().map(|info| sealed_line(records, info)));
    for dir in &records.dirs {
        for path in git.unknown_folders(dir, is_run)? {
            if !records.lies_in_live(&path) {
                let detail = unknown_words(git, &path);
                lines.push(line(path, "unknown", detail.into()));
            }
        }
    }
    for own in git.own_branches()? {
        let integrates = own.branch.strip_prefix("gadugi/").is_some_and(|run| records.knows(run));
        if !integrates && !records.has_branch(&own.branch) && !own.checked_out {
            let detail = if own.tip.is_some() {
                "no run on record made it"
            } else {
                "it is gone; a note of it is left"
            };
            let name = PathBuf::from(&own.branch);
            lines.push(WorktreeLine { branch: Some(own.branch), ..line(name, "branch", detail.into()) });
        }
    }
    for lock in git.locks() {
        if lock.stale && !lock.worktree.as_deref().is_some_and(|path| records.lies_in_live(path)) {
            let minutes = lock.age.0 / 60_000;
            lines.push(line(lock.path, "lock", format!("{minutes} min old, and no git works here")));
        }
    }
    for process in left_over(records, marked()) {
        let detail = format!("pid {}: {}", process.pid, process.command);
        lines.push(WorktreeLine {
            task: task_named(&process.attempt),
            ..line(process.worktree, "process", detail)
        });
    }
    for salvage in git.salvages()? {
        let task = salvage.attempt.as_ref().map(|attempt| (attempt.run.clone(), attempt.task.clone()));
        let name = &salvage.reference;
        let detail = match salvage.files {
            0 => format!("commits that no branch holds: git log {name}"),
            1 => format!("1 file: git diff {name}^ {name}"),
            files => format!("{files} files: git diff {name}^ {name}"),
        };
        lines.push(WorktreeLine { task, ..line(PathBuf::from(&salvage.reference), "salvaged", detail) });
    }
    Ok(lines)
}

fn line(path: PathBuf, status: &str, detail: String) -> WorktreeLine {
    WorktreeLine { path, branch: None, task: None, status: status.to_owned(), detail }
}

fn worktree_line(records: &Records, info: &WorktreeInfo) -> WorktreeLine {
    let owner = records.owner(&info.path);
    let earlier = owner.is_some_and(|(_, task)| task.workspace.as_ref() != Some(&info.path));
    let live = records.lies_in_live(&info.path);
    let (status, detail) = match owner {
        _ if info.missing && info.path.exists() => {
            ("damaged", "its .git does not lead to this repository any more".to_owned())
        }
        _ if info.missing && live => ("missing", "its folder is gone".to_owned()),
        _ if info.missing => {
            ("missing", "its folder is gone; `gadugi worktrees --repair` forgets it".to_owned())
        }
        None if live => ("active", "verifies what is merged".to_owned()),
        None => ("orphaned", "no run on record made it".to_owned()),
        Some(_) if earlier => ("kept", "of an earlier try".to_owned()),
        Some((_, task)) if !task.over => ("active", String::new()),
        Some((_, task)) if task.state == "succeeded" && info.uncommitted == Some(0) => {
            ("finished", String::new())
        }
        Some((_, task)) if info.uncommitted != Some(0) => {
            ("kept", format!("{}; it holds uncommitted changes", task.state))
        }
        Some((_, task)) => ("kept", task.state.clone()),
    };
    WorktreeLine {
        path: info.path.clone(),
        branch: info.branch.clone(),
        task: owner.map(|(run, task)| (run.run.clone(), task.id.clone())),
        status: status.to_owned(),
        detail,
    }
}

fn unknown_words(git: &Repository, path: &Path) -> &'static str {
    if is_composed(path) {
        "composed work was tested there; `--repair` removes it"
    } else if git.is_sealed(path) {
        SEALED_UNKNOWN
    } else {
        "git knows this folder no longer; `--repair` stores what it holds"
    }
}

/// An agent owns the repository in it. A container could look into it, but nobody knows any more whose it was.
const SEALED_UNKNOWN: &str = "of containers, and its record is gone: no git of this machine looks there";

/// A workspace of containers. Nobody on this side knows what is uncommitted there.
fn sealed_line(records: &Records, info: SealedInfo) -> WorktreeLine {
    let owner = records.owner(&info.path);
    let live = records.lies_in_live(&info.path);
    let state = match owner {
        Some((_, task)) if task.workspace.as_ref() == Some(&info.path) => Some(task),
        _ => None,
    };
    let (status, words) = match (owner, state) {
        _ if !info.there && live => ("missing", "its folder is gone".to_owned()),
        _ if !info.there => {
            ("missing", "its folder is gone; `gadugi worktrees --repair` forgets it".to_owned())
        }
        (None, _) if live => ("active", String::new()),
        (None, _) => ("orphaned", "no run on record made it".to_owned()),
        (Some(_), None) => ("kept", "of an earlier try".to_owned()),
        (_, Some(task)) if !task.over => ("active", String::new()),
        (_, Some(task)) if task.state == "succeeded" && info.taken => ("finished", String::new()),
        (_, Some(task)) => ("kept", task.state.clone()),
    };
    let untaken = info.there && info.filled && !info.taken && status != "active";
    let untaken = untaken.then(|| "not all that it holds was taken".to_owned());
    let all = [Some("sealed".to_owned()), Some(words).filter(|words| !words.is_empty()), untaken];
    WorktreeLine {
        branch: Some(info.branch).filter(|branch| !branch.is_empty()),
        task: owner.map(|(run, task)| (run.run.clone(), task.id.clone())),
        ..line(info.path, status, all.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

/// Runs are called so, and so are their folders.
fn is_run(name: &str) -> bool {
    name.starts_with("orchestration-")
}

fn task_named(attempt: &str) -> Option<(RunId, TaskId)> {
    let mut parts = attempt.split('/');
    Some((RunId::new(parts.next()?), TaskId::new(parts.next()?)))
}

/// Processes of this repository's runs that are over or unknown.
fn left_over(records: &Records, marked: Vec<Marked>) -> Vec<Marked> {
    let ours = |process: &Marked| {
        let run = process.attempt.split('/').next().unwrap_or_default();
        let here = records.knows(run) || records.dirs.iter().any(|dir| process.worktree.starts_with(dir));
        here && !records.is_live(run) && process.pid != std::process::id()
    };
    marked.into_iter().filter(ours).collect()
}

/// Mends one thing after the other; what cannot be mended is said and stops nothing.
fn mend_remains(git: &Repository, records: &Records, marked: Vec<Marked>, said: &mut Vec<String>) {
    // Before anything is stored: whoever still writes would write behind its back.
    mend_processes(records, marked, said);
    for lock in git.locks() {
        let live = lock.worktree.as_deref().is_some_and(|path| records.lies_in_live(path));
        if lock.stale && !live && matches!(git.remove_stale_lock(&lock.path), Ok(true)) {
            said.push(format!("{}: nobody's lock, removed", lock.path.display()));
        }
    }
    let gone = |info: &SealedInfo| !info.there && !records.lies_in_live(&info.path);
    for SealedInfo { path, .. } in git.sealed_workspaces().into_iter().filter(gone) {
        match git.forget_sealed(&path) {
            Ok(true) => said.push(format!("{}: gone, and forgotten", path.display())),
            Ok(false) => {}
            Err(error) => said.push(not_mended(&path, &error.to_string())),
        }
    }
    for dir in &records.dirs {
        match git.repair(dir, |path| records.dead_attempt(path)) {
            Ok(repair) => {
                said.extend(repair.mended);
                said.extend(repair.salvaged.iter().map(|saved| format!("salvaged to {}", saved.reference)));
                said.extend(
                    repair.dropped.iter().map(|path| format!("{}: gone, and forgotten", path.display())),
                );
                said.extend(repair.failed.iter().map(|(path, why)| not_mended(path, why)));
            }
            Err(error) => said.push(not_mended(dir, &error.to_string())),
        }
        for path in git.unknown_folders(dir, is_run).unwrap_or_default() {
            if let Some(attempt) = records.dead_attempt(&path) {
                said.extend(mend_unknown(git, records, &attempt, &path));
            }
        }
    }
}

/// A folder that git knows no longer. It is stored where this machine's git may look into it.
fn mend_unknown(git: &Repository, records: &Records, attempt: &AttemptId, path: &Path) -> Option<String> {
    if is_composed(path) {
        return Some(match git.remove_composed(path) {
            Ok(()) => format!("{}: removed, composed work was tested there", path.display()),
            Err(error) => not_mended(path, &error.to_string()),
        });
    }
    if git.is_sealed(path) {
        return Some(not_mended(path, SEALED_UNKNOWN));
    }
    let branch = records.owner(path).and_then(|(_, task)| task.branch.clone()).unwrap_or_default();
    saved_words(path, git.salvage(attempt, path, &branch))
}

fn not_mended(path: &Path, why: &str) -> String {
    format!("{}: left as it is ({why})", path.display())
}

fn saved_words(path: &Path, salvaged: gadugi_workspace::Result<Salvaging>) -> Option<String> {
    match salvaged {
        Ok(Salvaging::Kept(Salvaged { reference, left_out, .. })) if left_out.is_empty() => {
            Some(format!("{}: salvaged to {reference}", path.display()))
        }
        Ok(Salvaging::Kept(Salvaged { reference, left_out, .. })) => {
            Some(format!("{}: salvaged to {reference}, but for {}", path.display(), left_out.join("; ")))
        }
        Ok(Salvaging::Nothing | Salvaging::Gone) => None,
        Err(error) => Some(not_mended(path, &error.to_string())),
    }
}

fn mend_processes(records: &Records, marked: Vec<Marked>, said: &mut Vec<String>) {
    let left = left_over(records, marked);
    let ended = processes::end(&left);
    if ended > 0 {
        let pids: Vec<String> = left.iter().map(|process| process.pid.to_string()).collect();
        said.push(format!("processes that were left over are ended: {}", pids.join(", ")));
    }
}

/// A worktree that no run on record made: salvaged, and removed where nothing is in it that the user's `HEAD` lacks. One
/// that somebody has moved elsewhere is theirs, with the ignored files in it that nothing else holds.
fn mend_orphan(git: &Repository, records: &Records, info: &WorktreeInfo, said: &mut Vec<String>) {
    let here = records.dirs.iter().any(|dir| info.path.starts_with(dir));
    if !here || records.owner(&info.path).is_some() || !info.path.exists() {
        return;
    }
    let Some(attempt) = records.dead_attempt(&info.path) else { return };
    let branch = info.made_for.clone().unwrap_or_default();
    let removal = if branch.is_empty() {
        // Composed work was tested there; it holds nothing else.
        git.remove_detached(&info.path)
    } else {
        said.extend(saved_words(&info.path, git.salvage(&attempt, &info.path, &branch)));
        git.head().and_then(|head| git.remove_worktree(&info.path, &branch, &head.commit))
    };
    said.push(match removal {
        Ok(Removal::Removed) => format!("{}: removed, it held nothing", info.path.display()),
        Ok(Removal::Kept { reason }) => format!("{}: kept ({reason})", info.path.display()),
        Err(error) => not_mended(&info.path, &error.to_string()),
    });
}

fn mend_branches(git: &Repository, records: &Records, found: Vec<OwnBranch>, said: &mut Vec<String>) {
    for own in found {
        let integrates = own.branch.strip_prefix("gadugi/").is_some_and(|run| records.knows(run));
        if integrates || own.checked_out || records.has_branch(&own.branch) {
            continue;
        }
        match git.delete_branch_if_held(&own.branch) {
            Ok(BranchRemoval::Deleted) => {
                said.push(format!("{}: another branch holds it all, deleted", own.branch));
            }
            Ok(BranchRemoval::Kept { reason }) => said.push(format!("{}: kept ({reason})", own.branch)),
            Err(error) => said.push(not_mended(Path::new(&own.branch), &error.to_string())),
        }
    }
}
