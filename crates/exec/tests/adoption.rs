//! Whoever launched a step may die; another finds it, all of it.
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not know what helps them")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Fixture, assert_nothing_left, code, exists, next_line, patiently, to_end};
use gadugi_core::{Millis, StepExit, StopForce};
use gadugi_exec::{Adoption, ExecError, LocalExecutor, StepFollower, StepOrder, sweep};
use rustix::process::Signal;

fn fifo(fixture: &Fixture) {
    let paths = [fixture.path("fifo"), fixture.path("fifo2")];
    assert!(Command::new("mkfifo").args(paths).status().unwrap().success());
}

fn running(adoption: Adoption) -> StepFollower {
    match adoption {
        Adoption::Running(follower) => follower,
        other => panic!("it runs, and is not {other:?}"),
    }
}

#[test]
fn a_new_engine_finds_every_byte_and_the_end() {
    // Runtimes of their own: what the first engine had is gone with it.
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let first = runtime();
    let (fixture, order, process) = first.block_on(async {
        let fixture = Fixture::new();
        fifo(&fixture);
        let order =
            fixture.script("echo one; echo two; read x < ../fifo; printf 'thr'; read x < ../fifo2; exit 11");
        let mut follower = fixture.executor.launch(&order).await.unwrap();
        assert_eq!(next_line(&mut follower).await, "one");
        let process = follower.process().clone();
        (fixture, order, process)
    });
    let state = fixture.path("state");
    first.shutdown_background();
    runtime().block_on(async {
        let executor = LocalExecutor::new(&state).unwrap();
        let mut follower = running(executor.adopt(&order.dir, &order.attempt).await.unwrap());
        assert_eq!(*follower.process(), process);
        assert!(follower.started_at().0 > 0);
        assert_eq!(next_line(&mut follower).await, "one");
        assert_eq!(next_line(&mut follower).await, "two");
        fs::write(fixture.path("fifo"), "\n").unwrap();
        fs::write(fixture.path("fifo2"), "\n").unwrap();
        let (lines, ended) = to_end(&mut follower).await;
        assert_eq!((lines[0].bytes.as_slice(), ended.exit, ended.stopped), (&b"thr"[..], code(11), false));
        drop(follower);
        let adoption = executor.adopt(&order.dir, &order.attempt).await.unwrap();
        let Adoption::Ended(mut again) = adoption else { panic!("{adoption:?}") };
        let (lines, ended) = to_end(&mut again).await;
        assert_eq!((lines.len(), ended.exit), (3, code(11)));
    });
}

