//! What follows from each way in which a step can end, how often, and how soon.

mod common;

use common::stages::{WORK, at};
use common::*;
use gadugi_core::{
    EndClass, Event, Input, Millis, Outcome, Report, RetrySettings, RunSettings, SessionMode, StepEnd,
    StepExit, StepKind, Timestamp, Verdict,
};

/// ```text
/// again    after a pause between nothing and what the first may last; an agent in the same conversation
/// again*   the same, in a new conversation: nobody knows whether the id of the old one is in use
/// alone    again, with nothing beside it
/// afresh   as soon as there is room, and nothing is counted
/// goes on  at once, in the same conversation
/// reset    its agent begins nothing until the account's limit is lifted
/// pause    nothing of its run begins until somebody says so
/// no budget  it fails, as it has spent all that there is
/// fails, rejected  so it is; no more tries
/// done     it is not a bad end
/// -        such a step has no such end
/// ```
const TABLE: &str = "
                           setup     agent      verify
exit-0                     done      again      done
exit-1                     fails     again      rejected
signal-9                   again     again      again
signal-11                  fails     again      rejected
out-of-memory              alone     alone      again
not-started                again     again      again
never-began                afresh    afresh     afresh
lease-lapsed               again     again      again
lost                       again     again      again
stopped-by-others          again     again      again
done                       -         done       -
max-turns                  -         goes-on    -
auth                       -         pause      -
overloaded                 -         again      -
usage-limit                -         reset      -
budget                     -         no-budget  -
refused                    -         fails      -
no-session                 -         again*     -
crashed                    -         again      -
silent                     -         again      -
done,out-of-memory         -         done       -
overloaded,signal-9        -         again      -
crashed,out-of-memory      -         alone      -
refused,lost               -         again      -
auth,never-began           -         afresh     -
";

fn exits() -> Vec<(&'static str, StepEnd)> {
    vec![
        ("exit-0", ended(StepExit::Code(0))),
        ("exit-1", ended(StepExit::Code(1))),
        ("signal-9", ended(StepExit::Signal(9))),
        ("signal-11", ended(StepExit::Signal(11))),
        ("out-of-memory", ended(StepExit::OutOfMemory)),
        ("not-started", ended(StepExit::NotStarted("no such program".into()))),
        ("never-began", ended(StepExit::NeverBegan)),
        ("lease-lapsed", ended(StepExit::LeaseLapsed)),
        ("lost", ended(StepExit::Lost)),
        ("stopped-by-others", stopped()),
    ]
}

/// A class does not compile until it has a word, and the table fails until it has a row.
fn classes() -> Vec<(String, StepEnd)> {
    let all = [
        EndClass::Done,
        EndClass::MaxTurns,
        EndClass::Auth,
        EndClass::Overloaded,
        EndClass::UsageLimit { resets_at: None },
        EndClass::Budget,
        EndClass::Refused,
        EndClass::NoSession,
        EndClass::Crashed,
        EndClass::Silent,
    ];
    let both = [
        (EndClass::Done, "out-of-memory"),
        (EndClass::Overloaded, "signal-9"),
        (EndClass::Crashed, "out-of-memory"),
        (EndClass::Refused, "lost"),
        (EndClass::Auth, "never-began"),
    ];
    let alone = all.into_iter().map(|class| (class.word().to_owned(), spoken(class, None)));
    let both = both.into_iter().map(|(class, name)| {
        let exit = exits().into_iter().find(|(exit, _)| *exit == name).expect("an exit").1.exit;
        (format!("{},{name}", class.word()), StepEnd { exit, ..spoken(class, None) })
    });
    alone.chain(both).collect()
}

