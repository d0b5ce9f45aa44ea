//! Wishes about one task, several or all, while a run is under way; and clocks that are set meanwhile.

mod common;

use common::stages::{COMPOSED, PAUSE, WORK, at};
use common::*;
use gadugi_core::{
    Command, Decision, Effect, EndClass, Event, Input, Millis, Outcome, Refusal, Reply, Report, RunSettings,
    Salvage, SessionMode, StepKind, StopForce, Target, TaskId, decide, next_wake, outstanding,
};

fn all(ids: &[&str]) -> Target {
    Target::Tasks(ids.iter().map(|id| TaskId::new(*id)).collect())
}

fn pause(story: &mut Story, target: Target) -> Decision {
    story.command(Command::Pause { run: run_id(), target })
}

fn resume(story: &mut Story, target: Target) -> Decision {
    story.command(Command::Resume { run: run_id(), target })
}

fn cancel(story: &mut Story, target: Target) -> Decision {
    story.command(Command::Cancel { run: run_id(), target })
}

fn retry(story: &mut Story, target: Target) -> Decision {
    story.command(Command::Retry { run: run_id(), target, with: Some("harder".into()) })
}

fn affected(decision: &Decision) -> usize {
    match &decision.reply {
        Some(Reply::Accepted { tasks }) => *tasks,
        other => panic!("{other:?}"),
    }
}

