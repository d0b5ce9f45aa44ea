//! What the figures are held to.
//!
//! Of pairs, gadugi's F1 is to be at least twice the original's, at no lower precision, and at least 1.25 times that of
//! popularity. Two of these need a rule of their own:
//!
//! - *No lower precision*: the original finds a file's name in few messages, in most repositories in none, so that its precision
//!   is that of a handful of pairs, or of none at all. Where it foretells nothing there is nothing to be lower than. Else its
//!   precision is taken as surely as it is known: at the lower end of its interval, from drawing commits anew or from how few
//!   pairs there are (one in one may be one in five), whichever is lower. Both precisions are always told, and what
//!   gadugi's is when it is no bolder: among as many pairs, its surest.
//! - *Popularity*: says the same of all commits, so for pairs the best that it can say is that all collide, or that those do
//!   whose sets, cut off at the best place, share a file. There is a stronger reading, which takes of the popular files those that
//!   the prompt's words narrow down. Gadugi is held against whichever has the best F1 on what is measured.

use super::evaluate::{Figures, PairFigures};
use super::score::least_share;

/// Times the original's F1.
pub(crate) const ORIGINAL_BAR: f64 = 2.0;
/// Times popularity's F1.
pub(crate) const POPULARITY_BAR: f64 = 1.25;

/// Names of ways. Gadugi's thresholds are fitted for the first, and those that it comes with for the second.
pub(crate) const GADUGI: &str = "gadugi";
pub(crate) const SHIPPED: &str = "gadugi, as it is";
pub(crate) const ORIGINAL: &str = "original";
pub(crate) const POPULARITY: &str = "popularity";
pub(crate) const NAMED: &str = "popularity, named";
pub(crate) const EVERY: &str = "every pair";

/// How the bars are met.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// Gadugi's F1 over the original's: infinite where that has none. With its interval.
    pub(crate) original: (f64, Option<(f64, f64)>),
    /// Gadugi's precision is no lower.
    pub(crate) precise: bool,
    /// Gadugi's among as many pairs as the original foretells; none where those are none.
    pub(crate) as_bold: Option<f64>,
    /// Gadugi's F1 over the original's and over popularity's with the thresholds that it comes with.
    pub(crate) shipped: (f64, f64),
    /// Gadugi's F1 over that of popularity's best reading, and which that is.
    pub(crate) popularity: (f64, Option<(f64, f64)>),
    pub(crate) against: &'static str,
    /// The same over the reading that says of all that they collide.
    pub(crate) every: (f64, Option<(f64, f64)>),
}

impl Verdict {
    /// `as_bold`: gadugi's precision among so many pairs, its surest.
    pub(crate) fn of(figures: &[Figures], as_bold: impl Fn(usize) -> Option<f64>) -> Self {
        let pairs = |name: &str| figures.iter().find(|one| one.name == name).map(|one| &one.pairs);
        let times = |one: &str, other: &str| match (pairs(one), pairs(other)) {
            (Some(one), Some(other)) => one.ratio(other),
            _ => (f64::NAN, None),
        };
        let f1 = |name: &str| pairs(name).map_or(0.0, |pairs| pairs.counts.f1());
        let readings = [EVERY, POPULARITY, NAMED];
        let against =
            readings.into_iter().max_by(|one, other| f1(one).total_cmp(&f1(other))).unwrap_or(EVERY);
        let original = pairs(ORIGINAL);
        Self {
            original: times(GADUGI, ORIGINAL),
            precise: match (pairs(GADUGI), original) {
                (Some(gadugi), Some(original)) => no_less_precise(gadugi, original),
                _ => false,
            },
            as_bold: original
                .and_then(|original| as_bold((original.counts.right + original.counts.wrong) as usize)),
            shipped: (times(SHIPPED, ORIGINAL).0, times(SHIPPED, against).0),
            popularity: times(GADUGI, against),
            against,
            every: times(GADUGI, EVERY),
        }
    }

    /// How many times the bar is reached, by whichever falls shortest.
    pub(crate) fn worst(&self) -> f64 {
        (self.original.0 / ORIGINAL_BAR).min(self.popularity.0 / POPULARITY_BAR)
    }

