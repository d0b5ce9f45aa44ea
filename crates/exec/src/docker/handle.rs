//! A handle on a step's container: its end can be waited for, and it can be asked to end.
//!
//! The end is seen where it happens: by a pidfd of the container's first process, which no engine is needed for. Only where that
//! process cannot be seen from here (gadugi itself in a container) the engine is asked, again and again while it is away: an
//! engine that does not answer is never read as the end of a step. What the shim recorded is how it ended; where it
//! recorded nothing, the engine is the witness.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bollard::models::ContainerState;
use bollard::query_parameters::{KillContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use futures_util::StreamExt;
use gadugi_core::{Process, StopForce};
use gadugi_shim::{Exit, ExitWord, STOP, STOP_GRACE, STOP_NOW};
use gadugi_sys::files;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::connection::Connection;
use super::error::{Answer, answer};
use super::give::give;
use super::record::{Container, Witness};
use crate::identity::ShimHandle;
use crate::records::{self, Record};

/// For so long an engine that is away is waited for when it is to be the witness of an end: it restarts in less.
const WITNESS_PATIENCE: Duration = Duration::from_secs(60);

/// For so long, all in all, a container is tried to be removed; later engines reap what is left.
const REMOVE_PATIENCE: Duration = Duration::from_secs(300);

/// For so long a shim that was asked to end everything at once is given before the engine asks it, too.
const HEARING: Duration = Duration::from_secs(5);

/// And then, before its container is killed: longer than it tries to kill what does not die.
const KILLING: Duration = Duration::from_secs(75);

/// Between two questions to an engine that was away or unwilling.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is known of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The shim's record says it; whether the engine saw want of memory, where it was asked.
    Recorded(Option<Witness>),
    /// There is no record.
    Witnessed(Witness),
}

/// The handle.
#[derive(Debug)]
pub(crate) struct ContainerHandle {
    connection: Connection,
    container: Container,
    dir: PathBuf,
    /// Its first process, where it can be seen from here.
    init: Option<ShimHandle>,
    end: watch::Sender<Option<End>>,
}

/// What the engine says of a container.
#[derive(Debug)]
pub(crate) enum Seen {
    Running,
    /// Made, and not started.
    Created,
    Over(Witness),
    Gone,
}

impl ContainerHandle {
    /// Watches over the container until its end, and removes it then. `init`: its first process, where it is alive and can
    /// be seen. `is_gone`: that process is known to be gone.
    pub(crate) fn watch(
        connection: Connection,
        container: Container,
        dir: &Path,
        init: Option<ShimHandle>,
        is_gone: bool,
    ) -> Arc<Self> {
        let handle = Self { connection, container, dir: dir.to_owned(), init, end: watch::Sender::new(None) };
        let handle = Arc::new(handle);
        let watched = handle.clone();
        tokio::spawn(async move { watched.to_its_end(is_gone).await });
        handle
    }

    /// On a container that is over already.
    pub(crate) fn over(connection: Connection, container: Container, dir: &Path, end: End) -> Arc<Self> {
        let sender = watch::Sender::new(Some(end));
        let handle = Self { connection, container, dir: dir.to_owned(), init: None, end: sender };
        let handle = Arc::new(handle);
        let over = handle.clone();
        tokio::spawn(async move { remove(&over.connection, over.container.reference()).await });
        handle
    }

    /// Returns once it is over and is known how. Cancel-safe; any number may wait.
    pub(crate) async fn ended(&self) {
        // The sender lives as long as the handle.
        let _ = self.end.subscribe().wait_for(Option::is_some).await;
    }

    /// What is known of its end.
    pub(crate) fn end(&self) -> Option<End> {
        self.end.borrow().clone()
    }

    /// Its first process.
    pub(crate) fn process(&self) -> Option<Process> {
        self.container.process()
    }

