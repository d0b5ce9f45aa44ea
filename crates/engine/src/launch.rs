//! The one place from which steps are started.
//!
//! An agent's step is ordered from an [`gadugi_agents::AgentLaunch`], which only a delegation can make: of work to the
//! WorkflowManager, of a question to the TaskAnalyzer; a check's from a [`gadugi_agents::CheckLaunch`], which refuses agents; an export from the workspace crate's own
//! script. Nothing else in gadugi calls an executor's `launch`, and a rule of `cargo xtask tidy` watches that.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gadugi_agents::{AgentKind, Delegation, LaunchOptions, Question, Role, Sibling, TaskBrief, check_launch};
use gadugi_analysis::decompose;
use gadugi_core::{
    HomePolicy, PlannedTask, Purpose as TaskPurpose, SessionId, SessionMode, StepId, StepKind, UvPolicy,
};
use gadugi_exec::{DockerError, ExecError, Executor, Limits, StepFollower, StepOrder};
use gadugi_workspace::{ExportRequest, ImportLimits};

use crate::caches::{self, Views};
use crate::effects::git;
use crate::gate::{self, Gate};
use crate::sandbox::{self, Containers, Purpose, Sandbox, executor_of, inside};
use crate::sealed::EXPORT;
use crate::world::{AttemptContext, RunContext, World};

/// A step that is to be started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) step: StepId,
    pub(crate) kind: StepKind,
    /// What it may cost, in millionths of a US dollar, where there is a budget.
    pub(crate) budget: Option<u64>,
}

/// Starts the step, or says why it cannot be started. A gate that was opened for a step that does not start is closed.
pub(crate) async fn launch(
    world: &Arc<World>,
    run: &RunContext,
    attempt: AttemptContext,
    what: &Launch,
) -> Result<StepFollower, String> {
    let sandbox = world.sandbox(&what.step.attempt.run, run, &what.step.attempt.task).await?;
    let gate = gate::open(world, run, what, &sandbox).await?;
    let started = start(world, run, attempt, what, sandbox, gate).await;
    if started.is_err() {
        world.close_gate(&what.step).await;
    }
    started
}

async fn start(
    world: &Arc<World>,
    run: &RunContext,
    attempt: AttemptContext,
    what: &Launch,
    sandbox: Sandbox,
    gate: Option<Gate>,
) -> Result<StepFollower, String> {
    let (inside, run, what) = (Arc::clone(world), run.clone(), what.clone());
    let id = what.step.clone();
    let executor = world.executor(&sandbox);
    let views = caches::views(world, &run, &attempt.base, &what, &sandbox).await?;
    let ordered = tokio::task::spawn_blocking(move || {
        let gated = gate.is_some();
        let site = Site { world: &inside, run: &run, step: &what.step, sandbox: &sandbox, gated };
        order(&site, &attempt, &what, gate, views)
    });
    let order = ordered.await.map_err(|panic| panic.to_string())??;
    begin(world, &executor, &id, &order).await
}

/// Starts the export of a sealed workspace: gadugi's own script, in a container that sees that one workspace.
pub(crate) async fn launch_export(
    world: &Arc<World>,
    run: &RunContext,
    containers: &Arc<Containers>,
    step: &StepId,
    workspace: &Path,
    request: ExportRequest,
) -> Result<StepFollower, String> {
    let argv = git(world, move |git| git.export_command(&request)).await?;
    let dir = world.layout.step_dir(step);
    gadugi_sys::files::create_private_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let order = StepOrder {
        dir,
        argv,
        env: vec![("HOME".into(), inside::HOME.into()), ("LC_ALL".into(), "C".into())],
        cwd: "/".into(),
        stdin: None,
        attempt: step.attempt.to_string(),
        grace: run.settings.grace,
        lease: EXPORT,
        limits: Limits { output_bytes: Some(ImportLimits::default().pack_bytes), ..Limits::default() },
        relay: None,
        container: Some(containers.order(world, run, step, workspace, Purpose::Export)?),
    };
    let executor = world.executor(&Sandbox::Containers(Arc::clone(containers)));
    begin(world, &executor, step, &order).await
}

async fn begin(
    world: &World,
    executor: &Executor,
    step: &StepId,
    order: &StepOrder,
) -> Result<StepFollower, String> {
    executor.launch(order).await.map_err(|error| {
        if matches!(error, ExecError::Docker(DockerError::ImageMissing { .. })) {
            // There may be another by that name.
            world.sandboxes.forget(&step.attempt.run);
        }
        error.to_string()
    })
}

/// Where a step works, on this machine.
pub(crate) fn cwd(world: &World, run: &RunContext, step: &StepId, kind: &StepKind) -> PathBuf {
    match kind {
        StepKind::Verify { .. } => {
            let executor = executor_of(run, &step.attempt.task);
            world.composed_path(&step.attempt.run, &run.settings, executor)
        }
        StepKind::Setup | StepKind::Agent { .. } => world.workspace_path(&step.attempt, &run.settings),
    }
}

