//! The ways in which a simulated step ends.

use gadugi_core::{AgentEnd, EndClass, Millis, StepEnd, StepExit, StepKind, Timestamp, Usage};

use super::dice::{Dice, Key, What};
use super::rng::Rng;

/// What becomes of a step that nobody stops.
#[derive(Clone, Copy, PartialEq)]
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
    const ALL: [Self; 6] = [Self::Good, Self::NoChange, Self::Bad, Self::Lost, Self::NotStarted, Self::Hangs];

    pub(super) fn draw(dice: &mut Dice, about: Key, kind: &StepKind, trouble: u32) -> Self {
        let agent = matches!(kind, StepKind::Agent { .. });
        let drawn = dice.pick(about.also(What::Fate), Self::Good as u64, |rng| {
            let fate = if !rng.chance(trouble) {
                if agent && rng.chance(40) { Self::NoChange } else { Self::Good }
            } else {
                match rng.below(10) {
                    0..=3 => Self::Bad,
                    4..=6 => Self::Lost,
                    7 => Self::NotStarted,
                    _ => Self::Hangs,
                }
            };
            fate as u64
        });
        Self::ALL.into_iter().find(|fate| *fate as u64 == drawn).unwrap_or(Self::Good)
    }

    /// How long it takes and how it ends; none where it does not.
    pub(super) fn end(
        self,
        dice: &mut Dice,
        about: Key,
        kind: &StepKind,
        now: Timestamp,
    ) -> Option<(Millis, StepEnd)> {
        let length = Millis(dice.pick(about.also(What::Runs), 1000, |rng| {
            let longest = if rng.chance(200) { 2_000 } else { 90_000 };
            rng.between(10..=longest)
        }));
        let agent = matches!(kind, StepKind::Agent { .. });
        let end = match self {
            Self::Good if agent => spoken(dice, about, EndClass::Done, StepExit::Code(0), None),
            Self::NoChange if agent => {
                spoken(dice, about, EndClass::Done, StepExit::Code(0), Some("it is there already"))
            }
            Self::Good | Self::NoChange => plain(StepExit::Code(0), Millis(0)),
            Self::Bad => bad(dice, about, agent, now),
            Self::Lost => plain(StepExit::Lost, Millis(0)),
            Self::NotStarted | Self::Hangs => return None,
        };
        Some((length, end))
    }
}

fn bad(dice: &mut Dice, about: Key, agent: bool, now: Timestamp) -> StepEnd {
    let exit = match dice.pick(about.also(What::Exit), 0, |rng| rng.below(4)) {
        1 => StepExit::Signal(9),
        2 => StepExit::OutOfMemory,
        _ => StepExit::Code(1),
    };
    if !agent {
        return plain(exit, Millis(0));
    }
    let class = class(dice, about, now);
    let exit = if class == EndClass::Silent { StepExit::Code(0) } else { exit };
    spoken(dice, about, class, exit, None)
}

fn class(dice: &mut Dice, about: Key, now: Timestamp) -> EndClass {
    match dice.pick(about.also(What::Class), 0, |rng| rng.below(10)) {
        1 => EndClass::MaxTurns,
        2 => EndClass::Auth,
        3 | 4 => EndClass::Overloaded,
        5 => EndClass::UsageLimit { resets_at: resets_at(dice, about, now) },
        6 => EndClass::Budget,
        7 => EndClass::Silent,
        8 => EndClass::Refused,
        9 => EndClass::NoSession,
        _ => EndClass::Crashed,
    }
}

/// When a limit is lifted: said or not, soon or late, or long ago where two clocks disagree.
fn resets_at(dice: &mut Dice, about: Key, now: Timestamp) -> Option<Timestamp> {
    let drawn = dice.pick(about.also(What::Resets), 0, |rng: &mut Rng| match rng.below(10) {
        0..=2 => 0,
        3 => 1,
        4..=7 => 2 + rng.below(120_000),
        _ => 2 + rng.below(6 * 3_600_000),
    });
    match drawn {
        0 => None,
        1 => Some(now - Millis::seconds(3600)),
        ahead => Some(now + Millis(ahead)),
    }
}

fn spoken(dice: &mut Dice, about: Key, class: EndClass, exit: StepExit, no_change: Option<&str>) -> StepEnd {
    let agent = AgentEnd {
        class,
        detail: "as it says".into(),
        usage: Usage {
            input_tokens: 1000,
            output_tokens: 100,
            cost_microusd: dice.pick(about.also(What::Cost), 0, |rng| rng.below(500_000)),
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
    StepEnd {
        exit,
        stopped: false,
        wall,
        max_rss_kib: 0,
        peak_mib: 0,
        cpu_ms: 0,
        agent: None,
        tail: String::new(),
    }
}

/// KILL: nothing is left.
pub(super) fn killed() -> StepEnd {
    StepEnd { stopped: true, ..plain(StepExit::Signal(9), Millis(0)) }
}

/// TERM: an agent whose model answers within the grace says that all is well.
pub(super) fn stopped(dice: &mut Dice, about: Key, kind: &StepKind) -> StepEnd {
    let agent = matches!(kind, StepKind::Agent { .. });
    let end = match dice.pick(about.also(What::Stopped), 2, |rng| rng.below(3)) {
        0 if agent => spoken(dice, about, EndClass::Done, StepExit::Code(0), None),
        0 => plain(StepExit::Code(0), Millis(0)),
        1 if agent => spoken(dice, about, EndClass::Crashed, StepExit::Code(143), None),
        _ => plain(StepExit::Signal(15), Millis(0)),
    };
    StepEnd { stopped: true, ..end }
}
