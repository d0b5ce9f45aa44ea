//! A step's way out: what the gateway is told of it, and what the step is told of the gateway.
//!
//! Steps in containers have no other way out. Of the local ones, agents go through the gateway whose credential is a key or
//! token of the environment; a login of the user's own is left to the agent's CLI, which refreshes it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gadugi_agents::AgentKind;
use gadugi_core::{EndClass, Report, RunId, StepEnd, StepId, StepKind, Taken};
use gadugi_exec::{PORT_MARK, Relay};
use gadugi_gateway::{
    Account, Credential, HostPort, Metered, Notice, Permit, SlowReason, Token, metered_in_log,
};
use tokio::sync::mpsc;

use crate::launch::{Environment, Launch};
use crate::sandbox::{Sandbox, agent, inside};
use crate::world::{RunContext, World};

/// The gateway's socket, in the step's own folder of sockets.
const SOCKET: &str = "gateway.sock";
/// What the gateway knows a step's token by, in the step's folder. An engine that comes back reads it.
const TOKEN: &str = "token.sha256";

/// Every variable by which an agent could find another way to the model API.
const LEADING_ASIDE: [&str; 6] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_UNIX_SOCKET",
    "ANTHROPIC_CUSTOM_HEADERS",
];

/// An open gate.
#[derive(Debug)]
pub(crate) struct Gate {
    token: Token,
    /// The gateway's socket, as the step sees it.
    socket: PathBuf,
    /// The variable that holds the token; none where there is no model API behind the gate.
    variable: Option<&'static str>,
    /// Whether there are further hosts behind it.
    hosts: bool,
}

impl Gate {
    /// Makes the gate the step's way out.
    pub(crate) fn lead(self, env: &mut Environment) -> Relay {
        const NEAR: &str = "127.0.0.1,localhost";
        let address = format!("http://127.0.0.1:{PORT_MARK}");
        let mut port_in = Vec::new();
        if let Some(variable) = self.variable {
            env.remove(&LEADING_ASIDE);
            env.set(variable, self.token.reveal());
            env.set("ANTHROPIC_BASE_URL", &*address);
            port_in.push("ANTHROPIC_BASE_URL");
        }
        if self.hosts {
            let proxy = format!("http://gadugi:{}@127.0.0.1:{PORT_MARK}", self.token.reveal());
            for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
                env.set(name, &*proxy);
                port_in.push(name);
            }
        }
        for name in ["NO_PROXY", "no_proxy"] {
            let known = env.get(name).filter(|known| !known.is_empty());
            env.set(name, known.map_or_else(|| NEAR.to_owned(), |known| format!("{known},{NEAR}")));
        }
        let port_in = port_in.into_iter().map(|name| gadugi_exec::Text(name.into())).collect();
        Relay { socket: gadugi_exec::Text(self.socket.into()), port_in }
    }
}

/// What lies behind a step's gate.
struct Behind {
    account: Option<Account>,
    network: Vec<HostPort>,
}

/// Opens a gate for a step that is about to start, where it needs one.
pub(crate) async fn open(
    world: &Arc<World>,
    run: &RunContext,
    what: &Launch,
    sandbox: &Sandbox,
) -> Result<Option<Gate>, String> {
    let Some(behind) = behind(world, run, &what.step, &what.kind, sandbox)? else { return Ok(None) };
    let (dir, folder) = (world.layout.step_dir(&what.step), gate_dir(world, &what.step));
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    gadugi_sys::files::create_private_dir(&dir).map_err(|error| failed(&dir, error))?;
    match sandbox {
        Sandbox::Local => {
            gadugi_sys::files::create_private_dir(&folder).map_err(|error| failed(&folder, error))?;
        }
        Sandbox::Containers(all) => drop(all.folder(folder.clone())?),
    }
    let token = Token::mint().ok_or("there is no randomness to be had")?;
    let hash = dir.join(TOKEN);
    gadugi_sys::files::write_atomic(&hash, token.sha256.as_bytes()).map_err(|error| failed(&hash, error))?;
    let variable = behind.account.as_ref().map(|account| match account.credential {
        Credential::ApiKey(_) => "ANTHROPIC_API_KEY",
        Credential::Bearer(_) => "ANTHROPIC_AUTH_TOKEN",
        Credential::Subscription(_) => "CLAUDE_CODE_OAUTH_TOKEN",
    });
    let hosts = !behind.network.is_empty();
    admit(world, &what.step, sandbox, behind, token.sha256.clone(), what.budget, Metered::default()).await?;
    let socket = match sandbox {
        Sandbox::Local => folder.join(SOCKET),
        Sandbox::Containers(_) => Path::new(inside::GATE).join(SOCKET),
    };
    Ok(Some(Gate { token, socket, variable, hosts }))
}

