//! What a step may take of the disk, how much it may write, and what the gateway knows before an agent's end tells it.

mod common;

use common::*;
use gadugi_core::{
    Command, Decision, Effect, Event, ExecutorKind, Hold, LimitSettings, Millis, Outcome, Reading, Report,
    RunSettings, SessionMode, StepEnd, StepExit, StepKind, StopCause, StopForce, Timestamp,
};

const GIB: u64 = 1 << 30;

fn bounded(disk_bytes: u64) -> Story {
    let limits = LimitSettings { disk_bytes: Some(disk_bytes), ..LimitSettings::default() };
    Story::of_agents(plan(&["a", "b"], &[]), RunSettings { limits, max_parallel: Some(1), ..settings() })
}

fn takes(story: &mut Story, bytes: u64) -> Decision {
    let step = story.current("a");
    story.report(Report::DiskUsed { step, bytes })
}

#[test]
fn a_step_that_takes_more_of_the_disk_than_a_task_may_is_stopped_once_and_its_task_fails() {
    let mut story = bounded(GIB);
    assert!(takes(&mut story, GIB).is_empty(), "as much as it may");
    let over = takes(&mut story, GIB + 1);
    let stop = Effect::StopStep { step: story.current("a"), force: StopForce::Grace };
    assert_eq!(over.effects, [stop]);
    assert!(
        matches!(over.events[..], [Event::StopRequested { cause: StopCause::DiskLimit, .. }]),
        "{:?}",
        over.events
    );
    assert!(takes(&mut story, 2 * GIB).is_empty(), "it is being stopped already");
    story.ends("a", stopped());
    assert_eq!(story.task("a").outcome(), Some(&Outcome::Failed));
    assert_eq!(detail(&story, "a"), "its workspace and home took more than 1024 MiB of the disk");
    assert_eq!(story.word("b"), "preparing", "the next one has its slot");
}

#[test]
fn one_that_ends_by_itself_before_it_was_stopped_has_ended_so() {
    let mut story = bounded(GIB);
    takes(&mut story, 2 * GIB);
    story.ends("a", done());
    assert_eq!(story.word("a"), "collecting");
}

#[test]
fn only_containers_have_a_limit_of_the_disk_where_nobody_named_one() {
    for (executor, stopped) in [(ExecutorKind::Local, 0), (ExecutorKind::Docker, 1)] {
        let mut story = Story::of_agents(plan(&["a"], &[]), RunSettings { executor, ..settings() });
        assert_eq!(takes(&mut story, 20 * GIB + 1).effects.len(), stopped, "{executor:?}");
    }
}

#[test]
fn what_ended_with_its_container_goes_on_in_its_conversation_and_counts_for_nothing() {
    let mut story = bounded(GIB);
    for _ in 0..10 {
        let decision = story.ends("a", StepEnd { stopped: true, ..ended(StepExit::EndedByEngine) });
        let again = launched(&decision);
        assert!(matches!(again[..], [StepKind::Agent { mode: SessionMode::Resume, .. }]), "{decision:?}");
        story.started("a");
    }
    assert_eq!(story.task("a").attempts, 1);
}

#[test]
fn a_step_that_wrote_too_much_would_write_it_again() {
    let mut story = bounded(GIB);
    story.ends("a", StepEnd { stopped: true, ..ended(StepExit::TooMuchOutput) });
    assert_eq!(story.task("a").outcome(), Some(&Outcome::Failed));
    assert_eq!(detail(&story, "a"), "stopped, because it wrote more output than a step may");
}

#[test]
fn a_model_api_that_refuses_lets_attempts_begin_one_at_a_time_until_it_takes_them_again() {
    let mut story =
        Story::of(plan(&["a", "b", "c"], &[]), RunSettings { max_parallel: Some(3), ..settings() });
    let slowed = |slowed: Option<&str>| {
        Command::Measured(Reading { slowed: slowed.map(str::to_owned), ..machine(8, 32) })
    };
    let held = story.command(slowed(Some("429 from the model API")));
    let hold =
        Event::DispatchHeld { run: run_id(), hold: Hold::Api, reason: "429 from the model API".into() };
    assert!(held.events.contains(&hold), "{:?}", held.events);
    story.opened();
    let begun = || ["a", "b", "c"].map(|id| story.word(id));
    assert_eq!(begun(), ["preparing", "waiting", "waiting"]);
    let freed = story.command(slowed(None));
    assert!(freed.events.contains(&Event::DispatchFreed { run: run_id(), hold: Hold::Api }));
    assert_eq!(["a", "b", "c"].map(|id| story.word(id)), ["preparing", "preparing", "preparing"]);
}

#[test]
fn a_limit_that_the_gateway_meets_holds_back_the_agent_before_the_end_of_its_step() {
    let mut story = bounded(GIB);
    let until = story.now + Millis::seconds(3600);
    let step = story.current("a");
    let limited = |until| Report::AccountLimited { step: step.clone(), until, reason: "weekly limit".into() };
    let met = story.report(limited(Some(until)));
    let fact = |until: Timestamp| Event::AccountLimited {
        run: run_id(),
        agent: "claude".into(),
        until,
        reason: "weekly limit".into(),
    };
    assert_eq!((met.events, met.effects.len()), (vec![fact(until)], 0), "what runs goes on");
    assert!(story.report(limited(Some(until))).is_empty(), "it is known");
    // Without a word on when: a quarter of an hour, which is sooner.
    assert!(story.report(limited(None)).is_empty());
    story.ends("a", done());
    assert_eq!(story.word("b"), "waiting");
}
