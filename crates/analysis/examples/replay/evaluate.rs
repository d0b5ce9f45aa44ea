//! From predictions to figures. What has to be chosen (thresholds, how many popular files) is chosen on the earlier half of the
//! commits; every figure is of the later half.

use super::pairs::{self, Likely, Together};
use super::score::{Chance, Counts, Macro, best_threshold, interval};

/// Samples that tell how far chance moves a figure.
const SAMPLES: usize = 1_000;

/// Where chance begins.
const SEED: u64 = 20_261_121;

/// What one way of foretelling says of every case.
pub(crate) struct Method {
    pub(crate) name: String,
    /// The files of each case, sorted.
    pub(crate) likely: Vec<Likely>,
    /// What pairs are judged by, where that is something else than files.
    pub(crate) strings: Option<Vec<Likely>>,
    pub(crate) together: Together,
    /// The thresholds of write sets and of pairs; none: they are fitted.
    pub(crate) fixed: Option<(f64, f64)>,
}

/// Figures of the write sets of the later half.
#[derive(Clone, Debug)]
pub(crate) struct WriteFigures {
    /// Files that are as likely are foretold.
    pub(crate) threshold: f64,
    /// Of all files of all cases: micro.
    pub(crate) counts: Counts,
    /// The mean of the cases.
    pub(crate) mean: Macro,
    pub(crate) f1_interval: Option<(f64, f64)>,
}

/// Figures of the pairs of the later half.
#[derive(Clone, Debug)]
pub(crate) struct PairFigures {
    pub(crate) threshold: f64,
    pub(crate) counts: Counts,
    pub(crate) f1_interval: Option<(f64, f64)>,
    pub(crate) precision_interval: Option<(f64, f64)>,
    /// One for each sample, the same samples for every method.
    samples: Vec<Counts>,
}

/// All that is said of one way of foretelling.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    /// The settings that were best.
    pub(crate) settings: (String, String),
    pub(crate) writes: WriteFigures,
    pub(crate) pairs: PairFigures,
}

/// The truth, and where the halves meet.
pub(crate) struct Ground {
    /// The files of each case, sorted; the oldest case first.
    truth: Vec<Vec<u32>>,
    middle: usize,
    pairs_before: Vec<bool>,
    pairs_after: Vec<bool>,
}