    /// Asks for the end of the step. `false` where it is over.
    pub(crate) fn stop(self: &Arc<Self>, force: StopForce) -> bool {
        if self.end.borrow().is_some() {
            return false;
        }
        // The wish lies in the folder before anybody is told to look: whoever finds the step later knows of it, too.
        // Without room for it the signal alone has to do.
        let _ = self.wish(force);
        let signal = match force {
            StopForce::Grace => Signal::USR1,
            StopForce::Now => Signal::QUIT,
        };
        let told = match &self.init {
            Some(init) if init.is_over() => return false,
            Some(init) => init.signal(signal),
            None => false,
        };
        let this = self.clone();
        match force {
            StopForce::Grace if told => {}
            // It cannot be seen from here, or is another user's.
            StopForce::Grace => drop(tokio::spawn(async move { this.signal_by_engine(signal).await })),
            StopForce::Now => drop(tokio::spawn(async move { this.end_by_engine(told).await })),
        }
        true
    }

    /// Sees to it that what is to end at once does. A container that somebody has paused hears nothing: it is let go on. What
    /// does not end then is killed as a whole.
    async fn end_by_engine(&self, told: bool) {
        if told && timeout(HEARING, self.ended()).await.is_ok() {
            return;
        }
        // Refused where it is not paused.
        let _ = self.connection.client().unpause_container(self.container.reference()).await;
        self.signal_by_engine(Signal::QUIT).await;
        if timeout(KILLING, self.ended()).await.is_err() {
            self.signal_by_engine(Signal::KILL).await;
        }
    }

    fn wish(&self, force: StopForce) -> std::io::Result<()> {
        let path = self.dir.join(STOP);
        let wish = match force {
            StopForce::Grace if path.exists() => return Ok(()),
            StopForce::Grace => STOP_GRACE,
            StopForce::Now => STOP_NOW,
        };
        let draft = self.dir.join(".stop.tmp");
        files::create_private(&draft)?;
        fs::write(&draft, wish)?;
        give(&draft, self.container.owner)?;
        fs::rename(draft, path)
    }

