//! Numbers, lengths, amounts and choices.

use gadugi_core::{
    AGENTS, CacheKind, ExecutorKind, HomePolicy, Kind, MergeStrategy, Millis, OverlapPolicy, RESERVED_AGENTS,
    UvPolicy, parse_duration, parse_duration_with_unit, write_duration,
};
use serde_json::json;

use super::{Mismatch, Value, in_files, need_text, need_texts, show_texts};

macro_rules! whole_number {
    ($(#[$doc:meta])* $name:ident, $least:literal..=$most:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub u32);

        impl $name {
            const EXPECTED: &str = concat!("a whole number from ", $least, " to ", $most);

            fn within(number: i64) -> Option<Self> {
                u32::try_from(number).ok().filter(|number| ($least..=$most).contains(number)).map(Self)
            }
        }

        impl Value for $name {
            fn from_text(text: &str) -> Result<Self, Mismatch> {
                let number = text.trim().parse().ok().and_then(Self::within);
                number.ok_or_else(|| Mismatch::text(Self::EXPECTED, text))
            }

            fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
                let number = value.as_integer().and_then(Self::within);
                number.ok_or_else(|| Mismatch::value(Self::EXPECTED, value))
            }

            fn show(&self) -> String {
                self.0.to_string()
            }

            fn schema() -> serde_json::Value {
                json!({ "type": "integer", "minimum": $least, "maximum": $most })
            }
        }
    };
}

whole_number! {
    /// Slots.
    Parallel, 1..=1024
}
whole_number! {
    /// Model turns of one step.
    Turns, 1..=10000
}
whole_number! {
    /// Processes and threads of one task.
    Pids, 1..=4194304
}

whole_number! {
    /// How often something is tried.
    Tries, 0..=1000
}

whole_number! {
    /// Tasks that one prompt may be split into.
    Parts, 2..=100
}

whole_number! {
    /// A share of the whole.
    Percent, 1..=100
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident of $inner:ty, $($word:literal => $value:expr),*; later $($later:literal),*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl Value for $name {
            fn from_text(text: &str) -> Result<Self, Mismatch> {
                let words: &[&str] = &[$($word),*];
                match text.trim() {
                    $($word => Ok(Self($value)),)*
                    $($later => {
                        let kept = format!("{} ({} is a name kept for later)", one_of(words), $later);
                        Err(Mismatch::text(kept, text))
                    })*
                    _ => Err(Mismatch::text(one_of(words), text)),
                }
            }

            fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
                Self::from_text(need_text(&one_of(&[$($word),*]), value)?)
            }

            fn show(&self) -> String {
                $(if self.0 == $value { return format!("{:?}", $word); })*
                String::new()
            }

            fn schema() -> serde_json::Value {
                json!({ "enum": [$($word),*] })
            }
        }
    };
}

choice! {
    /// Where steps run.
    ExecutorChoice of ExecutorKind,
    "local" => ExecutorKind::Local, "docker" => ExecutorKind::Docker; later "kubernetes"
}
choice! {
    /// Whose home directory agents see.
    HomeChoice of HomePolicy, "user" => HomePolicy::User, "own" => HomePolicy::Own; later
}
choice! {
    /// Whether `uv run` stands in front of an agent.
    UvChoice of UvPolicy, "auto" => UvPolicy::Auto, "on" => UvPolicy::On, "off" => UvPolicy::Off; later
}
choice! {
    /// How branches are merged.
    StrategyChoice of MergeStrategy,
    "merge" => MergeStrategy::Merge, "squash" => MergeStrategy::Squash; later
}
choice! {
    /// What is done where two tasks are expected to write one file.
    OverlapChoice of OverlapPolicy,
    "serialize" => OverlapPolicy::Serialize, "parallel" => OverlapPolicy::Parallel,
    "ask" => OverlapPolicy::Ask; later
}
choice! {
    /// A kind of task.
    KindChoice of Kind,
    "test-coverage" => Kind::TestCoverage, "bug-fix" => Kind::BugFix, "feature" => Kind::Feature,
    "refactoring" => Kind::Refactoring, "documentation" => Kind::Documentation,
    "configuration" => Kind::Configuration; later
}

/// `a, b or c`.
pub(crate) fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Which agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentChoice(pub String);

impl Value for AgentChoice {
    fn from_text(text: &str) -> Result<Self, Mismatch> {
        let name = text.trim();
        if AGENTS.contains(&name) {
            return Ok(Self(name.to_owned()));
        }
        let mut expected = one_of(&AGENTS);
        if RESERVED_AGENTS.contains(&name) {
            expected = format!("{expected} ({name} is a name kept for later)");
        }
        Err(Mismatch::text(expected, text))
    }

    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        Self::from_text(need_text(&one_of(&AGENTS), value)?)
    }

    fn show(&self) -> String {
        format!("{:?}", self.0)
    }

    fn schema() -> serde_json::Value {
        json!({ "enum": AGENTS })
    }
}

