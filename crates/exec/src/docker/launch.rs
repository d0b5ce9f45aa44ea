//! Starting a step's container and handing it the step's folder.

use std::path::Path;
use std::time::Duration;

use bollard::query_parameters::{CreateContainerOptionsBuilder, LogsOptionsBuilder};
use futures_util::StreamExt;
use gadugi_core::Process;
use gadugi_shim::{Identity, LEASE, SPEC, STOP};
use gadugi_sys::files;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::container::{ContainerOrder, body};
use super::error::{Answer, DockerError, answer, is_no_space, one_line};
use super::executor::DockerExecutor;
use super::give::{give, give_folder};
use super::handle::{ContainerHandle, Seen, look, remove, remove_once};
use super::handshake::Handshake;
use super::record::{Container, forget};
use crate::error::{ExecError, at};
use crate::identity::{Root, ShimHandle};
use crate::watch::DirWatch;
use crate::{StepFollower, StepOrder, records};

/// For so long an engine that is away is waited for: it restarts in less.
const ENGINE_PATIENCE: Duration = Duration::from_secs(30);
const ENGINE_PAUSE: Duration = Duration::from_millis(500);

/// A shim that is started connects within milliseconds, and gives up after 30 s.
const HANDSHAKE: Duration = Duration::from_secs(32);

/// While a shim is silent, the engine is asked this often whether it lives.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// From the handshake to the shim's first record: milliseconds, if its disk is not very busy.
const RECORD: Duration = Duration::from_secs(60);

/// The engine answers some milliseconds after the step has begun; one that does not by then keeps nobody waiting.
const START_ANSWER: Duration = Duration::from_secs(5);

/// For so long the removal of what failed is waited for; then it goes on alone.
const CLEANING: Duration = Duration::from_secs(20);

/// How often a name that a dead try's container has is freed.
const NAME_TRIES: u32 = 3;

/// A container that was made.
struct Made<'a> {
    order: &'a StepOrder,
    container: Container,
    id: String,
}

impl DockerExecutor {
    pub(super) async fn launch_to_its_end(&self, order: &StepOrder) -> Result<StepFollower, ExecError> {
        let wanted = order.container.as_ref();
        let wanted = wanted.ok_or_else(|| DockerError::Order("the step names no container".into()))?;
        for dir in [&order.dir, &wanted.gate] {
            if !dir.is_absolute() {
                return Err(ExecError::RelativeFolder(dir.clone()));
            }
            files::create_private_dir(dir).map_err(at(dir))?;
        }
        let _held = self.lock(&order.dir).await?;
        let (until, mut freed) = (Instant::now() + ENGINE_PATIENCE, 0);
        loop {
            let tried = match self.find(&order.dir, &order.attempt).await {
                Ok(Some(found)) => return Ok(found.into_follower()),
                Ok(None) => self.begin(order, wanted).await,
                Err(error) => Err(error),
            };
            match tried {
                Err(ExecError::Docker(DockerError::NameTaken { .. })) if freed < NAME_TRIES => {
                    freed += 1;
                    // No step has begun in it: nothing is recorded, and nobody else is launching.
                    self.free(&self.container_of(wanted)).await?;
                }
                Err(ExecError::Docker(error)) if error.is_away() && Instant::now() < until => {
                    sleep(ENGINE_PAUSE).await;
                }
                // No descriptors, above all: no event tells when there are.
                Err(error) if error.may_pass() && Instant::now() < until => sleep(ENGINE_PAUSE).await,
                done => return done,
            }
        }
    }

    /// One try. Where it fails, its container is removed.
    async fn begin(&self, order: &StepOrder, wanted: &ContainerOrder) -> Result<StepFollower, ExecError> {
        let image = self.images.get(&self.connection, &wanted.image).await?;
        let body = body(self.engine(), &self.shim, order, wanted, &image)?;
        let container = self.container_of(wanted);
        write_down(order, &container)?;
        let gate = &wanted.gate;
        give(gate, container.owner).map_err(at(gate))?;
        let handshake = Handshake::listen(gate, container.owner).map_err(at(gate))?;

        let options = CreateContainerOptionsBuilder::default().name(&wanted.name).build();
        let created = match self.connection.client().create_container(Some(options), body).await {
            Ok(created) => created,
            Err(error) => return Err(self.not_created(wanted, &error).await.into()),
        };
        let made = Made { order, container, id: created.id };
        let result = self.bring_up(&made, handshake).await;
        if result.is_err() {
            let (connection, id) = (self.connection.clone(), made.id.clone());
            let cleaning = tokio::spawn(async move { remove(&connection, &id).await });
            // Done in the end also where it takes longer.
            let _ = timeout(CLEANING, cleaning).await;
        }
        result
    }