/// What followed, in a word of the table.
fn outcome(stage: &str, end: &StepEnd) -> String {
    let mut story = at(stage);
    let (session, at) = (story.task("a").session.clone(), story.now);
    let step = story.current("a");
    let decision = story.once(Input::Report(Report::StepEnded { step, end: end.clone() }));
    let has = |word: &str| words(&decision).contains(&word);
    if let Some(Event::TaskFinished { verdict, .. }) =
        decision.events.iter().find(|event| matches!(event, Event::TaskFinished { .. }))
    {
        return match verdict {
            _ if detail(&story, "a").contains("budget") => "no-budget",
            Some(Verdict::Rejected) => "rejected",
            _ => "fails",
        }
        .into();
    }
    let put_back = decision.events.iter().find_map(|event| match event {
        Event::MergePutBack { until, .. } => Some((*until, false)),
        _ => None,
    });
    let suspended = suspension(&decision).map(|(_, until, alone)| (until, alone));
    let Some((until, alone)) = suspended.or(put_back) else {
        let next = story.once(Input::Tick);
        return if words(&next) == ["step-intended"] && stage == "agent-running" {
            "goes-on"
        } else {
            "done"
        }
        .into();
    };
    match until {
        None if has("run-paused") => return "pause".into(),
        None => return "afresh".into(),
        Some(until) if has("account-limited") => {
            assert_eq!(until, at + Millis::seconds(15 * 60), "where nobody says when");
            return "reset".into();
        }
        Some(until) => assert!(until >= at && until < at + RetrySettings::default().first, "{until:?}"),
    }
    let next = launched(&story.later(RetrySettings::default().first));
    match &next[..] {
        [] if stage == "verify-running" => assert_eq!(story.word("a"), "merging"),
        [StepKind::Setup] if stage == "setup-running" => {}
        [StepKind::Agent { session: next, mode }] if stage == "agent-running" => {
            if Some(next) != session.as_ref() {
                assert_eq!(*mode, SessionMode::Fresh);
                return "again*".into();
            }
            // The id of what never began is still to be begun.
            let began = !matches!(end.exit, StepExit::NotStarted(_));
            assert_eq!(*mode, if began { SessionMode::Resume } else { SessionMode::Fresh });
        }
        other => panic!("{stage}: {other:?}"),
    }
    if alone { "alone" } else { "again" }.into()
}

