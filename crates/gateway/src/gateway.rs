//! The handle that the engine holds.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gadugi_core::StepId;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::account::{Account, AccountError, Proxies, Trust};
use crate::ledger::Ledger;
use crate::limits::{RateLimit, Said};
use crate::log::Log;
use crate::metered::Metered;
use crate::network::{AllowList, HostPort};
use crate::notice::Notice;
use crate::pace::Lane;
use crate::prices::Prices;
use crate::serve;
use crate::step::{ALL_BODIES_KIB, Shared, Socket, Step};
use crate::token::Known;
use crate::traffic::Notices;
use crate::upstream::{self, Line};

/// How a gateway works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log, one line of JSON for each request. Its folder has to be there.
    pub log: PathBuf,
    /// Bytes at which the log is turned; the one before is kept beside it as `LOG.1`.
    pub log_bytes: u64,
    /// What tokens cost.
    pub prices: Prices,
    /// Connections of all steps at once. Each takes two descriptors.
    pub connections: usize,
    /// How long a request is held here at most, while its turn, a credential or the end of a refusal is waited for. Less
    /// than Claude Code waits for a first byte (five minutes).
    pub patience: Duration,
}

impl Options {
    /// The usual ones.
    pub fn new(log: impl Into<PathBuf>) -> Self {
        Self {
            log: log.into(),
            log_bytes: 16 << 20,
            prices: Prices::default(),
            connections: 2048,
            patience: Duration::from_secs(120),
        }
    }
}