    async fn not_created(&self, wanted: &ContainerOrder, error: &bollard::errors::Error) -> DockerError {
        match answer(error) {
            // Looked for again next time: it may be made anew under the same name.
            Answer::Missing => match self.images.look(&self.connection, &wanted.image).await {
                Err(error) => error,
                Ok(_) => self.connection.error("make a container", error),
            },
            Answer::Conflict => DockerError::NameTaken { name: wanted.name.clone() },
            _ => self.connection.error("make a container", error),
        }
    }

    /// From a container that was made to a step that has recorded something.
    async fn bring_up(&self, made: &Made<'_>, handshake: Handshake) -> Result<StepFollower, ExecError> {
        let dir = &made.order.dir;
        let mut watch = self.watcher.watch(dir).map_err(ExecError::Watch)?;
        let (client, id) = (self.connection.client().clone(), made.id.clone());
        // Runs to its end by itself: an engine may end a container whose starter does not wait for it.
        let mut start = tokio::spawn(async move { client.start_container(&id, None).await });
        let (peer, process) = self.shake_hands(made, &handshake, &mut start).await?;
        // Its step finds nobody to talk to.
        drop(handshake);
        let init = match &process {
            Some(process) => ShimHandle::of_process(process).map_err(ExecError::Handle)?,
            None => None,
        };
        // Before the shim can record anything: whoever finds records knows by this what they are about.
        let container = Container {
            id: Some(made.id.clone()),
            process: process.as_ref().map(identity),
            ..made.container.clone()
        };
        container.write(dir).map_err(at(dir))?;
        peer.hand_over(dir).await.map_err(at(dir))?;
        self.recorded(made, init.as_ref(), &mut watch).await?;
        // Until it has answered, an engine that dies forgets that the container runs. What it answers counts no more.
        if !start.is_finished() {
            let _ = timeout(START_ANSWER, start).await;
        }
        let handle = ContainerHandle::watch(self.connection.clone(), container, dir, init, false);
        StepFollower::new(dir, &made.order.attempt, Some(Root::Container(handle)), watch)
    }

    /// Waits until the shim connects, or there is no hope that it will.
    async fn shake_hands(
        &self,
        made: &Made<'_>,
        handshake: &Handshake,
        start: &mut JoinHandle<Result<(), bollard::errors::Error>>,
    ) -> Result<(super::handshake::Peer, Option<Process>), ExecError> {
        let accept = handshake.accept();
        tokio::pin!(accept);
        tokio::select! {
            biased;
            peer = &mut accept => return peer.map_err(at(&made.order.dir)),
            started = start => match started {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(self.not_started(made, &error).await.into()),
                Err(_) => return Err(ExecError::ShutDown),
            },
        }
        let until = Instant::now() + HANDSHAKE;
        loop {
            if let Ok(peer) = timeout(LOOK_EVERY, &mut accept).await {
                return peer.map_err(at(&made.order.dir));
            }
            if matches!(look(&self.connection, &made.id).await, Ok(Seen::Over(_) | Seen::Gone)) {
                return Err(self.without_word(made).await.into());
            }
            if Instant::now() >= until {
                let (name, seconds) = (made.container.name.clone(), HANDSHAKE.as_secs());
                return Err(DockerError::NoHandshake { name, seconds }.into());
            }
        }
    }

    async fn not_started(&self, made: &Made<'_>, error: &bollard::errors::Error) -> DockerError {
        match self.connection.error("start a container", error) {
            // The only program that is started there.
            DockerError::Refused { words, .. } if words.contains(super::container::SHIM) => {
                DockerError::Shim { name: made.container.name.clone(), words }
            }
            other => other,
        }
    }

    /// Waits until the shim has recorded that the step runs, or its end.
    async fn recorded(
        &self,
        made: &Made<'_>,
        init: Option<&ShimHandle>,
        watch: &mut DirWatch,
    ) -> Result<(), ExecError> {
        let until = Instant::now() + RECORD;
        while !records::any(&made.order.dir) {
            let over = async {
                match init {
                    Some(init) => init.ended().await,
                    None => std::future::pending().await,
                }
            };
            let over = tokio::select! {
                () = watch.changed() => false,
                () = over => true,
                () = sleep(LOOK_EVERY) => {
                    init.is_none()
                        && matches!(look(&self.connection, &made.id).await, Ok(Seen::Over(_) | Seen::Gone))
                }
            };
            if (over || Instant::now() >= until) && !records::any(&made.order.dir) {
                return Err(self.without_word(made).await.into());
            }
        }
        Ok(())
    }

