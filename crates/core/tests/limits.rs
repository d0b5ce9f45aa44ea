//! Accounts: a usage limit holds back its agent until the reset and nobody else; a refused credential stops a run at once.

mod common;

use common::*;
use gadugi_core::{
    AgentEnd, Command, Decision, EndClass, Event, Input, Millis, Outcome, Plan, RunId, RunSettings,
    SessionMode, State, StepEnd, StepKind, Target, Timestamp, decide, next_wake,
};

const HOUR: Millis = Millis::seconds(3600);

fn limit(resets_at: Option<Timestamp>) -> StepEnd {
    spoken(EndClass::UsageLimit { resets_at }, None)
}

/// Tasks whose names begin with `s` are for another agent.
fn mixed(ids: &[&str]) -> Plan {
    let mut plan = plan(ids, &[]);
    for task in plan.tasks.iter_mut().filter(|task| task.id.as_str().starts_with('s')) {
        task.agent = Some("scripted".into());
    }
    plan
}

fn slots(slots: u32) -> RunSettings {
    RunSettings { max_parallel: Some(slots), ..settings() }
}

fn limited(decision: &Decision) -> Vec<(String, String, Timestamp)> {
    let found = decision.events.iter().filter_map(|event| match event {
        Event::AccountLimited { run, agent, until, .. } => Some((run.to_string(), agent.clone(), *until)),
        _ => None,
    });
    found.collect()
}

#[test]
fn nothing_of_a_limited_account_starts_before_its_reset_and_other_agents_go_on() {
    let mut story = Story::of_agents(mixed(&["a", "b", "c", "s1", "d", "s2"]), slots(4));
    let reset = story.now + HOUR;
    assert_eq!(
        limited(&story.ends("a", limit(Some(reset)))),
        [(run_id().to_string(), "claude".into(), reset)]
    );
    // Its slot goes to the next one of another agent; `d` is the limited one's.
    assert_eq!(
        (story.word("a"), story.word("d"), story.word("s2")),
        ("suspended".into(), "waiting".into(), "preparing".into())
    );
    story.all_start();
    // What runs goes on, and is not taken up before the reset if it fails.
    story.ends("b", spoken(EndClass::Overloaded, None));
    story.later(Millis::seconds(600));
    assert_eq!((story.word("b"), story.word("c")), ("suspended".into(), "running".into()));
    story.ends("s1", spoken(EndClass::Overloaded, None));
    story.later(Millis::seconds(600));
    assert_eq!(story.word("s1"), "starting", "the other agent's account is its own");
    story.ends("c", done());
    story.now = reset - Millis(1);
    assert!(story.hears(Input::Tick).is_empty());
    assert_eq!(story.wakes().events.first().map(Event::word), Some("step-intended"));
    for id in ["a", "b"] {
        let step = story.task(id).active().and_then(|attempt| attempt.step()).expect("a step");
        assert!(matches!(step.kind, StepKind::Agent { mode: SessionMode::Resume, .. }), "{id}");
    }
}

#[test]
fn the_next_thing_to_wait_for_is_the_reset() {
    let mut story = Story::of_agents(plan(&["a"], &[]), settings());
    let reset = story.now + HOUR;
    story.ends("a", limit(Some(reset)));
    assert_eq!(next_wake(&story.state, story.now), Some(reset));
    assert!(!story.run().rests(), "it goes on by itself");
    assert_eq!(story.run().limited_until(0, reset - Millis(1)), Some(reset));
    assert_eq!(story.run().limited_until(0, reset), None);
}

/// An attempt that already has its slot begins no agent either: its workspace or its setup took until then.
#[test]
fn what_becomes_ready_after_the_limit_was_reached_waits_too() {
    let two = RunSettings { setup: vec!["npm ci".into()], ..slots(3) };
    let mut story = Story::of(plan(&["a", "b", "c"], &[]), two);
    story.opened();
    story.prepared("a");
    story.started("a");
    story.ends("a", ended(gadugi_core::StepExit::Code(0)));
    story.started("a");
    story.prepared("b");
    story.started("b");
    let reset = story.now + HOUR;
    story.ends("a", limit(Some(reset)));
    // `b`'s setup ends, `c`'s workspace is there.
    assert_eq!(launched(&story.ends("b", ended(gadugi_core::StepExit::Code(0)))), []);
    let prepared = launched(&story.prepared("c"));
    assert!(prepared.iter().all(|kind| *kind == StepKind::Setup), "{prepared:?}");
    if story.word("c") == "starting" {
        story.started("c");
        assert_eq!(launched(&story.ends("c", ended(gadugi_core::StepExit::Code(0)))), []);
    }
    assert_eq!((story.word("b"), story.word("c")), ("suspended".into(), "suspended".into()));
    assert_eq!(story.run().slots_held(), 0, "and takes no slot from others");
    let woken = story.wakes();
    assert!(story.now >= reset);
    assert_eq!(launched(&woken).len(), 3);
}