    async fn signal_by_engine(&self, signal: Signal) {
        let number = signal.as_raw().to_string();
        let mut pause = PAUSE;
        while self.end.borrow().is_none() {
            let options = KillContainerOptionsBuilder::default().signal(&number).build();
            match self.connection.client().kill_container(self.container.reference(), Some(options)).await {
                Err(error) if matches!(answer(&error), Answer::None) => {}
                // Done, or there is nothing to tell any more.
                _ => return,
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn to_its_end(&self, is_gone: bool) {
        match &self.init {
            Some(init) => init.ended().await,
            None if is_gone => {}
            None => self.ended_by_engine().await,
        }
        let end = match records::exit(&self.dir) {
            Ok(Record::There(exit)) => End::Recorded(self.memory(&exit).await),
            _ => {
                let witness = witness(&self.connection, self.container.reference(), WITNESS_PATIENCE).await;
                // Where it cannot be written the end is told all the same; only a later engine knows less.
                let _ = witness.write(&self.dir);
                End::Witnessed(witness)
            }
        };
        // Before anybody hears of the end: whoever leaves then waits for this.
        let _removal = Removal::begin();
        self.end.send_replace(Some(end));
        remove(&self.connection, self.container.reference()).await;
    }

    /// Whether the engine saw want of memory, where the shim could not see its own container's counters.
    async fn memory(&self, exit: &Exit) -> Option<Witness> {
        let killed = matches!(exit.exit, ExitWord::Signal(9) | ExitWord::Code(137));
        if !killed || exit.stopped || exit.oom_lately.cgroup.is_some() {
            return None;
        }
        Some(witness(&self.connection, self.container.reference(), Duration::from_secs(5)).await)
    }

    /// Returns once the engine says that it is over or, while that is away, once the shim's record is there: the last thing
    /// that it writes.
    async fn ended_by_engine(&self) {
        let mut pause = PAUSE;
        loop {
            match look(&self.connection, self.container.reference()).await {
                Ok(Seen::Running) => {
                    pause = PAUSE;
                    let waiting = self.connection.client().wait_container(self.container.reference(), None);
                    // An end, a refusal, a broken connection: the next look says which.
                    let _ = pin!(waiting).next().await;
                }
                Ok(Seen::Created | Seen::Over(_) | Seen::Gone) => return,
                Err(_) if matches!(records::exit(&self.dir), Ok(Record::There(_))) => return,
                Err(_) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
            // Where engines answer at once, and wrongly, this keeps from asking without a break.
            sleep(if matches!(records::exit(&self.dir), Ok(Record::There(_))) { PAUSE / 10 } else { pause })
                .await;
        }
    }
}

/// What the engine says of a container.
pub(crate) async fn look(connection: &Connection, name: &str) -> Result<Seen, bollard::errors::Error> {
    if name.is_empty() {
        return Ok(Seen::Gone);
    }
    match connection.client().inspect_container(name, None).await {
        Ok(found) => Ok(seen(&found.state.unwrap_or_default())),
        Err(error) if matches!(answer(&error), Answer::Missing) => Ok(Seen::Gone),
        Err(error) => Err(error),
    }
}

pub(crate) fn seen(state: &ContainerState) -> Seen {
    use bollard::models::ContainerStateStatusEnum as Status;
    match state.status {
        _ if state.running == Some(true) || state.paused == Some(true) => Seen::Running,
        Some(Status::CREATED) => Seen::Created,
        _ => Seen::Over(Witness { oom_killed: state.oom_killed == Some(true), exit_code: state.exit_code }),
    }
}

/// What the engine knows of the end of a container whose first process is gone. Nothing where the container is gone, too, or
/// the engine does not come back in time.
async fn witness(connection: &Connection, name: &str, patience: Duration) -> Witness {
    let until = Instant::now() + patience;
    loop {
        match look(connection, name).await {
            Ok(Seen::Over(witness)) => return witness,
            Ok(Seen::Gone | Seen::Created) => return Witness::default(),
            // It has not heard yet, or is away.
            Ok(Seen::Running) | Err(_) if Instant::now() < until => sleep(PAUSE / 5).await,
            Ok(Seen::Running) | Err(_) => return Witness::default(),
        }
    }
}

/// How many containers this process is removing.
static REMOVALS: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// A container is being removed.
struct Removal;

impl Removal {
    fn begin() -> Self {
        REMOVALS.send_modify(|count| *count += 1);
        Self
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        REMOVALS.send_modify(|count| *count -= 1);
    }
}

/// Waits until no container is being removed any more: for a process that leaves. Not longer than `patience`; what is left then is
/// reaped by whoever comes next.
pub async fn removed(patience: Duration) {
    // The sender is never dropped.
    let _ = timeout(patience, REMOVALS.subscribe().wait_for(|count| *count == 0)).await;
}

/// Removes a container and the volumes that were made for it alone, whatever it does. Whether it is gone.
pub(crate) async fn remove(connection: &Connection, name: &str) -> bool {
    let _removal = Removal::begin();
    if name.is_empty() {
        // Somebody has deleted what was written of it: it is reaped by its labels.
        return false;
    }
    let (until, mut pause) = (Instant::now() + REMOVE_PATIENCE, PAUSE / 5);
    while Instant::now() < until {
        match remove_once(connection, name).await {
            Ok(()) => return true,
            // Being removed already, or being ended: both take their time.
            Err(_) => sleep(pause).await,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    false
}

/// One try.
pub(crate) async fn remove_once(connection: &Connection, name: &str) -> Result<(), bollard::errors::Error> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match connection.client().remove_container(name, Some(options)).await {
        Err(error) if matches!(answer(&error), Answer::Missing) => Ok(()),
        other => other,
    }
}
