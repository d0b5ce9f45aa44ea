//! What effects work with: the repository, the executor, and what each run was given beside its plan.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gadugi_agents::{Role, Whose};
use gadugi_core::{
    AttemptId, CommitId, ExecutorKind, Phase, Plan, Process, Report, RunId, RunSettings, StepId, Taken,
    TaskId, Usage,
};
use gadugi_exec::{Executor, LocalExecutor, Stopper};
use gadugi_gateway::{Gateway, Metered};
use gadugi_workspace::Repository;
use tokio::sync::{Semaphore, mpsc};

use crate::caches::Caches;
use crate::descriptors;
use crate::environments::{Environments, Variables};
use crate::exports::Exports;
use crate::layout::Layout;
use crate::quiet::Pulse;
use crate::sandbox::{Sandbox, Sandboxes};

/// What the loop hears from effects.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An effect came to something.
    Report(Report),
    /// A step said or did something that is worth showing, and that nothing depends on.
    Seen(StepId, Seen),
}

/// What is known of a running step beyond its state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// The latest phase that its agent reported.
    pub(crate) phase: Option<Phase>,
    /// Its last action in one line.
    pub(crate) action: String,
    /// What this step used so far.
    pub(crate) usage: Usage,
    /// The agent or check itself, below the shim.
    pub(crate) process: Option<Process>,
    /// Its program and arguments, for people. Shared: what is seen is told many times, and this stays as it is.
    pub(crate) command: Arc<str>,
}

/// What an attempt's steps are started from.
#[derive(Clone, Debug)]
pub(crate) struct AttemptContext {
    /// Absolute path of its workspace.
    pub(crate) workspace: PathBuf,
    /// Its branch.
    pub(crate) branch: String,
    /// Where the branch began.
    pub(crate) base: CommitId,
    /// Words of the user on a retry.
    pub(crate) note: Option<String>,
    /// What was wrong with the answer that it gave before, where it is asked something.
    pub(crate) wrong: Vec<String>,
    /// Tasks that it follows and whose work its base holds.
    pub(crate) held: Vec<TaskId>,
    /// Tasks of the run that may write at the same time.
    pub(crate) siblings: Vec<TaskId>,
}

/// What a run was given.
#[derive(Clone, Debug)]
pub(crate) struct RunContext {
    pub(crate) plan: Arc<Plan>,
    pub(crate) settings: Arc<RunSettings>,
}

/// A step that runs.
#[derive(Debug)]
struct Running {
    stopper: Stopper,
    seen: RunningStep,
    /// The most memory that its tree was seen to have, MiB.
    peak_mib: u64,
    /// What else it was seen to take.
    taken: Taken,
}

/// What is needed to look at a step that runs.
#[derive(Clone, Debug)]
pub(crate) struct RunningStep {
    pub(crate) step: StepId,
    /// The root of its processes.
    pub(crate) process: Process,
    /// Its lines, as they come.
    pub(crate) pulse: Pulse,
    /// Where it works.
    pub(crate) workspace: PathBuf,
}

/// Shared by all effects.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) layout: Layout,
    /// The gadugi binary: the scripted agent is one of its faces.
    pub(crate) program: PathBuf,
    pub(crate) repository: Repository,
    pub(crate) local: LocalExecutor,
    /// The containers of runs that have some.
    pub(crate) sandboxes: Sandboxes,
    /// What they share.
    pub(crate) caches: Caches,
    /// What is on its way out of their workspaces.
    pub(crate) exports: Arc<Exports>,
    /// Whose containers they are: this repository's mark on them.
    pub(crate) instance: String,
    /// What stands between agents and the model API.
    pub(crate) gateway: Gateway,
    /// Steps behind the gateway.
    gates: Mutex<BTreeSet<StepId>>,
    /// The settings of runs that may have steps behind the gateway.
    settings: Mutex<HashMap<RunId, Arc<RunSettings>>>,
    /// Accounts whose requests the gateway holds back, and why.
    slowed: Mutex<BTreeMap<String, String>>,
    /// Turns at making workspaces. They are registered one by one, and every one that waited for that in a thread of its own
    /// would keep merges from the few that there are.
    pub(crate) preparing: Semaphore,
    /// To the loop. Bounded: an effect that cannot report waits, and the loop never waits for effects.
    pub(crate) heard: mpsc::Sender<Heard>,
    /// Each step that runs.
    running: Mutex<HashMap<StepId, Running>>,
    /// Each run's environment, from the client that asked for it.
    pub(crate) environments: Environments,
    /// Whose definitions agents run as, by base and role.
    definitions: Mutex<HashMap<(CommitId, Role), Whose>>,
    /// Held by whoever puts workspaces away while their run goes on: one at a time is enough.
    pub(crate) making_room: tokio::sync::Mutex<()>,
    /// Which block of ports each attempt has.
    ports: Mutex<BTreeMap<AttemptId, u16>>,
}

