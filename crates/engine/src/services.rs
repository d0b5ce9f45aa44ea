//! What people ask for between runs: landing, cleaning, looking after worktrees. Git does the work; the loop is told
//! what came of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gadugi_core::{Command, Millis, RunId, TaskId};
use gadugi_sys::clock;
use gadugi_workspace::{BranchRemoval, LandRefusal, Removal, Repository};

use crate::connection::{Inside, ask, command};
use crate::driver::{Asked, failure};
use crate::protocol::{Failure, Reply, RunView, TaskView, WorktreeLine};

async fn blocking<T: Send + 'static>(
    inside: &Inside,
    work: impl FnOnce(&Repository) -> T + Send + 'static,
) -> Result<T, Failure> {
    let world = inside.world.clone();
    let done = tokio::task::spawn_blocking(move || work(&world.repository)).await;
    done.map_err(|error| failure("git", error.to_string()))
}

async fn view(inside: &Inside, run: &RunId) -> Result<Box<RunView>, Failure> {
    let run = run.to_string();
    ask(inside, |to| Asked::Status(Some(run), to)).await
}

/// Brings a run's integration branch, or one task's branch, to the user's.
pub(crate) async fn land(
    inside: &Inside,
    run: RunId,
    task: Option<TaskId>,
    into: Option<String>,
) -> Result<Reply, Failure> {
    let seen = view(inside, &run).await?;
    let branch = match &task {
        None if seen.tip.as_ref().is_none_or(|tip| *tip == seen.base) => {
            return Err(failure("nothing-to-land", format!("{run} has merged nothing yet")));
        }
        None => seen.branch.clone(),
        Some(id) => {
            let found = seen.tasks.iter().find(|task| task.id == *id);
            let found = found.ok_or_else(|| failure("unknown-task", format!("{run} has no task {id}")))?;
            let branch = found.branch.clone().filter(|_| found.commit.is_some());
            branch.ok_or_else(|| failure("nothing-to-land", format!("{id} has no finished work")))?
        }
    };
    let source = branch.clone();
    let message = match &task {
        None => format!("Merge gadugi run {run}"),
        Some(task) => format!("Merge task {task} of gadugi run {run}"),
    };
    let landed = blocking(inside, move |git| git.land(&source, into.as_deref(), &message)).await?;
    let landed = landed.map_err(|refusal| land_refused(&refusal))?;
    let record =
        Command::RecordLanding { run: run.clone(), into: landed.into.clone(), commit: landed.commit.clone() };
    command(inside, run, record).await?;
    if task.is_none() {
        tidy_branches(inside, &seen, landed.commit.as_str()).await?;
    }
    Ok(Reply::Landed {
        into: landed.into,
        commit: landed.commit,
        fast_forward: landed.how == gadugi_workspace::LandedHow::FastForward,
        already: landed.how == gadugi_workspace::LandedHow::AlreadyThere,
    })
}

fn land_refused(refusal: &LandRefusal) -> Failure {
    let commands: Vec<String> = refusal.commands().iter().map(|words| words.join(" ")).collect();
    let hint = (!commands.is_empty()).then(|| commands.join(" && "));
    Failure { code: "land-refused".into(), message: refusal.to_string(), hint }
}

/// What is landed needs its branches no longer. Whatever holds more than the landed commit stays.
async fn tidy_branches(inside: &Inside, run: &RunView, landed: &str) -> Result<(), Failure> {
    let over = run.finished_at.is_some();
    let merged =
        run.tasks.iter().filter(|task| task.state == "succeeded").filter_map(|task| task.branch.clone());
    let branches: Vec<String> = merged.chain(over.then(|| run.branch.clone())).collect();
    let landed = gadugi_core::CommitId::new(landed);
    blocking(inside, move |git| {
        for branch in branches {
            match git.delete_branch_if_merged(&branch, &landed) {
                Ok(BranchRemoval::Deleted) => {}
                Ok(BranchRemoval::Kept { reason }) => tracing::info!(branch, %reason, "a branch is kept"),
                Err(error) => tracing::warn!(branch, %error, "a branch is kept"),
            }
        }
    })
    .await
}

