//! Streams as entries: what real Claude Code said (`fixtures/claude/`), and what nobody should say.

#![expect(clippy::unwrap_used, reason = "all of it is test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gadugi_agents::AgentKind;
use gadugi_agents::transcript::{Entry, LONGEST_LINE, Language, Said, TodoStatus, entries};
use gadugi_core::{Phase, Timestamp};
use proptest::prelude::*;
use serde_json::json;

const CLAUDE: Language = Language::Agent(AgentKind::Claude);

fn recordings() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/claude");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.into_iter().map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

fn said(line: &serde_json::Value) -> Vec<Said> {
    entries(CLAUDE, line.to_string().as_bytes()).into_iter().map(|entry| entry.said).collect()
}

/// One entry, as short as can be.
fn shown(entry: &Entry) -> String {
    let mut said = match &entry.said {
        // The waiting time before a retry is random.
        Said::Error { title, text } if title.starts_with("retry") => {
            let (front, rest) = title.split_once(" in ").unwrap();
            format!("Error {front} in … {} {text:?}", rest.split_once(": ").unwrap().1)
        }
        Said::Outcome(outcome) => format!("{outcome:#?}"),
        other => format!("{other:?}"),
    };
    if let Some(parent) = &entry.parent {
        write!(said, " within {parent}").unwrap();
    }
    said
}

#[test]
fn every_line_of_the_recordings_is_known() {
    let recordings = recordings();
    assert!(recordings.len() >= 36);
    for (name, stream) in recordings {
        for line in stream.split(|byte| *byte == b'\n') {
            for entry in entries(CLAUDE, line) {
                assert!(!matches!(entry.said, Said::Raw(_)), "{name}: {entry:?}");
            }
        }
    }
}

#[test]
fn recordings_as_entries() {
    for (name, stream) in recordings() {
        if !["cards", "sub-agent", "work", "rate-429", "usage-limit", "max-turns", "auth-401"]
            .contains(&&*name)
        {
            continue;
        }
        let mut text = String::new();
        for line in stream.split(|byte| *byte == b'\n') {
            for entry in entries(CLAUDE, line) {
                writeln!(text, "{}", shown(&entry)).unwrap();
            }
        }
        insta::with_settings!({ snapshot_suffix => name, omit_expression => true }, {
            insta::assert_snapshot!("entries", text);
        });
    }
}

#[test]
fn what_the_agent_reports_stands_in_its_place() {
    let line = |text: &str, parent: Option<&str>| json!({"type": "assistant", "parent_tool_use_id": parent, "message": {"content": [{"type": "text", "text": text}]}});
    let words =
        "First.\n\n**GADUGI-PHASE: 5**\nThen\n  more.\nGADUGI-NO-CHANGE: it is there\nGADUGI-PHASE: 99\n";
    assert_eq!(
        said(&line(words, None)),
        [
            Said::Text("First.".into()),
            Said::Phase(Phase::Implementation),
            Said::Text("Then\n  more.".into()),
            Said::NoChange("it is there".into()),
            Said::Text("GADUGI-PHASE: 99".into()),
        ]
    );
    assert_eq!(said(&line("GADUGI-PHASE: 4\n", None)), [Said::Phase(Phase::ResearchAndPlanning)]);
    // What a sub-agent says claims nothing.
    assert_eq!(said(&line(words, Some("toolu_1"))), [Said::Text(words.into())]);
    assert_eq!(said(&line("  ", None)), []);
}

