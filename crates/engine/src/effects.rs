//! Carrying out what was decided. Each effect runs beside the loop and comes back as a report; each looks first at
//! what is there, so that it may be asked for again.

use std::path::PathBuf;
use std::sync::Arc;

use gadugi_agents::AgentKind;
use gadugi_core::{
    AdvanceFailure, AgentEnd, AttemptId, Collected, CommitId, Composition, Effect, EndClass, ExecutorKind,
    Report, RunId, RunState, Salvage, StepEnd, StepExit, StepId, StepKind, StopForce, TaskId,
};
use gadugi_exec::{Adoption, StepFollower};
use gadugi_gateway::metered_in_log;
use gadugi_workspace::{Repository, Salvaging, WorktreeRequest};
use tokio::time::{Duration, Instant};

use crate::follow::follow;
use crate::launch::{Launch, cwd, launch};
use crate::room::{with_room, work_with_room};
use crate::sandbox::{Sandbox, agent, executor_of};
use crate::tidying::{make_room, tidy, tip, workspaces_left};
use crate::world::{AttemptContext, RunContext, World, branch_name};
use crate::{answers, caches, gate, sealed};

/// Starts the effect. What it needs of the state is taken along, since the state goes on meanwhile.
pub(crate) fn start(world: &Arc<World>, run: &RunState, effect: Effect) {
    #[cfg(feature = "faults")]
    crate::fault::before_effect(&effect);
    let world = Arc::clone(world);
    let context = RunContext { plan: Arc::clone(&run.plan), settings: Arc::clone(&run.settings) };
    match effect {
        Effect::OpenIntegration { run, branch, base } => spawn(async move {
            let result = with_room(&world, || {
                let (branch, base) = (branch.clone(), base.clone());
                git(&world, move |git| git.open_integration(&branch, &base))
            });
            let result = result.await;
            world.report(Report::IntegrationOpened { run, result }).await;
        }),
        Effect::PrepareWorkspace { attempt, base } => spawn(async move {
            let result = prepare(&world, &context, &attempt, base).await;
            world.report(Report::WorkspacePrepared { attempt, result }).await;
        }),
        Effect::LaunchStep { step, kind, budget } => {
            let attempt = attempt_context(run, &step.attempt);
            let order = Launch { step, kind, budget };
            spawn(async move { launch_step(&world, &context, attempt, order).await });
        }
        Effect::AdoptStep { step, kind } => {
            let budget = reserved(run, &step);
            let adopted = Launch { step, kind, budget };
            spawn(async move { adopt_step(&world, &context, adopted).await });
        }
        Effect::StopStep { step, force } => stop_step(&world, &step, force),
        Effect::CollectWork { attempt, base } => {
            let found = attempt_context(run, &attempt);
            spawn(async move {
                let result = collect(&world, &context, &attempt, found, base).await;
                world.report(Report::WorkCollected { attempt, result }).await;
            });
        }
        Effect::TakeAnswer { step } => spawn(async move {
            let result = answers::take(&world, &context, &step).await;
            world.report(Report::AnswerTaken { step, result }).await;
        }),
        Effect::SalvageWork { attempt } => {
            let base = run.task(&attempt.task).and_then(|task| task.base.clone());
            spawn(async move {
                let salvage = salvage(&world, &context, &attempt, base).await;
                world.report(Report::WorkSalvaged { attempt, salvage }).await;
            });
        }
        Effect::MakeRoom { run: id } => {
            let (workspaces, merged_into) = (workspaces_left(&world, run), tip(run));
            spawn(async move { make_room(&world, &context, &id, workspaces, merged_into).await });
        }
        Effect::Compose { run, task, work, onto } => spawn(async move {
            let result = compose(&world, &context, &run, &task, work.clone(), onto.clone()).await;
            world.report(Report::Composed { run, task, work, onto, result }).await;
        }),
        Effect::Advance { run: id, task, from, to } => {
            let branch = run.branch();
            spawn(async move {
                let result = advance(&world, branch, from, to.clone()).await;
                world.report(Report::Advanced { run: id, task, to, result }).await;
            });
        }
        Effect::TidyRun { run: id } => {
            let (workspaces, merged_into) = (workspaces_left(&world, run), tip(run));
            spawn(async move {
                let kept = tidy(&world, &context, &id, workspaces, merged_into).await;
                world.report(Report::Tidied { run: id, kept }).await;
            });
        }
    }
}

fn spawn(effect: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(effect);
}

