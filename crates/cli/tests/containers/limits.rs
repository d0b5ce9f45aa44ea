//! What a task may use, and what comes of one that wants more.

use serde_json::Value;

use crate::scene::Scene;
use crate::stage::Ran;

const SCRIPTED: &str = "agent: scripted";

fn of_task<'e>(events: &'e [Value], task: &str, kind: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["task"] == task && event["type"] == kind).collect()
}

fn finish(scene: &Scene, tasks: &str) -> Ran {
    scene.commit("prompts");
    let ran = scene.gadugi(&["run", "--no-review", "--json", "--verify", "", "--max-parallel", tasks]);
    ran.ends_with(1);
    ran
}

/// Wants a gigabyte.
const HOG: &str = "python3 -c 'b\"x\" * (1 << 30)'";

#[test]
fn a_step_that_wants_more_memory_is_killed_recognized_and_tried_again_alone() {
    // Not by a tool of its agent's: the step's own process is what the kernel takes.
    let setup = format!("test $ORCHESTRATOR_TASK_ID != hog || exec {HOG}").replace('"', "\\\"");
    let scene = Scene::new(&format!(
        "[limits]\nmemory = \"128MiB\"\n[retry]\ncrashes = 2\nfirst = \"100ms\"\n[workspace]\nsetup = [\"{setup}\"]\n"
    ));
    scene.prompt("hog", "agent: scripted\npriority: 9", "hang");
    // It takes a tool, and the agent hears of that as of any failure.
    scene.prompt("tool", SCRIPTED, &format!("run {HOG}\nsleep 3s\nwrite tool.txt tool"));
    // Under way as the hog is killed, and not over before it could begin again beside them.
    scene.prompt("near", SCRIPTED, "sleep 3s\nwrite near.txt near");
    let ran = finish(&scene, "3");
    let events = ran.events();

    let hog = ran.task("hog");
    assert_eq!(hog["outcome"], "failed", "{hog:#}");
    let detail = scene.task("hog")["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail, "killed by the kernel for want of memory; given up after 2 tries");
    let suspended = of_task(&events, "hog", "attempt-suspended");
    assert_eq!(suspended.len(), 1);
    assert_eq!(suspended[0]["alone"], true, "{suspended:#?}");
    let again = of_task(&events, "hog", "step-intended").last().unwrap()["seq"].as_u64();
    for name in ["near", "tool"] {
        assert_eq!(ran.task(name)["outcome"], "succeeded");
        let ended = of_task(&events, name, "step-ended").last().unwrap()["seq"].as_u64();
        assert!(ended < again, "{name} ran beside it");
    }
    scene.nothing_is_left(1);

    scene.gadugi(&["land"]).ends_with(0);
    let cleaned = scene.gadugi(&["clean", "--older-than", "0"]);
    assert_eq!(cleaned.ends_with(0).stdout, "put away: records of 1 run, 1 worktree\n");
    scene.nothing_is_left(0);
}

/// Forks for as long as it can, and says what became of it.
const BOMB: &str = r#"run timeout --kill-after=1 5 bash -c 'b() { b | b & }; b; while :; do sleep 0.1; done' 2>/dev/null
write after.txt it lives on"#;

/// Burns two processors for four seconds, and takes down what its group was given.
const BURNER: &str = r#"run timeout 4 sh -c 'while :; do :; done & while :; do :; done'
run cd /sys/fs/cgroup && for f in cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us; do test -f $f && echo $f && cat $f; done > /workspace/group.txt"#;

#[test]
fn each_limit_holds_for_its_task_and_the_others_go_on() {
    let limits =
        "[limits]\nmemory = \"512MiB\"\ncpus = 0.5\npids = 100\ndisk = \"50MiB\"\noutput = \"1MiB\"\n";
    let scene = Scene::new(limits);
    scene.prompt("bomb", SCRIPTED, BOMB);
    scene.prompt("burner", SCRIPTED, BURNER);
    scene.prompt("disk", SCRIPTED, "run head -c 200M /dev/urandom > big.bin\nhang");
    scene.prompt("flood", SCRIPTED, "write kept.txt kept\nlines 1000000 0\nhang");
    scene.prompt("near", SCRIPTED, "sleep 2s\nwrite near.txt near");
    let ran = finish(&scene, "5");
    let events = ran.events();
    let outcome = |task: &str| ran.task(task)["outcome"].as_str().unwrap().to_owned();
    let detail = |task: &str| scene.task(task)["detail"].as_str().unwrap().to_owned();
    let end = |task: &str| of_task(&events, task, "step-ended")[0]["end"].clone();

    assert_eq!(outcome("bomb"), "succeeded");
    let most = end("bomb")["taken"]["pids_peak"].as_u64().unwrap();
    assert!((50..=100).contains(&most), "{most}");

    assert_eq!(outcome("burner"), "succeeded");
    let branch = ran.report()["branch"].as_str().unwrap().to_owned();
    let group = scene.blob(&branch, "group.txt");
    let halved = group.contains("50000 100000") || group.contains("50000\ncpu/cpu.cfs_period_us\n100000");
    assert!(halved, "{group}");
    let (cpu, wall) = (end("burner")["cpu_ms"].as_f64().unwrap(), end("burner")["wall"].as_f64().unwrap());
    assert!(cpu / wall < 0.6, "{cpu} ms of {wall} ms");

    assert_eq!(
        (outcome("disk").as_str(), detail("disk").as_str()),
        ("failed", "its workspace and home took more than 50 MiB of the disk")
    );
    assert_eq!(
        (outcome("flood").as_str(), detail("flood").as_str()),
        ("failed", "stopped, because it wrote more output than a step may")
    );
    let written = std::fs::metadata(scene.steps("flood", 1)[0].join("stdout.jsonl")).unwrap().len();
    assert!((512 << 10..2 << 20).contains(&written), "{written}");
    assert_eq!(outcome("near"), "succeeded");
    assert_eq!(scene.blob(&branch, "after.txt"), "it lives on");
    scene.nothing_is_left(2);
}
