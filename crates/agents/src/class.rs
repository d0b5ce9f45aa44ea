//! The one table of how an agent's turn can end.
//!
//! Success is only ever observed: an exit with 0, not while being stopped, behind a result that says that it is none of
//! the failures below. Everything else has a class by what is known of it, the first row that fits.

use gadugi_core::{EndClass, StepExit, Timestamp};

/// What is known at the end of an agent's output.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) exit: &'a StepExit,
    pub(crate) stopped: bool,
    /// The last result.
    pub(crate) result: Option<&'a ResultFacts>,
    /// A limit that was refused further requests, and when it is lifted.
    pub(crate) limit_rejected: bool,
    pub(crate) limit_resets_at: Option<Timestamp>,
    /// What else it said at its end: lines that are no JSON, stderr.
    pub(crate) words: &'a str,
    pub(crate) ended_at: Timestamp,
}

/// The last word of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResultFacts {
    pub(crate) subtype: String,
    pub(crate) is_error: bool,
    pub(crate) api_error_status: Option<u64>,
    pub(crate) turns: u32,
    pub(crate) text: String,
}

/// The class, first fit.
pub(crate) fn classify(evidence: &Evidence<'_>) -> EndClass {
    if evidence.stopped {
        return EndClass::Crashed;
    }
    let StepExit::Code(code) = evidence.exit else { return EndClass::Crashed };
    match evidence.result {
        Some(result) => by_result(evidence, result, *code),
        None if *code == 0 => EndClass::Silent,
        None => by_words(evidence, evidence.words).unwrap_or(EndClass::Crashed),
    }
}

fn by_result(evidence: &Evidence<'_>, result: &ResultFacts, code: i32) -> EndClass {
    match result.subtype.as_str() {
        "error_max_turns" => return EndClass::MaxTurns,
        "error_max_budget_usd" => return EndClass::Budget,
        _ => {}
    }
    if result.is_error || result.subtype != "success" {
        return failed(evidence, result);
    }
    // A limit that was reached has been reported as a success, with nothing but these words as its text.
    if is_limit_text(&result.text) && result.text.len() < 200 {
        return usage_limit(evidence, &result.text);
    }
    if code != 0 || (result.turns == 0 && result.text.starts_with("Unknown command:")) {
        return EndClass::Crashed;
    }
    EndClass::Done
}

fn failed(evidence: &Evidence<'_>, result: &ResultFacts) -> EndClass {
    if is_limit_text(&result.text) || evidence.limit_rejected {
        return usage_limit(evidence, &result.text);
    }
    match result.api_error_status {
        Some(401 | 403) => EndClass::Auth,
        Some(429 | 500..=599) => EndClass::Overloaded,
        Some(_) => by_words(evidence, &result.text).unwrap_or(EndClass::Crashed),
        None => by_words(evidence, &result.text)
            .or_else(|| by_words(evidence, evidence.words))
            .unwrap_or(EndClass::Crashed),
    }
}

/// Words of Claude Code and of the API's errors, in lower case, with what they mean.
const WORDS: &[(&str, Meaning)] = &[
    ("you've hit your", Meaning::Limit),
    ("you\u{2019}ve hit your", Meaning::Limit),
    ("usage limit reached", Meaning::Limit),
    ("credit balance is too low", Meaning::Auth),
    ("invalid api key", Meaning::Auth),
    ("invalid x-api-key", Meaning::Auth),
    ("please run /login", Meaning::Auth),
    ("not logged in", Meaning::Auth),
    ("authentication_error", Meaning::Auth),
    ("authentication_failed", Meaning::Auth),
    ("oauth token", Meaning::Auth),
    ("failed to authenticate", Meaning::Auth),
    ("api error: 401", Meaning::Auth),
    ("api error: 403", Meaning::Auth),
    ("overloaded", Meaning::Overload),
    ("api error: 429", Meaning::Overload),
    ("api error: 5", Meaning::Overload),
    ("rate_limit", Meaning::Overload),
    ("rate limit", Meaning::Overload),
    ("internal server error", Meaning::Overload),
    ("service unavailable", Meaning::Overload),
    ("unable to connect to api", Meaning::Overload),
    ("connection error", Meaning::Overload),
    ("connection refused", Meaning::Overload),
    ("connectionrefused", Meaning::Overload),
    ("econnrefused", Meaning::Overload),
    ("econnreset", Meaning::Overload),
    ("socket hang up", Meaning::Overload),
    ("socket connection was closed", Meaning::Overload),
    ("fetch failed", Meaning::Overload),
    ("request timed out", Meaning::Overload),
    ("etimedout", Meaning::Overload),
    ("enotfound", Meaning::Overload),
    ("eai_again", Meaning::Overload),
];

#[derive(Clone, Copy)]
enum Meaning {
    Limit,
    Auth,
    Overload,
}

