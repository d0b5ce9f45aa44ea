//! Engines that are killed, stopped and started again: each test has one of its own.

use std::process::Command;

use gadugi_core::{StepExit, StopForce};
use gadugi_exec::{Adoption, DockerError, ExecError, StepFollower, StepOrder};
use gadugi_testkit::docker::{BASE_IMAGE, Options, TestEngine, socket};

use crate::common::{code, next_line, patiently, to_end};
use crate::stage::Stage;

const TICKING: &str = "n=0; while [ ! -e stop ]; do n=$((n+1)); echo $n; sleep 0.05; done; exit 6";

async fn with_engine(arguments: &[&str]) -> (TestEngine, Stage) {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    with_options(Options { arguments, ..Options::default() }).await
}

async fn with_options(options: Options) -> (TestEngine, Stage) {
    let starting = move || {
        let engine = TestEngine::start_with(options);
        let engine = engine.unwrap_or_else(|why| panic!("{why}"));
        engine.load(BASE_IMAGE, &socket());
        engine
    };
    let engine = tokio::task::spawn_blocking(starting).await.unwrap();
    let stage = Stage::at(engine.host()).await;
    (engine, stage)
}

async fn launched(stage: &Stage, order: &StepOrder) -> StepFollower {
    let mut follower = patiently(stage.executor.launch(order)).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "1");
    follower
}

/// Its lines go on: more than were written when it was asked.
async fn goes_on(follower: &mut StepFollower) {
    for _ in 0..10 {
        next_line(follower).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_that_outlive_their_engine_are_followed_without_it() {
    let (mut engine, stage) = with_engine(&["--live-restore"]).await;
    assert!(stage.executor.engine().live_restore);
    let [order, stopped] = [stage.script(TICKING), stage.script(TICKING)];
    let (mut follower, mut other) = (launched(&stage, &order).await, launched(&stage, &stopped).await);
    engine.kill();
    goes_on(&mut follower).await;
    // Found again, stopped and ended: for none of this an engine is needed.
    let Adoption::Running(mut found) =
        patiently(stage.executor.adopt(&order.dir, &order.attempt)).await.unwrap()
    else {
        panic!("it runs")
    };
    assert_eq!(next_line(&mut found).await, "1");
    assert!(other.stopper().stop(StopForce::Now));
    let (_, ended) = patiently(to_end(&mut other)).await;
    assert_eq!((ended.stopped, ended.by_engine), (true, false));
    engine.restart();
    goes_on(&mut follower).await;
    std::fs::write(stage.path("work/stop"), "").unwrap();
    assert_eq!(patiently(to_end(&mut follower)).await.1.exit, code(6));
    assert_eq!(patiently(to_end(&mut found)).await.1.exit, code(6));
    stage.until_removed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_killed_and_comes_back_ends_its_containers_and_that_is_told() {
    let (mut engine, stage) = with_engine(&[]).await;
    let order = stage.script(TICKING);
    let mut follower = launched(&stage, &order).await;
    engine.kill();
    goes_on(&mut follower).await;
    engine.restart();
    let (_, ended) = patiently(to_end(&mut follower)).await;
    assert!(ended.by_engine && ended.exit != code(0), "{ended:?}");
    assert!(matches!(ended.exit, StepExit::Lost | StepExit::Signal(_)), "{ended:?}");
    // And a launch that meets an engine on its way back waits for it.
    engine.kill();
    let (executor, order) = (stage.executor.clone(), stage.script("echo 1; exit 4"));
    let launching = tokio::spawn(async move { patiently(executor.launch(&order)).await });
    engine.restart();
    let mut follower = launching.await.unwrap().unwrap();
    assert_eq!(patiently(to_end(&mut follower)).await.1.exit, code(4));
    stage.until_removed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_shut_down_stops_its_containers_and_that_is_told() {
    let (mut engine, stage) = with_engine(&[]).await;
    let order = stage.script("trap 'exit 0' TERM; echo 1; while :; do sleep 0.1; done");
    let mut follower = launched(&stage, &order).await;
    engine.stop();
    let (_, ended) = patiently(to_end(&mut follower)).await;
    assert_eq!((ended.exit, ended.stopped, ended.by_engine), (code(0), true, true), "and 0 is no success");
    let gone = patiently(stage.executor.image(BASE_IMAGE)).await.unwrap_err();
    assert!(gone.is_away(), "{gone}");
}

/// A file system of its own, so small that it can be filled.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=800m", "none"])
            .arg(disk.0.path())
            .status();
        assert!(mount.unwrap().success(), "a test that fills a disk mounts one, which needs root");
        disk
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.path().join("filling")).unwrap();
        let block = [0; 1 << 16];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        let mut small = std::fs::File::create(self.0.path().join("rest")).unwrap();
        while std::io::Write::write_all(&mut small, &[0]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.unwrap().success() || std::thread::panicking());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_space_says_so() {
    let disk = SmallDisk::new();
    let options = Options { data_root: Some(disk.0.path().join("data")), ..Options::default() };
    let (_engine, stage) = with_options(options).await;
    let (lines, _) = stage.run_script("echo room").await;
    assert_eq!(lines, ["room"]);
    stage.until_removed().await;
    disk.fill();
    let error = patiently(stage.executor.launch(&stage.script("echo never"))).await.unwrap_err();
    assert!(matches!(error, ExecError::Docker(DockerError::NoSpace { .. })), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
    assert_eq!(stage.containers(), [""; 0]);
}
