//! Twelve tasks, four at a time, each in containers of its own.

use std::fs;
use std::time::{Duration, Instant};

use gadugi_testkit::model_api::{ModelApi, USAGE_PER_TURN};
use serde_json::Value;

use crate::scene::{KEY, Scene, bash, json_file, says};
use crate::stage::{Live, PATIENCE, untouched, users_own};

/// What an agent finds that looks for ways out. Each line says `no` where there is none.
const PROBE: &str = r#"
ways() {
    test "$(ls /sys/class/net)" = lo && echo no device
    timeout 5 bash -c '</dev/tcp/1.1.1.1/443' 2>/dev/null || echo no address
    timeout 5 bash -c '</dev/tcp/169.254.169.254/80' 2>/dev/null || echo no metadata
    timeout 5 bash -c "</dev/tcp/127.0.0.1/$1" 2>/dev/null || echo no loopback of the host
    timeout 5 getent hosts example.com || echo no name
    curl --silent --max-time 5 --noproxy '*' https://example.com >/dev/null || echo no web
    find / -name 'docker.sock' -o -name 'containerd.sock' 2>/dev/null | grep . || echo no engine
    { env; cat /proc/[0-9]*/environ; } 2>/dev/null | tr '\0' '\n' | grep -F "$2" || echo no key
    touch /gadugi/probe /etc/probe 2>/dev/null || echo no root
    grep -E 'CapEff:.*[1-9a-f]' /proc/self/status || echo no capability
}
ways "$@" > probe.txt
"#;

/// None of these ways.
const NO_WAYS: [&str; 10] = [
    "no device",
    "no address",
    "no metadata",
    "no loopback of the host",
    "no name",
    "no web",
    "no engine",
    "no key",
    "no root",
    "no capability",
];

/// Works, and holds so much memory, until it is given a sign.
const STEADY: &str = "python3 -c \"
import os, threading
held = bytearray(os.urandom(1 << 20) * 200)
threads = [threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(10)]
[thread.start() for thread in threads]
open('/tmp/held', 'w').close()
while not os.path.exists('/tmp/go'):
    sum(range(20000))
\"";

/// A change with its test, tried by its agent as gadugi will try it.
fn prompt(scene: &Scene, name: &str, front: &str, says_what: &str) {
    let module = format!("def say():\n    return '{says_what}'\n");
    let test = format!(
        "import unittest\nfrom src.{name} import say\n\n\nclass Test(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(say(), '{says_what}')\n"
    );
    let file = |path: &str, text: &str| serde_json::json!({"tool": "Write", "input": {"file_path": format!("$CWD/{path}"), "content": text}});
    let turns = [
        Value::Array(vec![says("GADUGI-PHASE: 5"), file(&format!("src/{name}.py"), &module)]),
        file(&format!("tests/test_{name}.py"), &test),
        bash(&format!(
            "{VERIFY} && git add -A && git commit -q -m 'add {name}' && git log --oneline | wc -l"
        )),
        says("done"),
    ];
    scene.model_prompt(name, front, &turns);
}

const VERIFY: &str = "python3 -m unittest discover -q -s tests -t .";

#[test]
fn twelve_tasks_in_containers_are_tested_and_merged_and_leave_nothing() {
    let api = ModelApi::start().unwrap();
    let mut scene = Scene::new("[limits]\nmemory = \"2GiB\"\n");
    scene.ask(&api);
    for name in ["a1", "a2", "a3", "b1", "c1", "d1"] {
        prompt(&scene, name, "", name);
    }
    prompt(&scene, "b2", "depends_on: [b1]", "b2");
    prompt(&scene, "b3", "depends_on: [b2]", "b3");
    prompt(&scene, "c2", "depends_on: [c1, d1]", "c2");
    // Seen by who follows: what the one before it wrote is there.
    let turns = [bash("python3 -c 'import src.b3; print(src.b3.say())' > src/chain.txt"), says("done")];
    scene.model_prompt("chain", "depends_on: [b3, c2]", &turns);
    let steady = [bash(STEADY), bash("echo steady > steady.txt"), says("done")];
    scene.model_prompt("steady", "priority: 100", &steady);
    scene.write("tools/probe", PROBE);
    let port = api.port();
    let probe = [bash(&format!("bash tools/probe {port} {KEY}")), says("done")];
    scene.model_prompt("probe", "priority: 90", &probe);
    scene.write("src/__init__.py", "");
    scene.write("tests/__init__.py", "");
    scene.write(".gitignore", "__pycache__/\n");
    scene.commit("prompts");
    scene.write("README.md", "# A repository, as its user is changing it\n");
    scene.write("untracked.txt", "mine\n");
    let before = users_own(&scene);

    let args = ["run", "--max-parallel", "4", "--no-review", "--json", "--verify", VERIFY];
    let run = Live::new(scene.spawn(&args));
    scene.await_sign("steady", "held");
    figures_are_those_of_the_engine(&scene);
    scene.give_sign("steady", "go");
    let ran = run.end();
    ran.ends_with(0);

    untouched(&scene, &before);
    let report = ran.report();
    assert_eq!((report["succeeded"].as_u64(), report["failed"].as_u64()), (Some(12), Some(0)), "{report:#}");
    assert!(report["tasks"].as_array().unwrap().iter().all(|task| task["verdict"] == "verified"));
    let branch = report["branch"].as_str().unwrap();
    assert_eq!(scene.blob(branch, "src/chain.txt"), "b3");
    assert_eq!(scene.blob(branch, "probe.txt").lines().collect::<Vec<_>>(), NO_WAYS);
    let files = scene.files_at(branch);
    for name in ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "d1"] {
        assert!(files.contains(&format!("tests/test_{name}.py")), "{files:?}");
    }
    assert_eq!(agents_at_once(&ran.events()), 4);
    let requests = api.scripted_requests();
    assert!(
        requests.iter().all(|request| request.key.as_deref() == Some(KEY)),
        "the gateway puts the key in"
    );
    assert_eq!(report["tokens"].as_u64(), Some(USAGE_PER_TURN.tokens() * requests.len() as u64));
    scene.nothing_is_left(0);
}

