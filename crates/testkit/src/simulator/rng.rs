//! Chance that is the same on every machine.

use std::ops::RangeInclusive;

/// SplitMix64 (Steele, Lea, Flood 2014): one word of state, the same numbers everywhere.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

/// Its last stage: each bit of the word hangs on all bits of the one before.
pub(super) fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        let word = mix(self.0);
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        word
    }

    /// A number below `bound` (which is at least 1). The bias is far below what a simulation could notice.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(super) fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// A number that fits where small numbers do.
    pub(super) fn small(&mut self, range: RangeInclusive<u64>) -> u32 {
        u32::try_from(self.between(range)).unwrap_or(u32::MAX)
    }

    /// True so many times out of a thousand.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.index(at + 1);
            items.swap(at, other);
        }
    }
}
