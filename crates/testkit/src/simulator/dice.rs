//! Everything that is left to chance while a story unfolds, each decision under a name of its own: what becomes of
//! step 2 of task 7 does not hang on how much was drawn before it. So a decision can be taken out of a story, or a
//! whole task, and the rest stays as it was.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::rng::{Rng, mix};

/// What is decided.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// How long an effect waits to be begun.
    Begins,
    /// Whether an effect is carried out twice.
    Twice,
    /// How long an effect takes.
    Takes,
    /// Whether an operation of git or of the file system fails.
    Fails,
    /// Whether two works conflict.
    Conflicts,
    /// Whether an attempt left nothing.
    Idle,
    /// Whether gadugi committed what was left.
    Rest,
    /// What becomes of a step.
    Fate,
    /// How long a step runs.
    Runs,
    /// How its agent's turn ends.
    Class,
    /// What its exit is.
    Exit,
    /// What it cost.
    Cost,
    /// When a usage limit is lifted.
    Resets,
    /// What its tree's memory was at most.
    Peak,
    /// Whether it says nothing for a while, and for how long.
    Thinks,
    /// Whether the agent reports a phase, and when.
    Phase,
    /// How it ends when it is stopped.
    Stopped,
    /// How long its stop takes.
    Stops,
    /// Whether an adopted step is told of in one word.
    Adopts,
    /// Whether a report is lost.
    Lost,
    /// Whether a report comes twice.
    Doubled,
    /// Whether a report is late.
    Late,
    /// Whether the engine dies before something is stored.
    DiesBefore,
    /// Whether the engine dies after something was stored.
    DiesAfter,
    /// How long the engine is away.
    Away,
    /// Whether somebody resumes a run after a crash.
    Resumes,
    /// Whether somebody wants a failed task again.
    Retries,
    /// What an answer is worth.
    Answers,
}

/// The name of a decision.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(u64);

impl Key {
    /// What is decided, and about what.
    pub(super) fn of(what: What, about: &[u32]) -> Self {
        about.iter().fold(Self(mix(what as u64 + 1)), |key, part| key.and(*part))
    }

    /// What is decided about that place where something of that name happens.
    pub(super) fn named(name: &str, about: &[u32]) -> Self {
        let name = name.bytes().fold(Self(0), |key, byte| key.and(u32::from(byte)));
        about.iter().fold(name, |key, part| key.and(*part))
    }

    /// One of several decisions about the same.
    pub(super) fn and(self, part: u32) -> Self {
        Self(mix(self.0 ^ u64::from(part).wrapping_add(0x9E37_79B9)))
    }

    /// Another decision about the same.
    pub(super) fn also(self, what: What) -> Self {
        Self(mix(self.0.rotate_left(17) ^ (what as u64 + 1)))
    }
}

/// Keys are mixed already.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
}

/// A map whose order nobody asks for.
pub(super) type Quick<K, V> = HashMap<K, V, BuildHasherDefault<AsItIs>>;

/// Decisions by name: those that are not the plain one.
pub(super) type Decisions = BTreeMap<u64, u64>;

enum Source {
    Seed {
        seed: u64,
        kept: Option<Decisions>,
    },
    /// With those of them that were asked for.
    Told {
        decisions: Decisions,
        used: Decisions,
    },
}

/// Where decisions come from: a seed, or a list.
pub(super) struct Dice {
    source: Source,
    counts: Quick<Key, u32>,
}

impl Dice {
    /// Decisions as the seed has them.
    pub(super) fn of(seed: u64) -> Self {
        Self { source: Source::Seed { seed: mix(seed), kept: None }, counts: Quick::default() }
    }

    /// The same, and they are kept for [`Dice::told`].
    pub(super) fn kept(seed: u64) -> Self {
        let source = Source::Seed { seed: mix(seed), kept: Some(Decisions::new()) };
        Self { source, counts: Quick::default() }
    }

    /// Decisions as they are listed; where none is, the plain one.
    pub(super) fn told(decisions: Decisions) -> Self {
        Self { source: Source::Told { decisions, used: Decisions::new() }, counts: Quick::default() }
    }

    /// Decisions that were kept; of those that were told, the ones that were asked for.
    pub(super) fn into_kept(self) -> Decisions {
        match self.source {
            Source::Seed { kept, .. } => kept.unwrap_or_default(),
            Source::Told { used, .. } => used,
        }
    }

    /// One decision; `plain` is what happens where nothing is special.
    pub(super) fn pick(&mut self, key: Key, plain: u64, draw: impl FnOnce(&mut Rng) -> u64) -> u64 {
        match &mut self.source {
            Source::Told { decisions, used } => match decisions.get(&key.0) {
                Some(value) => {
                    used.insert(key.0, *value);
                    *value
                }
                None => plain,
            },
            Source::Seed { seed, kept } => {
                let value = draw(&mut Rng::new(*seed ^ key.0));
                if let Some(kept) = kept
                    && value != plain
                {
                    kept.insert(key.0, value);
                }
                value
            }
        }
    }

    /// Whether something out of the ordinary happens: so many times out of a thousand.
    pub(super) fn chance(&mut self, key: Key, per_mille: u32) -> bool {
        self.pick(key, 0, |rng| u64::from(rng.chance(per_mille))) == 1
    }

    /// The name of the decision that is asked for under this name the how-manieth time.
    pub(super) fn again(&mut self, key: Key) -> Key {
        let count = self.counts.entry(key).or_default();
        *count += 1;
        key.and(*count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_repeats_what_the_seed_said_and_is_plain_otherwise() {
        let keys: Vec<Key> = (0..50).map(|at| Key::of(What::Fate, &[at])).collect();
        let mut rolled = Dice::kept(7);
        let said: Vec<u64> = keys.iter().map(|key| rolled.pick(*key, 3, |rng| rng.below(5))).collect();
        let mut decisions = rolled.into_kept();
        assert_eq!(decisions.len(), said.iter().filter(|value| **value != 3).count());
        let mut told = Dice::told(decisions.clone());
        for (key, value) in keys.iter().zip(&said) {
            assert_eq!(told.pick(*key, 3, |_| unreachable!("it is told")), *value);
        }
        decisions.clear();
        assert_eq!(Dice::told(decisions).pick(keys[0], 3, |_| 9), 3);
    }

    #[test]
    fn what_is_asked_before_changes_nothing() {
        let key = Key::of(What::Cost, &[1, 2]);
        let draw = |rng: &mut Rng| rng.below(1_000_000);
        let once = Dice::of(3).pick(key, 0, draw);
        let mut dice = Dice::of(3);
        dice.pick(Key::of(What::Cost, &[2, 1]), 0, draw);
        assert_eq!(dice.pick(key, 0, draw), once);
        assert_ne!(Dice::of(4).pick(key, 0, draw), once);
    }
}
