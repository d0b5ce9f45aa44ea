//! Putting away what was over long ago, and nothing that holds work: a worktree that is dirty or whose commits are merged
//! nowhere stays and is named, and so is a branch, and the records of a run that any of these belong to. Refs of salvaged
//! work are never touched.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use gadugi_core::{CommitId, Millis, RunId};
use gadugi_sys::clock;
use gadugi_workspace::{Removal, Repository, remove_tree};

use super::{blocking, task_of, view};
use crate::connection::{Inside, ask};
use crate::driver::{Asked, failure};
use crate::protocol::{Failure, Reply, RunView};

/// What went, and what stays and why.
type Cleaned = (Vec<PathBuf>, Vec<(PathBuf, String)>);

/// Puts away runs that were over long ago: their worktrees where those hold nothing unsaved, then their records. What goes
/// wrong with one run keeps that one.
pub(crate) async fn clean(inside: &Inside, older_than_hours: f64) -> Result<Reply, Failure> {
    let age = Millis((older_than_hours.max(0.0) * 3_600_000.0) as u64);
    let before = clock::now() - age;
    let (mut runs, mut worktrees, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    clear_remains(inside).await?;
    for line in ask(inside, Asked::Runs).await? {
        if line.finished_at.is_none_or(|at| at > before) {
            continue;
        }
        match clean_run(inside, &line.run).await {
            Ok((gone, held)) => {
                worktrees.extend(gone);
                if held.is_empty() {
                    runs.push(line.run);
                }
                kept.extend(held);
            }
            Err(wrong) => kept.push((inside.world.layout.run_dir(&line.run), wrong.message)),
        }
    }
    let caches = crate::caches::clean(&inside.world, before).await;
    Ok(Reply::Cleaned { runs, worktrees, kept, caches })
}

async fn clean_run(inside: &Inside, id: &RunId) -> Result<Cleaned, Failure> {
    let run = view(inside, id).await?;
    let (gone, mut held) = clean_worktrees(inside, &run).await?;
    if run.landed_into.is_empty() && run.tip.as_ref().is_some_and(|tip| *tip != run.base) {
        // Its branch would stay, but nothing would know any more what it is.
        held.push((PathBuf::from(&run.branch), format!("its work was not landed: gadugi land {}", run.run)));
    }
    if held.is_empty() {
        forget(inside, id).await?;
    }
    Ok((gone, held))
}

/// Where a run's work may be by now. Landed branches are gone; then it is the user's own that must hold it.
fn homes(git: &Repository, run: &RunView) -> Vec<CommitId> {
    let names = std::iter::once(run.branch.as_str()).chain(run.landed_into.iter().map(String::as_str));
    let found: Vec<_> = names.chain(["HEAD"]).filter_map(|name| git.resolve(name).ok()).collect();
    if found.is_empty() { vec![run.base.clone()] } else { found }
}

async fn clean_worktrees(inside: &Inside, run: &RunView) -> Result<Cleaned, Failure> {
    let infos = blocking(inside, Repository::worktrees).await?;
    let infos = infos.map_err(|error| failure("git", error.to_string()))?;
    // Those of every attempt: what a task's first try left is there beside what its second merged.
    let of_run = infos.into_iter().filter(|info| info.ours && task_of(run, &info.path).is_some());
    let mut wanted: Vec<Wanted> = of_run
        .map(|info| (info.path, info.made_for.unwrap_or_default(), Repository::remove_worktree as Remove))
        .collect();
    let sealed = blocking(inside, Repository::sealed_workspaces).await?;
    let sealed = sealed.into_iter().filter(|info| task_of(run, &info.path).is_some());
    wanted.extend(sealed.map(|info| (info.path, info.branch, remove_sealed as Remove)));
    let run = run.clone();
    blocking(inside, move |git| {
        let homes = homes(git, &run);
        let mut cleaned = Cleaned::default();
        for (path, branch, removing) in &wanted {
            match remove(git, *removing, path, branch, &homes) {
                Ok(()) => cleaned.0.push(path.clone()),
                Err(reason) => cleaned.1.push((path.clone(), reason)),
            }
        }
        for branch in run.tasks.iter().filter_map(|task| task.branch.as_ref()) {
            let named = wanted
                .iter()
                .any(|(path, of, _)| of == branch && cleaned.1.iter().any(|(kept, _)| kept == path));
            if !named && homes.iter().all(|home| git.is_unmerged(branch, home)) {
                cleaned.1.push((PathBuf::from(branch), "commits that are not merged".to_owned()));
            }
        }
        cleaned
    })
    .await
}

/// A workspace that is to go, its branch, and how.
type Wanted = (PathBuf, String, Remove);
type Remove = fn(&Repository, &Path, &str, &CommitId) -> gadugi_workspace::Result<Removal>;

fn remove_sealed(
    git: &Repository,
    path: &Path,
    branch: &str,
    home: &CommitId,
) -> gadugi_workspace::Result<Removal> {
    git.remove_sealed(path, branch, home, false)
}

fn remove(
    git: &Repository,
    removing: Remove,
    path: &Path,
    branch: &str,
    homes: &[CommitId],
) -> Result<(), String> {
    let mut why = String::new();
    for home in homes {
        match removing(git, path, branch, home) {
            Ok(Removal::Removed) => return Ok(()),
            Ok(Removal::Kept { reason }) => why = reason.to_string(),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// The mark of a folder of records that is on its way out.
const LEAVING: &str = ".leaving";

/// First out of the way, then forgotten, then gone: a crash in between is seen by [`clear_remains`].
async fn forget(inside: &Inside, run: &RunId) -> Result<(), Failure> {
    let dir = inside.world.layout.run_dir(run);
    let leaving = dir.with_file_name(format!("{run}{LEAVING}"));
    let moved = match fs::rename(&dir, &leaving) {
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        moved => moved.map(|()| true).map_err(|error| wrong(&dir, &error))?,
    };
    let id = run.clone();
    if let Err(refused) = ask(inside, |to| Asked::Forget(id, to)).await {
        if moved {
            fs::rename(&leaving, &dir).map_err(|error| wrong(&dir, &error))?;
        }
        return Err(refused);
    }
    remove_folder(&leaving)
}

/// What a clean-up that was broken off left: forgotten runs' folders go, others come back.
async fn clear_remains(inside: &Inside) -> Result<(), Failure> {
    let known: Vec<RunId> = ask(inside, Asked::Runs).await?.into_iter().map(|line| line.run).collect();
    let runs = inside.world.layout.state_dir().join("runs");
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(run) = name.to_str().and_then(|name| name.strip_suffix(LEAVING)) else { continue };
        let dir = inside.world.layout.run_dir(&RunId::new(run));
        if !known.iter().any(|known| known.as_str() == run) {
            remove_folder(&entry.path())?;
        } else if !dir.exists() {
            fs::rename(entry.path(), &dir).map_err(|error| wrong(&dir, &error))?;
        }
    }
    Ok(())
}

fn remove_folder(dir: &Path) -> Result<(), Failure> {
    // Agents in containers have their homes in it, and may have done with them what they like.
    remove_tree(dir).map_err(|error| wrong(dir, &error))
}

fn wrong(dir: &Path, error: &std::io::Error) -> Failure {
    failure("store", format!("{}: {error}", dir.display()))
}
