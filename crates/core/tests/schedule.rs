//! The order that runs are dispatched in is the order that plans are played through in.

mod common;

use common::*;
use gadugi_core::schedule::{Range, Workload};
use gadugi_core::{
    Collected, Command, Decision, EndClass, Event, Hold, Input, Plan, Reading, Report, RunSettings, StepEnd,
    Timestamp,
};
use proptest::prelude::*;

const BEGIN: Timestamp = Timestamp(1_000_000);

fn plain(slots: u32) -> RunSettings {
    RunSettings { max_parallel: Some(slots), setup: vec![], verify: None, ..settings() }
}

/// A look at a machine, with so much memory for attempts.
fn measured(story: &mut Story, memory_mib: u64) {
    let reason = String::new();
    story.fact(&Event::CapacityMeasured { slots: 4, reason, memory_mib: Some(memory_mib) });
}

/// Somebody measured that such tasks take so much.
fn takes(plan: &mut Plan, memory: &[u64]) {
    for (task, memory) in plan.tasks.iter_mut().zip(memory) {
        task.estimate.memory_mb = *memory;
        task.estimate.source = "history: such tasks".into();
    }
}

/// The task ends and finds nothing to change: it is over at once, and nobody begins before that is so.
fn is_over(story: &mut Story, id: &str) {
    let end = spoken(EndClass::Done, Some("it is there already"));
    story.once(Input::Report(Report::StepEnded { step: story.current(id), end }));
    let attempt = attempt(id, story.task(id).attempts);
    let result = Ok(Collected { commit: commit("base"), changed: vec![], committed_rest: false });
    story.once(Input::Report(Report::WorkCollected { attempt, result }));
}

/// When each task begins where the engine dispatches the plan and each takes so many seconds; in seconds from the beginning.
fn dispatched(plan: &Plan, slots: u32, memory: u64, seconds: &[f64]) -> Vec<Option<f64>> {
    let mut story = Story::of(plan.clone(), plain(slots));
    measured(&mut story, memory);
    story.now = BEGIN;
    story.opened();
    story.all_start();
    let mut began: Vec<Option<f64>> = vec![None; seconds.len()];
    let mut now = 0.0_f64;
    loop {
        for (at, _) in story.run().in_slots() {
            began[at].get_or_insert(now);
        }
        let ends = story.run().in_slots().filter_map(|(at, _)| Some((began[at]? + seconds[at], at)));
        let next =
            ends.min_by(|a, b| a.0.total_cmp(&b.0).then(story.run().rank(a.1).cmp(&story.run().rank(b.1))));
        let Some((end, at)) = next else { return began };
        now = end;
        story.now = Timestamp(BEGIN.0 + (now * 1000.0) as i64);
        is_over(&mut story, plan.tasks[at].id.as_str());
        story.hears(Input::Tick);
        story.all_start();
    }
}