#[test]
fn the_reset_is_kept_in_the_log_and_holds_over_a_restart() {
    let start =
        Event::RunStarted { run: run_id(), plan: plan(&["a", "b"], &[]), settings: Box::new(slots(1)) };
    let mut story = Story { state: State::default(), now: Timestamp(0) };
    let mut log = vec![];
    let mut hears = |story: &mut Story, input: Option<Input>| {
        let mut decision = input.map(|input| story.hears(input)).unwrap_or_default();
        log.append(&mut decision.events);
        log.clone()
    };
    story.fact(&start);
    hears(
        &mut story,
        Some(report(gadugi_core::Report::IntegrationOpened { run: run_id(), result: Ok(commit("base")) })),
    );
    let result = Ok(("/w/a".into(), "b".into()));
    hears(
        &mut story,
        Some(report(gadugi_core::Report::WorkspacePrepared { attempt: attempt("a", 1), result })),
    );
    hears(
        &mut story,
        Some(report(gadugi_core::Report::StepStarted { step: step("a", 1, 1), process: process() })),
    );
    let setup =
        gadugi_core::Report::StepEnded { step: step("a", 1, 1), end: ended(gadugi_core::StepExit::Code(0)) };
    hears(&mut story, Some(report(setup)));
    hears(
        &mut story,
        Some(report(gadugi_core::Report::StepStarted { step: step("a", 1, 2), process: process() })),
    );
    let reset = story.now + HOUR;
    let end = limit(Some(reset));
    let log = hears(&mut story, Some(report(gadugi_core::Report::StepEnded { step: step("a", 1, 2), end })));
    let mut again = Story { state: State::default(), now: Timestamp(0) };
    again.fact(&start);
    for event in &log {
        let text = serde_json::to_string(event).expect("JSON");
        again.fact(&serde_json::from_str(&text).expect("an event"));
    }
    assert_eq!(again.state.runs[&run_id()].limited, story.state.runs[&run_id()].limited);
    again.command(Command::Restart);
    again.command(Command::Resume { run: run_id(), target: Target::All });
    assert_eq!((again.word("a"), again.word("b")), ("suspended".into(), "waiting".into()));
    assert_eq!(next_wake(&again.state, again.now), Some(reset));
    again.wakes();
    assert_eq!((again.word("a"), again.word("b")), ("starting".into(), "waiting".into()));
}

fn report(report: gadugi_core::Report) -> Input {
    Input::Report(report)
}

#[test]
fn a_reset_that_is_unknown_past_or_far_is_taken_for_what_can_be_true() {
    let until = |at: fn(Timestamp) -> Option<Timestamp>| {
        let mut story = Story::of_agents(plan(&["a"], &[]), settings());
        let now = story.now;
        limited(&story.ends("a", limit(at(now))))[0].2.since(now)
    };
    assert_eq!(until(|_| None), Millis::seconds(15 * 60));
    assert_eq!(until(|now| Some(now - HOUR)), Millis::seconds(2));
    assert_eq!(until(|now| Some(now + Millis(1))), Millis::seconds(2));
    assert_eq!(until(|now| Some(now + Millis::seconds(20))), Millis::seconds(20));
    assert_eq!(until(|now| Some(now + Millis::seconds(7 * 86400))), Millis::seconds(7 * 86400));
    assert_eq!(until(|now| Some(now + Millis::seconds(9 * 86400))), Millis::seconds(8 * 86400));
    assert_eq!(until(|_| Some(Timestamp(i64::MAX))), Millis::seconds(8 * 86400));
    assert_eq!(until(|_| Some(Timestamp(i64::MIN))), Millis::seconds(2));
}

