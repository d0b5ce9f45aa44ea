//! Where the steps of a task run: as processes of this machine, or each in a container of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gadugi_agents::AgentKind;
use gadugi_core::{AttemptId, ExecutorKind, RunId, RunSettings, StepId, StepKind, TaskId};
use gadugi_exec::docker::{AgentUser, Connection, Image, Reaped};
use gadugi_exec::image::check_image;
use gadugi_exec::{ContainerOrder, DockerExecutor, Mount};

use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::environments::Variables;
use crate::layout::Layout;
use crate::world::{RunContext, World};

/// Where things lie inside a container. Sessions of agents are found again by the folder they began in, so it is the
/// same in every step.
pub(crate) mod inside {
    /// The attempt's workspace; where every step begins.
    pub(crate) const WORKSPACE: &str = "/workspace";
    /// The attempt's own home directory.
    pub(crate) const HOME: &str = "/gadugi/home";
    /// The sockets of the step: the shim's and the gateway's.
    pub(crate) const GATE: &str = "/gadugi/gate";
    /// The run's store, which the workspace's repository borrows from.
    pub(crate) const STORE: &str = "/gadugi/store.git";
    /// Gadugi itself, for the scripted agent.
    pub(crate) const PROGRAM: &str = "/gadugi/gadugi";
}

/// Where the steps of a task run.
#[derive(Clone, Debug)]
pub(crate) enum Sandbox {
    /// On this machine.
    Local,
    /// In containers.
    Containers(Arc<Containers>),
}

/// The container engine of a run, and what its containers are made from.
#[derive(Debug)]
pub(crate) struct Containers {
    pub(crate) docker: DockerExecutor,
    /// What steps are started from; or why none can be. Those that run need it no more.
    pub(crate) image: Result<Image, String>,
    pub(crate) user: AgentUser,
}

/// What was found out about runs' containers: engine, image and user are looked for once for each run.
#[derive(Debug, Default)]
pub(crate) struct Sandboxes(Mutex<BTreeMap<RunId, Arc<OnceCell<Arc<Containers>>>>>);

impl Sandboxes {
    pub(crate) fn of(&self, run: &RunId) -> Option<Arc<Containers>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(run).and_then(|cell| cell.get().cloned())
    }

    /// Where it is written down; whoever comes while it is looked for waits for that.
    fn cell(&self, run: &RunId) -> Arc<OnceCell<Arc<Containers>>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(run.clone()).or_default())
    }

    /// The run is over: another may have another engine.
    pub(crate) fn forget(&self, run: &RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
    }
}

/// Where a task's steps run by the plan and the settings.
pub(crate) fn executor_of(run: &RunContext, task: &TaskId) -> ExecutorKind {
    run.plan.task(task).map_or(run.settings.executor, |task| run.settings.executor_of(task))
}

impl World {
    /// Where a task's steps run. The error is one line: no engine, no image.
    pub(crate) async fn sandbox(
        &self,
        id: &RunId,
        run: &RunContext,
        task: &TaskId,
    ) -> Result<Sandbox, String> {
        match executor_of(run, task) {
            ExecutorKind::Local => Ok(Sandbox::Local),
            ExecutorKind::Docker => self.containers(id, &run.settings).await.map(Sandbox::Containers),
        }
    }

    /// The containers of a run. The error is one line: no engine.
    pub(crate) async fn containers(
        &self,
        run: &RunId,
        settings: &RunSettings,
    ) -> Result<Arc<Containers>, String> {
        let cell = self.sandboxes.cell(run);
        let found = cell.get_or_try_init(|| async {
            match self.look_for_containers(run, settings).await {
                Ok(found) if found.image.is_ok() => Ok(Arc::new(found)),
                // An image that is not there may be there the next time.
                other => Err(other),
            }
        });
        match found.await {
            Ok(found) => Ok(Arc::clone(found)),
            Err(without_image) => without_image.map(Arc::new),
        }
    }