#[tokio::test]
async fn a_step_that_never_started_is_known_as_such_and_can_be_launched() {
    let fixture = Fixture::new();
    let order = fixture.script("echo ran >> ../ran");
    let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
    assert!(matches!(adoption, Adoption::NeverStarted), "{adoption:?}");
    assert!(!order.dir.exists(), "asking makes nothing");
    // The engine died between writing the order and the shim's beginning.
    fs::create_dir_all(&order.dir).unwrap();
    let spec = serde_json::json!({
        "argv": ["/bin/sh", "-c", "echo late >> ../ran"], "env_names": [], "cwd": order.cwd, "stdin": null,
        "attempt": order.attempt, "grace_ms": 100, "lease_ms": 0,
    });
    fs::write(order.dir.join("spec.json"), spec.to_string()).unwrap();
    let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
    assert!(matches!(adoption, Adoption::NeverStarted), "{adoption:?}");
    let late = Command::new(fixture.shim()).arg(&order.dir).output().unwrap();
    assert_eq!(late.status.code(), Some(1), "a shim that comes late does nothing");
    assert!(!fixture.path("ran").exists());
    assert_eq!(fixture.run(&order).await.1.exit, code(0));
    let again = Command::new(fixture.shim()).arg(&order.dir).output().unwrap();
    assert_eq!(again.status.code(), Some(75), "nor does one where another was");
    assert_eq!(fs::read_to_string(fixture.path("ran")).unwrap(), "ran\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn launching_twice_runs_once() {
    let fixture = Fixture::new();
    for round in 0..10 {
        let order = fixture.script(&format!("echo {round} >> ../ran"));
        let launches: Vec<_> = (0..6)
            .map(|_| {
                let executor = LocalExecutor::new(&fixture.path("state")).unwrap();
                let order = order.clone();
                tokio::spawn(async move { executor.launch(&order).await.unwrap() })
            })
            .collect();
        for launch in launches {
            let (_, ended) = to_end(&mut patiently(launch).await.unwrap()).await;
            assert_eq!(ended.exit, code(0));
        }
        let mut late = fixture.executor.launch(&order).await.unwrap();
        assert_eq!(to_end(&mut late).await.1.exit, code(0));
    }
    let ran = fs::read_to_string(fixture.path("ran")).unwrap();
    assert_eq!(ran, (0..10).map(|round| format!("{round}\n")).collect::<String>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_launch_beside_a_launch_does_not_take_the_other_for_lost() {
    let fixture = Fixture::new();
    for _ in 0..20 {
        let order = fixture.script("sleep 0.05; exit 3");
        let launches = [(); 4].map(|()| {
            let (executor, order) = (fixture.executor.clone(), order.clone());
            tokio::spawn(async move { to_end(&mut executor.launch(&order).await.unwrap()).await.1.exit })
        });
        for launch in launches {
            assert_eq!(patiently(launch).await.unwrap(), code(3));
        }
    }
}

#[tokio::test]
async fn a_launch_that_nobody_waits_for_is_finished_all_the_same() {
    let fixture = Fixture::new();
    let order = fixture.script("exit 3");
    {
        let launch = fixture.executor.launch(&order);
        tokio::pin!(launch);
        tokio::select! {
            biased;
            _ = &mut launch => panic!("not in one turn"),
            () = tokio::task::yield_now() => {}
        }
    }
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    assert_eq!(to_end(&mut follower).await.1.exit, code(3));
}

const FAMILY: &str = "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' & \
                      (setsid sh -c 'env -i /bin/sleep 1000 & echo $!; echo $$; wait' &) ; \
                      echo $$; while :; do sleep 1000; done";

async fn family(fixture: &Fixture) -> (StepOrder, StepFollower, Vec<String>) {
    let order = fixture.script(FAMILY);
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let mut pids = Vec::new();
    for _ in 0..4 {
        pids.push(next_line(&mut follower).await);
    }
    assert!(pids.iter().all(|pid| exists(pid)));
    (order, follower, pids)
}

#[tokio::test]
async fn a_killed_shim_is_a_lost_step_and_leaves_nothing() {
    let fixture = Fixture::new();
    let (order, mut follower, pids) = family(&fixture).await;
    let neighbour = fixture.script("echo up; exec sleep 1000");
    let mut neighbour = fixture.executor.launch(&neighbour).await.unwrap();
    next_line(&mut neighbour).await;
    assert!(gadugi_sys::process::signal(follower.process(), Signal::KILL));
    let (_, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.stopped), (StepExit::Lost, false));
    assert!(!pids.iter().any(|pid| exists(pid)), "{pids:?}");
    assert_nothing_left(&order);
    let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
    let Adoption::Lost(mut again) = adoption else { panic!("{adoption:?}") };
    let (lines, ended) = to_end(&mut again).await;
    assert_eq!((lines.len(), ended.exit), (4, StepExit::Lost), "what it wrote is still told");
    assert!(neighbour.stopper().stop(StopForce::Now), "the neighbour was left alone");
    assert_eq!(to_end(&mut neighbour).await.1.exit, StepExit::Signal(9));
}

#[tokio::test]
async fn a_shim_that_was_killed_while_nobody_looked_is_found_lost() {
    let fixture = Fixture::new();
    let (order, follower, pids) = family(&fixture).await;
    assert!(gadugi_sys::process::signal(follower.process(), Signal::KILL));
    drop(follower);
    let adoption = patiently(fixture.executor.adopt(&order.dir, &order.attempt)).await.unwrap();
    let (Adoption::Lost(mut follower) | Adoption::Running(mut follower)) = adoption else {
        panic!("{adoption:?}")
    };
    assert_eq!(to_end(&mut follower).await.1.exit, StepExit::Lost);
    assert!(!pids.iter().any(|pid| exists(pid)), "{pids:?}");
    assert_nothing_left(&order);
}

#[tokio::test]
async fn sweeping_says_how_many_and_spares_all_others() {
    let mut marked: Vec<_> = (0..3)
        .map(|_| Command::new("sleep").arg("1000").env("GADUGI_ATTEMPT", "sweep-test/a/1").spawn().unwrap())
        .collect();
    let mut spared =
        Command::new("sleep").arg("1000").env("GADUGI_ATTEMPT", "sweep-test/a/11").spawn().unwrap();
    // Forked and not yet executed is not yet marked: the mark comes with the program.
    for child in marked.iter().chain([&spared]) {
        while !fs::read_to_string(format!("/proc/{}/cmdline", child.id())).unwrap().starts_with("sleep") {
            std::thread::yield_now();
        }
    }
    assert_eq!(sweep("sweep-test/a/1"), 3);
    for child in &mut marked {
        assert!(!child.wait().unwrap().success());
    }
    assert!(spared.try_wait().unwrap().is_none());
    assert_eq!(sweep("sweep-test/a/1"), 0);
    spared.kill().unwrap();
    spared.wait().unwrap();
}

#[tokio::test]
async fn a_folder_deleted_under_a_running_step_is_a_defined_end() {
    let fixture = Fixture::new();
    let order = fixture.script("echo before; exec sleep 1000");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "before");
    fs::remove_dir_all(&order.dir).unwrap();
    assert!(follower.stopper().stop(StopForce::Grace));
    assert_eq!(to_end(&mut follower).await.1.exit, StepExit::Lost);
    assert_nothing_left(&order);
    let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
    assert!(matches!(adoption, Adoption::NeverStarted), "{adoption:?}");
}

#[tokio::test]
async fn a_step_whose_folder_is_gone_ends_lost_with_every_line_that_it_wrote() {
    let fixture = Fixture::new();
    fifo(&fixture);
    let order = fixture.script("echo before; read x < ../fifo; echo after; exit 3");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "before");
    fs::remove_dir_all(&order.dir).unwrap();
    fs::write(fixture.path("fifo"), "\n").unwrap();
    let (lines, ended) = to_end(&mut follower).await;
    assert_eq!((lines[0].bytes.as_slice(), ended.exit), (&b"after"[..], StepExit::Lost));
    assert_nothing_left(&order);
}

