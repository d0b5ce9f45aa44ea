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
    /// It never ends by itself, and gives no sign of life.
    Hangs,
    /// It never ends by itself, and is busy for all that.
    Spins,
    /// Its agent gives its result and stays.
    Lingers,
    /// The kernel kills it for want of memory.
    Starves,
}

/// A step that something is drawn for.
pub(super) struct About<'a> {
    pub(super) key: Key,
    pub(super) kind: &'a StepKind,
    pub(super) now: Timestamp,
    /// What it may cost: no agent spends more than it was told.
    pub(super) budget: Option<u64>,
}

impl Fate {
    const ALL: [Self; 9] = [
        Self::Good,
        Self::NoChange,
        Self::Bad,
        Self::Lost,
        Self::NotStarted,
        Self::Hangs,
        Self::Spins,
        Self::Lingers,
        Self::Starves,
    ];

    pub(super) fn draw(dice: &mut Dice, about: &About<'_>, trouble: u32) -> Self {
        let agent = about.is_agent();
        let drawn = dice.pick(about.key.also(What::Fate), Self::Good as u64, |rng| {
            let fate = if !rng.chance(trouble) {
                if agent && rng.chance(40) { Self::NoChange } else { Self::Good }
            } else {
                match rng.below(20) {
                    0..=8 => Self::Bad,
                    9..=11 => Self::Lost,
                    12..=13 => Self::NotStarted,
                    14..=15 => Self::Hangs,
                    16 => Self::Spins,
                    17 if agent => Self::Lingers,
                    _ => Self::Starves,
                }
            };
            fate as u64
        });
        Self::ALL.into_iter().find(|fate| *fate as u64 == drawn).unwrap_or(Self::Good)
    }

    /// How long it takes and how it ends; none where it does not.
    pub(super) fn end(self, dice: &mut Dice, about: &About<'_>) -> Option<(Millis, StepEnd)> {
        let length = Millis(dice.pick(about.key.also(What::Runs), 1000, |rng| {
            let longest = match rng.below(100) {
                0..=19 => 2_000,
                20..=96 => 90_000,
                _ => 600_000,
            };
            rng.between(10..=longest)
        }));
        let agent = about.is_agent();
        let mut end = match self {
            Self::Good | Self::Lingers if agent => spoken(dice, about, EndClass::Done, StepExit::Code(0)),
            Self::NoChange if agent => {
                let mut end = spoken(dice, about, EndClass::Done, StepExit::Code(0));
                let reason = Some("it is there already".to_owned());
                end.agent.iter_mut().for_each(|agent| agent.no_change.clone_from(&reason));
                end
            }
            Self::Good | Self::NoChange | Self::Lingers => plain(StepExit::Code(0)),
            Self::Bad => bad(dice, about),
            Self::Starves => plain(StepExit::OutOfMemory),
            Self::Lost => plain(StepExit::Lost),
            Self::NotStarted | Self::Hangs | Self::Spins => return None,
        };
        end.peak_mib = dice.pick(about.key.also(What::Peak), 0, |rng| {
            if rng.chance(150) { rng.between(50..=6_000) } else { 0 }
        });
        end.cpu_ms = length.0 / 3;
        Some((length, end))
    }
}

impl About<'_> {
    pub(super) fn is_agent(&self) -> bool {
        matches!(self.kind, StepKind::Agent { .. })
    }
}

fn bad(dice: &mut Dice, about: &About<'_>) -> StepEnd {
    let exit = match dice.pick(about.key.also(What::Exit), 0, |rng| rng.below(4)) {
        1 => StepExit::Signal(9),
        2 => StepExit::Signal(6),
        _ => StepExit::Code(1),
    };
    if !about.is_agent() {
        return plain(exit);
    }
    match class(dice, about) {
        // It died before it said anything.
        None => plain(exit),
        Some(class) => {
            let exit = if class == EndClass::Silent { StepExit::Code(0) } else { exit };
            spoken(dice, about, class, exit)
        }
    }
}

fn class(dice: &mut Dice, about: &About<'_>) -> Option<EndClass> {
    Some(match dice.pick(about.key.also(What::Class), 0, |rng| rng.below(16)) {
        1 | 2 => EndClass::MaxTurns,
        3 => EndClass::Auth,
        4..=6 => EndClass::Overloaded,
        7 | 8 => EndClass::UsageLimit { resets_at: resets_at(dice, about) },
        9 | 10 => EndClass::Silent,
        11 | 12 => EndClass::Refused,
        13 => EndClass::NoSession,
        14 => return None,
        _ => EndClass::Crashed,
    })
}

/// When a limit is lifted: said or not, soon or late, or long ago where two clocks disagree.
fn resets_at(dice: &mut Dice, about: &About<'_>) -> Option<Timestamp> {
    let drawn = dice.pick(about.key.also(What::Resets), 0, |rng: &mut Rng| match rng.below(10) {
        0..=2 => 0,
        3 => 1,
        4..=7 => 2 + rng.below(120_000),
        _ => 2 + rng.below(6 * 3_600_000),
    });
    match drawn {
        0 => None,
        1 => Some(about.now - Millis::seconds(3600)),
        ahead => Some(about.now + Millis(ahead)),
    }
}

fn spoken(dice: &mut Dice, about: &About<'_>, class: EndClass, exit: StepExit) -> StepEnd {
    let wanted = dice.pick(about.key.also(What::Cost), 0, |rng| rng.below(500_000));
    // Who has spent what they were given ends with that, whatever else would have become of them.
    let (class, cost) = match about.budget {
        Some(most) if wanted >= most => (EndClass::Budget, most),
        _ => (class, wanted),
    };
    let agent = AgentEnd {
        class,
        detail: "as it says".into(),
        usage: Usage { input_tokens: 1000, output_tokens: 100, cost_microusd: cost, ..Usage::default() },
        turns: 3,
        no_change: None,
        claimed_phases: vec![4, 7],
    };
    StepEnd { agent: Some(agent), ..plain(exit) }
}

/// An end with nothing said.
pub(super) fn plain(exit: StepExit) -> StepEnd {
    StepEnd::unseen(exit)
}

/// KILL: nothing is left.
pub(super) fn killed() -> StepEnd {
    StepEnd { stopped: true, ..plain(StepExit::Signal(9)) }
}

/// TERM: an agent whose model answers within the grace says that all is well.
pub(super) fn stopped(dice: &mut Dice, about: &About<'_>) -> StepEnd {
    let agent = about.is_agent();
    let end = match dice.pick(about.key.also(What::Stopped), 2, |rng| rng.below(3)) {
        0 if agent => spoken(dice, about, EndClass::Done, StepExit::Code(0)),
        0 => plain(StepExit::Code(0)),
        1 if agent => spoken(dice, about, EndClass::Crashed, StepExit::Code(143)),
        _ => plain(StepExit::Signal(15)),
    };
    StepEnd { stopped: true, ..end }
}
