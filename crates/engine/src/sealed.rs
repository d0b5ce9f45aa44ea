//! Workspaces of tasks in containers: made from the run's store, and emptied by an export that runs in a container of its own.
//! No git of this machine ever looks into one that an agent has worked in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gadugi_core::{
    AttemptId, Collected, CommitId, ExecutorKind, Millis, RunId, Salvage, StepExit, StepId, StopForce,
};
use gadugi_exec::{Ended, StepFollower};
use gadugi_workspace::{
    Error, ExportFailure, ExportKind, ExportRequest, Import, ImportError, ImportLimits, ImportRefusal,
    Imported, Removal, Repository, Salvaging, SealedRequest, remove_tree,
};
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::caches;
use crate::effects::{commit_message, git};
use crate::exports::Outgoing;
use crate::launch::launch_export;
use crate::room::{is_short, no_room, with_room, work_with_room};
use crate::sandbox::inside;
use crate::world::{AttemptContext, RunContext, World, branch_name};

/// How long an export may take. It reads what an agent left, and may wait for ever there; nobody renews its lease, and its
/// shim stops it then.
pub(crate) const EXPORT: Millis = Millis(10 * 60 * 1000);

/// A container engine that is away is waited for, with such pauses. For work that is finished, as long as a step outlives its
/// orchestrator; for what is left of other work, so long: it lies where it is, and can be taken later.
const FOR_LEFTOVERS: Duration = Duration::from_secs(30);
const BETWEEN: Duration = Duration::from_secs(2);
/// An export that the engine began and lost, or ended, is begun so many times.
const BEGUN: u32 = 5;
/// A container that is killed is gone within a moment, where its engine answers.
const KILLED: Duration = Duration::from_secs(15);

