//! Lengths of time as people write and read them: `90m`, `1h30m`, `30s`; a bare number is hours.

use thiserror::Error;

use crate::Millis;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The longest that can be asked for: a year. More is a slip of the hand (milliseconds for seconds, say).
const LONGEST: Millis = Millis(365 * DAY);

/// Units, longest first: in this order they follow each other, each at most once.
const UNITS: [(&str, u64); 5] = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)];

/// Why a text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// There is nothing in it.
    #[error("expected a duration such as 90m, 30s or 1h30m, found nothing")]
    Empty,
    /// It does not read as numbers with units.
    #[error("expected a duration such as 90m, 30s or 1h30m, found {0:?}")]
    Unreadable(String),
    /// A number has no unit where one is needed.
    #[error("expected a unit (d, h, m, s, ms), as in 30s, found {0:?}")]
    NoUnit(String),
    /// It is nothing at all.
    #[error("expected a duration longer than nothing, found {0:?}")]
    Zero(String),
    /// It is longer than a year.
    #[error("expected a duration of at most 365 days, found {0:?}")]
    TooLong(String),
}

/// Reads `90m`, `30s`, `1h30m`, `1h 30m`, `500ms`, `1d`; a bare number (`2`, `0.5`) is hours. Fractions
/// count in milliseconds. Nothing and more than a year are errors.
pub fn parse_duration(text: &str) -> Result<Millis, DurationError> {
    parse(text, Some(HOUR))
}

/// As [`parse_duration`], but each number needs its unit.
pub fn parse_duration_with_unit(text: &str) -> Result<Millis, DurationError> {
    parse(text, None)
}

fn parse(text: &str, bare: Option<u64>) -> Result<Millis, DurationError> {
    let found = || shorten(text);
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut total = 0.0_f64;
    let mut next_unit = 0;
    let mut first = true;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number = number(&rest[..digits]).ok_or_else(|| DurationError::Unreadable(found()))?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(letters);
        rest = behind.trim_start();
        let factor = if word.is_empty() {
            match bare {
                Some(factor) if first && rest.is_empty() => factor,
                None if first && rest.is_empty() => return Err(DurationError::NoUnit(found())),
                _ => return Err(DurationError::Unreadable(found())),
            }
        } else {
            let at = UNITS[next_unit..].iter().position(|(unit, _)| unit.eq_ignore_ascii_case(word));
            let at = at.ok_or_else(|| DurationError::Unreadable(found()))? + next_unit;
            next_unit = at + 1;
            UNITS[at].1
        };
        total += number * factor as f64;
        first = false;
    }
    if total > LONGEST.0 as f64 {
        return Err(DurationError::TooLong(found()));
    }
    // At most a year of milliseconds: exact in a float, and never negative.
    match total.round() as u64 {
        0 => Err(DurationError::Zero(found())),
        millis => Ok(Millis(millis)),
    }
}

/// Digits with at most one point among them, and a digit somewhere.
fn number(text: &str) -> Option<f64> {
    text.starts_with(|c: char| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What was found, fit for one line of a message.
fn shorten(text: &str) -> String {
    const LONGEST_SHOWN: usize = 40;
    if text.chars().count() <= LONGEST_SHOWN {
        return text.to_owned();
    }
    text.chars().take(LONGEST_SHOWN).chain(['…']).collect()
}

/// For people, two units at most: `0.4s`, `42s`, `2m 05s`, `1h 02m`, `3d 04h`.
pub fn format_duration(length: Millis) -> String {
    let millis = length.0;
    match millis {
        0..SECOND => format!("0.{}s", millis / 100),
        SECOND..MINUTE => format!("{}s", millis / SECOND),
        MINUTE..HOUR => format!("{}m {:02}s", millis / MINUTE, millis % MINUTE / SECOND),
        HOUR..DAY => format!("{}h {:02}m", millis / HOUR, millis % HOUR / MINUTE),
        _ => format!("{}d {:02}h", millis / DAY, millis % DAY / HOUR),
    }
}

/// Exactly, in the form that [`parse_duration`] reads back: `2h`, `1h30m`, `30s`, `1s500ms`.
pub fn write_duration(length: Millis) -> String {
    let mut rest = length.0;
    let mut text = String::new();
    for (unit, factor) in UNITS {
        if rest >= factor {
            text.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("2", 2 * HOUR),
            ("0.5", HOUR / 2),
            ("90m", 90 * MINUTE),
            ("30s", 30 * SECOND),
            ("1h30m", HOUR + 30 * MINUTE),
            (" 1h 30m ", HOUR + 30 * MINUTE),
            ("1H", HOUR),
            ("1.5h", HOUR + 30 * MINUTE),
            ("500ms", 500),
            ("1d2h3m4s5ms", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + 5),
            ("365d", 365 * DAY),
            ("0h30m", 30 * MINUTE),
        ] {
            assert_eq!(parse_duration(text), Ok(Millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_length_of_time() {
        use DurationError::{Empty, TooLong, Unreadable, Zero};
        let unreadable = [
            "h", "x", "1x", "1h30", "30m1h", "1h1h", "-1", "1..5h", ".", "1e3", "inf", "NaN", "1 h", "٣h",
            "1h,",
        ];
        for text in unreadable {
            assert_eq!(parse_duration(text), Err(Unreadable(text.into())), "{text}");
        }
        assert_eq!(parse_duration("  "), Err(Empty));
        assert_eq!(parse_duration("0"), Err(Zero("0".into())));
        assert_eq!(parse_duration("0.0001s"), Err(Zero("0.0001s".into())));
        assert_eq!(parse_duration("366d"), Err(TooLong("366d".into())));
        let nines = "9".repeat(400);
        assert!(matches!(parse_duration(&nines), Err(TooLong(found)) if found.chars().count() == 41));
    }

    #[test]
    fn a_unit_can_be_demanded() {
        assert_eq!(parse_duration_with_unit("30s"), Ok(Millis(30 * SECOND)));
        assert_eq!(parse_duration_with_unit("30"), Err(DurationError::NoUnit("30".into())));
    }

    #[test]
    fn shows_at_most_two_units() {
        for (millis, text) in [
            (0, "0.0s"),
            (420, "0.4s"),
            (42_900, "42s"),
            (125 * SECOND, "2m 05s"),
            (HOUR + 2 * MINUTE + 59 * SECOND, "1h 02m"),
            (3 * DAY + 4 * HOUR, "3d 04h"),
        ] {
            assert_eq!(format_duration(Millis(millis)), text);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for millis in [1, 999, 1500, 30 * SECOND, 90 * MINUTE, 2 * HOUR, DAY + 1, LONGEST.0] {
            let text = write_duration(Millis(millis));
            assert_eq!(parse_duration(&text), Ok(Millis(millis)), "{text}");
        }
        assert_eq!(write_duration(Millis(90 * MINUTE)), "1h30m");
        assert_eq!(write_duration(Millis(0)), "0s");
    }
}