/// Times in steps of a hundred seconds and estimates that are all a few seconds apart: what a step's start takes decides nothing.
fn plans() -> impl Strategy<Value = (Plan, Vec<f64>, u32, u64)> {
    let tasks = proptest::collection::vec((0..2_i64, 1..9_u32, 1..9_u32, 0..900_u64), 1..14);
    let edges = proptest::collection::vec((0..14_usize, 0..14_usize), 0..14);
    (tasks, edges, 1..5_u32, 800..2500_u64).prop_map(|(tasks, edges, slots, memory)| {
        let ids: Vec<String> = (0..tasks.len()).map(|at| format!("t{at}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let inside = edges.iter().filter(|(from, to)| from < to && *to < ids.len());
        let edges: Vec<(&str, &str)> = inside.map(|(from, to)| (ids[*from], ids[*to])).collect();
        let mut plan = plan(&ids, &edges);
        takes(&mut plan, &tasks.iter().map(|task| task.3).collect::<Vec<u64>>());
        for (at, (task, (priority, expected, ..))) in plan.tasks.iter_mut().zip(&tasks).enumerate() {
            task.priority = *priority;
            task.estimate.seconds = f64::from(100 * expected) + 3.0 * at as f64;
        }
        (plan, tasks.iter().map(|task| f64::from(100 * task.2)).collect(), slots, memory)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_dispatches_as_the_plan_is_played((plan, seconds, slots, memory) in plans()) {
        let workload = Workload::of(&plan);
        let played = workload.begins(&workload.order(), slots as usize, Some(memory), &seconds);
        prop_assert_eq!(dispatched(&plan, slots, memory, &seconds), played);
    }
}

fn began(decision: &Decision) -> Vec<&str> {
    let begun = decision.events.iter().filter_map(|event| match event {
        Event::AttemptStarted { attempt, .. } => Some(attempt.task.as_str()),
        _ => None,
    });
    begun.collect()
}

fn held(decision: &Decision) -> Vec<(Hold, &str)> {
    let holds = decision.events.iter().filter_map(|event| match event {
        Event::DispatchHeld { hold, reason, .. } => Some((*hold, reason.as_str())),
        Event::DispatchFreed { hold, .. } => Some((*hold, "freed")),
        _ => None,
    });
    holds.collect()
}

#[test]
fn the_longest_path_begins_first_and_a_revived_task_has_its_old_turn() {
    let mut plan = plan(&["short", "long", "middle", "end"], &[("middle", "end")]);
    for (task, seconds) in plan.tasks.iter_mut().zip([10.0, 50.0, 40.0, 30.0]) {
        task.estimate.seconds = seconds;
    }
    let mut story = Story::of(plan, plain(1));
    assert_eq!(began(&story.opened()), ["middle"]);
    story.all_start();
    let failed = story.ends("middle", spoken(EndClass::Refused, None));
    assert_eq!(began(&failed), ["long"]);
    story.all_start();
    story.command(Command::Retry { run: run_id(), target: only("middle"), with: None });
    is_over(&mut story, "long");
    assert_eq!(began(&story.hears(Input::Tick)), ["middle"], "before the short one, as before");
}

/// Who waits for memory is told once, others pass, and it begins when there is room.
#[test]
fn what_does_not_fit_waits_and_it_is_said_once() {
    let mut plan = plan(&["a", "big", "b", "c"], &[]);
    takes(&mut plan, &[600, 800, 300, 300]);
    for (task, seconds) in plan.tasks.iter_mut().zip([900.0, 800.0, 100.0, 90.0]) {
        task.estimate.seconds = seconds;
    }
    let mut story = Story::of(plan, plain(4));
    measured(&mut story, 1000);
    let opened = story.opened();
    assert_eq!(began(&opened), ["a", "b"], "b is over before a is");
    let reason = "big is expected to take 800 MiB, those that run 900 of 1000 MiB";
    assert_eq!(held(&opened), [(Hold::Room, reason)]);
    story.all_start();
    assert!(story.hears(Input::Tick).is_empty());
    is_over(&mut story, "b");
    let next = story.hears(Input::Tick);
    assert_eq!((began(&next), held(&next)), (vec!["c"], vec![]), "it waits still, and nobody is told again");
    story.all_start();
    is_over(&mut story, "c");
    is_over(&mut story, "a");
    let free = story.hears(Input::Tick);
    assert_eq!((began(&free), held(&free)), (vec!["big"], vec![(Hold::Room, "freed")]));
}

#[test]
fn more_than_there_is_runs_alone() {
    let mut plan = plan(&["huge", "small"], &[]);
    takes(&mut plan, &[9000, 10]);
    let mut story = Story::of(plan, plain(4));
    measured(&mut story, 1000);
    assert_eq!(began(&story.opened()), ["huge"]);
    story.all_start();
    is_over(&mut story, "huge");
    assert_eq!(began(&story.hears(Input::Tick)), ["small"]);
}

/// The table's figures are none that anybody measured.
#[test]
fn a_table_keeps_nobody_waiting() {
    let mut plan = plan(&["a", "b", "c"], &[]);
    plan.tasks.iter_mut().for_each(|task| task.estimate.memory_mb = 900);
    let mut story = Story::of(plan, plain(3));
    measured(&mut story, 1000);
    assert_eq!(began(&story.opened()), ["a", "b", "c"]);
}

/// What was seen here counts more than what history says; and in a container nobody takes more than it may.
#[test]
fn what_was_seen_counts_and_containers_have_their_limit() {
    let mut plan = plan(&["a", "b", "c"], &[("a", "b")]);
    takes(&mut plan, &[500, 500, 500]);
    let mut story = Story::of(plan, plain(1));
    story.opened();
    assert_eq!(story.state.expected_memory(story.run(), 1), 500);
    story.all_start();
    story.ends("a", StepEnd { peak_mib: 4000, cpu_ms: 1, ..done() });
    assert_eq!(story.state.expected_memory(story.run(), 1), 4000);

    let mut plan = common::plan(&["a"], &[]);
    takes(&mut plan, &[4000]);
    plan.tasks[0].executor = Some(gadugi_core::ExecutorKind::Docker);
    let mut settings = plain(1);
    settings.limits.memory_bytes = Some(2 << 30);
    let story = Story::of(plan, settings);
    assert_eq!(story.state.expected_memory(story.run(), 0), 2048);
}

/// The memory that is reckoned with: what is available and what those that run were expected to take and took, but for a GiB; told
/// again only where it changed by more than an eighth and somebody's turn hangs on it.
#[test]
fn memory_is_measured_where_it_matters() {
    let look = |story: &mut Story, available: u64, agents: u64| {
        let reading = Reading { available_mib: Some(available), agents_mib: agents, ..machine(8, 64) };
        story.command(Command::Measured(reading));
        story.state.memory_mib
    };
    let mut unmeasured = Story::of(plan(&["a", "b"], &[]), plain(1));
    assert_eq!(look(&mut unmeasured, 9024, 0), Some(8000), "the slots are told, and with them the memory");
    unmeasured.opened();
    assert_eq!(look(&mut unmeasured, 5024, 0), Some(8000), "nobody asks");

    let mut plan = plan(&["a", "b"], &[]);
    takes(&mut plan, &[3000, 3000]);
    let mut story = Story::of(plan, plain(1));
    assert_eq!(look(&mut story, 9024, 0), Some(8000));
    story.opened();
    assert_eq!(look(&mut story, 8124, 0), Some(8000), "not by an eighth");
    assert_eq!(look(&mut story, 6024, 3000), Some(8000), "that is what it was expected to take");
    assert_eq!(look(&mut story, 4024, 5000), Some(6000), "the rest of what it takes is gone");
    assert_eq!(look(&mut story, 500, 0), Some(0));
}

fn sources(plan: &mut Plan, source: &str, spread: f64) {
    for task in &mut plan.tasks {
        task.estimate.source = source.into();
        task.estimate.spread = spread;
    }
}

fn many(tasks: usize) -> Plan {
    let ids: Vec<String> = (0..tasks).map(|at| format!("t{at}")).collect();
    plan(&ids.iter().map(String::as_str).collect::<Vec<&str>>(), &[])
}

#[test]
fn a_range_is_the_same_each_time_and_in_order() {
    let mut plan = many(40);
    sources(&mut plan, "table", 2.0);
    let range = plan.parallel_range(4, None);
    assert_eq!(range, plan.parallel_range(4, None));
    assert!(range.low < range.likely && range.likely < range.high, "{range:?}");
    let sequential = plan.sequential_range();
    assert!(sequential.low > range.low && sequential.high > range.high);
    assert!(sequential.low < plan.sequential_seconds() && plan.sequential_seconds() < sequential.high);
}

/// Where everything is known the range is the play itself; a thousand guesses from one table don't average their common error out, and
/// those of history leave less in common.
#[test]
fn a_range_is_as_wide_as_what_is_not_known() {
    let width = |range: Range| range.high / range.low;
    let mut plan = many(1000);
    sources(&mut plan, "table", 1.0);
    let range = plan.parallel_range(8, None);
    assert!((range.low - range.high).abs() < 1e-6 && (range.likely - plan.parallel_seconds(8)).abs() < 1e-6);
    sources(&mut plan, "table", 2.0);
    let guessed = width(plan.sequential_range());
    assert!(guessed > 2.0, "{guessed}");
    sources(&mut plan, "history: feature", 2.0);
    let measured = width(plan.sequential_range());
    assert!(measured < guessed && measured > 1.5, "{measured}");
    sources(&mut plan, "history: feature", 1.2);
    assert!(width(plan.sequential_range()) < measured);
}

#[test]
fn a_plan_of_nothing_takes_no_time() {
    assert_eq!(many(0).parallel_range(4, None), Range::default());
    assert_eq!(many(0).sequential_range(), Range::default());
}

#[test]
fn memory_that_was_measured_is_in_the_range() {
    let mut plan = many(8);
    takes(&mut plan, &[1000; 8]);
    plan.tasks.iter_mut().for_each(|task| task.estimate.spread = 1.0);
    assert_eq!(plan.parallel_range(8, None).likely, 60.0);
    assert_eq!(plan.parallel_range(8, Some(2000)).likely, 240.0);
}