/// What an engine starts and leads steps with.
#[derive(Debug)]
pub(crate) struct Outfit {
    pub(crate) local: LocalExecutor,
    pub(crate) instance: String,
    pub(crate) gateway: Gateway,
}

/// The first port of the first block. Above what services usually take, below what the kernel hands out by itself
/// (32768 and up).
const FIRST_PORT: u16 = 20_000;
/// Ports in a block: 600 blocks until the kernel's own range begins, more than there can be slots by default.
const PORTS_EACH: u16 = 20;

/// One is registered while files of the others are checked out.
const PREPARING: usize = 4;

impl World {
    pub(crate) fn new(
        layout: Layout,
        program: PathBuf,
        repository: Repository,
        outfit: Outfit,
        heard: mpsc::Sender<Heard>,
    ) -> Self {
        let Outfit { local, instance, gateway } = outfit;
        Self {
            layout,
            program,
            repository,
            local,
            sandboxes: Sandboxes::default(),
            caches: Caches::default(),
            exports: Arc::default(),
            instance,
            gateway,
            gates: Mutex::default(),
            settings: Mutex::default(),
            slowed: Mutex::default(),
            preparing: Semaphore::new(PREPARING),
            heard,
            running: Mutex::default(),
            environments: Environments::default(),
            definitions: Mutex::default(),
            making_room: tokio::sync::Mutex::default(),
            ports: Mutex::default(),
        }
    }

    /// Tells the loop. It goes on listening as long as there are effects, so an error means that the engine is leaving.
    pub(crate) async fn tell(&self, heard: Heard) {
        if self.heard.send(heard).await.is_err() {
            tracing::warn!("a report came after the loop had ended; the log will say it again");
        }
    }

    pub(crate) async fn report(&self, report: Report) {
        #[cfg(feature = "faults")]
        crate::fault::before_report(&report);
        self.tell(Heard::Report(report)).await;
    }

    /// The environment that the run was asked for with; after a restart, before anybody resumed it, the engine's own.
    pub(crate) fn environment(&self, run: &RunId) -> Variables {
        self.environments.of(run)
    }

    /// The environment that somebody brought for the run, under this engine.
    pub(crate) fn brought(&self, run: &RunId) -> Option<Variables> {
        self.environments.brought(run)
    }

    /// Whose definition of their role agents that begin at `base` run as. Read from the commit: an agent may have rewritten
    /// the file in its workspace by the time it is taken up again. Asks git the first time, and so may block.
    pub(crate) fn whose(&self, base: &CommitId, role: Role) -> Result<Whose, gadugi_workspace::Error> {
        let key = (base.clone(), role);
        if let Some(known) = lock(&self.definitions).get(&key) {
            return Ok(*known);
        }
        let text = self.repository.read_blob(base, &role.path())?;
        let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let whose = role.whose(text.as_deref());
        lock(&self.definitions).insert(key, whose);
        Ok(whose)
    }