/// A step, and where it runs.
#[derive(Clone, Copy)]
struct Site<'a> {
    world: &'a World,
    run: &'a RunContext,
    step: &'a StepId,
    sandbox: &'a Sandbox,
    /// Whether its way out is the gateway.
    gated: bool,
}

fn order(
    site: &Site<'_>,
    attempt: &AttemptContext,
    what: &Launch,
    gate: Option<Gate>,
    views: Views,
) -> Result<StepOrder, String> {
    let (Launch { step, kind, .. }, Site { world, run, sandbox, .. }) = (what, *site);
    let task = run.plan.task(&step.attempt.task).ok_or("the plan has no such task")?;
    let dir = world.layout.step_dir(step);
    gadugi_sys::files::create_private_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let workspace = cwd(world, run, step, kind);
    if !workspace.is_dir() {
        return Err(format!("{} is gone", workspace.display()));
    }
    let mut container = match sandbox {
        Sandbox::Local => None,
        Sandbox::Containers(all) => Some(all.order(world, run, step, &workspace, Purpose::Step(kind))?),
    };
    let cwd = if container.is_some() { inside::WORKSPACE.into() } else { workspace };
    let mut env = Environment::new(site, &cwd)?;
    views.show(container.as_mut(), &mut env);
    let checks = |command: &str| {
        check_launch(command, &run.settings.agents)
            .map(|launch| launch.argv().iter().map(OsString::from).collect::<Vec<_>>())
            .map_err(|refused| refused.to_string())
    };
    let (argv, stdin) = match kind {
        StepKind::Setup => (checks(&setup_script(&run.settings.setup))?, None),
        StepKind::Verify { .. } => {
            let command = task.verify.as_deref().or(run.settings.verify.as_deref());
            (checks(command.ok_or("there is no verify command")?)?, None)
        }
        StepKind::Agent { session, mode } => {
            let launch = delegate(site, attempt, what, task, (session, *mode))?;
            env.remove(launch.env_removed());
            env.set_all(launch.env().iter().map(|(name, value)| (name.as_str(), value.as_str())));
            write_private(&dir.join(STDIN), launch.stdin().as_bytes())?;
            (launch.argv().into_iter().map(OsString::from).collect(), Some(dir.join(STDIN)))
        }
    };
    // Last: nothing that is configured leads past the gateway.
    let relay = gate.map(|gate| gate.lead(&mut env));
    Ok(StepOrder {
        dir,
        argv,
        env: env.variables,
        cwd,
        // In a container the shim knows the step's folder and no path to it.
        stdin: stdin.map(|path| if container.is_some() { STDIN.into() } else { path }),
        attempt: step.attempt.to_string(),
        grace: run.settings.grace,
        lease: run.settings.lease,
        limits: Limits { output_bytes: Some(run.settings.limits.output_bytes), ..Limits::default() },
        relay,
        container,
    })
}

/// What an agent reads, in the step's folder.
const STDIN: &str = "stdin.md";

fn delegate(
    Site { world, run, sandbox, gated, .. }: &Site<'_>,
    attempt: &AttemptContext,
    Launch { step, budget, .. }: &Launch,
    task: &PlannedTask,
    (session, mode): (&SessionId, SessionMode),
) -> Result<gadugi_agents::AgentLaunch, String> {
    let path = world.layout.prompt(&step.attempt.run, &task.id);
    let prompt = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let planned =
        |id: &gadugi_core::TaskId| run.plan.task(id).map(|task| task.writes.clone()).unwrap_or_default();
    let brief = TaskBrief {
        run: step.attempt.run.clone(),
        task: task.id.clone(),
        title: task.name.clone(),
        attempt: step.attempt.attempt,
        branch: attempt.branch.clone(),
        base: attempt.base.clone(),
        workspace: match sandbox {
            Sandbox::Local => attempt.workspace.to_string_lossy().into_owned(),
            Sandbox::Containers(_) => inside::WORKSPACE.to_owned(),
        },
        siblings: attempt
            .siblings
            .iter()
            .map(|id| Sibling {
                task: id.clone(),
                writes: planned(id).into_iter().map(|claim| claim.path).collect(),
            })
            .collect(),
        depends_on: attempt.held.clone(),
        verify: task.verify.clone().or_else(|| run.settings.verify.clone()),
        prompt,
        note: attempt.note.clone(),
        resumed: mode == SessionMode::Resume,
        question: question(task, attempt),
    };
    let whose = world.whose(&attempt.base, Role::of(task.purpose)).map_err(|error| error.to_string())?;
    let name = task.agent.as_deref().unwrap_or(&run.settings.agent);
    let kind = AgentKind::from_name(name).map_err(|error| error.to_string())?;
    let settings = run.settings.agents.get(name).cloned().unwrap_or_default();
    let (as_root, own_program) = match sandbox {
        Sandbox::Local => (rustix::process::geteuid().is_root(), world.program.as_path()),
        Sandbox::Containers(all) => (all.user.is_root_inside, Path::new(inside::PROGRAM)),
    };
    Delegation::new(&brief, whose)
        .launch(&LaunchOptions {
            kind,
            settings: &settings,
            session,
            mode,
            model: task.model.as_deref().or(run.settings.model.as_deref()),
            max_turns: run.settings.max_turns,
            budget_microusd: *budget,
            uv: run.settings.uv == UvPolicy::On,
            as_root,
            gated: *gated,
            own_program,
        })
        .map_err(|refused| refused.to_string())
}

