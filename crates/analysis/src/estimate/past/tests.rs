use std::collections::BTreeMap;

use gadugi_core::Timestamp;
use proptest::prelude::*;

use super::*;

fn work(kind: Kind, seconds: f64) -> PastWork {
    PastWork {
        finished_at: Timestamp(0),
        kind,
        complexity: Complexity::Medium,
        agent: "claude".into(),
        model: Some("opus".into()),
        prompt_bytes: 1000,
        targets: 1,
        outcome: Outcome::Succeeded,
        seconds,
        memory_mb: None,
        cpu: None,
        disk_mb: None,
    }
}

fn fixes(seconds: impl IntoIterator<Item = f64>) -> Vec<PastWork> {
    seconds.into_iter().map(|seconds| work(Kind::BugFix, seconds)).collect()
}

fn asked(kind: Kind) -> EstimateFor<'static> {
    EstimateFor {
        kind,
        complexity: Complexity::Medium,
        agent: "claude",
        model: Some("opus"),
        prompt_bytes: 1000,
        targets: 1,
    }
}

fn estimate(own: &[PastWork], kind: Kind) -> Estimate {
    PastEstimator::of(own, []).estimate(&asked(kind))
}

#[test]
fn with_nothing_to_go_by_it_is_the_table() {
    let failed = PastWork { outcome: Outcome::Failed, ..work(Kind::BugFix, 7.0) };
    let never = work(Kind::BugFix, 0.0);
    for kind in Kind::ALL {
        assert_eq!(estimate(&[], kind), by_table(kind, Complexity::Medium));
        assert_eq!(estimate(&[failed.clone(), never.clone()], kind), by_table(kind, Complexity::Medium));
    }
}

#[test]
fn it_says_what_it_goes_by() {
    let own = fixes([60.0; 14]);
    assert_eq!(estimate(&own, Kind::BugFix).source, "history: 14 bug-fix tasks of claude (opus)");
    assert_eq!(estimate(&own[..1], Kind::BugFix).source, "history: 1 bug-fix task of claude (opus)");
    assert_eq!(estimate(&own, Kind::Feature).source, "history: 14 tasks of other kinds");
    let other = EstimateFor { model: None, ..asked(Kind::BugFix) };
    let estimator = PastEstimator::of(&own, []);
    assert_eq!(estimator.estimate(&other).source, "history: 14 bug-fix tasks");
    let elsewhere = PastEstimator::of([], &own);
    assert_eq!(elsewhere.estimate(&other).source, "history: 14 tasks of other repositories");
}

#[test]
fn many_that_agree_are_believed_and_few_half() {
    let at = |count: usize| estimate(&fixes(vec![60.0; count]), Kind::BugFix);
    let (few, some, many) = (at(1), at(5), at(100));
    assert!(60.0 < many.seconds && many.seconds < some.seconds && some.seconds < few.seconds);
    assert!(few.seconds < 300.0 && many.seconds < 61.0, "{few:?} {many:?}");
    assert!(many.spread < some.spread && some.spread < few.spread && few.spread <= 2.0);
    // What is learnt of fixes is learnt of all, but less.
    let feature = estimate(&fixes(vec![60.0; 100]), Kind::Feature);
    assert!(feature.seconds < by_table(Kind::Feature, Complexity::Medium).seconds);
    assert!(feature.spread > many.spread);
}

#[test]
fn what_ran_out_of_time_would_have_taken_longer() {
    let ended = fixes([600.0, 700.0, 800.0, 900.0, 1000.0, 1100.0]);
    let stopped = |outcome: Outcome| {
        let more = (0..7).map(|_| PastWork { outcome: outcome.clone(), ..work(Kind::BugFix, 7200.0) });
        estimate(&ended.iter().cloned().chain(more).collect::<Vec<_>>(), Kind::BugFix).seconds
    };
    let without = estimate(&ended, Kind::BugFix).seconds;
    assert!(stopped(Outcome::TimedOut) > 1.5 * without);
    assert_eq!(stopped(Outcome::Failed), without, "nobody knows what it would have taken");
}

#[test]
fn other_repositories_are_asked_where_there_is_little_here() {
    let elsewhere = fixes(vec![60.0; 200]);
    let of = |own: &[PastWork]| PastEstimator::of(own, &elsewhere).estimate(&asked(Kind::BugFix)).seconds;
    assert!(of(&[]) < 100.0);
    assert!(of(&fixes(vec![1200.0; 30])) > 700.0, "{}", of(&fixes(vec![1200.0; 30])));
}