/// Makes the attempt's workspace, unless it is there.
pub(crate) async fn prepare(
    world: &Arc<World>,
    run: &RunContext,
    attempt: &AttemptId,
    base: CommitId,
) -> Result<(String, String), String> {
    let containers = world.containers(&attempt.run, &run.settings).await?;
    // Nobody else of this machine comes to what an agent wrote: a program with a setuid bit, say.
    let folder = world.worktrees_of(&attempt.run, &run.settings);
    gadugi_sys::files::create_private_dir(&folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let request = SealedRequest {
        path: world.workspace_path(attempt, &run.settings),
        branch: branch_name(attempt, &run.settings),
        base,
        store: world.layout.store(&attempt.run),
        store_inside: inside::STORE.into(),
        include: run.settings.include.clone(),
        owner: containers.user.outside,
    };
    let made = with_room(world, || {
        let request = request.clone();
        async {
            let _turn = world.preparing.acquire().await;
            git(world, move |git| git.add_sealed(&request)).await
        }
    })
    .await?;
    let path = made.path.into_os_string().into_string();
    let path = path.map_err(|path| format!("{} is not UTF-8", path.to_string_lossy()))?;
    Ok((path, made.branch))
}

/// Makes the tree of a composed commit for a verify command, in place of whatever an earlier one left there.
pub(crate) async fn check_out(
    world: &Arc<World>,
    run: &RunContext,
    step: &StepId,
    commit: &CommitId,
) -> Result<(), String> {
    let containers = world.containers(&step.attempt.run, &run.settings).await?;
    let path = world.composed_path(&step.attempt.run, &run.settings, ExecutorKind::Docker);
    let request = SealedRequest {
        path,
        branch: String::new(),
        base: commit.clone(),
        store: world.layout.store(&step.attempt.run),
        store_inside: inside::STORE.into(),
        include: run.settings.include.clone(),
        owner: containers.user.outside,
    };
    git(world, move |git| git.add_composed(&request)).await
}

/// What a finished agent left, on its branch in the user's repository.
pub(crate) async fn collect(
    world: &Arc<World>,
    run: &RunContext,
    attempt: &AttemptId,
    found: &AttemptContext,
    base: &CommitId,
) -> Result<Collected, String> {
    let message = commit_message(run, attempt, "left uncommitted by its agent, committed by gadugi");
    let outgoing = Arc::new(world.exports.begin(attempt));
    let patience = Duration::from_millis(run.settings.lease.0 + run.settings.grace.0);
    let imported = work_with_room(world, || async {
        let kind = ExportKind::Collect { message: message.clone() };
        let taking = Taking {
            message: message.clone(),
            patience,
            ..Taking::of(run, &outgoing, attempt, found.workspace.clone(), base.clone())
        };
        taking.take(world, run, kind, |git, import| git.import(import)).await
    });
    let Imported { collection, kept, left_out } = imported.await??;
    if let Some(stray) = collection.stray {
        tracing::info!(%attempt, ?stray, "its agent left the branch; the work was put back on it");
    }
    if let Some(kept) = kept {
        tracing::info!(%attempt, reference = kept.reference, "what its agent left elsewhere was kept");
    }
    tell_left_out(attempt, &left_out);
    Ok(collection.work)
}

/// What an attempt that did not succeed left goes under a ref.
pub(crate) async fn salvage(
    world: &Arc<World>,
    run: &RunContext,
    attempt: &AttemptId,
    base: CommitId,
) -> Salvage {
    let workspace = world.workspace_path(attempt, &run.settings);
    if !workspace.exists() {
        return Salvage::Nothing;
    }
    let outgoing = Arc::new(world.exports.begin(attempt));
    let salvaged = work_with_room(world, || async {
        let taking = Taking::of(run, &outgoing, attempt, workspace.clone(), base.clone());
        let taking = Taking { patience: FOR_LEFTOVERS, ..taking };
        taking.take(world, run, ExportKind::Look, |git, import| git.import_salvage(import)).await
    });
    match salvaged.await.flatten() {
        Ok(Salvaging::Nothing | Salvaging::Gone) => Salvage::Nothing,
        Ok(Salvaging::Kept(kept)) => {
            tell_left_out(attempt, &kept.left_out);
            Salvage::Kept { reference: kept.reference, commit: kept.commit }
        }
        Err(because) => Salvage::Failed { because },
    }
}

fn tell_left_out(attempt: &AttemptId, left_out: &[String]) {
    if !left_out.is_empty() {
        tracing::warn!(%attempt, ?left_out, "what could not be taken is still in its workspace");
    }
}

/// Work on its way out of a workspace.
struct Taking {
    attempt: AttemptId,
    workspace: PathBuf,
    base: CommitId,
    branch: String,
    /// Of the commit that gadugi makes.
    message: String,
    outgoing: Arc<Outgoing>,
    /// How long a container engine that is away is waited for.
    patience: Duration,
}

/// What an export wrote: a step's folder, which goes with this value, however that comes about. What was taken of it is in the
/// repository, and it can be exported again.
struct Exported(PathBuf);

impl Drop for Exported {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(%error, "an export is kept for now");
        }
    }
}

/// Why a try at an export came to nothing.
enum Trouble {
    /// The container engine did not begin it.
    NotBegun(String),
    /// It was begun, and lost or ended by the engine.
    Broken(String),
    /// What another try does not mend.
    Final(String),
}

impl Taking {
    fn of(
        run: &RunContext,
        outgoing: &Arc<Outgoing>,
        attempt: &AttemptId,
        workspace: PathBuf,
        base: CommitId,
    ) -> Self {
        Self {
            attempt: attempt.clone(),
            workspace,
            base,
            branch: branch_name(attempt, &run.settings),
            message: String::new(),
            outgoing: Arc::clone(outgoing),
            patience: Duration::ZERO,
        }
    }