    pub(crate) fn began(&self, seen: RunningStep, stopper: Stopper) {
        lock(&self.running)
            .insert(seen.step.clone(), Running { stopper, seen, peak_mib: 0, taken: Taken::default() });
        self.allow_descriptors();
    }

    /// The most memory that the step's tree was seen to have, MiB, and what else it was seen to take.
    pub(crate) fn ended(&self, step: &StepId) -> (u64, Taken) {
        lock(&self.running)
            .remove(step)
            .map_or_else(Default::default, |running| (running.peak_mib, running.taken))
    }

    pub(crate) fn stopper(&self, step: &StepId) -> Option<Stopper> {
        lock(&self.running).get(step).map(|running| running.stopper.clone())
    }

    /// How many steps run.
    pub(crate) fn running_count(&self) -> u32 {
        u32::try_from(lock(&self.running).len()).unwrap_or(u32::MAX)
    }

    /// All steps that run.
    pub(crate) fn running(&self) -> Vec<RunningStep> {
        lock(&self.running).values().map(|running| running.seen.clone()).collect()
    }

    /// A step's tree was seen to have had so much memory, and to have taken so much else.
    pub(crate) fn note_peak(&self, step: &StepId, mib: u64, taken: &Taken) {
        if let Some(running) = lock(&self.running).get_mut(step) {
            running.peak_mib = running.peak_mib.max(mib);
            running.taken.see(taken);
        }
    }

    /// What starts, finds and stops steps there.
    pub(crate) fn executor(&self, sandbox: &Sandbox) -> Executor {
        match sandbox {
            Sandbox::Local => Executor::Local(self.local.clone()),
            Sandbox::Containers(all) => Executor::Docker(all.docker.clone()),
        }
    }

    /// The gateway holds back the requests of an account, or does so no longer.
    pub(crate) fn slow(&self, account: &str, because: Option<String>) {
        let mut slowed = lock(&self.slowed);
        match because {
            Some(because) => drop(slowed.insert(account.to_owned(), because)),
            None => drop(slowed.remove(account)),
        }
    }

    fn allow_descriptors(&self) {
        let gates = u32::try_from(lock(&self.gates).len()).unwrap_or(u32::MAX);
        // Some more are starting at this moment.
        descriptors::allow(self.running_count() + 64, gates + 16);
    }

    /// A step is let through the gateway.
    pub(crate) fn note_gate(&self, step: &StepId) {
        lock(&self.gates).insert(step.clone());
        self.allow_descriptors();
    }

    /// What a step used; its way through the gateway is closed.
    pub(crate) async fn close_gate(&self, step: &StepId) -> Option<Metered> {
        {
            let mut gates = lock(&self.gates);
            gates.remove(step);
            if gates.is_empty() {
                // Nobody asks, so nobody would be told that it is over.
                lock(&self.slowed).clear();
            }
        }
        self.gateway.revoke(step).await
    }

    /// A run may have steps behind the gateway.
    pub(crate) fn note_settings(&self, run: &RunId, settings: &Arc<RunSettings>) {
        lock(&self.settings).insert(run.clone(), Arc::clone(settings));
    }

    /// Its settings; none where it has no step behind the gateway.
    pub(crate) fn settings(&self, run: &RunId) -> Option<Arc<RunSettings>> {
        lock(&self.settings).get(run).cloned()
    }

    /// Why agents' requests are held back, where they are.
    pub(crate) fn slowed(&self) -> Option<String> {
        lock(&self.slowed).values().next().cloned()
    }

    /// Folders of all steps that run.
    pub(crate) fn running_dirs(&self) -> Vec<PathBuf> {
        lock(&self.running).keys().map(|step| self.layout.step_dir(step)).collect()
    }

    /// The first of the ports that this attempt may use; the same for all its steps.
    pub(crate) fn port_base(&self, attempt: &AttemptId) -> u16 {
        let mut ports = lock(&self.ports);
        if let Some(block) = ports.get(attempt) {
            return FIRST_PORT + block * PORTS_EACH;
        }
        let taken: BTreeSet<u16> = ports.values().copied().collect();
        let block = (0..u16::MAX / PORTS_EACH / 2).find(|block| !taken.contains(block)).unwrap_or(0);
        ports.insert(attempt.clone(), block);
        FIRST_PORT + block * PORTS_EACH
    }

