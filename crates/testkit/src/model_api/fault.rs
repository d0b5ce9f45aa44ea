//! What a model API does on a bad day, and whom it meets.
//!
//! A fault stands in place of an answer. It can be asked for from outside ([`super::ModelApi::misbehave`]: the first
//! requests of all, or of each conversation) or by the conversation itself: the line of its script that would be the
//! answer holds
//!
//! ````text
//! {"text": "all done", "fault": {"kind": "status", "status": 529, "times": 2}}
//! ````
//!
//! and so many requests for that line meet the fault before the line is said. A conversation is known by the client's
//! own session id.

use std::collections::HashMap;

use gadugi_core::{Millis, Timestamp};
use serde::Deserialize;

/// A way to misbehave.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fault {
    /// An error as the API words it for that status.
    Status {
        /// 400, 401, 403, 404, 413, 429, 500, 529…
        status: u16,
        /// `retry-after`, in seconds.
        #[serde(default)]
        retry_after: Option<u32>,
        /// The error's message; else one that is usual for the status.
        #[serde(default)]
        message: Option<String>,
    },
    /// The account's limit is reached: from the first request on, **all** requests get 429 with the headers of a
    /// subscription's limit, until it is lifted.
    UsageLimit {
        /// Seconds from the first of them to the reset, which falls on a whole second.
        resets_in: u32,
    },
    /// An error within the stream, after so many of its events.
    ErrorEvent {
        /// Events before it.
        events: usize,
    },
    /// The connection is reset after so many events of the stream (0: in place of any answer).
    Cut {
        /// Events before it.
        events: usize,
    },
    /// The connection is closed after so many events, as a proxy that gives up closes it: no reset, and no end.
    Truncated {
        /// Events before it.
        events: usize,
    },
    /// Silence after so many events, for as long as the client likes. Without a number not even the head of an
    /// answer comes.
    Silent {
        /// Events before it.
        #[serde(default)]
        events: Option<usize>,
    },
    /// The answer comes whole, but with a pause.
    Slow {
        /// How long it is.
        seconds: f64,
        /// Events before it. Without a number the head of the answer waits too.
        #[serde(default)]
        events: Option<usize>,
    },
    /// The server goes down: this connection and all others are gone, and the port is closed.
    Down {
        /// Seconds until it opens again.
        seconds: f64,
    },
}

/// A fault that a line of a script asks for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Scripted {
    #[serde(flatten)]
    fault: Fault,
    /// How many requests for the line meet it.
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

/// Whom a fault meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meets {
    /// The first requests, whoever sends them.
    First(u32),
    /// The first requests of each conversation.
    FirstOfEach(u32),
    /// Every request until [`super::ModelApi::behave`].
    Every,
}

/// Who asks, and for what.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// The conversation.
    pub(super) session: String,
    /// The line of its script that would answer, and the fault that the line asks for.
    pub(super) line: usize,
    pub(super) scripted: Option<Scripted>,
}

/// Which faults are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    asked: Vec<(Fault, Meets)>,
    /// How often each of `asked` met each conversation.
    met: HashMap<(usize, String), u32>,
    /// How often a script's own fault was met, by conversation and line.
    lines: HashMap<(String, usize), u32>,
    limited_until: Option<Timestamp>,
}