    /// Exports the workspace, and takes what comes into the user's repository. The inner error is a refusal: its words may be the
    /// agent's own, they are not to be read for what they could mean, and asking again changes nothing.
    async fn take<T: Send + 'static>(
        self,
        world: &Arc<World>,
        run: &RunContext,
        kind: ExportKind,
        import: impl FnOnce(&Repository, &Import<'_>) -> Result<T, ImportError> + Send + 'static,
    ) -> Result<Result<T, String>, String> {
        if self.outgoing.is_ended() {
            return Ok(Err(ASKED.to_owned()));
        }
        let dir = self.export(world, run, kind).await?;
        let store = world.layout.store(&self.attempt.run);
        git(world, move |git| {
            let taken = import(
                git,
                &Import {
                    exported: &dir.0.join(gadugi_exec::STDOUT),
                    workspace: &self.workspace,
                    attempt: &self.attempt,
                    base: &self.base,
                    branch: &self.branch,
                    store: &store,
                    quarantine: &dir.0.join("quarantine"),
                    limits: ImportLimits::default(),
                    message: &self.message,
                },
            );
            // Looked at before the folder goes, which may be what the disk is full of.
            let short = is_short(&dir.0);
            Ok(match taken {
                Ok(taken) => Ok(Ok(taken)),
                Err(error) if short && may_want_room(&error) => Err(no_room(&error.to_string())),
                Err(error) if may_pass(&error) => Err(error.to_string()),
                Err(error) => Ok(Err(error.to_string())),
            })
        })
        .await?
    }

    /// Runs the export to its end, and again where the container engine was in its way. The error is one line.
    async fn export(
        &self,
        world: &Arc<World>,
        run: &RunContext,
        kind: ExportKind,
    ) -> Result<Exported, String> {
        let until = Instant::now() + self.patience;
        let mut begun = 0;
        loop {
            let why = match self.try_export(world, run, kind.clone()).await {
                Ok(exported) => return Ok(exported),
                Err(Trouble::NotBegun(why)) if Instant::now() < until => why,
                Err(Trouble::Broken(why)) if Instant::now() < until && begun < BEGUN => {
                    begun += 1;
                    why
                }
                Err(Trouble::NotBegun(why) | Trouble::Broken(why) | Trouble::Final(why)) => return Err(why),
            };
            tracing::warn!(attempt = %self.attempt, why, "its work cannot be exported yet");
            tokio::select! {
                () = sleep(BETWEEN) => {}
                () = self.outgoing.ended() => return Err(ASKED.to_owned()),
            }
        }
    }

    async fn try_export(
        &self,
        world: &Arc<World>,
        run: &RunContext,
        kind: ExportKind,
    ) -> Result<Exported, Trouble> {
        let containers = world.containers(&self.attempt.run, &run.settings).await;
        let containers = containers.map_err(Trouble::NotBegun)?;
        let step = self.outgoing.step(&world.layout, &self.attempt);
        let exported = Exported(world.layout.step_dir(&step));
        let request = ExportRequest {
            kind,
            base: self.base.clone(),
            branch: self.branch.clone(),
            workspace: inside::WORKSPACE.into(),
            store: inside::STORE.into(),
            scratch: "/tmp".into(),
        };
        let launched = launch_export(world, run, &containers, &step, &self.workspace, request).await;
        let ended = self.ended(launched.map_err(Trouble::NotBegun)?).await?;
        let failed = |why: &str| format!("the work could not be exported: {why}");
        match ended.exit {
            // The shim's own word.
            _ if ended.output_lost => {
                Err(Trouble::Final(no_room(&failed("its output could not be written"))))
            }
            StepExit::Code(0) => Ok(exported),
            _ if self.outgoing.is_ended() => Err(Trouble::Final(ASKED.to_owned())),
            StepExit::LeaseLapsed => {
                let minutes = EXPORT.0 / 60_000;
                Err(Trouble::Final(failed(&format!("it was not over within {minutes} minutes"))))
            }
            exit @ (StepExit::Lost | StepExit::NotStarted(_) | StepExit::NeverBegan) => {
                Err(Trouble::Broken(failed(&exit.describe())))
            }
            exit if ended.by_engine => Err(Trouble::Broken(failed(&exit.describe()))),
            exit => Err(Trouble::Final(failed(&exit.describe()))),
        }
    }

