//! Stopping reaches the whole descent, and nobody else.

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Fixture, PATIENCE, assert_nothing_left, code, exists, next_line, patiently, to_end};
use gadugi_core::{Millis, StepExit, StopForce};
use gadugi_exec::{Adoption, StepFollower, StepNews, StepOrder};
use rustix::process::Signal;

/// Prints its pid, and nothing but KILL ends it.
const STUBBORN: &str = "trap '' TERM INT HUP QUIT USR1; echo $$; while :; do sleep 1000; done";

/// A tree of stubborn processes: plain, in a session of its own, and double-forked with an empty environment.
fn stubborn_tree() -> String {
    let inner = STUBBORN.replace('\'', "\"").replace('$', "\\$").replace('"', "\\\"");
    format!(
        "sh -c \"{inner}\" & setsid sh -c \"{inner}\" & (setsid env -i /bin/sh -c \"{inner}\" &) ; {STUBBORN}"
    )
}

async fn pids(follower: &mut StepFollower, count: usize) -> Vec<String> {
    let mut pids = Vec::new();
    for _ in 0..count {
        pids.push(next_line(follower).await);
    }
    assert!(pids.iter().all(|pid| exists(pid)), "{pids:?}");
    pids
}

fn assert_gone(order: &StepOrder, pids: &[String]) {
    assert!(!pids.iter().any(|pid| exists(pid)), "{pids:?}");
    assert_nothing_left(order);
}

#[tokio::test]
async fn a_step_that_heeds_term_ends_in_its_own_words() {
    let fixture = Fixture::new();
    let order = fixture.script("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    next_line(&mut follower).await;
    assert!(follower.stopper().stop(StopForce::Grace));
    let (lines, ended) = to_end(&mut follower).await;
    assert_eq!((lines[0].bytes.as_slice(), ended.exit, ended.stopped), (&b"bye"[..], code(3), true));
    assert_nothing_left(&order);
}

#[tokio::test]
async fn asking_again_with_grace_takes_no_grace_away() {
    let fixture = Fixture::new();
    let order =
        fixture.script("trap 'sleep 0.5; echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    next_line(&mut follower).await;
    for _ in 0..5 {
        assert!(follower.stopper().stop(StopForce::Grace));
        // The signals of one kind that wait are one: let the shim see each.
        tokio::task::yield_now().await;
    }
    assert_eq!(to_end(&mut follower).await.1.exit, code(3));
}

#[tokio::test]
async fn a_tree_that_ignores_term_is_killed_after_its_grace() {
    let fixture = Fixture::new();
    let mut order = fixture.script(&stubborn_tree());
    order.grace = Millis(400);
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let pids = pids(&mut follower, 4).await;
    let begun = Instant::now();
    follower.stopper().stop(StopForce::Grace);
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped, ended.left_over), (StepExit::Signal(9), true, 0));
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
    assert_gone(&order, &pids);
}

#[tokio::test]
async fn now_kills_at_once() {
    let fixture = Fixture::new();
    let mut order = fixture.script(&stubborn_tree());
    order.grace = Millis::seconds(3600);
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let pids = pids(&mut follower, 4).await;
    follower.stopper().stop(StopForce::Grace);
    follower.stopper().stop(StopForce::Now);
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped), (StepExit::Signal(9), true));
    assert_gone(&order, &pids);
}

#[tokio::test]
async fn a_second_term_from_anybody_kills_at_once() {
    let fixture = Fixture::new();
    let mut order = fixture.script("trap 'echo heard' TERM; echo $$; while :; do sleep 0.05; done");
    order.grace = Millis::seconds(3600);
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let pids = pids(&mut follower, 1).await;
    assert!(gadugi_sys::process::signal(follower.process(), Signal::TERM));
    assert_eq!(next_line(&mut follower).await, "heard");
    assert!(gadugi_sys::process::signal(follower.process(), Signal::TERM));
    assert_eq!(to_end(&mut follower).await.1.exit, StepExit::Signal(9));
    assert_gone(&order, &pids);
}

#[tokio::test]
async fn a_hangup_is_nothing_to_the_shim() {
    let fixture = Fixture::new();
    assert!(Command::new("mkfifo").arg(fixture.path("fifo")).status().unwrap().success());
    let order = fixture.script("echo ready; read x < ../fifo; exit 4");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    next_line(&mut follower).await;
    for signal in [Signal::HUP, Signal::PIPE] {
        assert!(gadugi_sys::process::signal(follower.process(), signal));
    }
    fs::write(fixture.path("fifo"), "\n").unwrap();
    assert_eq!(to_end(&mut follower).await.1.exit, code(4));
}