#[test]
fn peaks_are_what_nine_of_ten_stay_below() {
    let own: Vec<PastWork> = (1..=40)
        .map(|n| PastWork {
            memory_mb: Some(n * 100),
            cpu: Some(n as f64 / 10.0),
            disk_mb: (n > 39).then_some(5000),
            ..work(Kind::BugFix, 60.0)
        })
        .collect();
    let estimate = estimate(&own, Kind::BugFix);
    assert!((3300..3700).contains(&estimate.memory_mb), "{estimate:?}");
    assert!((3.3..3.7).contains(&estimate.cpu), "{estimate:?}");
    assert!((256..2500).contains(&estimate.disk_mb), "one is hardly believed: {estimate:?}");
}

#[test]
fn what_is_only_played_says_nothing_of_work() {
    let played: Vec<PastWork> =
        (0..30).map(|_| PastWork { agent: SCRIPTED.into(), ..work(Kind::BugFix, 2.0) }).collect();
    let estimator = PastEstimator::of(&played, &played);
    assert_eq!(estimator.estimate(&asked(Kind::BugFix)), by_table(Kind::BugFix, Complexity::Medium));
    let own = estimator.estimate(&EstimateFor { agent: SCRIPTED, ..asked(Kind::BugFix) });
    assert!(own.seconds < 5.0 && own.source == "history: 30 bug-fix tasks of scripted (opus)", "{own:?}");
}

#[test]
fn one_that_hung_moves_little() {
    let mut own = fixes((0..15).map(|n| 500.0 + 20.0 * f64::from(n)));
    let before = estimate(&own, Kind::BugFix);
    own.extend(fixes([1e6]));
    let after = estimate(&own, Kind::BugFix);
    assert!((after.seconds / before.seconds).ln().abs() < 0.05, "{before:?} {after:?}");
    assert!(after.spread < 1.5 * before.spread);
}

/// Numbers that look random and are the same everywhere (splitmix64).
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

const COMPLEXITIES: [Complexity; 4] =
    [Complexity::Low, Complexity::Medium, Complexity::High, Complexity::Critical];

/// A world in which kinds and agents really differ, beyond what any table knows.
struct World {
    kinds: [f64; 6],
    agents: [f64; 3],
    all: f64,
    dice: Dice,
}

const AGENTS: [&str; 3] = ["claude", "codex", "gemini"];

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let all = dice.normal() * 0.8;
        let kinds = std::array::from_fn(|_| dice.normal() * 0.5);
        let agents = std::array::from_fn(|_| dice.normal() * 0.4);
        Self { kinds, agents, all, dice }
    }

    /// The true median, in seconds.
    fn truth(&self, kind: usize, agent: usize, complexity: Complexity) -> f64 {
        let factor = self.all + self.kinds[kind] + self.agents[agent];
        by_table(Kind::ALL[kind], complexity).seconds * factor.exp()
    }

    /// Some groups have many tasks, most have few. One of thirty hangs for a long time.
    fn task(&mut self) -> (usize, usize, PastWork) {
        let skewed = |dice: &mut Dice, of: usize| (dice.uniform().powi(3) * of as f64) as usize;
        let (kind, agent) = (skewed(&mut self.dice, 6), skewed(&mut self.dice, 3));
        let complexity = COMPLEXITIES[(self.dice.uniform() * 4.0) as usize];
        let hung = if self.dice.uniform() < 1.0 / 30.0 { 30.0 } else { 1.0 };
        let noise = (self.dice.normal() * 0.4).exp();
        let seconds = self.truth(kind, agent, complexity) * noise * hung;
        let task = PastWork { complexity, agent: AGENTS[agent].into(), ..work(Kind::ALL[kind], seconds) };
        (kind, agent, task)
    }
}

