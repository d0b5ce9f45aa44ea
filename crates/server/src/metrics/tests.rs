//! From events to what Prometheus reads, held against its own `promtool`.

use std::io::Write;
use std::process::{Command, Stdio};

use gadugi_core::*;
use gadugi_engine::StoredEvent;
use gadugi_engine::handle::{MachineView, RateLimit};
use gadugi_engine::protocol::Activity;
use prometheus::TextEncoder;

use super::families::Families;
use super::gauges::{self, Now};
use super::tally::Tally;

const START: i64 = 1_700_000_000_000;

pub(crate) fn run() -> RunId {
    RunId::new("orchestration-20261121-090000-beef")
}

pub(crate) fn attempt(task: &str, attempt: u32) -> AttemptId {
    AttemptId { run: run(), task: TaskId::new(task), attempt }
}

fn step(task: &str, number: u32) -> StepId {
    StepId { attempt: attempt(task, 1), step: number }
}

pub(crate) fn commit() -> CommitId {
    CommitId::new("a".repeat(40))
}

/// A run of tasks of which each follows the one before it.
pub(crate) fn started(names: &[(&str, Option<&str>)]) -> Event {
    let tasks = names.iter().map(|(name, model)| {
        serde_json::from_value::<PlannedTask>(serde_json::json!({
            "id": name, "name": name, "prompt": {"path": format!("prompts/{name}.md"), "bytes": 1},
            "kind": "bug-fix", "complexity": "low", "writes": [], "reads": [], "depends_on": [],
            "estimate": {"seconds": 1.0, "cpu": 1.0, "memory_mb": 1, "disk_mb": 1, "spread": 2.0, "source": "table"},
            "priority": 0, "timeout": null, "agent": null, "model": model, "budget_microusd": null, "verify": null,
            "done_when": [], "executor": null, "network": [],
        }))
        .unwrap()
    });
    let tasks: Vec<PlannedTask> = tasks.collect();
    let edges = tasks.windows(2).map(|two| Edge {
        from: two[0].id.clone(),
        to: two[1].id.clone(),
        reason: EdgeReason::Declared,
        evidence: String::new(),
        confidence: Confidence(100),
    });
    let edges = edges.collect();
    let plan =
        Plan { base: commit(), tasks, edges, sequential_because: None, skipped: vec![], warnings: vec![] };
    Event::RunStarted { run: run(), plan, settings: Box::default() }
}

pub(crate) fn finished(task: &str, outcome: Outcome, verdict: Option<Verdict>) -> Event {
    Event::TaskFinished { run: run(), task: TaskId::new(task), outcome, verdict, detail: String::new() }
}

fn end(seconds: u64, usage: Usage) -> StepEnd {
    let agent = AgentEnd {
        class: EndClass::Done,
        detail: String::new(),
        usage,
        turns: 1,
        no_change: None,
        claimed_phases: vec![],
    };
    StepEnd { wall: Millis::seconds(seconds), agent: Some(agent), ..StepEnd::unseen(StepExit::Code(0)) }
}

fn begun(task: &str) -> Event {
    let session = SessionId::derive(&attempt(task, 1), &commit(), 0);
    Event::AttemptStarted { attempt: attempt(task, 1), base: commit(), session }
}

fn agent(task: &str, number: u32) -> Event {
    let session = SessionId::derive(&attempt(task, 1), &commit(), 0);
    let what = StepKind::Agent { session, mode: SessionMode::Fresh };
    Event::StepIntended { step: step(task, number), what, reserved: None }
}

struct World {
    families: Families,
    tally: Tally,
    seq: u64,
}

impl World {
    fn new() -> Self {
        let families = Families::new().unwrap();
        Self { tally: Tally::new(families.clone()), families, seq: 0 }
    }

    /// So many seconds after the start.
    fn at(&mut self, seconds: i64, event: Event) {
        self.seq += 1;
        let stored = StoredEvent { seq: self.seq, at: Timestamp(START + seconds * 1000), event };
        self.tally.take(&stored, true);
    }

