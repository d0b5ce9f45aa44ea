//! Stories that once went wrong, most of them found by the simulator (`gadugi_testkit::simulator`).

mod common;

use common::*;
use gadugi_core::{Collected, Command, Effect, Report, SessionMode, StepExit, StepKind, Target};

fn collected(id: &str, number: u32) -> Report {
    let work = Collected { commit: commit("work"), changed: vec!["a.rs".into()], committed_rest: false };
    Report::WorkCollected { attempt: attempt(id, number), result: Ok(work) }
}

/// A story whose only task's agent runs.
fn agent_runs() -> Story {
    let mut story = Story::of(plan(&["a"], &[]), gadugi_core::RunSettings { setup: vec![], ..settings() });
    story.opened();
    story.prepared("a");
    story.started("a");
    assert_eq!(story.task("a").word(), "running");
    story
}

#[test]
fn an_agent_that_was_done_before_the_interruption_reached_it_is_merged_after_the_resume() {
    let mut story = agent_runs();
    story.command(Command::Interrupt { run: run_id(), now: false });
    story.ends("a", done());
    story.report(collected("a", 1));
    assert_eq!(story.task("a").word(), "queued");
    let resumed = story.command(Command::Resume { run: run_id(), target: Target::All });
    assert_eq!(words(&resumed), ["run-resumed", "merge-started"]);
}

#[test]
fn an_agent_that_was_done_when_its_time_was_over_is_merged() {
    let mut story = agent_runs();
    story.now = story.now + story.run().settings.timeout;
    assert_eq!(words(&story.hears(gadugi_core::Input::Tick)), ["stop-requested"]);
    story.ends("a", done());
    assert!(words(&story.report(collected("a", 1))).contains(&"merge-started"));
}

#[test]
fn a_branch_that_opens_when_all_is_cancelled_already_is_no_news() {
    let mut story = Story::of(plan(&["a"], &[]), settings());
    story.command(Command::Cancel { run: run_id(), target: Target::All });
    assert_eq!(story.run().status.word(), "ending");
    assert!(story.opened().is_empty());
}

#[test]
fn an_agent_lost_before_anybody_saw_it_gets_a_conversation_of_its_own() {
    let mut story = Story::of(plan(&["a"], &[]), gadugi_core::RunSettings { setup: vec![], ..settings() });
    story.opened();
    story.prepared("a");
    let first = story.task("a").session.clone().expect("a session");
    story.ends("a", ended(StepExit::Lost));
    let again = launched(&story.wakes());
    let second = story.task("a").session.clone().expect("a session");
    assert_ne!(first, second);
    assert_eq!(again, [fresh(&second)]);
    story.started("a");
    story.ends("a", ended(StepExit::Lost));
    let resumed = launched(&story.wakes());
    assert_eq!(resumed, [StepKind::Agent { session: second, mode: SessionMode::Resume }]);
}

#[test]
fn an_agent_whose_end_is_the_first_that_is_heard_of_it_is_resumed() {
    let mut story = Story::of(plan(&["a"], &[]), gadugi_core::RunSettings { setup: vec![], ..settings() });
    story.opened();
    story.prepared("a");
    let session = story.task("a").session.clone().expect("a session");
    story.ends("a", ended(StepExit::LeaseLapsed));
    let resumed = launched(&story.wakes());
    assert_eq!(resumed, [StepKind::Agent { session, mode: SessionMode::Resume }]);
}

/// What is launched after that end and the pause behind it, which may be so short that it is over at once.
fn launched_after(story: &mut Story, end: gadugi_core::StepEnd) -> Vec<StepKind> {
    let mut kinds = launched(&story.ends("a", end));
    kinds.extend(launched(&story.later(gadugi_core::Millis::seconds(60))));
    kinds
}