#[test]
fn each_end_of_each_kind_of_step_has_its_row() {
    let stages = ["setup-running", "agent-running", "verify-running"];
    let mut found = format!("{:<26} setup     agent      verify\n", "");
    for (name, end) in exits() {
        let [setup, agent, verify] = stages.map(|stage| outcome(stage, &end));
        found += &format!("{name:<26} {setup:<9} {agent:<10} {verify}\n");
    }
    for (name, end) in classes() {
        found += &format!("{name:<26} -         {:<10} -\n", outcome("agent-running", &end));
    }
    let cells = |table: &str| {
        let lines = table.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    assert!(cells(TABLE) == cells(&found), "the table is not as the code is, which gives:\n{found}");
}

fn agent(settings: RunSettings) -> Story {
    Story::of_agents(plan(&["a"], &[]), settings)
}

/// The same end until the task is over: how many tries there were, and the longest pause that each gap could have had.
fn tries(story: &mut Story, end: &StepEnd) -> Vec<u64> {
    let mut pauses = Vec::new();
    for _ in 0..1000 {
        let at = story.now;
        let step = story.current("a");
        let decision = story.once(Input::Report(Report::StepEnded { step, end: end.clone() }));
        if story.task("a").outcome().is_some() {
            return pauses;
        }
        let (_, until, _) = suspension(&decision).expect("it is to be tried again");
        pauses.push(until.expect("a time").since(at).0);
        story.now = until.expect("a time");
        story.hears(Input::Tick);
        story.all_start();
        assert_eq!(story.word("a"), "running");
    }
    panic!("it never ends");
}

fn retry(retry: RetrySettings) -> RunSettings {
    RunSettings { retry, ..settings() }
}

#[test]
fn an_api_that_stays_away_is_tried_twenty_times_over_half_an_hour_at_most_and_then_some() {
    let mut story = agent(settings());
    let pauses = tries(&mut story, &spoken(EndClass::Overloaded, None));
    assert_eq!(pauses.len() + 1, 20);
    for (nth, pause) in pauses.iter().enumerate() {
        let most = 2000 * (1 << nth.min(30));
        assert!(*pause < most && *pause < 300_000, "{nth}: {pause}");
    }
    assert!(pauses.iter().any(|pause| *pause > 150_000), "they grow: {pauses:?}");
    assert_eq!(detail(&story, "a"), "overloaded: said; given up after 20 tries");
    assert_eq!(story.task("a").outcome(), Some(&Outcome::Failed));
}

#[test]
fn crashes_losses_and_failures_to_start_are_tried_three_times_together() {
    for end in [
        spoken(EndClass::Crashed, None),
        spoken(EndClass::Silent, None),
        ended(StepExit::OutOfMemory),
        ended(StepExit::NotStarted("no such program".into())),
    ] {
        let mut story = agent(settings());
        assert_eq!(tries(&mut story, &end).len() + 1, 3, "{end:?}");
        assert_eq!(story.task("a").outcome(), Some(&Outcome::Failed));
        assert!(detail(&story, "a").ends_with("; given up after 3 tries"), "{}", detail(&story, "a"));
    }
    for end in [ended(StepExit::Lost), ended(StepExit::LeaseLapsed)] {
        let mut story = agent(settings());
        assert_eq!(tries(&mut story, &end).len() + 1, 3, "{end:?}");
        assert_eq!(story.task("a").outcome(), Some(&Outcome::Lost), "nobody can say how it ended");
    }
    let mut story = agent(settings());
    for end in [ended(StepExit::Lost), spoken(EndClass::Crashed, None), ended(StepExit::OutOfMemory)] {
        assert_eq!(story.word("a"), "running");
        story.ends("a", end);
        story.later(Millis::seconds(5));
        story.all_start();
    }
    assert_eq!(story.word("a"), "failed");
}

/// Crashes do not use up what is borne of an API that is away, nor the other way round.
#[test]
fn each_sort_of_bad_end_has_its_own_count() {
    let mut story = agent(settings());
    for nth in 0..19 {
        let class = if nth % 8 == 7 { EndClass::Crashed } else { EndClass::Overloaded };
        story.ends("a", spoken(class, None));
        story.later(Millis::seconds(301));
        story.all_start();
        assert_eq!(story.word("a"), "running", "{nth}");
    }
    assert_eq!(
        story.task("a").active().map(|attempt| (attempt.tally.transient, attempt.tally.crashes)),
        Some((17, 2))
    );
}

#[test]
fn one_try_is_no_retry() {
    let once = RetrySettings { transient: 1, crashes: 1, continuations: 0, ..RetrySettings::default() };
    for class in [
        EndClass::Overloaded,
        EndClass::Crashed,
        EndClass::MaxTurns,
        EndClass::UsageLimit { resets_at: None },
    ] {
        let mut story = agent(retry(once));
        story.ends("a", spoken(class.clone(), None));
        assert_eq!(story.word("a"), "failed", "{class:?}");
        assert_eq!(detail(&story, "a"), format!("{}: said", class.word()));
    }
}

#[test]
fn a_conversation_is_continued_three_times_however_long_each_took() {
    let mut story = agent(settings());
    let session = story.task("a").session.clone().expect("a session");
    for _ in 0..3 {
        let long = StepEnd { wall: Millis::seconds(1200), ..spoken(EndClass::MaxTurns, None) };
        let next = story.ends("a", long);
        assert_eq!(
            launched(&next),
            [StepKind::Agent { session: session.clone(), mode: SessionMode::Resume }]
        );
        assert_eq!(words(&next), ["step-ended", "step-intended"], "at once, in the slot that it has");
        story.all_start();
    }
    story.ends("a", spoken(EndClass::MaxTurns, None));
    assert_eq!(story.word("a"), "failed");
}

#[test]
fn what_got_on_for_more_than_five_minutes_forgets_the_bad_ends_before_it() {
    let crashed = |seconds: u64| StepEnd { wall: Millis(seconds * 1000), ..spoken(EndClass::Crashed, None) };
    for (last, word) in
        [(StepEnd { wall: Millis(300_001), ..crashed(0) }, "suspended"), (crashed(300), "failed")]
    {
        let mut story = agent(settings());
        tries_left(&mut story, 2, &crashed(1));
        let step = story.current("a");
        story.once(Input::Report(Report::StepEnded { step, end: last }));
        assert_eq!(story.word("a"), word);
    }
    // The long one itself counts: two more, and it is over.
    let mut story = agent(settings());
    tries_left(&mut story, 2, &crashed(1));
    story.ends("a", crashed(301));
    story.later(Millis::seconds(5));
    story.all_start();
    assert_eq!(tries(&mut story, &crashed(1)).len(), 1);
}

/// Only an agent gets on: a setup that is killed after ten minutes will be again.
#[test]
fn a_setup_or_verify_command_is_not_getting_on_however_long_it_took() {
    for stage in ["setup-running", "verify-running"] {
        let mut story = at(stage);
        for tries in 1.. {
            let killed = StepEnd { wall: Millis::seconds(600), ..ended(StepExit::Signal(9)) };
            story.ends("a", killed);
            if story.task("a").outcome().is_some() {
                assert_eq!(tries, 3, "{stage}");
                break;
            }
            assert!(tries < 10, "{stage}: it never ends");
            story.later(Millis::seconds(5));
            if stage == "verify-running" {
                let (work, onto) = (commit(WORK), commit("base"));
                let result = gadugi_core::Composition::Clean(commit("c"));
                story.report(Report::Composed { run: run_id(), task: task("a"), work, onto, result });
            }
            story.all_start();
            if story.word("a") == "verifying" {
                story.started("a");
            }
        }
    }
}

/// So many ends like that, each with a further try after it.
fn tries_left(story: &mut Story, ends: u32, end: &StepEnd) {
    for _ in 0..ends {
        story.ends("a", end.clone());
        story.later(Millis::seconds(301));
        story.all_start();
        assert_eq!(story.word("a"), "running");
    }
}

#[test]
fn a_hang_is_long_and_no_sign_of_getting_on() {
    let mut story = agent(settings());
    tries_left(&mut story, 2, &spoken(EndClass::Crashed, None));
    let quiet = |story: &Story| Report::StepQuiet {
        step: story.current("a"),
        quiet: Millis::seconds(1800),
        after_result: false,
    };
    story.report(quiet(&story));
    story.report(quiet(&story));
    story.ends("a", StepEnd { wall: Millis::seconds(1900), ..stopped() });
    assert_eq!(story.word("a"), "failed");
    assert_eq!(detail(&story, "a"), "it gave no sign of life; given up after 3 tries");
}

#[test]
fn a_good_end_breaks_the_row() {
    // Twice the setup was killed, then it passed; the agent may crash twice as well.
    let mut story = at("setup-running");
    tries_left(&mut story, 2, &ended(StepExit::Signal(9)));
    story.ends("a", ended(StepExit::Code(0)));
    story.all_start();
    assert_eq!(tries(&mut story, &spoken(EndClass::Crashed, None)).len() + 1, 3);
    // An agent that was done after two crashes: the verify command is tried three times all the same.
    let mut story = at("agent-running");
    tries_left(&mut story, 2, &spoken(EndClass::Crashed, None));
    story.ends("a", done());
    let mut verified = 0;
    let (work, onto) = (commit("w"), commit("base"));
    let collected =
        gadugi_core::Collected { commit: work.clone(), changed: vec!["a".into()], committed_rest: false };
    story.report(Report::WorkCollected { attempt: attempt("a", 2), result: Ok(collected) });
    while story.task("a").outcome().is_none() {
        let (work, onto) = (work.clone(), onto.clone());
        let result = gadugi_core::Composition::Clean(commit("c"));
        story.report(Report::Composed { run: run_id(), task: task("a"), work, onto, result });
        story.started("a");
        story.ends("a", ended(StepExit::Lost));
        story.later(Millis::seconds(5));
        verified += 1;
    }
    assert_eq!(verified, 3);
}

#[test]
fn a_tasks_own_failure_is_tried_again_only_where_that_was_asked_for() {
    let refused = spoken(EndClass::Refused, None);
    assert_eq!(tries(&mut agent(settings()), &refused).len(), 0);
    let mut story = agent(retry(RetrySettings { failures: 2, ..RetrySettings::default() }));
    assert_eq!(tries(&mut story, &refused).len(), 2);
    assert_eq!(detail(&story, "a"), "refused: said");
    // A setup that fails is one of them; what verifies the work is not: it would say the same again.
    let asked = RetrySettings { failures: 1, ..RetrySettings::default() };
    let mut story = Story::of(plan(&["a"], &[]), retry(asked));
    story.opened();
    story.all_start();
    assert_eq!(tries(&mut story, &ended(StepExit::Code(1))).len(), 1);
}

#[test]
fn a_step_that_never_began_costs_no_try() {
    let mut story = agent(settings());
    for _ in 0..50 {
        let decision = story.ends("a", ended(StepExit::NeverBegan));
        assert_eq!(suspension(&decision).map(|(_, until, _)| until), Some(None));
        assert_eq!(story.word("a"), "starting", "and there is room at once");
    }
}

/// A conversation that is not there begins afresh under an id of its own; one that was begun goes on as long as it can.
#[test]
fn a_conversation_that_is_not_there_begins_afresh() {
    let mut story = agent(settings());
    let first = story.task("a").session.clone().expect("a session");
    let next = again(&mut story, spoken(EndClass::NoSession, None));
    let second = story.task("a").session.clone().expect("a session");
    assert_ne!(first, second);
    assert_eq!(next, [fresh(&second)]);
    let resumed = again(&mut story, spoken(EndClass::Overloaded, None));
    assert_eq!(resumed, [StepKind::Agent { session: second, mode: SessionMode::Resume }]);
    let again = again(&mut story, spoken(EndClass::NoSession, None));
    let third = story.task("a").session.clone().expect("a session");
    assert!(third != first && again == [fresh(&third)]);
}

/// What is launched after that end and its pause.
fn again(story: &mut Story, end: StepEnd) -> Vec<StepKind> {
    let mut launches = launched(&story.ends("a", end));
    launches.extend(launched(&story.later(Millis::seconds(301))));
    story.all_start();
    launches
}

#[test]
fn while_it_pauses_the_slot_is_anothers() {
    let one = RunSettings { max_parallel: Some(1), ..settings() };
    let mut story = Story::of_agents(plan(&["a", "b"], &[]), one);
    let first = RetrySettings::default().first;
    assert_eq!((story.word("a"), story.word("b")), ("running".into(), "waiting".into()));
    story.ends("a", spoken(EndClass::Overloaded, None));
    assert_eq!(story.word("b"), "preparing");
    story.all_start();
    story.later(first);
    assert_eq!(story.word("a"), "suspended", "its time is over, and there is no room");
    assert_eq!(
        gadugi_core::next_wake(&story.state, story.now),
        story.run().task(&task("b")).map(|b| {
            b.active().and_then(|attempt| attempt.step()?.running.as_ref()).expect("it runs").1
                + story.run().settings.timeout
        }),
        "what is past is not waited for"
    );
    story.ends("b", done());
    assert_eq!(story.word("a"), "starting", "an agent that is done leaves its slot");
}

/// The same log gives the same pauses, and steps that failed together do not come back together.
#[test]
fn pauses_are_scattered_and_repeatable() {
    let ids: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let all = RunSettings { max_parallel: Some(40), ..settings() };
    let story = Story::of_agents(plan(&ids, &[]), all);
    let pause = |id: &&str| {
        let (step, end) = (story.current(id), spoken(EndClass::Overloaded, None));
        let report = Report::StepEnded { step, end };
        suspension(&gadugi_core::decide(&story.state, story.now, Input::Report(report)))?.1
    };
    let pauses = || -> Vec<Timestamp> { ids.iter().filter_map(pause).collect() };
    let first = pauses();
    assert_eq!(first, pauses());
    let different: std::collections::BTreeSet<i64> = first.iter().map(|at| at.0).collect();
    assert!(different.len() > 35, "{different:?}");
}
