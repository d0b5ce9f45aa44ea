//! Many seeds on many threads. Each story is one thread's alone; what is shared is the number of the next seed.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Failure, Shape, Simulator, Summary, shrink};

/// After so many seeds their sizes repeat ([`Shape::of`]).
const CYCLE: u64 = 2500;

/// Plays seeds until all are played, one fails, or `goes_on`, which sees each seed's summary, says no. Of each 2,500 the
/// largest come first, so that nobody waits for them at the end.
///
/// # Errors
///
/// Of the seeds that failed the lowest.
pub(super) fn play(
    simulator: &Simulator,
    seeds: Range<u64>,
    workers: usize,
    goes_on: &(dyn Fn(&Summary) -> bool + Sync),
) -> Result<Summary, Failure> {
    let order = order();
    let next = AtomicU64::new(seeds.start / CYCLE * CYCLE);
    let stop = AtomicBool::new(false);
    let total = Mutex::new((Summary::default(), None::<Failure>));
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let cycle = place / CYCLE * CYCLE;
            if cycle >= seeds.end {
                return;
            }
            let seed = cycle + order[usize::try_from(place % CYCLE).unwrap_or(0)];
            if !seeds.contains(&seed) {
                continue;
            }
            let played = simulator.run(seed);
            let Ok(mut total) = total.lock() else { return };
            match played {
                Ok(summary) => {
                    total.0.add(&summary);
                    if goes_on(&summary) {
                        continue;
                    }
                }
                Err(failure) if total.1.as_ref().is_none_or(|known| failure.seed < known.seed) => {
                    total.1 = Some(failure);
                }
                Err(_) => {}
            }
            stop.store(true, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(work);
        }
    });
    let (summary, failure) = total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match failure {
        Some(failure) => Err(failure),
        None => Ok(summary),
    }
}

/// Plays all seeds, whatever fails: for each sort of problem how many seeds show it, and the lowest of them.
pub(super) fn survey(
    simulator: &Simulator,
    seeds: Range<u64>,
    workers: usize,
) -> BTreeMap<String, (usize, u64)> {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let Err(failure) = simulator.run(seed) else { continue };
            let Ok(mut found) = found.lock() else { return };
            let (count, lowest) = found.entry(shrink::class(&failure.problem)).or_insert((0, seed));
            (*count, *lowest) = (*count + 1, (*lowest).min(seed));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(work);
        }
    });
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Seeds of one cycle, the largest first.
fn order() -> Vec<u64> {
    let mut order: Vec<u64> = (0..CYCLE).collect();
    order.sort_by_key(|seed| Reverse(*Shape::of(*seed, u64::MAX).tasks.end()));
    order
}