fn by_words(evidence: &Evidence<'_>, text: &str) -> Option<EndClass> {
    let text = text.to_lowercase();
    let (_, meaning) = WORDS.iter().find(|(words, _)| text.contains(words))?;
    Some(match meaning {
        Meaning::Limit => usage_limit(evidence, &text),
        Meaning::Auth => EndClass::Auth,
        Meaning::Overload => EndClass::Overloaded,
    })
}

fn is_limit_text(text: &str) -> bool {
    let text = text.trim_start().to_lowercase();
    ["claude ai usage limit reached", "you've hit your ", "you\u{2019}ve hit your "]
        .iter()
        .any(|start| text.starts_with(start))
}

fn usage_limit(evidence: &Evidence<'_>, text: &str) -> EndClass {
    let resets_at = evidence.limit_resets_at.or_else(|| reset_in_text(text, evidence.ended_at));
    EndClass::UsageLimit { resets_at }
}

/// `…|<epoch seconds>`, or `resets 4:36am (UTC)`. Times of another zone are not guessed at.
fn reset_in_text(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some((_, epoch)) = text.split_once("limit reached|") {
        let digits: String = epoch.chars().take_while(char::is_ascii_digit).collect();
        return digits.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000)).map(Timestamp);
    }
    let lower = text.to_lowercase();
    let (_, rest) = lower.split_once("resets ")?;
    let (time, zone) = rest.split_once(" (")?;
    if !zone.starts_with("utc)") {
        return None;
    }
    next_time_of_day(minutes_of_day(time.trim())?, now)
}

/// `4:36am`, `4pm`, `12am`.
fn minutes_of_day(time: &str) -> Option<i64> {
    let (clock, afternoon) = match time.strip_suffix("am") {
        Some(clock) => (clock, false),
        None => (time.strip_suffix("pm")?, true),
    };
    let (hour, minute) = clock.trim().split_once(':').unwrap_or((clock.trim(), "0"));
    let hour: i64 = hour.parse().ok().filter(|hour| (1..=12).contains(hour))?;
    let minute: i64 = minute.parse().ok().filter(|minute| (0..60).contains(minute))?;
    Some((hour % 12 + if afternoon { 12 } else { 0 }) * 60 + minute)
}