impl Ground {
    pub(crate) fn new(truth: Vec<Vec<u32>>) -> Self {
        let middle = truth.len() / 2;
        let of = |some: &[Vec<u32>]| pairs::truth(&some.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let (pairs_before, pairs_after) = (of(&truth[..middle]), of(&truth[middle..]));
        Self { truth, middle, pairs_before, pairs_after }
    }

    /// Where the later half begins.
    pub(crate) fn middle(&self) -> usize {
        self.middle
    }

    /// How many pairs there are, and how many of them collide.
    pub(crate) fn pairs(&self) -> (usize, usize) {
        (self.pairs_after.len(), self.pairs_after.iter().filter(|collide| **collide).count())
    }

    /// The best threshold of a method for write sets, and its F1, on the earlier half.
    pub(crate) fn fit_writes(&self, method: &Method) -> (f64, f64) {
        if let Some((fixed, _)) = method.fixed {
            return (fixed, f64::NAN);
        }
        let (mut items, mut missed) = (Vec::new(), 0);
        for (likely, truth) in method.likely.iter().zip(&self.truth).take(self.middle) {
            let scored = likely.iter().map(|(file, score)| (*score, truth.binary_search(file).is_ok()));
            let before = items.len();
            items.extend(scored);
            missed += truth.len() - items[before..].iter().filter(|(_, truth)| *truth).count();
        }
        best_threshold(items, missed)
    }

    /// The best threshold of a method for pairs, and its F1, on the earlier half.
    pub(crate) fn fit_pairs(&self, method: &Method) -> (f64, f64) {
        let scores = self.scores(method, true);
        let threshold =
            method.fixed.map_or_else(|| pairs::fitted(&scores, &self.pairs_before), |(_, fixed)| fixed);
        let foretold = pairs::foretold(&scores, threshold);
        (threshold, pairs::counts(&foretold, &self.pairs_before).f1())
    }

    /// Which of a method's settings is best on the earlier half, by `fit`.
    pub(crate) fn best<'a>(
        &self,
        settings: &'a [Method],
        fit: fn(&Self, &Method) -> (f64, f64),
    ) -> Option<&'a Method> {
        let fitted = settings.iter().map(|method| (fit(self, method).1, method));
        fitted.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, method)| method)
    }

    fn scores(&self, method: &Method, earlier: bool) -> Vec<f64> {
        let all = method.strings.as_ref().unwrap_or(&method.likely);
        let half = if earlier { &all[..self.middle] } else { &all[self.middle..] };
        pairs::scores(&half.iter().collect::<Vec<_>>(), method.together)
    }

    fn writes(&self, method: &Method, threshold: f64) -> WriteFigures {
        let likely = method.likely.iter().zip(&self.truth).skip(self.middle);
        let cases: Vec<Counts> = likely
            .map(|(likely, truth)| {
                let said = likely.iter().filter(|(_, score)| *score >= threshold - 1e-9);
                Counts::of_sets(&said.map(|(file, _)| *file).collect::<Vec<_>>(), truth)
            })
            .collect();
        let sum = |weights: &mut dyn Iterator<Item = f64>| {
            let mut sum = Counts::default();
            cases.iter().zip(weights).for_each(|(case, weight)| sum.add(*case, weight));
            sum
        };
        let mut chance = Chance::new(SEED);
        let samples = (0..SAMPLES).map(|_| {
            let drawn = chance.resample(cases.len());
            sum(&mut drawn.into_iter().map(f64::from)).f1()
        });
        WriteFigures {
            threshold,
            counts: sum(&mut std::iter::repeat(1.0)),
            mean: Macro::of(&cases),
            f1_interval: interval(samples.collect()),
        }
    }

    /// The figures of these methods (at most seven), each with the method for write sets and that for pairs, which may be
    /// two settings of one.
    pub(crate) fn figures(&self, methods: &[(&'static str, &Method, &Method)]) -> Vec<Figures> {
        let thresholds: Vec<f64> = methods.iter().map(|(.., pairs)| self.fit_pairs(pairs).0).collect();
        let foretold: Vec<Vec<bool>> = methods
            .iter()
            .zip(&thresholds)
            .map(|((.., pairs), threshold)| pairs::foretold(&self.scores(pairs, false), *threshold))
            .collect();
        let said: Vec<&[bool]> = foretold.iter().map(Vec::as_slice).collect();
        let later = self.truth.len() - self.middle;
        let samples = pairs::resampled(later, &said, &self.pairs_after, SAMPLES, &mut Chance::new(SEED));
        let of = |at: usize| {
            let (name, writes, by_pairs) = methods[at];
            let settings = (writes.name.clone(), by_pairs.name.clone());
            let samples: Vec<Counts> = samples.iter().map(|sample| sample[at]).collect();
            let pairs = PairFigures {
                threshold: thresholds[at],
                counts: pairs::counts(&foretold[at], &self.pairs_after),
                f1_interval: interval(samples.iter().map(Counts::f1).collect()),
                precision_interval: interval(samples.iter().filter_map(Counts::precision).collect()),
                samples,
            };
            Figures { name, settings, writes: self.writes(writes, self.fit_writes(writes).0), pairs }
        };
        (0..methods.len()).map(of).collect()
    }

    /// The precision of a method where it foretells no more pairs than so many: its surest.
    pub(crate) fn precision_of_surest(&self, method: &Method, pairs: usize) -> Option<f64> {
        let mut scored: Vec<(f64, bool)> =
            self.scores(method, false).into_iter().zip(self.pairs_after.iter().copied()).collect();
        scored.sort_by(|one, other| other.0.total_cmp(&one.0));
        let surest = scored.get(..pairs).filter(|surest| !surest.is_empty())?;
        Some(surest.iter().filter(|(_, truth)| *truth).count() as f64 / surest.len() as f64)
    }

    /// Of the files of the later half that are foretold with about this probability, how many came true: the middle of each
    /// tenth's probabilities, the share that came true, and how many they are.
    pub(crate) fn calibration(&self, method: &Method) -> Vec<(f64, f64, usize)> {
        let mut bins = vec![(0.0, 0_usize, 0_usize); 10];
        for (likely, truth) in method.likely.iter().zip(&self.truth).skip(self.middle) {
            for (file, probability) in likely {
                let bin = &mut bins[((probability * 10.0) as usize).min(9)];
                bin.0 += probability;
                bin.1 += usize::from(truth.binary_search(file).is_ok());
                bin.2 += 1;
            }
        }
        let told = bins.into_iter().filter(|bin| bin.2 > 0);
        told.map(|(sum, right, all)| (sum / all as f64, right as f64 / all as f64, all)).collect()
    }
}

impl PairFigures {
    /// How many times the other's F1 this one's is: infinite where the other has none. With its interval.
    pub(crate) fn ratio(&self, other: &Self) -> (f64, Option<(f64, f64)>) {
        let ratio = |one: &Counts, other: &Counts| match (one.f1(), other.f1()) {
            (0.0, 0.0) => f64::NAN,
            (one, other) => one / other,
        };
        let samples = self.samples.iter().zip(&other.samples).map(|(one, other)| ratio(one, other));
        (ratio(&self.counts, &other.counts), interval(samples.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(likely: Vec<Likely>) -> Method {
        Method { name: "m".into(), likely, strings: None, together: Together::LikeliestFile, fixed: None }
    }

    /// Two hundred cases that change one of ten files in turn, and that a method foretells with 0.9, beside a wrong file with
    /// `noise`.
    fn ground(noise: f64) -> (Ground, Method) {
        let truth: Vec<Vec<u32>> = (0..200).map(|case| vec![case % 10]).collect();
        let likely = (0..200).map(|case| vec![(case % 10, 0.9), (100 + case % 3, noise)]).collect();
        (Ground::new(truth), method(likely))
    }

    #[test]
    fn who_knows_all_has_all() {
        let (ground, method) = ground(0.2);
        assert_eq!((ground.middle(), ground.pairs()), (100, (4_950, 450)));
        let figures = ground.figures(&[("m", &method, &method)]);
        let figures = &figures[0];
        assert_eq!(figures.writes.counts, Counts { right: 100.0, wrong: 0.0, missed: 0.0 });
        assert_eq!(figures.pairs.counts, Counts { right: 450.0, wrong: 0.0, missed: 0.0 });
        assert!((figures.pairs.threshold - 0.81).abs() < 1e-9);
        assert_eq!(figures.pairs.f1_interval, Some((1.0, 1.0)));
        assert_eq!(ground.precision_of_surest(&method, 450), Some(1.0));
        assert_eq!(ground.precision_of_surest(&method, 900), Some(0.5));
    }

    #[test]
    fn thresholds_come_from_the_earlier_half_alone() {
        let (ground, mut method) = ground(0.2);
        // In the later half the method says the same with other figures: the threshold of the earlier half misses them.
        for likely in &mut method.likely[100..] {
            likely[0].1 = 0.5;
        }
        let figures = ground.figures(&[("m", &method, &method)]);
        assert_eq!(figures[0].writes.counts, Counts { right: 0.0, wrong: 0.0, missed: 100.0 });
        assert_eq!(figures[0].pairs.counts.f1(), 0.0);
    }

    #[test]
    fn ratios_are_of_the_same_samples() {
        let (ground, good) = ground(0.2);
        let together = Together::Always;
        let all = Method {
            name: "all".into(),
            likely: vec![Vec::new(); 200],
            strings: None,
            together,
            fixed: Some((1.0, 1.0)),
        };
        let none = method(vec![Vec::new(); 200]);
        let figures = ground.figures(&[("m", &good, &good), ("all", &all, &all), ("none", &none, &none)]);
        let (ratio, around) = figures[0].pairs.ratio(&figures[1].pairs);
        let expected = 1.0 / (2.0 * 450.0 / (4_950.0 + 450.0));
        let (low, high) = around.unwrap();
        assert!((ratio - expected).abs() < 1e-9 && low < ratio && ratio < high, "{ratio} {low} {high}");
        assert_eq!(figures[0].pairs.ratio(&figures[2].pairs).0, f64::INFINITY);
        assert!(figures[2].pairs.ratio(&figures[2].pairs).0.is_nan());
        assert_eq!(figures[2].pairs.precision_interval, None);
    }

    #[test]
    fn calibration_tells_what_came_true() {
        let (ground, method) = ground(0.2);
        assert_eq!(ground.calibration(&method).len(), 2);
        let (said, came, count) = ground.calibration(&method)[1];
        assert!((said - 0.9).abs() < 1e-9 && came == 1.0 && count == 100);
    }
}
