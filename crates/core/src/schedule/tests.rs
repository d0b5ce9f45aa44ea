//! The rule itself: ranks, the memory, plays and ranges.

use proptest::prelude::*;

use super::*;

fn job(seconds: f64) -> Job {
    Job { priority: 0, seconds, spread: 1.0, memory_mib: 0 }
}

fn arcs(pairs: &[(usize, usize)]) -> Vec<Arc> {
    pairs.iter().map(|(from, to)| Arc { from: *from, to: *to }).collect()
}

fn places(workload: &Workload) -> Vec<usize> {
    let order = workload.order();
    (0..workload.jobs.len() as u32).map(|rank| order.place(rank)).collect()
}

#[test]
fn priority_comes_before_the_path_and_the_path_before_the_place() {
    let jobs = [10.0, 20.0, 20.0, 5.0].map(job).to_vec();
    assert_eq!(places(&Workload::new(jobs.clone(), &[])), [1, 2, 0, 3]);
    // The third waits for the fourth: together they are the longest.
    assert_eq!(places(&Workload::new(jobs.clone(), &arcs(&[(3, 2)]))), [3, 1, 2, 0]);
    let mut urgent = jobs;
    urgent[0].priority = 1;
    assert_eq!(places(&Workload::new(urgent, &arcs(&[(3, 2)]))), [0, 3, 1, 2]);
}

#[test]
fn whom_an_urgent_task_waits_for_is_as_urgent() {
    let mut jobs = [100.0, 1.0, 1.0, 1.0].map(job).to_vec();
    jobs[3].priority = 7;
    jobs[2].priority = -1;
    assert_eq!(places(&Workload::new(jobs, &arcs(&[(1, 2), (2, 3)]))), [1, 2, 3, 0]);
}

#[test]
fn paths_that_are_alike_are_alike_however_they_are_added_up() {
    let jobs = [0.1, 0.2, 0.3, 0.3, 0.2, 0.1].map(job).to_vec();
    assert_eq!(places(&Workload::new(jobs, &arcs(&[(0, 1), (1, 2), (3, 4), (4, 5)]))), [0, 3, 1, 2, 4, 5]);
}

/// One wild guess does not put a chain before one that is known to take long.
#[test]
fn an_estimate_says_less_the_more_unsure_it_is() {
    let long = [60.0, 60.0, 60.0, 60.0, 300.0, 330.0].map(job);
    assert_eq!(places(&Workload::new(long.to_vec(), &[]))[..2], [5, 4]);
    let mut unsure = long;
    unsure[5].spread = 5.0;
    assert_eq!(places(&Workload::new(unsure.to_vec(), &[]))[..2], [4, 5]);
    // Where all are as unsure, the longest stays the longest.
    let alike = long.map(|job| Job { spread: 5.0, ..job });
    assert_eq!(places(&Workload::new(alike.to_vec(), &[]))[..2], [5, 4]);
}

#[test]
fn figures_that_are_none_do_no_harm() {
    let odd = [f64::NAN, f64::INFINITY, -5.0, 0.0, 1.0].map(job);
    let odd: Vec<Job> = odd.into_iter().map(|job| Job { spread: f64::NAN, ..job }).collect();
    let workload = Workload::new(odd, &arcs(&[(4, 3)]));
    assert_eq!(places(&workload)[..2], [1, 4]);
    let end = workload.play_as_expected(&workload.order(), 2, None);
    assert!(end.is_finite() && end >= 1.0);
    assert_eq!(Workload::new(vec![], &[]).play_as_expected(&Order::from_places(vec![]), 3, None), 0.0);
}

fn running(key: u64, memory_mib: u64, seconds_left: f64) -> Occupant {
    Occupant { key, memory_mib, seconds_left }
}

fn next(key: u64, memory_mib: u64, seconds: f64) -> Candidate {
    Candidate { key, memory_mib, seconds, spent: 0.0 }
}

#[test]
fn what_does_not_fit_waits_and_is_passed_only_by_those_that_do_not_keep_it_waiting() {
    use Admission::{Begins, Waits};
    let mut room = Room::new(Some(1000), vec![running(1, 600, 100.0), running(2, 300, 20.0)]);
    // The fifth will fit when the first is over, in a hundred seconds.
    assert_eq!(room.admit(next(5, 500, 10.0)), Waits);
    assert_eq!(room.admit(next(6, 150, 10.0)), Waits, "it does not fit itself");
    assert_eq!(room.admit(next(7, 80, 500.0)), Begins, "it fits beside the fifth too");
    assert_eq!(room.admit(next(8, 20, 99.0)), Begins, "it is over before");
    assert_eq!(room.admit(next(9, 1, 1.0)), Waits, "now it is full");
    assert_eq!(room.taken(), 1000);
}

#[test]
fn what_would_keep_it_waiting_does_not_pass() {
    use Admission::{Begins, Waits};
    let occupants = || vec![running(1, 600, 100.0)];
    let mut room = Room::new(Some(1000), occupants());
    assert_eq!(room.admit(next(5, 900, 10.0)), Waits);
    assert_eq!(
        room.admit(next(6, 200, 101.0)),
        Waits,
        "200 and 900 are more than there is, and it takes too long"
    );
    assert_eq!(room.admit(next(7, 100, 101.0)), Begins);
    // Overdue: nobody knows when it ends, so nothing ends before.
    let mut room = Room::new(Some(1000), vec![running(1, 600, -5.0)]);
    assert_eq!(room.admit(next(5, 900, 10.0)), Waits);
    assert_eq!(room.admit(next(6, 200, 1.0)), Waits);
    // Those that began behind it count, whenever that was.
    let mut room = Room::new(Some(1000), vec![running(1, 600, 0.0), running(9, 100, 50.0)]);
    assert_eq!(room.admit(next(5, 850, 10.0)), Waits);
    assert_eq!(room.admit(next(6, 100, 60.0)), Waits);
    assert_eq!(room.admit(next(7, 50, 60.0)), Begins);
}