    async fn look_for_containers(&self, run: &RunId, settings: &RunSettings) -> Result<Containers, String> {
        let environment = self.container_environment(run);
        let docker = DockerExecutor::connect(&environment, &self.layout.state_dir()).await;
        let docker = docker.map_err(|error| error.to_string())?;
        let root = self.repository.root();
        let owner = std::fs::metadata(root).map_err(|error| format!("{}: {error}", root.display()))?;
        let mut user = docker.user_for((owner.uid(), owner.gid()));
        let path = self.layout.run_dir(run).join(IMAGE_FILE);
        let pinned =
            std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Pinned>(&bytes).ok());
        // The same image and user for all of a run, whatever its name means by now; another one only where that one is gone.
        if let Some(pinned) = pinned
            && let Ok(image) = docker.image(&pinned.image).await
        {
            if user.outside.is_some() {
                user = AgentUser { inside: pinned.user, outside: Some(pinned.user), ..user };
            }
            return Ok(Containers { docker, image: Ok(image), user });
        }
        let name = settings.container.image.as_deref().unwrap_or(gadugi_exec::image::DEFAULT_TAG);
        let image = docker.image(name).await.map_err(|error| error.to_string());
        if let Ok(image) = &image {
            if let (Some(wanted), Some(_)) = (&settings.container.user, user.outside) {
                user = own_user(&docker, &self.instance, &image.id, wanted, user).await?;
            }
            let pinned = Pinned { image: image.id.clone(), user: user.outside.unwrap_or(user.inside) };
            let written = serde_json::to_vec(&pinned).map_err(std::io::Error::from);
            let written = written.and_then(|bytes| gadugi_sys::files::write_atomic(&path, &bytes));
            written.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(Containers { docker, image, user })
    }

    /// Whether the container engine of a run does not answer.
    pub(crate) async fn engine_is_away(&self, run: &RunId) -> bool {
        let opened = Connection::open(&self.container_environment(run)).await;
        opened.is_err_and(|error| error.is_away())
    }

    /// Removes what containers of dead runs, dead exports and dead attempts left behind. `alive` are the steps that were under
    /// way when this engine began; nothing is being launched yet.
    pub(crate) async fn reap(&self, alive: &BTreeSet<StepId>, unread: &BTreeSet<RunId>) {
        /// An engine that is silent keeps nobody waiting for longer; what is left is removed by a later engine of ours.
        const PATIENCE: Duration = Duration::from_secs(10);
        let keep = |labels: &BTreeMap<String, String>| {
            let label = |name: &str| labels.get(name).map_or("", String::as_str);
            // Nobody knows what of a run is under way whose log cannot be read.
            unread.iter().any(|run| run.as_str() == label("gadugi.run"))
                || alive.iter().any(|step| {
                    let AttemptId { run, task, attempt } = &step.attempt;
                    run.as_str() == label("gadugi.run")
                        && task.as_str() == label("gadugi.task")
                        && attempt.to_string() == label("gadugi.attempt")
                        && step.step.to_string() == label("gadugi.step")
                })
        };
        for environment in self.container_engines() {
            let reaping = async {
                let docker = DockerExecutor::connect(&environment, &self.layout.state_dir()).await?;
                docker.reap(&self.instance, keep).await
            };
            match tokio::time::timeout(PATIENCE, reaping).await {
                Ok(Ok(reaped)) if reaped != Reaped::default() => {
                    tracing::info!(?reaped, "what dead runs left was removed");
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "what dead runs left is still there"),
                Err(_) => {
                    tracing::warn!("what dead runs left is still there: the container engine is silent");
                }
            }
        }
    }

    /// Where containers of runs on record may be.
    fn container_engines(&self) -> BTreeSet<Vec<(OsString, OsString)>> {
        let runs = std::fs::read_dir(self.layout.state_dir().join("runs"));
        let runs = runs.into_iter().flatten().map_while(Result::ok);
        runs.filter_map(|run| kept_environment(&run.path().join(ENGINE_FILE))).collect()
    }

    /// What says where the container engine is: the environment of whoever asked for the run. It is kept beside the run, so
    /// that an engine that comes back looks where its containers are.
    fn container_environment(&self, run: &RunId) -> Vec<(OsString, OsString)> {
        const NAMES: [&str; 5] =
            ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "HOME"];
        let path = self.layout.run_dir(run).join(ENGINE_FILE);
        if let Some(kept) = kept_environment(&path) {
            return kept;
        }
        let all = self.environment(run);
        let found = all.iter().filter(|(name, _)| NAMES.iter().any(|wanted| name == wanted));
        let found: Vec<_> = found.cloned().collect();
        let text: Vec<(String, String)> = found
            .iter()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        let written = serde_json::to_vec(&text).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|bytes| gadugi_sys::files::write_atomic(&path, &bytes)) {
            tracing::warn!(path = %path.display(), %error, "where the container engine is could not be kept");
        }
        found
    }
}

/// In a run's folder: from which image its steps are started, and to whom their files belong outside.
const IMAGE_FILE: &str = "container-image.json";

#[derive(Serialize, Deserialize)]
struct Pinned {
    image: String,
    user: (u32, u32),
}

/// In a run's folder: what says where its container engine is.
const ENGINE_FILE: &str = "container-engine.json";

