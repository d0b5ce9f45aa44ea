//! How well a plan foresaw what its tasks wrote: claim by claim, and in which pairs of tasks both wrote one file.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::pattern::{Cover, is_pattern};
use crate::{Collisions, Confidence, EdgeReason, Foresight, PathClaim, RunState, Writes};

/// A collision is foreseen where each of the two was expected to write the file rather than not.
const RATHER: Confidence = Confidence(50);

/// So many different patterns are looked at for collisions; with more, what the plan's edges say counts alone. Each of them is
/// held against each file that was written.
const MOST_PATTERNS: usize = 200;

impl Writes {
    /// Holds what was expected against what was written.
    pub fn compare(claims: &[PathClaim], written: &[String]) -> Self {
        let covers: Vec<Cover<'_>> = claims.iter().map(|claim| Cover::of(&claim.path)).collect();
        let covered = |path: &&String| covers.iter().any(|cover| cover.covers(path));
        let beyond: Vec<String> = written.iter().filter(|path| !covered(path)).cloned().collect();
        let hit = |cover: &Cover<'_>| written.iter().any(|path| cover.covers(path));
        let hits: Vec<bool> = covers.iter().map(hit).collect();
        let rather = claims.iter().zip(&hits).filter(|(claim, hit)| !**hit && claim.confidence >= RATHER);
        let missed = rather.map(|(claim, _)| claim.path.clone()).collect();
        Self { claims: hits, written: written.len(), beyond, missed }
    }
}

impl RunState {
    /// What the task at that plan position wrote beside what was expected. None where its work was never collected, or changed
    /// nothing.
    pub fn writes_of(&self, at: usize) -> Option<Writes> {
        let task = &self.tasks[at];
        let collected = task.commit.is_some() && !task.changed.is_empty();
        collected.then(|| Writes::compare(&self.plan.tasks[at].writes, &task.changed))
    }

    /// How well the plan foresaw what was written until now. The work is that of the plan's claims and of the files that were
    /// written, and of `tasks²/64` for each file that several wrote.
    pub fn foresight(&self) -> Foresight {
        let tasks: Vec<Option<Writes>> = (0..self.tasks.len()).map(|at| self.writes_of(at)).collect();
        Foresight { collisions: self.collisions(), tasks }
    }

    fn collisions(&self) -> Collisions {
        let known: Vec<usize> = (0..self.tasks.len())
            .filter(|at| self.tasks[*at].commit.is_some() && !self.tasks[*at].changed.is_empty())
            .collect();
        let mut real = Pairs::of(self.tasks.len());
        let mut writers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for at in &known {
            self.tasks[*at].changed.iter().for_each(|path| writers.entry(path).or_default().push(*at));
        }
        writers.values().for_each(|tasks| real.join(tasks));
        let mut foreseen = Pairs::of(self.tasks.len());
        self.expected(&known, writers.keys().copied()).iter().for_each(|tasks| foreseen.join(tasks));
        let ordered = |reason: EdgeReason| reason != EdgeReason::Declared;
        let is_known: BTreeSet<usize> = known.iter().copied().collect();
        for edge in self.plan.edges.iter().filter(|edge| ordered(edge.reason)) {
            if let (Some(from), Some(to)) = (self.position(&edge.from), self.position(&edge.to))
                && is_known.contains(&from)
                && is_known.contains(&to)
            {
                foreseen.join(&[from, to]);
            }
        }
        for edge in self.plan.edges.iter().filter(|edge| !ordered(edge.reason)) {
            if let (Some(from), Some(to)) = (self.position(&edge.from), self.position(&edge.to)) {
                real.part(from, to);
                foreseen.part(from, to);
            }
        }
        real.against(&foreseen)
    }

    /// The tasks that were expected to write each file, of those files that were written or named by a claim.
    fn expected<'a>(&'a self, known: &[usize], written: impl Iterator<Item = &'a str>) -> Vec<Vec<usize>> {
        let mut literal: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut patterns: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for at in known {
            for claim in self.plan.tasks[*at].writes.iter().filter(|claim| claim.confidence >= RATHER) {
                let path = claim.path.as_str();
                if is_pattern(path) {
                    patterns.entry(path).or_default().push(*at);
                } else {
                    literal.entry(path.trim_end_matches('/')).or_default().push(*at);
                }
            }
        }
        if patterns.len() > MOST_PATTERNS {
            patterns.clear();
        }
        let patterns: Vec<(Cover<'_>, Vec<usize>)> =
            patterns.into_iter().map(|(path, tasks)| (Cover::of(path), tasks)).collect();
        let files: BTreeSet<&str> = written.chain(literal.keys().copied()).collect();
        let of = |file: &str| {
            let ends = file.match_indices('/').map(|(end, _)| end).chain([file.len()]);
            let named = ends.filter_map(|end| literal.get(&file[..end])).flatten();
            let fitting =
                patterns.iter().filter(|(cover, _)| cover.covers(file)).flat_map(|(_, tasks)| tasks);
            let mut tasks: Vec<usize> = named.chain(fitting).copied().collect();
            tasks.sort_unstable();
            tasks.dedup();
            tasks
        };
        files.into_iter().map(of).filter(|tasks| tasks.len() > 1).collect()
    }
}

/// A set of pairs of tasks: a row of bits for each that is in one.
struct Pairs {
    words: usize,
    rows: BTreeMap<usize, Vec<u64>>,
}

impl Pairs {
    fn of(tasks: usize) -> Self {
        Self { words: tasks.div_ceil(64), rows: BTreeMap::new() }
    }

    fn row(&mut self, at: usize) -> &mut Vec<u64> {
        let words = self.words;
        self.rows.entry(at).or_insert_with(|| vec![0; words])
    }

    /// Each with each.
    fn join(&mut self, tasks: &[usize]) {
        if tasks.len() < 2 {
            return;
        }
        let mut all = vec![0_u64; self.words];
        tasks.iter().for_each(|at| all[at / 64] |= 1 << (at % 64));
        for at in tasks {
            let row = self.row(*at);
            row.iter_mut().zip(&all).for_each(|(word, more)| *word |= more);
            row[at / 64] &= !(1 << (at % 64));
        }
    }

    fn part(&mut self, one: usize, other: usize) {
        for (a, b) in [(one, other), (other, one)] {
            if let Some(row) = self.rows.get_mut(&a) {
                row[b / 64] &= !(1 << (b % 64));
            }
        }
    }

    /// What really was against what was foreseen. Each pair stands in two rows.
    fn against(&self, foreseen: &Self) -> Collisions {
        let none = vec![0; self.words];
        let places: BTreeSet<usize> = self.rows.keys().chain(foreseen.rows.keys()).copied().collect();
        let mut counts = [0_u64; 3];
        for at in places {
            let real = self.rows.get(&at).unwrap_or(&none);
            let said = foreseen.rows.get(&at).unwrap_or(&none);
            for (real, said) in real.iter().zip(said) {
                for (count, bits) in counts.iter_mut().zip([real & said, real & !said, !real & said]) {
                    *count += u64::from(bits.count_ones());
                }
            }
        }
        let [foreseen, unforeseen, in_vain] = counts.map(|count| count / 2);
        Collisions { foreseen, unforeseen, in_vain }
    }
}

#[cfg(test)]
mod tests;
