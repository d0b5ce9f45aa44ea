//! Rows of the event log, and what an engine makes of them.

use gadugi_core::{Command, Event, Input, State, Timestamp, decide, next_wake};
use gadugi_store::StoredEvent;

/// A log, one event a line, with a time of its own where it has a member `at`. A row that cannot be read is said; one
/// that can reads back as it was; a sequence that cannot be is refused and changes nothing; what is made of the rest can
/// be asked anything.
pub fn events(data: &[u8]) {
    let mut state = State::default();
    let mut last = Timestamp(0);
    for (seq, line) in (1_u64..).zip(data.split(|byte| *byte == b'\n')) {
        let at = time(line).unwrap_or(Timestamp(last.0.saturating_add(1000)));
        let stored = match StoredEvent::read(seq, at, line) {
            Ok(stored) => stored,
            Err(bad) => {
                assert!(bad.seq == seq && !bad.detail.is_empty());
                continue;
            }
        };
        let text = serde_json::to_string(&stored.event).expect("JSON");
        let read: Event = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(read == stored.event, "an event is not read as it was written: {text}");
        if state.apply(at, &stored.event).is_ok() {
            last = at;
        }
    }
    ask(&mut state, last);
}

/// The moment that a line names.
fn time(line: &[u8]) -> Option<Timestamp> {
    let line: serde_json::Value = serde_json::from_slice(line).ok()?;
    line["at"].as_i64().map(Timestamp)
}

/// What an engine asks of a state that it has read: reports, what is next after a restart, now and at any time.
fn ask(state: &mut State, last: Timestamp) {
    for run in state.runs.values() {
        let report = run.report(last);
        assert_eq!(report.tasks.len(), run.plan.tasks.len());
    }
    let _ = next_wake(state, last);
    for (at, input) in [
        (last, Input::Command(Command::Restart)),
        (last, Input::Tick),
        (Timestamp(i64::MAX), Input::Tick),
        (Timestamp(i64::MIN), Input::Tick),
    ] {
        let decided = decide(state, at, input);
        for event in decided.events {
            // Whether it may follow is the simulator's to show, for logs that an engine has written.
            let _ = state.apply(at, &event);
        }
    }
    let _ = next_wake(state, last);
}
