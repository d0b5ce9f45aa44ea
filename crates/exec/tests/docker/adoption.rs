//! Whoever launched a step may die; another finds it, all of it.

use std::fs;

use gadugi_core::{StepExit, StopForce};
use gadugi_exec::{Adoption, DockerExecutor, StepFollower, StepOrder};

use crate::common::{code, next_line, patiently, text, to_end};
use crate::stage::Stage;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn adopt(executor: &DockerExecutor, order: &StepOrder) -> Adoption {
    patiently(executor.adopt(&order.dir, &order.attempt)).await.unwrap()
}

fn running(adoption: Adoption) -> StepFollower {
    match adoption {
        Adoption::Running(follower) => follower,
        other => panic!("it runs, and is not {other:?}"),
    }
}

fn fifo(stage: &Stage) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let path = stage.path("work/fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
}

#[test]
fn a_new_engine_finds_every_byte_and_the_end() {
    // Runtimes of their own: what the first engine had is gone with it.
    let first = runtime();
    let (stage, order, process) = first.block_on(async {
        let stage = Stage::new().await;
        fifo(&stage);
        let order = stage.script("echo one; echo two; read x < fifo; printf three; exit 11");
        let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
        assert_eq!(next_line(&mut follower).await, "one");
        assert!(follower.main_process().is_some_and(|main| main.pid != follower.process().pid));
        let process = follower.process().clone();
        (stage, order, process)
    });
    first.shutdown_background();
    runtime().block_on(async {
        let executor = stage.another().await;
        let mut follower = running(adopt(&executor, &order).await);
        assert_eq!(*follower.process(), process, "as this machine sees it");
        assert!(gadugi_sys::process::exists(&process) && process.pid > 1);
        assert_eq!(next_line(&mut follower).await, "one");
        assert_eq!(next_line(&mut follower).await, "two");
        fs::write(stage.path("work/fifo"), "\n").unwrap();
        let (lines, ended) = to_end(&mut follower).await;
        assert_eq!(
            (lines.into_iter().map(text).collect::<Vec<_>>(), ended.exit),
            (vec!["three".into()], code(11))
        );
        stage.until_removed().await;
        let Adoption::Ended(mut again) = adopt(&executor, &order).await else { panic!("it has ended") };
        let (lines, ended) = to_end(&mut again).await;
        assert_eq!((lines.len(), ended.exit), (3, code(11)), "also where its container is gone");
    });
}

#[test]
fn one_that_ended_meanwhile_is_told_and_removed() {
    let first = runtime();
    let (stage, order) = first.block_on(async {
        let stage = Stage::new().await;
        let order = stage.script("echo one; while [ ! -e go ]; do sleep 0.05; done; exit 9");
        let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
        assert_eq!(next_line(&mut follower).await, "one");
        (stage, order)
    });
    first.shutdown_background();
    fs::write(stage.path("work/go"), "").unwrap();
    let name = order.container.as_ref().unwrap().name.clone();
    stage.docker(&["wait", &name]);
    assert_eq!(stage.containers(), [name], "nobody is there to remove it");
    runtime().block_on(async {
        let executor = stage.another().await;
        let Adoption::Ended(mut follower) = adopt(&executor, &order).await else { panic!("it has ended") };
        let (lines, ended) = to_end(&mut follower).await;
        assert_eq!((lines.len(), ended.exit), (1, code(9)));
        stage.until_removed().await;
    });
}

#[test]
fn a_container_that_was_deleted_or_killed_meanwhile_is_lost() {
    for how in [["rm", "-f"].as_slice(), &["kill"]] {
        let first = runtime();
        let (stage, order) = first.block_on(async {
            let stage = Stage::new().await;
            let order = stage.script("echo one; sleep 1000");
            let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
            assert_eq!(next_line(&mut follower).await, "one");
            (stage, order)
        });
        first.shutdown_background();
        stage.docker(&[how, &[&order.container.as_ref().unwrap().name]].concat());
        runtime().block_on(async {
            let executor = stage.another().await;
            let Adoption::Lost(mut follower) = adopt(&executor, &order).await else { panic!("{how:?}") };
            let (lines, ended) = to_end(&mut follower).await;
            assert_eq!((lines.len(), ended.exit, ended.by_engine), (1, StepExit::Lost, true), "{how:?}");
            stage.until_removed().await;
            let Adoption::Lost(_) = adopt(&executor, &order).await else { panic!("told again") };
        });
    }
}

