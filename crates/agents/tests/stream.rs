//! Output that no well-behaved agent writes.

use gadugi_agents::{AgentEvent, AgentKind, StreamReader};
use gadugi_core::{AgentEnd, EndClass, StepExit, Timestamp, Usage};

fn read(lines: &[&[u8]]) -> (Vec<AgentEvent>, StreamReader) {
    let mut reader = StreamReader::new(AgentKind::Claude);
    let events = lines.iter().flat_map(|line| reader.line(line)).collect();
    (events, reader)
}

fn end(lines: &[&str], code: i32) -> AgentEnd {
    let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
    read(&lines).1.finish(&StepExit::Code(code), false, "", Timestamp(0))
}

const SUCCESS: &str =
    r#"{"type":"result","subtype":"success","is_error":false,"num_turns":2,"result":"done"}"#;

#[test]
fn what_is_not_understood_is_unknown_and_never_fatal() {
    let huge = [&b"{\"type\":\"assistant\",\"message\":{\"content\":\""[..], &vec![b'x'; 8 << 20]].concat();
    let deep = "[".repeat(200_000);
    for line in [
        &b"plain words"[..],
        b"\xff\xfe\x80",
        b"{\"type\":\"\xff\"}",
        b"{",
        b"[]",
        b"null",
        b"17",
        b"{}",
        b"{\"type\":7}",
        b"{\"type\":\"something_new\",\"message\":3}",
        b"{\"type\":\"system\",\"subtype\":\"model_fallback\"}",
        b"{\"type\":\"assistant\"}",
        &huge,
        deep.as_bytes(),
    ] {
        let (events, reader) = read(&[line]);
        assert_eq!(events, [AgentEvent::Unknown], "{}", String::from_utf8_lossy(&line[..line.len().min(80)]));
        let end = reader.finish(&StepExit::Code(0), false, "", Timestamp(0));
        assert_eq!(end.class, EndClass::Silent);
        assert!(end.detail.len() < 2100);
    }
    assert_eq!(read(&[b"", b"  ", b"\r"]).0, []);
}

#[test]
fn a_field_of_another_type_does_not_cost_the_rest_of_its_line() {
    let line = br#"{"type":"assistant","parent_tool_use_id":7,"message":{"id":null,"content":[{"type":"text","text":"GADUGI-PHASE: 5"},{"type":"tool_use","name":3,"input":"x"}],"usage":{"input_tokens":"many","output_tokens":-1}}}"#;
    let (events, _) = read(&[line]);
    assert!(
        matches!(&events[..], [AgentEvent::Phase(_), AgentEvent::Text(_), AgentEvent::ToolUse { .. }]),
        "{events:?}"
    );
}

#[test]
fn the_last_result_counts() {
    let failed = r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":529,"result":"API Error: 529"}"#;
    assert_eq!(end(&[SUCCESS, failed], 1).class, EndClass::Overloaded);
    assert_eq!(end(&[failed, SUCCESS], 0).class, EndClass::Done);
    let init = r#"{"type":"system","subtype":"init","session_id":"a"}"#;
    assert_eq!(end(&[init, SUCCESS, init, SUCCESS], 0).class, EndClass::Done);
}

#[test]
fn the_last_word_is_said_until_another_turn_begins() {
    let init = r#"{"type":"system","subtype":"init","session_id":"a"}"#;
    let told = r#"{"type":"system","subtype":"task_notification","status":"stopped"}"#;
    let mut reader = StreamReader::new(AgentKind::Claude);
    let over = [init, SUCCESS, told, "words", init, told, SUCCESS].map(|line| {
        reader.line(line.as_bytes());
        reader.over()
    });
    assert_eq!(over, [false, true, true, true, false, false, true]);
}

#[test]
fn a_failure_that_was_got_over_is_none_and_one_of_a_helper_neither() {
    let lost = r#"{"type":"assistant","error":"server_error","message":{"model":"<synthetic>","content":[{"type":"text","text":"words of a later version"}]}}"#;
    let helper = lost.replace("\"error\"", "\"parent_tool_use_id\":\"t\",\"error\"");
    let spoke =
        r#"{"type":"assistant","message":{"id":"m","model":"m","content":[{"type":"text","text":"on"}]}}"#;
    let failed =
        r#"{"type":"result","subtype":"success","is_error":true,"result":"words of a later version"}"#;
    assert_eq!(end(&[lost, failed], 1).class, EndClass::Overloaded);
    assert_eq!(end(&[lost, spoke, failed], 1).class, EndClass::Crashed);
    assert_eq!(end(&[&helper, failed], 1).class, EndClass::Crashed);
    assert_eq!(end(&[lost, spoke, SUCCESS], 0).class, EndClass::Done);
}

#[test]
fn who_pays_beyond_a_limit_is_not_held_by_it() {
    let limit = |overage: bool| {
        format!(
            r#"{{"type":"rate_limit_event","rate_limit_info":{{"status":"rejected","resetsAt":1795252000,"isUsingOverage":{overage}}}}}"#
        )
    };
    let failed = r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"API Error: 429"}"#;
    let resets_at = Some(Timestamp(1_795_252_000_000));
    assert_eq!(end(&[&limit(false), failed], 1).class, EndClass::UsageLimit { resets_at });
    assert_eq!(end(&[&limit(true), failed], 1).class, EndClass::Overloaded);
}