#[test]
fn whoever_takes_more_than_there_is_runs_alone() {
    use Admission::{Begins, Waits};
    let mut empty = Room::new(Some(1000), vec![]);
    assert_eq!(empty.admit(next(1, 5000, 10.0)), Begins);
    assert_eq!(empty.admit(next(2, 1, 1.0)), Waits);
    let mut busy = Room::new(Some(1000), vec![running(2, 10, 30.0)]);
    assert_eq!(busy.admit(next(1, 5000, 10.0)), Waits);
    assert_eq!(busy.admit(next(3, 10, 30.0)), Waits, "not to the end of it");
    assert_eq!(busy.admit(next(4, 10, 29.0)), Begins);
}

#[test]
fn what_nobody_measured_keeps_nobody_waiting() {
    let mut unknown = Room::new(None, vec![running(1, 600, 1.0)]);
    assert_eq!(unknown.admit(next(2, 6000, 1.0)), Admission::Begins);
    let mut room = Room::new(Some(1000), vec![running(1, 900, 1.0)]);
    for key in 2..30 {
        assert_eq!(room.admit(next(key, 0, 1000.0)), Admission::Begins);
    }
}

#[test]
fn so_many_are_looked_at_and_no_more() {
    let mut room = Room::new(Some(1000), vec![running(1, 900, 1.0)]);
    let admitted: Vec<Admission> = (2..200).map(|key| room.admit(next(key, 500, 10.0))).collect();
    assert!(admitted[..33].iter().all(|admission| *admission == Admission::Waits));
    assert!(admitted[33..].iter().all(|admission| *admission == Admission::Enough));
}

/// Small ones for ever: the large one begins as soon as those that ran when it came to be first are over, or should have been.
#[test]
fn a_large_one_does_not_starve() {
    let mut jobs = vec![Job { memory_mib: 200, ..job(60.0) }; 5];
    jobs.push(Job { memory_mib: 900, ..job(10.0) });
    jobs.extend((0..1000).map(|at| Job { memory_mib: 200, ..job(10.0 + f64::from(at % 50)) }));
    let workload = Workload::new(jobs, &[]);
    let given = Order::from_places((0..1006).collect());
    let begins = |truth: fn(f64) -> f64| {
        let seconds: Vec<f64> = workload.jobs.iter().map(|job| truth(job.seconds)).collect();
        workload.begins(&given, 6, Some(1000), &seconds)[5].unwrap()
    };
    assert_eq!(begins(|expected| expected), 60.0, "it waits for the five that began before it");
    // Three times as long as anybody expects: those five, and what began while they were not yet overdue.
    assert!(begins(|expected| 3.0 * expected) <= 3.0 * (60.0 + 60.0));
    // And quicker.
    assert!(begins(|expected| expected / 3.0) <= 60.0);
}

fn graphs() -> impl Strategy<Value = (Workload, Vec<f64>, usize, u64)> {
    let jobs = proptest::collection::vec((0..3_i64, 1..200_u32, 0..800_u64), 1..30);
    let edges = proptest::collection::vec((0..30_usize, 0..30_usize), 0..30);
    let truth = proptest::collection::vec(1..300_u32, 30);
    (jobs, edges, truth, 1..6_usize, 700..2500_u64).prop_map(|(jobs, edges, truth, slots, memory)| {
        let count = jobs.len();
        let jobs = jobs.into_iter().map(|(priority, seconds, memory_mib)| Job {
            priority,
            seconds: f64::from(seconds),
            spread: 2.0,
            memory_mib,
        });
        let inside: Vec<(usize, usize)> =
            edges.into_iter().filter(|(from, to)| from < to && *to < count).collect();
        let truth = truth.into_iter().take(count).map(f64::from).collect();
        (Workload::new(jobs.collect(), &arcs(&inside)), truth, slots, memory)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing ends before the longest path or the work over the slots; nothing takes longer than one after another; and nobody is
    /// forgotten, however little memory there is.
    #[test]
    fn a_play_is_between_what_is_possible((workload, truth, slots, memory) in graphs()) {
        let order = workload.order();
        let end = workload.play(&order, slots, Some(memory), &truth);
        let all: f64 = truth.iter().sum();
        prop_assert!(end >= workload.longest_path(&truth) - 1e-6 && end >= all / slots as f64 - 1e-6);
        prop_assert!(end <= all + 1e-6, "{end} of {all}");
        let one = workload.play(&order, 1, Some(memory), &truth);
        prop_assert!((one - all).abs() < 1e-6, "{one} of {all}: somebody was left out");
    }

    /// Without memory it is list scheduling, so at most twice the best (Graham 1966).
    #[test]
    fn without_a_limit_it_ends_within_grahams_bound((workload, truth, slots, _) in graphs()) {
        let end = workload.play(&workload.order(), slots, None, &truth);
        let (all, path) = (truth.iter().sum::<f64>(), workload.longest_path(&truth));
        let slots = slots as f64;
        prop_assert!(end <= all / slots + path * (slots - 1.0) / slots + 1e-6);
    }
}