#[tokio::test]
async fn one_that_never_began_is_known_as_such_and_can_be_launched() {
    let stage = Stage::new().await;
    let order = stage.script("echo ran");
    assert!(matches!(adopt(&stage.executor, &order).await, Adoption::NeverStarted), "nothing was ever done");
    assert!(!order.dir.exists(), "asking makes nothing");

    // The engine died after it had made the container; or while the shim in it waited for its folder.
    for (start, how) in [(false, "created"), (true, "started")] {
        let order = stage.script("echo ran");
        let wanted = order.container.as_ref().unwrap();
        fs::create_dir_all(&wanted.gate).unwrap();
        let record = serde_json::json!({ "name": wanted.name, "labels": wanted.labels });
        fs::write(order.dir.join("container.json"), record.to_string()).unwrap();
        let labels: Vec<_> = wanted.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let shim = fs::read_dir(stage.path("state/bin")).unwrap().next().unwrap().unwrap().path();
        let mut arguments =
            vec!["create".into(), "--name".into(), wanted.name.clone(), "--network=none".into()];
        arguments.extend(labels.iter().flat_map(|label| ["--label".into(), label.clone()]));
        let (gate, shim) = (wanted.gate.display(), shim.display());
        arguments.extend(["-v".into(), format!("{gate}:/gadugi/gate:ro"), "-v".into()]);
        arguments.extend([format!("{shim}:/gadugi/shim:ro"), wanted.image.clone()]);
        arguments.extend(["/gadugi/shim", "--from", "/gadugi/gate/launch.sock"].map(str::to_owned));
        stage.docker(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        if start {
            stage.docker(&["start", &wanted.name]);
        }
        assert!(matches!(adopt(&stage.executor, &order).await, Adoption::NeverStarted), "{how}");
        assert_eq!(stage.containers(), [""; 0], "{how}");
        let (lines, ended) = stage.run(&order).await;
        assert_eq!((lines, ended.exit), (vec!["ran".to_owned()], code(0)), "{how}");
        stage.until_removed().await;
    }
}

#[tokio::test]
async fn a_step_never_runs_twice() {
    let stage = Stage::new().await;
    let order = stage.script("echo ran >> ran; echo on; sleep 1000");
    let launches = [stage.executor.clone(), stage.another().await, stage.another().await].map(|executor| {
        let order = order.clone();
        tokio::spawn(async move { patiently(executor.launch(&order)).await.unwrap() })
    });
    let mut followers = Vec::new();
    for launch in launches {
        followers.push(launch.await.unwrap());
    }
    for follower in &mut followers {
        assert_eq!(next_line(follower).await, "on");
    }
    assert_eq!(fs::read_to_string(stage.path("work/ran")).unwrap(), "ran\n");
    assert_eq!(stage.containers().len(), 1);
    assert!(followers[1].stopper().stop(StopForce::Now));
    for follower in &mut followers {
        assert!(to_end(follower).await.1.stopped);
    }
    stage.until_removed().await;
}

#[tokio::test]
async fn a_wish_to_stop_outlives_whoever_had_it() {
    let stage = Stage::new().await;
    let order = stage.script("trap 'exit 0' TERM; echo on; while :; do sleep 0.1; done");
    let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "on");
    assert!(follower.stopper().stop(StopForce::Grace));
    drop(follower);
    stage.until_removed().await;
    let executor = stage.another().await;
    let Adoption::Ended(mut again) = adopt(&executor, &order).await else { panic!("it has ended") };
    let (_, ended) = to_end(&mut again).await;
    assert_eq!((ended.exit, ended.stopped, ended.by_engine), (code(0), true, false), "gadugi asked for it");
}

/// As it is where gadugi itself runs in a container: the steps' processes are in no pid namespace of its own.
#[test]
fn where_processes_cannot_be_seen_the_engine_is_asked() {
    for stop in [None, Some(StopForce::Grace), Some(StopForce::Now)] {
        let first = runtime();
        let (stage, order) = first.block_on(async {
            let stage = Stage::new().await;
            let order =
                stage.script("trap 'exit 3' TERM; echo one; while [ ! -e go ]; do sleep 0.05; done; exit 9");
            let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
            assert_eq!(next_line(&mut follower).await, "one");
            (stage, order)
        });
        first.shutdown_background();
        let path = order.dir.join("container.json");
        let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert!(record["process"].take().is_object(), "it was seen");
        fs::write(&path, record.to_string()).unwrap();
        runtime().block_on(async {
            let executor = stage.another().await;
            let mut follower = running(adopt(&executor, &order).await);
            assert_eq!((next_line(&mut follower).await.as_str(), follower.process().pid), ("one", 0));
            match stop {
                None => fs::write(stage.path("work/go"), "").unwrap(),
                Some(force) => assert!(follower.stopper().stop(force)),
            }
            let (_, ended) = to_end(&mut follower).await;
            let exit = match stop {
                None => code(9),
                Some(StopForce::Grace) => code(3),
                Some(StopForce::Now) => StepExit::Signal(9),
            };
            assert_eq!((ended.exit, ended.stopped, ended.by_engine), (exit, stop.is_some(), false));
            stage.until_removed().await;
        });
    }
}