#[test]
fn an_agent_that_could_not_be_started_begins_its_conversation_the_next_time() {
    let mut story = Story::of(plan(&["a"], &[]), gadugi_core::RunSettings { setup: vec![], ..settings() });
    story.opened();
    story.prepared("a");
    let session = story.task("a").session.clone().expect("a session");
    let not_started = || ended(StepExit::NotStarted("no such program".into()));
    // The shim runs, and finds no program.
    story.started("a");
    assert_eq!(launched_after(&mut story, not_started()), [fresh(&session)]);
    // One that had spoken before is still taken up.
    story.started("a");
    let resumed = [StepKind::Agent { session, mode: SessionMode::Resume }];
    assert_eq!(launched_after(&mut story, spoken(gadugi_core::EndClass::Overloaded, None)), resumed);
    story.started("a");
    assert_eq!(launched_after(&mut story, not_started()), resumed);
}

#[test]
fn an_interrupted_run_leaves_its_slots_to_others() {
    let one = gadugi_core::RunSettings { max_parallel: Some(1), ..settings() };
    let mut story = Story::of(plan(&["a"], &[]), one.clone());
    story.opened();
    story.command(Command::Interrupt { run: run_id(), now: false });
    let prepared = story.prepared("a");
    assert_eq!(words(&prepared), ["workspace-prepared", "phases-recorded", "attempt-suspended"]);
    let other = gadugi_core::RunId::new("other");
    story.command(Command::StartRun { run: other.clone(), plan: plan(&["b"], &[]), settings: Box::new(one) });
    let opened = story.report(Report::IntegrationOpened { run: other, result: Ok(commit("base")) });
    assert_eq!(words(&opened), ["integration-opened", "attempt-started"]);
}

#[test]
fn a_task_is_not_skipped_twice_when_its_dependency_fails_and_the_budget_is_spent() {
    let settings = gadugi_core::RunSettings { setup: vec![], budget_microusd: Some(1), ..settings() };
    let mut story = Story::of(plan(&["a", "b"], &[("a", "b")]), settings);
    story.opened();
    story.prepared("a");
    story.started("a");
    story.ends("a", spoken(gadugi_core::EndClass::Crashed, None));
    assert_eq!(story.task("b").word(), "skipped");
}

#[test]
fn a_paused_run_that_has_work_on_the_queue_is_interrupted_by_a_crash() {
    let mut story = agent_runs();
    story.ends("a", done());
    story.once(gadugi_core::Input::Command(Command::Pause { run: run_id(), target: Target::All }));
    // The engine dies after the work is stored and before anything follows from it.
    story.once(gadugi_core::Input::Report(collected("a", 1)));
    assert_eq!(story.task("a").word(), "queued");
    assert_eq!(words(&story.command(Command::Restart)), ["run-paused"]);
}

#[test]
fn a_verify_command_that_is_always_lost_is_given_up() {
    let mut story = agent_runs();
    story.ends("a", done());
    story.report(collected("a", 1));
    for _ in 0..3 {
        // Pauses between tries: the longest here is four seconds.
        story.later(gadugi_core::Millis::seconds(4));
        let (work, onto) = (commit("work"), commit("base"));
        let result = gadugi_core::Composition::Clean(commit("composed"));
        story.report(Report::Composed { run: run_id(), task: task("a"), work, onto, result });
        story.started("a");
        story.ends("a", ended(StepExit::Lost));
    }
    assert_eq!(story.task("a").outcome(), Some(&gadugi_core::Outcome::Lost));
}

#[test]
fn a_skipped_link_of_an_order_does_not_let_those_behind_it_pass() {
    // `needed` fails, so `b` is skipped; `a`, `b`, `c` are to write one file, one after the other.
    let mut plan = plan(&["needed", "a", "b", "c"], &[("needed", "b")]);
    for (from, to) in [("a", "b"), ("b", "c")] {
        plan.edges.push(gadugi_core::Edge {
            from: gadugi_core::TaskId::new(from),
            to: gadugi_core::TaskId::new(to),
            reason: gadugi_core::EdgeReason::SameFile,
            evidence: "x.rs".into(),
            confidence: gadugi_core::Confidence::default(),
        });
    }
    let settings = gadugi_core::RunSettings { setup: vec![], max_parallel: Some(4), ..settings() };
    let mut story = Story::of(plan, settings);
    story.opened();
    story.prepared("a");
    story.started("a");
    story.command(Command::Cancel { run: run_id(), target: only("needed") });
    story.report(Report::WorkspacePrepared { attempt: attempt("needed", 1), result: Err("gone".into()) });
    assert_eq!(story.task("b").word(), "skipped");
    assert_eq!(story.task("c").word(), "waiting", "a still runs");
    story.ends("a", done());
    story.report(collected("a", 1));
    assert_eq!(story.task("c").word(), "waiting", "a is not merged yet");
}

