//! What a word has meant so far: of the commits with it, which share changed each file.
//!
//! That is the same for every prompt, so it is worked out when a word is first asked about, and kept.

use std::sync::OnceLock;

use super::past::Things;

/// Commits with a word, at most, that are asked; the newest.
const MOST_COMMITS: usize = 300;
/// So many commits' worth of "as always" is mixed into what a word has meant.
const AS_ALWAYS: f64 = 2.0;
/// Nothing is less usual than this.
const LEAST_USUAL: f64 = 1e-5;

/// What one word has meant for things of one sort.
#[derive(Debug)]
pub(crate) struct Told {
    /// How much of a share is "as always", because few commits have the word.
    pub(crate) as_always: f64,
    /// What commits with it changed, in the order of the things.
    pub(crate) things: Box<[Meant]>,
}

/// What a word has meant for one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meant {
    pub(crate) thing: u32,
    /// Share of the word's commits that changed it.
    pub(crate) share: f32,
    /// How much likelier it is than of a word that never meant it, in natural logarithms.
    pub(crate) more: f32,
}

/// What each word has meant, as far as that was asked.
#[derive(Debug, Default)]
pub(crate) struct Words(Vec<OnceLock<Told>>);

impl Words {
    /// For so many words.
    pub(crate) fn new(words: usize) -> Self {
        Self((0..words).map(|_| OnceLock::new()).collect())
    }

    /// Of a word that stands in these commits, each of which says as much as `weights` has it.
    pub(crate) fn of(
        &self,
        word: u32,
        things: &Things,
        commits: &[(u32, f32)],
        weights: &[f64],
    ) -> Option<&Told> {
        Some(self.0.get(word as usize)?.get_or_init(|| tell(things, commits, weights)))
    }
}

fn tell(things: &Things, commits: &[(u32, f32)], weights: &[f64]) -> Told {
    let (mut changed, mut all) = (Vec::new(), 0.0);
    for (commit, _) in &commits[..commits.len().min(MOST_COMMITS)] {
        let weight = weights[*commit as usize];
        all += weight;
        changed.extend(things.of_commit.of(*commit).iter().map(|thing| (*thing, weight)));
    }
    // Stable, so that weights are added in one order.
    changed.sort_by_key(|(thing, _)| *thing);
    let counts = changed.chunk_by(|one, other| one.0 == other.0);
    let counts = counts.map(|same| (same[0].0, same.iter().map(|(_, weight)| weight).sum::<f64>()));
    let meant = |(thing, count): (u32, f64)| {
        let usual = usual(things, thing);
        let share = (count + AS_ALWAYS * usual) / (all + AS_ALWAYS);
        let more = (1.0 + count / (AS_ALWAYS * usual)).ln();
        Meant { thing, share: share as f32, more: more as f32 }
    };
    Told { as_always: AS_ALWAYS / (all + AS_ALWAYS), things: counts.map(meant).collect() }
}

/// How usual a thing is.
pub(crate) fn usual(things: &Things, thing: u32) -> f64 {
    things.usual.get(thing as usize).copied().unwrap_or(0.0) + LEAST_USUAL
}