    fn remember(&mut self, seconds: i64, event: Event) {
        self.seq += 1;
        let stored = StoredEvent { seq: self.seq, at: Timestamp(START + seconds * 1000), event };
        self.tally.take(&stored, false);
    }

    fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.families.gather()).unwrap()
    }

    /// The value of one line, by its name and labels.
    fn value(&self, series: &str) -> Option<f64> {
        let text = self.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(line.parse().unwrap())
    }
}

/// One task from its start to its merge, and one that follows it and fails.
fn whole_run(world: &mut World) {
    let usage = Usage { input_tokens: 100, output_tokens: 10, cost_microusd: 250_000, ..Usage::default() };
    world.at(0, started(&[("a", Some("fast")), ("b", None)]));
    world.at(2, begun("a"));
    world.at(3, Event::WorkspacePrepared { attempt: attempt("a", 1), path: "/w".into(), branch: "b".into() });
    world.at(3, agent("a", 1));
    let process = Process { pid: 1, start_ticks: 1, boot: "b".into() };
    world.at(4, Event::StepStarted { step: step("a", 1), process });
    world.at(34, Event::StepEnded { step: step("a", 1), end: end(30, usage) });
    world.at(35, Event::MergeStarted { attempt: attempt("a", 1), onto: commit() });
    world.at(40, Event::TaskMerged { attempt: attempt("a", 1), commit: commit() });
    world.at(40, finished("a", Outcome::Succeeded, Some(Verdict::Verified)));
    world.at(50, begun("b"));
    world.at(51, agent("b", 1));
    world.at(
        52,
        Event::AttemptSuspended { attempt: attempt("b", 1), because: "x".into(), until: None, alone: false },
    );
    world.at(60, Event::MergeStarted { attempt: attempt("b", 1), onto: commit() });
    world.at(61, finished("b", Outcome::Failed, Some(Verdict::Conflict)));
    world.at(
        61,
        Event::AccountLimited { run: run(), agent: "claude".into(), until: Timestamp(1), reason: "x".into() },
    );
    world.at(62, Event::RunFinished { run: run(), wall: Millis::seconds(62), kept: vec![] });
}

#[test]
fn a_run_is_counted() {
    let mut world = World::new();
    whole_run(&mut world);
    let expected = [
        ("gadugi_runs_started_total", 1.0),
        ("gadugi_tasks_finished_total{outcome=\"succeeded\"}", 1.0),
        ("gadugi_tasks_finished_total{outcome=\"failed\"}", 1.0),
        ("gadugi_attempts_total{outcome=\"failed\"}", 1.0),
        ("gadugi_attempts_total{outcome=\"cancelled\"}", 0.0),
        ("gadugi_task_duration_seconds_sum{kind=\"bug-fix\"}", 38.0 + 11.0),
        ("gadugi_task_duration_seconds_count{kind=\"bug-fix\"}", 2.0),
        // Two seconds from the run's start, ten from the end of the one before.
        ("gadugi_task_queue_wait_seconds_sum", 2.0 + 10.0),
        ("gadugi_workspace_preparation_duration_seconds_sum{executor=\"local\"}", 1.0),
        ("gadugi_step_start_duration_seconds_sum{executor=\"local\"}", 1.0),
        ("gadugi_step_duration_seconds_sum{kind=\"agent\"}", 30.0),
        ("gadugi_steps_total{end=\"done\",kind=\"agent\"}", 1.0),
        ("gadugi_attempt_suspensions_total", 1.0),
        ("gadugi_merges_total{result=\"merged\"}", 1.0),
        ("gadugi_merges_total{result=\"conflict\"}", 1.0),
        ("gadugi_merge_duration_seconds_sum", 5.0),
        ("gadugi_tokens_total{agent=\"claude\",direction=\"input\",model=\"fast\"}", 100.0),
        ("gadugi_tokens_total{agent=\"claude\",direction=\"output\",model=\"fast\"}", 10.0),
        ("gadugi_cost_dollars_total{agent=\"claude\",model=\"fast\"}", 0.25),
        ("gadugi_account_limits_reached_total{agent=\"claude\"}", 1.0),
    ];
    for (series, value) in expected {
        assert_eq!(world.value(series), Some(value), "{series}: {}", world.text());
    }
    let text = world.text();
    assert!(!text.contains("beef") && !text.contains("prompts/"), "no run and no path is a label: {text}");
}

