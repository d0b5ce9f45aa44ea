//! The clock, and times as people and other programs read them.

use std::time::Duration;

use gadugi_core::Timestamp;

/// Now.
pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

/// RFC 3339, UTC, milliseconds: `2026-11-21T09:00:00.123Z`.
pub fn rfc3339(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(at) => format!("{at:.3}"),
        Err(_) => "1970-01-01T00:00:00.000Z".into(),
    }
}

/// Reads an RFC 3339 time.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond()))
}

/// The stamp inside a run id: UTC, `%Y%m%d-%H%M%S`.
pub fn run_stamp(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map(|at| at.strftime("%Y%m%d-%H%M%S").to_string())
        .unwrap_or_else(|_| "19700101-000000".into())
}

/// Waits without an event, for the few places where the kernel offers none: say which in a comment there.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn pause(length: Duration) {
    std::thread::sleep(length);
}