/// What a request meets.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Met {
    Fault(Fault),
    /// The account's limit, which is lifted then: seconds since 1970.
    Limit(i64),
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault, meets: Meets) {
        self.asked.push((fault, meets));
    }

    /// All is well from now on, but for what scripts ask for themselves.
    pub(super) fn clear(&mut self) {
        self.asked.clear();
        self.met.clear();
        self.limited_until = None;
    }

    /// What a scripted request meets, which counts as met.
    pub(super) fn meet(&mut self, asker: &Asker, now: Timestamp) -> Option<Met> {
        if let Some(until) = self.limited_until {
            if now < until {
                return Some(Met::Limit(until.0 / 1000));
            }
            self.limited_until = None;
        }
        match self.due(asker)? {
            Fault::UsageLimit { resets_in } => {
                // A whole second is what the header can say: rounded up.
                let second = (now + Millis::seconds(u64::from(resets_in))).0.div_euclid(1000) + 1;
                self.limited_until = Some(Timestamp(second * 1000));
                Some(Met::Limit(second))
            }
            fault => Some(Met::Fault(fault)),
        }
    }

    fn due(&mut self, asker: &Asker) -> Option<Fault> {
        if let Some(Scripted { fault, times }) = &asker.scripted {
            let met = self.lines.entry((asker.session.clone(), asker.line)).or_default();
            if *met < *times {
                *met += 1;
                return Some(fault.clone());
            }
        }
        for (at, (fault, meets)) in self.asked.iter().enumerate() {
            let (times, whose) = match meets {
                Meets::Every => return Some(fault.clone()),
                Meets::First(times) => (times, String::new()),
                Meets::FirstOfEach(times) => (times, asker.session.clone()),
            };
            let met = self.met.entry((at, whose)).or_default();
            if *met < *times {
                *met += 1;
                return Some(fault.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asker(session: &str) -> Asker {
        Asker { session: session.into(), line: 0, scripted: None }
    }

    fn status(status: u16) -> Fault {
        Fault::Status { status, retry_after: None, message: None }
    }

    const NOW: Timestamp = Timestamp(1_000_500);

    #[test]
    fn the_first_meet_it_and_then_all_is_well() {
        let mut faults = Faults::default();
        faults.add(status(529), Meets::First(2));
        let met: Vec<_> = ["a", "b", "a"].map(|who| faults.meet(&asker(who), NOW)).into();
        assert_eq!(met, [Some(Met::Fault(status(529))), Some(Met::Fault(status(529))), None]);
        let mut faults = Faults::default();
        faults.add(status(500), Meets::FirstOfEach(1));
        let met: Vec<_> = ["a", "b", "a", "b"].map(|who| faults.meet(&asker(who), NOW).is_some()).into();
        assert_eq!(met, [true, true, false, false]);
        faults.add(status(401), Meets::Every);
        assert!((0..9).all(|_| faults.meet(&asker("a"), NOW) == Some(Met::Fault(status(401)))));
        faults.clear();
        assert_eq!(faults.meet(&asker("c"), NOW), None);
    }

    #[test]
    fn a_limit_holds_for_all_until_it_is_lifted() {
        let mut faults = Faults::default();
        faults.add(Fault::UsageLimit { resets_in: 20 }, Meets::First(1));
        assert_eq!(faults.meet(&asker("a"), NOW), Some(Met::Limit(1021)));
        assert_eq!(faults.meet(&asker("b"), Timestamp(1_020_999)), Some(Met::Limit(1021)));
        assert_eq!(faults.meet(&asker("b"), Timestamp(1_021_000)), None);
    }

    #[test]
    fn a_line_of_a_script_asks_for_its_own() {
        let scripted = |value| serde_json::from_value::<Scripted>(value).unwrap();
        let cut = scripted(json!({"kind": "cut", "events": 3}));
        assert_eq!(cut, Scripted { fault: Fault::Cut { events: 3 }, times: 1 });
        let busy = scripted(json!({"kind": "status", "status": 429, "retry_after": 2, "times": 2}));
        assert_eq!(busy.times, 2);
        assert_eq!(
            scripted(json!({"kind": "silent"})),
            Scripted { fault: Fault::Silent { events: None }, times: 1 }
        );
        let mut faults = Faults::default();
        let mut ask = |line| {
            let asker = Asker { session: "a".into(), line, scripted: Some(cut.clone()) };
            faults.meet(&asker, NOW).is_some()
        };
        assert_eq!([ask(0), ask(0), ask(1), ask(1)], [true, false, true, false]);
    }
}
