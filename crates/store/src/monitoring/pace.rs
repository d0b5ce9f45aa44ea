//! When the files are written: at most once a second, at least once per interval.

use gadugi_core::{Millis, Timestamp};

/// Between two writes, whatever happens.
pub const LEAST_BETWEEN: Millis = Millis::seconds(1);

/// Whether it is time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Write.
    Now,
    /// Not before this has passed.
    In(Millis),
}

/// When was written last, and how old that may get.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    interval: Millis,
    last: Option<Timestamp>,
}

impl Pace {
    /// Nothing was written yet.
    pub fn new(interval: Millis) -> Self {
        Self { interval: interval.max(LEAST_BETWEEN), last: None }
    }

    /// Whether to write: `changed` says that something happened since the last time.
    pub fn due(&self, now: Timestamp, changed: bool) -> Due {
        let Some(last) = self.last else { return Due::Now };
        // A clock that was set back must not silence the files until it has caught up.
        if now < last {
            return Due::Now;
        }
        let wait = if changed { LEAST_BETWEEN } else { self.interval };
        match wait.0.saturating_sub(now.since(last).0) {
            0 => Due::Now,
            left => Due::In(Millis(left)),
        }
    }

    /// It was written.
    pub fn wrote(&mut self, now: Timestamp) {
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_once_a_second_and_at_least_once_per_interval() {
        let mut pace = Pace::new(Millis::seconds(30));
        let at = |millis: i64| Timestamp(1_000_000 + millis);
        assert_eq!(pace.due(at(0), false), Due::Now);
        pace.wrote(at(0));
        for (millis, changed, due) in [
            (0, true, Due::In(Millis(1000))),
            (999, true, Due::In(Millis(1))),
            (1000, true, Due::Now),
            (1000, false, Due::In(Millis(29_000))),
            (29_999, false, Due::In(Millis(1))),
            (30_000, false, Due::Now),
            (90_000, false, Due::Now),
            (-1, false, Due::Now),
        ] {
            assert_eq!(pace.due(at(millis), changed), due, "{millis} {changed}");
        }
    }

    #[test]
    fn an_interval_below_a_second_is_a_second() {
        let mut pace = Pace::new(Millis(1));
        pace.wrote(Timestamp(0));
        assert_eq!(pace.due(Timestamp(1), false), Due::In(Millis(999)));
    }
}
