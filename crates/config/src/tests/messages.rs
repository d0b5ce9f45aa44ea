use std::fs;

use super::World;
use crate::Flags;

/// What a file says, and how the message begins behind the file's name.
const BAD_VALUES: &[(&str, &str)] = &[
    ("[run]\nmax_parallel = 0", "2:16: run.max_parallel: expected a whole number from 1 to 1024, found 0"),
    (
        "[run]\n  max_parallel = 1025",
        "2:18: run.max_parallel: expected a whole number from 1 to 1024, found 1025",
    ),
    (
        "[run]\nmax_parallel = \"4\"",
        "2:16: run.max_parallel: expected a whole number from 1 to 1024, found \"4\"",
    ),
    ("run.max_parallel = -1", "1:20: run.max_parallel: expected a whole number from 1 to 1024, found -1"),
    (
        "run.executor = 'kubernetes'",
        "1:16: run.executor: expected local or docker (kubernetes is a name kept for later), found \"kubernetes\"",
    ),
    (
        "container.caches = ['npm', 'maven']",
        "1:20: container.caches: expected a list of uv, npm, cargo or pip, found \"maven\"",
    ),
    ("run.executor = 'podman'", "1:16: run.executor: expected local or docker, found \"podman\""),
    (
        "run.agent = 'codex'",
        "1:13: run.agent: expected claude or scripted (codex is a name kept for later), found \"codex\"",
    ),
    (
        "run.timeout = '90 bananas'",
        "1:15: run.timeout: expected 90m, 30s, 1h30m or a number of hours, above 0 and at most 365 days, found \"90 bananas\"",
    ),
    (
        "run.timeout = 0",
        "1:15: run.timeout: expected 90m, 30s, 1h30m or a number of hours, above 0 and at most 365 days, found 0",
    ),
    ("run.grace = 10", "1:13: run.grace: expected a duration with its unit, such as 30s or 10m, found 10"),
    (
        "run.budget = -1.5",
        "1:14: run.budget: expected an amount in US dollars above 0, such as 2.50, found -1.5",
    ),
    (
        "run.budget = nan",
        "1:14: run.budget: expected an amount in US dollars above 0, such as 2.50, found nan",
    ),
    (
        "run.model = '--evil'",
        "1:13: run.model: expected one word that does not begin with a dash, found \"--evil\"",
    ),
    ("run.review = 'no'", "1:14: run.review: expected true or false, found \"no\""),
    ("run = 3", "1:7: run: invalid type: integer `3`, expected a table, as in [run]"),
    (
        "limits.memory = '4'",
        "1:17: limits.memory: expected a size with its unit, such as 512MiB or 4GiB, found \"4\"",
    ),
    (
        "limits.cpus = 0",
        "1:15: limits.cpus: expected a number of processors above 0 and up to 1024, such as 1.5, found 0",
    ),
    (
        "workspace.dir = '.'",
        "1:17: workspace.dir: expected a folder other than the repository itself, found \".\"",
    ),
    (
        "workspace.branch = 'work'",
        "1:20: workspace.branch: expected {id} or {name} in it, so that no two tasks share a branch, found \"work\"",
    ),
    (
        "workspace.branch = '{task}'",
        "1:20: workspace.branch: expected {name}, {id}, {run} or {attempt}, found {task}, found \"{task}\"",
    ),
    ("workspace.setup = [1]", "1:19: workspace.setup: expected a shell command or a list of them, found 1"),
    (
        "workspace.env_deny = ['A*B']",
        "1:22: workspace.env_deny: expected names of variables, with a * at most at the end, found \"A*B\"",
    ),
    ("workspace.home = 'mine'", "1:18: workspace.home: expected user or own, found \"mine\""),
    ("workspace.uv = true", "1:16: workspace.uv: expected auto, on or off, found true"),
    (
        "gateway.upstream = 'ftp://x'",
        "1:20: gateway.upstream: expected an address that begins with https:// or http://, found \"ftp://x\"",
    ),
    (
        "gateway.network = ['a.example.com']",
        "1:19: gateway.network: expected hosts with their ports, such as api.example.com:443, found \"a.example.com\"",
    ),
    (
        "agents.claude.command = ''",
        "1:25: agents.claude.command: expected the name or the path of a program, found nothing",
    ),
    (
        "agents.claude.env = { GADUGI_ATTEMPT = 'x' }",
        "1:21: agents.claude.env: expected a table of variables and their texts, none of them gadugi's own, found \"GADUGI_ATTEMPT\"",
    ),
    ("merge.strategy = 'rebase'", "1:18: merge.strategy: expected merge or squash, found \"rebase\""),
    (
        "[[classify]]\nkind = 'poem'\nany = 'x'",
        "2:8: classify.kind: expected test-coverage, bug-fix, feature, refactoring, documentation or configuration, found \"poem\"",
    ),
    ("[[classify]]\nkind = 'feature'", "1:1: classify: missing field `any`"),
    (
        "notify.on = ['done', 'never']",
        "1:13: notify.on: expected a list of done, failed, needs-person or limit, found \"never\"",
    ),
    (
        "notify.webhook = 'http://hooks.example.com/x'",
        "1:18: notify.webhook: expected an address that begins with https:// (http:// to this machine alone) and holds no password, found \"http://hooks.example.com/x\"",
    ),
    (
        "notify.webhook_secret_env = 'a secret'",
        "1:29: notify.webhook_secret_env: expected the name of a variable, found \"a secret\"",
    ),
    ("notify.command = 7", "1:18: notify.command: expected a list of arguments, found 7"),
    ("ü = 1", "1:1: invalid"),
    ("[run\n", "1:5: unclosed table, expected `]`"),
    ("a = 1\na = 2", "2:1: duplicate key"),
];

