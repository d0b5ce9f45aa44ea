//! Stopping steps in containers.

use std::time::{Duration, Instant};

use gadugi_core::{Millis, StepExit, StopForce};

use crate::common::{code, next_line, patiently, to_end};
use crate::stage::Stage;

/// Descendants that left their session, ignore TERM, and are nobody's children any more.
const STUBBORN: &str =
    "for i in 1 2 3; do setsid sh -c 'trap \"\" TERM INT HUP; while :; do sleep 1000; done' & done; ";

#[tokio::test]
async fn gently_it_may_end_by_itself() {
    let stage = Stage::new().await;
    let order = stage.script("trap 'echo bye; exit 5' TERM; echo on; while :; do sleep 0.1; done");
    let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "on");
    let stopper = follower.stopper();
    assert!(stopper.stop(StopForce::Grace) && stopper.stop(StopForce::Grace), "asking again changes nothing");
    assert_eq!(next_line(&mut follower).await, "bye");
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped, ended.by_engine), (code(5), true, false));
    assert!(!stopper.stop(StopForce::Now), "there is nothing to stop any more");
    stage.until_removed().await;
}

#[tokio::test]
async fn whoever_ignores_it_is_killed_after_its_grace() {
    let stage = Stage::new().await;
    let mut order = stage.script(&format!("{STUBBORN} trap '' TERM; echo on; while :; do sleep 1000; done"));
    order.grace = Millis(700);
    let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "on");
    let asked = Instant::now();
    assert!(follower.stopper().stop(StopForce::Grace));
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped, ended.left_over), (StepExit::Signal(9), true, 0));
    assert!(asked.elapsed() >= Duration::from_millis(700));
    stage.until_removed().await;
}

#[tokio::test]
async fn at_once_nothing_is_waited_for() {
    let stage = Stage::new().await;
    let mut order = stage.script(&format!("{STUBBORN} trap '' TERM; echo on; while :; do sleep 1000; done"));
    order.grace = Millis::seconds(1000);
    let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "on");
    let stopper = follower.stopper();
    assert!(stopper.stop(StopForce::Grace) && stopper.stop(StopForce::Now), "Now after Grace");
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped, ended.by_engine), (StepExit::Signal(9), true, false));
    stage.until_removed().await;
}

#[tokio::test]
async fn what_its_main_process_leaves_ends_with_it() {
    let stage = Stage::new().await;
    let mut order = stage.script(&format!("{STUBBORN} echo on"));
    order.grace = Millis(300);
    let (lines, ended) = stage.run(&order).await;
    assert_eq!((lines, ended.exit, ended.stopped), (vec!["on".to_owned()], code(0), false));
    stage.until_removed().await;
}

#[tokio::test]
async fn at_once_means_also_one_that_somebody_has_paused() {
    let stage = Stage::new().await;
    let order = stage.script("echo on; sleep 1000");
    let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "on");
    stage.docker(&["pause", &order.container.as_ref().unwrap().name]);
    assert!(follower.stopper().stop(StopForce::Now));
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped, ended.by_engine), (StepExit::Signal(9), true, false));
    stage.until_removed().await;
}
