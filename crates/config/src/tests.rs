//! Every layer, every kind of value, every message.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gadugi_core::{
    AdmissionSettings, CacheKind, ExecutorKind, HangSettings, HomePolicy, Kind, LimitSettings, MergeStrategy,
    Millis, OverlapPolicy, RetrySettings, RunSettings, UvPolicy,
};
use tempfile::TempDir;

use crate::*;

mod messages;
mod never_panics;

struct World {
    folder: TempDir,
    variables: BTreeMap<String, String>,
    flags: Flags,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("repo")).unwrap();
        fs::create_dir_all(folder.path().join("home/.config/gadugi")).unwrap();
        let home = folder.path().join("home").display().to_string();
        Self { folder, variables: [("HOME".to_owned(), home)].into(), flags: Flags::default() }
    }

    fn repository(self, text: &str) -> Self {
        fs::write(self.repository_file(), text).unwrap();
        self
    }

    fn user(self, text: &str) -> Self {
        fs::write(self.user_file(), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    fn repository_file(&self) -> PathBuf {
        self.folder.path().join("repo/gadugi.toml")
    }

    fn user_file(&self) -> PathBuf {
        self.folder.path().join("home/.config/gadugi/gadugi.toml")
    }

    fn resolve(&self) -> Result<Resolved, ConfigError> {
        resolve_with(&self.folder.path().join("repo"), &self.flags, &|name| self.variables.get(name).cloned())
    }

    fn resolved(&self) -> Resolved {
        self.resolve().unwrap()
    }

    /// The message, without the folder of this test.
    fn message(&self) -> String {
        let folder = format!("{}/", self.folder.path().display());
        self.resolve().unwrap_err().to_string().replace(&folder, "")
    }
}

fn setting(resolved: &Resolved, key: &str) -> (Option<String>, Source) {
    let found = resolved.sources.iter().find(|setting| setting.key == key).unwrap();
    (found.value.clone(), found.source.clone())
}

#[test]
fn with_nothing_said_everything_is_a_default() {
    let world = World::new();
    let resolved = world.resolved();
    let env_deny: Vec<String> = DEFAULT_ENV_DENY.map(str::to_owned).into();
    assert_eq!(resolved.settings, RunSettings { env_deny, ..RunSettings::default() });
    assert_eq!(resolved.verify, VerifyChoice::Guess);
    assert_eq!(resolved.base, None);
    assert!(resolved.fallback_to_sequential);
    assert_eq!(resolved.monitoring.dir, world.folder.path().join("repo/.gadugi/monitoring"));
    assert_eq!(resolved.monitoring.interval, Millis::seconds(30));
    assert_eq!(resolved.executor, None);
    assert!(resolved.sources.iter().all(|setting| setting.source == Source::Default));
    assert!(resolved.warnings.is_empty());
    for denied in ["GITHUB_TOKEN", "GITLAB_TOKEN", "AWS_*", "GOOGLE_APPLICATION_CREDENTIALS", "SSH_AUTH_SOCK"]
    {
        assert!(DEFAULT_ENV_DENY.contains(&denied));
    }
}

#[test]
fn a_flag_beats_a_variable_beats_the_repository_beats_the_user_beats_the_default() {
    let timeout = |world: &World| {
        let resolved = world.resolved();
        (resolved.settings.timeout.0 / 60_000, setting(&resolved, "run.timeout").1)
    };
    let world = World::new();
    assert_eq!(timeout(&world), (120, Source::Default));
    let world = world.user("[run]\n\ntimeout = '1m'\n");
    assert_eq!(timeout(&world), (1, Source::UserFile { path: world.user_file(), line: 3 }));
    let world = world.repository("# first\n[run]\ntimeout = '2m'\n");
    assert_eq!(timeout(&world), (2, Source::ProjectFile { path: world.repository_file(), line: 3 }));
    let world = world.variable("GADUGI_TIMEOUT", "3m");
    assert_eq!(timeout(&world), (3, Source::Variable("GADUGI_TIMEOUT")));
    let world = world.flags(Flags { timeout: Some("4m".into()), ..Flags::default() });
    assert_eq!(timeout(&world), (4, Source::Flag("--timeout")));
    assert_eq!(setting(&world.resolved(), "run.timeout").0.unwrap(), "\"4m\"");
}

#[test]
fn every_flag_and_every_variable_arrives() {
    let flags = Flags {
        max_parallel: Some(3),
        timeout: Some("1".into()),
        executor: Some("docker".into()),
        agent: Some("scripted".into()),
        model: Some("m-1".into()),
        max_turns: Some(7),
        budget: Some(2.5),
        task_budget: Some(0.000_001),
        base: Some("v1.0^{}".into()),
        verify: Some("make t".into()),
        no_review: true,
        no_fallback: true,
        overlap: Some("parallel".into()),
        overlap_threshold: Some(70),
        keep: true,
        config_file: None,
    };
    let variables = [
        ("MAX_PARALLEL", "3"),
        ("TIMEOUT", "1"),
        ("EXECUTOR", "docker"),
        ("AGENT", "scripted"),
        ("MODEL", "m-1"),
        ("MAX_TURNS", "7"),
        ("BUDGET", "2.5"),
        ("TASK_BUDGET", "0.000001"),
        ("BASE", "v1.0^{}"),
        ("VERIFY", "make t"),
        ("NO_REVIEW", "1"),
        ("NO_FALLBACK", "yes"),
        ("OVERLAP", "parallel"),
        ("OVERLAP_THRESHOLD", "70"),
        ("KEEP", "true"),
    ];
    let by_variables = variables
        .iter()
        .fold(World::new(), |world, (name, value)| world.variable(&format!("GADUGI_{name}"), value));
    for resolved in [World::new().flags(flags).resolved(), by_variables.resolved()] {
        let settings = &resolved.settings;
        assert_eq!((settings.max_parallel, settings.timeout), (Some(3), Millis::seconds(3600)));
        assert_eq!((settings.executor, settings.agent.as_str()), (ExecutorKind::Docker, "scripted"));
        assert_eq!((settings.model.as_deref(), settings.max_turns), (Some("m-1"), 7));
        assert_eq!((settings.budget_microusd, settings.task_budget_microusd), (Some(2_500_000), Some(1)));
        assert_eq!((resolved.base.as_deref(), settings.verify.as_deref()), (Some("v1.0^{}"), Some("make t")));
        assert!(!settings.review && settings.keep && !resolved.fallback_to_sequential);
        let analysis = &resolved.analysis;
        assert_eq!((analysis.overlap, analysis.overlap_threshold), (OverlapPolicy::Parallel, Some(70)));
        assert_eq!(setting(&resolved, "run.review").0.unwrap(), "false");
        let said = |setting: &&Setting| setting.source != Source::Default;
        assert_eq!(resolved.sources.iter().filter(said).count(), 15);
    }
}

#[test]
fn every_variable_is_registered() {
    let known: Vec<&str> = gadugi_sys::env::REGISTER.iter().map(|variable| variable.name).collect();
    for name in ["GADUGI_NO_REVIEW", "GADUGI_NO_FALLBACK", "GADUGI_KEEP", "GADUGI_CONFIG", "GADUGI_VERIFY"] {
        assert!(known.contains(&name), "{name}");
    }
}

const EVERYTHING: &str = r#"
[run]
max_parallel = 1024
timeout = 0.5
executor = "local"
agent = "claude"
model = "m"
max_turns = 9
budget = 10
task_budget = 0.5
base = "main"
verify = "make"
review = false
keep = true
fallback_to_sequential = false
grace = "3s"
lease = "20m"
[retry]
transient = 7
crashes = 2
continuations = 0
failures = 1
first = "100ms"
cap = "3s"
[hang]
suspect = "1m"
stop = "2m"
after_result = "4s"
[admission]
min_memory = "2GiB"
min_disk = "100MiB"
max_cpu = 75
[limits]
memory = "4GiB"
cpus = 1.5
pids = 99
disk = "10g"
output = "2MiB"
[container]
image = "team/agent:1"
env = ["TEAM_*"]
caches = ["npm", "uv", "npm"]
[workspace]
dir = "../trees"
branch = "g/{run}/{id}"
include = [".env"]
setup = "npm ci"
home = "own"
uv = "off"
env_deny = ["MY_*"]
[monitoring]
dir = "/tmp/m"
interval = "5s"
[gateway]
upstream = "https://api.example.com"
network = ["a.example.com:443"]
budget = 11
local = false
[agents.claude]
command = "/opt/my claude/claude"
args = ["--x", "-y"]
env = { A = "secret-1" }
[analysis]
overlap = "ask"
overlap_threshold = 60
command = ["analyse", "--all"]
max_parts = 5
[estimates]
command = "guess"
shared = false
[merge]
strategy = "squash"
verify = "make all"
[notify]
on = ["limit", "done", "limit"]
command = ["tell", "-x"]
webhook = "https://hooks.example.com/x?y=1"
webhook_secret_env = "HOOK_SECRET"
[[classify]]
kind = "documentation"
any = "guide"
"#;

#[test]
fn every_key_of_a_file_arrives() {
    let resolved = World::new().repository(EVERYTHING).resolved();
    let settings = &resolved.settings;
    assert_eq!((settings.max_parallel, settings.timeout), (Some(1024), Millis::seconds(1800)));
    assert_eq!((settings.grace, settings.lease), (Millis::seconds(3), Millis::seconds(1200)));
    let (first, cap) = (Millis(100), Millis::seconds(3));
    let retry = RetrySettings { transient: 7, crashes: 2, continuations: 0, failures: 1, first, cap };
    assert_eq!(settings.retry, retry);
    let (suspect, stop) = (Millis::seconds(60), Millis::seconds(120));
    assert_eq!(settings.hang, HangSettings { suspect, stop, after_result: Millis::seconds(4) });
    let admission = AdmissionSettings { min_memory_mib: 2048, min_disk_mib: 100, max_cpu_percent: 75 };
    assert_eq!(settings.admission, admission);
    assert_eq!((settings.budget_microusd, settings.task_budget_microusd), (Some(10_000_000), Some(500_000)));
    assert_eq!((settings.review, settings.keep, resolved.fallback_to_sequential), (false, true, false));
    assert_eq!((settings.home, settings.uv), (HomePolicy::Own, UvPolicy::Off));
    assert_eq!(
        (settings.worktree_dir.as_str(), settings.branch_template.as_str()),
        ("../trees", "g/{run}/{id}")
    );
    assert_eq!(
        (settings.include.as_slice(), settings.setup.as_slice()),
        (&[".env".into()][..], &["npm ci".into()][..])
    );
    assert_eq!(
        (settings.env_deny.join(" "), settings.merge),
        ("MY_* HOOK_SECRET".into(), MergeStrategy::Squash)
    );
    assert_eq!(settings.agents["claude"].command.as_deref(), Some("/opt/my claude/claude"));
    assert_eq!(settings.agents["claude"].args, ["--x", "-y"]);
    assert_eq!(settings.agents["claude"].env["A"], "secret-1");
    let limits = LimitSettings {
        memory_bytes: Some(4 << 30),
        cpus_permille: Some(1500),
        pids: 99,
        disk_bytes: Some(10 << 30),
        output_bytes: 2 << 20,
    };
    assert_eq!(settings.limits, limits);
    assert_eq!(settings.container.image.as_deref(), Some("team/agent:1"));
    assert_eq!(settings.container.env, ["TEAM_*"]);
    assert_eq!(settings.container.caches, [CacheKind::Uv, CacheKind::Npm], "each once");
    assert_eq!(resolved.monitoring.dir, Path::new("/tmp/m"));
    assert_eq!(settings.gateway.network, ["a.example.com:443"]);
    assert_eq!(
        (settings.gateway.upstream.as_deref(), settings.gateway.local),
        (Some("https://api.example.com"), false)
    );
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let analysis = AnalysisSettings {
        overlap: OverlapPolicy::Ask,
        overlap_threshold: Some(60),
        command: words(&["analyse", "--all"]),
        max_parts: 5,
        estimates_command: words(&["guess"]),
        shared: false,
    };
    assert_eq!(resolved.analysis, analysis);
    let notify = NotifySettings {
        on: vec![NotifyKind::Done, NotifyKind::Limit],
        command: words(&["tell", "-x"]),
        webhook: Some("https://hooks.example.com/x?y=1".into()),
        webhook_secret_env: Some("HOOK_SECRET".into()),
    };
    assert_eq!(resolved.notify, notify);
    assert_eq!(resolved.classify, [(Kind::Documentation, vec!["guide".to_owned()])]);
    assert_eq!(resolved.warnings, []);
    let known = ["run.verify", "merge.verify", "agents.claude.env", "gateway.upstream", "limits.disk"];
    for key in known {
        assert!(matches!(setting(&resolved, key).1, Source::ProjectFile { line: 2.., .. }), "{key}");
    }
}

#[test]
fn what_stands_in_an_agents_variables_is_never_shown() {
    let resolved = World::new().repository(EVERYTHING).resolved();
    assert_eq!(setting(&resolved, "agents.claude.env").0.unwrap(), "{ A = … }");
    assert!(resolved.sources.iter().all(|setting| !format!("{setting:?}").contains("secret-1")));
    let broken = World::new().repository("[agents.claude]\nenv = { GADUGI_ATTEMPT = 'secret-1' }\n");
    assert!(!broken.message().contains("secret-1"), "{}", broken.message());
}

#[test]
fn agents_of_both_files_are_joined() {
    let world = World::new()
        .user("[agents.claude]\ncommand = 'u'\nargs = ['--u']\nenv = { A = 'u', B = 'u' }\n[agents.scripted]\ncommand = 's'\n")
        .repository("[agents.claude]\nargs = ['--r']\nenv = { A = 'r' }\n");
    let agents = world.resolved().settings.agents;
    assert_eq!(agents["claude"].command.as_deref(), Some("u"));
    assert_eq!(agents["claude"].args, ["--r"]);
    assert_eq!(
        agents["claude"].env,
        [("A".to_owned(), "r".to_owned()), ("B".to_owned(), "u".to_owned())].into()
    );
    assert_eq!(agents["scripted"].command.as_deref(), Some("s"));
}

#[test]
fn which_verify_command_counts() {
    let command = |text: &str| VerifyChoice::Command(text.into());
    let of = |world: World| (world.resolved().verify, world.resolved().settings.verify);
    let file = "[run]\nverify = 'run'\n[merge]\nverify = 'merge'\n";
    assert_eq!(of(World::new().repository("[run]\nverify = 'run'")), (command("run"), Some("run".into())));
    assert_eq!(of(World::new().repository(file)), (command("merge"), Some("merge".into())));
    assert_eq!(
        of(World::new().repository(file).variable("GADUGI_VERIFY", "v")),
        (command("v"), Some("v".into()))
    );
    assert_eq!(of(World::new().repository("[run]\nverify = ''")), (VerifyChoice::Off, None));
    let off = Flags { verify: Some(String::new()), ..Flags::default() };
    assert_eq!(of(World::new().repository(file).flags(off)), (VerifyChoice::Off, None));
}

#[test]
fn another_file_in_place_of_the_repositorys() {
    let world = World::new().repository("[run]\nmodel = 'repo'").user("[run]\nmax_turns = 5");
    let other = world.folder.path().join("other.toml");
    fs::write(&other, "[run]\nmodel = 'other'").unwrap();
    let world = world.flags(Flags { config_file: Some(other.clone()), ..Flags::default() });
    let resolved = world.resolved();
    assert_eq!((resolved.settings.model.as_deref(), resolved.settings.max_turns), (Some("other"), 5));
    let text = other.display().to_string();
    let by_variable = World::new().repository("[run]\nmodel = 'repo'").variable("GADUGI_CONFIG", &text);
    assert_eq!(by_variable.resolved().settings.model.as_deref(), Some("other"));
    fs::remove_file(&other).unwrap();
    assert_eq!(world.message(), "other.toml: no such file (named by --config)");
}

#[test]
fn the_users_file_lies_where_xdg_says() {
    let world = World::new().user("[run]\nmodel = 'home'");
    let xdg = world.folder.path().join("xdg");
    fs::create_dir_all(xdg.join("gadugi")).unwrap();
    fs::write(xdg.join("gadugi/gadugi.toml"), "[run]\nmodel = 'xdg'").unwrap();
    let world = world.variable("XDG_CONFIG_HOME", "relative/counts/as/unset");
    assert_eq!(world.resolved().settings.model.as_deref(), Some("home"));
    let world = world.variable("XDG_CONFIG_HOME", &xdg.display().to_string());
    assert_eq!(world.resolved().settings.model.as_deref(), Some("xdg"));
}

/// Lines of the sample that are keys, uncommented.
fn uncommented() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest)
            if !rest.is_empty() && rest != " " && (!rest.starts_with(' ') || rest.starts_with("    ")) =>
        {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    SAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_says_nothing_and_its_keys_say_the_defaults() {
    let plain = World::new().resolved();
    let sample = World::new().repository(SAMPLE).resolved();
    assert_eq!(sample.settings, plain.settings);
    assert!(sample.warnings.is_empty(), "{:?}", sample.warnings);
    assert!(sample.sources.iter().all(|setting| setting.source == Source::Default));

    let text = uncommented();
    let said = World::new().repository(&text).resolved();
    for default in plain.sources.iter().filter(|setting| setting.value.is_some()) {
        let (value, source) = setting(&said, &default.key);
        assert_eq!(value, default.value, "{}", default.key);
        assert!(matches!(source, Source::ProjectFile { .. }), "{} is not in the sample", default.key);
    }
    let missing: Vec<&Setting> =
        said.sources.iter().filter(|setting| setting.source == Source::Default).collect();
    assert!(missing.is_empty(), "not in the sample: {missing:?}");
    let unknown = said.warnings.iter().any(|warning| matches!(warning, Warning::UnknownKey { .. }));
    assert!(!unknown, "{:?}", said.warnings);
}

#[test]
fn a_webhook_is_read_by_nobody_on_the_way() {
    let world = |url: &str| World::new().repository(&format!("[notify]\nwebhook = {url:?}"));
    for good in [
        "https://hooks.example.com",
        "https://hooks.example.com:8443/a?b=c",
        "http://127.0.0.1:80/x",
        "http://localhost/x",
        "http://[::1]:9/",
    ] {
        assert_eq!(world(good).resolved().notify.webhook.as_deref(), Some(good));
    }
    for bad in [
        "http://hooks.example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost@example.com/",
        "http://[::2]/",
        "https://me:password@example.com/",
        "https:///x",
        "https://",
        "ftp://example.com",
        "hooks.example.com",
        "https://a b",
    ] {
        assert!(world(bad).message().contains("notify.webhook: expected an address"), "{bad}");
    }
    // A run without either tells nobody.
    let none = World::new().resolved().notify;
    assert_eq!((none.command, none.webhook, none.on.len()), (None, None, 4));
}

#[test]
fn the_schema_that_is_checked_in_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("gadugi.schema.json");
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == json_schema(),
        "write it anew: cargo run -p gadugi-config --example schema > crates/config/gadugi.schema.json"
    );
}

#[test]
fn every_kind_of_value_has_its_schema() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    fn leaves(value: &serde_json::Value, path: &str, bare: &mut Vec<String>) {
        for (name, property) in value["properties"].as_object().into_iter().flatten() {
            let constrained =
                ["type", "enum", "anyOf", "$ref", "allOf"].iter().any(|word| property.get(word).is_some());
            if !constrained {
                bare.push(format!("{path}.{name}"));
            }
        }
    }
    let mut bare = Vec::new();
    leaves(&schema, "", &mut bare);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        leaves(definition, name, &mut bare);
    }
    assert!(bare.is_empty(), "{bare:?}");
}