fn refusal(decision: &Decision) -> String {
    match &decision.reply {
        Some(Reply::Refused(refusal)) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

fn stops(decision: &Decision) -> usize {
    let stop = |effect: &&Effect| matches!(effect, Effect::StopStep { force: StopForce::Grace, .. });
    decision.effects.iter().filter(stop).count()
}

/// Which tasks an event of that kind is about.
fn about(decision: &Decision, word: &str) -> Vec<String> {
    let events = decision.events.iter().filter(|event| event.word() == word);
    events.filter_map(|event| Some(event.task()?.to_string())).collect()
}

fn agents(ids: &[&str], slots: u32) -> Story {
    Story::of_agents(plan(ids, &[]), RunSettings { max_parallel: Some(slots), ..settings() })
}

#[test]
fn a_paused_task_is_stopped_and_its_slot_is_anothers_until_it_is_resumed() {
    let mut story = agents(&["a", "b", "c"], 2);
    let session = story.task("a").session.clone().expect("a session");
    let paused = pause(&mut story, only("a"));
    assert_eq!((affected(&paused), stops(&paused)), (1, 1));
    assert_eq!(words(&paused), ["task-held", "stop-requested"]);
    let ends = story.ends("a", stopped());
    assert_eq!(suspension(&ends).map(|(because, until, _)| (because, until)), Some(("paused".into(), None)));
    assert_eq!((story.word("b"), story.word("c")), ("running".into(), "preparing".into()));
    story.all_start();
    assert!(story.later(Millis::seconds(3600)).is_empty());
    story.ends("b", done());
    assert_eq!(story.word("a"), "suspended", "also with room");
    let resumed = resume(&mut story, only("a"));
    assert_eq!(affected(&resumed), 1);
    assert_eq!(launched(&resumed), [StepKind::Agent { session, mode: SessionMode::Resume }]);
    let tally = story.task("a").active().map(|attempt| attempt.tally);
    assert_eq!(tally, Some(gadugi_core::Tally::default()), "a wish is no bad end");
}

#[test]
fn several_are_paused_and_resumed_at_once() {
    let mut story = agents(&["a", "b", "c", "d"], 3);
    let paused = pause(&mut story, all(&["a", "b", "d", "a"]));
    assert_eq!((affected(&paused), stops(&paused)), (3, 2), "d waits, and a was named twice");
    assert_eq!(about(&paused, "task-held"), ["a", "b", "d"]);
    assert_eq!(affected(&pause(&mut story, all(&["a", "b"]))), 0, "they are paused");
    story.ends("a", stopped());
    story.ends("b", stopped());
    story.ends("c", done());
    assert_eq!(story.word("d"), "waiting");
    // One of them is running again before the others are asked for.
    assert_eq!(about(&resume(&mut story, only("a")), "task-released"), ["a"]);
    let rest = resume(&mut story, Target::All);
    assert_eq!((affected(&rest), about(&rest, "task-released")), (2, vec!["b".to_owned(), "d".to_owned()]));
    assert_eq!(
        (story.word("a"), story.word("b"), story.word("d")),
        ("starting".into(), "starting".into(), "preparing".into())
    );
}

#[test]
fn wishes_about_what_is_not_there_change_nothing() {
    let mut story = agents(&["a", "b"], 2);
    for decision in [
        pause(&mut story, all(&["a", "z"])),
        resume(&mut story, only("z")),
        cancel(&mut story, all(&["b", "z"])),
        retry(&mut story, only("z")),
    ] {
        assert!(decision.is_empty(), "{decision:?}");
        assert_eq!(refusal(&decision), format!("{} has no task z", run_id()));
    }
    assert_eq!(refusal(&resume(&mut story, only("a"))), format!("{} is not paused", run_id()));
    assert_eq!(refusal(&resume(&mut story, Target::All)), format!("{} is not paused", run_id()));
    story.ends("a", done());
    story.merges("a");
    assert_eq!(affected(&pause(&mut story, only("a"))), 0, "it is over");
    assert_eq!(affected(&cancel(&mut story, only("a"))), 0);
    assert_eq!(refusal(&retry(&mut story, only("a"))), "a is not a task that failed");
}

#[test]
fn a_task_paused_before_its_workspace_is_there_begins_no_step() {
    for stage in ["preparing", "ready", "setup-intended", "agent-intended"] {
        let mut story = at(stage);
        story.once(Input::Command(Command::Pause { run: run_id(), target: only("a") }));
        if stage == "preparing" {
            story.prepared("a");
        } else if stage.ends_with("intended") {
            assert_eq!(stops(&story.started("a")), 1, "it is stopped as soon as it is there");
            story.ends("a", stopped());
        } else {
            story.hears(Input::Tick);
        }
        assert_eq!(story.word("a"), "suspended", "{stage}");
        assert!(story.run().rests(), "{stage}");
    }
}

#[test]
fn a_merge_that_is_under_way_is_gadugis_and_goes_on_while_its_task_is_paused() {
    for stage in ["collecting", "queued", "composing", "verify-running", "advancing"] {
        let mut story = at(stage);
        let paused = pause(&mut story, only("a"));
        assert_eq!((affected(&paused), stops(&paused)), (1, 0), "{stage}");
        assert!(!story.run().rests(), "{stage}");
        if stage == "advancing" {
            let merged =
                Report::Advanced { run: run_id(), task: task("a"), to: commit(COMPOSED), result: Ok(()) };
            story.report(merged);
            assert_eq!(story.word("a"), "succeeded");
            assert!(!story.task("a").held);
            assert_eq!(story.word("b"), "preparing");
        }
        if stage == "composing" {
            let (work, onto) = (commit(WORK), commit("base"));
            let result = gadugi_core::Composition::Clean(commit(COMPOSED));
            story.report(Report::Composed { run: run_id(), task: task("a"), work, onto, result });
            assert_eq!(story.word("a"), "verifying");
        }
    }
}

/// Each way in which something may still happen by itself keeps a run from resting; nothing else does.
#[test]
fn a_run_of_which_only_paused_tasks_are_left_rests() {
    let mut plan = plan(&["a", "b", "c", "other"], &[("a", "b")]);
    plan.edges.push(edge("b", "c", gadugi_core::EdgeReason::SameFile));
    let mut story = Story::of_agents(plan, settings());
    assert!(!story.run().rests());
    pause(&mut story, only("a"));
    assert!(!story.run().rests(), "it is still being stopped");
    story.ends("a", stopped());
    assert!(!story.run().rests(), "another one runs");
    story.ends("other", spoken(EndClass::Overloaded, None));
    assert!(!story.run().rests(), "which comes back by itself");
    story.later(Millis::seconds(2));
    story.all_start();
    story.ends("other", done());
    assert!(!story.run().rests(), "or is merged");
    story.merges("other");
    assert!(story.run().rests(), "b and c wait for what is paused");
    assert_eq!(next_wake(&story.state, story.now), None);
    let mut both = story.clone();
    resume(&mut both, only("a"));
    assert!(!both.run().rests());
    // Whoever is paused in the middle holds those behind it; those before it go on.
    pause(&mut story, only("b"));
    resume(&mut story, only("a"));
    story.all_start();
    story.ends("a", done());
    story.merges("a");
    assert!(story.run().rests());
    assert_eq!((story.word("b"), story.word("c")), ("waiting".into(), "waiting".into()));
    cancel(&mut story, only("b"));
    assert!(!story.run().rests());
    assert_eq!(story.word("c"), "preparing", "it was an order and no need");
}

#[test]
fn a_paused_run_rests_only_when_nothing_is_owed() {
    let mut story = agents(&["a", "b"], 2);
    story.ends("a", spoken(EndClass::Refused, None));
    pause(&mut story, Target::All);
    story.ends("b", spoken(EndClass::Overloaded, None));
    assert!(!story.run().rests(), "what a left is not saved yet");
    story.salvaged("a");
    assert!(story.run().rests(), "also with a pause that will be over: nothing follows from it");
    story.later(Millis::seconds(10));
    assert_eq!(story.word("b"), "suspended");
}

#[test]
fn tasks_are_cancelled_one_several_or_all() {
    let mut story = agents(&["a", "b", "c", "d", "e"], 3);
    let one = cancel(&mut story, only("a"));
    assert_eq!((affected(&one), stops(&one)), (1, 1));
    let several = cancel(&mut story, all(&["b", "d"]));
    assert_eq!((affected(&several), stops(&several)), (2, 1));
    assert_eq!(story.task("d").outcome(), Some(&Outcome::Cancelled));
    let rest = cancel(&mut story, Target::All);
    assert_eq!((affected(&rest), stops(&rest)), (4, 1), "all but the one that is over");
    assert!(
        rest.effects
            .iter()
            .filter(|effect| matches!(effect, Effect::StopStep { force: StopForce::Now, .. }))
            .count()
            == 2
    );
    for id in ["a", "b", "c"] {
        let ends = story.ends(id, stopped());
        assert!(ends.effects.contains(&Effect::SalvageWork { attempt: attempt(id, 1) }), "{id}");
        assert_eq!(story.task(id).outcome(), Some(&Outcome::Cancelled));
    }
    assert_eq!(story.run().status.word(), "active", "what they left is seen to first");
    for id in ["a", "b"] {
        assert_eq!(words(&story.salvaged(id)), ["work-salvaged"]);
    }
    assert_eq!(words(&story.salvaged("c")), ["work-salvaged", "run-ending"]);
}

#[test]
fn a_paused_task_can_be_cancelled_and_is_paused_no_longer() {
    let mut story = agents(&["a", "b"], 2);
    pause(&mut story, only("a"));
    story.ends("a", stopped());
    cancel(&mut story, only("a"));
    assert!(!story.task("a").held);
    story.salvaged("a");
    retry(&mut story, only("a"));
    assert_eq!(story.word("a"), "preparing");
}

#[test]
fn retry_revives_what_was_skipped_for_it_and_nothing_else() {
    let mut story = Story::of_agents(
        plan(&["a", "b", "c", "x", "y", "good"], &[("a", "b"), ("b", "c"), ("x", "y")]),
        settings(),
    );
    story.ends("a", spoken(EndClass::Refused, None));
    story.ends("x", spoken(EndClass::Refused, None));
    for id in ["b", "c", "y"] {
        assert_eq!(story.word(id), "skipped", "{id}");
    }
    let mut one = story.clone();
    let decision = retry(&mut one, only("a"));
    assert_eq!(
        (affected(&decision), about(&decision, "task-revived")),
        (3, vec!["a".into(), "b".into(), "c".into()])
    );
    assert_eq!((one.word("x"), one.word("y")), ("failed".into(), "skipped".into()));
    assert_eq!(one.task("a").note.as_deref(), Some("harder"));
    assert_eq!(one.task("b").note, None, "what was said was said to the one");

    let mut several = story.clone();
    assert_eq!(affected(&retry(&mut several, all(&["a", "x"]))), 5);
    let mut every = story.clone();
    assert_eq!(affected(&retry(&mut every, Target::All)), 5);
    let revived = |story: &Story| story.run().tasks.iter().filter(|task| task.outcome().is_none()).count();
    assert_eq!((revived(&several), revived(&every)), (6, 6));
    // All or none, where one of those that are named cannot be tried again.
    let refused = retry(&mut story, all(&["a", "good"]));
    assert!(refused.is_empty());
    assert_eq!(refused.reply, Some(Reply::Refused(Refusal::NotRetryable(task("good")))));
    // One that was skipped alone, while what it needs has failed: it is skipped again.
    let skipped = retry(&mut story, only("b"));
    assert_eq!(
        (about(&skipped, "task-revived"), about(&skipped, "task-finished")),
        (vec!["b".into(), "c".into()], vec!["b".into(), "c".into()])
    );
    let nothing = retry(&mut agents(&["a"], 1), Target::All);
    assert_eq!(affected(&nothing), 0);
}

#[test]
fn a_retry_does_not_forget_what_the_attempt_before_left() {
    let mut story = agents(&["a"], 1);
    story.ends("a", spoken(EndClass::Refused, None));
    retry(&mut story, only("a"));
    story.all_start();
    let owed = outstanding(&story.state);
    assert!(owed.contains(&Effect::SalvageWork { attempt: attempt("a", 1) }), "{owed:?}");
    story.ends("a", done());
    assert!(!words(&story.merges("a")).contains(&"run-ending"), "the first one's work is still to be saved");
    let kept = Salvage::Kept { reference: "refs/gadugi/salvage/a/1".into(), commit: commit("c") };
    let salvaged = Report::WorkSalvaged { attempt: attempt("a", 1), salvage: kept.clone() };
    assert_eq!(words(&story.report(salvaged.clone())), ["work-salvaged", "run-ending"]);
    assert_eq!(story.task("a").salvage, [(1, Some(kept))].into());
    assert!(story.report(salvaged).is_empty());
}

#[test]
fn who_did_well_or_was_never_begun_leaves_nothing_to_salvage() {
    let salvages = |decision: &Decision| {
        decision.effects.iter().filter(|effect| matches!(effect, Effect::SalvageWork { .. })).count()
    };
    let mut story = agents(&["a", "b"], 1);
    story.ends("a", done());
    assert_eq!(salvages(&story.merges("a")), 0);
    let failed = Report::WorkspacePrepared { attempt: attempt("b", 1), result: Err("no room".into()) };
    assert_eq!((salvages(&story.report(failed)), story.word("b")), (0, "failed".into()));
    assert_eq!(story.run().status.word(), "ending");
    // An agent that says, with a reason, that nothing needs doing has done well.
    let mut story = agents(&["a"], 1);
    story.ends("a", spoken(EndClass::Done, Some("it is there")));
    let nothing = gadugi_core::Collected { commit: commit("base"), changed: vec![], committed_rest: false };
    let collected = story.report(Report::WorkCollected { attempt: attempt("a", 1), result: Ok(nothing) });
    assert_eq!((salvages(&collected), story.run().status.word()), (0, "ending"));
}

#[test]
fn a_worktree_that_cannot_be_made_fails_its_task_alone() {
    let mut story = Story::of(plan(&["a", "b"], &[]), settings());
    story.opened();
    story.report(Report::WorkspacePrepared { attempt: attempt("a", 1), result: Err("no space".into()) });
    assert_eq!((story.word("a"), detail(&story, "a")), ("failed".into(), "no workspace: no space".into()));
    story.prepared("b");
    assert_eq!(story.word("b"), "starting");
}

#[test]
fn a_run_that_is_over_takes_no_wish_but_a_retry() {
    let mut story = at("run-over");
    for decision in [
        pause(&mut story, only("a")),
        pause(&mut story, Target::All),
        resume(&mut story, Target::All),
        cancel(&mut story, Target::All),
    ] {
        assert_eq!(refusal(&decision), format!("{} is over", run_id()));
    }
    assert_eq!(affected(&retry(&mut story, Target::All)), 2);
    assert_eq!(story.run().status.word(), "active");
    let ending = retry(&mut at("run-ending"), Target::All);
    assert_eq!(refusal(&ending), format!("{} is over", run_id()), "until its workspaces are put away");
}

fn jump(story: &mut Story, by: i64) -> Decision {
    story.now.0 += by;
    story.command(Command::ClockJumped { by })
}

const DAY: i64 = 86_400_000;

#[test]
fn a_clock_that_jumps_moves_deadlines_along() {
    for by in [DAY, -DAY, 3_600_000, -1] {
        let mut story = agents(&["a", "b"], 1);
        let timeout = story.run().settings.timeout;
        let began = story.now;
        story.now = story.now + Millis::seconds(600);
        let jumped = jump(&mut story, by);
        assert_eq!(words(&jumped), ["clock-jumped"], "{by}: nothing is over by it");
        let due = next_wake(&story.state, story.now).expect("a deadline");
        assert!(due.0.abs_diff(began.0 + by + timeout.0 as i64) < 100, "{by}");
        story.now = due - Millis(1);
        assert!(story.hears(Input::Tick).is_empty(), "{by}");
        story.now = due;
        assert_eq!(words(&story.hears(Input::Tick)), ["stop-requested"], "{by}");
    }
}

#[test]
fn a_clock_that_jumps_moves_the_pauses_between_tries_along() {
    for stage in ["suspended-until", "queued-until"] {
        for by in [DAY, -DAY] {
            let mut story = at(stage);
            let wake = next_wake(&story.state, story.now).expect("a pause");
            assert!(wake.since(story.now) <= PAUSE);
            assert_eq!(words(&jump(&mut story, by)), ["clock-jumped"], "{stage} {by}");
            let moved = next_wake(&story.state, story.now).map(|moved| moved.0 - wake.0);
            assert_eq!(moved, Some(by), "{stage}");
        }
    }
}

/// The vendor names a moment of the world's time.
#[test]
fn a_clock_that_jumps_leaves_the_reset_of_an_account_where_it_is() {
    for by in [-DAY, 60_000] {
        let mut story = agents(&["a"], 1);
        let reset = story.now + Millis::seconds(3600);
        story.ends("a", spoken(EndClass::UsageLimit { resets_at: Some(reset) }, None));
        jump(&mut story, by);
        assert_eq!(next_wake(&story.state, story.now), Some(reset), "{by}");
        story.wakes();
        assert_eq!(story.word("a"), "starting");
    }
}

#[test]
fn a_verify_command_has_its_time_moved_as_well() {
    let mut story = at("verify-running");
    let due = next_wake(&story.state, story.now).expect("a deadline");
    jump(&mut story, DAY);
    assert_eq!(next_wake(&story.state, story.now).map(|moved| moved.0 - due.0), Some(DAY));
}

#[test]
fn a_jump_is_no_news_where_nothing_is_timed() {
    for stage in ["waiting", "ready", "suspended", "queued", "succeeded", "run-ending", "run-over"] {
        let story = at(stage);
        let decision = decide(&story.state, story.now, Input::Command(Command::ClockJumped { by: DAY }));
        assert!(decision.is_empty(), "{stage}");
    }
    let mut story = at("agent-running");
    let other = gadugi_core::RunId::new("other");
    let settings = Box::new(settings());
    story.command(Command::StartRun { run: other, plan: plan(&["x"], &[]), settings });
    let told = story.command(Command::ClockJumped { by: DAY });
    let runs: Vec<_> = told.events.iter().filter_map(Event::run).collect();
    assert_eq!(runs, [&run_id()]);
}