/// Something that somebody may be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotifyKind {
    /// A run is over, and every task of it succeeded.
    Done,
    /// A task, or the run it was part of, is over and has not succeeded.
    Failed,
    /// Something waits for a person.
    NeedsPerson,
    /// An account has reached its limit.
    Limit,
}

impl NotifyKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::NeedsPerson, Self::Limit];

    /// As files and messages say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::NeedsPerson => "needs-person",
            Self::Limit => "limit",
        }
    }
}

macro_rules! list_of_words {
    ($(#[$doc:meta])* $name:ident, $kind:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub Vec<$kind>);

        impl $name {
            fn expected() -> String {
                format!("a list of {}", one_of(&$kind::ALL.map($kind::word)))
            }

            /// Each once, in the order in which they are known: the order of a list means nothing.
            fn read(texts: &[String]) -> Result<Self, Mismatch> {
                let known = |text: &str| $kind::ALL.into_iter().find(|kind| kind.word() == text.trim());
                if let Some(bad) = texts.iter().find(|text| known(text).is_none()) {
                    return Err(Mismatch::text(Self::expected(), bad));
                }
                let wanted = |kind: &$kind| texts.iter().any(|text| known(text) == Some(*kind));
                Ok(Self($kind::ALL.into_iter().filter(wanted).collect()))
            }
        }

        impl Value for $name {
            fn from_text(text: &str) -> Result<Self, Mismatch> {
                Self::read(&[text.to_owned()])
            }

            fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
                Self::read(&need_texts(&Self::expected(), value)?)
            }

            fn show(&self) -> String {
                let words: Vec<String> = self.0.iter().map(|kind| kind.word().to_owned()).collect();
                show_texts(&words)
            }

            fn schema() -> serde_json::Value {
                let name = json!({ "enum": $kind::ALL.map($kind::word) });
                json!({ "anyOf": [name, { "type": "array", "items": name }] })
            }
        }
    };
}

list_of_words! {
    /// Caches that tasks in containers share.
    CacheNames, CacheKind
}

list_of_words! {
    /// What somebody is told of.
    NotifyKinds, NotifyKind
}

/// How long a task may take: a bare number is hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskTimeout(pub Millis);

impl Value for TaskTimeout {
    fn from_text(text: &str) -> Result<Self, Mismatch> {
        let expected = "90m, 30s, 1h30m or a number of hours, above 0 and at most 365 days";
        parse_duration(text).map(Self).map_err(|_| Mismatch::text(expected, text))
    }

    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        match value {
            toml::Value::String(text) => Self::from_text(text),
            // The same rule reads numbers, so that `timeout = 2` and `--timeout 2` are one thing.
            other => Self::from_text(&other.to_string())
                .map_err(|mismatch| Mismatch::value(mismatch.expected, other)),
        }
    }

    fn show(&self) -> String {
        format!("{:?}", write_duration(self.0))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "number"], "exclusiveMinimum": 0 })
    }
}

/// How long a step outlives an engine that does not come back. The engine renews its word every second, and may be held
/// up for a while: with less than this, steps would end under an engine that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(pub Millis);

impl Lease {
    const EXPECTED: &str = "a duration of at least 30s, with its unit, such as 10m";
    const LEAST: Millis = Millis::seconds(30);
}

impl Value for Lease {
    fn from_text(text: &str) -> Result<Self, Mismatch> {
        let length = parse_duration_with_unit(text).ok().filter(|length| *length >= Self::LEAST);
        length.map(Self).ok_or_else(|| Mismatch::text(Self::EXPECTED, text))
    }

    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        Self::from_text(need_text(Self::EXPECTED, value)?)
    }

    fn show(&self) -> String {
        Length(self.0).show()
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }
}

/// A length of time that needs its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub Millis);

impl Length {
    const EXPECTED: &str = "a duration with its unit, such as 30s or 10m";
}

impl Value for Length {
    fn from_text(text: &str) -> Result<Self, Mismatch> {
        parse_duration_with_unit(text).map(Self).map_err(|_| Mismatch::text(Self::EXPECTED, text))
    }

    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        Self::from_text(need_text(Self::EXPECTED, value)?)
    }

    fn show(&self) -> String {
        format!("{:?}", write_duration(self.0))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }
}

/// An amount of money, in millionths of a US dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dollars(pub u64);

impl Dollars {
    const EXPECTED: &str = "an amount in US dollars above 0, such as 2.50";
    /// A thousand million: more is a slip of the hand.
    const MOST: f64 = 1e9;

