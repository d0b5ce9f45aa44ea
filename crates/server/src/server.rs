//! The server in an engine's process: opened when somebody asks for the page, in a runtime of its own, so that no browser slows the
//! engine's loop; closed when the engine leaves.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use gadugi_engine::Handle;
use gadugi_engine::front::{Front, Opened, Opening};
use gadugi_engine::protocol::Failure;
use gadugi_sys::files;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::assets;
use crate::guard::Guard;
use crate::guard::hosts::host_of;
use crate::guard::secret::Token;
use crate::metrics::Metrics;
use crate::notify::{self, Notifier};
use crate::routes;
use crate::serve::{CONNECTIONS, Slots, accept};

/// Threads that answer. Pages cost little: what is large is made once for all of them.
const THREADS: usize = 2;

/// Threads that read files and the log.
const READERS: usize = 8;

/// How long pages may take to hear that the engine leaves.
const FAREWELL: Duration = Duration::from_millis(500);

/// What shows an engine to browsers and other tools.
#[derive(Debug)]
pub struct Server {
    stage: Mutex<Stage>,
    metrics: Metrics,
    notifier: Notifier,
}

/// How far the server is. Nobody who does not look has threads or counting of it.
#[derive(Debug, Default)]
enum Stage {
    /// There is no engine, or none any more.
    #[default]
    Away,
    /// The engine lives, and nobody has asked for the page.
    Unasked {
        /// The last number in the log before it.
        begun_after: u64,
    },
    /// Somebody has.
    Up(Inner),
}

#[derive(Debug)]
struct Inner {
    runtime: Runtime,
    leaving: watch::Sender<bool>,
    slots: Arc<Slots>,
    open: Option<Open>,
}

/// The page is open.
#[derive(Clone, Debug)]
struct Open {
    guard: Arc<Guard>,
    router: Router,
    places: Vec<Opened>,
}

/// Where a repository's page was last.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    address: SocketAddr,
}

impl Server {
    /// Nothing is open yet, nothing is counted.
    ///
    /// # Errors
    /// Never, but for a defect in the names of metrics.
    pub fn new(notify: notify::Settings) -> io::Result<Self> {
        let metrics = Metrics::new().map_err(io::Error::other)?;
        Ok(Self { stage: Mutex::default(), metrics, notifier: Notifier::new(notify) })
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_now(&self, handle: Handle, listen: Option<SocketAddr>) -> Result<Opened, Failure> {
        let mut stage = self.lock();
        let inner = self.up(&mut stage, &handle)?;
        if let Some(opened) = inner.open.as_ref().and_then(|open| open.at(listen)) {
            return Ok(opened);
        }
        let memory = handle.layout().state_dir().join("page.json");
        let listener = bind(listen, &memory)?;
        let bound = listener.local_addr().map_err(|error| no_page(&error))?;
        let _entered = inner.runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| no_page(&error))?;
        if inner.open.is_none() {
            inner.open = Some(self.begin_page(handle, inner)?);
        }
        let Some(open) = &mut inner.open else {
            return Err(failure("no-page", "the page is not open", None));
        };
        open.guard.listens(|hosts| hosts.add(bound));
        let opened = Opened { address: bound, link: link(bound, open.guard.token()) };
        open.places.push(opened.clone());
        remember(&memory, bound);
        let (router, slots, leaving) =
            (open.router.clone(), Arc::clone(&inner.slots), inner.leaving.subscribe());
        tokio::spawn(accept(listener, router, slots, leaving));
        tracing::info!(address = %bound, page = assets::is_built(), "the page is open");
        Ok(opened)
    }

    /// The threads; they are made for whoever asks first, and what was counted in this engine's life is made up for.
    fn up<'a>(&self, stage: &'a mut Stage, handle: &Handle) -> Result<&'a mut Inner, Failure> {
        if let Stage::Unasked { begun_after } = stage {
            let inner = Inner::new().map_err(|error| no_page(&error))?;
            inner.runtime.spawn(self.metrics.clone().collect(handle.clone(), *begun_after));
            *stage = Stage::Up(inner);
        }
        match stage {
            Stage::Up(inner) => Ok(inner),
            Stage::Away | Stage::Unasked { .. } => {
                Err(failure("no-page", "the page cannot be opened by this engine", None))
            }
        }
    }

    /// What all addresses have in common. To be called in the runtime.
    fn begin_page(&self, handle: Handle, inner: &Inner) -> Result<Open, Failure> {
        let token = Token::of_user().map_err(|error| {
            let hint = "see to it that ~/.local/state/gadugi (or $XDG_STATE_HOME/gadugi) can be written";
            failure("page-token", format!("the page's token: {error}"), Some(hint.into()))
        })?;
        let guard = Arc::new(Guard::new(token));
        let router = routes::router(handle, &guard, &self.metrics, &inner.slots, inner.leaving.subscribe());
        Ok(Open { router: router.map_err(|error| no_page(&error))?, guard, places: Vec::new() })
    }
}

impl Inner {
    fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(READERS)
            .thread_name("gadugi-page")
            .enable_all()
            .build()?;
        let (leaving, _) = watch::channel(false);
        Ok(Self { runtime, leaving, slots: Slots::new(CONNECTIONS), open: None })
    }
}

impl Front for Server {
    fn begin(&self, handle: Handle, begun_after: u64) {
        self.notifier.begin(handle);
        *self.lock() = Stage::Unasked { begun_after };
    }