/// What lets a step through.
#[derive(Debug)]
pub struct Permit {
    /// The step.
    pub step: StepId,
    /// Where its socket is to lie. The path may be longer than a socket's address can be; its folder has to be there.
    pub socket: PathBuf,
    /// Who may connect, where that is somebody else: user and group.
    pub socket_owner: Option<(u32, u32)>,
    /// SHA-256 of its token, in hexadecimal digits.
    pub token_sha256: String,
    /// Under whose name its requests leave. None: they are held until [`Gateway::supply`] says, or until they have been
    /// held for [`Options::patience`].
    pub account: Option<Account>,
    /// What it may spend, in millionths of a US dollar, [`Permit::already`] counted in.
    pub budget_microusd: Option<u64>,
    /// What it used before, under an earlier engine.
    pub already: Metered,
    /// Hosts that it may reach besides the model API.
    pub network: Vec<HostPort>,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log.
    #[error("the gateway's log {}: {source}", .path.display())]
    Log {
        /// Where it was to lie.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a step is not let through.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// It already is.
    #[error("step {0} has its way through the gateway already")]
    Already(StepId),
    /// The hash is none.
    #[error("the hash of step {0}'s token is none")]
    Token(StepId),
    /// The account cannot be used.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The socket cannot be had.
    #[error("the gateway's socket {}: {source}", .path.display())]
    Socket {
        /// Where it was to lie.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A gateway. Clones are the same one.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    steps: Mutex<HashMap<StepId, Admitted>>,
    accounts: Mutex<Accounts>,
    /// What agents said of limits that they met by themselves.
    said: Said,
}

enum Admitted {
    /// Its socket is being made.
    Coming,
    There {
        step: Arc<Step>,
        task: JoinHandle<()>,
    },
}

/// Accounts in use, and HTTP clients by the way that they take. There are few of either.
#[derive(Default)]
struct Accounts {
    lines: Vec<Arc<Line>>,
    clients: Vec<((Proxies, Trust), reqwest::Client)>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// Starts one that serves nobody yet, and its notices.
    ///
    /// # Errors
    /// Where the log cannot be opened.
    pub fn start(options: Options) -> Result<(Self, mpsc::Receiver<Notice>), StartError> {
        let (notices, receiver) = Notices::channel();
        let log = Log::open(&options.log, options.log_bytes, notices.clone())
            .map_err(|source| StartError::Log { path: options.log.clone(), source })?;
        let shared = Arc::new(Shared {
            prices: options.prices,
            notices,
            log,
            connections: Arc::new(Semaphore::new(options.connections)),
            bodies: Arc::new(Semaphore::new(ALL_BODIES_KIB)),
            patience: options.patience,
        });
        let inner =
            Inner { shared, steps: Mutex::default(), accounts: Mutex::default(), said: Said::default() };
        Ok((Self(Arc::new(inner)), receiver))
    }

    /// Lets a step through: when this returns, its socket can be connected to. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// See [`AdmitError`]; nothing is left behind then.
    pub async fn admit(&self, permit: Permit) -> Result<(), AdmitError> {
        let id = permit.step;
        let token = Known::parse(&permit.token_sha256).ok_or_else(|| AdmitError::Token(id.clone()))?;
        let line = match permit.account {
            Some(account) => Some(self.line(account).await?),
            None => None,
        };
        match lock(&self.0.steps).entry(id.clone()) {
            Entry::Occupied(_) => return Err(AdmitError::Already(id)),
            Entry::Vacant(place) => drop(place.insert_entry(Admitted::Coming)),
        }
        let socket = Socket::bind(&permit.socket, permit.socket_owner);
        let socket = socket.map_err(|source| AdmitError::Socket { path: permit.socket, source });
        let socket = socket.inspect_err(|_| drop(lock(&self.0.steps).remove(&id)))?;
        let ledger = Ledger::new(permit.budget_microusd, permit.already);
        let hosts = AllowList::new(permit.network);
        let step = Arc::new(Step::new(id.clone(), token, hosts, ledger, Arc::clone(&self.0.shared)));
        step.line.send_replace(line);
        let task = tokio::spawn(serve::listen(socket, Arc::clone(&step)));
        lock(&self.0.steps).insert(id, Admitted::There { step, task });
        Ok(())
    }

    /// Says under whose name a step's requests leave, from the next one on. A limit that the account met is asked after
    /// anew. `false` where the step was not admitted.
    ///
    /// # Errors
    /// Where the account cannot be used.
    pub async fn supply(&self, step: &StepId, account: Account) -> Result<bool, AccountError> {
        let line = self.line(account).await?;
        line.lane.forget_limit();
        Ok(self.step(step).is_some_and(|step| {
            step.line.send_replace(Some(line));
            true
        }))
    }

    /// The same for all steps of a run that have no account yet, and those that have one.
    ///
    /// # Errors
    /// Where the account cannot be used.
    pub async fn supply_run(
        &self,
        run: &gadugi_core::RunId,
        account: Account,
    ) -> Result<usize, AccountError> {
        let line = self.line(account).await?;
        line.lane.forget_limit();
        let steps = lock(&self.0.steps);
        let theirs = steps.iter().filter(|(id, _)| id.attempt.run == *run);
        let supplied = theirs.filter_map(|(_, admitted)| match admitted {
            Admitted::There { step, .. } => Some(step.line.send_replace(Some(Arc::clone(&line)))),
            Admitted::Coming => None,
        });
        Ok(supplied.count())
    }

    /// Closes a step's way: its connections are cut, its socket is gone, its token is good for nothing. What it used in
    /// all, requests that were cut counted in; none where it was not admitted.
    pub async fn revoke(&self, step: &StepId) -> Option<Metered> {
        let admitted = {
            let mut steps = lock(&self.0.steps);
            matches!(steps.get(step), Some(Admitted::There { .. })).then(|| steps.remove(step)).flatten()
        };
        let Some(Admitted::There { step, task }) = admitted else { return None };
        step.closed.send_replace(true);
        // It ends by itself once it is told; a panic in it has ended it too.
        let _ = task.await;
        step.end_tunnels().await;
        Some(step.ledger.metered())
    }

    /// Closes all ways, at the end of the engine.
    pub async fn close(&self) {
        let steps: Vec<StepId> = lock(&self.0.steps).keys().cloned().collect();
        for step in steps {
            self.revoke(&step).await;
        }
    }

    /// What a step used so far, without the requests that are under way.
    pub fn metered(&self, step: &StepId) -> Option<Metered> {
        Some(self.step(step)?.ledger.metered())
    }

    /// What was last said of the limits of each account that was used since the gateway began, by account and kind.
    pub fn limits(&self) -> Vec<RateLimit> {
        let mut all: Vec<RateLimit> =
            lock(&self.0.accounts).lines.iter().flat_map(|line| line.limits.all()).collect();
        all.extend(self.0.said.all());
        all
    }

    /// Takes in what an agent that finds its own way to the model API says of a limit there; `account` is the agent's name.
    /// Words that are none are left out.
    pub fn note_limit(&self, limit: RateLimit) {
        self.0.said.note(limit);
    }

    fn step(&self, id: &StepId) -> Option<Arc<Step>> {
        match lock(&self.0.steps).get(id)? {
            Admitted::There { step, .. } => Some(Arc::clone(step)),
            Admitted::Coming => None,
        }
    }

    async fn line(&self, account: Account) -> Result<Arc<Line>, AccountError> {
        if let Some(line) = lock(&self.0.accounts).line(&account) {
            return Ok(line);
        }
        let way = (account.proxies.clone(), account.trust.clone());
        let known = lock(&self.0.accounts).client(&way);
        let client = match known {
            Some(client) => client,
            None => {
                // Reads some hundred certificates.
                let (proxies, trust) = way.clone();
                let made = tokio::task::spawn_blocking(move || upstream::client(&proxies, &trust)).await;
                let (client, unread) = made.map_err(|error| AccountError::Client(error.to_string()))??;
                for reason in unread {
                    self.0.shared.notices.tell(Notice::CertificatesUnread { reason });
                }
                client
            }
        };
        let mut accounts = lock(&self.0.accounts);
        if let Some(line) = accounts.line(&account) {
            return Ok(line);
        }
        if accounts.client(&way).is_none() {
            accounts.clients.push((way, client.clone()));
        }
        let label = format!("{}#{}", upstream::host(&account), accounts.lines.len() + 1);
        let lane = Lane::new(label.clone(), self.0.shared.notices.clone());
        let line = Line::new(label, account, client, lane);
        accounts.lines.push(Arc::clone(&line));
        Ok(line)
    }
}

impl Accounts {
    fn line(&self, account: &Account) -> Option<Arc<Line>> {
        self.lines.iter().find(|line| line.account == *account).cloned()
    }

    fn client(&self, way: &(Proxies, Trust)) -> Option<reqwest::Client> {
        self.clients.iter().find(|(known, _)| known == way).map(|(_, client)| client.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