#[test]
fn a_later_reset_counts_and_an_earlier_one_does_not_shorten_the_wait() {
    let mut story = Story::of_agents(plan(&["a", "b", "c"], &[]), settings());
    let (first, later) = (story.now + HOUR, story.now + HOUR + HOUR);
    story.ends("a", limit(Some(first)));
    assert_eq!(limited(&story.ends("b", limit(None))), [], "an earlier one is no news");
    assert_eq!(limited(&story.ends("c", limit(Some(later)))).len(), 1);
    story.now = first;
    assert!(story.hears(Input::Tick).is_empty());
    story.now = later;
    assert_eq!(launched(&story.hears(Input::Tick)).len(), 3);
}

#[test]
fn every_run_that_is_not_over_knows_and_so_does_one_begun_later() {
    let mut story = Story::of_agents(plan(&["a"], &[]), settings());
    let begin = |story: &mut Story, name: &str, plan: Plan| {
        let run = RunId::new(name);
        let command = Command::StartRun { run: run.clone(), plan, settings: Box::new(slots(4)) };
        let decision = story.command(command);
        story.report(gadugi_core::Report::IntegrationOpened { run, result: Ok(commit("base")) });
        decision
    };
    begin(&mut story, "second", plan(&["x", "y"], &[("x", "y")]));
    begin(&mut story, "over", plan(&["z"], &[]));
    story.command(Command::Cancel { run: RunId::new("over"), target: Target::All });
    let failed = gadugi_core::Report::WorkspacePrepared {
        attempt: gadugi_core::AttemptId { run: RunId::new("over"), task: task("z"), attempt: 1 },
        result: Err("gone".into()),
    };
    story.report(failed);
    story.report(gadugi_core::Report::Tidied { run: RunId::new("over"), kept: vec![] });
    assert!(story.state.runs[&RunId::new("over")].is_finished());

    let reset = story.now + HOUR;
    let told = limited(&story.ends("a", limit(Some(reset))));
    let runs: Vec<&str> = told.iter().map(|(run, ..)| run.as_str()).collect();
    assert_eq!(runs, [run_id().as_str(), "second"]);

    let started = begin(&mut story, "third", mixed(&["p", "s"]));
    assert_eq!(limited(&started), [("third".into(), "claude".into(), reset)]);
    let third = &story.state.runs[&RunId::new("third")];
    let words: Vec<String> = third.tasks.iter().map(gadugi_core::TaskState::word).collect();
    assert_eq!(words, ["waiting", "preparing"]);
    // What is past is no news.
    story.now = reset;
    assert_eq!(limited(&begin(&mut story, "fourth", plan(&["q"], &[]))), []);
}

#[test]
fn a_limit_that_never_ends_is_given_up_after_twenty_times() {
    let mut story = Story::of_agents(plan(&["a"], &[]), settings());
    let mut times = 0;
    while story.task("a").outcome().is_none() {
        times += 1;
        let until = story.now + Millis::seconds(20);
        story.ends("a", limit(Some(until)));
        story.later(Millis::seconds(21));
        story.all_start();
    }
    assert_eq!(times, 20);
    assert_eq!(detail(&story, "a"), "usage-limit: said; given up after 20 tries");
}

/// Who is given up has met the limit all the same: the next one would meet it too.
#[test]
fn the_limit_that_a_task_failed_at_holds_the_others_back() {
    let once = gadugi_core::RetrySettings { transient: 1, ..Default::default() };
    let mut story = Story::of_agents(plan(&["a", "b"], &[]), RunSettings { retry: once, ..slots(1) });
    let reset = story.now + HOUR;
    assert_eq!(limited(&story.ends("a", limit(Some(reset)))).len(), 1);
    assert_eq!((story.word("a"), story.word("b")), ("failed".into(), "waiting".into()));
    story.wakes();
    assert_eq!(story.word("b"), "preparing");
    assert!(story.now >= reset);
}

#[test]
fn a_run_that_is_begun_again_knows_what_others_have_learnt_meanwhile() {
    let mut story = Story::of_agents(plan(&["a"], &[]), settings());
    story.ends("a", spoken(EndClass::Refused, None));
    story.salvaged("a");
    story.report(gadugi_core::Report::Tidied { run: run_id(), kept: vec![] });
    assert!(story.run().is_finished());
    let other = RunId::new("other");
    let start =
        Command::StartRun { run: other.clone(), plan: plan(&["x"], &[]), settings: Box::new(slots(1)) };
    story.command(start);
    let until = story.now + HOUR;
    story.fact(&Event::AccountLimited { run: other, agent: "claude".into(), until, reason: String::new() });
    let retry =
        |story: &mut Story| story.command(Command::Retry { run: run_id(), target: Target::All, with: None });
    assert_eq!(limited(&retry(&mut story.clone())), [(run_id().to_string(), "claude".into(), until)]);
    retry(&mut story);
    assert_eq!(story.word("a"), "waiting");
    story.now = until;
    story.hears(Input::Tick);
    assert_eq!(story.word("a"), "preparing");
}