#[test]
fn tools_of_other_versions() {
    let call = |name: &str, input: serde_json::Value| {
        let block = json!({"type": "tool_use", "id": "toolu_1", "name": name, "input": input});
        said(&json!({"type": "assistant", "message": {"content": [block]}})).remove(0)
    };
    let edits = json!([{"old_string": "a", "new_string": "b"}, {"old_string": "c", "new_string": ""}]);
    let Said::Edit(used, edit) = call("MultiEdit", json!({"file_path": "/w/a.rs", "edits": edits})) else {
        panic!()
    };
    assert_eq!((&*used.id, &*used.title), ("toolu_1", "MultiEdit /w/a.rs"));
    let hunks: Vec<_> = edit.hunks.iter().map(|hunk| (&*hunk.old, &*hunk.new)).collect();
    assert_eq!((&*edit.path, edit.created, hunks), ("/w/a.rs", false, vec![("a", "b"), ("c", "")]));

    let todos = json!([{"content": "A", "status": "completed"}, {"content": "B", "status": "in_progress"}, {"content": "C"}]);
    let Said::Todo(_, items) = call("TodoWrite", json!({"todos": todos})) else { panic!() };
    let items: Vec<_> = items.iter().map(|item| (&*item.text, item.status)).collect();
    assert_eq!(
        items,
        [("A", TodoStatus::Completed), ("B", TodoStatus::InProgress), ("C", TodoStatus::Pending)]
    );

    // What lacks what makes it an edit or a list is a tool like any other.
    for (name, input) in [
        ("Edit", json!({"file_path": "/w/a.rs"})),
        ("Edit", json!("nonsense")),
        ("Write", json!({"content": "x"})),
        ("MultiEdit", json!({"file_path": "x", "edits": 3})),
        ("TodoWrite", json!({})),
        ("TaskUpdate", json!({"taskId": "1", "status": "deleted"})),
        ("mcp__files__Edit", json!({"file_path": "/w/a.rs", "old_string": "a"})),
    ] {
        let said = call(name, input);
        assert!(matches!(&said, Said::Tool(used) if used.title.split(' ').next() == Some(name)), "{said:?}");
    }
}

