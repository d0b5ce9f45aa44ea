//! Medians and other quantiles of weighted numbers, of which some are only known to be larger than what was seen.
//!
//! A task that was stopped after two hours took longer than that, nobody knows how much. Kaplan and Meier's estimate of the
//! distribution (1958) takes such numbers for what they are: each counts among those that might still have ended for as long as
//! it was seen, and never as an end. One number, however large, moves a quantile no further than to its neighbour.

/// A number and what it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) value: f64,
    /// Above 0.
    pub(super) weight: f64,
    /// Whether the true number is this one; else it is larger.
    pub(super) whole: bool,
}

/// The least value below which `share` of all lies (the mean of two, where it is exactly between them); the largest one seen
/// where so many never ended. None of nothing.
pub(super) fn quantile(seen: &mut [Seen], share: f64) -> Option<f64> {
    // What ended at a moment was still there at it: ends stand before what was only seen so far.
    seen.sort_by(|a, b| a.value.total_cmp(&b.value).then(b.whole.cmp(&a.whole)));
    let mut at_risk: f64 = seen.iter().map(|one| one.weight).sum();
    let (mut surviving, wanted) = (1.0, 1.0 - share);
    // Sums of weights are off in their last digits.
    const NEARLY: f64 = 1e-9;
    let mut exactly: Option<f64> = None;
    for one in seen.iter() {
        if one.whole {
            if let Some(below) = exactly {
                return Some(f64::midpoint(below, one.value));
            }
            surviving *= 1.0 - (one.weight / at_risk).min(1.0);
            if surviving < wanted - NEARLY {
                return Some(one.value);
            }
            if surviving < wanted + NEARLY {
                exactly = Some(one.value);
            }
        }
        at_risk -= one.weight;
    }
    exactly.or_else(|| seen.last().map(|one| one.value))
}

pub(super) fn median(seen: &mut [Seen]) -> Option<f64> {
    quantile(seen, 0.5)
}

/// What the median of distances must be multiplied by to be the standard deviation, where numbers are normally distributed.
const NORMAL: f64 = 1.4826;

/// The standard deviation around 0 as the median of distances has it. A number that is only known to be larger tells nothing of
/// its distance while it is below 0.
pub(super) fn deviation(seen: &[Seen]) -> Option<f64> {
    let known = seen.iter().filter(|one| one.whole || one.value > 0.0);
    let mut distances: Vec<Seen> = known.map(|one| Seen { value: one.value.abs(), ..*one }).collect();
    median(&mut distances).map(|distance| distance * NORMAL)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(values: &[f64]) -> Vec<Seen> {
        values.iter().map(|value| Seen { value: *value, weight: 1.0, whole: true }).collect()
    }

    fn more_than(value: f64) -> Seen {
        Seen { value, weight: 1.0, whole: false }
    }

    #[test]
    fn quantiles_of_whole_numbers() {
        assert_eq!(median(&mut whole(&[])), None);
        assert_eq!(median(&mut whole(&[7.0])), Some(7.0));
        assert_eq!(median(&mut whole(&[3.0, 1.0])), Some(2.0));
        assert_eq!(median(&mut whole(&[3.0, 1.0, 900.0])), Some(3.0));
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(quantile(&mut whole(&ten), 0.9), Some(9.5));
        assert_eq!(quantile(&mut whole(&ten), 0.95), Some(10.0));
        let mut heavy = whole(&[1.0, 2.0, 3.0]);
        heavy[2].weight = 2.5;
        assert_eq!(median(&mut heavy), Some(3.0));
    }

    #[test]
    fn what_was_stopped_counts_as_more_and_never_as_an_end() {
        let mut seen = [whole(&[1.0, 2.0, 3.0]), vec![more_than(2.5), more_than(2.5)]].concat();
        assert_eq!(median(&mut seen), Some(3.0));
        // It says nothing of what ended after it was last seen.
        let mut early = [whole(&[4.0, 5.0, 6.0]), vec![more_than(0.5)]].concat();
        assert_eq!(median(&mut early), Some(5.0));
        // Where hardly anything ended, the longest that was seen is the best there is.
        let mut stopped = [whole(&[1.0]), vec![more_than(7.0), more_than(7.0), more_than(8.0)]].concat();
        assert_eq!(median(&mut stopped), Some(8.0));
    }

    #[test]
    fn the_deviation_of_normal_numbers_is_theirs() {
        let quantiles = [-1.15, -0.67, -0.32, 0.0, 0.32, 0.67, 1.15].map(|z| z * 3.0);
        let found = deviation(&whole(&quantiles)).unwrap();
        assert!((found - 3.0).abs() < 0.1, "{found}");
        assert_eq!(deviation(&[more_than(-1.0)]), None);
    }

    proptest! {
        #[test]
        fn a_quantile_lies_among_what_was_seen(
            values in prop::collection::vec((-1e3..1e3_f64, 0.1..3.0_f64, any::<bool>()), 1..40),
            share in 0.01..0.99_f64,
        ) {
            let seen = |(value, weight, whole): &(f64, f64, bool)| Seen { value: *value, weight: *weight, whole: *whole };
            let mut all: Vec<Seen> = values.iter().map(seen).collect();
            let found = quantile(&mut all, share).unwrap();
            prop_assert!(all[0].value <= found && found <= all[all.len() - 1].value);
            let mut turned: Vec<Seen> = values.iter().rev().map(seen).collect();
            prop_assert_eq!(quantile(&mut turned, share), Some(found));
        }
    }
}
