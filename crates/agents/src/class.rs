//! The one table of how an agent's turn can end.
//!
//! Success is only ever observed: an exit with 0, behind a result that says that it is none of the failures below.
//! Everything else has a class by what is known of it, the first row that fits:
//!
//! | what is known | class |
//! |---|---|
//! | no status: a signal, not started, lost, out of memory | crashed |
//! | stopped, and no result before | crashed |
//! | a result: out of turns, out of budget | max-turns, budget |
//! | a failed result: the account's limit (its words, or a limit event that refused, behind a 429) | usage-limit |
//! | a failed result: 401, 403 | auth |
//! | a failed result: 408, 409, 429, 5xx | overloaded |
//! | a failed result: any other 4xx | refused, but auth where it is about money or a key |
//! | a failed result without a status | by its words, by the client's own kind of error, by what stands on stderr |
//! | a good result, and a status other than 0 | crashed |
//! | no result, status 0 | silent |
//! | no result, another status | by the words on stderr, else crashed |
//!
//! A step that was stopped is taken at its result, whatever its exit: what is stopped for living on after its last word
//! has said it. Who stopped it knows whether the word counts.

use gadugi_core::{EndClass, StepExit, Timestamp};

/// What is known at the end of an agent's output.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) exit: &'a StepExit,
    pub(crate) stopped: bool,
    /// The last result.
    pub(crate) result: Option<&'a ResultFacts>,
    /// The client's own word for the failure that ended the turn: `server_error`, `rate_limit`, …
    pub(crate) kind: &'a str,
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
        return evidence.result.map_or(EndClass::Crashed, |result| by_result(evidence, result, 0));
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
    if result.turns == 0 && result.text.starts_with("Unknown command:") {
        return EndClass::Refused;
    }
    if code != 0 { EndClass::Crashed } else { EndClass::Done }
}

fn failed(evidence: &Evidence<'_>, result: &ResultFacts) -> EndClass {
    let status = result.api_error_status;
    if is_limit_text(&result.text) || (evidence.limit_rejected && matches!(status, None | Some(429))) {
        return usage_limit(evidence, &result.text);
    }
    match status {
        Some(401 | 403) => EndClass::Auth,
        Some(408 | 409 | 429 | 500..=599) => EndClass::Overloaded,
        // Accounts without money and limits of a month come as 400. Other words of such an error are the request's.
        Some(400..=499) => match by_words(evidence, &result.text) {
            Some(class @ (EndClass::Auth | EndClass::UsageLimit { .. })) => class,
            _ => EndClass::Refused,
        },
        _ => by_words(evidence, &result.text)
            .or_else(|| by_kind(evidence.kind))
            .or_else(|| by_words(evidence, evidence.words))
            .unwrap_or(EndClass::Crashed),
    }
}

/// The client's own kinds of errors (Claude Code 2.1.197; `unknown` and `max_output_tokens` say nothing here).
fn by_kind(kind: &str) -> Option<EndClass> {
    Some(match kind {
        "authentication_failed" | "oauth_org_not_allowed" | "billing_error" => EndClass::Auth,
        "rate_limit" | "overloaded" | "server_error" => EndClass::Overloaded,
        "invalid_request" | "model_not_found" => EndClass::Refused,
        _ => return None,
    })
}

/// Words of Claude Code and of the API's errors, in lower case, with what they mean.
const WORDS: &[(&str, Meaning)] = &[
    ("you've hit your", Meaning::Limit),
    ("you\u{2019}ve hit your", Meaning::Limit),
    ("usage limit reached", Meaning::Limit),
    ("reached your specified api usage limits", Meaning::Limit),
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
    ("no conversation found", Meaning::NoSession),
    ("error: session id ", Meaning::NoSession),
    ("prompt is too long", Meaning::Refusal),
    ("request too large", Meaning::Refusal),
    ("there's an issue with the selected model", Meaning::Refusal),
    ("--agent '", Meaning::Refusal),
    ("error: unknown option", Meaning::Refusal),
    ("cannot be used with root", Meaning::Refusal),
    ("api error: 400", Meaning::Refusal),
    ("api error: 404", Meaning::Refusal),
    ("api error: 413", Meaning::Refusal),
    ("overloaded", Meaning::Overload),
    ("api error: 429", Meaning::Overload),
    ("api error: 5", Meaning::Overload),
    ("rate_limit", Meaning::Overload),
    ("rate limit", Meaning::Overload),
    ("internal server error", Meaning::Overload),
    ("service unavailable", Meaning::Overload),
    ("unable to connect to api", Meaning::Overload),
    ("connection to the api was lost", Meaning::Overload),
    ("connection closed mid-response", Meaning::Overload),
    ("connection closed while thinking", Meaning::Overload),
    ("response stalled", Meaning::Overload),
    ("stream idle timeout", Meaning::Overload),
    ("stream ended without receiving", Meaning::Overload),
    ("connection error", Meaning::Overload),
    ("connection refused", Meaning::Overload),
    ("connectionrefused", Meaning::Overload),
    ("econnrefused", Meaning::Overload),
    ("econnreset", Meaning::Overload),
    ("socket hang up", Meaning::Overload),
    ("socket connection was closed", Meaning::Overload),
    ("fetch failed", Meaning::Overload),
    ("request timed out", Meaning::Overload),
    ("the operation timed out", Meaning::Overload),
    ("etimedout", Meaning::Overload),
    ("enotfound", Meaning::Overload),
    ("eai_again", Meaning::Overload),
];