#[test]
fn what_a_step_uses_is_counted_as_it_comes_and_once() {
    let mut world = World::new();
    let used = |input, cost| Usage { input_tokens: input, cost_microusd: cost, ..Usage::default() };
    let activity = |usage| Activity { task: TaskId::new("a"), phase: None, action: String::new(), usage };
    let tokens = "gadugi_tokens_total{agent=\"claude\",direction=\"input\",model=\"default\"}";
    world.at(0, started(&[("a", None)]));
    world.at(0, begun("a"));
    world.at(0, agent("a", 1));
    world.tally.activity(&run(), &activity(used(40, 0)));
    assert_eq!(world.value(tokens), Some(40.0));
    world.tally.activity(&run(), &activity(used(70, 0)));
    world.at(9, Event::StepEnded { step: step("a", 1), end: end(9, used(90, 1_000_000)) });
    assert_eq!(world.value(tokens), Some(90.0));
    assert_eq!(world.value("gadugi_cost_dollars_total{agent=\"claude\",model=\"default\"}"), Some(1.0));
    // The next step's words hold what the one before used.
    world.at(10, agent("a", 2));
    world.tally.activity(&run(), &activity(used(100, 1_000_000)));
    world.at(20, Event::StepEnded { step: step("a", 2), end: end(9, used(5, 0)) });
    assert_eq!(world.value(tokens), Some(100.0), "an agent that said too much takes nothing back");
}

#[test]
fn what_another_engine_did_is_known_and_not_counted() {
    let mut world = World::new();
    let used = |input| Usage { input_tokens: input, ..Usage::default() };
    world.remember(0, started(&[("a", None), ("b", None)]));
    world.remember(5, begun("a"));
    world.remember(5, agent("a", 1));
    world.remember(30, Event::StepEnded { step: step("a", 1), end: end(25, used(1000)) });
    world.remember(31, agent("a", 2));
    for series in ["gadugi_runs_started_total", "gadugi_task_queue_wait_seconds_count"] {
        assert_eq!(world.value(series), Some(0.0), "{series}");
    }
    world.at(60, Event::StepEnded { step: step("a", 2), end: end(29, used(7)) });
    world.at(60, finished("a", Outcome::Succeeded, None));
    world.at(61, begun("b"));
    assert_eq!(
        world.value("gadugi_tokens_total{agent=\"claude\",direction=\"input\",model=\"default\"}"),
        Some(7.0)
    );
    assert_eq!(
        world.value("gadugi_task_duration_seconds_sum{kind=\"bug-fix\"}"),
        Some(55.0),
        "of its whole life"
    );
    assert_eq!(world.value("gadugi_task_queue_wait_seconds_sum"), Some(1.0));
    assert_eq!(world.value("gadugi_steps_total{end=\"done\",kind=\"agent\"}"), Some(1.0));
    // Nothing is taken in twice.
    let seq = world.seq;
    world
        .tally
        .take(&StoredEvent { seq, at: Timestamp(START), event: finished("b", Outcome::Failed, None) }, true);
    assert_eq!(world.value("gadugi_tasks_finished_total{outcome=\"failed\"}"), Some(0.0));
}