/// Git blocks: it runs where blocking is allowed. An error is a panic's words.
async fn blocking<T: Send + 'static>(
    world: &Arc<World>,
    work: impl FnOnce(&Repository) -> T + Send + 'static,
) -> Result<T, String> {
    let world = Arc::clone(world);
    tokio::task::spawn_blocking(move || work(&world.repository)).await.map_err(|error| error.to_string())
}

pub(crate) async fn git<T: Send + 'static>(
    world: &Arc<World>,
    work: impl FnOnce(&Repository) -> gadugi_workspace::Result<T> + Send + 'static,
) -> Result<T, String> {
    blocking(world, move |git| work(git).map_err(|error| error.to_string())).await?
}

async fn prepare(
    world: &Arc<World>,
    run: &RunContext,
    attempt: &AttemptId,
    base: CommitId,
) -> Result<(String, String), String> {
    if executor_of(run, &attempt.task) == ExecutorKind::Docker {
        return sealed::prepare(world, run, attempt, base).await;
    }
    let path = world.workspace_path(attempt, &run.settings);
    let branch = branch_name(attempt, &run.settings);
    let folder = world.worktrees_dir(&run.settings);
    if let Err(error) = git(world, move |git| git.make_room(&folder)).await {
        // Then the run's own folder in it is kept out of `git status`, or says why that cannot be.
        tracing::debug!(%error, "the folder for worktrees is not gadugi's alone");
    }
    let request = WorktreeRequest { path, branch, base, include: run.settings.include.clone() };
    let made = with_room(world, || {
        let request = request.clone();
        async {
            // Whoever waits here blocks no thread that a merge could have.
            let _turn = world.preparing.acquire().await;
            git(world, move |git| git.add_worktree(&request)).await
        }
    })
    .await?;
    let path = made.path.into_os_string().into_string();
    let path = path.map_err(|path| format!("{} is not UTF-8", path.to_string_lossy()))?;
    Ok((path, made.branch.unwrap_or_default()))
}

/// What the state knows of the attempt that is under way.
fn attempt_context(run: &RunState, attempt: &AttemptId) -> Option<AttemptContext> {
    let task = run.task(&attempt.task)?;
    let (workspace, branch) = task.workspace.clone()?;
    let others = run.plan.tasks.iter().zip(&run.tasks).filter(|(planned, other)| {
        planned.id != attempt.task && other.active().is_some_and(gadugi_core::Attempt::holds_slot)
    });
    let held = run.before(run.position(&attempt.task)?).iter().filter(|(from, _)| run.tasks[*from].merged);
    Some(AttemptContext {
        workspace: PathBuf::from(workspace),
        branch,
        base: task.base.clone()?,
        note: task.note.clone(),
        wrong: task.active().map(|active| active.wrong.clone()).unwrap_or_default(),
        held: held.map(|(from, _)| run.plan.tasks[*from].id.clone()).collect(),
        siblings: others.map(|(planned, _)| planned.id.clone()).collect(),
    })
}

/// The adapter that understands the step's output.
fn agent_of(run: &RunContext, task: &TaskId, kind: &StepKind) -> Option<AgentKind> {
    match kind {
        StepKind::Setup | StepKind::Verify { .. } => None,
        StepKind::Agent { .. } => agent(run, task),
    }
}

async fn launch_step(world: &Arc<World>, run: &RunContext, attempt: Option<AttemptContext>, order: Launch) {
    let launched = with_engine(world, run, &order.step, || {
        with_room(world, || try_launch(world, run, attempt.clone(), &order))
    });
    let launched = launched.await;
    let Launch { step, kind, .. } = order;
    match launched {
        Ok(follower) => {
            let cwd = cwd(world, run, &step, &kind);
            follow(world, &step, cwd, follower, agent_of(run, &step.attempt.task, &kind)).await;
        }
        Err(why) => {
            let end = StepEnd::unseen(StepExit::NotStarted(why));
            caches::step_ended(world, &step, &end).await;
            world.report(Report::StepEnded { step, end }).await;
        }
    }
}

async fn try_launch(
    world: &Arc<World>,
    run: &RunContext,
    attempt: Option<AttemptContext>,
    order: &Launch,
) -> Result<StepFollower, String> {
    let attempt = attempt.ok_or("its workspace is not on record")?;
    match &order.kind {
        StepKind::Verify { commit } => match executor_of(run, &order.step.attempt.task) {
            ExecutorKind::Local => check_out(world, run, &order.step, commit).await?,
            ExecutorKind::Docker => sealed::check_out(world, run, &order.step, commit).await?,
        },
        // Somebody deleted it: what was committed is on its branch still.
        StepKind::Setup | StepKind::Agent { .. } if !attempt.workspace.exists() => {
            prepare(world, run, &order.step.attempt, attempt.base.clone()).await?;
        }
        StepKind::Setup | StepKind::Agent { .. } => {}
    }
    let sealed = executor_of(run, &order.step.attempt.task) == ExecutorKind::Docker;
    if sealed && !matches!(order.kind, StepKind::Verify { .. }) {
        // What was taken of it before is not all any more.
        let workspace = attempt.workspace.clone();
        git(world, move |git| git.open_sealed(&workspace)).await?;
    }
    launch(world, run, attempt, order).await
}

