//! What the past says of a prompt: commits whose words are alike and what they changed, and what each word of the prompt
//! has meant for each file so far.

use super::meaning::{Told, usual};
use super::past::{Past, Things, decay};
use super::sums::{Sums, top};

/// Commits whose words are most alike, which have a say.
const NEIGHBOURS: usize = 40;
/// The same of those that came last: work goes on from day to day.
const LATEST_NEIGHBOURS: usize = 15;
/// Commits after which one of those weighs half, and after how many it weighs nothing.
const FRESH: f64 = 30.0;
const LATEST: u32 = 300;
/// What is left of how alike a commit is however long ago it was.
const OLD: f64 = 0.75;
/// Commits less alike than this have none.
const LEAST_ALIKE: f64 = 0.03;
/// Added to what all neighbours say together: few and distant ones say little.
const DOUBT: f64 = 0.02;
/// Words, at most, that are asked what they have meant, those that say most.
const MOST_WORDS: usize = 40;
/// A word of the prompt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Its number in the past; none where it never stood in a message.
    pub(crate) word: Option<u32>,
    pub(crate) weight: f64,
}

/// What words have meant for one thing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meaning {
    /// Share of a word's commits that changed it: of the word where that is greatest, and of the next.
    pub(crate) most: f64,
    pub(crate) second: f64,
    /// How much likelier all words make it than it usually is, in natural logarithms, damped since words go together.
    pub(crate) more: f64,
}

/// What words have meant for all things of one sort.
#[derive(Debug, Default)]
pub(crate) struct Meanings {
    /// Of what no word meant.
    none: f64,
    least: f64,
    damping: f64,
    most: Sums,
    second: Sums,
    more: Sums,
    /// Of each thing the word that meant it most.
    by: Vec<u32>,
}

/// What commits that are alike changed. Sums by file or folder.
#[derive(Debug, Default)]
pub(crate) struct Alike {
    /// Commits and how alike they are (0 to 1, older ones a little less), the most alike first.
    pub(crate) commits: Vec<(u32, f64)>,
    /// How alike the first three are, in the mean.
    pub(crate) nearest: f64,
    /// Share of what they say.
    pub(crate) votes: Sums,
    pub(crate) folder_votes: Sums,
    /// The same of the latest.
    pub(crate) latest_votes: Sums,
    /// How alike the commit is that is most alike of those that changed it.
    pub(crate) best: Sums,
    cosines: Sums,
}

impl Alike {
    pub(crate) fn find(&mut self, past: &Past, asked: &[Asked]) {
        self.cosines.clear(past.len());
        let mut length = 0.0;
        for one in asked {
            let weight = one.weight * past.rarity(one.word);
            length += weight * weight;
            for (commit, other) in one.word.into_iter().flat_map(|word| past.commits_with(word)) {
                self.cosines.add(*commit, weight * f64::from(*other));
            }
        }
        let length = f64::sqrt(length) + 1e-9;
        let alike = self.cosines.iter().map(|(commit, cosine)| {
            let aged = OLD + (1.0 - OLD) * past.fading[commit as usize];
            (commit, cosine / length * aged)
        });
        self.commits = top(alike.filter(|(_, alike)| *alike > LEAST_ALIKE).collect(), NEIGHBOURS);
        self.nearest = self.commits.iter().take(3).map(|(_, alike)| alike).sum::<f64>()
            / self.commits.len().clamp(1, 3) as f64;
        let latest = self.cosines.iter().filter(|(commit, _)| *commit < LATEST);
        let latest =
            latest.map(|(commit, cosine)| (commit, cosine / length * decay(f64::from(commit), FRESH)));
        let latest = top(latest.collect(), LATEST_NEIGHBOURS);
        vote(&past.files, &self.commits, &mut self.votes);
        vote(&past.folders, &self.commits, &mut self.folder_votes);
        vote(&past.files, &latest, &mut self.latest_votes);
        self.best.clear(past.files.len());
        for (commit, alike) in &self.commits {
            for file in past.files.of_commit.of(*commit) {
                self.best.raise(*file, *alike);
            }
        }
    }
}

/// Each commit votes for what it changed, by the square of how alike it is.
fn vote(things: &Things, commits: &[(u32, f64)], votes: &mut Sums) {
    votes.clear(things.len());
    let all = commits.iter().map(|(_, alike)| alike * alike).sum::<f64>() + DOUBT;
    for (commit, alike) in commits {
        for thing in things.of_commit.of(*commit) {
            votes.add(*thing, alike * alike / all);
        }
    }
}

/// The words that are asked what they have meant.
pub(crate) fn telling(past: &Past, asked: &[Asked]) -> Vec<(u32, f64)> {
    let known = asked.iter().filter_map(|one| Some((one.word?, one.weight * past.rarity(one.word))));
    top(known.collect(), MOST_WORDS)
}

impl Meanings {
    /// Asks all words; `told` has what each of them means.
    pub(crate) fn ask<'t>(
        &mut self,
        things: &Things,
        words: &[(u32, f64)],
        told: impl Fn(u32) -> Option<&'t Told>,
    ) {
        for sums in [&mut self.most, &mut self.second, &mut self.more] {
            sums.clear(things.len());
        }
        self.by.resize(things.len(), 0);
        (self.none, self.least) = (0.0, 1.0);
        let mut weights = 0.0;
        for (word, says) in words {
            let Some(told) = told(*word) else { continue };
            let weight = (says / 8.0).min(1.0);
            weights += weight;
            self.least = self.least.min(told.as_always);
            self.none += weight * told.as_always.ln();
            for meant in &told.things {
                let (share, most) = (f64::from(meant.share), self.most.get(meant.thing));
                if share > most {
                    self.by[meant.thing as usize] = *word;
                }
                self.second.raise(meant.thing, share.min(most));
                self.most.raise(meant.thing, share);
                self.more.add(meant.thing, weight * f64::from(meant.more));
            }
        }
        self.damping = f64::sqrt(1.0 + weights);
    }

    /// What they have meant for one.
    pub(crate) fn of(&self, things: &Things, thing: u32) -> Meaning {
        // A word that never meant it says "less than always".
        let none = usual(things, thing) * self.least;
        Meaning {
            most: self.most.get(thing).max(none),
            second: self.second.get(thing).max(none),
            more: (self.more.get(thing) + self.none) / self.damping.max(1.0),
        }
    }

    /// The word that meant a thing most, and its share.
    pub(crate) fn word_of(&self, thing: u32) -> Option<(u32, f64)> {
        let share = self.most.get(thing);
        (share > 0.0).then(|| (self.by.get(thing as usize).copied().unwrap_or(0), share))
    }

    /// The things that they have meant most, by all and by one word.
    pub(crate) fn top(&self, things: &Things, by_all: usize, by_one: usize) -> Vec<u32> {
        let score = |(thing, more): (u32, f64)| {
            (thing, (more + self.none) / self.damping + usual(things, thing).ln())
        };
        let all = top(self.more.iter().map(score).collect(), by_all);
        all.into_iter().chain(self.most.top(by_one)).map(|(thing, _)| thing).collect()
    }
}