/// Opens the gate again of a step that is found to run: its token stands in its folder, what it used in the gateway's log.
pub(crate) async fn reopen(
    world: &Arc<World>,
    run: &RunContext,
    step: &StepId,
    kind: &StepKind,
    budget: Option<u64>,
) -> Result<(), String> {
    let path = world.layout.step_dir(step).join(TOKEN);
    let hash = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        read => read.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let sandbox = world.sandbox(&step.attempt.run, run, &step.attempt.task).await?;
    let behind = behind(world, run, step, kind, &sandbox).ok().flatten();
    let behind = behind.unwrap_or(Behind { account: None, network: network(run, step) });
    let log = world.layout.gateway_log();
    let wanted = step.clone();
    let already = tokio::task::spawn_blocking(move || metered_in_log(&log, &wanted)).await;
    let already = already.map_err(std::io::Error::from).flatten().unwrap_or_else(|error| {
        tracing::warn!(%step, %error, "what it used before is not known");
        Metered::default()
    });
    admit(world, step, &sandbox, behind, hash.trim().to_owned(), budget, already).await
}

async fn admit(
    world: &Arc<World>,
    step: &StepId,
    sandbox: &Sandbox,
    behind: Behind,
    token_sha256: String,
    budget_microusd: Option<u64>,
    already: Metered,
) -> Result<(), String> {
    let socket_owner = match sandbox {
        Sandbox::Local => None,
        Sandbox::Containers(all) => all.user.outside,
    };
    let permit = Permit {
        step: step.clone(),
        socket: gate_dir(world, step).join(SOCKET),
        socket_owner,
        token_sha256,
        account: behind.account,
        budget_microusd,
        already,
        network: behind.network,
    };
    world.note_gate(step);
    world.gateway.admit(permit).await.map_err(|error| error.to_string())
}

/// None where a step has no need of a gate: whatever runs on this machine finds its own ways, but for agents whose
/// credential can be held for them.
fn behind(
    world: &World,
    run: &RunContext,
    step: &StepId,
    kind: &StepKind,
    sandbox: &Sandbox,
) -> Result<Option<Behind>, String> {
    let is_claude =
        matches!(kind, StepKind::Agent { .. }) && agent(run, &step.attempt.task) == Some(AgentKind::Claude);
    let given = world.environment(&step.attempt.run);
    let upstream = run.settings.gateway.upstream.as_deref();
    world.note_upstream(&step.attempt.run, upstream);
    let account = || Account::from_environment(&given, upstream).map_err(|error| error.to_string());
    match sandbox {
        Sandbox::Local if !is_claude || !run.settings.gateway.local => Ok(None),
        Sandbox::Local => {
            Ok(account()?.map(|account| Behind { account: Some(account), network: Vec::new() }))
        }
        Sandbox::Containers(_) => {
            let account = if is_claude { account()? } else { None };
            if is_claude && account.is_none() {
                return Err(NO_CREDENTIAL.to_owned());
            }
            let network = network(run, step);
            let needed = account.is_some() || !network.is_empty();
            Ok(needed.then_some(Behind { account, network }))
        }
    }
}

/// A login of the user's own cannot be used by the gateway: it is refreshed by the CLI that made it, and by one alone.
const NO_CREDENTIAL: &str = "containers need a key or token of the environment (ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN or \
                             CLAUDE_CODE_OAUTH_TOKEN): `claude setup-token` makes one";

