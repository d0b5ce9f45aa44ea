//! The core against the simulated world. A failing seed prints its story; `simulator::run(seed, &shape)` tells it
//! again.

use std::sync::atomic::{AtomicU64, Ordering};

use gadugi_testkit::simulator::{self, Failure, Shape, Simulation, Summary};

/// Plays seeds on all processors; the failure of the lowest seed counts.
fn play(seeds: std::ops::Range<u64>, shape: &Shape) -> Result<Vec<Summary>, Failure> {
    let next = AtomicU64::new(seeds.start);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let results: Vec<Result<Vec<Summary>, Failure>> = std::thread::scope(|scope| {
        let work = || {
            let mut played = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return Ok(played);
                }
                played.push(simulator::run(seed, shape)?);
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a simulation panicked")).collect()
    });
    let mut all = Vec::new();
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(played) => all.extend(played),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.into_iter().min_by_key(|failure| failure.seed) {
        Some(failure) => Err(failure),
        None => Ok(all),
    }
}

#[test]
fn three_thousand_small_worlds_keep_every_invariant() {
    let played = play(0..3000, &Shape::small()).unwrap_or_else(|failure| panic!("\n{failure}"));
    // The worlds are rough enough to mean something, and not so rough that nothing ever comes off.
    let sum = |of: fn(&Summary) -> usize| played.iter().map(of).sum::<usize>();
    let (tasks, succeeded) = (sum(|one| one.tasks), sum(|one| one.succeeded));
    assert_eq!(played.len(), 3000);
    assert!(sum(|one| one.crashes) > 3000, "too few crashes");
    assert!(sum(|one| one.lost_reports) > 300, "too few lost reports");
    assert!(sum(|one| one.commands) > 15_000, "too few commands");
    assert!(succeeded * 10 > tasks * 3, "{succeeded} of {tasks} tasks succeeded");
    assert!(succeeded * 10 < tasks * 9, "{succeeded} of {tasks} tasks succeeded");
}

#[test]
fn worlds_of_hundreds_of_tasks_keep_every_invariant() {
    let played = play(0..6, &Shape::large(300)).unwrap_or_else(|failure| panic!("\n{failure}"));
    assert!(played.iter().map(|one| one.tasks).sum::<usize>() > 900);
}

#[test]
fn a_seed_tells_one_story() {
    for seed in 0..50 {
        let once = Simulation::new(seed, &Shape::small()).play().expect("a good end");
        let again = Simulation::new(seed, &Shape::small()).told().play().expect("a good end");
        assert_eq!(once, again, "seed {seed}");
    }
}
