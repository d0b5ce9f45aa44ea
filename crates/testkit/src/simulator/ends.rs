//! The ways in which a simulated step ends.

use gadugi_core::{AgentEnd, EndClass, Millis, StepEnd, StepExit, StepKind, Timestamp, Usage};

use super::rng::Rng;

/// What becomes of a step that nobody stops.
pub(super) enum Fate {
    Good,
    NoChange,
    Bad,
    Lost,
    NotStarted,
    /// It never ends by itself.
    Hangs,
}

impl Fate {
    pub(super) fn draw(rng: &mut Rng, kind: &StepKind, trouble: u32) -> Self {
        if !rng.chance(trouble) {
            let idle = matches!(kind, StepKind::Agent { .. }) && rng.chance(40);
            return if idle { Self::NoChange } else { Self::Good };
        }
        match rng.below(10) {
            0..=3 => Self::Bad,
            4..=6 => Self::Lost,
            7 => Self::NotStarted,
            _ => Self::Hangs,
        }
    }

    /// How long it takes and how it ends; none where it does not.
    pub(super) fn end(&self, rng: &mut Rng, kind: &StepKind) -> Option<(Millis, StepEnd)> {
        let longest = if rng.chance(200) { 2_000 } else { 90_000 };
        let length = Millis(rng.between(10..=longest));
        let agent = matches!(kind, StepKind::Agent { .. });
        let end = match self {
            Self::Good if agent => spoken(rng, EndClass::Done, StepExit::Code(0), None),
            Self::NoChange if agent => {
                spoken(rng, EndClass::Done, StepExit::Code(0), Some("it is there already"))
            }
            Self::Good | Self::NoChange => plain(StepExit::Code(0), Millis(0)),
            Self::Bad if agent => {
                let class = class(rng);
                let exit = match rng.below(3) {
                    0 if class == EndClass::Silent => StepExit::Code(0),
                    0 => StepExit::Signal(9),
                    _ => StepExit::Code(1),
                };
                spoken(rng, class, exit, None)
            }
            Self::Bad => plain(StepExit::Code(1), Millis(0)),
            Self::Lost => plain(StepExit::Lost, Millis(0)),
            Self::NotStarted | Self::Hangs => return None,
        };
        Some((length, end))
    }
}

fn class(rng: &mut Rng) -> EndClass {
    match rng.below(7) {
        0 => EndClass::MaxTurns,
        1 => EndClass::Auth,
        2 => EndClass::Overloaded,
        3 => EndClass::UsageLimit { resets_at: rng.chance(500).then_some(Timestamp(1_700_000_900_000)) },
        4 => EndClass::Budget,
        5 => EndClass::Crashed,
        _ => EndClass::Silent,
    }
}

fn spoken(rng: &mut Rng, class: EndClass, exit: StepExit, no_change: Option<&str>) -> StepEnd {
    let agent = AgentEnd {
        class,
        detail: "as it says".into(),
        usage: Usage {
            input_tokens: rng.below(50_000),
            output_tokens: rng.below(5_000),
            cost_microusd: rng.below(500_000),
            ..Usage::default()
        },
        turns: 3,
        no_change: no_change.map(str::to_owned),
        claimed_phases: vec![4, 7],
    };
    StepEnd { agent: Some(agent), ..plain(exit, Millis(0)) }
}

/// An end with nothing said.
pub(super) fn plain(exit: StepExit, wall: Millis) -> StepEnd {
    StepEnd { exit, stopped: false, wall, max_rss_kib: 0, peak_mib: 0, cpu_ms: 0, agent: None, tail: String::new() }
}

/// KILL: nothing is left.
pub(super) fn killed() -> StepEnd {
    StepEnd { stopped: true, ..plain(StepExit::Signal(9), Millis(0)) }
}

/// TERM: an agent whose model answers within the grace says that all is well.
pub(super) fn stopped(rng: &mut Rng, kind: &StepKind) -> StepEnd {
    let agent = matches!(kind, StepKind::Agent { .. });
    let end = match rng.below(3) {
        0 if agent => spoken(rng, EndClass::Done, StepExit::Code(0), None),
        0 => plain(StepExit::Code(0), Millis(0)),
        1 if agent => spoken(rng, EndClass::Crashed, StepExit::Code(143), None),
        _ => plain(StepExit::Signal(15), Millis(0)),
    };
    StepEnd { stopped: true, ..end }
}
