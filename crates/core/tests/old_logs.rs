//! Logs of earlier versions, as those versions wrote them: they are read, replayed, and gone on with.
//!
//! `logs/version-1-events.jsonl` has an event of each kind and shape of that version; `logs/version-1.log` is one run of
//! it, each line the time in milliseconds and the event: failures, losses, a cancellation, a conflict, an interruption,
//! a merge, an end, a landing, and two retries, the latter of which is under way.

mod common;

use common::*;
use gadugi_core::{Command, Event, Outcome, RunStatus, SkipReason, State, Target, Timestamp, outstanding};
use serde_json::Value;

const EVENTS: &str = include_str!("logs/version-1-events.jsonl");
const LOG: &str = include_str!("logs/version-1.log");

fn log() -> Vec<(Timestamp, Event)> {
    let line = |line: &str| {
        let (at, event) = line.split_once(' ').expect("a time and an event");
        (Timestamp(at.parse().expect("a time")), serde_json::from_str(event).expect("an event"))
    };
    LOG.lines().map(line).collect()
}

fn replayed(events: &[(Timestamp, Event)]) -> Story {
    let mut state = State::default();
    for (at, event) in events {
        state.apply(*at, event).unwrap_or_else(|error| panic!("{error}: {event:?}"));
    }
    Story { state, now: events.last().map_or(Timestamp(0), |(at, _)| *at) }
}

/// Whether everything of the one is in the other.
fn holds(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            old.iter().all(|(key, old)| new.get(key).is_some_and(|new| holds(new, old)))
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| holds(new, old))
        }
        _ => new == old,
    }
}

#[test]
fn events_of_version_1_are_read_and_lose_nothing() {
    let mut kinds = std::collections::BTreeSet::new();
    for line in EVENTS.lines() {
        let event: Event = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let (old, new): (Value, Value) =
            (serde_json::from_str(line).expect("JSON"), serde_json::to_value(&event).expect("JSON"));
        assert!(holds(&new, &old), "{line}\n{new}");
        kinds.insert(event.word());
    }
    assert_eq!(kinds.len(), 26, "version 1 had so many kinds");
}

#[test]
fn what_version_1_did_not_say_has_its_default() {
    let events = log();
    let Some(Event::RunStarted { settings, .. }) =
        events.iter().map(|(_, event)| event).find(|event| matches!(event, Event::RunStarted { .. }))
    else {
        panic!("a run's start")
    };
    let defaults = gadugi_core::RunSettings::default();
    assert_eq!((settings.retry, settings.hang), (defaults.retry, defaults.hang));
    assert_eq!(settings.admission, defaults.admission);
    for (_, event) in &events {
        match event {
            Event::StepIntended { reserved, .. } => assert_eq!(*reserved, None),
            Event::AttemptSuspended { until, alone, .. } => assert_eq!((*until, *alone), (None, false)),
            Event::MergePutBack { until, .. } => assert_eq!(*until, None),
            Event::StepEnded { end, .. } => assert_eq!((end.peak_mib, end.cpu_ms), (0, 0)),
            _ => {}
        }
    }
}

#[test]
fn a_run_of_version_1_stands_where_it_was() {
    let story = replayed(&log());
    let run = story.run();
    assert_eq!(run.status, RunStatus::Active);
    assert_eq!(story.word("fails"), "running");
    assert_eq!(story.word("after"), "waiting");
    assert_eq!(story.task("merges").outcome(), Some(&Outcome::Succeeded));
    assert_eq!(story.task("lost").outcome(), Some(&Outcome::Lost));
    assert_eq!(story.task("cancelled").outcome(), Some(&Outcome::Cancelled));
    assert_eq!(story.task("refused").outcome(), Some(&Outcome::Failed));
    assert_eq!((run.open(), run.reserved(), run.spent()), (2, 0, 4000));
    assert!(owed(&story).is_empty());
    assert_eq!(run.landed.len(), 1);
}

/// Attempts whose uncommitted work is still to be seen to.
fn owed(story: &Story) -> Vec<String> {
    let run = story.run();
    let tasks = run.plan.tasks.iter().zip(&run.tasks);
    let salvages = tasks.flat_map(|(planned, task)| {
        task.salvage.iter().map(move |(number, salvage)| (format!("{}/{number}", planned.id), salvage))
    });
    salvages.filter(|(_, salvage)| salvage.is_none()).map(|(name, _)| name).collect()
}

#[test]
fn a_run_of_version_1_goes_on_and_ends() {
    let mut story = replayed(&log());
    story.command(Command::Restart);
    story.command(Command::Resume { run: run_id(), target: Target::All });
    story.started("fails");
    story.ends("fails", spoken(gadugi_core::EndClass::Refused, None));
    assert_eq!(story.word("fails"), "failed");
    assert_eq!(
        story.task("after").outcome(),
        Some(&Outcome::Skipped { because: SkipReason::Dependency(task("fails")) })
    );
    assert_eq!(owed(&story), ["fails/3"], "version 1 owed nothing for the attempts before");
    assert_eq!(words(&story.salvaged("fails")), ["work-salvaged", "run-ending"]);
}

/// Wherever the engine of version 1 died, what this one finds is legal, and so is whatever it makes of it.
#[test]
fn a_log_of_version_1_may_end_anywhere() {
    let events = log();
    let mut owing = 0;
    for length in 2..=events.len() {
        let mut story = replayed(&events[..length]);
        let left = owed(&story).len();
        let effects = outstanding(&story.state);
        let salvages = effects.iter().filter(|effect| effect.word() == "salvage-work").count();
        assert_eq!(salvages, left, "{length}");
        owing += left;
        let ending = matches!(story.run().status, RunStatus::Ending | RunStatus::Finished { .. });
        assert!(!ending || left == 0, "{length}: a run that version 1 ended owes nothing");
        story.command(Command::Restart);
        if !story.run().is_finished() && !ending {
            story.command(Command::Resume { run: run_id(), target: Target::All });
            assert_eq!(story.run().status, RunStatus::Active, "{length}");
        }
    }
    assert!(owing > 0, "some were cut between a failure and the end of the run");
}
