//! A step's output has a bound.

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Fixture, assert_nothing_left, code, to_end};
use gadugi_core::{Millis, StepExit};
use gadugi_exec::StepOrder;

const BOUND: u64 = 300_000;

fn bounded(fixture: &Fixture, script: &str) -> StepOrder {
    let mut order = fixture.script(script);
    order.limits.output_bytes = Some(BOUND);
    order
}

/// Bytes of both files.
fn recorded(dir: &Path) -> u64 {
    let size = |name| fs::metadata(dir.join(name)).map_or(0, |data| data.len());
    size("stdout.jsonl") + size("stderr.log")
}

#[tokio::test]
async fn what_keeps_within_the_bound_is_whole() {
    let fixture = Fixture::new();
    // To the byte, on both streams together.
    let order = bounded(&fixture, "head -c 200000 /dev/zero; head -c 100000 /dev/zero >&2; exit 3");
    let (_, ended) = fixture.run(&order).await;
    assert_eq!((ended.exit, ended.stopped, recorded(&order.dir)), (code(3), false, BOUND));
}

#[tokio::test]
async fn one_byte_more_is_too_much() {
    let fixture = Fixture::new();
    for script in ["head -c 200000 /dev/zero; head -c 100001 /dev/zero >&2", "head -c 300001 /dev/zero >&2"] {
        let order = bounded(&fixture, script);
        let (_, ended) = fixture.run(&order).await;
        // Also where the process was over before that came to light.
        assert_eq!((ended.exit, recorded(&order.dir)), (StepExit::TooMuchOutput, BOUND), "{script}");
        assert!(!ended.output_lost);
    }
}

#[tokio::test]
async fn a_step_that_never_ceases_is_stopped_with_its_whole_descent() {
    let fixture = Fixture::new();
    let order = bounded(&fixture, "(setsid yes >&2 &); (setsid sleep 1000 &); yes");
    let (_, ended) = fixture.run(&order).await;
    assert_eq!((ended.exit, ended.stopped, ended.left_over), (StepExit::TooMuchOutput, true, 0));
    assert_eq!(recorded(&order.dir), BOUND);
    assert_nothing_left(&order);
}

#[tokio::test]
async fn it_is_stopped_as_gently_as_by_anybody_and_nothing_more_is_recorded() {
    let fixture = Fixture::new();
    // It heeds TERM in its own time, and has more to say than a pipe holds.
    let order = bounded(
        &fixture,
        "trap 'head -c 5000000 /dev/zero; touch ../gently; exit 0' TERM; head -c 300001 /dev/zero; \
         while :; do sleep 0.05; done",
    );
    let (_, ended) = fixture.run(&order).await;
    assert_eq!((ended.exit, ended.stopped), (StepExit::TooMuchOutput, true));
    assert!(fixture.path("gently").exists());
    assert_eq!(recorded(&order.dir), BOUND);
}

#[tokio::test]
async fn one_that_does_not_heed_it_is_killed_after_its_grace() {
    let fixture = Fixture::new();
    let mut order = bounded(&fixture, "trap '' TERM; while :; do echo more and more and more; done");
    order.grace = Millis(500);
    let begun = Instant::now();
    let mut follower = fixture.executor.launch(&order).await.expect("it starts");
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped), (StepExit::TooMuchOutput, true));
    assert!(begun.elapsed() > Duration::from_millis(500));
    assert_eq!(recorded(&order.dir), BOUND);
    assert_nothing_left(&order);
}