    fn within(amount: f64) -> Option<Self> {
        let micros = (amount * 1e6).round();
        (micros >= 1.0 && amount <= Self::MOST).then_some(Self(micros as u64))
    }
}

impl Value for Dollars {
    fn from_text(text: &str) -> Result<Self, Mismatch> {
        let amount = text.trim().parse().ok().and_then(Self::within);
        amount.ok_or_else(|| Mismatch::text(Self::EXPECTED, text))
    }

    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        let amount = match value {
            toml::Value::Integer(whole) => Self::within(*whole as f64),
            toml::Value::Float(amount) => Self::within(*amount),
            _ => None,
        };
        amount.ok_or_else(|| Mismatch::value(Self::EXPECTED, value))
    }

    fn show(&self) -> String {
        (self.0 as f64 / 1e6).to_string()
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "number", "exclusiveMinimum": 0, "maximum": Self::MOST })
    }
}

/// Processors, in whole ones and parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cpus(pub f64);

impl Cpus {
    const EXPECTED: &str = "a number of processors above 0 and up to 1024, such as 1.5";

    fn within(number: f64) -> Option<Self> {
        (number > 0.0 && number <= 1024.0).then_some(Self(number))
    }
}

impl Value for Cpus {
    fn from_text(text: &str) -> Result<Self, Mismatch> {
        let number = text.trim().parse().ok().and_then(Self::within);
        number.ok_or_else(|| Mismatch::text(Self::EXPECTED, text))
    }

    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        let number = match value {
            toml::Value::Integer(whole) => Self::within(*whole as f64),
            toml::Value::Float(number) => Self::within(*number),
            _ => None,
        };
        number.ok_or_else(|| Mismatch::value(Self::EXPECTED, value))
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1024 })
    }
}

/// An amount of memory or disk in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl Size {
    const EXPECTED: &str = "a size with its unit, such as 512MiB or 4GiB";
    /// Letters alone mean powers of 1024, as container engines have it.
    const UNITS: [(&str, u64); 12] = [
        ("tib", 1 << 40),
        ("gib", 1 << 30),
        ("mib", 1 << 20),
        ("kib", 1 << 10),
        ("tb", 1_000_000_000_000),
        ("gb", 1_000_000_000),
        ("mb", 1_000_000),
        ("kb", 1_000),
        ("t", 1 << 40),
        ("g", 1 << 30),
        ("m", 1 << 20),
        ("k", 1 << 10),
    ];

    fn read(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let (number, factor) = Self::UNITS
            .iter()
            .find_map(|(unit, factor)| lower.strip_suffix(unit).map(|number| (number.trim_end(), *factor)))?;
        let digits = number.starts_with(|c: char| c.is_ascii_digit()) && !number.contains('e');
        let bytes = digits.then(|| number.parse::<f64>().ok()).flatten()? * factor as f64;
        // Below 2^53 a float counts bytes exactly.
        (1.0..9_007_199_254_740_992.0).contains(&bytes).then_some(Self(bytes as u64))
    }
}

impl Value for Size {
    fn from_text(text: &str) -> Result<Self, Mismatch> {
        Self::read(text).ok_or_else(|| Mismatch::text(Self::EXPECTED, text))
    }

    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        Self::from_text(need_text(Self::EXPECTED, value)?)
    }

    fn show(&self) -> String {
        let binary = &Self::UNITS[..4];
        let fits =
            binary.iter().zip(["TiB", "GiB", "MiB", "KiB"]).find(|((_, f), _)| self.0.is_multiple_of(*f));
        match fits {
            Some(((_, factor), unit)) => format!("\"{}{unit}\"", self.0 / factor),
            None => format!("\"{}KiB\"", self.0 as f64 / 1024.0),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(pub bool);

impl Value for Switch {
    fn from_text(text: &str) -> Result<Self, Mismatch> {
        match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(Self(true)),
            "0" | "false" | "no" | "off" => Ok(Self(false)),
            _ => Err(Mismatch::text("1 or 0, true or false, yes or no, on or off", text)),
        }
    }

    fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        value.as_bool().map(Self).ok_or_else(|| Mismatch::value("true or false", value))
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "boolean" })
    }
}

in_files!(
    Parallel,
    Turns,
    Pids,
    Tries,
    Parts,
    Percent,
    ExecutorChoice,
    HomeChoice,
    UvChoice,
    StrategyChoice,
    OverlapChoice,
    KindChoice,
    AgentChoice,
    CacheNames,
    NotifyKinds,
    TaskTimeout,
    Lease,
    Length,
    Dollars,
    Cpus,
    Size,
    Switch
);
