//! What goes together: files that are changed by the same commits, and files that are called alike.

use super::names::Names;
use super::past::Past;
use super::signals::{Candidate, odds};
use super::sums::Sums;

/// Signals that only show when all candidates are known.
pub(crate) const FURTHER: usize = 8;
/// Files that take others with them, at most, and from which probability on.
const MOST_LEADERS: usize = 16;
const LEAST_LEADING: f64 = 0.05;
/// Commits of each that are looked at, the newest.
const MOST_COMMITS: usize = 300;

/// Being taken along so surely is worth something by itself, and how much of it.
const SURELY_TAKEN: f64 = 0.5;
const ALWAYS: f64 = 0.8;
/// Share of the changes of a file that change its tests too, at the least: one in ten where nothing else spoke for the tests.
const TESTS: f64 = 0.1;

/// How one candidate goes with the others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ties {
    /// The candidate that takes it along most, by its place, and how likely it does: its own probability times the share
    /// of its commits that changed this one too.
    pub(crate) leader: Option<(usize, f64)>,
    /// The likeliest candidate that is called alike, by its place, and how likely that is.
    pub(crate) companion: Option<(usize, f64)>,
    pub(crate) further: [f64; FURTHER],
}

/// Used again from prompt to prompt.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    shares: Sums,
    folders: Sums,
}

/// How all candidates go together, given how likely each is by itself.
pub(crate) fn ties(
    past: &Past,
    names: &Names<'_>,
    candidates: &[Candidate],
    first: &[f64],
    scratch: &mut Scratch,
) -> Vec<Ties> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|one, other| first[*other].total_cmp(&first[*one]).then(one.cmp(other)));
    let mut all = vec![Ties::default(); candidates.len()];
    let mut without = vec![1.0_f64; candidates.len()];
    for leader in order.iter().copied().take(MOST_LEADERS).filter(|leader| first[*leader] >= LEAST_LEADING) {
        shares(past, candidates[leader].file, &mut scratch.shares);
        for (at, candidate) in candidates.iter().enumerate().filter(|(at, _)| *at != leader) {
            let taken = first[leader] * scratch.shares.get(candidate.file);
            without[at] *= 1.0 - taken.min(0.99);
            if taken > all[at].leader.map_or(0.0, |(_, most)| most) {
                all[at].leader = Some((leader, taken));
            }
        }
    }
    scratch.folders.clear(past.folders.len());
    for (candidate, first) in candidates.iter().zip(first) {
        scratch.folders.add(past.folder_of[candidate.file as usize], *first);
    }
    companions(names, candidates, first, &order, &mut all);
    let sum: f64 = first.iter().sum();
    let likeliest = order.first().map_or(0.0, |at| first[*at]);
    for (rank, at) in order.iter().copied().enumerate() {
        let beside = scratch.folders.get(past.folder_of[candidates[at].file as usize]) - first[at];
        all[at].further = [
            odds(first[at]),
            odds((1.0 - without[at]) * 0.98 + 0.002),
            all[at].leader.map_or(0.0, |(_, most)| most),
            all[at].companion.map_or(0.0, |(_, likely)| likely),
            beside.max(0.0).ln_1p(),
            (sum + 0.1).ln(),
            (rank as f64).ln_1p(),
            likeliest,
        ];
    }
    all
}

/// How likely a file is at the least for what goes with it. The model has learnt from what is usual; a file that always
/// changed with one that is likely, or that is its tests, is likely even where that is nowhere usual. In the replays that the model was
/// fitted on this hardly ever raised a file.
pub(crate) fn least(ties: &Ties, is_test: bool) -> f64 {
    let taken = ties.leader.map_or(0.0, |(_, most)| most);
    let always = if taken >= SURELY_TAKEN { taken * ALWAYS } else { 0.0 };
    let tests = ties.companion.filter(|_| is_test).map_or(0.0, |(_, likely)| likely * TESTS);
    always.max(tests)
}

/// Of what changed a file, the share that changed each other one; commits of many files count less.
fn shares(past: &Past, file: u32, shares: &mut Sums) {
    shares.clear(past.files.len());
    let commits = past.commits_of.of(file);
    let commits = &commits[..commits.len().min(MOST_COMMITS)];
    let weight = |commit: u32| {
        let size = past.files.of_commit.of(commit).len() as f64;
        past.meaning[commit as usize] / (size / 2.0).sqrt().max(1.0)
    };
    let all: f64 = commits.iter().map(|commit| weight(*commit)).sum::<f64>() + 1.0;
    for commit in commits {
        for other in past.files.of_commit.of(*commit) {
            shares.add(*other, weight(*commit) / all);
        }
    }
}

fn companions(names: &Names<'_>, candidates: &[Candidate], first: &[f64], order: &[usize], all: &mut [Ties]) {
    for at in order.iter().copied() {
        for other in names.companions(candidates[at].file) {
            let Ok(other) = candidates.binary_search_by_key(other, |candidate| candidate.file) else {
                continue;
            };
            let better = all[other].companion.is_none_or(|(_, likely)| first[at] > likely);
            if other != at && better {
                all[other].companion = Some((at, first[at]));
            }
        }
    }
}