fn next_time_of_day(minutes: i64, now: Timestamp) -> Option<Timestamp> {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let today = now.0 - now.0.rem_euclid(DAY) + minutes * 60_000;
    Some(Timestamp(if today > now.0 { today } else { today.checked_add(DAY)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 09:00:00 UTC.
    const NOW: Timestamp = Timestamp(1_795_251_600_000);

    fn result(subtype: &str, is_error: bool, status: Option<u64>, text: &str) -> Option<ResultFacts> {
        Some(ResultFacts {
            subtype: subtype.into(),
            is_error,
            api_error_status: status,
            turns: 3,
            text: text.into(),
        })
    }

    fn class(exit: &StepExit, result: Option<&ResultFacts>, words: &str) -> EndClass {
        classify(&Evidence {
            exit,
            stopped: false,
            result,
            limit_rejected: false,
            limit_resets_at: None,
            words,
            ended_at: NOW,
        })
    }

    #[test]
    fn results_by_class() {
        let table = [
            (0, "success", false, None, "all done", EndClass::Done),
            (1, "success", false, None, "all done", EndClass::Crashed),
            (143, "success", false, None, "all done", EndClass::Crashed),
            (1, "success", true, Some(401), "Failed to authenticate. API Error: 401", EndClass::Auth),
            (1, "success", true, Some(403), "API Error: 403", EndClass::Auth),
            (1, "success", true, None, "Invalid API key · Please run /login", EndClass::Auth),
            (1, "success", true, None, "Credit balance is too low", EndClass::Auth),
            (1, "success", true, Some(429), "API Error: 429", EndClass::Overloaded),
            (1, "success", true, Some(500), "API Error: 500", EndClass::Overloaded),
            (1, "success", true, Some(529), "API Error: 529 Overloaded", EndClass::Overloaded),
            (
                1,
                "success",
                true,
                None,
                "API Error: Unable to connect to API (ECONNREFUSED)",
                EndClass::Overloaded,
            ),
            (1, "success", true, Some(400), "API Error: 400 prompt is too long", EndClass::Crashed),
            (1, "success", true, Some(413), "API Error: 413", EndClass::Crashed),
            (1, "success", true, None, "something else", EndClass::Crashed),
        ];
        check_results(&table);
    }

    #[test]
    fn failed_results_by_class() {
        let limit = |at: Option<i64>| EndClass::UsageLimit { resets_at: at.map(Timestamp) };
        let table = [
            // A failed result stays one, whatever the exit says.
            (0, "success", true, Some(529), "API Error: 529", EndClass::Overloaded),
            (1, "error_max_turns", true, None, "", EndClass::MaxTurns),
            (1, "error_max_turns", false, None, "", EndClass::MaxTurns),
            (1, "error_max_budget_usd", true, None, "", EndClass::Budget),
            (1, "error_during_execution", true, None, "boom", EndClass::Crashed),
            (0, "error_during_execution", false, None, "boom", EndClass::Crashed),
            (0, "error_of_a_later_version", false, None, "", EndClass::Crashed),
            (
                1,
                "success",
                true,
                None,
                "Claude AI usage limit reached|1795252000",
                limit(Some(1_795_252_000_000)),
            ),
            (
                0,
                "success",
                false,
                None,
                "Claude AI usage limit reached|1795252000",
                limit(Some(1_795_252_000_000)),
            ),
            (
                1,
                "success",
                true,
                Some(429),
                "You've hit your limit · resets 4:36am (UTC)",
                limit(Some(1_795_322_160_000)),
            ),
            (
                1,
                "success",
                true,
                Some(429),
                "You've hit your session limit · resets 10am (UTC)",
                limit(Some(1_795_255_200_000)),
            ),
            (
                1,
                "success",
                true,
                Some(429),
                "You've hit your limit · resets 4:36am (Europe/Berlin)",
                limit(None),
            ),
            (1, "success", true, Some(429), "You've hit your limit", limit(None)),
        ];
        check_results(&table);
    }

    type Row = (i32, &'static str, bool, Option<u64>, &'static str, EndClass);

    fn check_results(table: &[Row]) {
        for (code, subtype, is_error, status, text, expected) in table {
            let facts = result(subtype, *is_error, *status, text);
            assert_eq!(
                &class(&StepExit::Code(*code), facts.as_ref(), ""),
                expected,
                "{code} {subtype} {text}"
            );
        }
    }

    #[test]
    fn ends_without_a_result_by_class() {
        for (exit, words, expected) in [
            (StepExit::Code(0), "", EndClass::Silent),
            (StepExit::Code(0), "Invalid API key", EndClass::Silent),
            (StepExit::Code(1), "", EndClass::Crashed),
            (StepExit::Code(1), "--agent 'x' not found", EndClass::Crashed),
            (StepExit::Code(1), "Invalid API key · Please run /login", EndClass::Auth),
            (StepExit::Code(1), "Error: connect ECONNREFUSED 127.0.0.1:1", EndClass::Overloaded),
            (
                StepExit::Code(1),
                "Claude AI usage limit reached|1795252000",
                EndClass::UsageLimit { resets_at: Some(Timestamp(1_795_252_000_000)) },
            ),
            (StepExit::Signal(9), "Invalid API key", EndClass::Crashed),
            (StepExit::NotStarted("no such file".into()), "", EndClass::Crashed),
            (StepExit::LeaseLapsed, "", EndClass::Crashed),
            (StepExit::Lost, "", EndClass::Crashed),
        ] {
            assert_eq!(class(&exit, None, words), expected, "{exit:?} {words}");
        }
    }

    #[test]
    fn nothing_signalled_stopped_or_lost_is_done() {
        let facts = result("success", false, None, "all done").unwrap();
        for exit in
            [StepExit::Signal(15), StepExit::LeaseLapsed, StepExit::Lost, StepExit::NotStarted(String::new())]
        {
            assert_eq!(class(&exit, Some(&facts), ""), EndClass::Crashed, "{exit:?}");
        }
        // SIGTERM can end in 0 with a false success, where the model answers within the grace.
        let evidence = Evidence {
            exit: &StepExit::Code(0),
            stopped: true,
            result: Some(&facts),
            limit_rejected: false,
            limit_resets_at: None,
            words: "",
            ended_at: NOW,
        };
        assert_eq!(classify(&evidence), EndClass::Crashed);
    }

    #[test]
    fn an_unknown_command_is_no_success() {
        let facts =
            ResultFacts { turns: 0, ..result("success", false, None, "Unknown command: /agent:x").unwrap() };
        assert_eq!(class(&StepExit::Code(0), Some(&facts), ""), EndClass::Crashed);
    }

    #[test]
    fn an_agent_that_speaks_of_limits_has_not_reached_one() {
        let text = format!("You've hit your stride: {}", "the limiter is done. ".repeat(20));
        let facts = result("success", false, None, &text).unwrap();
        assert_eq!(class(&StepExit::Code(0), Some(&facts), ""), EndClass::Done);
    }

    #[test]
    fn a_limit_event_gives_the_time_of_its_end() {
        let facts = result("success", true, Some(429), "API Error: 429").unwrap();
        let evidence = Evidence {
            exit: &StepExit::Code(1),
            stopped: false,
            result: Some(&facts),
            limit_rejected: true,
            limit_resets_at: Some(Timestamp(77)),
            words: "",
            ended_at: NOW,
        };
        assert_eq!(classify(&evidence), EndClass::UsageLimit { resets_at: Some(Timestamp(77)) });
    }
}
