//! The limits of accounts as they were last said: in the heads of answers, or in an agent's own words. For people to look at;
//! what is paced by them is decided elsewhere (`pace.rs`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use gadugi_core::Timestamp;
use hyper::HeaderMap;

use super::moment;

/// What every header of a limit begins with.
const PREFIX: &str = "anthropic-ratelimit-";

/// Limits that are kept of an account: the vendor says eight kinds. Names are what came over the network: an upstream of somebody's
/// own could think of any number.
const KINDS: usize = 16;

/// Accounts of which agents spoke by themselves.
const ACCOUNTS: usize = 16;

/// The longest name of a kind, and the longest status.
const LONGEST: usize = 32;

/// What was last said of one limit of an account. Never anything of its credential.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateLimit {
    /// The account: its host, and a number that tells accounts of one host apart; or the agent that spoke of its own.
    pub account: String,
    /// `requests`, `tokens`, `input-tokens`, `output-tokens`: those of a key, by the minute. `five-hour`, `seven-day` and the
    /// like: those of a subscription; `unified`: all of them together.
    pub kind: String,
    /// How many there are.
    pub limit: Option<u64>,
    /// How many are left.
    pub remaining: Option<u64>,
    /// What is used of it, where that was said as a share: 0 to 1, and more where more may be bought.
    pub used: Option<f64>,
    /// When it is whole again.
    pub resets_at: Option<Timestamp>,
    /// `allowed`, `allowed-warning`, `rejected`.
    pub status: Option<String>,
    /// When that was said.
    pub at: Timestamp,
}

/// What was said of one account, or by agents of theirs.
#[derive(Debug, Default)]
pub(crate) struct Said(Mutex<BTreeMap<(String, String), RateLimit>>);

impl Said {
    /// Takes in what an answer's head says of an account. Of a limit that it does not speak of, the word before stands.
    pub(crate) fn hear(&self, account: &str, headers: &HeaderMap, now: Timestamp) {
        let parts = headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix(PREFIX)?, value.to_str().ok()?.trim()))
        });
        let mut found: BTreeMap<String, RateLimit> = BTreeMap::new();
        for (name, value) in parts {
            let Some((kind, part)) = name.rsplit_once('-') else { continue };
            let Some(kind) = kind_of(kind) else { continue };
            let limit = found.entry(kind).or_default();
            match part {
                "limit" => limit.limit = value.parse().ok(),
                "remaining" => limit.remaining = value.parse().ok(),
                "reset" => limit.resets_at = moment(value),
                "status" => limit.status = word(value),
                "utilization" => {
                    limit.used = value.parse().ok().filter(|used: &f64| (0.0..1e6).contains(used));
                }
                _ => {}
            }
        }
        for (kind, limit) in found {
            let nothing = RateLimit::default();
            if limit != nothing {
                self.keep(RateLimit { account: account.to_owned(), kind, at: now, ..limit }, KINDS);
            }
        }
    }

    /// Takes in one limit that an agent spoke of.
    pub(crate) fn note(&self, limit: RateLimit) {
        let Some(kind) = word(&limit.kind) else { return };
        let status = limit.status.as_deref().and_then(word);
        self.keep(RateLimit { kind, status, ..limit }, ACCOUNTS * KINDS);
    }

    fn keep(&self, limit: RateLimit, most: usize) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (limit.account.clone(), limit.kind.clone());
        if known.len() < most || known.contains_key(&key) {
            known.insert(key, limit);
        }
    }

    /// All of it, by account and kind.
    pub(crate) fn all(&self) -> Vec<RateLimit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// The name of a limit, from what stands between prefix and part; none of what is none of ours to show.
fn kind_of(name: &str) -> Option<String> {
    let Some(rest) = name.strip_prefix("unified") else {
        let known = ["requests", "tokens", "input-tokens", "output-tokens"];
        return known.contains(&name).then(|| name.to_owned());
    };
    let window = match rest.strip_prefix('-') {
        None if rest.is_empty() => return Some("unified".to_owned()),
        None => return None,
        Some(window) => word(window)?,
    };
    Some(match window.split_once('-').map_or((&*window, None), |(first, rest)| (first, Some(rest))) {
        ("5h", None) => "five-hour".to_owned(),
        ("7d", None) => "seven-day".to_owned(),
        ("7d", Some(of)) => format!("seven-day-{of}"),
        _ => window,
    })
}