#[tokio::test]
async fn a_step_that_runs_on_without_its_folder_or_its_records_does_not_run_twice() {
    let fixture = Fixture::new();
    for folder_too in [true, false] {
        let (order, follower, pids) = family(&fixture).await;
        drop(follower);
        fs::remove_dir_all(&order.dir).unwrap();
        if !folder_too {
            fs::create_dir(&order.dir).unwrap();
        }
        let adoption = patiently(fixture.executor.adopt(&order.dir, &order.attempt)).await.unwrap();
        assert!(matches!(adoption, Adoption::NeverStarted), "{adoption:?}");
        assert!(!pids.iter().any(|pid| exists(pid)), "{pids:?}");
        assert_nothing_left(&order);
        let again = StepOrder { argv: vec!["/bin/true".into()], ..order };
        assert_eq!(fixture.run(&again).await.1.exit, code(0));
    }
}

#[tokio::test]
async fn one_bad_folder_stops_nothing() {
    let fixture = Fixture::new();
    let damages: [fn(&Path); 8] = [
        |dir| fs::write(dir.join("exit.json"), "{\"torn").unwrap(),
        |dir| fs::write(dir.join("exit.json"), [0; 4096]).unwrap(),
        |dir| fs::write(dir.join("exit.json"), "[]").unwrap(),
        |dir| fs::File::create(dir.join("exit.json")).unwrap().set_len(1 << 40).unwrap(),
        |dir| {
            fs::remove_file(dir.join("exit.json")).unwrap();
            fs::create_dir(dir.join("exit.json")).unwrap();
        },
        |dir| {
            fs::remove_file(dir.join("exit.json")).unwrap();
            assert!(Command::new("mkfifo").arg(dir.join("exit.json")).status().unwrap().success());
        },
        |dir| {
            fs::remove_file(dir.join("exit.json")).unwrap();
            std::os::unix::fs::symlink("exit.json", dir.join("exit.json")).unwrap();
        },
        |dir| {
            fs::remove_dir_all(dir).unwrap();
            fs::write(dir, "a file").unwrap();
        },
    ];
    let mut orders = Vec::new();
    for damage in damages {
        let bad = fixture.script("echo one; exit 3");
        fixture.run(&bad).await;
        damage(&bad.dir);
        let good = fixture.script("echo one; exit 3");
        fixture.run(&good).await;
        orders.extend([bad, good]);
    }
    for (number, order) in orders.iter().enumerate() {
        let adoption = patiently(fixture.executor.adopt(&order.dir, &order.attempt)).await;
        match (number % 2, adoption) {
            (1, Ok(Adoption::Ended(mut follower))) => {
                let (lines, ended) = to_end(&mut follower).await;
                assert_eq!((lines.len(), ended.exit), (1, code(3)));
            }
            (0, Ok(Adoption::Lost(mut follower))) => {
                let (lines, ended) = to_end(&mut follower).await;
                assert_eq!((lines.len(), ended.exit), (1, StepExit::Lost), "damage {number}");
            }
            // What cannot even be asked about says what it is.
            (0, Err(error)) => {
                let path = order.dir.display().to_string();
                assert!(error.to_string().contains(&path), "damage {number}: {error}");
            }
            (_, other) => panic!("damage {number}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_adopted_does_not_run_on() {
    let fixture = Fixture::new();
    let (order, mut follower, pids) = family(&fixture).await;
    std::os::unix::fs::symlink("exit.json", order.dir.join("exit.json")).unwrap();
    let error = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap_err();
    assert!(error.to_string().contains("exit.json"), "{error}");
    assert!(!pids.iter().any(|pid| exists(pid)), "{pids:?}");
    assert_nothing_left(&order);
    // Whoever followed it hears of an end, too: the shim gives its record that name all the same.
    let (_, ended) = to_end(&mut follower).await;
    assert!(matches!(ended.exit, StepExit::Lost | StepExit::Signal(9)), "{ended:?}");
}

#[tokio::test]
async fn a_shim_that_its_step_froze_at_once_is_woken_by_whoever_adopts_it() {
    let fixture = Fixture::new();
    for _ in 0..10 {
        let order = fixture.script("kill -STOP $PPID; echo up; exec sleep 1000");
        fs::create_dir_all(&order.dir).unwrap();
        let spec = serde_json::json!({
            "argv": order.argv.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>(), "env_names": [],
            "cwd": order.cwd, "stdin": null, "attempt": order.attempt, "grace_ms": 100, "lease_ms": 0,
        });
        fs::write(order.dir.join("spec.json"), spec.to_string()).unwrap();
        let mut shim = Command::new(fixture.shim());
        shim.arg(&order.dir).env("GADUGI_ATTEMPT", &order.attempt).stderr(Stdio::null());
        let mut shim = shim.spawn().unwrap();
        // Until it holds the lock, adopting would take the step for one that never started.
        patiently(async {
            while !order.dir.join("stdout.jsonl").exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let adoption = patiently(fixture.executor.adopt(&order.dir, &order.attempt)).await.unwrap();
        let mut follower = running(adoption);
        assert_eq!(follower.process().pid, shim.id());
        // It may freeze its shim only now.
        while fs::metadata(order.dir.join("stdout.jsonl")).unwrap().len() == 0 {
            follower.stopper().stop(StopForce::Now);
            if shim.try_wait().unwrap().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        follower.stopper().stop(StopForce::Now);
        let (_, ended) = to_end(&mut follower).await;
        assert_eq!((ended.exit, ended.stopped), (StepExit::Signal(9), true));
        assert_nothing_left(&order);
        // The executor has waited for it, or we do.
        let _ = shim.wait();
    }
}

#[tokio::test]
async fn a_main_process_is_the_shims_child_or_nobody() {
    let fixture = Fixture::new();
    let order = fixture.script("echo $$; exec sleep 1000");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    let pid = next_line(&mut follower).await;
    assert_eq!(follower.main_process().unwrap().pid.to_string(), pid);
    let path = order.dir.join("started.json");
    let mut started: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    started["child_pid"] = std::process::id().into();
    fs::write(&path, started.to_string()).unwrap();
    assert_eq!(follower.main_process(), None, "a pid that another has by now");
    follower.stopper().stop(StopForce::Now);
    to_end(&mut follower).await;
}

#[tokio::test]
async fn damaged_records_have_a_defined_end() {
    let fixture = Fixture::new();
    let order = fixture.script("echo $$; exec sleep 1000");
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    next_line(&mut follower).await;
    fs::write(order.dir.join("started.json"), "{\"torn").unwrap();
    // A shim is at work there that cannot be known again: it is ended, so that nothing runs unseen.
    let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
    assert!(matches!(adoption, Adoption::Lost(_)), "{adoption:?}");
    assert_nothing_left(&order);
    to_end(&mut follower).await;
    fs::write(order.dir.join("exit.json"), "").unwrap();
    let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
    let Adoption::Lost(mut follower) = adoption else { panic!("{adoption:?}") };
    assert_eq!(follower.process().pid, 0);
    let (lines, ended) = to_end(&mut follower).await;
    assert_eq!((lines.len(), ended.exit), (1, StepExit::Lost));
}

#[tokio::test]
async fn a_folder_that_is_not_named_absolutely_is_refused() {
    let fixture = Fixture::new();
    let mut order = fixture.script("exit 0");
    order.dir = "runs/1".into();
    assert!(matches!(fixture.executor.launch(&order).await, Err(ExecError::RelativeFolder(_))));
}

#[tokio::test]
async fn an_unwritable_place_is_told_with_its_path() {
    let fixture = Fixture::new();
    fs::write(fixture.path("file"), "").unwrap();
    let mut order = fixture.script("exit 0");
    order.dir = fixture.path("file/1");
    order.lease = Millis(0);
    let error = fixture.executor.launch(&order).await.unwrap_err().to_string();
    assert!(error.contains("file/1"), "{error}");
    assert!(LocalExecutor::new(&fixture.path("file")).unwrap_err().to_string().contains("file/bin"));
}