    /// The shim is gone, or silent, and has recorded nothing: its last words, else what the engine says.
    async fn without_word(&self, made: &Made<'_>) -> DockerError {
        let name = made.container.name.clone();
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail("5").build();
        let mut logs = Box::pin(self.connection.client().logs(&made.id, Some(options)));
        let mut words = Vec::new();
        let reading = async {
            while let Some(Ok(output)) = logs.next().await {
                words.extend_from_slice(&output.into_bytes());
            }
        };
        // What was read by then has to do.
        let _ = timeout(LOOK_EVERY * 5, reading).await;
        let mut words = one_line(&String::from_utf8_lossy(&words));
        if words.is_empty() {
            words = match self.connection.client().inspect_container(&made.id, None).await {
                Ok(found) => {
                    let state = found.state.unwrap_or_default();
                    let error = one_line(state.error.as_deref().unwrap_or_default());
                    let code = state.exit_code.unwrap_or_default();
                    if error.is_empty() { format!("it ended with exit code {code}") } else { error }
                }
                Err(_) => "it left no word".into(),
            };
        }
        if is_no_space(&words.to_lowercase()) {
            DockerError::NoSpace { words }
        } else {
            DockerError::Shim { name, words }
        }
    }

    /// Before it is made.
    fn container_of(&self, order: &ContainerOrder) -> Container {
        let owner = self.connection.outside(order.user);
        Container { name: order.name.clone(), labels: order.labels.clone(), owner, ..Container::default() }
    }

    /// Removes the container that has the step's name, if it is the step's: one in which nothing has begun.
    pub(super) async fn free(&self, container: &Container) -> Result<(), DockerError> {
        let until = Instant::now() + ENGINE_PATIENCE;
        loop {
            match self.free_once(container).await {
                Err(error) if error.is_away() && Instant::now() < until => sleep(ENGINE_PAUSE).await,
                // Being removed already takes its time.
                Err(DockerError::Refused { status: 409, .. }) if Instant::now() < until => {
                    sleep(ENGINE_PAUSE / 5).await;
                }
                done => return done,
            }
        }
    }

    async fn free_once(&self, container: &Container) -> Result<(), DockerError> {
        let found = match self.connection.client().inspect_container(&container.name, None).await {
            Ok(found) => found,
            Err(error) if matches!(answer(&error), Answer::Missing) => return Ok(()),
            Err(error) => return Err(self.connection.error("show a container", &error)),
        };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let own = container.labels.iter().all(|(name, value)| labels.get(name) == Some(value));
        let Some(id) = found.id.filter(|_| own && !container.labels.is_empty()) else {
            return Err(DockerError::NameTaken { name: container.name.clone() });
        };
        remove_once(&self.connection, &id)
            .await
            .map_err(|error| self.connection.error("remove a container", &error))
    }
}

fn identity(process: &Process) -> Identity {
    Identity { pid: process.pid, start_ticks: process.start_ticks, boot: process.boot.clone() }
}

/// Writes the order down, for the shim and for whoever finds the step later, and gives the folder to the step's user.
fn write_down(order: &StepOrder, container: &Container) -> Result<(), ExecError> {
    let dir = &order.dir;
    let mut spec = order.spec();
    spec.stdin = match &order.stdin {
        None => None,
        Some(path) => Some(name_in(dir, path)?.into()),
    };
    let spec_path = dir.join(SPEC);
    let spec = serde_json::to_vec(&spec).map_err(|error| at(&spec_path)(error.into()))?;
    forget(dir).map_err(at(dir))?;
    match std::fs::remove_file(dir.join(STOP)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at(dir.join(STOP))(error)),
        _ => {}
    }
    container.write(dir).map_err(at(dir))?;
    files::write_atomic(&spec_path, &spec).map_err(at(&spec_path))?;
    let lease = dir.join(LEASE);
    files::create_private(&lease).map_err(at(&lease))?;
    give_folder(dir, container.owner).map_err(at(dir))
}

/// Standard input is a file of the step's folder: the shim reaches no other.
fn name_in<'a>(dir: &Path, path: &'a Path) -> Result<&'a std::ffi::OsStr, DockerError> {
    let name = path
        .file_name()
        .filter(|_| path.parent().is_some_and(|parent| parent == dir || parent == Path::new("")));
    let words = || format!("standard input {} is not a file of the step's folder", path.display());
    name.ok_or_else(|| DockerError::Order(words()))
}
