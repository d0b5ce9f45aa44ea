//! What trees of processes are measured to use.

mod common;

use std::fs;
use std::io::Write;
use std::time::Instant;

use common::{Fixture, next_line, to_end};
use gadugi_core::StopForce;
use gadugi_exec::{Sampler, StepFollower};

async fn stop(mut follower: StepFollower) {
    follower.stopper().stop(StopForce::Now);
    to_end(&mut follower).await;
}

#[tokio::test]
async fn processor_time_of_the_whole_tree_counts_and_that_of_children_that_have_ended() {
    let fixture = Fixture::new();
    let idle = fixture.script("echo up; exec sleep 1000");
    // Burns in children that end all the time, in a session of their own.
    let busy = fixture
        .script("echo up; setsid sh -c 'while :; do head -c 2000000 /dev/zero | md5sum > /dev/null; done'");
    let mut idle = fixture.executor.launch(&idle).await.unwrap();
    let mut busy = fixture.executor.launch(&busy).await.unwrap();
    next_line(&mut idle).await;
    next_line(&mut busy).await;
    let roots = [idle.process().clone(), busy.process().clone()];
    let mut sampler = Sampler::new();
    let first = sampler.sample(&roots);
    assert!(first.iter().all(|figures| (0.0..500.0).contains(&figures.unwrap().cpu_percent)), "{first:?}");
    let begun = Instant::now();
    let mut last_ms = 0;
    loop {
        let figures = sampler.sample(&roots)[1].unwrap();
        assert!(figures.cpu_ms >= last_ms, "it never goes back");
        last_ms = figures.cpu_ms;
        if last_ms >= 400 {
            break;
        }
        assert!(begun.elapsed() < common::PATIENCE);
        tokio::task::yield_now().await;
    }
    let mut sampler = Sampler::new();
    sampler.sample(&roots);
    let begun = Instant::now();
    while begun.elapsed().as_millis() < 500 {
        tokio::task::yield_now().await;
    }
    let [Some(idle_figures), Some(busy_figures)] = sampler.sample(&roots)[..] else { panic!("both live") };
    assert!(idle_figures.cpu_percent < 5.0, "{idle_figures:?}");
    assert!((10.0..500.0).contains(&busy_figures.cpu_percent), "{busy_figures:?}");
    // The shim and its sleep.
    assert_eq!((idle_figures.processes, idle_figures.threads), (2, 2));
    assert!(busy_figures.processes >= 3, "{busy_figures:?}");
    stop(idle).await;
    stop(busy).await;
    assert_eq!(sampler.sample(&roots), [None, None], "what is gone has no figures");
}

#[tokio::test]
async fn memory_is_that_of_the_whole_tree() {
    let fixture = Fixture::new();
    // `tail` keeps what has no newline.
    let order =
        fixture.script("exec 3>&1; (head -c 60000000 /dev/zero; echo held >&3; sleep 1000) | tail -n 1");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "held");
    let roots = [follower.process().clone()];
    let mut sampler = Sampler::new();
    let begun = Instant::now();
    loop {
        let figures = sampler.sample(&roots)[0].unwrap();
        if figures.memory_mib > 50.0 {
            assert!(figures.memory_percent > 0.0 && figures.memory_percent < 100.0, "{figures:?}");
            break;
        }
        assert!(begun.elapsed() < common::PATIENCE, "{figures:?}");
        tokio::task::yield_now().await;
    }
    stop(follower).await;
}

#[tokio::test]
async fn the_peak_of_a_tree_stays_and_what_comes_from_files_is_not_its_own() {
    let fixture = Fixture::new();
    assert!(
        std::process::Command::new("mkfifo").arg(fixture.path("fifo")).status().is_ok_and(|ok| ok.success())
    );
    // Two at a time keep what they read until they are let go.
    let eater =
        "sh -c '(head -c 30000000 /dev/zero; echo held >&3; read x < ../fifo) | tail -n 1 > /dev/null'";
    let order = fixture.script(&format!("exec 3>&1; {eater} & {eater} & wait; echo over; exec sleep 1000"));
    let mut follower = fixture.executor.launch(&order).await.expect("it starts");
    for _ in 0..2 {
        assert_eq!(next_line(&mut follower).await, "held");
    }
    let roots = [follower.process().clone()];
    let mut sampler = Sampler::new();
    let begun = Instant::now();
    let high = loop {
        let figures = sampler.sample(&roots)[0].expect("it runs");
        if figures.own_mib > 55.0 {
            break figures;
        }
        assert!(begun.elapsed() < common::PATIENCE, "{figures:?}");
        tokio::task::yield_now().await;
    };
    assert!(high.peak_mib >= high.own_mib && high.memory_mib > high.own_mib, "{high:?}");
    // The C library's pages, at the least, are there for each of nine processes and belong to none.
    assert!(high.memory_mib - high.own_mib > 5.0, "{high:?}");
    // When it has been given back, the peak is still known. Open for both, the fifo has a line for each reader.
    let fifo = fs::OpenOptions::new().read(true).write(true).open(fixture.path("fifo"));
    let mut fifo = fifo.expect("it is there");
    fifo.write_all(b"\n\n").expect("it takes two bytes");
    assert_eq!(next_line(&mut follower).await, "over");
    drop(fifo);
    let low = sampler.sample(&roots)[0].expect("it runs");
    assert!(low.own_mib < 10.0 && low.peak_mib >= high.own_mib, "{low:?}");
    stop(follower).await;
}
