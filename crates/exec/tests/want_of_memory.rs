//! What the kernel kills for want of memory is known as such: real kills, in a memory cgroup of the test's own.
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not know what helps them")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use common::{Fixture, assert_nothing_left, code, next_line, patiently, to_end};
use gadugi_core::{StepExit, StopForce};
use gadugi_exec::{Adoption, Ended, StepOrder};

/// Keeps all that it reads, and there is no end of it.
const EATER: &str = "tail -n 1 /dev/zero";
const LIMIT: &str = "50331648";

/// A memory cgroup with a small limit.
struct SmallGroup(PathBuf);

impl SmallGroup {
    fn make() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("gadugi-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let one = Path::new("/sys/fs/cgroup/memory");
        let two = Path::new("/sys/fs/cgroup");
        let (root, limit) = if one.is_dir() { (one, "memory.limit_in_bytes") } else { (two, "memory.max") };
        if root == two {
            // Refused where it is so already, or may not be: then the limit below cannot be set.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
        }
        let group = Self(root.join(name));
        let made = fs::create_dir(&group.0).and_then(|()| fs::write(group.0.join(limit), LIMIT));
        assert!(
            made.is_ok(),
            "NOT TESTED: this test makes a memory cgroup below {} and needs root with CAP_SYS_ADMIN: {made:?}",
            root.display()
        );
        // Without swap, so that the end comes soon; not every kernel counts it.
        for file in ["memory.swap.max", "memory.swappiness"] {
            let _ = fs::write(group.0.join(file), "0");
        }
        group
    }

    /// Runs a step under a shim that is itself in the group.
    async fn run(&self, fixture: &Fixture, order: &StepOrder) -> Ended {
        fs::create_dir_all(&order.dir).unwrap();
        let argv: Vec<_> = order.argv.iter().map(|word| word.to_str().unwrap()).collect();
        let spec = serde_json::json!({
            "argv": argv, "env_names": [], "cwd": order.cwd, "stdin": null, "attempt": order.attempt,
            "grace_ms": 100, "lease_ms": 0,
        });
        fs::write(order.dir.join("spec.json"), spec.to_string()).unwrap();
        let mut shim = Command::new("/bin/sh");
        shim.args(["-c", "echo $$ > \"$1/cgroup.procs\" && exec \"$2\" \"$3\"", "sh"]);
        shim.arg(&self.0).arg(fixture.shim()).arg(&order.dir);
        shim.env_clear().envs(order.env.clone()).env("GADUGI_ATTEMPT", &order.attempt);
        shim.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let shim = shim.spawn().unwrap();
        let output = tokio::task::spawn_blocking(|| shim.wait_with_output());
        let output = patiently(output).await.unwrap().unwrap();
        assert!(output.status.success(), "the shim lives to tell of it: {output:?}");
        let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
        let Adoption::Ended(mut follower) = adoption else { panic!("{adoption:?}") };
        to_end(&mut follower).await.1
    }
}

impl Drop for SmallGroup {
    fn drop(&mut self) {
        // Refused while somebody is in it: then the test has failed already.
        let _ = fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn a_step_that_the_kernel_killed_is_out_of_memory() {
    let (fixture, group) = (Fixture::new(), SmallGroup::make());
    for script in [
        // The main process itself; a child whose death a shell passes on; one in a session of its own.
        format!("exec {EATER}"),
        format!("{EATER}; exit $?"),
        format!("setsid --wait {EATER}"),
    ] {
        let order = fixture.script(&script);
        let ended = group.run(&fixture, &order).await;
        assert_eq!((&ended.exit, ended.stopped), (&StepExit::OutOfMemory, false), "{script}");
        assert_eq!((ended.oom_kills, ended.left_over), (1, 0), "{script}");
        assert!(ended.max_rss_kib > 30_000, "{ended:?}");
        assert_nothing_left(&order);
    }
}

#[tokio::test]
async fn only_the_kill_that_the_kernel_counted_is_one() {
    let (fixture, group) = (Fixture::new(), SmallGroup::make());
    // A tool was killed and the agent went on: that is told beside its own end.
    let ended = group.run(&fixture, &fixture.script(&format!("{EATER}; exit 3"))).await;
    assert_eq!((ended.exit, ended.oom_kills), (code(3), 1));
    // Somebody's KILL a moment after the kernel killed another elsewhere.
    let ended = group.run(&fixture, &fixture.script("kill -KILL $$")).await;
    assert_eq!((ended.exit, ended.oom_kills), (StepExit::Signal(9), 0));
}

#[tokio::test]
async fn a_record_of_an_older_shim_is_still_read() {
    let fixture = Fixture::new();
    let order = fixture.script("kill -KILL $$");
    fixture.run(&order).await;
    let path = order.dir.join("exit.json");
    let mut exit: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (stopped, kills, expected) in [
        (false, None, StepExit::Signal(9)),
        (false, Some(0), StepExit::Signal(9)),
        (false, Some(1), StepExit::OutOfMemory),
        (true, Some(1), StepExit::Signal(9)),
    ] {
        let fields = exit.as_object_mut().unwrap();
        fields.remove("oom_in_all");
        fields.remove("oom_lately");
        fields["stopped"] = stopped.into();
        if let Some(kills) = kills {
            fields.insert("oom_lately".into(), serde_json::json!({"machine": kills, "of_a_newer_shim": 1}));
        }
        fs::write(&path, exit.to_string()).unwrap();
        let adoption = fixture.executor.adopt(&order.dir, &order.attempt).await.unwrap();
        let Adoption::Ended(mut follower) = adoption else { panic!("{adoption:?}") };
        assert_eq!(to_end(&mut follower).await.1.exit, expected, "{exit}");
    }
}

#[tokio::test]
async fn the_step_is_offered_first_and_the_shim_spared() {
    let fixture = Fixture::new();
    let score = |pid: &str| -> i32 {
        fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim().parse().unwrap()
    };
    let own = score("self");
    let show = "cat /proc/self/oom_score_adj";
    let order = fixture.script(&format!("{show}; setsid {show}; exec sleep 1000"));
    let mut follower = fixture.executor.launch(&order).await.unwrap();
    for _ in 0..2 {
        assert_eq!(next_line(&mut follower).await, (own + 300).min(1000).to_string());
    }
    let shim = score(&follower.process().pid.to_string());
    assert!(shim <= own, "{shim}");
    follower.stopper().stop(StopForce::Now);
    to_end(&mut follower).await;
}
