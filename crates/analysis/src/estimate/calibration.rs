//! How sure claims turned out to be.
//!
//! For each sort of claim, and each confidence `p` from 0 to 100 %, what is believed is the mean of a beta distribution: it
//! begins as if [`PRIOR`] claims had come true exactly as often as they said, and each claim of that sort of a task that is over
//! adds itself, whole where it was stated with that confidence, less the further away, and not at all from [`REACH`] on:
//!
//! `believed(p) = (PRIOR * p + Σ weight * came true) / (PRIOR + Σ weight)`
//!
//! So a few claims move little. What is stated as less sure is never believed more: claims that were sure and did not come true
//! count against those that were less sure, too.
//! What a task says of itself (`touches:`) is the user's word, and stays what it is.

use gadugi_core::{ClaimSource, Confidence, PastTask};

/// Claims that the stated confidence itself counts for.
const PRIOR: f64 = 20.0;
/// Percentage points from which on a claim says nothing about another one's confidence.
const REACH: f64 = 25.0;
/// All claims of one sort of one task count together as so many at most: they come true or not together.
const MOST_OF_A_TASK: f64 = 4.0;

/// What the confidence of claims is worth, by their sort. The default believes what is stated.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    believed: [[u8; 101]; ClaimSource::ALL.len()],
    tasks: usize,
}

impl Default for Calibration {
    fn default() -> Self {
        let mut stated = [0; 101];
        (0..=100).zip(&mut stated).for_each(|(percent, place)| *place = percent);
        Self { believed: [stated; ClaimSource::ALL.len()], tasks: 0 }
    }
}

impl Calibration {
    /// What became of the claims of those tasks. Tasks whose work was never collected say nothing.
    pub fn of(past: &[PastTask]) -> Self {
        let mut calibration = Self::default();
        let mut heard = [const { Vec::new() }; ClaimSource::ALL.len()];
        for task in past {
            let mut counts = [0_usize; ClaimSource::ALL.len()];
            let known = || task.predicted.iter().filter_map(|claim| Some((claim, claim.written?)));
            known().for_each(|(claim, _)| counts[place(claim.source)] += 1);
            calibration.tasks += usize::from(known().next().is_some());
            for (claim, written) in known() {
                let place = place(claim.source);
                let weight = (MOST_OF_A_TASK / counts[place] as f64).min(1.0);
                heard[place].push((f64::from(claim.stated.0.min(100)), weight, written));
            }
        }
        for (source, heard) in ClaimSource::ALL.into_iter().zip(&heard) {
            if !heard.is_empty() && source != ClaimSource::Declared {
                calibration.believed[place(source)] = believed(heard);
            }
        }
        calibration
    }

    /// How sure a claim of that sort is, that is stated as so sure.
    pub fn adjust(&self, source: ClaimSource, stated: Confidence) -> Confidence {
        Confidence(self.believed[place(source)][usize::from(stated.0.min(100))])
    }

    /// How many tasks it is made from.
    pub fn tasks(&self) -> usize {
        self.tasks
    }
}

fn place(source: ClaimSource) -> usize {
    ClaimSource::ALL.iter().position(|other| *other == source).unwrap_or_default()
}

fn believed(heard: &[(f64, f64, bool)]) -> [u8; 101] {
    // By stated percentage: thousands of claims have a hundred of them.
    let (mut weights, mut hits) = ([0.0_f64; 101], [0.0_f64; 101]);
    for (stated, weight, written) in heard {
        let at = *stated as usize;
        weights[at] += weight;
        hits[at] += if *written { *weight } else { 0.0 };
    }
    let mean = |percent: usize| {
        let near = |other: usize| (1.0 - percent.abs_diff(other) as f64 / REACH).max(0.0);
        let sum = |of: &[f64; 101]| (0..=100).map(|other| near(other) * of[other]).sum::<f64>();
        (PRIOR * percent as f64 / 100.0 + sum(&hits)) / (PRIOR + sum(&weights))
    };
    let mut percents = [0; 101];
    let mut least = 1.0_f64;
    for (percent, place) in percents.iter_mut().enumerate().rev() {
        least = least.min(mean(percent));
        *place = (least * 100.0).round() as u8;
    }
    percents
}