/// The most agents' steps that ran at the same time.
fn agents_at_once(events: &[Value]) -> usize {
    let (mut running, mut most) = (Vec::new(), 0);
    for event in events {
        let step = (event["task"].clone(), event["attempt"].clone(), event["step"].clone());
        match event["type"].as_str().unwrap() {
            "step-intended" if event["what"]["kind"] == "agent" => running.push(step),
            "step-ended" => running.retain(|other| *other != step),
            _ => {}
        }
        most = most.max(running.len());
    }
    most
}

/// Percent of a processor, MiB, processes and threads.
type Figures = (f64, f64, Option<f64>);

/// One look of `docker stats`: percent of a processor, MiB, processes and threads.
fn stats(scene: &Scene, container: &str) -> (f64, f64, f64) {
    let text = scene.docker(&["stats", "--no-stream", "--format", "{{json .}}", container]);
    let stats: Value = serde_json::from_str(&text).unwrap();
    let cpu = stats["CPUPerc"].as_str().unwrap().trim_end_matches('%').parse().unwrap();
    let memory = stats["MemUsage"].as_str().unwrap().split(" / ").next().unwrap();
    let (number, unit) = memory.split_at(memory.find(|c: char| c.is_ascii_alphabetic()).unwrap());
    let factor = match unit {
        "MiB" => 1.0,
        "GiB" => 1024.0,
        other => panic!("{other}"),
    };
    (cpu, number.parse::<f64>().unwrap() * factor, stats["PIDs"].as_str().unwrap().parse().unwrap())
}

/// What gadugi says of a container is what its engine says of it, wherever gadugi says it.
fn figures_are_those_of_the_engine(scene: &Scene) {
    let container = scene.container("steady");
    let end = Instant::now() + PATIENCE;
    loop {
        // Both look at their own moments: what settles is compared.
        let theirs = stats(scene, &container);
        let all = [
            ("process_registry.json", of_registry(scene)),
            ("status", of_status(scene)),
            ("export", of_export(scene)),
        ];
        let wrong = all.iter().find_map(|(whose, ours)| {
            let (cpu, memory, pids) = (*ours)?;
            let near = (memory - theirs.1).abs() <= theirs.1 * 0.15
                && pids.is_none_or(|pids| (pids - theirs.2).abs() <= 2.0);
            let plausible = cpu > 10.0 && cpu < 150.0 && theirs.0 > 10.0;
            (!near || !plausible).then(|| format!("{whose}: {ours:?}, the engine: {theirs:?}"))
        });
        let missing =
            all.iter().find(|(_, ours)| ours.is_none()).map(|(whose, _)| format!("{whose} says nothing"));
        let Some(wrong) = wrong.or(missing) else { return };
        assert!(Instant::now() < end, "{wrong}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn of_registry(scene: &Scene) -> Option<Figures> {
    let registry = json_file(&scene.root.join(".gadugi/monitoring/process_registry.json"))?;
    let process = registry["processes"].as_array()?.iter().find(|task| task["task_id"] == "steady")?.clone();
    assert_eq!(process["status"], "running", "{process}");
    // None until it was looked at.
    let usage = Some(&process["resource_usage"]).filter(|usage| !usage.is_null())?;
    assert_eq!(usage["container"], true, "{usage}");
    Some((usage["cpu_percent"].as_f64()?, usage["memory_mb"].as_f64()?, Some(usage["pids"].as_f64()?)))
}

fn of_status(scene: &Scene) -> Option<Figures> {
    let task = scene.task("steady");
    // Pids are not in it.
    Some((task["cpu_percent"].as_f64()?, task["memory_mb"].as_f64()?, None))
}

fn of_export(scene: &Scene) -> Option<Figures> {
    let path = scene.home.join("export.json");
    scene.gadugi(&["export", "--output", path.to_str().unwrap()]).ends_with(0);
    let export: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let steps = export["figures"].as_array()?;
    let step = steps.iter().find(|step| step["task"] == "steady")?;
    let last = step["points"].as_array()?.last()?.clone();
    Some((
        last["cpu_percent"]["max"].as_f64()?,
        last["memory_mb"]["max"].as_f64()?,
        Some(last["pids"].as_f64()?),
    ))
}