#[test]
fn a_run_that_was_over_is_to_be_learnt_again() {
    let mut world = World::new();
    whole_run(&mut world);
    let revived = Event::TaskRevived { run: run(), task: TaskId::new("b"), with: None };
    assert_eq!(world.tally.lacks(&revived), Some(run()));
    assert_eq!(
        world.tally.lacks(&Event::RunLanded { run: run(), into: "main".into(), commit: commit() }),
        None
    );
    assert_eq!(world.tally.lacks(&started(&[])), None);
}

#[test]
fn labels_have_few_values_whatever_is_named() {
    let mut world = World::new();
    let names: Vec<String> = (0..50).map(|number| format!("m{number}")).collect();
    let tasks: Vec<(&str, Option<&str>)> =
        names.iter().map(|name| (name.as_str(), Some(name.as_str()))).collect();
    world.at(0, started(&tasks));
    for name in &names {
        world.at(1, begun(name));
        world.at(1, agent(name, 1));
        let usage = Usage { input_tokens: 1, ..Usage::default() };
        world.at(2, Event::StepEnded { step: step(name, 1), end: end(1, usage) });
    }
    let text = world.text();
    let models = text.lines().filter(|line| line.starts_with("gadugi_tokens_total{")).count();
    assert_eq!(models, super::MODELS + 1);
    assert_eq!(
        world.value("gadugi_tokens_total{agent=\"claude\",direction=\"input\",model=\"other\"}"),
        Some(34.0)
    );
}

fn everything() -> String {
    let mut world = World::new();
    whole_run(&mut world);
    let limit = RateLimit {
        account: "api.example.com#1".into(),
        kind: "requests".into(),
        limit: Some(50),
        remaining: Some(10),
        resets_at: Some(Timestamp(START)),
        status: Some("rejected".into()),
        ..RateLimit::default()
    };
    let machine = MachineView {
        cpu_percent: Some(25.0),
        cpus: 1.5,
        memory_available_mib: Some(3),
        slots: 4,
        steps: 2,
        heartbeat: Some(Timestamp(START - 3000)),
        ..MachineView::default()
    };
    let now = Now { machine, limits: vec![limit], sockets: 2, at: Timestamp(START), ..Now::default() };
    let mut all = world.families.gather();
    all.extend(gauges::families(&now, 17, Timestamp(START)).unwrap());
    TextEncoder::new().encode_to_string(&all).unwrap()
}

#[test]
fn gauges_say_how_things_stand_and_nothing_of_what_cannot_be_seen() {
    let text = everything();
    let lines: Vec<&str> = text.lines().collect();
    for line in [
        "gadugi_machine_cpu_usage_ratio 0.25",
        "gadugi_machine_cpus 1.5",
        "gadugi_machine_memory_available_bytes 3145728",
        "gadugi_heartbeat_age_seconds 3",
        "gadugi_running_steps 2",
        "gadugi_slots 4",
        "gadugi_websocket_clients 2",
        "gadugi_event_log_last_sequence 17",
        "gadugi_tasks{state=\"running\"} 0",
        "gadugi_needs_person{kind=\"conflict\"} 0",
        "gadugi_rate_limit_used_ratio{account=\"api.example.com#1\",limit=\"requests\"} 0.8",
        "gadugi_rate_limit_rejected{account=\"api.example.com#1\",limit=\"requests\"} 1",
        "gadugi_engine_start_time_seconds 1700000000",
    ] {
        assert!(lines.contains(&line), "{line}: {text}");
    }
    assert!(!text.contains("gadugi_machine_load1 "), "what cannot be read is not 0");
}

#[test]
fn promtool_has_nothing_to_say_of_it() {
    let text = everything();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let said = |what: &str| {
            text.contains(&format!("# {what} {family} ")) || text.contains(&format!("# {what} {name} "))
        };
        assert!(said("HELP") && said("TYPE"), "{line}");
    }
    let program = gadugi_testkit::programs::PROMTOOL.path().unwrap_or_else(|missing| panic!("{missing}"));
    let mut child = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success() && said.iter().all(String::is_empty), "{said:?}\n{text}");
}