#[tokio::test]
async fn a_frozen_process_is_stopped_too() {
    let fixture = Fixture::new();
    let order = fixture.script("trap 'exit 6' TERM; echo $$; kill -STOP $$; while :; do sleep 0.05; done");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let pid = next_line(&mut follower).await;
    while !fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ") {
        tokio::task::yield_now().await;
    }
    follower.stopper().stop(StopForce::Grace);
    assert_eq!(to_end(&mut follower).await.1.exit, code(6));
}

#[tokio::test]
async fn a_process_that_is_always_somewhere_else_is_caught() {
    let fixture = Fixture::new();
    // Each begets two successors in a session of their own, ignores TERM, and ends: up to 64 of them at a time.
    let hydra = "trap '' TERM; n=$(ls /proc | wc -l); \
                 if [ $(ls -d ../heads/* | wc -l) -lt 64 ]; then setsid sh \"$0\" & fi; \
                 mkdir ../heads/$$; setsid sh \"$0\" & rmdir ../heads/$$; exit 0";
    fs::write(fixture.path("work/hydra"), hydra).unwrap();
    fs::create_dir(fixture.path("heads")).unwrap();
    let mut order = fixture.script("trap '' TERM; sh hydra & echo $$; while :; do sleep 1000; done");
    order.grace = Millis(300);
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let pids = pids(&mut follower, 1).await;
    follower.stopper().stop(StopForce::Grace);
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.left_over), (StepExit::Signal(9), 0));
    assert_gone(&order, &pids);
}

#[tokio::test]
async fn what_has_ended_cannot_be_stopped() {
    let fixture = Fixture::new();
    let mut follower = fixture.executor.launch(&fixture.script("exit 2")).await.unwrap();
    let stopper = follower.stopper();
    assert_eq!(to_end(&mut follower).await.1.exit, code(2));
    assert!(!stopper.stop(StopForce::Grace));
    assert!(!stopper.stop(StopForce::Now));
}

#[tokio::test]
async fn a_lease_that_nobody_renews_ends_the_step() {
    let fixture = Fixture::new();
    let mut order = fixture.script("echo $$; exec sleep 1000");
    order.lease = Millis(600);
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let pids = pids(&mut follower, 1).await;
    let begun = Instant::now();
    // Renewed for four times its length, in which the step must not end.
    let mut renewal = tokio::time::interval(Duration::from_millis(50));
    while begun.elapsed() < Duration::from_millis(2400) {
        tokio::select! {
            _ = renewal.tick() => fixture.executor.renew_lease(&order.dir).unwrap(),
            news = follower.next() => panic!("{news:?}"),
        }
    }
    assert!(exists(&pids[0]));
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped), (StepExit::LeaseLapsed, true));
    assert!(ended.wall.0 >= 2900, "{:?}", ended.wall);
    assert_gone(&order, &pids);
}

#[tokio::test]
async fn a_step_whose_folder_was_deleted_ends_with_its_lease() {
    let fixture = Fixture::new();
    let mut order = fixture.script(&stubborn_tree());
    order.lease = Millis(600);
    order.grace = Millis(100);
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let pids = pids(&mut follower, 4).await;
    fs::remove_dir_all(&order.dir).unwrap();
    assert!(fixture.executor.renew_lease(&order.dir).is_err(), "nobody can");
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!(ended.exit, StepExit::Lost);
    assert_gone(&order, &pids);
}

#[tokio::test]
async fn a_lease_from_the_future_is_no_longer_than_another() {
    let fixture = Fixture::new();
    let mut order = fixture.script("exec sleep 1000");
    order.lease = Millis(600);
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let lease = fs::File::options().write(true).open(order.dir.join("lease")).unwrap();
    let future = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(9_000_000_000);
    lease.set_times(fs::FileTimes::new().set_modified(future)).unwrap();
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped), (StepExit::LeaseLapsed, true));
    assert_nothing_left(&order);
}