#[derive(Clone, Copy)]
enum Meaning {
    Limit,
    Auth,
    NoSession,
    Refusal,
    Overload,
}

fn by_words(evidence: &Evidence<'_>, text: &str) -> Option<EndClass> {
    let text = text.to_lowercase();
    let (_, meaning) = WORDS.iter().find(|(words, _)| text.contains(words))?;
    Some(match meaning {
        Meaning::Limit => usage_limit(evidence, &text),
        Meaning::Auth => EndClass::Auth,
        Meaning::NoSession => EndClass::NoSession,
        Meaning::Refusal => EndClass::Refused,
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

/// `…|<epoch seconds>`, `regain access on 2026-12-01 at 00:00 UTC`, or `resets 4:36am (UTC)`. Times of another zone are
/// not guessed at.
fn reset_in_text(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some((_, epoch)) = text.split_once("limit reached|") {
        let digits: String = epoch.chars().take_while(char::is_ascii_digit).collect();
        return digits.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000)).map(Timestamp);
    }
    let lower = text.to_lowercase();
    if let Some((_, rest)) = lower.split_once("regain access on ") {
        let (date, rest) = rest.split_once(" at ")?;
        let (time, _) = rest.split_once(" utc")?;
        return gadugi_sys::clock::parse_rfc3339(&format!("{date}T{time}:00Z"));
    }
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
        classify(&Evidence { words, ..evidence(exit, result) })
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
            (1, "success", true, Some(400), "API Error: 400 nothing of this kind", EndClass::Refused),
            (
                1,
                "success",
                true,
                Some(400),
                "API Error: 400 the words `rate limit` are refused",
                EndClass::Refused,
            ),
            (1, "success", true, Some(400), "Credit balance is too low", EndClass::Auth),
            (1, "success", true, Some(400), "Prompt is too long", EndClass::Refused),
            (
                1,
                "success",
                true,
                Some(404),
                "There's an issue with the selected model (x).",
                EndClass::Refused,
            ),
            (1, "success", true, Some(408), "API Error: 408", EndClass::Overloaded),
            (1, "success", true, Some(413), "Request too large (max 32MB).", EndClass::Refused),
            (1, "success", true, None, "Prompt is too long", EndClass::Refused),
            (1, "success", true, None, "Request timed out", EndClass::Overloaded),
            // A stream that fell silent, after 301 s.
            (1, "success", true, None, "API Error: The operation timed out.", EndClass::Overloaded),
            (
                1,
                "success",
                true,
                None,
                "API Error: Connection closed mid-response. The",
                EndClass::Overloaded,
            ),
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
            (StepExit::Code(1), "--agent 'x' not found", EndClass::Refused),
            (StepExit::Code(1), "error: unknown option '--agents'", EndClass::Refused),
            (StepExit::Code(1), "No conversation found with session ID: x", EndClass::NoSession),
            (StepExit::Code(1), "Error: Session ID x is already in use.", EndClass::NoSession),
            (StepExit::Code(1), "Error: port 80 is already in use", EndClass::Crashed),
            (StepExit::Code(1), "Invalid API key · Please run /login", EndClass::Auth),
            (StepExit::Code(1), "Error: connect ECONNREFUSED 127.0.0.1:1", EndClass::Overloaded),
            (
                StepExit::Code(1),
                "Claude AI usage limit reached|1795252000",
                EndClass::UsageLimit { resets_at: Some(Timestamp(1_795_252_000_000)) },
            ),
            (StepExit::Signal(9), "Invalid API key", EndClass::Crashed),
            (StepExit::OutOfMemory, "", EndClass::Crashed),
            (StepExit::NotStarted("no such file".into()), "", EndClass::Crashed),
            (StepExit::LeaseLapsed, "", EndClass::Crashed),
            (StepExit::Lost, "", EndClass::Crashed),
        ] {
            assert_eq!(class(&exit, None, words), expected, "{exit:?} {words}");
        }
    }

    #[test]
    fn nothing_signalled_or_lost_is_done() {
        let facts = result("success", false, None, "all done").unwrap();
        for exit in [
            StepExit::Signal(15),
            StepExit::OutOfMemory,
            StepExit::LeaseLapsed,
            StepExit::Lost,
            StepExit::NotStarted(String::new()),
        ] {
            assert_eq!(class(&exit, Some(&facts), ""), EndClass::Crashed, "{exit:?}");
        }
    }

    fn evidence<'a>(exit: &'a StepExit, result: Option<&'a ResultFacts>) -> Evidence<'a> {
        Evidence {
            exit,
            stopped: false,
            result,
            kind: "",
            limit_rejected: false,
            limit_resets_at: None,
            words: "",
            ended_at: NOW,
        }
    }

    #[test]
    fn a_stopped_step_is_taken_at_its_last_word_whatever_its_exit() {
        let done = result("success", false, None, "all done");
        let busy = result("success", true, Some(529), "API Error: 529");
        let turns = result("error_max_turns", true, None, "");
        for exit in [StepExit::Code(0), StepExit::Code(143), StepExit::Signal(9), StepExit::LeaseLapsed] {
            for (said, expected) in [
                (&done, EndClass::Done),
                (&busy, EndClass::Overloaded),
                (&turns, EndClass::MaxTurns),
                (&None, EndClass::Crashed),
            ] {
                let evidence = Evidence { stopped: true, ..evidence(&exit, said.as_ref()) };
                assert_eq!(classify(&evidence), expected, "{exit:?} {said:?}");
            }
        }
    }

    #[test]
    fn the_client_s_own_kind_of_error_speaks_where_words_do_not() {
        let strange = result("success", true, None, "words of a later version");
        let code = StepExit::Code(1);
        for (kind, expected) in [
            ("authentication_failed", EndClass::Auth),
            ("billing_error", EndClass::Auth),
            ("rate_limit", EndClass::Overloaded),
            ("server_error", EndClass::Overloaded),
            ("model_not_found", EndClass::Refused),
            ("invalid_request", EndClass::Refused),
            ("max_output_tokens", EndClass::Crashed),
            ("unknown", EndClass::Crashed),
            ("", EndClass::Crashed),
        ] {
            let evidence = Evidence { kind, ..evidence(&code, strange.as_ref()) };
            assert_eq!(classify(&evidence), expected, "{kind}");
        }
    }

    #[test]
    fn an_unknown_command_is_no_success() {
        let facts =
            ResultFacts { turns: 0, ..result("success", false, None, "Unknown command: /agent:x").unwrap() };
        assert_eq!(class(&StepExit::Code(0), Some(&facts), ""), EndClass::Refused);
    }

    #[test]
    fn an_agent_that_speaks_of_limits_has_not_reached_one() {
        let text = format!("You've hit your stride: {}", "the limiter is done. ".repeat(20));
        let facts = result("success", false, None, &text).unwrap();
        assert_eq!(class(&StepExit::Code(0), Some(&facts), ""), EndClass::Done);
    }

    #[test]
    fn a_limit_event_gives_the_time_of_its_end() {
        let code = StepExit::Code(1);
        let refused = |facts| {
            let evidence = evidence(&code, facts);
            classify(&Evidence { limit_rejected: true, limit_resets_at: Some(Timestamp(77)), ..evidence })
        };
        let limited = result("success", true, Some(429), "API Error: 429");
        assert_eq!(refused(limited.as_ref()), EndClass::UsageLimit { resets_at: Some(Timestamp(77)) });
        // What fails for another reason later is not put down to it.
        let unauthorized = result("success", true, Some(401), "API Error: 401");
        assert_eq!(refused(unauthorized.as_ref()), EndClass::Auth);
    }

    #[test]
    fn a_limit_of_the_month_says_its_date() {
        let text = "API Error: 400 You have reached your specified API usage limits. You will regain access on \
            2026-12-01 at 00:00 UTC.";
        let facts = result("success", true, Some(400), text);
        let resets_at = gadugi_sys::clock::parse_rfc3339("2026-12-01T00:00:00Z");
        assert!(resets_at.is_some());
        assert_eq!(class(&StepExit::Code(1), facts.as_ref(), ""), EndClass::UsageLimit { resets_at });
    }
}
