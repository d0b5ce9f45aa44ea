//! What real Claude Code said, as `examples/record-fixtures.rs` wrote it down, read by the parser.

#![expect(clippy::unwrap_used, reason = "all of it is test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gadugi_agents::{AgentEvent, AgentKind, StreamReader};
use gadugi_core::{AgentEnd, EndClass, StepExit, Timestamp};
use serde_json::Value;

/// 2026-11-21 09:00:00 UTC.
const NOW: Timestamp = Timestamp(1_795_251_600_000);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/claude")
}

/// Reads one recording.
fn play(name: &str) -> (Vec<AgentEvent>, AgentEnd) {
    let said = fs::read(folder().join(format!("{name}.jsonl"))).unwrap();
    let end: Value =
        serde_json::from_slice(&fs::read(folder().join(format!("{name}.end.json"))).unwrap()).unwrap();
    let exit = match (end["code"].as_i64(), end["signal"].as_i64()) {
        (Some(code), _) => StepExit::Code(code as i32),
        (None, signal) => StepExit::Signal(signal.unwrap() as i32),
    };
    let mut reader = StreamReader::new(AgentKind::Claude);
    let events = said.split(|byte| *byte == b'\n').flat_map(|line| reader.line(line)).collect();
    (events, reader.finish(&exit, false, end["stderr"].as_str().unwrap(), NOW))
}

#[test]
fn every_recording_is_understood() {
    let mut names: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".jsonl").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 35, "{names:?}");
    for name in names {
        let (events, end) = play(&name);
        let mut text = String::new();
        for event in &events {
            // The waiting time before a retry is random.
            let event = match event {
                AgentEvent::Retry { attempt, max, error, .. } => format!("Retry {attempt} of {max}: {error}"),
                other => format!("{other:?}"),
            };
            writeln!(text, "{event}").unwrap();
        }
        write!(text, "\n{end:#?}").unwrap();
        insta::with_settings!({ snapshot_suffix => name, omit_expression => true }, {
            insta::assert_snapshot!("recording", text);
        });
    }
}

#[test]
fn recordings_by_class() {
    let limit = EndClass::UsageLimit { resets_at: Some(Timestamp(1_795_252_000_000)) };
    // 2026-12-01 00:00 UTC.
    let month = EndClass::UsageLimit { resets_at: Some(Timestamp(1_796_083_200_000)) };
    for (name, expected) in [
        ("work", EndClass::Done),
        ("resumed", EndClass::Done),
        ("no-change", EndClass::Done),
        ("sub-agent", EndClass::Done),
        ("max-turns", EndClass::MaxTurns),
        ("budget", EndClass::Budget),
        // Mended by Claude Code itself.
        ("rate-429-after-1", EndClass::Done),
        ("cut-after-a-call", EndClass::Done),
        ("auth-401", EndClass::Auth),
        ("auth-401-of-a-token", EndClass::Auth),
        ("forbidden-403", EndClass::Auth),
        ("no-money-400", EndClass::Auth),
        ("rate-429", EndClass::Overloaded),
        ("rate-429-after-70", EndClass::Overloaded),
        ("usage-limit-of-a-key", EndClass::Overloaded),
        ("error-500", EndClass::Overloaded),
        ("overloaded-529", EndClass::Overloaded),
        ("overloaded-in-stream", EndClass::Overloaded),
        ("overloaded-after-text", EndClass::Overloaded),
        ("cut-before-the-head", EndClass::Overloaded),
        ("cut-in-text", EndClass::Overloaded),
        ("cut-after-text", EndClass::Overloaded),
        ("truncated-in-text", EndClass::Overloaded),
        ("truncated-after-text", EndClass::Overloaded),
        ("silent", EndClass::Overloaded),
        ("refused", EndClass::Overloaded),
        ("usage-limit", limit),
        ("limit-of-the-month-400", month),
        ("bad-request-400", EndClass::Refused),
        ("too-long-400", EndClass::Refused),
        ("unknown-model-404", EndClass::Refused),
        ("too-large-413", EndClass::Refused),
        ("unknown-agent", EndClass::Refused),
        ("unknown-command", EndClass::Refused),
        ("no-conversation", EndClass::NoSession),
        ("session-in-use", EndClass::NoSession),
        ("killed", EndClass::Crashed),
    ] {
        assert_eq!(play(name).1.class, expected, "{name}");
    }
}

#[test]
fn only_the_agent_s_own_words_claim_anything() {
    let (_, work) = play("work");
    assert_eq!(work.claimed_phases, [4, 5, 7]);
    assert_eq!(work.no_change, None, "a tool printed the marker, and the agent used it within a line");
    let (_, helped) = play("sub-agent");
    assert_eq!(helped.claimed_phases, [4], "the helper's words are not the agent's");
    assert_eq!(helped.no_change, None);
    assert_eq!(play("no-change").1.no_change.as_deref(), Some("the greeting is there already"));
}

#[test]
fn a_message_on_several_lines_is_counted_once() {
    let (events, end) = play("work");
    let said = events.iter().filter_map(|event| match event {
        AgentEvent::Usage(usage) => Some(usage.input_tokens),
        _ => None,
    });
    let said = said.collect::<Vec<_>>();
    assert_eq!(said, [1000, 2000, 3000, 4000, 4000], "four messages of a thousand, and the result");
    assert_eq!(end.usage.output_tokens, 200);
}

#[test]
fn a_stream_that_is_cut_anywhere_is_never_a_success() {
    let whole = fs::read(folder().join("work.jsonl")).unwrap();
    let last_line = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in (0..whole.len() - 1).step_by(7).chain(last_line - 2..whole.len() - 1) {
        let mut reader = StreamReader::new(AgentKind::Claude);
        for line in whole[..cut].split(|byte| *byte == b'\n') {
            reader.line(line);
        }
        let end = reader.finish(&StepExit::Code(0), false, "", NOW);
        assert_eq!(end.class, EndClass::Silent, "cut at {cut}");
    }
}