fn kept_environment(path: &Path) -> Option<Vec<(OsString, OsString)>> {
    let kept: Vec<(String, String)> = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    Some(kept.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

/// The image's own user, where gadugi can give files to whomever it likes. Nobody is root for that.
async fn own_user(
    docker: &DockerExecutor,
    instance: &str,
    image: &str,
    wanted: &str,
    otherwise: AgentUser,
) -> Result<AgentUser, String> {
    let labels = [("gadugi.check", "image"), ("gadugi.instance", instance)];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let found = check_image(docker.connection(), image, "sh", Some(wanted), labels).await;
    let found = found.map_err(|error| error.to_string())?.user;
    Ok(match found.filter(|(uid, _)| *uid != 0) {
        Some(user) if !otherwise.is_root_inside => {
            AgentUser { inside: user, outside: Some(user), is_root_inside: false }
        }
        _ => otherwise,
    })
}

/// What a container is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose<'a> {
    /// A step of its kind.
    Step(&'a StepKind),
    /// Taking work out of a workspace.
    Export,
}

impl Containers {
    /// The container of a step.
    pub(crate) fn order(
        &self,
        world: &World,
        run: &RunContext,
        step: &StepId,
        workspace: &Path,
        purpose: Purpose<'_>,
    ) -> Result<ContainerOrder, String> {
        let (layout, attempt, limits) = (&world.layout, &step.attempt, &run.settings.limits);
        let gate = self.folder(layout.step_dir(step).join("gate"))?;
        let own = match purpose {
            Purpose::Step(StepKind::Setup | StepKind::Agent { .. }) => layout.attempt_dir(attempt),
            // What the agent has put into its own (`~/.gitconfig`, `~/.npmrc`, a link in `/tmp`) is not to be read by what
            // judges its work, nor by what takes it out.
            Purpose::Step(StepKind::Verify { .. }) | Purpose::Export => layout.step_dir(step),
        };
        let mount =
            |source: PathBuf, target: &str, read_only| Mount { source, target: target.into(), read_only };
        // Who is asked changes nothing, and what is in its workspace is nobody's work.
        let mut mounts = vec![
            mount(workspace.to_owned(), inside::WORKSPACE, asks(run, &attempt.task)),
            mount(self.folder(own.join("home"))?, inside::HOME, false),
            mount(self.folder(own.join("tmp"))?, "/tmp", false),
            mount(layout.store(&attempt.run), inside::STORE, true),
        ];
        if let Purpose::Step(StepKind::Agent { .. }) = purpose
            && agent(run, &attempt.task) == Some(AgentKind::Scripted)
        {
            mounts.push(mount(world.program.clone(), inside::PROGRAM, true));
        }
        Ok(ContainerOrder {
            image: self.image.as_ref().map_err(Clone::clone)?.id.clone(),
            name: container_name(&world.instance, step),
            labels: labels(&world.instance, step),
            user: self.user.inside,
            mounts,
            overlays: Vec::new(),
            gate,
            memory_bytes: limits.memory_bytes,
            cpus_permille: limits.cpus_permille,
            pids: Some(limits.pids),
        })
    }

    /// Makes a folder that is the agent's.
    pub(crate) fn folder(&self, path: PathBuf) -> Result<PathBuf, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        gadugi_sys::files::create_private_dir(&path).map_err(failed)?;
        if let Some((uid, gid)) = self.user.outside {
            lchown(&path, Some(uid), Some(gid)).map_err(failed)?;
        }
        Ok(path)
    }
}

/// Whether a task is a question.
pub(crate) fn asks(run: &RunContext, task: &TaskId) -> bool {
    run.plan.task(task).is_some_and(|task| !task.purpose.is_work())
}

/// The agent of a task.
pub(crate) fn agent(run: &RunContext, task: &TaskId) -> Option<AgentKind> {
    let named = run.plan.task(task).and_then(|task| task.agent.as_deref());
    AgentKind::from_name(named.unwrap_or(&run.settings.agent)).ok()
}

/// What a step in a container sees of the user's environment: what every program may want to know, and what the
/// configuration adds (contract section 5).
pub(crate) fn environment(given: &Variables, settings: &RunSettings) -> Vec<(OsString, OsString)> {
    const SEEN: [&str; 4] = ["LANG", "LC_*", "TERM", "TZ"];
    let wanted = |name: &str| {
        // No credential for the model API gets into a container, however wide a pattern is.
        if crate::gate::OF_THE_ACCOUNT.contains(&name) {
            return false;
        }
        let added = settings.container.env.iter().map(String::as_str);
        SEEN.into_iter().chain(added).any(|pattern| matches(pattern, name))
    };
    let mut variables: Vec<(OsString, OsString)> =
        given.iter().filter(|(name, _)| wanted(&name.to_string_lossy())).cloned().collect();
    for (name, value) in &settings.container.variables {
        variables.retain(|(known, _)| known != name.as_str());
        variables.push((name.into(), value.into()));
    }
    // Nothing that is configured brings a credential in.
    const NEVER: [&str; 5] =
        ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "IS_SANDBOX", "HOME"];
    variables.retain(|(name, _)| !NEVER.iter().any(|other| name == other));
    variables.push(("IS_SANDBOX".into(), "1".into()));
    variables.push(("HOME".into(), inside::HOME.into()));
    variables
}

