//! "These two collide": every pair of commits, what is foretold of it and what is true, and how much of that is chance.
//!
//! Pairs are not drawn: all of them are looked at, which is what random ones tend to. They are not independent of each
//! other, since a commit is in as many pairs as there are others; so chance is measured by drawing *commits* anew, with
//! all their pairs.

use super::score::{Chance, Counts, best_threshold};

/// A file and how likely it is written, sorted by file.
pub(crate) type Likely = Vec<(u32, f64)>;

/// What two predictions say of "both write one file".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Together {
    /// The likeliest file counts, by the product of both probabilities.
    LikeliestFile,
    /// Every file counts, as if they were independent.
    AnyFile,
    /// Both sets hold one file: its worse rank of the two.
    BothSets,
    /// All pairs, whatever they are.
    Always,
}

impl Together {
    /// 0: nothing says so.
    pub(crate) fn score(self, one: &Likely, other: &Likely) -> f64 {
        match self {
            Self::Always => 1.0,
            Self::LikeliestFile => {
                common(one, other).map(|(first, second)| first * second).fold(0.0, f64::max)
            }
            Self::AnyFile => {
                1.0 - common(one, other).map(|(first, second)| 1.0 - first * second).product::<f64>()
            }
            Self::BothSets => common(one, other).map(|(first, second)| first.min(second)).fold(0.0, f64::max),
        }
    }
}

/// What both say of the files that both name.
fn common<'a>(one: &'a Likely, other: &'a Likely) -> impl Iterator<Item = (f64, f64)> + 'a {
    let mut rest = &other[..];
    one.iter().filter_map(move |(file, probability)| {
        rest = &rest[rest.partition_point(|known| known.0 < *file)..];
        rest.first().filter(|known| known.0 == *file).map(|known| (*probability, known.1))
    })
}

/// All pairs of so many, each once: 0 with 1, 0 with 2, 1 with 2, …
fn all(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..count).flat_map(|later| (0..later).map(move |earlier| (earlier, later)))
}

/// Which pairs of cases change a file both. Each case's files are sorted.
pub(crate) fn truth(files: &[&[u32]]) -> Vec<bool> {
    all(files.len())
        .map(|(one, other)| files[one].iter().any(|file| files[other].binary_search(file).is_ok()))
        .collect()
}

/// The score of every pair.
pub(crate) fn scores(likely: &[&Likely], rule: Together) -> Vec<f64> {
    all(likely.len()).map(|(one, other)| rule.score(likely[one], likely[other])).collect()
}

/// The threshold that is best for the F1 of these pairs.
pub(crate) fn fitted(scores: &[f64], truth: &[bool]) -> f64 {
    let (named, not): (Vec<_>, Vec<_>) =
        scores.iter().copied().zip(truth.iter().copied()).partition(|(score, _)| *score > 0.0);
    best_threshold(named, not.iter().filter(|(_, truth)| *truth).count()).0
}

/// Whether each is foretold.
pub(crate) fn foretold(scores: &[f64], threshold: f64) -> Vec<bool> {
    scores.iter().map(|score| *score > 0.0 && *score >= threshold - 1e-9).collect()
}

/// Of these pairs.
pub(crate) fn counts(foretold: &[bool], truth: &[bool]) -> Counts {
    let mut counts = Counts::default();
    for (foretold, truth) in foretold.iter().zip(truth) {
        match (foretold, truth) {
            (true, true) => counts.right += 1.0,
            (true, false) => counts.wrong += 1.0,
            (false, true) => counts.missed += 1.0,
            (false, false) => {}
        }
    }
    counts
}

