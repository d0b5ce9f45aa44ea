//! How steps in containers end.

use std::fs;

use gadugi_core::{Millis, StepExit};
use gadugi_exec::Limits;

use crate::common::{code, next_line, patiently, to_end};
use crate::stage::Stage;

#[tokio::test]
async fn output_and_exit_codes_come_back() {
    let stage = Stage::new().await;
    let (lines, ended) = stage.run_script("echo one; echo two >&2; pwd; printf three").await;
    assert_eq!(lines, ["one", "/workspace", "three"]);
    assert_eq!((ended.exit, ended.stopped, ended.by_engine), (code(0), false, false));
    assert_eq!(stage.run_script("exit 3").await.1.exit, code(3));
    assert_eq!(stage.run_script("kill -TERM $$").await.1.exit, StepExit::Signal(15));
    let (_, ended) = stage.run(&stage.order(&["no-such-program"])).await;
    assert!(matches!(ended.exit, StepExit::NotStarted(_)), "{ended:?}");
    stage.until_removed().await;
}

#[tokio::test]
async fn what_it_is_asked_comes_on_standard_input_and_what_it_writes_is_its_owners() {
    let stage = Stage::new().await;
    let mut order = stage.script("cat; echo left > /workspace/left; echo more > /tmp/more; echo x > $HOME/x");
    fs::create_dir_all(&order.dir).unwrap();
    order.stdin = Some(order.dir.join("stdin.md"));
    fs::write(order.dir.join("stdin.md"), "the prompt\n").unwrap();
    let (lines, ended) = stage.run(&order).await;
    assert_eq!((lines, ended.exit), (vec!["the prompt".to_owned()], code(0)));
    for name in ["work/left", "tmp/more", "home/x"] {
        use std::os::unix::fs::MetadataExt;
        let data = fs::metadata(stage.path(name)).unwrap();
        assert_eq!(Some((data.uid(), data.gid())), stage.user.outside.or(Some((data.uid(), data.gid()))));
    }
    let mut elsewhere = stage.script("cat");
    elsewhere.stdin = Some("/etc/passwd".into());
    let error = stage.executor.launch(&elsewhere).await.unwrap_err().to_string();
    assert!(error.contains("not a file of the step's folder"), "{error}");
    stage.until_removed().await;
}

#[tokio::test]
async fn a_step_that_takes_all_memory_is_known_as_such() {
    let stage = Stage::new().await;
    let mut order = stage.script("echo begun; exec tail /dev/zero");
    order.container.as_mut().unwrap().memory_bytes = Some(64 << 20);
    let (lines, ended) = stage.run(&order).await;
    assert_eq!((lines, ended.exit), (vec!["begun".to_owned()], StepExit::OutOfMemory));
    assert!(ended.oom_kills > 0);
    // A tool of it died for that, and the step went on: the engine says OOMKilled here, too.
    let mut order = stage.script("tail /dev/zero; echo $?; exit 4");
    order.container.as_mut().unwrap().memory_bytes = Some(64 << 20);
    let (lines, ended) = stage.run(&order).await;
    assert_eq!((lines, ended.exit), (vec!["137".to_owned()], code(4)));
    assert!(ended.oom_kills > 0);
    // Killed, with memory enough.
    assert_eq!(stage.run_script("kill -KILL $$").await.1.exit, StepExit::Signal(9));
}

#[tokio::test]
async fn output_is_bounded_and_nobody_need_renew_a_lease_of_no_length() {
    let stage = Stage::new().await;
    let mut order = stage.script("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
    order.limits = Limits { output_bytes: Some(100_000), ..Limits::default() };
    (order.lease, order.grace) = (Millis(0), Millis(500));
    let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
    let (lines, ended) = to_end(&mut follower).await;
    assert_eq!((ended.exit, ended.by_engine), (StepExit::TooMuchOutput, false));
    let bytes: usize = lines.iter().map(|line| line.bytes.len() + 1).sum();
    assert!((50_000..=200_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_lease_that_nobody_renews_ends_it() {
    let stage = Stage::new().await;
    let mut order = stage.script("echo $$; sleep 1000");
    order.lease = Millis::seconds(2);
    let (_, ended) = stage.run(&order).await;
    assert_eq!((ended.exit, ended.by_engine), (StepExit::LeaseLapsed, false));
}

#[tokio::test]
async fn somebody_else_ends_the_container() {
    let stage = Stage::new().await;
    let order = stage.script("trap 'echo asked; exit 0' TERM; echo on; while :; do sleep 0.1; done");
    let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
    assert_eq!(next_line(&mut follower).await, "on");
    stage.docker(&["stop", &order.container.as_ref().unwrap().name]);
    let (_, ended) = to_end(&mut follower).await;
    // It said 0, which is no success: it was stopped, and not by gadugi.
    assert_eq!((ended.exit, ended.stopped, ended.by_engine), (code(0), true, true));

    for how in [["kill", "-s", "KILL"].as_slice(), &["rm", "-f"]] {
        let order = stage.script("echo on; sleep 1000");
        let mut follower = patiently(stage.executor.launch(&order)).await.unwrap();
        assert_eq!(next_line(&mut follower).await, "on");
        stage.docker(&[how, &[&order.container.as_ref().unwrap().name]].concat());
        let (_, ended) = to_end(&mut follower).await;
        assert_eq!((ended.exit, ended.stopped, ended.by_engine), (StepExit::Lost, false, true), "{how:?}");
    }
    stage.until_removed().await;
}
