use std::io::Write;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn start(usage: &Value) -> String {
    event(&json!({"type": "message_start", "message": {"model": "claude-x", "content": [], "usage": usage}}))
}

fn delta(text: &str) -> String {
    event(&json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}))
}

fn count(usage: &Value) -> String {
    event(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}))
}

fn stop() -> String {
    event(&json!({"type": "message_stop"}))
}

fn whole_stream(text: &str) -> String {
    let read = json!({
        "input_tokens": 7, "output_tokens": 1, "cache_read_input_tokens": 11, "cache_creation_input_tokens": 50,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
    });
    let counted = json!({
        "output_tokens": 19, "input_tokens": 0, "server_tool_use": {"web_search_requests": 2},
    });
    start(&read) + &event(&json!({"type": "ping"})) + &delta(text) + &count(&counted) + &stop()
}

const WHOLE: Tokens =
    Tokens { input: 7, output: 19, cache_read: 11, cache_write_5m: 20, cache_write_1h: 30, web_searches: 2 };

fn read(text: &str, encoding: Option<&str>, ended: bool) -> Reading {
    let mut meter = Meter::new(Form::Events, encoding);
    meter.feed(text.as_bytes());
    meter.reading(ended)
}

#[test]
fn a_stream_is_read_as_claude_code_reads_it() {
    let reading = read(&whole_stream("hello"), None, true);
    let expected =
        Reading { model: Some("claude-x".into()), tokens: WHOLE, whole: true, said: true, error: None };
    assert_eq!(reading, expected);
    // Lines may end otherwise, names of events may be missing, and the last line may lack its end.
    let other =
        whole_stream("hello").replace('\n', "\r\n").replace("event: ", ": ").replace("data: ", "data:");
    assert_eq!(read(other.trim_end(), None, true), expected);
    // What stands in a text is no usage.
    let lie = r#"{"type":"message_delta","usage":{"output_tokens":0}} "message_start" data: {"#;
    assert_eq!(read(&whole_stream(lie), None, true).tokens, WHOLE);
    let halves = json!({"output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 5}});
    let tokens = read(&start(&halves), None, true).tokens;
    assert_eq!((tokens.cache_write_5m, tokens.cache_write_1h), (0, 5));
}

#[test]
fn a_stream_that_breaks_off_is_counted_as_far_as_it_went() {
    let usage = json!({"input_tokens": 100, "output_tokens": 2});
    let torn =
        start(&usage) + &delta(&"x".repeat(300)) + &delta(&"y".repeat(300)) + "data: {\"type\":\"message_de";
    let reading = read(&torn, None, false);
    assert!(reading.said && !reading.whole && reading.tokens.input == 100);
    assert!((170..250).contains(&reading.tokens.output), "{reading:?}");
    // With its last count it is whole, whether or not its end is seen.
    let counted = start(&usage) + &delta("x") + &count(&json!({"output_tokens": 40}));
    assert_eq!((read(&counted, None, false).whole, read(&counted, None, false).tokens.output), (true, 40));
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let reading = read(&(start(&usage) + &event(&error)), None, true);
    assert_eq!((reading.error.as_deref(), reading.whole), (Some("overloaded_error"), false));
    assert_eq!(read("", None, false), Reading::default());
}

#[test]
fn what_is_too_long_to_be_read_is_counted_and_not_kept() {
    let mut meter = Body::new(Form::Events);
    meter.take(start(&json!({"input_tokens": 3, "output_tokens": 1})).as_bytes());
    meter.take(b"data: {\"type\":\"content_block_start\",\"x\":\"");
    for _ in 0..200 {
        meter.take(&[b'x'; 16 << 10]);
        assert!(meter.held.capacity() <= 2 * LONGEST_LINE);
    }
    meter.take(b"\"}\n\n");
    meter.take((count(&json!({"output_tokens": 9})) + &stop()).as_bytes());
    let reading = meter.reading(true);
    assert_eq!((reading.tokens.output, reading.whole), (9, true));
    let mut object = Body::new(Form::Object);
    (0..20).for_each(|_| object.take(&vec![b' '; 1 << 20]));
    assert!(object.held.is_empty() && !object.reading(true).said);
}

#[test]
fn an_object_is_read_at_its_end() {
    let body = json!({
        "type": "message", "model": "claude-x", "content": [{"type": "text", "text": "\"usage\":{}"}],
        "usage": {"input_tokens": 5, "output_tokens": 6, "cache_read_input_tokens": null,
                  "cache_creation_input_tokens": 8, "cache_creation": null, "service_tier": "standard"},
    });
    let mut meter = Meter::new(Form::Object, None);
    for byte in body.to_string().as_bytes() {
        meter.feed(&[*byte]);
    }
    let reading = meter.reading(true);
    assert_eq!(reading.tokens, Tokens { input: 5, output: 6, cache_write_5m: 8, ..Tokens::default() });
    assert!(reading.whole && reading.model.as_deref() == Some("claude-x"));
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_was_packed_by_brotli_is_read() {
    use base64::Engine as _;
    // Made by Node's zlib: 7 read, one piece of text, 19 written, the end.
    let packed = "G6wBAJwFdlsymTYDYel9890wgja3t4y3BzUFbssT6RYpqBBYCn2tw5LTN0AGb4INFN4r6lvpqOPn4vmEYarnQTw+qcq6Ii6I6yVMBV1u82la\
                  bHmD4AvLWIL+4Xnvmcv+d2c2pEDFXn11rtQ50Mr5EUEUqUhDxdVqldJFS8QRy5HiWgPzpVQEJHjC6yNFR4sR3QqahLmIto/a4jTkUb4cR2Phbr\
                  QnD9Z0/1htFf23iQ8=";
    let bytes = base64::engine::general_purpose::STANDARD.decode(packed).unwrap();
    for size in [1, 7, bytes.len()] {
        let mut meter = Meter::new(Form::Events, Some("br"));
        bytes.chunks(size).for_each(|piece| meter.feed(piece));
        let reading = meter.reading(true);
        assert!(reading.whole, "{size}: {reading:?}");
        assert_eq!((reading.tokens.input, reading.tokens.output), (7, 19));
    }
}

#[test]
fn what_cannot_be_decoded_is_blind_or_counts_as_far_as_it_went() {
    assert!(matches!(Meter::new(Form::Events, Some("zstd")), Meter::Blind));
    assert!(matches!(Meter::new(Form::Events, Some(" GZIP")), Meter::Gzip(_)));
    let mut damaged = gzip(&whole_stream(&"all kinds of words, one after another ".repeat(3000)));
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0xff);
    let mut meter = Meter::new(Form::Events, Some("gzip"));
    meter.feed(&damaged);
    meter.feed(b"and more");
    let reading = meter.reading(true);
    assert_eq!((reading.tokens.input, reading.whole), (7, false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// However a stream is cut into pieces, plain or packed, it comes to the same.
    #[test]
    fn pieces_make_no_difference(text in ".{0,300}", cuts in prop::collection::vec(0usize..4000, 0..40)) {
        let stream = whole_stream(&text);
        for (encoding, bytes) in [(None, stream.clone().into_bytes()), (Some("gzip"), gzip(&stream))] {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut meter = Meter::new(Form::Events, encoding);
            for piece in cuts.windows(2) {
                meter.feed(&bytes[piece[0]..piece[1]]);
            }
            let reading = meter.reading(true);
            prop_assert!(reading.whole);
            prop_assert_eq!(reading.tokens, WHOLE);
        }
    }

    /// Whatever comes, it is read without harm.
    #[test]
    fn anything_is_read(bytes in prop::collection::vec(any::<u8>(), 0..2000), lines in prop::collection::vec("(event|data)?:? ?[\\[\\]{}\":a-z0-9_,]{0,60}\r?\n", 0..30)) {
        for encoding in [None, Some("gzip"), Some("br"), Some("zstd")] {
            for form in [Form::Events, Form::Object] {
                let mut meter = Meter::new(form, encoding);
                meter.feed(&bytes);
                for line in &lines {
                    meter.feed(line.as_bytes());
                }
                let _ = meter.reading(true);
            }
        }
    }
}