#[test]
fn a_verify_command_that_was_stopped_is_not_called_a_setup() {
    let mut story = agent_runs();
    story.ends("a", done());
    story.report(collected("a", 1));
    let (work, onto) = (commit("work"), commit("base"));
    let result = gadugi_core::Composition::Clean(commit("composed"));
    story.report(Report::Composed { run: run_id(), task: task("a"), work, onto, result });
    story.started("a");
    let killed = story.ends("a", ended(StepExit::Signal(9)));
    let because = killed.events.iter().find_map(|event| match event {
        gadugi_core::Event::MergePutBack { because, .. } => Some(because.as_str()),
        _ => None,
    });
    assert_eq!(because, Some("verify: ended by signal 9"));
}

#[test]
fn the_record_of_a_task_is_one_of_its_phases_however_it_ended() {
    let recorded = |story: &Story| {
        story
            .task("a")
            .phases
            .get(&gadugi_core::Phase::SettingsUpdate)
            .is_some_and(|phase| matches!(phase, gadugi_core::PhaseStatus::Proved { .. }))
    };
    let mut story = agent_runs();
    story.ends("a", done());
    story.report(collected("a", 1));
    let (work, onto) = (commit("work"), commit("base"));
    let result = gadugi_core::Composition::Conflict(vec!["a.rs".into()]);
    assert!(!recorded(&story));
    story.report(Report::Composed { run: run_id(), task: task("a"), work, onto, result });
    assert_eq!(story.task("a").word(), "failed");
    assert!(recorded(&story));

    let mut story = Story::of(plan(&["a"], &[]), settings());
    story.opened();
    story.report(Report::WorkspacePrepared { attempt: attempt("a", 1), result: Err("no room".into()) });
    assert!(recorded(&story));
}

#[test]
fn runs_that_name_no_number_share_the_machines_whatever_another_run_names() {
    let many = gadugi_core::RunSettings { max_parallel: Some(50), ..settings() };
    let mut story = Story::of(plan(&["a"], &[]), many);
    story.measured(3, 32);
    let mut begun = Vec::new();
    for name in ["second", "third"] {
        let run = gadugi_core::RunId::new(name);
        let settings = Box::new(gadugi_core::RunSettings { max_parallel: None, ..settings() });
        story.command(Command::StartRun { run: run.clone(), plan: plan(&["x", "y", "z"], &[]), settings });
        let opened = story.report(Report::IntegrationOpened { run, result: Ok(commit("base")) });
        begun.push(words(&opened).iter().filter(|word| **word == "attempt-started").count());
    }
    assert_eq!(begun, [2, 0]);
}

/// A stop that is asked for before the step is followed reaches nobody.
#[test]
fn a_step_that_was_being_stopped_when_the_engine_died_is_stopped_once_it_is_found() {
    let mut story = agent_runs();
    story.command(Command::Cancel { run: run_id(), target: Target::All });
    let adopt = |effect: &Effect| matches!(effect, Effect::AdoptStep { .. });
    assert!(story.command(Command::Restart).effects.iter().all(adopt));
    let found = story.started("a");
    assert_eq!(words(&found), Vec::<&str>::new(), "it is known to run");
    assert!(matches!(found.effects[..], [Effect::StopStep { .. }]));
}

#[test]
fn heartbeats_failed_live_tasks_at_120_s() {
    // A defect of the original project: here a task that is silent is neither failed nor stopped before its time is over.
    let mut story = agent_runs();
    let limit = story.run().settings.timeout;
    for _ in 0..(limit.0 / 1000 / 60 - 1) {
        story.now = story.now + gadugi_core::Millis::seconds(60);
        assert!(story.hears(gadugi_core::Input::Tick).is_empty());
        assert_eq!(story.task("a").word(), "running");
    }
}
