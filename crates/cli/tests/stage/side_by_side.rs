//! Many stages at once: each waits for processes more than it works.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stages for each processor that there is.
const PER_PROCESSOR: usize = 4;

/// Does all of it on several threads; what each came to, in order. A panic is an error with its words.
pub fn side_by_side<I: Sync, O: Send>(
    all: &[I],
    work: impl Fn(&I) -> Result<O, String> + Sync,
) -> Vec<Result<O, String>> {
    let threads =
        std::thread::available_parallelism().map_or(1, |processors| processors.get() * PER_PROCESSOR);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(all.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = all.get(at) else { break };
                    let outcome = catch_unwind(AssertUnwindSafe(|| work(item)));
                    let outcome = outcome.unwrap_or_else(|panic| Err(words_of(&*panic)));
                    done.lock().unwrap().push((at, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// What somebody said who panicked.
pub fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}
