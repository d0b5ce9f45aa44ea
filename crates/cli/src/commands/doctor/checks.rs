//! The checks themselves.

use std::path::Path;
use std::time::Duration;

use gadugi_config::{Flags, Resolved, verify};
use gadugi_core::{HomePolicy, UvPolicy};
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Reply, Request};
use gadugi_sys::env;

use super::{Check, Health};
use crate::error::{Problem, Stop};
use crate::output::Manner;
use crate::place::{Place, check_writable};
use crate::programs::{self, Found};
use crate::{containers, machine, text};

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);
/// Disk below which a run of a few tasks may not fit, in MiB.
const LITTLE_DISK: u64 = 2048;
/// Memory that one agent wants, in MiB: Claude Code takes some 300, its tools take more.
const LITTLE_MEMORY: u64 = 1024;

/// All of them. What cannot be looked at because something else is missing is left out.
pub(super) async fn all(place: Result<Place, Stop>) -> Vec<Check> {
    let mut checks = vec![git()];
    let place = match place {
        Ok(place) => {
            checks.push(ok("repository", place.repository.root().display().to_string()));
            checks.extend(head(&place));
            Some(place)
        }
        Err(stop) => {
            checks.push(missing("repository", &stop));
            None
        }
    };
    let resolved = place.as_ref().and_then(|place| settings(place, &mut checks));
    checks.push(agent(resolved.as_ref()).await);
    checks.push(login(resolved.as_ref()));
    checks.extend(containers(resolved.as_ref()).await);
    checks.push(version("node", "agents' CLIs from npm want it", "apt-get install nodejs npm").await);
    checks.push(uv(place.as_ref(), resolved.as_ref()).await);
    checks.push(memory());
    checks.push(slots(resolved.as_ref()));
    if let Some(place) = &place {
        checks.push(disk(place.repository.root()));
        checks.push(state(place));
        checks.extend(records(place));
        checks.push(engine(place).await);
    }
    checks
}

fn ok(name: &'static str, detail: impl Into<String>) -> Check {
    Check { name, health: Health::Ok, detail: detail.into(), mend: None }
}

fn note(name: &'static str, detail: impl Into<String>, mend: Option<String>) -> Check {
    Check { name, health: Health::Note, detail: detail.into(), mend }
}

fn wrong(name: &'static str, problem: Problem) -> Check {
    Check { name, health: Health::Missing, detail: problem.message, mend: problem.hint }
}

fn missing(name: &'static str, stop: &Stop) -> Check {
    let first = match stop {
        Stop::Problems(problems) => problems.first().cloned(),
        Stop::ReaderGone => None,
    };
    wrong(name, first.unwrap_or_else(|| Problem::failure("unknown", "it cannot be used", None)))
}

fn git() -> Check {
    match gadugi_workspace::git_version() {
        Ok(version) => ok("git", version),
        Err(error) => wrong("git", error.into()),
    }
}

fn head(place: &Place) -> Option<Check> {
    match place.repository.head() {
        Ok(head) => head.branch.is_none().then(|| {
            let detail = "HEAD is detached: land needs --into BRANCH";
            note("head", detail, None)
        }),
        Err(error) => Some(wrong("head", error.into())),
    }
}

fn settings(place: &Place, checks: &mut Vec<Check>) -> Option<Resolved> {
    match place.settings(Flags::default(), Manner::Words) {
        Ok(resolved) => {
            let own = place.repository.root().join(gadugi_config::FILE_NAME).exists();
            let detail = if own { "gadugi.toml is sound" } else { "no gadugi.toml: defaults" };
            let mend = (!own).then(|| "gadugi init".to_owned());
            let shows = "gadugi doctor --config shows each value".to_owned();
            checks.push(Check { mend: mend.or(Some(shows)), ..ok("settings", detail) });
            Some(resolved)
        }
        Err(stop) => {
            checks.push(missing("settings", &stop));
            None
        }
    }
}

async fn agent(resolved: Option<&Resolved>) -> Check {
    let settings = resolved.map(|resolved| resolved.settings.clone()).unwrap_or_default();
    if let Err(problem) = programs::check_agent(&settings.agent, &settings) {
        return wrong("agent", problem);
    }
    let Some(program) = programs::of_agent(&settings.agent, &settings) else {
        return ok("agent", format!("{}: part of gadugi", settings.agent));
    };
    match said_version(&program).await {
        Some(version) => ok("agent", format!("{}: {program} {version}", settings.agent)),
        None => {
            note("agent", format!("{program} does not say its version"), Some(format!("{program} --version")))
        }
    }
}

fn login(resolved: Option<&Resolved>) -> Check {
    let of_environment =
        [env::API_KEY, env::AUTH_TOKEN, env::OAUTH_TOKEN].into_iter().find(|name| env::get(name).is_some());
    if let Some(name) = of_environment {
        return ok("login", format!("{name} is set"));
    }
    match resolved.map(|resolved| resolved.settings.home).unwrap_or_default() {
        HomePolicy::User => note(
            "login",
            "agents share the login in your home folder; one that renews it can log the others out",
            Some("claude setup-token, and export CLAUDE_CODE_OAUTH_TOKEN=… before gadugi run".to_owned()),
        ),
        HomePolicy::Own => note(
            "login",
            "each task has a home of its own, and no credential is in the environment",
            Some("export ANTHROPIC_API_KEY=… or CLAUDE_CODE_OAUTH_TOKEN=… (claude setup-token)".to_owned()),
        ),
    }
}

