//! What trees of processes are measured to use.

mod common;

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use common::{Fixture, next_line, to_end};
use gadugi_core::StopForce;
use gadugi_exec::{Figures, Sampler, StepFollower};

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

/// Looks until that is so.
fn until(sampler: &mut Sampler, step: &StepFollower, so: impl Fn(&Figures) -> bool) -> Figures {
    let begun = Instant::now();
    loop {
        let figures = sampler.sample(&[step.process().clone()])[0].expect("it runs");
        if so(&figures) {
            return figures;
        }
        assert!(begun.elapsed() < common::PATIENCE, "{figures:?}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_process_that_keeps_one_processor_busy_shows_a_hundred_percent() {
    let fixture = Fixture::new();
    let mut step = fixture.executor.launch(&fixture.script("echo up; while :; do :; done")).await.unwrap();
    next_line(&mut step).await;
    let mut sampler = Sampler::new();
    let first = until(&mut sampler, &step, |_| true);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        tokio::task::yield_now().await;
    }
    let second = until(&mut sampler, &step, |_| true);
    // Of a machine whose processors are all busy it gets less; never more.
    assert!((20.0..110.0).contains(&second.cpu_percent), "{second:?}");
    let used = (second.cpu_ms - first.cpu_ms) as f64;
    let told = second.cpu_percent * 10.0 * begun.elapsed().as_secs_f64();
    assert!(
        (used - told).abs() < 50.0 + told / 5.0,
        "time and percent are the same thing: {used} ms, {told} ms"
    );
    stop(step).await;
}

#[tokio::test]
async fn threads_count_as_a_limit_of_pids_counts_them() {
    let fixture = Fixture::new();
    let script = "import threading, time\n\
                  for _ in range(20): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n\
                  print('up', flush=True)\n\
                  time.sleep(1000)";
    let order = fixture.order(&["python3", "-c", script]);
    let mut step = fixture.executor.launch(&order).await.unwrap();
    assert_eq!(next_line(&mut step).await, "up");
    let figures = until(&mut Sampler::new(), &step, |_| true);
    // The shim, the interpreter's own thread, and those that it made.
    assert_eq!((figures.processes, figures.threads, figures.pids), (2, 22, 22), "{figures:?}");
    assert_eq!(figures.taken().pids_peak, Some(22));
    stop(step).await;
}

#[tokio::test]
async fn bytes_of_disks_stay_when_those_who_wrote_them_have_ended() {
    let fixture = Fixture::new();
    assert!(
        std::process::Command::new("mkfifo").arg(fixture.path("fifo")).status().is_ok_and(|ok| ok.success())
    );
    // A child of the script's, and one whose parent has ended, for whom the shim waits, and which hides what it knows of
    // that from all but root. Their folder has to be on a disk.
    let write = "dd if=/dev/zero bs=1M count=8 conv=fsync 2> /dev/null";
    let fifo = fixture.path("fifo");
    let script = format!(
        "{write} of=one; (setsid sh -c '{write} of=two; read x < {}' &) ; echo over; exec sleep 1000",
        fifo.display()
    );
    let mut order = fixture.script(&script);
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    order.cwd = disk.path().to_owned();
    let mut step = fixture.executor.launch(&order).await.unwrap();
    assert_eq!(next_line(&mut step).await, "over");
    let mut sampler = Sampler::new();
    let both = |figures: &Figures| figures.disk_written_bytes >= Some(16 << 20);
    until(&mut sampler, &step, both);
    fs::OpenOptions::new().write(true).open(&fifo).unwrap().write_all(b"go\n").unwrap();
    let figures = until(&mut sampler, &step, |figures| figures.processes == 2);
    assert!(both(&figures), "{figures:?}");
    // Nothing twice. Beside it comes its own output, and what a busy disk has written once more of the same pages.
    assert!(figures.disk_written_bytes < Some(32 << 20), "{figures:?}");
    assert!(!figures.container && figures.net_in_bytes.is_none());
    stop(step).await;
}

#[tokio::test]
async fn many_trees_are_looked_at_within_some_milliseconds() {
    /// As many as 200 steps of two processes.
    const PROCESSES: usize = 400;
    let fixture = Fixture::new();
    let script = "for _ in $(seq 398); do sleep 1000 & done; echo up; exec sleep 1000";
    let mut step = fixture.executor.launch(&fixture.script(script)).await.unwrap();
    assert_eq!(next_line(&mut step).await, "up");
    let mut sampler = Sampler::new();
    let figures = until(&mut sampler, &step, |figures| figures.processes as usize >= PROCESSES);
    let times = (0..20).map(|_| {
        let begun = Instant::now();
        let looked = until(&mut sampler, &step, |_| true);
        assert_eq!(looked.processes, figures.processes);
        begun.elapsed()
    });
    // The quickest: what else the machine does is not what is measured.
    let quickest = times.min().unwrap();
    assert!(quickest < Duration::from_millis(if cfg!(debug_assertions) { 60 } else { 20 }), "{quickest:?}");
    println!("{quickest:?} for {PROCESSES} processes");
    stop(step).await;
}
