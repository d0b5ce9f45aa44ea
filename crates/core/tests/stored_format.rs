//! Events as they stand in the log and go over the wire. What is written today is read for ever: a change of the
//! snapshot is a change of a stored format.

mod common;

use std::collections::BTreeSet;

use common::examples::{KINDS, examples, kind};
use gadugi_core::Event;
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn every_kind_of_event_has_an_example() {
    let seen: BTreeSet<usize> = examples().iter().map(kind).collect();
    assert_eq!(seen, (0..KINDS).collect());
    let words: BTreeSet<&str> = examples().iter().map(Event::word).collect();
    assert_eq!(words.len(), KINDS, "each kind has a word of its own");
}

#[test]
fn every_event_is_read_as_it_was_written() {
    for event in examples() {
        let text = serde_json::to_string(&event).expect("JSON");
        let read: Event = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(read, event, "{text}");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let read: Event = serde_json::from_value(value).expect("the same by way of a value");
        assert_eq!(read, event, "{text}");
    }
}

#[test]
fn the_type_is_the_word_and_ids_stand_flat() {
    for event in examples() {
        let value = serde_json::to_value(&event).expect("JSON");
        assert_eq!(value["type"], event.word());
        assert_eq!(value["run"].as_str(), event.run().map(|run| run.as_str()), "{value}");
        assert_eq!(value["task"].as_str(), event.task().map(|task| task.as_str()), "{value}");
        let attempt = event.attempt().map(|id| u64::from(id.attempt));
        assert_eq!(value["attempt"].as_u64(), attempt, "{value}");
        assert_eq!(value["step"].as_u64(), event.step().map(|id| u64::from(id.step)), "{value}");
    }
}

/// A flattened part whose field has the name of another would write one key twice; a reader sees one of them.
#[test]
fn no_key_is_written_twice() {
    for event in examples() {
        let text = serde_json::to_string(&event).expect("JSON");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value.to_string(), text);
    }
}

#[test]
fn the_stored_format_is_as_it_was() {
    let lines: Vec<String> =
        examples().iter().map(|event| serde_json::to_string(event).expect("JSON")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A log that is read back gives the same state only if its numbers do.
    #[test]
    fn estimates_survive_to_the_last_bit(seconds in 0.0..1e7_f64, cpu in 0.0..64.0_f64) {
        let Some(Event::RunStarted { run, mut plan, settings }) = examples().into_iter().next() else {
            panic!("the first example is a run's start")
        };
        plan.tasks[0].estimate.seconds = seconds;
        plan.tasks[0].estimate.cpu = cpu;
        let event = Event::RunStarted { run, plan, settings };
        let text = serde_json::to_string(&event).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Event>(&text).expect("an event"), event);
    }
}