async fn uv(place: Option<&Place>, resolved: Option<&Resolved>) -> Check {
    let policy = resolved.map(|resolved| resolved.settings.uv).unwrap_or_default();
    let root = place.map(|place| place.repository.root());
    let read = |name: &str| std::fs::read_to_string(root?.join(name)).ok();
    let has = |name: &str| root.is_some_and(|root| root.join(name).is_file());
    let wanted = policy == UvPolicy::On || (policy == UvPolicy::Auto && verify::uses_uv(has, read));
    let why = if wanted { "this repository uses it" } else { "only repositories that use it want it" };
    let check = version("uv", why, "pip install uv").await;
    match check.health {
        Health::Note if wanted => Check { health: Health::Missing, ..check },
        _ => check,
    }
}

/// A program that is worth having.
async fn version(name: &'static str, why: &str, install: &str) -> Check {
    match programs::on_path(name) {
        Found::Program(_) => ok(name, said_version(name).await.unwrap_or_else(|| "it is there".to_owned())),
        Found::NotExecutable(path) => note(name, format!("{} is not executable", path.display()), None),
        Found::Missing => note(name, format!("not there ({why})"), Some(install.to_owned())),
    }
}

async fn said_version(program: &str) -> Option<String> {
    let mut command = tokio::process::Command::new(program);
    command.arg("--version").stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text::fit(text.lines().next()?, 60);
    (output.status.success() && !line.is_empty()).then_some(line)
}

fn memory() -> Check {
    match machine::memory_mib() {
        Some((all, available)) => {
            let detail = format!("{:.1} GiB of {:.1} GiB available", gib(available), gib(all));
            if available < LITTLE_MEMORY {
                note("memory", detail, Some("one task at a time: --max-parallel 1".to_owned()))
            } else {
                ok("memory", detail)
            }
        }
        None => note("memory", "the kernel does not say", None),
    }
}

fn slots(resolved: Option<&Resolved>) -> Check {
    match resolved.and_then(|resolved| resolved.settings.max_parallel) {
        Some(slots) => ok("slots", format!("{slots}, as you set them")),
        None => {
            let (slots, measured) = gadugi_engine::slots();
            ok("slots", format!("{slots} ({measured})"))
        }
    }
}

fn disk(root: &Path) -> Check {
    match machine::disk_mib(root) {
        Some(free) if free < LITTLE_DISK => {
            note("disk", format!("{:.1} GiB free", gib(free)), Some("gadugi clean --older-than 0".to_owned()))
        }
        Some(free) => ok("disk", format!("{:.1} GiB free", gib(free))),
        None => note("disk", "the file system does not say", None),
    }
}

fn gib(mib: u64) -> f64 {
    mib as f64 / 1024.0
}

fn state(place: &Place) -> Check {
    let dir = place.layout.state_dir();
    match check_writable(&dir) {
        Ok(()) => ok("state", dir.display().to_string()),
        Err(problem) => wrong("state", problem),
    }
}

/// The event log, only read: whatever is wrong with it is for a person to decide.
fn records(place: &Place) -> Vec<Check> {
    let records = match gadugi_engine::records::examine(&place.layout) {
        Ok(None) => return vec![ok("records", "nothing was run here yet")],
        Ok(Some(records)) => records,
        Err(failure) => return vec![wrong("records", failure.into())],
    };
    let mut checks =
        vec![ok("records", format!("{} runs, {} events, all sound", records.runs, records.events))];
    if !records.unreadable.is_empty() {
        let mend = "other runs are not concerned; that run's worktrees and branches stay: gadugi worktrees";
        let problem = Problem::environment("records-damaged", records.unreadable.join("; "), Some(mend));
        checks = vec![wrong("records", problem)];
    }
    if !records.unrecorded.is_empty() {
        let detail = format!("left files and are not on record: {}", records.unrecorded.join(", "));
        checks.push(note("records", detail, Some("gadugi worktrees shows what they left".to_owned())));
    }
    checks
}

/// Whether tasks can run in containers. Nothing that has to be: without them they run on this machine.
async fn containers(resolved: Option<&Resolved>) -> Vec<Check> {
    let Some(resolved) = resolved else { return Vec::new() };
    let found = containers::look(resolved).await;
    let mut checks = vec![match &found {
        Ok(found) => ok("containers", found.words()),
        Err(Problem { message, hint, .. }) => note("containers", message.clone(), hint.clone()),
    }];
    let tokens = [env::API_KEY, env::AUTH_TOKEN, env::OAUTH_TOKEN];
    if found.is_ok() && tokens.into_iter().all(|name| env::get(name).is_none()) {
        let detail =
            "agents in containers need a key or token of the environment: a login of your own stays outside";
        checks.push(note("token", detail, Some(containers::MAKE_TOKEN.to_owned())));
    }
    checks
}

async fn engine(place: &Place) -> Check {
    match Client::connect(&place.layout).await {
        Ok(None) => ok("engine", "none runs; commands start one"),
        Ok(Some(mut client)) => match client.ask(&Request::Hello).await {
            Ok(Reply::Hello { pid, .. }) => ok("engine", format!("runs, pid {pid}")),
            _ => note("engine", "runs, and does not answer", Some("see .gadugi/engine.log".to_owned())),
        },
        Err(error) => wrong("engine", error.into()),
    }
}