/// Whether a variable's name fits a pattern. A `*` at a pattern's end stands for any rest.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

/// The name of a step's container: the same for the same step, so that it never runs twice.
pub(crate) fn container_name(instance: &str, step: &StepId) -> String {
    let key = gadugi_core::fingerprint(step.to_string().as_bytes());
    let task: String =
        step.attempt.task.as_str().chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("gadugi-{instance}-{task}-{}-{}-{key:016x}", step.attempt.attempt, step.step)
}

/// What everything made for a step is known by.
pub(crate) fn labels(instance: &str, step: &StepId) -> BTreeMap<String, String> {
    let AttemptId { run, task, attempt } = &step.attempt;
    let all = [
        ("gadugi.instance", instance.to_owned()),
        ("gadugi.run", run.to_string()),
        ("gadugi.task", task.to_string()),
        ("gadugi.attempt", attempt.to_string()),
        ("gadugi.step", step.step.to_string()),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Who this repository's containers belong to: made once, and kept beside the log. A copy of the repository is another: it
/// is told by its folder.
pub(crate) fn instance(layout: &Layout) -> std::io::Result<String> {
    let (state, path) = (layout.state_dir(), layout.state_dir().join("instance"));
    let folder = std::fs::metadata(&state)?;
    let place = format!("{:x}:{:x}", folder.dev(), folder.ino());
    match std::fs::read_to_string(&path) {
        Ok(known) => {
            if let Some((id, at)) = known.trim().split_once(' ')
                && id.len() == 12
                && at == place
            {
                return Ok(id.to_owned());
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let made = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
    gadugi_sys::files::write_atomic(&path, format!("{made} {place}\n").as_bytes())?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_repository_has_other_containers() {
        let root = tempfile::tempdir().unwrap();
        let layout = |name: &str| {
            let layout = Layout::new(root.path().join(name));
            std::fs::create_dir_all(layout.state_dir()).unwrap();
            layout
        };
        let (first, copy) = (layout("a"), layout("b"));
        let id = instance(&first).unwrap();
        assert_eq!(instance(&first).unwrap(), id);
        std::fs::copy(first.state_dir().join("instance"), copy.state_dir().join("instance")).unwrap();
        assert_ne!(instance(&copy).unwrap(), id);
        std::fs::rename(root.path().join("a"), root.path().join("moved")).unwrap();
        assert_eq!(instance(&layout("moved")).unwrap(), id);
    }

    #[test]
    fn a_container_sees_little_of_the_users_environment() {
        let given = [
            ("LANG", "C"),
            ("LC_ALL", "C"),
            ("PATH", "/x"),
            ("TEAM_A", "1"),
            ("GITHUB_TOKEN", "s"),
            ("TZ", "UTC"),
            ("ANTHROPIC_API_KEY", "s"),
        ];
        let given = given.map(|(name, value)| (name.into(), value.into())).to_vec();
        let mut settings = RunSettings::default();
        settings.container.env = vec!["TEAM_*".into(), "ANTHROPIC_*".into()];
        let seen = environment(&Arc::new(given), &settings);
        let names: Vec<_> = seen.iter().map(|(name, _)| name.to_string_lossy()).collect();
        assert_eq!(names, ["LANG", "LC_ALL", "TEAM_A", "TZ", "IS_SANDBOX", "HOME"]);
    }

    #[test]
    fn a_steps_container_is_called_the_same_each_time_and_no_other_is_called_so() {
        let step = |task: &str, attempt, step| StepId {
            attempt: AttemptId { run: RunId::new("orchestration-x"), task: TaskId::new(task), attempt },
            step,
        };
        let name = |task, attempt, number| container_name("0123456789ab", &step(task, attempt, number));
        assert_eq!(name("a/b c", 1, 2), name("a/b c", 1, 2));
        assert!(name("a/b c", 1, 2).starts_with("gadugi-0123456789ab-abc-1-2-"));
        assert_ne!(name("a-b", 1, 1), name("ab", 1, 1));
    }
}