fn refused() -> StepEnd {
    let end = spoken(EndClass::Auth, None);
    let agent = end.agent.map(|agent| AgentEnd { detail: "401 invalid x-api-key".into(), ..agent });
    StepEnd { agent, ..end }
}

#[test]
fn a_refused_credential_stops_dispatch_at_once_with_one_message_and_no_task_fails() {
    let ids: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut story = Story::of(plan(&ids, &[]), RunSettings { setup: vec![], verify: None, ..slots(4) });
    story.opened();
    for id in &ids[..3] {
        story.prepared(id);
        story.started(id);
    }
    let first = story.ends("t0", refused());
    assert_eq!(words(&first), ["step-ended", "run-paused", "attempt-suspended"]);
    let Some(Event::RunPaused { cause, detail, .. }) = first.events.get(1) else { panic!("{first:?}") };
    assert_eq!(*cause, gadugi_core::PauseCause::AuthRefused);
    assert_eq!(detail, "auth: 401 invalid x-api-key");
    // Those that had their workspace made meanwhile, or are told the same, say nothing more.
    assert_eq!(words(&story.prepared("t3")), ["workspace-prepared", "phases-recorded", "attempt-suspended"]);
    assert_eq!(words(&story.ends("t1", refused())), ["step-ended", "attempt-suspended"]);
    assert!(!story.run().rests(), "one still runs");
    story.ends("t2", done());
    assert!(words(&story.merges("t2")).contains(&"task-merged"), "what is done is brought in");
    assert!(story.run().rests());
    let failed = story.run().tasks.iter().filter_map(gadugi_core::TaskState::outcome);
    assert_eq!(failed.collect::<Vec<_>>(), [&Outcome::Succeeded]);
    assert_eq!(story.run().slots_held(), 0);

    // Somebody has mended it.
    let resumed = story.command(Command::Resume { run: run_id(), target: Target::All });
    assert_eq!(launched(&resumed).len(), 3);
    let modes: Vec<SessionMode> = launched(&resumed)
        .into_iter()
        .filter_map(|kind| match kind {
            StepKind::Agent { mode, .. } => Some(mode),
            _ => None,
        })
        .collect();
    assert_eq!(modes, [SessionMode::Resume, SessionMode::Resume, SessionMode::Fresh]);
    let tries = story.task("t0").active().map(|attempt| attempt.tally);
    assert_eq!(tries, Some(gadugi_core::Tally::default()), "it was no try of the task's");
    // Not mended: it is said again, once.
    story.all_start();
    assert!(words(&story.ends("t0", refused())).contains(&"run-paused"));
}

/// Who interrupted a run does not want its merges to go on because a credential was refused as well.
#[test]
fn an_interrupted_run_stays_interrupted_when_a_credential_is_refused() {
    for restart in [false, true] {
        let mut story = Story::of_agents(plan(&["a", "b"], &[]), settings());
        story.ends("b", done());
        match restart {
            true => story.command(Command::Restart),
            false => story.command(Command::Interrupt { run: run_id(), now: false }),
        };
        let ended = story.ends("a", refused());
        assert_eq!(words(&ended), ["step-ended", "attempt-suspended"]);
        assert!(story.run().is_interrupted());
        let collected =
            gadugi_core::Collected { commit: commit("w"), changed: vec!["b".into()], committed_rest: false };
        let collected =
            gadugi_core::Report::WorkCollected { attempt: attempt("b", 1), result: Ok(collected) };
        assert!(!words(&story.report(collected)).contains(&"merge-started"));
    }
}

#[test]
fn a_pause_that_was_asked_for_becomes_one_for_the_credential() {
    let mut story = Story::of_agents(plan(&["a"], &[]), settings());
    story.command(Command::Pause { run: run_id(), target: Target::All });
    assert!(words(&story.ends("a", refused())).contains(&"run-paused"));
    assert!(decide(&story.state, story.now, Input::Tick).is_empty());
}
