//! The tests' own Docker engines: they answer, die, come back with what they held, and leave nothing behind.
#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use gadugi_testkit::docker::{self, BASE_IMAGE, TestEngine};

fn docker(host: &str, arguments: &[&str]) -> Output {
    let output = Command::new("docker").args(["--host", host]).args(arguments).output().expect("docker");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn said(host: &str, arguments: &[&str]) -> String {
    String::from_utf8(docker(host, arguments).stdout).unwrap().trim().to_owned()
}

/// Processes whose command line holds the text.
fn processes_of(text: &str) -> Vec<String> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let lines = pids.filter_map(|pid| fs::read(format!("/proc/{pid}/cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(text)).collect()
}

fn bridge() -> bool {
    Path::new("/sys/class/net/docker0").exists()
}

#[test]
fn an_engine_is_killed_comes_back_with_its_images_and_leaves_nothing_behind() {
    let bridge_before = bridge();
    let mut engine = TestEngine::start();
    let host = engine.host();
    let folder = engine.socket_path().parent().unwrap().to_owned();
    let name = folder.to_string_lossy().into_owned();
    assert_eq!(said(&host, &["images", "--quiet"]), "", "it is nobody else's");
    engine.load(BASE_IMAGE, &docker::socket());
    let container = said(&host, &["run", "--detach", "--network", "none", BASE_IMAGE, "sleep", "98765"]);
    engine.kill();
    assert_eq!(processes_of("sleep 98765 ").len(), 1, "a container outlives its engine");
    engine.restart();
    let state = said(&host, &["inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", &container]);
    assert!(state.starts_with("false "), "the engine ended what it came back to: {state}");
    docker(&host, &["start", &container]);
    assert_eq!(bridge(), bridge_before, "the bridge is another engine's");
    drop(engine);
    assert!(!folder.exists());
    assert_eq!(processes_of("sleep 98765 "), Vec::<String>::new());
    assert_eq!(processes_of(&name), Vec::<String>::new());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&name), "{mounts}");
    let groups = fs::read_dir("/sys/fs/cgroup").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let group = folder.file_name().unwrap();
    let left: Vec<_> = groups.map(|path| path.join(group)).filter(|path| path.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn with_live_restore_containers_outlive_the_engine() {
    let options = docker::Options { arguments: vec!["--live-restore".into()], ..docker::Options::default() };
    let mut engine = TestEngine::start_with(options).unwrap();
    let host = engine.host();
    engine.load(BASE_IMAGE, &docker::socket());
    let container = said(&host, &["run", "--detach", "--network", "none", BASE_IMAGE, "sleep", "infinity"]);
    let pid = said(&host, &["inspect", "--format", "{{.State.Pid}}", &container]);
    engine.kill();
    engine.restart();
    let now = said(&host, &["inspect", "--format", "{{.State.Running}} {{.State.Pid}}", &container]);
    assert_eq!(now, format!("true {pid}"));
}
