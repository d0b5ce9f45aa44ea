//! The detached process: elected by a lock, listening on a socket, leaving when nobody needs it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gadugi_core::Millis;
use gadugi_exec::LocalExecutor;
use gadugi_gateway::Gateway;
use gadugi_store::Store;
use gadugi_sys::files;
use gadugi_workspace::Repository;
use thiserror::Error;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::client::Announcement;
use crate::connection::{self, Inside};
use crate::driver::{Asked, Driver, failure};
use crate::front::Front;
use crate::handle::Handle;
use crate::layout::Layout;
use crate::look::Looker;
use crate::monitor::Monitor;
use crate::protocol::Failure;
use crate::records::cannot_be_read;
use crate::tenure::{Look, Tenure};
use crate::world::{Heard, Outfit, World};
use crate::{caches, gate, sandbox};

/// Reports that wait for the loop. Every running step has at most one under way at a time, and so has every other
/// effect: 1,024 are more than can be, and a sender that finds it full waits.
const HEARD: usize = 1024;

/// Questions that wait for the loop; a connection has one at a time.
const ASKED: usize = 64;

/// How long an engine that leaves waits for the container engine to remove what is over.
const FAREWELL: Duration = Duration::from_secs(10);

/// How often the machine and what runs are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What an engine needs to know when it starts.
#[derive(Clone, Debug)]
pub struct DaemonOptions {
    /// Where the repository's state lies.
    pub layout: Layout,
    /// The gadugi binary: the scripted agent is one of its faces.
    pub program: PathBuf,
    /// Where the monitoring files go.
    pub monitoring_dir: PathBuf,
    /// How often they are written at least.
    pub monitoring_interval: Millis,
    /// What shows the engine beyond its socket, if anything does.
    pub front: Option<Arc<dyn Front>>,
}