#[test]
fn a_result_without_its_fields_is_no_success() {
    for line in
        [r#"{"type":"result"}"#, r#"{"type":"result","subtype":7}"#, r#"{"type":"result","subtype":"new"}"#]
    {
        assert_eq!(end(&[line], 0).class, EndClass::Crashed, "{line}");
    }
}

#[test]
fn markers_count_on_lines_of_their_own() {
    let text = |text: &str| {
        serde_json::json!({"type": "assistant", "message": {"id": "m", "content": [{"type": "text", "text": text}]}})
            .to_string()
    };
    for (said, phases, no_change) in [
        ("GADUGI-PHASE: 4", &[4][..], None),
        ("words\n  GADUGI-PHASE:10  \nwords", &[10], None),
        ("**GADUGI-PHASE: 5**\n`GADUGI-PHASE: 7`\n**GADUGI-PHASE:** 4", &[4, 5, 7], None),
        ("I say GADUGI-PHASE: 4 now", &[], None),
        ("GADUGI-PHASE: 0\nGADUGI-PHASE: 12\nGADUGI-PHASE: five\nGADUGI-PHASE: 5 and 7", &[], None),
        ("GADUGI-NO-CHANGE: it is there", &[], Some("it is there")),
        ("GADUGI-NO-CHANGE: a\nGADUGI-NO-CHANGE: b", &[], Some("b")),
        ("GADUGI-NO-CHANGE:", &[], None),
        ("GADUGI-NO-CHANGE:   ", &[], None),
        ("not GADUGI-NO-CHANGE: x", &[], None),
        ("> GADUGI-NO-CHANGE: quoted", &[], None),
    ] {
        let end = end(&[&text(said), SUCCESS], 0);
        assert_eq!(end.claimed_phases, phases, "{said}");
        assert_eq!(end.no_change.as_deref(), no_change, "{said}");
    }
    let synthetic = text("GADUGI-NO-CHANGE: x").replace("\"id\":\"m\"", "\"model\":\"<synthetic>\"");
    assert_eq!(end(&[&synthetic, SUCCESS], 0).no_change, None);
    let printed = r#"{"type":"user","message":{"content":[{"type":"tool_result","content":"GADUGI-NO-CHANGE: x"},{"type":"text","text":"GADUGI-PHASE: 5"}]}}"#;
    let end = end(&[printed, SUCCESS], 0);
    assert_eq!((end.no_change, end.claimed_phases), (None, vec![]));
}

#[test]
fn usage_is_counted_by_message_until_a_result_says_it_all() {
    let line = |id: &str, input: u64, output: u64| {
        format!(
            r#"{{"type":"assistant","message":{{"id":"{id}","content":[],"usage":{{"input_tokens":{input},"output_tokens":{output}}}}}}}"#
        )
    };
    // Messages of parallel helpers come interleaved.
    let lines = [line("a", 10, 1), line("b", 20, 1), line("a", 10, 5), line("b", 20, 1), line("a", 10, 5)];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let killed = end(&lines, 1);
    assert_eq!(killed.usage, Usage { input_tokens: 30, output_tokens: 6, ..Usage::default() });
    let result = r#"{"type":"result","subtype":"success","num_turns":1,"result":"x","total_cost_usd":0.25,"usage":{"input_tokens":1},"modelUsage":{"a":{"inputTokens":40,"outputTokens":7},"b":{"inputTokens":2,"cacheReadInputTokens":9,"cacheCreationInputTokens":1}}}"#;
    let done = end(&[lines[0], result], 0);
    let all = Usage {
        input_tokens: 42,
        output_tokens: 7,
        cache_read_tokens: 9,
        cache_write_tokens: 1,
        cost_microusd: 250_000,
    };
    assert_eq!(done.usage, all);
}

#[test]
fn numbers_beyond_reason_overflow_nothing() {
    let max = u64::MAX;
    let assistant = format!(
        r#"{{"type":"assistant","message":{{"id":"ID","content":[],"usage":{{"input_tokens":{max},"output_tokens":{max},"cache_read_input_tokens":{max},"cache_creation_input_tokens":{max}}}}}}}"#
    );
    let many: Vec<_> = (0..200).map(|n| assistant.replace("ID", &n.to_string())).collect();
    let result = format!(
        r#"{{"type":"result","subtype":"success","num_turns":{max},"total_cost_usd":1e300,"modelUsage":{{"a":{{"inputTokens":{max},"outputTokens":{max}}},"b":{{"inputTokens":{max}}}}}}}"#
    );
    let mut lines: Vec<_> = many.iter().map(String::as_str).collect();
    lines.push(&result);
    let mut usage = end(&lines, 0).usage;
    usage.add(&end(&lines[..200], 0).usage);
    assert!(usage.tokens() > 0);
    let limit = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1e300}}"#;
    end(&[limit], 1);
}

#[test]
fn ends_say_how_they_came_about() {
    let (_, reader) = read(&[SUCCESS.as_bytes()]);
    let end = reader.finish(&StepExit::Signal(9), true, "", Timestamp(0));
    assert_eq!((end.class, end.detail.as_str()), (EndClass::Done, "done"), "it had said its last word");
    let (_, reader) = read(&[]);
    let end = reader.finish(&StepExit::Code(0), true, "", Timestamp(0));
    assert_eq!((end.class, end.detail.as_str()), (EndClass::Crashed, "stopped (exit status 0)"));
    let (_, reader) = read(&[]);
    let end = reader.finish(&StepExit::Signal(9), false, "Killed\n", Timestamp(0));
    assert_eq!((end.class, end.detail.as_str()), (EndClass::Crashed, "ended by signal 9; Killed"));
    let (_, reader) = read(&[b"Error: no such thing"]);
    let end = reader.finish(&StepExit::Code(2), false, "", Timestamp(0));
    assert_eq!(end.detail, "exit status 2; Error: no such thing");
}