    fn open(&self, handle: Handle, listen: Option<SocketAddr>) -> Opening<'_> {
        // It asks the system some ten questions and may wait for a lock on a file: not in the way of the engine's other work.
        Box::pin(async move { tokio::task::block_in_place(|| self.open_now(handle, listen)) })
    }

    fn close(&self) {
        let Stage::Up(inner) = std::mem::take(&mut *self.lock()) else { return };
        inner.leaving.send_replace(true);
        inner.runtime.block_on(async {
            let _ = tokio::time::timeout(FAREWELL, inner.slots.empty()).await;
        });
        // Listeners go with the runtime, whatever still hangs.
        inner.runtime.shutdown_timeout(Duration::from_millis(200));
    }

    fn linger(&self) {
        self.notifier.finish();
    }
}

impl Open {
    /// Where it is open already, as it is asked for.
    fn at(&self, listen: Option<SocketAddr>) -> Option<Opened> {
        let fits = |opened: &&Opened| match listen {
            None => true,
            Some(asked) if asked.port() == 0 => opened.address.ip() == asked.ip(),
            Some(asked) => opened.address == asked,
        };
        self.places.iter().find(fits).cloned()
    }
}

/// A socket at the address that is asked for. Where none is, or no port: where the page was last, else any port of loopback.
fn bind(listen: Option<SocketAddr>, memory: &Path) -> Result<std::net::TcpListener, Failure> {
    let asked = listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let remembered =
        recall(memory).filter(|last| asked.port() == 0 && (listen.is_none() || last.ip() == asked.ip()));
    let bound = match remembered.map(std::net::TcpListener::bind) {
        Some(Ok(listener)) => Ok(listener),
        // Somebody else has it by now.
        Some(Err(_)) | None => std::net::TcpListener::bind(asked),
    };
    let listener = bound.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "something else listens there; leave the port out, or name another one"
            }
            io::ErrorKind::PermissionDenied => "ports below 1024 are the system's; name another one",
            _ => "name an address of this machine: 127.0.0.1, or 0.0.0.0 for all of them",
        };
        failure("page-address", format!("the page cannot listen on {asked}: {error}"), Some(hint.into()))
    })?;
    listener.set_nonblocking(true).map_err(|error| no_page(&error))?;
    Ok(listener)
}

fn recall(memory: &Path) -> Option<SocketAddr> {
    const LARGEST: u64 = 4096;
    let bytes = files::read_own(memory, LARGEST).ok()?;
    let remembered: Remembered = serde_json::from_slice(&bytes).ok()?;
    // Listening elsewhere is asked for each time.
    Some(remembered.address).filter(|address| address.ip().is_loopback() && address.port() != 0)
}

fn remember(memory: &Path, address: SocketAddr) {
    if !address.ip().is_loopback() {
        return;
    }
    let text = serde_json::to_vec(&Remembered { address }).unwrap_or_default();
    if let Err(error) = files::write_atomic(memory, &text) {
        // A name that cannot be replaced: nothing is remembered.
        tracing::warn!(path = %memory.display(), %error, "where the page is open is not remembered");
        let _ = fs::remove_file(memory);
    }
}

/// What a person opens.
fn link(bound: SocketAddr, token: &Token) -> String {
    let host = match bound.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        ip => host_of(ip),
    };
    format!("http://{host}:{}/?token={}", bound.port(), token.reveal())
}

fn failure(code: &str, message: impl Into<String>, hint: Option<String>) -> Failure {
    Failure { code: code.into(), message: message.into(), hint }
}

fn no_page(error: &io::Error) -> Failure {
    failure("page-address", format!("the page cannot be opened: {error}"), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_is_taken_again_and_one_that_is_taken_is_not_insisted_on() {
        let dir = tempfile::tempdir().unwrap();
        let memory = dir.path().join("page.json");
        let first = bind(None, &memory).unwrap();
        let address = first.local_addr().unwrap();
        assert!(address.ip().is_loopback());
        remember(&memory, address);
        let other = bind(None, &memory).unwrap();
        assert_ne!(other.local_addr().unwrap(), address);
        drop((first, other));
        assert_eq!(bind(None, &memory).unwrap().local_addr().unwrap(), address);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        assert_eq!(bind(Some(any), &memory).unwrap().local_addr().unwrap(), address);
    }

    #[test]
    fn what_was_asked_for_and_is_taken_is_an_error_that_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let memory = dir.path().join("page.json");
        let taken = bind(None, &memory).unwrap();
        let failed = bind(Some(taken.local_addr().unwrap()), &memory).unwrap_err();
        assert_eq!(failed.code, "page-address");
        assert!(failed.hint.unwrap().contains("something else listens"));
    }

    #[test]
    fn what_is_remembered_of_other_addresses_or_is_garbage_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let memory = dir.path().join("page.json");
        remember(&memory, "0.0.0.0:4000".parse().unwrap());
        assert!(!memory.exists());
        for text in ["{\"address\":\"0.0.0.0:4000\"}", "{\"address\":\"127.0.0.1:0\"}", "", "garbage", "{}"] {
            fs::write(&memory, text).unwrap();
            assert_eq!(recall(&memory), None, "{text}");
        }
    }

    #[test]
    fn a_link_is_one_that_a_browser_here_can_open() {
        let dir = tempfile::tempdir().unwrap();
        let token = Token::at(&dir.path().join("token")).unwrap();
        let of = |address: &str| link(address.parse().unwrap(), &token);
        assert!(of("127.0.0.1:4000").starts_with("http://127.0.0.1:4000/?token="));
        assert!(of("0.0.0.0:4000").starts_with("http://127.0.0.1:4000/?token="));
        assert!(of("[::1]:4000").starts_with("http://[::1]:4000/?token="));
    }
}
