//! Work that is done on all processors.

use std::num::NonZero;
use std::{panic, thread};

/// Divides things into as many shares as there are processors, but none of fewer than `least` (for which a thread is not
/// worth it), and does the work with all of them side by side. What comes of it is in the order of the things. A panic
/// goes on in whoever asked.
pub(crate) fn shares<T: Sync, R: Send>(all: &[T], least: usize, work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let share = all.len().div_ceil(processors).max(least).max(1);
    if all.len() <= share {
        return vec![work(all)];
    }
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = all.chunks(share).map(|share| scope.spawn(move || work(share))).collect();
        let done = threads.into_iter().map(|thread| thread.join());
        done.map(|done| done.unwrap_or_else(|cause| panic::resume_unwind(cause))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_of_shares_is_in_their_order() {
        let numbers: Vec<u32> = (0..1000).collect();
        for least in [0, 1, 7, 999, 1000, 5000] {
            let shares = shares(&numbers, least, <[u32]>::to_vec);
            assert_eq!(shares.concat(), numbers, "{least}");
            let (_, whole) = shares.split_last().unwrap();
            assert!(whole.iter().all(|share| share.len() >= least), "{least}");
        }
        assert_eq!(shares(&[], 1, <[u32]>::to_vec).concat(), Vec::<u32>::new());
    }

    #[test]
    fn a_panic_goes_on() {
        let work = |some: &[u32]| assert!(!some.contains(&999), "a defect");
        let numbers: Vec<u32> = (0..1000).collect();
        let cause = panic::catch_unwind(|| shares(&numbers, 1, work)).unwrap_err();
        assert_eq!(cause.downcast_ref::<&str>(), Some(&"a defect"));
    }
}