#[test]
fn a_bad_value_in_a_file_says_where_what_was_expected_and_what_was_found() {
    let mut wrong = Vec::new();
    for (text, expected) in BAD_VALUES {
        let message = World::new().repository(text).message();
        if !message.starts_with(&format!("repo/gadugi.toml:{expected}")) || message.contains('\n') {
            wrong.push(format!("{text:?}\n  expected {expected}\n  found    {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_bad_flag_or_variable_says_which() {
    let number = "expected a whole number from 1 to 1024";
    let flags = |flags: Flags| World::new().flags(flags).message();
    let max_parallel = Flags { max_parallel: Some(0), ..Flags::default() };
    assert_eq!(flags(max_parallel), format!("--max-parallel: {number}, found \"0\""));
    let budget = Flags { budget: Some(f64::NAN), ..Flags::default() };
    assert_eq!(
        flags(budget),
        "--budget: expected an amount in US dollars above 0, such as 2.50, found \"NaN\""
    );
    for (name, value, expected) in [
        ("GADUGI_MAX_PARALLEL", "many", format!("{number}, found \"many\"")),
        (
            "GADUGI_KEEP",
            "maybe",
            "expected 1 or 0, true or false, yes or no, on or off, found \"maybe\"".into(),
        ),
        ("GADUGI_AGENT", "claud", "expected claude or scripted, found \"claud\"".into()),
    ] {
        assert_eq!(World::new().variable(name, value).message(), format!("{name}: {expected}"));
    }
}

#[test]
fn a_bad_value_that_is_overruled_is_still_an_error() {
    let flags = Flags { max_parallel: Some(2), ..Flags::default() };
    let world = World::new().user("[run]\nmax_parallel = 0").flags(flags);
    assert!(world.message().starts_with("home/.config/gadugi/gadugi.toml:2:16: run.max_parallel: "));
}

#[test]
fn unknown_keys_are_warned_of_with_what_was_meant() {
    let world = World::new().repository(
        "colour = 1\n[run]\nmax_paralel = 3\n  zzzz = 1\n[workspce]\ndir = 'x'\n[agents.claude]\nargz = []\n\
         [agents.hal]\ncommand = 'x'\n[[classify]]\nkind = 'feature'\nany = ['x']\nknd = 1\n[notify]\nwhatever = 1\n",
    );
    let prefix = format!("{}:", world.repository_file().display());
    let warnings: Vec<String> =
        world.resolved().warnings.iter().map(|warning| warning.to_string().replace(&prefix, "")).collect();
    let expected = [
        "1:1: unknown key colour",
        "3:1: unknown key run.max_paralel (did you mean run.max_parallel?)",
        "4:3: unknown key run.zzzz",
        "5:2: unknown key workspce (did you mean workspace?)",
        "8:1: unknown key agents.claude.argz (did you mean agents.claude.args?)",
        "14:1: unknown key classify.knd (did you mean classify.kind?)",
        "9: there is no agent called \"hal\", its settings have no effect",
        "16:1: unknown key notify.whatever",
    ];
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    assert_eq!(sorted(warnings), sorted(expected.map(str::to_owned).into()));
}

#[test]
fn a_file_that_cannot_be_read() {
    let world = World::new();
    fs::create_dir(world.repository_file()).unwrap();
    assert!(world.message().starts_with("repo/gadugi.toml: cannot be read: "), "{}", world.message());
    let world = World::new();
    fs::write(world.repository_file(), b"[run]\n\nmodel = '\xff'\n").unwrap();
    assert_eq!(
        world.message(),
        "repo/gadugi.toml: cannot be read: expected UTF-8, found other bytes in line 3"
    );
    let bom = World::new().repository("\u{feff}[run]\nmax_turns = 3\n");
    assert_eq!(bom.resolved().settings.max_turns, 3);
}