    /// The end of an export: by itself, or because somebody wants it.
    async fn ended(&self, follower: StepFollower) -> Result<Ended, Trouble> {
        let stopper = follower.stopper();
        let mut ended = std::pin::pin!(follower.ended());
        let end = tokio::select! {
            end = &mut ended => end,
            () = self.outgoing.ended() => {
                stopper.stop(StopForce::Now);
                timeout(KILLED, ended).await.map_err(|_| Trouble::Final(ASKED.to_owned()))?
            }
        };
        end.ok_or_else(|| Trouble::Final("the engine is leaving".to_owned()))
    }
}

/// What is said of work that somebody wanted no more.
const ASKED: &str = "it was ended before its work was exported";

/// Whether an import failed for a reason that lies on this machine.
fn may_pass(error: &ImportError) -> bool {
    match error {
        ImportError::Refused(_) => false,
        ImportError::Git(error) => matches!(error, Error::Failed { .. } | Error::Io { .. }),
    }
}

/// Whether a disk that is short of room can have been the reason. It is an export's word, and so not asked alone.
fn may_want_room(error: &ImportError) -> bool {
    let ImportError::Refused(refusal) = error else { return false };
    matches!(refusal, ImportRefusal::Export(ExportFailure::NoRoom) | ImportRefusal::Truncated)
}

/// Puts away the workspace of an attempt whose work is merged, and what else the attempt had on the disk. `untouched`: nobody
/// could write there.
pub(crate) async fn put_away(
    world: &Arc<World>,
    attempt: AttemptId,
    (workspace, branch): (PathBuf, String),
    merged_into: CommitId,
    untouched: bool,
) -> Result<Removal, String> {
    let removal = git(world, move |git| git.remove_sealed(&workspace, &branch, &merged_into, untouched));
    let removal = removal.await?;
    if removal == Removal::Removed {
        let dir = world.layout.attempt_dir(&attempt);
        let entries = std::fs::read_dir(&dir).into_iter().flatten().map_while(Result::ok);
        // Those that are named by a step's number: the others are agents' own.
        let steps = entries.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
        for dir in steps.map(|step| step.path()).chain([dir]) {
            for folder in ["home", "tmp"] {
                if let Err(error) = remove_tree(&dir.join(folder)) {
                    tracing::warn!(%attempt, folder, %error, "kept for now");
                }
            }
        }
        caches::put_away(world, &attempt).await;
    }
    Ok(removal)
}

/// Puts away what the run's containers had together. The store stays for as long as a workspace borrows from it.
pub(crate) async fn tidy(world: &Arc<World>, run: &RunContext, id: &RunId) -> Vec<(String, String)> {
    let composed = world.composed_path(id, &run.settings, ExecutorKind::Docker);
    let (store, folder) = (world.layout.store(id), world.worktrees_of(id, &run.settings));
    let shown = [&composed, &store].map(|path| path.to_string_lossy().into_owned());
    let removed = git(world, move |git| git.remove_composed(&composed)).await;
    caches::tidy(world, id).await;
    world.sandboxes.forget(id);
    let emptied = if has_workspaces(&folder) { Ok(()) } else { remove_tree(&store) };
    let results = [removed, emptied.map_err(|error| error.to_string())];
    shown.into_iter().zip(results).filter_map(|(path, result)| Some((path, result.err()?))).collect()
}

/// Whether any workspace of a run is there: all that is in its folder but for what begins with a dot, as no task does.
fn has_workspaces(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map_while(Result::ok);
    entries.into_iter().any(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
}

/// The patch from its base to what an attempt's workspace holds at this moment, uncommitted and new files included.
pub(crate) async fn diff(
    world: &Arc<World>,
    run: &RunContext,
    attempt: &AttemptId,
    base: CommitId,
) -> Result<Vec<u8>, String> {
    let workspace = world.workspace_path(attempt, &run.settings);
    let outgoing = Arc::new(world.exports.begin(attempt));
    let taking = Taking::of(run, &outgoing, attempt, workspace, base);
    let patch = |git: &Repository, import: &Import<'_>| {
        let mut patch = Vec::new();
        git.diff_exported(import, &mut patch).map(|()| patch)
    };
    taking.take(world, run, ExportKind::Look, patch).await?
}