async fn check_out(
    world: &Arc<World>,
    run: &RunContext,
    step: &StepId,
    commit: &CommitId,
) -> Result<(), String> {
    let path = world.composed_path(&step.attempt.run, &run.settings, ExecutorKind::Local);
    let (commit, include) = (commit.clone(), run.settings.include.clone());
    git(world, move |git| git.checkout_detached(&path, &commit, &include)).await.map(drop)
}

/// What is set aside for a step that is under way.
fn reserved(run: &RunState, step: &StepId) -> Option<u64> {
    let found = run.task(&step.attempt.task)?.active()?.step()?;
    found.reserved.filter(|_| found.number == step.step)
}

/// A container engine that does not answer is waited for: whatever is tried meanwhile would fail, of all tasks one after another.
/// Not for ever: what waits here cannot be cancelled.
async fn with_engine<T, F>(
    world: &World,
    run: &RunContext,
    step: &StepId,
    work: impl Fn() -> F,
) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    const BETWEEN: Duration = Duration::from_secs(2);
    const IN_ALL: Duration = Duration::from_secs(120);
    let until = Instant::now() + IN_ALL;
    loop {
        match work().await {
            Err(error)
                if executor_of(run, &step.attempt.task) == ExecutorKind::Docker
                    && Instant::now() < until
                    && world.engine_is_away(&step.attempt.run).await =>
            {
                tracing::warn!(%step, error, "the container engine is away; it is tried again");
                tokio::time::sleep(BETWEEN).await;
            }
            other => return other,
        }
    }
}

/// Where a step was left. A container engine that is away is waited for, for as long as a step outlives its orchestrator:
/// after that nothing of it runs, wherever it was.
async fn sandbox_again(world: &World, run: &RunContext, step: &StepId) -> Result<Sandbox, String> {
    const BETWEEN: Duration = Duration::from_secs(2);
    let until = Instant::now() + Duration::from_millis(run.settings.lease.0 + run.settings.grace.0);
    loop {
        match world.sandbox(&step.attempt.run, run, &step.attempt.task).await {
            Err(error) if Instant::now() < until => {
                tracing::warn!(%step, error, "it cannot be looked for yet");
                tokio::time::sleep(BETWEEN).await;
            }
            other => return other,
        }
    }
}

/// After a restart: what runs is followed, what ended is taken in, and of what is gone that is said. Nothing starts.
async fn adopt_step(world: &Arc<World>, run: &RunContext, Launch { step, kind, budget }: Launch) {
    let adopted = match sandbox_again(world, run, &step).await {
        Ok(sandbox) => {
            let dir = world.layout.step_dir(&step);
            let adopted = world.executor(&sandbox).adopt(&dir, &step.attempt.to_string()).await;
            adopted.map_err(|error| error.to_string())
        }
        Err(why) => Err(why),
    };
    match adopted {
        Ok(Adoption::Running(follower) | Adoption::Ended(follower) | Adoption::Lost(follower)) => {
            if let Err(error) = gate::reopen(world, run, &step, &kind, budget).await {
                tracing::error!(%step, %error, "a step that runs has no way out");
            }
            let (agent, cwd) = (agent_of(run, &step.attempt.task, &kind), cwd(world, run, &step, &kind));
            follow(world, &step, cwd, follower, agent).await;
        }
        other => {
            let exit = match other {
                Err(error) => {
                    tracing::error!(%step, error, "a step could not be adopted");
                    StepExit::Lost
                }
                Ok(_) => StepExit::NeverBegan,
            };
            let end = unseen(world, &step, exit).await;
            world.report(Report::StepEnded { step, end }).await;
        }
    }
}

/// The end of a step that nobody saw. What it cost stands in the gateway's log.
async fn unseen(world: &World, step: &StepId, exit: StepExit) -> StepEnd {
    let (log, id) = (world.layout.gateway_log(), step.clone());
    let metered = tokio::task::spawn_blocking(move || metered_in_log(&log, &id)).await;
    let usage = metered.ok().and_then(Result::ok).map(|metered| metered.usage());
    let agent = usage.filter(|usage| usage.tokens() > 0).map(|usage| AgentEnd {
        class: EndClass::Crashed,
        detail: String::new(),
        usage,
        turns: 0,
        no_change: None,
        claimed_phases: Vec::new(),
    });
    StepEnd { agent, ..StepEnd::unseen(exit) }
}