    pub(crate) fn release_ports(&self, attempt: &AttemptId) {
        lock(&self.ports).remove(attempt);
    }

    /// Where the worktrees of all runs lie.
    pub(crate) fn worktrees_dir(&self, settings: &RunSettings) -> PathBuf {
        self.repository.root().join(&settings.worktree_dir)
    }

    /// Where a run's worktrees lie.
    pub(crate) fn worktrees_of(&self, run: &RunId, settings: &RunSettings) -> PathBuf {
        self.worktrees_dir(settings).join(run.as_str())
    }

    /// The workspace of an attempt.
    pub(crate) fn workspace_path(&self, attempt: &AttemptId, settings: &RunSettings) -> PathBuf {
        let name = match attempt.attempt {
            1 => attempt.task.to_string(),
            number => format!("{}-{number}", attempt.task),
        };
        self.worktrees_of(&attempt.run, settings).join(name)
    }

    /// The tree on which composed work is verified: one for each way of running the verify command.
    pub(crate) fn composed_path(
        &self,
        run: &RunId,
        settings: &RunSettings,
        executor: ExecutorKind,
    ) -> PathBuf {
        // No task can be called so: ids do not begin with a dot.
        self.worktrees_of(run, settings).join(match executor {
            ExecutorKind::Local => ".composed",
            ExecutorKind::Docker => gadugi_workspace::COMPOSED,
        })
    }
}

/// The branch of an attempt, from the user's template.
pub(crate) fn branch_name(attempt: &AttemptId, settings: &RunSettings) -> String {
    let run = attempt.run.as_str();
    let id = run.strip_prefix("orchestration-").unwrap_or(run);
    let id = match attempt.attempt {
        1 => id.to_owned(),
        number => format!("{id}-{number}"),
    };
    let name = ref_safe(attempt.task.as_str());
    let template = &settings.branch_template;
    let unique = template.contains("{id}") || template.contains("{run}");
    let branch = template
        .replace("{name}", &name)
        .replace("{id}", &id)
        .replace("{run}", run)
        .replace("{attempt}", &attempt.attempt.to_string());
    if unique || attempt.attempt == 1 { branch } else { format!("{branch}-{}", attempt.attempt) }
}

/// Task ids are safe in paths; in a ref `..`, a final dot and a final `.lock` are not.
fn ref_safe(id: &str) -> String {
    let mut name = id.to_owned();
    while name.contains("..") {
        name = name.replace("..", ".");
    }
    let name = name.trim_end_matches('.');
    name.strip_suffix(".lock").map_or_else(|| name.to_owned(), |stem| format!("{stem}-lock"))
}

/// A poisoned lock guards plain maps here: each holder leaves them whole, so what they hold is still true.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(task: &str, number: u32) -> AttemptId {
        AttemptId {
            run: RunId::new("orchestration-20261121-090000-beef"),
            task: TaskId::new(task),
            attempt: number,
        }
    }

    #[test]
    fn branches_follow_the_template_and_are_names_that_git_takes() {
        let settings = RunSettings::default();
        let name = |task, number| branch_name(&attempt(task, number), &settings);
        assert_eq!(name("lexer", 1), "feature/parallel-lexer-20261121-090000-beef");
        assert_eq!(name("lexer", 2), "feature/parallel-lexer-20261121-090000-beef-2");
        assert_eq!(name("a..b.lock", 1), "feature/parallel-a.b-lock-20261121-090000-beef");
        let plain = RunSettings { branch_template: "work/{name}".into(), ..RunSettings::default() };
        assert_eq!(branch_name(&attempt("x.", 1), &plain), "work/x");
        assert_eq!(branch_name(&attempt("x", 3), &plain), "work/x-3");
    }
}
