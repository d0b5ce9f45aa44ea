//! Precision, recall, F1, and how far chance moves them: arithmetic alone.

/// What was foretold and came true, what was foretold and did not, and what came unforetold. Whole numbers, or weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) right: f64,
    pub(crate) wrong: f64,
    pub(crate) missed: f64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self, weight: f64) {
        self.right += other.right * weight;
        self.wrong += other.wrong * weight;
        self.missed += other.missed * weight;
    }

    /// Of two sorted sets without repetitions.
    pub(crate) fn of_sets<T: Ord>(foretold: &[T], truth: &[T]) -> Self {
        let right = foretold.iter().filter(|file| truth.binary_search(file).is_ok()).count();
        Self {
            right: right as f64,
            wrong: (foretold.len() - right) as f64,
            missed: (truth.len() - right) as f64,
        }
    }

    /// None where nothing was foretold.
    pub(crate) fn precision(&self) -> Option<f64> {
        let foretold = self.right + self.wrong;
        (foretold > 0.0).then(|| self.right / foretold)
    }

    /// 0 where there was nothing to foretell.
    pub(crate) fn recall(&self) -> f64 {
        let all = self.right + self.missed;
        if all > 0.0 { self.right / all } else { 0.0 }
    }

    /// The harmonic mean of both; 0 where nothing was foretold rightly.
    pub(crate) fn f1(&self) -> f64 {
        let all = 2.0 * self.right + self.wrong + self.missed;
        if all > 0.0 { 2.0 * self.right / all } else { 0.0 }
    }
}

/// The means of each case's own figures: each case counts alike, whether it has one file or fifty. Precision is of the
/// cases for which something was foretold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Macro {
    pub(crate) precision: f64,
    pub(crate) recall: f64,
    pub(crate) f1: f64,
}

impl Macro {
    pub(crate) fn of(cases: &[Counts]) -> Self {
        let mean =
            |values: Vec<f64>| values.iter().fold(0.0, |sum, value| sum + value) / values.len().max(1) as f64;
        Self {
            precision: mean(cases.iter().filter_map(Counts::precision).collect()),
            recall: mean(cases.iter().map(Counts::recall).collect()),
            f1: mean(cases.iter().map(Counts::f1).collect()),
        }
    }
}

/// The least that a share may truly be of which `right` of `all` were found: the lower end of Wilson's interval, at 95 in
/// 100. Of one in one it is a fifth.
pub(crate) fn least_share(right: f64, all: f64) -> f64 {
    const Z: f64 = 1.96;
    if all <= 0.0 {
        return 0.0;
    }
    let (share, z2) = (right / all, Z * Z / all);
    let spread = Z * (share * (1.0 - share) / all + z2 / (4.0 * all)).sqrt();
    ((share + z2 / 2.0 - spread) / (1.0 + z2)).max(0.0)
}

/// The ends between which 95 of 100 values lie. Not-a-number is left out; none where nothing else is there.
pub(crate) fn interval(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64 - 1.0) * share).round() as usize).copied();
    Some((at(0.025)?, at(0.975)?))
}

/// Numbers that look like chance and are the same each time (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// How often each of so many is drawn when so many are drawn and put back each time.
    pub(crate) fn resample(&mut self, count: usize) -> Vec<u32> {
        let mut drawn = vec![0; count];
        for _ in 0..count {
            // The high bits of the product: even enough for some hundreds.
            let at = ((u128::from(self.next()) * count as u128) >> 64) as usize;
            drawn[at] += 1;
        }
        drawn
    }
}

/// Of all thresholds that make a difference, the one whose F1 is best: what scores as much or more is foretold. Each item has
/// its score, and whether it is true; `missed` is how many true ones have no score at all. Gives threshold and F1.
pub(crate) fn best_threshold(mut items: Vec<(f64, bool)>, missed: usize) -> (f64, f64) {
    items.sort_by(|one, other| other.0.total_cmp(&one.0));
    let all = items.iter().filter(|item| item.1).count() + missed;
    let (mut best, mut right) = ((f64::INFINITY, 0.0), 0_usize);
    for (at, (score, truth)) in items.iter().enumerate() {
        right += usize::from(*truth);
        let last_of_its_score = items.get(at + 1).is_none_or(|next| next.0 < *score);
        let f1 = 2.0 * right as f64 / (at + 1 + all) as f64;
        if last_of_its_score && f1 > best.1 {
            best = (*score, f1);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-12
    }

    #[test]
    fn sets_are_counted() {
        let counts = Counts::of_sets(&[1, 2, 3], &[2, 3, 4, 5]);
        assert_eq!(counts, Counts { right: 2.0, wrong: 1.0, missed: 2.0 });
        assert!(near(counts.precision().unwrap(), 2.0 / 3.0) && near(counts.recall(), 0.5));
        assert!(near(counts.f1(), 2.0 * (2.0 / 3.0) * 0.5 / (2.0 / 3.0 + 0.5)));
        let nothing = Counts::of_sets(&[], &[1]);
        assert_eq!((nothing.precision(), nothing.recall(), nothing.f1()), (None, 0.0, 0.0));
    }

    #[test]
    fn means_of_cases_count_each_alike() {
        let cases =
            [Counts::of_sets(&[1], &[1]), Counts::of_sets(&[], &[1, 2]), Counts::of_sets(&[1, 2], &[1, 3])];
        let means = Macro::of(&cases);
        assert!(near(means.precision, 0.75) && near(means.recall, 0.5) && near(means.f1, 0.5));
    }

    #[test]
    fn the_best_threshold_takes_ties_together() {
        let items = vec![(0.9, true), (0.5, true), (0.5, false), (0.5, false), (0.1, true)];
        // From 0.9 on: 1 of 1, and 1 of 4 in all; from 0.5 on: 2 of 4; from 0.1 on: 3 of 5, and one that has no score.
        let (threshold, f1) = best_threshold(items, 1);
        assert!(near(threshold, 0.1) && near(f1, 6.0 / 9.0));
        let (threshold, f1) = best_threshold(vec![(0.9, true), (0.2, false), (0.1, false)], 0);
        assert!(near(threshold, 0.9) && near(f1, 1.0));
        assert_eq!(best_threshold(Vec::new(), 3).1, 0.0);
    }

    #[test]
    fn chance_is_the_same_each_time_and_even() {
        let (mut one, mut other) = (Chance::new(7), Chance::new(7));
        let drawn = one.resample(1_000);
        assert_eq!(drawn, other.resample(1_000));
        assert_ne!(drawn, one.resample(1_000));
        assert_eq!(drawn.iter().sum::<u32>(), 1_000);
        // One in e is not drawn.
        let none = drawn.iter().filter(|times| **times == 0).count();
        assert!((320..420).contains(&none), "{none}");
    }

    #[test]
    fn little_that_was_seen_says_little() {
        assert!((least_share(1.0, 1.0) - 0.2065).abs() < 1e-3);
        assert!((least_share(8.0, 10.0) - 0.4902).abs() < 1e-3);
        assert!(least_share(9_000.0, 10_000.0) > 0.89);
        assert!(near(least_share(0.0, 5.0), 0.0) && near(least_share(0.0, 0.0), 0.0));
    }

    #[test]
    fn an_interval_holds_most() {
        let values: Vec<f64> = (0..=1_000).map(f64::from).collect();
        assert_eq!(interval(values), Some((25.0, 975.0)));
        assert_eq!(interval(vec![f64::NAN]), None);
        assert_eq!(interval(vec![f64::INFINITY, 1.0, f64::NAN]), Some((1.0, f64::INFINITY)));
    }
}
