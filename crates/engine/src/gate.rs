//! A step's way out: what the gateway is told of it, and what the step is told of the gateway.
//!
//! Steps in containers have no other way out. Of the local ones, agents go through the gateway whose credential is a key or
//! token of the environment; a login of the user's own is left to the agent's CLI, which refreshes it. The gateway then stands
//! where the agent would have found its way by itself: the account is what the agent's own environment would have said.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gadugi_agents::AgentKind;
use gadugi_core::{EndClass, Report, RunId, RunSettings, StepEnd, StepId, StepKind, Taken, Usage};
use gadugi_exec::{PORT_MARK, Relay};
use gadugi_gateway::{
    Account, AccountError, Credential, HostPort, Metered, Notice, Permit, SlowReason, Token, metered_in_log,
};
use tokio::sync::mpsc;

use crate::launch::{Environment, Launch, is_denied};
use crate::sandbox::{Sandbox, agent, inside};
use crate::world::{RunContext, World};

/// The gateway's socket, in the step's own folder of sockets.
const SOCKET: &str = "gateway.sock";
/// What the gateway knows a step's token by, in the step's folder. An engine that comes back reads it.
const TOKEN: &str = "token.sha256";

/// Credentials for the model API, its address, and what goes along with each request: the gateway's alone, where there is one.
pub(crate) const OF_THE_ACCOUNT: [&str; 6] = [
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
            env.remove(&OF_THE_ACCOUNT);
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
        // Some tools read the one spelling, some the other, and some the other where the one is empty.
        let known = |name| env.get(name).filter(|known| !known.is_empty());
        let spellings = [known("NO_PROXY"), known("no_proxy")];
        let either = spellings.clone().into_iter().flatten().next();
        for (name, known) in ["NO_PROXY", "no_proxy"].into_iter().zip(spellings) {
            let known = known.or_else(|| either.clone());
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
    world.note_settings(&what.step.attempt.run, &run.settings);
    let given = world.environment(&what.step.attempt.run);
    let behind = behind(run, &what.step, &what.kind, sandbox, &given)?;
    let Some(behind) = behind else { return Ok(None) };
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
/// Its requests wait until somebody goes on with the run, and leave under the name that their environment holds: whoever
/// started this engine may be somebody else.
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
    world.note_settings(&step.attempt.run, &run.settings);
    let account = match world.brought(&step.attempt.run) {
        Some(given) => behind(run, step, kind, &sandbox, &given).ok().flatten().and_then(|it| it.account),
        None => None,
    };
    let held = account.is_none();
    let behind = Behind { account, network: network(run, step) };
    let log = world.layout.gateway_log();
    let wanted = step.clone();
    let already = tokio::task::spawn_blocking(move || metered_in_log(&log, &wanted)).await;
    let already = already.map_err(std::io::Error::from).flatten().unwrap_or_else(|error| {
        tracing::warn!(%step, %error, "what it used before is not known");
        Metered::default()
    });
    admit(world, step, &sandbox, behind, hash.trim().to_owned(), budget, already).await?;
    if held && world.brought(&step.attempt.run).is_some() {
        // Somebody came meanwhile, and did not find this step.
        supply(world, &step.attempt.run).await;
    }
    Ok(())
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
    world.gateway.admit(permit).await.map_err(|error| error.to_string())?;
    world.note_gate(step);
    Ok(())
}

/// None where a step has no need of a gate: whatever runs on this machine finds its own ways, but for agents whose
/// credential can be held for them.
fn behind(
    run: &RunContext,
    step: &StepId,
    kind: &StepKind,
    sandbox: &Sandbox,
    given: &[(OsString, OsString)],
) -> Result<Option<Behind>, String> {
    let is_claude =
        matches!(kind, StepKind::Agent { .. }) && agent(run, &step.attempt.task) == Some(AgentKind::Claude);
    match sandbox {
        Sandbox::Local if !is_claude || !run.settings.gateway.local => Ok(None),
        Sandbox::Local => match account(given, &run.settings) {
            Ok(account) => Ok(account.map(|account| Behind { account: Some(account), network: Vec::new() })),
            // It finds its own way, as it did before there was a gateway.
            Err(NoAccount::OtherWay(_)) => Ok(None),
            Err(amiss) => Err(amiss.to_string()),
        },
        Sandbox::Containers(_) => {
            let account = match account(given, &run.settings).map_err(|amiss| amiss.to_string()) {
                _ if !is_claude => None,
                Ok(None) => return Err(NO_CREDENTIAL.to_owned()),
                account => account?,
            };
            let network = network(run, step);
            let needed = account.is_some() || !network.is_empty();
            Ok(needed.then_some(Behind { account, network }))
        }
    }
}

/// Why what an environment says of the model API is not for the gateway.
#[derive(Debug, thiserror::Error)]
enum NoAccount {
    #[error("{0} is set: the gateway cannot speak to the model API that way, and containers have no other")]
    OtherWay(&'static str),
    #[error(transparent)]
    Amiss(#[from] AccountError),
}

/// Under whose name, and where to, Claude Code would send its requests by itself: what the run was given and does not keep
/// from steps, then what is configured for the agent, then what is configured for the gateway.
fn account(given: &[(OsString, OsString)], settings: &RunSettings) -> Result<Option<Account>, NoAccount> {
    let mut seen: Vec<(OsString, OsString)> = given
        .iter()
        .filter(|(name, _)| !is_denied(&name.to_string_lossy(), &settings.env_deny))
        .cloned()
        .collect();
    if let Some(own) = settings.agents.get(AgentKind::Claude.name()) {
        // The last of one name counts.
        seen.extend(own.env.iter().map(|(name, value)| (name.into(), value.into())));
    }
    if let Some(other) = other_way(&seen) {
        return Err(NoAccount::OtherWay(other));
    }
    Ok(Account::from_environment(&seen, settings.gateway.upstream.as_deref())?)
}

/// The variable by which Claude Code takes a way to a model that is not the gateway's: another vendor's API, or a connection
/// that asks for a certificate of the user's.
fn other_way(seen: &[(OsString, OsString)]) -> Option<&'static str> {
    const VENDORS: [&str; 3] =
        ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"];
    const CERTIFICATE: &str = "CLAUDE_CODE_CLIENT_CERT";
    let value = |name: &str| {
        let found = seen.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.to_string_lossy().trim().to_ascii_lowercase()).unwrap_or_default()
    };
    let on = |name: &&str| matches!(value(name).as_str(), "1" | "true" | "yes" | "on");
    VENDORS.into_iter().find(on).or_else(|| (!value(CERTIFICATE).is_empty()).then_some(CERTIFICATE))
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

/// Whether there is a key or token that the gateway can use in an agent's stead, in the environment or in what the settings
/// add to it. The error is one line.
pub fn has_credential(environment: &[(OsString, OsString)], settings: &RunSettings) -> Result<bool, String> {
    account(environment, settings).map(|account| account.is_some()).map_err(|error| error.to_string())
}

/// Somebody goes on with a run: from now on its requests leave under the name that their environment holds.
pub(crate) async fn supply(world: &World, run: &RunId) {
    let Some(settings) = world.settings(run) else { return };
    let supplied = match account(&world.environment(run), &settings) {
        Ok(Some(account)) => world.gateway.supply_run(run, account).await.map_err(NoAccount::from),
        Ok(None) => return,
        Err(error) => Err(error),
    };
    if let Err(error) = supplied {
        tracing::warn!(%run, %error, "steps that run keep the credential they have");
    }
}

/// What a step used by the gateway's own count stands in place of what its agent said of it: an end that tells nothing has
/// cost something all the same.
pub(crate) fn account_for(metered: Option<&Metered>, end: &mut StepEnd) {
    let Some(metered) = metered else { return };
    end.taken.see(&Taken {
        net_in_bytes: Some(metered.bytes_in),
        net_out_bytes: Some(metered.bytes_out),
        ..Taken::default()
    });
    let Some(agent) = end.agent.as_mut().filter(|_| metered.requests > 0) else { return };
    agent.usage = counted(metered, agent.usage.cost_microusd);
    if metered.over_budget && agent.class != EndClass::Done {
        agent.class = EndClass::Budget;
    }
}

/// What a step used by the gateway's count. Where no price of it is known, what its agent says of the cost is the better
/// guess, if it says anything: the gateway's is the dearest there is.
pub(crate) fn counted(metered: &Metered, said_microusd: u64) -> Usage {
    let mut usage = metered.usage();
    if metered.all_guessed() && said_microusd > 0 {
        usage.cost_microusd = said_microusd;
    }
    usage
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
            Notice::AuthRefused { step, status, reason } => {
                tracing::warn!(%step, status, reason, "the model API refuses the credential");
            }
            Notice::BudgetRefused { step, spent_microusd, budget_microusd } => {
                tracing::info!(%step, spent_microusd, budget_microusd, "a request could cost more than is left");
            }
            Notice::CertificatesUnread { reason } => {
                tracing::warn!(reason, "certificates for the way to the model API are left out");
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

#[cfg(test)]
mod tests {
    use gadugi_core::AgentSettings;
    use gadugi_gateway::{ModelMetered, Secret};

    use super::*;

    const KEY: (&str, &str) = ("ANTHROPIC_API_KEY", "sk-shell");

    fn variables(said: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        said.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn configured(env: &[(&str, &str)]) -> RunSettings {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut settings = RunSettings::default();
        settings.agents.insert("claude".into(), AgentSettings { env, ..AgentSettings::default() });
        settings
    }

    #[test]
    fn a_denied_key_pays_for_nothing() {
        let deny = RunSettings { env_deny: vec!["ANTHROPIC_*".into()], ..RunSettings::default() };
        assert!(account(&variables(&[KEY]), &deny).unwrap().is_none());
        assert_eq!(has_credential(&variables(&[KEY]), &deny), Ok(false));
        assert_eq!(has_credential(&variables(&[KEY]), &RunSettings::default()), Ok(true));
    }

    #[test]
    fn what_is_configured_for_the_agent_is_where_its_requests_go() {
        let mut settings =
            configured(&[("ANTHROPIC_BASE_URL", "http://litellm:1"), ("ANTHROPIC_AUTH_TOKEN", "x")]);
        let given = variables(&[KEY, ("ANTHROPIC_BASE_URL", "http://shell")]);
        let found = account(&given, &settings).unwrap().unwrap();
        assert_eq!(found.upstream.as_str(), "http://litellm:1/");
        assert_eq!(found.credential, Credential::Bearer(Secret::new("x")));
        assert!(account(&[], &settings).unwrap().is_some(), "no key of the shell's is needed");
        settings.gateway.upstream = Some("http://gateway".into());
        assert_eq!(account(&given, &settings).unwrap().unwrap().upstream.as_str(), "http://gateway/");
    }

    #[test]
    fn other_vendors_are_no_business_of_the_gateways() {
        let settings = RunSettings::default();
        let one = "CLAUDE_CODE_USE_BEDROCK";
        for (name, value, other) in [
            (one, "1", true),
            (one, "true", true),
            (one, "0", false),
            ("CLAUDE_CODE_CLIENT_CERT", "/c", true),
        ] {
            let found = account(&variables(&[KEY, (name, value)]), &settings);
            assert_eq!(
                matches!(found, Err(NoAccount::OtherWay(known)) if known == name),
                other,
                "{name}={value}"
            );
        }
        let off = configured(&[(one, "0")]);
        assert_eq!(has_credential(&variables(&[KEY, (one, "1")]), &off), Ok(true), "the agent's own counts");
        let said = has_credential(&variables(&[KEY, (one, "1")]), &settings).unwrap_err();
        assert!(said.starts_with(one) && said.lines().count() == 1, "{said}");
    }

    #[test]
    fn a_wide_pattern_lets_no_credential_into_a_container() {
        let mut settings = RunSettings::default();
        settings.container.env = vec!["*".into()];
        let given = Arc::new(variables(&[KEY, ("ANTHROPIC_CUSTOM_HEADERS", "a: b"), ("TEAM", "x")]));
        let seen = crate::sandbox::environment(&given, &settings);
        assert!(seen.iter().any(|(name, _)| name == "TEAM"));
        assert!(!seen.iter().any(|(name, _)| name.to_string_lossy().starts_with("ANTHROPIC_")), "{seen:?}");
    }

    fn gate() -> Gate {
        let token = Token::mint().unwrap();
        Gate { token, socket: "/g".into(), variable: Some("ANTHROPIC_API_KEY"), hosts: false }
    }

    #[test]
    fn hosts_that_are_reached_without_a_proxy_stay_so_in_either_spelling() {
        for said in [
            &[("NO_PROXY", ".corp")][..],
            &[("no_proxy", ".corp")],
            &[("NO_PROXY", ".corp"), ("no_proxy", "")],
        ] {
            let mut env = Environment::of(variables(said));
            gate().lead(&mut env);
            for name in ["NO_PROXY", "no_proxy"] {
                assert_eq!(env.get(name).as_deref(), Some(".corp,127.0.0.1,localhost"), "{said:?}");
            }
        }
        let mut env = Environment::of(variables(&[("NO_PROXY", "a"), ("no_proxy", "b")]));
        gate().lead(&mut env);
        assert_eq!(env.get("no_proxy").as_deref(), Some("b,127.0.0.1,localhost"));
    }

    #[test]
    fn what_no_price_is_known_of_costs_what_the_agent_says() {
        let model = |guessed| {
            let mut model = ModelMetered { answers: 1, price_guessed: guessed, ..ModelMetered::default() };
            model.costs.output = 9_000_000;
            Metered { models: [("m".to_owned(), model)].into(), requests: 1, ..Metered::default() }
        };
        let cost = |metered: &Metered, said| counted(metered, said).cost_microusd;
        assert_eq!([cost(&model(true), 3), cost(&model(true), 0), cost(&model(false), 3)], [3, 9, 9]);
    }
}
