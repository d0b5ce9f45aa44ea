//! An agent's output: lines cut from a file that grows, and what the adapter reads in them.

use std::io::Read;

use gadugi_agents::{AgentEvent, AgentKind, StreamReader};
use gadugi_core::{EndClass, StepExit, Timestamp};
use gadugi_exec::{Line, LineReader};

/// What a reader may remember of a stream beside its last words, bytes of its debug output: far more than it should
/// want, far less than a stream may have.
const REMEMBERED: usize = 64 * 1024;

/// The whole way of an agent's output: however it is cut into reads, the same lines come; no line is fatal, one that is
/// not understood is said to be unknown; what the reader remembers is bounded; success is never made of silence.
pub fn stream(data: &[u8]) {
    let lines = lines(data, data.len().max(1));
    let expected = data.split(|byte| *byte == b'\n');
    let nothing_last = data.is_empty() || data.ends_with(b"\n");
    let expected: Vec<&[u8]> = expected.collect();
    let expected = &expected[..expected.len() - usize::from(nothing_last)];
    assert!(
        lines.iter().map(|line| &line.bytes[..]).eq(expected.iter().copied()),
        "lines are lost or changed"
    );
    for size in [1, 2, 7, 61] {
        assert!(lines == self::lines(data, size), "reads of {size} bytes give other lines");
    }

    let results = lines.iter().filter(|line| may_be_result(&line.bytes)).count();
    for (exit, stopped) in [
        (StepExit::Code(0), false),
        (StepExit::Code(1), false),
        (StepExit::Signal(9), false),
        (StepExit::Code(0), true),
    ] {
        let mut reader = StreamReader::new(AgentKind::Claude);
        lines.iter().for_each(|line| read(&mut reader, &line.bytes));
        let remembered = format!("{reader:?}").len();
        assert!(remembered < REMEMBERED, "{remembered} bytes are remembered");
        let usage = reader.usage();
        // One that is stopped behind its last word has said it.
        let succeeds = (exit == StepExit::Code(0) || stopped) && results > 0;
        let stderr = String::from_utf8_lossy(&data[..data.len().min(4096)]).into_owned();
        let end = reader.finish(&exit, stopped, &stderr, Timestamp(1_795_262_400_000));
        assert_eq!(end.usage, usage);
        assert!(end.class != EndClass::Done || succeeds, "a success of {exit:?}, {results} results");
        assert!(
            end.detail.chars().count() <= 500 && !end.detail.contains(char::is_control),
            "{:?}",
            end.detail
        );
        let mut twice = end.usage;
        twice.add(&end.usage);
        assert!(end.claimed_phases.len() <= 11);
    }
}

fn read(reader: &mut StreamReader, line: &[u8]) {
    let events = reader.line(line);
    let blank = line.iter().all(u8::is_ascii_whitespace);
    assert!(!blank || events.is_empty(), "a blank line says {events:?}");
    let is_object = line.trim_ascii_start().starts_with(b"{");
    if !blank && !is_object {
        assert_eq!(events, [AgentEvent::Unknown], "{}", String::from_utf8_lossy(line));
    }
}

/// Whether a line may be a result: an object that has such a word.
fn may_be_result(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    line.trim_start().starts_with('{') && (line.contains("result") || line.contains("\\u"))
}

/// The lines of `data`, read in pieces of at most so many bytes.
fn lines(data: &[u8], at_a_time: usize) -> Vec<Line> {
    let mut reader = LineReader::new(InPieces { data, at_a_time });
    let mut lines = Vec::new();
    loop {
        while let Some(line) = reader.take_line() {
            lines.push(line);
        }
        match reader.fill() {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => panic!("bytes in memory cannot be read: {error}"),
        }
    }
    lines.extend(reader.take_rest());
    lines
}

struct InPieces<'a> {
    data: &'a [u8],
    at_a_time: usize,
}

impl Read for InPieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.at_a_time.min(buffer.len());
        self.data.by_ref().take(length as u64).read(buffer)
    }
}
