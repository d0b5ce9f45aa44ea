//! What an answer's head says of the account's limits.

mod said;

use std::time::Duration;

use gadugi_core::Timestamp;
use hyper::HeaderMap;

pub use said::RateLimit;
pub(crate) use said::Said;

/// A refusal that names a longer pause than this is a limit of the account's, and no hiccup: Claude Code ends at once
/// where it is told to wait for 61 seconds or more.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Nothing that a header says keeps an account waiting for longer than this without another look.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// What a refusal (429, 529) asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Try again after a while; none: whenever it seems right.
    Pause(Option<Duration>),
    /// The account's limit is reached, until then if the vendor said so.
    Limit(Option<Timestamp>),
}

/// Reads a refusal's head.
pub(crate) fn refusal(status: u16, headers: &HeaderMap, now: Timestamp) -> Refusal {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let after = text("retry-after").and_then(|after| pause(after, now));
    if status == 429 {
        let reset = text("anthropic-ratelimit-unified-reset").and_then(moment);
        if text("anthropic-ratelimit-unified-status") == Some("rejected") {
            return Refusal::Limit(reset.or_else(|| after.map(|after| later(now, after))));
        }
    }
    match after {
        Some(after) if after > LONGEST_PAUSE => Refusal::Limit(Some(later(now, after))),
        after => Refusal::Pause(after),
    }
}

/// How long nothing should be sent because the head says that nothing is left.
pub(crate) fn exhausted(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: String| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let kinds = ["requests", "tokens", "input-tokens", "output-tokens"].into_iter();
    let resets = kinds.filter_map(|kind| {
        let left: u64 = text(format!("anthropic-ratelimit-{kind}-remaining"))?.parse().ok()?;
        let reset = moment(text(format!("anthropic-ratelimit-{kind}-reset"))?)?;
        (left == 0 && reset > now).then(|| Duration::from_millis(reset.0.abs_diff(now.0)))
    });
    resets.max().map(|length| length.min(LONGEST_HOLD))
}

/// `retry-after`: seconds, or a date of HTTP's.
fn pause(text: &str, now: Timestamp) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => {
            Some(Duration::from_secs_f64(seconds.min(1e8)))
        }
        Ok(_) => None,
        Err(_) => {
            let at = http_date(text)?;
            Some(Duration::from_millis(u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0)))
        }
    }
}

/// Seconds since 1970, or RFC 3339.
fn moment(text: &str) -> Option<Timestamp> {
    match text.parse::<i64>() {
        Ok(seconds) => Some(Timestamp(seconds.checked_mul(1000)?)),
        Err(_) => gadugi_sys::clock::parse_rfc3339(text),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? + 1;
    gadugi_sys::clock::parse_rfc3339(&format!("{year}-{month:02}-{day:0>2}T{time}Z"))
}

fn later(now: Timestamp, length: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    const NOW: Timestamp = Timestamp(784_111_777_000);

    fn headers(said: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        said.iter().map(header).collect()
    }

    #[test]
    fn a_refusal_asks_for_a_pause_or_tells_of_a_limit() {
        let ask = |status, said: &[(&'static str, &str)]| refusal(status, &headers(said), NOW);
        let seconds = |seconds| Refusal::Pause(Some(Duration::from_secs(seconds)));
        assert_eq!(ask(429, &[]), Refusal::Pause(None));
        assert_eq!(ask(529, &[("retry-after", "7")]), seconds(7));
        assert_eq!(ask(429, &[("retry-after", "Sun, 06 Nov 1994 08:49:57 GMT")]), seconds(20));
        assert_eq!(ask(429, &[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), seconds(0));
        assert_eq!(ask(429, &[("retry-after", "soon")]), Refusal::Pause(None));
        assert_eq!(ask(429, &[("retry-after", "120")]), Refusal::Limit(Some(Timestamp(NOW.0 + 120_000))));
        let rejected = [
            ("anthropic-ratelimit-unified-status", "rejected"),
            ("anthropic-ratelimit-unified-reset", "784111800"),
        ];
        assert_eq!(ask(429, &rejected), Refusal::Limit(Some(Timestamp(784_111_800_000))));
        assert_eq!(ask(429, &rejected[..1]), Refusal::Limit(None));
        assert_eq!(ask(529, &rejected), Refusal::Pause(None));
    }

    #[test]
    fn what_is_used_up_is_waited_for() {
        let ask = |said: &[(&'static str, &str)]| exhausted(&headers(said), NOW);
        let (left, reset) = ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset");
        assert_eq!(ask(&[(left, "0"), (reset, "1994-11-06T08:49:40Z")]), Some(Duration::from_secs(3)));
        assert_eq!(ask(&[(left, "1"), (reset, "1994-11-06T08:49:40Z")]), None);
        assert_eq!(ask(&[(left, "0"), (reset, "1994-11-06T08:49:30Z")]), None);
        assert_eq!(ask(&[(left, "0"), (reset, "2094-11-06T08:49:30Z")]), Some(LONGEST_HOLD));
        assert_eq!(ask(&[(left, "0")]), None);
    }
}