fn middle(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

/// What sharing is for: where a group has a task or two, neither the table nor its own median nor that of all is as near to the
/// truth. Mean absolute logarithms of the factor by which each is off, over thirty worlds.
#[test]
fn thin_groups_are_estimated_better_than_by_table_by_all_or_by_themselves() {
    let (mut off, mut cases, mut within, mut drawn) = ([0.0; 4], 0.0, 0.0, 0.0);
    for seed in 0..30 {
        let mut world = World::new(seed);
        let tasks: Vec<_> = (0..60).map(|_| world.task()).collect();
        let own: Vec<PastWork> = tasks.iter().map(|(_, _, work)| work.clone()).collect();
        let seconds: Vec<f64> = own.iter().map(|work| work.seconds).collect();
        let estimator = PastEstimator::of(&own, []);
        let mut groups: BTreeMap<(usize, usize, u8), Vec<f64>> = BTreeMap::new();
        for (kind, agent, work) in &tasks {
            let complexity = COMPLEXITIES.iter().position(|one| *one == work.complexity).unwrap() as u8;
            groups.entry((*kind, *agent, complexity)).or_default().push(work.seconds);
        }
        for ((kind, agent, complexity), times) in groups.iter().filter(|(_, times)| times.len() <= 3) {
            let complexity = COMPLEXITIES[usize::from(*complexity)];
            let task = EstimateFor { complexity, agent: AGENTS[*agent], ..asked(Kind::ALL[*kind]) };
            let truth = world.truth(*kind, *agent, complexity);
            let estimate = estimator.estimate(&task);
            let table = by_table(task.kind, complexity).seconds;
            let guesses = [estimate.seconds, table, middle(&seconds), middle(times)];
            off.iter_mut().zip(guesses).for_each(|(off, guess)| *off += (guess / truth).ln().abs());
            cases += 1.0;
            let next = truth * (world.dice.normal() * 0.4).exp();
            drawn += 1.0;
            within += f64::from(u8::from((next / estimate.seconds).ln().abs() <= estimate.spread.ln()));
        }
    }
    let [pooled, table, all, alone] = off.map(|off| off / cases);
    println!("{cases} groups: pooled {pooled:.3}, table {table:.3}, all {all:.3}, alone {alone:.3}");
    println!("within one spread: {:.2}", within / drawn);
    assert!(pooled < 0.8 * table && pooled < 0.8 * all && pooled < 0.8 * alone);
    // Two of three, by what a spread says.
    assert!((0.60..0.85).contains(&(within / drawn)));
}

fn works() -> impl Strategy<Value = Vec<PastWork>> {
    let one = (0..6_usize, 0..4_usize, 0..3_usize, 1.0..1e5_f64, any::<bool>(), 1..30_000_u64);
    let one = one.prop_map(|(kind, complexity, agent, seconds, whole, prompt_bytes)| PastWork {
        complexity: COMPLEXITIES[complexity],
        agent: AGENTS[agent].into(),
        outcome: if whole { Outcome::Succeeded } else { Outcome::TimedOut },
        prompt_bytes,
        memory_mb: Some(seconds as u64),
        ..work(Kind::ALL[kind], seconds)
    });
    prop::collection::vec(one, 0..40)
}

proptest! {
    #[test]
    fn an_estimate_is_among_what_was_seen_and_the_table(own in works(), elsewhere in works(), kind in 0..6_usize) {
        let estimator = PastEstimator::of(&own, &elsewhere);
        let task = asked(Kind::ALL[kind]);
        let (table, found) = (by_table(task.kind, task.complexity), estimator.estimate(&task));
        let seen = || own.iter().chain(&elsewhere);
        let least = seen().map(|work| work.seconds).fold(table.seconds, f64::min);
        let most = seen().map(|work| work.seconds).fold(table.seconds, f64::max);
        prop_assert!(least <= found.seconds && found.seconds <= most, "{found:?}");
        let least = seen().filter_map(|work| work.memory_mb).fold(table.memory_mb, u64::min);
        let most = seen().filter_map(|work| work.memory_mb).fold(table.memory_mb, u64::max);
        prop_assert!(least <= found.memory_mb && found.memory_mb <= most, "{found:?}");
        prop_assert!(found.spread >= 1.0 && found.spread.is_finite());
        prop_assert!(found.source == "table" || found.source.starts_with("history"));
        prop_assert_eq!(&found, &PastEstimator::of(&own, &elsewhere).estimate(&task));
    }

    #[test]
    fn more_that_agree_narrow_the_spread(seconds in 10.0..5000.0_f64, count in 1..30_usize) {
        let at = |count: usize| {
            let scattered = (0..count).map(|n| seconds * (1.0 + 0.1 * f64::from(u8::from(n % 2 == 0))));
            estimate(&fixes(scattered), Kind::BugFix).spread
        };
        prop_assert!(at(4 * count) < at(count) && at(count) <= Estimate::UNMEASURED_SPREAD + 1e-9);
    }

    #[test]
    fn one_outlier_moves_little(
        seconds in prop::collection::vec(300.0..900.0_f64, 12..40), outlier in 1e-3..1e9_f64,
    ) {
        let before = estimate(&fixes(seconds.clone()), Kind::BugFix);
        let after = estimate(&fixes(seconds.into_iter().chain([outlier])), Kind::BugFix);
        // It can move no median further than to its neighbour, and these lie within a factor of three.
        prop_assert!((after.seconds / before.seconds).ln().abs() < f64::ln(3.0) / 2.0, "{before:?} {after:?}");
    }
}