fn stop_step(world: &World, step: &StepId, force: StopForce) {
    // A step without a stopper has ended already, and its report is on the way.
    if let Some(stopper) = world.stopper(step) {
        stopper.stop(force);
        #[cfg(feature = "faults")]
        crate::fault::after_effect("stop-step");
    }
}

/// What an attempt that did not succeed left uncommitted goes under a ref.
async fn salvage(
    world: &Arc<World>,
    run: &RunContext,
    attempt: &AttemptId,
    base: Option<CommitId>,
) -> Salvage {
    if executor_of(run, &attempt.task) == ExecutorKind::Docker {
        let Some(base) = base else { return Salvage::Nothing };
        return sealed::salvage(world, run, attempt, base).await;
    }
    let path = world.workspace_path(attempt, &run.settings);
    let branch = branch_name(attempt, &run.settings);
    let salvaged = work_with_room(world, || {
        let (attempt, path, branch) = (attempt.clone(), path.clone(), branch.clone());
        git(world, move |git| git.salvage(&attempt, &path, &branch))
    });
    match salvaged.await {
        Ok(Salvaging::Nothing | Salvaging::Gone) => Salvage::Nothing,
        Ok(Salvaging::Kept(kept)) => {
            if !kept.left_out.is_empty() {
                tracing::warn!(%attempt, left_out = ?kept.left_out, "what could not be salvaged is still in its workspace");
            }
            Salvage::Kept { reference: kept.reference, commit: kept.commit }
        }
        Err(because) => Salvage::Failed { because },
    }
}

async fn collect(
    world: &Arc<World>,
    run: &RunContext,
    attempt: &AttemptId,
    found: Option<AttemptContext>,
    base: CommitId,
) -> Result<Collected, String> {
    let found = found.ok_or("its workspace is not on record")?;
    if executor_of(run, &attempt.task) == ExecutorKind::Docker {
        return sealed::collect(world, run, attempt, &found, &base).await;
    }
    let AttemptContext { workspace, branch, .. } = found;
    let message = commit_message(run, attempt, "left uncommitted by its agent, committed by gadugi");
    let collection = work_with_room(world, || {
        let (workspace, branch, base) = (workspace.clone(), branch.clone(), base.clone());
        let message = message.clone();
        git(world, move |git| git.collect(&workspace, &branch, &base, &message))
    });
    let collection = collection.await?;
    if let Some(stray) = collection.stray {
        tracing::info!(%attempt, ?stray, "its agent left the branch; the work was put back on it");
    }
    Ok(collection.work)
}

async fn compose(
    world: &Arc<World>,
    run: &RunContext,
    id: &RunId,
    task: &TaskId,
    work: CommitId,
    onto: CommitId,
) -> Composition {
    let attempt = AttemptId { run: id.clone(), task: task.clone(), attempt: 1 };
    let message = commit_message(run, &attempt, "merged by gadugi");
    let strategy = run.settings.merge;
    let composed = work_with_room(world, || {
        let (work, onto, message) = (work.clone(), onto.clone(), message.clone());
        let done = blocking(world, move |git| git.compose(&onto, &work, &message, strategy, None));
        async move {
            match done.await? {
                Composition::Failed(why) => Err(why),
                composed => Ok(composed),
            }
        }
    });
    composed.await.unwrap_or_else(Composition::Failed)
}

async fn advance(
    world: &Arc<World>,
    branch: String,
    from: CommitId,
    to: CommitId,
) -> Result<(), AdvanceFailure> {
    let moved = work_with_room(world, || {
        let (branch, from, to) = (branch.clone(), from.clone(), to.clone());
        let done = blocking(world, move |git| git.advance(&branch, &from, &to));
        async move {
            match done.await? {
                Err(AdvanceFailure::Failed(why)) => Err(why),
                moved => Ok(moved),
            }
        }
    });
    moved.await.unwrap_or_else(|why| Err(AdvanceFailure::Failed(why)))
}

/// `parser-errors: Errors with line numbers`, and below it where it comes from.
pub(crate) fn commit_message(run: &RunContext, attempt: &AttemptId, what: &str) -> String {
    let title = run.plan.task(&attempt.task).map_or("", |task| task.name.as_str());
    let title = gadugi_agents::one_line(title, 100);
    format!("{}: {title}\n\nTask {} of {}, {what}.\n", attempt.task, attempt.task, attempt.run)
}