#[test]
fn thinking_images_and_the_vendors_own_tools() {
    let line = json!({"type": "assistant", "message": {"content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "rust"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]},
        {"type": "hologram", "x": 1},
    ]}});
    let said_of = said(&line);
    assert_eq!(said_of[0], Said::Thinking("Hm.".into()));
    assert!(matches!(&said_of[1], Said::Note { title, .. } if title == "thinking, not shown"));
    assert!(matches!(&said_of[2], Said::Tool(call) if call.title == "web_search rust"));
    assert!(matches!(&said_of[3], Said::Outcome(outcome) if outcome.id == "s1"));
    assert_eq!(said_of[4], Said::Raw(r#"{"type":"hologram","x":1}"#.into()));
    let line = json!({"type": "user", "timestamp": "2026-11-21T09:00:00.123Z", "message": {"content": [
        {"type": "tool_result", "tool_use_id": "t", "is_error": true, "content": [
            {"type": "text", "text": "seen"}, {"type": "image", "source": {"data": "AAAA"}}, 7]},
    ]}, "tool_use_result": "Error: seen"});
    let entry = entries(CLAUDE, line.to_string().as_bytes()).remove(0);
    assert_eq!(entry.at, Some(Timestamp(1_795_251_600_123)));
    let Said::Outcome(outcome) = entry.said else { panic!() };
    assert_eq!((&*outcome.text, outcome.is_error, outcome.structured), ("seen\n[image]", true, None));
}

#[test]
fn what_is_not_understood_is_shown_as_it_came() {
    for line in [
        &b"plain words"[..],
        b"\x1b[31mred\x1b[0m",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"{\"type\":7}",
        b"{\"type\":\"something_new\",\"message\":3}",
        b"{\"type\":\"system\",\"subtype\":\"unheard_of\"}",
        b"{\"type\":\"assistant\"}",
        b"{\"type\":\"assistant\",\"message\":[]}",
        b"{\"type\":\"rate_limit_event\"}",
    ] {
        let [Entry { said: Said::Raw(text), .. }] = &entries(CLAUDE, line)[..] else {
            panic!("{}", String::from_utf8_lossy(line))
        };
        assert_eq!(text.as_bytes(), line);
    }
    assert_eq!(entries(CLAUDE, b" \t\r"), []);
    assert!(
        matches!(&entries(CLAUDE, b"{\"type\":\"\xff\"}")[0].said, Said::Raw(text) if text == "{\"type\":\"\u{fffd}\"}")
    );
    // What was cut within a character still says what it says.
    let cut = b"{\"type\":\"assistant\",\"message\":{\"content\":\"a\\ud83d \xff\"}}";
    assert_eq!(entries(CLAUDE, cut)[0].said, Said::Text("a\u{fffd} \u{fffd}".into()));
}

#[test]
fn plain_lines_are_lines() {
    for (line, text) in [(&b""[..], ""), (b"ok\r", "ok"), (b"{\"type\":\"result\"}", "{\"type\":\"result\"}")]
    {
        let [Entry { said: Said::Raw(shown), .. }] = &entries(Language::Plain, line)[..] else { panic!() };
        assert_eq!(shown, text);
    }
}

/// Bytes of all texts of the entries.
fn size(entries: &[Entry]) -> usize {
    format!("{entries:?}").len()
}

#[test]
fn lines_that_are_large_cost_no_more_than_their_size() {
    let within =
        |front: &str, part: &str, count: usize, back: &str| [front, &part.repeat(count), back].concat();
    let message = r#"{"type":"assistant","message":{"content":["#;
    for line in [
        within("", "x", 50 << 20, ""),
        within("{\"type\":\"", "x", 50 << 20, "\"}"),
        within("{\"type\":\"", "[", 4 << 20, ""),
        within("{\"type\":\"assistant\",\"message\":", "[", 1 << 20, &("]".repeat(1 << 20) + "}")),
        within(message, "{},", 2 << 20, "{}]}}"),
        within(message, r#"{"type":"text","text":"GADUGI-PHASE: 4"},"#, 100_000, "{}]}}"),
        within(r#"{"type":"assistant","message":{"content":""#, r"GADUGI-PHASE: 4\n", 400_000, "\"}}"),
        within(
            r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"TodoWrite","input":{"todos":["#,
            r#"{"content":"x"},"#,
            400_000,
            "{}]}}]}}",
        ),
        within(
            r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"X","input":"#,
            "[",
            3 << 20,
            &("]".repeat(3 << 20) + "}]}}"),
        ),
    ] {
        let front: String = line.chars().take(60).collect();
        let entries = entries(CLAUDE, line.as_bytes());
        assert!(!entries.is_empty() && entries.len() <= 1_001, "{front}: {}", entries.len());
        // Escapes of the debug form and indented JSON included.
        assert!(size(&entries) <= 3 * LONGEST_LINE, "{front}: {}", size(&entries));
    }
}

/// Any JSON, with the words of real lines in it.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let words = prop::sample::select(vec![
        "assistant",
        "user",
        "system",
        "result",
        "init",
        "api_retry",
        "text",
        "tool_use",
        "tool_result",
        "thinking",
        "Edit",
        "MultiEdit",
        "Write",
        "NotebookEdit",
        "TodoWrite",
        "TaskCreate",
        "TaskUpdate",
        "pending",
        "completed",
        "rate_limit_event",
        "GADUGI-PHASE: 4\nx",
        "rejected",
        "2026-11-21T09:00:00.123Z",
    ]);
    let names = prop::sample::select(vec![
        "type",
        "subtype",
        "message",
        "content",
        "text",
        "name",
        "input",
        "id",
        "tool_use_id",
        "parent_tool_use_id",
        "is_error",
        "tool_use_result",
        "file_path",
        "old_string",
        "new_string",
        "edits",
        "todos",
        "status",
        "structuredPatch",
        "filePath",
        "lines",
        "thinking",
        "timestamp",
        "rate_limit_info",
        "resetsAt",
        "usage",
        "result",
        "errors",
        "patch",
    ]);
    let leaf = prop_oneof![
        3 => words.prop_map(serde_json::Value::from),
        1 => any::<String>().prop_map(serde_json::Value::from),
        1 => any::<f64>().prop_map(serde_json::Value::from),
        1 => any::<bool>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::Null),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            3 => prop::collection::vec((names.clone(), inner), 0..7)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

fn checked(line: &[u8]) {
    for language in [CLAUDE, Language::Agent(AgentKind::Scripted), Language::Plain] {
        let once = entries(language, line);
        assert_eq!(once, entries(language, line));
        assert!(size(&once) <= 20 * line.len() + 1_000);
    }
}

proptest! {
    #[test]
    fn any_bytes(line in prop::collection::vec(any::<u8>(), 0..300)) {
        checked(&line);
    }

    #[test]
    fn any_lines(json in any_json(), cut in 0.0..1.3_f64) {
        let line = json.to_string();
        checked(line.as_bytes());
        let at = (line.len() as f64 * cut) as usize;
        checked(&line.as_bytes()[..at.min(line.len())]);
    }
}