/// What the run and the prompt let a task reach. Both were checked as they were read.
fn network(run: &RunContext, step: &StepId) -> Vec<HostPort> {
    let own = run.plan.task(&step.attempt.task).map(|task| task.network.as_slice()).unwrap_or_default();
    run.settings.gateway.network.iter().chain(own).filter_map(|host| host.parse().ok()).collect()
}

fn gate_dir(world: &World, step: &StepId) -> PathBuf {
    world.layout.step_dir(step).join("gate")
}

/// Whether the environment holds a key or token that the gateway can use in an agent's stead. The error is one line.
pub fn has_credential(environment: &[(OsString, OsString)], upstream: Option<&str>) -> Result<bool, String> {
    let account = Account::from_environment(environment, upstream);
    account.map(|account| account.is_some()).map_err(|error| error.to_string())
}

/// Somebody goes on with a run: from now on its requests leave under the name that their environment holds.
pub(crate) async fn supply(world: &World, run: &RunId) {
    let Some(upstream) = world.upstream(run) else { return };
    let account = Account::from_environment(&world.environment(run), upstream.as_deref());
    let supplied = match account {
        Ok(Some(account)) => world.gateway.supply_run(run, account).await,
        Ok(None) => return,
        Err(error) => Err(error),
    };
    if let Err(error) = supplied {
        tracing::warn!(%run, %error, "steps that run keep the credential they have");
    }
}

/// What a step used by the gateway's own count stands in place of what its agent said of it: an end that tells nothing has
/// cost something all the same.
pub(crate) fn account_for(world: &World, step: &StepId, metered: Option<&Metered>, end: &mut StepEnd) {
    let over_budget = world.take_over_budget(step);
    let Some(metered) = metered else { return };
    end.taken.see(&Taken {
        net_in_bytes: Some(metered.bytes_in),
        net_out_bytes: Some(metered.bytes_out),
        ..Taken::default()
    });
    let Some(agent) = end.agent.as_mut().filter(|_| metered.requests > 0) else { return };
    agent.usage = metered.usage();
    if over_budget && agent.class != EndClass::Done {
        agent.class = EndClass::Budget;
    }
}

/// Takes in what the gateway has to say, for as long as the engine lives.
pub(crate) async fn hear(world: Arc<World>, mut notices: mpsc::Receiver<Notice>) {
    while let Some(notice) = notices.recv().await {
        match notice {
            Notice::UsageLimited { step, until, reason, .. } => {
                world.report(Report::AccountLimited { step, until, reason }).await;
            }
            Notice::Slowed { account, window, pause, reason } => {
                let seconds = pause.as_secs();
                let reason = match reason {
                    SlowReason::RateLimited => "answers 429",
                    SlowReason::Overloaded => "is overloaded",
                    SlowReason::Exhausted => "says that nothing is left for now",
                };
                let words = format!("{account} {reason}: at most {window} requests at once, in {seconds} s");
                world.slow(&account, Some(words));
            }
            Notice::Eased { account } => world.slow(&account, None),
            // What a step used is asked for at its end; while it runs, its agent says it.
            Notice::Metered { .. } => {}
            Notice::AuthRefused { step, status, reason } => {
                tracing::warn!(%step, status, reason, "the model API refuses the credential");
            }
            Notice::BudgetRefused { step, spent_microusd, budget_microusd } => {
                tracing::info!(%step, spent_microusd, budget_microusd, "a request could cost more than is left");
                world.note_over_budget(step);
            }
            Notice::Unreachable { step, account, reason, lasting } => {
                tracing::warn!(%step, account, reason, lasting, "the model API was not reached");
            }
            Notice::HostRefused { step, host, reason } => {
                tracing::warn!(%step, host, reason, "a step asked for a host that it may not reach");
            }
            Notice::LogFailed { reason } => tracing::warn!(reason, "the gateway's log cannot be written"),
        }
    }
}