/// Puts away runs that were over long ago: their worktrees where those hold nothing unsaved, then their records.
pub(crate) async fn clean(inside: &Inside, older_than_hours: f64) -> Result<Reply, Failure> {
    let age = Millis((older_than_hours.max(0.0) * 3_600_000.0) as u64);
    let before = clock::now() - age;
    let (mut runs, mut worktrees, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for line in ask(inside, Asked::Runs).await? {
        if line.finished_at.is_none_or(|at| at > before) {
            continue;
        }
        let run = view(inside, &line.run).await?;
        let (gone, mut held) = clean_worktrees(inside, &run).await?;
        worktrees.extend(gone);
        if run.landed_into.is_empty() && run.tip.as_ref().is_some_and(|tip| *tip != run.base) {
            // Its branch would stay, but nothing would know any more what it is.
            held.push((
                PathBuf::from(&run.branch),
                format!("its work was not landed: gadugi land {}", run.run),
            ));
        }
        if held.is_empty() {
            let dir = inside.world.layout.run_dir(&run.run);
            let id = run.run.clone();
            ask(inside, |to| Asked::Forget(id, to)).await?;
            remove_folder(&dir)?;
            runs.push(run.run);
        }
        kept.extend(held);
    }
    Ok(Reply::Cleaned { runs, worktrees, kept })
}

type Cleaned = (Vec<PathBuf>, Vec<(PathBuf, String)>);

async fn clean_worktrees(inside: &Inside, run: &RunView) -> Result<Cleaned, Failure> {
    let infos = blocking(inside, Repository::worktrees).await?;
    let infos = infos.map_err(|error| failure("git", error.to_string()))?;
    // Those of every attempt: what a task's first try left is there beside what its second merged.
    let of_run = infos.into_iter().filter(|info| info.ours && task_of(run, &info.path).is_some());
    let wanted: Vec<(PathBuf, String)> =
        of_run.map(|info| (info.path, info.branch.unwrap_or_default())).collect();
    let tip = run.branch.clone();
    let base = run.base.clone();
    blocking(inside, move |git| {
        let mut cleaned = Cleaned::default();
        for (path, branch) in wanted {
            // Landed branches are gone; then it is the user's own commits that must hold the work.
            let into = git.resolve(&tip).or_else(|_| git.resolve("HEAD")).unwrap_or_else(|_| base.clone());
            match git.remove_worktree(&path, &branch, &into) {
                Ok(Removal::Removed) => cleaned.0.push(path),
                Ok(Removal::Kept { reason }) => cleaned.1.push((path, reason.to_string())),
                Err(error) => cleaned.1.push((path, error.to_string())),
            }
        }
        cleaned
    })
    .await
}

/// The task that a worktree was made for, whichever of its attempts: `parser`, or `parser-2` for the second.
fn task_of<'run>(run: &'run RunView, path: &Path) -> Option<&'run TaskView> {
    let current = run.tasks.iter().find(|task| task.workspace.as_deref() == Some(path));
    let folder = run.worktree_dir.join(run.run.as_str());
    let name = path.strip_prefix(folder).ok().and_then(Path::to_str)?;
    current.or_else(|| {
        run.tasks.iter().find(|task| {
            let behind = name.strip_prefix(task.id.as_str());
            behind.is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok())
            })
        })
    })
}

fn remove_folder(dir: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failure("store", format!("{}: {error}", dir.display())))
        }
        _ => Ok(()),
    }
}

/// The worktrees that are gadugi's, whose they are, and what is wrong with them.
pub(crate) async fn worktrees(inside: &Inside, repair: bool) -> Result<Reply, Failure> {
    let mut owners = Vec::new();
    for line in ask(inside, Asked::Runs).await? {
        owners.push(view(inside, &line.run).await?);
    }
    let mut repaired = Vec::new();
    if repair {
        let dirs: BTreeSet<PathBuf> = owners.iter().map(|run| run.worktree_dir.clone()).collect();
        for dir in dirs {
            let mended = blocking(inside, move |git| git.repair(&dir)).await?;
            let mended = mended.map_err(|error| failure("git", error.to_string()))?;
            repaired.extend(mended.mended);
            repaired.extend(
                mended.dropped.iter().map(|path| format!("{}: gone, and held nothing", path.display())),
            );
        }
    }
    let infos = blocking(inside, Repository::worktrees).await?;
    let infos = infos.map_err(|error| failure("git", error.to_string()))?;
    let lines = infos.into_iter().filter(|info| info.ours).map(|info| {
        let owner = owners.iter().find_map(|run| Some((run, task_of(run, &info.path)?)));
        let earlier = owner.is_some_and(|(_, task)| task.workspace.as_ref() != Some(&info.path));
        let (status, detail) = match owner {
            _ if info.missing => {
                ("missing", "its folder is gone; `gadugi worktrees --repair` forgets it".to_owned())
            }
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
    });
    Ok(Reply::Worktrees { worktrees: lines.collect(), repaired })
}
