//! What the order comes to on many graphs.

use std::collections::BTreeMap;

use gadugi_core::schedule::{Order, Workload};

use super::draw::Graph;

/// Shares of many values: the mean, the middle, and the ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The least.
    pub least: f64,
    /// The 5th percentile.
    pub p5: f64,
    /// The middle.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let place = values.len().saturating_sub(1) * percent / 100;
            values.get(place).copied().unwrap_or(f64::NAN)
        };
        Self {
            mean: values.iter().sum::<f64>() / values.len() as f64,
            least: at(0),
            p5: at(5),
            p50: at(50),
            p95: at(95),
            most: at(100),
        }
    }
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Time to the end over the lower bound, estimates true.
    pub bound: Spread,
    /// The mean of that by shape and by memory.
    pub by: BTreeMap<&'static str, f64>,
    /// Time to the end of first come, first served over that of the rule, estimates off.
    pub gain: Spread,
    /// The share of graphs on which the rule, estimates off, ends no later than first come, first served.
    pub no_worse: f64,
    /// The share of graphs on which both end at the same time.
    pub alike: f64,
    /// Time to the end over the lower bound, estimates off: of the rule, and of first come, first served.
    pub off: (f64, f64),
}

/// Two ends that differ by less are one: sums of floats in another order.
const SAME: f64 = 1e-9;

/// The rule on those graphs.
pub fn measure(graphs: impl Iterator<Item = Graph>) -> Figures {
    let (mut bounds, mut gains) = (Vec::new(), Vec::new());
    let (mut off, mut first_come) = (Vec::new(), Vec::new());
    let mut by: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for graph in graphs {
        let bound = graph.lower_bound();
        let play = |workload: &Workload, order: &Order| {
            workload.play(order, graph.slots, graph.memory_mib, &graph.seconds)
        };
        let (known, guessed) = (graph.as_it_is(), graph.as_estimated());
        let over = play(&known, &known.order()) / bound;
        bounds.push(over);
        by.entry(graph.shape.word()).or_default().push(over);
        by.entry(graph.memory.word()).or_default().push(over);
        let ours = play(&guessed, &guessed.order());
        let theirs = play(&guessed, &Order::from_places((0..graph.tasks()).collect()));
        gains.push(theirs / ours);
        off.push(ours / bound);
        first_come.push(theirs / bound);
    }
    let share = |wanted: fn(f64) -> bool| {
        gains.iter().filter(|gain| wanted(**gain)).count() as f64 / gains.len() as f64
    };
    Figures {
        no_worse: share(|gain| gain >= 1.0 - SAME),
        alike: share(|gain| (gain - 1.0).abs() <= SAME),
        bound: Spread::of(bounds),
        by: by.into_iter().map(|(word, values)| (word, Spread::of(values).mean)).collect(),
        gain: Spread::of(gains),
        off: (Spread::of(off).mean, Spread::of(first_come).mean),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sizes;
    use super::*;

    #[test]
    fn percentiles_are_values_that_are_there() {
        let spread = Spread::of((0..=100).rev().map(f64::from).collect());
        assert_eq!(
            (spread.least, spread.p5, spread.p50, spread.p95, spread.most),
            (0.0, 5.0, 50.0, 95.0, 100.0)
        );
        assert!((spread.mean - 50.0).abs() < 1e-9);
    }

    /// The bars that the bench holds the rule to, on graphs that it does not measure.
    #[test]
    fn the_order_is_near_the_best_there_is() {
        let figures = measure((10_000..10_210).map(|number| Graph::draw(number, Sizes::Even)));
        assert!(figures.bound.least >= 1.0 - SAME, "nothing ends before the lower bound: {figures:?}");
        assert!(figures.bound.mean <= 1.10 && figures.gain.mean >= 1.05, "{figures:?}");
    }
}