/// A word of the vendor's as it is shown: small letters, digits and `-`.
fn word(text: &str) -> Option<String> {
    let word: String = text.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect();
    let good = word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    (good && !word.is_empty() && word.len() <= LONGEST).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    const NOW: Timestamp = Timestamp(784_111_777_000);

    fn headers(said: &[(String, &str)]) -> HeaderMap {
        let header = |(name, value): &(String, &str)| {
            (HeaderName::try_from(format!("{PREFIX}{name}")).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        said.iter().map(header).collect()
    }

    fn said(pairs: &[(&str, &str)]) -> Vec<(String, String, RateLimit)> {
        let said = Said::default();
        let pairs: Vec<(String, &str)> = pairs.iter().map(|(name, value)| ((*name).into(), *value)).collect();
        said.hear("host#1", &headers(&pairs), NOW);
        said.all().into_iter().map(|limit| (limit.account.clone(), limit.kind.clone(), limit)).collect()
    }

    #[test]
    fn limits_of_a_key_and_of_a_subscription_are_read() {
        let key = said(&[
            ("requests-limit", "50"),
            ("requests-remaining", "49"),
            ("requests-reset", "1994-11-06T08:49:40Z"),
            ("input-tokens-remaining", "0"),
        ]);
        assert_eq!(key.len(), 2);
        let (account, kind, requests) = &key[1];
        assert_eq!((account.as_str(), kind.as_str()), ("host#1", "requests"));
        assert_eq!((requests.limit, requests.remaining, requests.at), (Some(50), Some(49), NOW));
        assert_eq!(requests.resets_at, Some(Timestamp(784_111_780_000)));
        assert_eq!((key[0].1.as_str(), key[0].2.remaining, key[0].2.limit), ("input-tokens", Some(0), None));

        let own = said(&[
            ("unified-status", "allowed_warning"),
            ("unified-reset", "784111800"),
            ("unified-5h-utilization", "0.85"),
            ("unified-5h-reset", "784111900"),
            ("unified-7d-status", "allowed"),
            ("unified-7d_opus-status", "rejected"),
            ("unified-representative-claim", "five_hour"),
        ]);
        let kinds: Vec<&str> = own.iter().map(|(_, kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["five-hour", "seven-day", "seven-day-opus", "unified"]);
        assert_eq!((own[0].2.used, own[0].2.resets_at), (Some(0.85), Some(Timestamp(784_111_900_000))));
        assert_eq!(own[2].2.status.as_deref(), Some("rejected"));
        assert_eq!(own[3].2.status.as_deref(), Some("allowed-warning"));
    }

    #[test]
    fn what_is_none_of_it_is_left_out_and_nothing_grows_without_bound() {
        assert_eq!(said(&[("requests-limit", "many"), ("unified-status", "<b>"), ("x-limit", "7")]), []);
        assert_eq!(said(&[("unified-5h-utilization", "nan"), ("unified-7d-utilization", "-1")]), []);
        let names: Vec<String> = (0..100).map(|number| format!("unified-w{number}-status")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "allowed")).collect();
        assert_eq!(said(&many).len(), KINDS);
        assert_eq!(said(&[(&format!("unified-{}-status", "w".repeat(40)), "allowed")]), []);
        let book = Said::default();
        for number in 0..1000 {
            book.note(RateLimit { account: format!("a{number}"), kind: "k".into(), ..RateLimit::default() });
        }
        assert_eq!(book.all().len(), ACCOUNTS * KINDS);
    }

    #[test]
    fn the_last_word_stands() {
        let book = Said::default();
        let hear = |left: &str| book.hear("a", &headers(&[("tokens-remaining".into(), left)]), NOW);
        hear("7");
        hear("6");
        book.hear("a", &HeaderMap::new(), NOW);
        book.note(RateLimit {
            account: "claude".into(),
            kind: "five_hour".into(),
            status: Some("allowed_warning".into()),
            ..RateLimit::default()
        });
        let all = book.all();
        assert_eq!((all.len(), all[0].remaining), (2, Some(6)));
        assert_eq!((all[1].kind.as_str(), all[1].status.as_deref()), ("five-hour", Some("allowed-warning")));
    }
}