/// What the task's agent is asked, where it is a question.
fn question(task: &PlannedTask, attempt: &AttemptContext) -> Option<Question> {
    let TaskPurpose::Decompose(most) = task.purpose else { return None };
    let claims = task.writes.iter().chain(&task.reads);
    Some(Question {
        schema: decompose::SCHEMA.to_owned(),
        most,
        files: claims.map(|claim| (claim.path.clone(), claim.evidence.clone())).collect(),
        wrong: attempt.wrong.clone(),
    })
}

/// All setup commands as one script that ends with the first that fails.
fn setup_script(commands: &[String]) -> String {
    format!("set -e\n{}\n", commands.join("\n"))
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<(), String> {
    gadugi_sys::files::write_atomic(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// What a step sees (contract section 5).
pub(crate) struct Environment {
    variables: Vec<(OsString, OsString)>,
}

impl Environment {
    fn new(site: &Site<'_>, cwd: &Path) -> Result<Self, String> {
        let Site { world, run, step, sandbox, .. } = *site;
        let given = world.environment(&step.attempt.run);
        let variables = match sandbox {
            Sandbox::Local => {
                let denied = &run.settings.env_deny;
                let seen = given.iter().filter(|(name, _)| !is_denied(&name.to_string_lossy(), denied));
                seen.cloned().collect()
            }
            Sandbox::Containers(_) => sandbox::environment(&given, &run.settings),
        };
        let mut env = Self { variables };
        let port = world.port_base(&step.attempt).to_string();
        env.set_all([
            ("ORCHESTRATOR_TASK_ID", step.attempt.task.as_str()),
            ("GADUGI_RUN_ID", step.attempt.run.as_str()),
            ("GADUGI_ATTEMPT", &step.attempt.to_string()),
            ("GADUGI_PORT_BASE", &port),
        ]);
        env.set("ORCHESTRATOR_WORKTREE", cwd.as_os_str());
        if matches!(sandbox, Sandbox::Local) && run.settings.home == HomePolicy::Own {
            let home = world.layout.attempt_dir(&step.attempt).join("home");
            gadugi_sys::files::create_private_dir(&home)
                .map_err(|error| format!("{}: {error}", home.display()))?;
            env.set("HOME", home.as_os_str());
        }
        Ok(env)
    }

    #[cfg(test)]
    pub(crate) fn of(variables: Vec<(OsString, OsString)>) -> Self {
        Self { variables }
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.remove(&[name]);
        self.variables.push((name.into(), value.into()));
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.to_string_lossy().into_owned())
    }

    fn set_all<'a>(&mut self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (name, value) in variables {
            self.set(name, value);
        }
    }

    pub(crate) fn remove(&mut self, names: &[&str]) {
        self.variables.retain(|(name, _)| !names.iter().any(|other| name == other));
    }
}

/// Whether the user's configuration keeps a variable from steps. A `*` at a pattern's end stands for any rest. What
/// points git at another repository is never passed on: a step's git is to find its own workspace.
pub(crate) fn is_denied(name: &str, patterns: &[String]) -> bool {
    const ALWAYS: [&str; 6] = [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_COMMON_DIR",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    ];
    ALWAYS.contains(&name) || patterns.iter().any(|pattern| sandbox::matches(pattern, name))
}

/// Where the tail of a step's output is taken from, and how much of it people are shown.
pub(crate) fn tail(dir: &Path) -> String {
    const SHOWN: usize = 2000;
    gadugi_exec::tail(dir, SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_variables_do_not_reach_a_step() {
        let deny = ["GITHUB_TOKEN".to_owned(), "AWS_*".to_owned()];
        for name in ["GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_", "GIT_DIR"] {
            assert!(is_denied(name, &deny), "{name}");
        }
        for name in ["GITHUB_TOKEN_2", "AWS", "PATH", "GIT_AUTHOR_NAME"] {
            assert!(!is_denied(name, &deny), "{name}");
        }
    }

    #[test]
    fn setup_ends_with_the_first_failure() {
        assert_eq!(setup_script(&["npm ci".into(), "make".into()]), "set -e\nnpm ci\nmake\n");
    }
}