#[tokio::test]
async fn a_pid_that_is_anothers_by_now_is_nobodys() {
    let fixture = Fixture::new();
    let order = fixture.script("exit 0");
    fs::create_dir_all(&order.dir).unwrap();
    let mut stranger = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let process = gadugi_sys::process::identify(stranger.id()).unwrap();
    for (start_ticks, boot) in
        [(process.start_ticks + 1, process.boot.clone()), (process.start_ticks, "other".into())]
    {
        let started = serde_json::json!({
            "shim": {"pid": process.pid, "start_ticks": start_ticks, "boot": boot},
            "child_pid": process.pid,
            "started_at": {"at": "2026-01-01T00:00:00.000Z", "ms": 1_767_225_600_000_i64},
        });
        fs::write(order.dir.join("started.json"), started.to_string()).unwrap();
        let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
        let Adoption::Lost(mut follower) = adoption else { panic!("{adoption:?}") };
        assert!(!follower.stopper().stop(StopForce::Now));
        assert_eq!(to_end(&mut follower).await.1.exit, StepExit::Lost);
    }
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn as_pid_1_the_shim_leaves_nothing_of_its_namespace() {
    let fixture = Fixture::new();
    let mut order = fixture.script(&format!("(setsid sh -c '{}' &) ; exit 8", STUBBORN.replace('\'', "\"")));
    order.grace = Millis(100);
    fs::create_dir_all(&order.dir).unwrap();
    let spec = serde_json::json!({
        "argv": ["/bin/sh", "-c", order.argv[2].to_str().unwrap()], "env_names": [], "cwd": order.cwd, "stdin": null,
        "attempt": order.attempt, "grace_ms": 100, "lease_ms": 0,
    });
    fs::write(order.dir.join("spec.json"), spec.to_string()).unwrap();
    let mut unshare = tokio::process::Command::new("unshare");
    unshare.args(["--pid", "--fork", "--mount-proc"]).arg(fixture.shim()).arg(&order.dir);
    let output = tokio::time::timeout(PATIENCE, unshare.output()).await.expect("it ends").unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "this test makes a pid namespace and needs root with CAP_SYS_ADMIN: {words}"
    );
    let exit: serde_json::Value =
        serde_json::from_slice(&fs::read(order.dir.join("exit.json")).unwrap()).unwrap();
    assert_eq!(
        (&exit["exit"]["code"], &exit["shim"]["pid"], &exit["left_over"]),
        (&8.into(), &1.into(), &0.into())
    );
}

#[tokio::test]
async fn stopping_while_nobody_follows_is_seen_later() {
    let fixture = Fixture::new();
    let order = fixture.script("echo ready; exec sleep 1000");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    assert!(matches!(patiently(follower.next()).await, Some(StepNews::Line(_))));
    let stopper = follower.stopper();
    drop(follower);
    assert!(stopper.stop(StopForce::Grace));
    let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
    let (Adoption::Running(mut follower) | Adoption::Ended(mut follower)) = adoption else {
        panic!("{adoption:?}")
    };
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped), (StepExit::Signal(15), true));
}

#[tokio::test]
async fn a_shim_that_its_agent_has_frozen_is_woken_to_stop_it() {
    for force in [StopForce::Grace, StopForce::Now] {
        let fixture = Fixture::new();
        // It freezes its shim once it is told to: before that, launching would wake it.
        let go = fixture.path("go");
        let freeze = format!("until [ -e {} ]; do sleep 0.01; done; kill -STOP $PPID", go.display());
        let mut order = fixture.script(&format!("{STUBBORN} & {freeze}; {STUBBORN}"));
        order.grace = Millis(200);
        let mut follower = fixture.executor.launch(&order).await.unwrap();
        fs::write(&go, "").unwrap();
        let shim = follower.process().pid;
        let deadline = Instant::now() + PATIENCE;
        while !is_frozen(shim) {
            assert!(Instant::now() < deadline, "the shim is frozen");
            tokio::task::yield_now().await;
        }
        assert!(follower.stopper().stop(force));
        let (_, ended) = to_end(&mut follower).await;
        assert_eq!((ended.exit, ended.stopped), (StepExit::Signal(9), true));
        assert_nothing_left(&order);
    }
}

#[tokio::test]
async fn a_step_that_freezes_its_shim_at_once_does_not_keep_its_starter_waiting() {
    let fixture = Fixture::new();
    for _ in 0..10 {
        let order = fixture.script("kill -STOP $PPID; exec sleep 1000");
        let mut follower = patiently(fixture.executor.launch(&order)).await.unwrap();
        assert!(follower.stopper().stop(StopForce::Now));
        // It may freeze its shim only now: whoever stops asks again.
        let ended = loop {
            tokio::select! {
                (_, ended) = to_end(&mut follower) => break ended,
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    follower.stopper().stop(StopForce::Now);
                }
            }
        };
        assert_eq!((ended.exit, ended.stopped), (StepExit::Signal(9), true));
    }
}

fn is_frozen(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, behind)| behind.starts_with(" T"))
}