/// Why an engine could not live.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The system failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// The log could not be used.
    #[error(transparent)]
    Store(#[from] gadugi_store::StoreError),
    /// The repository could not be used.
    #[error(transparent)]
    Repository(#[from] gadugi_workspace::Error),
    /// Steps cannot be started here.
    #[error(transparent)]
    Executor(#[from] gadugi_exec::ExecError),
    /// There is no gateway.
    #[error(transparent)]
    Gateway(#[from] gadugi_gateway::StartError),
}

impl DaemonError {
    fn failure(&self) -> Failure {
        match self {
            Self::Store(error) => cannot_be_read(error),
            Self::Io { .. } => failure("store", self.to_string()),
            Self::Repository(_) => failure("git", self.to_string()),
            Self::Executor(_) => failure("executor", self.to_string()),
            Self::Gateway(_) => failure("gateway", self.to_string()),
        }
    }
}

fn io_error(doing: impl Into<String>) -> impl FnOnce(io::Error) -> DaemonError {
    let doing = doing.into();
    move |source| DaemonError::Io { doing, source }
}

/// Lives as the engine of one repository until nobody needs it. Says on standard output whether it came up, then
/// closes that. Returns at once where another engine lives.
pub fn serve(options: &DaemonOptions) -> Result<(), DaemonError> {
    // A session of its own: what ends the terminal does not end the engine. It fails where this process leads a
    // session already, and then that is what is wanted.
    let _ = rustix::process::setsid();
    gadugi_sys::memory::keep_little();
    let lived = elected(options);
    if let Err(error) = &lived {
        tracing::error!(%error, "the engine ends");
        announce(&Announcement::Failed(error.failure()));
    }
    lived
}

fn elected(options: &DaemonOptions) -> Result<(), DaemonError> {
    let layout = &options.layout;
    let state = layout.state_dir();
    files::create_ignored_dir(&state).map_err(io_error(state.display().to_string()))?;
    let tenure = Tenure::begin(layout).map_err(io_error(layout.lock().display().to_string()))?;
    let Some(mut tenure) = tenure else {
        announce(&Announcement::Busy);
        return Ok(());
    };
    start_log(&layout.log());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Git and prompts: what blocks is short, and eight at once keep four processors busy.
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .map_err(io_error("starting threads"))?;
    let lived = runtime.block_on(live(options, &mut tenure));
    if let Some(front) = &options.front {
        front.close();
    }
    tenure.unlisten();
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(tenure);
    if let Some(front) = &options.front {
        front.linger();
    }
    lived
}

/// The one thing that an engine prints. Whoever started it may be gone: that is no reason not to live.
fn announce(announcement: &Announcement) {
    let mut line = serde_json::to_string(announcement).unwrap_or_default();
    line.push('\n');
    let mut out = io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    drop(out);
    // The starter waits for the end of this stream or a line; nothing else is ever said there.
    if let Ok(null) = fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

fn start_log(path: &Path) {
    /// A log larger than this is begun anew, the old one kept beside it.
    const LARGEST: u64 = 8 << 20;
    if fs::metadata(path).is_ok_and(|log| log.len() > LARGEST) {
        let _ = fs::rename(path, path.with_extension("log.old"));
    }
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    let Ok(file) = file else { return };
    let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
    let level = gadugi_sys::env::get(gadugi_sys::env::LOG).unwrap_or_else(|| "info".into());
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(std::sync::Mutex::new(file))
        .with_ansi(false)
        .try_init();
}

async fn live(options: &DaemonOptions, tenure: &mut Tenure) -> Result<(), DaemonError> {
    let layout = options.layout.clone();
    let repository = Repository::discover(layout.root())?;
    // Of clients that were gone before they had read them. There may be none.
    let _ = fs::remove_dir_all(layout.patches());
    let local = LocalExecutor::new(&layout.state_dir())?;
    let instance = sandbox::instance(&layout).map_err(io_error("the repository's mark on containers"))?;
    let (gateway, notices) = Gateway::start(gadugi_gateway::Options::new(layout.gateway_log()))?;
    let store = Store::open(&layout.database())?;
    tenure.opened();
    let (heard_in, heard) = mpsc::channel::<Heard>(HEARD);
    let (asked_in, asked) = mpsc::channel::<Asked>(ASKED);
    let monitor = Monitor::new(layout.root(), &options.monitoring_dir, options.monitoring_interval);
    let outfit = Outfit { local, instance, gateway };
    let world = Arc::new(World::new(layout.clone(), options.program.clone(), repository, outfit, heard_in));
    let driver = Driver::new(store, Arc::clone(&world), monitor)?;
    let listener = listen(&layout.socket())?;
    tenure.listens();
    announce(&Announcement::Ready);
    tracing::info!(pid = std::process::id(), "the engine lives");
    let (under_way, begun_after) = (driver.under_way(), driver.seq());
    world.reap(&under_way, &driver.unread()).await;
    caches::begin(&world, &under_way).await;
    let front = options.front.as_ref();
    let front_inside = front.map(Arc::downgrade);
    let inside =
        Inside { world: Arc::clone(&world), asked: asked_in, recorded: Arc::default(), front: front_inside };
    if let Some(front) = front {
        front.begin(Handle::new(inside.clone()), begun_after);
    }
    let mut looker = Looker::new(layout);
    let first = looker.look(Vec::new());
    let helpers = [
        tokio::spawn(renew_leases(inside.clone())),
        tokio::spawn(look_around(inside.clone(), looker)),
        tokio::spawn(hear_signals(inside.clone())),
        tokio::spawn(gate::hear(world, notices)),
    ];
    let lived = tokio::select! {
        lived = driver.run(heard, asked, first) => lived,
        () = receive(&inside, tenure, listener) => Ok(()),
    };
    helpers.iter().for_each(tokio::task::JoinHandle::abort);
    tracing::info!("the engine leaves");
    gadugi_exec::removed(FAREWELL).await;
    Ok(lived?)
}

fn listen(path: &Path) -> Result<UnixListener, DaemonError> {
    // The lock is ours, so a socket that lies there is a dead engine's.
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(io_error(path.display().to_string())(error));
    }
    if let Some(dir) = path.parent() {
        files::create_private_dir(dir).map_err(io_error(dir.display().to_string()))?;
    }
    // Nobody else may connect, not even between making the socket and closing it to others.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    listener.map_err(io_error(path.display().to_string()))
}

/// Lets clients in, and looks whether they can still find this engine. Does not return.
async fn receive(inside: &Inside, tenure: &mut Tenure, mut listener: UnixListener) {
    // No event tells of it on every file system; a look is four system calls.
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(connection::serve(inside.clone(), stream))),
                Err(error) => {
                    // Out of descriptors, most likely: clients wait in the kernel's queue meanwhile.
                    tracing::warn!(%error, "a client could not be let in");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = tick.tick() => match tenure.look() {
                Look::Whole => {}
                Look::SocketGone => match listen(&inside.world.layout.socket()) {
                    Ok(anew) => {
                        tracing::warn!("the socket was removed, and is made anew");
                        listener = anew;
                        tenure.listens();
                    }
                    Err(error) => tracing::warn!(%error, "the socket was removed and cannot be made again"),
                },
                Look::JournalGone => drop(inside.asked.send(Asked::JournalGone).await),
                Look::Displaced(why) => drop(inside.asked.send(Asked::Displaced(why)).await),
            },
        }
    }
}

/// Steps end when their leases are not renewed for ten minutes; renewing costs one system call for each.
async fn renew_leases(inside: Inside) {
    const EVERY: Duration = Duration::from_secs(1);
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        for dir in inside.world.running_dirs() {
            if let Err(error) = inside.world.local.renew_lease(&dir) {
                tracing::warn!(dir = %dir.display(), %error, "a lease could not be renewed");
            }
        }
    }
}

/// What every running step uses and whether it lives, and what the machine has left.
async fn look_around(inside: Inside, mut looker: Looker) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let steps = inside.world.running();
        let looked = tokio::task::spawn_blocking(move || {
            let sight = looker.look(steps);
            (looker, sight)
        });
        let Ok((back, sight)) = looked.await else { return };
        looker = back;
        if inside.asked.send(Asked::Seen(sight)).await.is_err() {
            return;
        }
    }
}

/// SIGTERM and SIGINT: everything is interrupted, so that it can be taken up again, and the engine leaves. SIGHUP is
/// the terminal's end, which is not ours.
async fn hear_signals(inside: Inside) {
    let signals =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        tracing::error!("signals cannot be heard");
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => continue,
        }
        if inside.asked.send(Asked::Terminate).await.is_err() {
            return;
        }
    }
}