    pub(crate) fn holds(&self) -> bool {
        self.precise && self.original.0 >= ORIGINAL_BAR && self.popularity.0 >= POPULARITY_BAR
    }
}

fn no_less_precise(gadugi: &PairFigures, original: &PairFigures) -> bool {
    let Some(theirs) = original.counts.precision() else { return true };
    let few = least_share(original.counts.right, original.counts.right + original.counts.wrong);
    let drawn = original.precision_interval.map_or(theirs, |(low, _)| low);
    gadugi.counts.precision().is_some_and(|ours| ours >= theirs.min(drawn).min(few))
}

#[cfg(test)]
mod tests {
    use super::super::evaluate::{Ground, Method};
    use super::super::pairs::{Likely, Together};
    use super::*;

    /// 400 commits, each of one of twenty files.
    fn cases(likely: impl Fn(u32) -> Likely) -> Vec<Likely> {
        (0..400).map(likely).collect()
    }

    fn verdict(gadugi: impl Fn(u32) -> Likely, original: impl Fn(u32) -> Likely) -> Verdict {
        let ground = Ground::new((0..400).map(|case| vec![case % 20]).collect());
        let method = |likely: Vec<Likely>, together, fixed| Method {
            name: String::new(),
            likely,
            strings: None,
            together,
            fixed,
        };
        let gadugi = method(cases(gadugi), Together::LikeliestFile, None);
        let original = method(cases(original), Together::BothSets, Some((1.0, 1.0)));
        let popular = method(cases(|_| vec![(0, 1.0), (1, 0.5)]), Together::BothSets, None);
        let named = method(cases(|case| vec![(case % 2, 1.0)]), Together::BothSets, None);
        let every = method(cases(|_| Vec::new()), Together::Always, Some((1.0, 1.0)));
        let all = [
            (GADUGI, &gadugi),
            (ORIGINAL, &original),
            (POPULARITY, &popular),
            (NAMED, &named),
            (EVERY, &every),
        ];
        let figures = ground.figures(&all.map(|(name, method)| (name, method, method)));
        Verdict::of(&figures, |pairs| ground.precision_of_surest(&gadugi, pairs))
    }

    #[test]
    fn who_foretells_well_reaches_all_bars() {
        // Half of the commits are foretold, the original foretells one in twenty, as surely.
        let half = |case: u32| if case.is_multiple_of(2) { vec![(case % 20, 0.9)] } else { Vec::new() };
        let few = |case: u32| if case.is_multiple_of(7) { vec![(case % 20, 1.0)] } else { Vec::new() };
        let verdict = verdict(half, few);
        assert!(verdict.holds(), "{verdict:?}");
        assert!(verdict.original.0 > 2.0 && verdict.popularity.0 > 1.25 && verdict.worst() > 1.0);
        assert_eq!((verdict.against, verdict.as_bold), (NAMED, Some(1.0)));
    }

    #[test]
    fn where_the_original_says_nothing_popularity_is_the_bar() {
        let verdict = verdict(|case| vec![(case % 20, 0.9)], |_| Vec::new());
        assert!(verdict.holds() && verdict.original.0.is_infinite());
        assert!((verdict.worst() - verdict.popularity.0 / POPULARITY_BAR).abs() < 1e-12);
    }

    #[test]
    fn who_is_less_precise_falls_short() {
        // Right in every pair of the even ones, and wrong as often; the original is right in each of many.
        let vague = |case: u32| vec![(case % 20 / 2 * 2, 0.9)];
        let sure = |case: u32| if case.is_multiple_of(20) { vec![(0, 1.0)] } else { Vec::new() };
        let verdict = verdict(vague, sure);
        assert!(!verdict.precise && !verdict.holds(), "{verdict:?}");
        assert!(verdict.original.0 > 2.0 && verdict.popularity.0 > 1.25);
    }

    #[test]
    fn who_says_nothing_falls_short() {
        let verdict = verdict(|_| Vec::new(), |_| Vec::new());
        assert!(!verdict.holds() && verdict.original.0.is_nan());
        assert!(verdict.worst() <= 0.0 || verdict.worst().is_nan(), "{}", verdict.worst());
    }
}
