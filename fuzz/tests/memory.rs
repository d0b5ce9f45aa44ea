//! What a reader remembers of a stream, however long its lines are.

use gadugi_agents::{AgentKind, StreamReader};

/// Far more than the last words of an agent, far less than one of these lines.
const REMEMBERED: usize = 128 * 1024;

#[test]
fn lines_of_a_megabyte_leave_nothing_behind() {
    let mut reader = StreamReader::new(AgentKind::Claude);
    for number in 0..8 {
        let long = format!("{number} {}", "x ".repeat(500_000));
        for line in [
            format!(
                r#"{{"type":"assistant","message":{{"id":"{long}","model":"{long}","content":[{{"type":"text","text":"{long}\nGADUGI-NO-CHANGE: {long}"}},{{"type":"tool_use","name":"{long}","input":"{long}"}}],"usage":{{"input_tokens":1}}}}}}"#
            ),
            format!(r#"{{"type":"result","subtype":"{long}","result":"{long}","errors":["{long}"]}}"#),
            format!(
                r#"{{"type":"rate_limit_event","rate_limit_info":{{"status":"{long}","rateLimitType":"{long}"}}}}"#
            ),
            long.clone(),
        ] {
            reader.line(line.as_bytes());
        }
        let remembered = format!("{reader:?}").len();
        assert!(remembered < REMEMBERED, "{remembered} bytes after {number} rounds");
    }
}
