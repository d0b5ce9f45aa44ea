//! The clock, and times as people and other programs read them.

use std::time::Duration;

use gadugi_core::Timestamp;
use jiff::tz::TimeZone;

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

/// For people, where they are (`TZ`, else the machine's zone): `14:05`, on another day than now `2026-11-22 14:05`.
pub fn local(at: Timestamp, now: Timestamp) -> String {
    local_in(&TimeZone::system(), at, now)
}

fn local_in(zone: &TimeZone, at: Timestamp, now: Timestamp) -> String {
    let there =
        |at: Timestamp| jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_zoned(zone.clone())).ok();
    match (there(at), there(now)) {
        (Some(at), Some(now)) if at.date() == now.date() => at.strftime("%H:%M").to_string(),
        (Some(at), _) => at.strftime("%Y-%m-%d %H:%M").to_string(),
        (None, _) => rfc3339(at),
    }
}

/// Waits without an event, for the few places where the kernel offers none: say which in a comment there.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn pause(length: Duration) {
    std::thread::sleep(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_where_people_are() {
        let at = |text: &str| parse_rfc3339(text).unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let now = at("2026-11-21T21:30:00Z");
        let local = |text: &str| local_in(&zone, at(text), now);
        assert_eq!(local("2026-11-21T21:59:59.999Z"), "23:59");
        assert_eq!(local("2026-11-20T22:05:00Z"), "00:05", "the same day over there");
        assert_eq!(local("2026-11-21T22:00:00Z"), "2026-11-22 00:00");
    }
}