#[cfg(test)]
mod tests {
    use gadugi_core::{Complexity, Kind, Outcome, PastClaim, PastWork, RunId, TaskId, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn task(claims: &[(ClaimSource, u8, Option<bool>)]) -> PastTask {
        let claim = |(source, stated, written): &(ClaimSource, u8, Option<bool>)| PastClaim {
            path: "a".into(),
            stated: Confidence(*stated),
            source: *source,
            written: *written,
        };
        PastTask {
            run: RunId::new("r"),
            task: TaskId::new("t"),
            work: PastWork {
                finished_at: Timestamp(0),
                kind: Kind::BugFix,
                complexity: Complexity::Low,
                agent: "claude".into(),
                model: None,
                prompt_bytes: 1,
                targets: 1,
                outcome: Outcome::Succeeded,
                seconds: 1.0,
                memory_mb: None,
                cpu: None,
                disk_mb: None,
            },
            title: String::new(),
            text: String::new(),
            predicted: claims.iter().map(claim).collect(),
            writes: None,
        }
    }

    fn tasks(source: ClaimSource, stated: u8, came_true: usize, all: usize) -> Vec<PastTask> {
        (0..all).map(|number| task(&[(source, stated, Some(number < came_true))])).collect()
    }

    #[test]
    fn what_nobody_tried_is_believed() {
        let none = Calibration::of(&[task(&[(ClaimSource::Path, 90, None)])]);
        assert_eq!((&none, none.tasks()), (&Calibration::default(), 0));
        for source in ClaimSource::ALL {
            assert!((0..=100).all(|percent| none.adjust(source, Confidence(percent)).0 == percent));
        }
    }

    #[test]
    fn few_move_little_and_many_decide() {
        let at = |all| {
            let past = tasks(ClaimSource::Symbol, 90, all / 2, all);
            Calibration::of(&past).adjust(ClaimSource::Symbol, Confidence(90)).0
        };
        assert_eq!((at(2), at(20), at(2000)), (86, 70, 50));
    }

    #[test]
    fn each_sort_is_judged_by_itself_and_the_users_word_by_nobody() {
        let past = [tasks(ClaimSource::Words, 80, 0, 50), tasks(ClaimSource::Declared, 100, 0, 50)].concat();
        let calibration = Calibration::of(&past);
        assert!(calibration.adjust(ClaimSource::Words, Confidence(80)).0 < 30);
        assert_eq!(calibration.adjust(ClaimSource::Path, Confidence(80)).0, 80);
        assert_eq!(calibration.adjust(ClaimSource::Declared, Confidence(100)).0, 100);
        assert_eq!(calibration.adjust(ClaimSource::Words, Confidence(20)).0, 20, "too far away to tell");
        assert_eq!(calibration.tasks(), 100);
    }

    #[test]
    fn many_claims_of_one_task_are_not_many_tasks() {
        let wrong = (ClaimSource::History, 60, Some(false));
        let one = Calibration::of(&[task(&[wrong; 64])]);
        let four = Calibration::of(&tasks(ClaimSource::History, 60, 0, 4));
        assert_eq!(one.believed, four.believed);
    }

    proptest! {
        /// Surer stays surer, and nothing leaves what was stated and what came true.
        #[test]
        fn more_is_never_believed_less(
            claims in prop::collection::vec((0..=100_u8, any::<bool>()), 0..200),
        ) {
            let past: Vec<PastTask> = claims
                .iter()
                .map(|(stated, written)| task(&[(ClaimSource::CoChange, *stated, Some(*written))]))
                .collect();
            let calibration = Calibration::of(&past);
            let believed: Vec<u8> =
                (0..=100).map(|percent| calibration.adjust(ClaimSource::CoChange, Confidence(percent)).0).collect();
            prop_assert!(believed.is_sorted() && believed[100] <= 100);
            prop_assert_eq!(&calibration, &Calibration::of(&past));
            if claims.iter().all(|(_, written)| *written) {
                prop_assert!((0..=100).all(|percent| believed[usize::from(percent)] >= percent));
            }
        }
    }
}