/// The counts of each method (at most seven) in each of so many samples of as many commits as there are. A pair counts
/// as often as its two commits were drawn, multiplied; a commit makes no pair with itself.
pub(crate) fn resampled(
    count: usize,
    methods: &[&[bool]],
    truth: &[bool],
    samples: usize,
    chance: &mut Chance,
) -> Vec<Vec<Counts>> {
    let code = |pair: usize| {
        let said = methods.iter().enumerate().map(|(bit, foretold)| usize::from(foretold[pair]) << (bit + 1));
        said.sum::<usize>() + usize::from(truth[pair])
    };
    let codes: Vec<u8> = (0..truth.len()).map(|pair| u8::try_from(code(pair)).unwrap_or(0)).collect();
    (0..samples)
        .map(|_| {
            let drawn = chance.resample(count);
            let mut sums = [0_u64; 256];
            let mut pair = 0;
            for later in 1..count {
                for earlier in &drawn[..later] {
                    sums[usize::from(codes[pair])] += u64::from(drawn[later]) * u64::from(*earlier);
                    pair += 1;
                }
            }
            (0..methods.len()).map(|bit| of_sums(&sums, bit + 1)).collect()
        })
        .collect()
}

fn of_sums(sums: &[u64; 256], bit: usize) -> Counts {
    let mut counts = Counts::default();
    for (code, weight) in sums.iter().enumerate() {
        let weight = *weight as f64;
        match (code >> bit & 1, code & 1) {
            (1, 1) => counts.right += weight,
            (1, _) => counts.wrong += weight,
            (_, 1) => counts.missed += weight,
            _ => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-12
    }

    #[test]
    fn two_predictions_have_a_score_together() {
        let one = vec![(1, 0.5), (4, 0.8), (7, 0.1)];
        let other = vec![(2, 0.9), (4, 0.5), (7, 1.0)];
        assert!(near(Together::LikeliestFile.score(&one, &other), 0.4));
        assert!(near(Together::AnyFile.score(&one, &other), 1.0 - 0.6 * 0.9));
        assert!(near(Together::BothSets.score(&one, &other), 0.5));
        assert!(near(Together::Always.score(&one, &Vec::new()), 1.0));
        for rule in [Together::LikeliestFile, Together::AnyFile, Together::BothSets] {
            assert!(near(rule.score(&one, &vec![(2, 1.0)]), 0.0));
            assert!(near(rule.score(&one, &other), rule.score(&other, &one)));
        }
    }

    #[test]
    fn pairs_are_counted() {
        let truth = truth(&[&[1, 2], &[2, 3], &[4], &[1, 4]]);
        // 0-1, 0-2, 1-2, 0-3, 1-3, 2-3
        assert_eq!(truth, [true, false, false, true, false, true]);
        let likely: [Likely; 4] =
            [vec![(2, 0.9)], vec![(2, 0.9), (3, 0.5)], vec![(3, 0.5), (4, 1.0)], vec![(4, 0.3)]];
        let likely: Vec<&Likely> = likely.iter().collect();
        let scores = scores(&likely, Together::LikeliestFile);
        let expected = [0.81, 0.0, 0.25, 0.0, 0.0, 0.3];
        assert!(scores.iter().zip(expected).all(|(score, expected)| near(*score, expected)), "{scores:?}");
        let threshold = fitted(&scores, &truth);
        assert!(near(threshold, 0.3), "{threshold}");
        let counts = counts(&foretold(&scores, threshold), &truth);
        assert_eq!(counts, Counts { right: 2.0, wrong: 0.0, missed: 1.0 });
    }

    #[test]
    fn a_sample_of_commits_has_the_pairs_of_its_commits() {
        let count = 40;
        let truth: Vec<bool> = all(count).map(|(one, other)| (one + other) % 3 == 0).collect();
        let foretold: Vec<bool> = all(count).map(|(one, other)| (one * other) % 2 == 0).collect();
        let samples = resampled(count, &[&foretold, &truth], &truth, 50, &mut Chance::new(1));
        // The same by hand.
        let mut chance = Chance::new(1);
        for sample in &samples {
            let drawn = chance.resample(count);
            let mut by_hand = Counts::default();
            for (pair, (one, other)) in all(count).enumerate() {
                let single = counts(&foretold[pair..=pair], &truth[pair..=pair]);
                by_hand.add(single, f64::from(drawn[one] * drawn[other]));
            }
            assert_eq!(sample[0], by_hand);
            assert!(near(sample[1].f1(), 1.0));
        }
    }
}
