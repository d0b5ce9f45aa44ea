//! What containers are measured to use, beside what the engine's own command line says of them.
#![expect(clippy::unwrap_used, reason = "tests may; clippy does not know what helps them")]

use std::process::Command;
use std::time::{Duration, Instant};

use gadugi_core::Process;
use gadugi_exec::{Figures, Sampler};
use gadugi_testkit::docker::{BASE_IMAGE, socket};

/// Longer than anything here takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").arg("-H").arg(socket()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A container of the test's own; dropped, it is removed.
struct Container {
    id: String,
    process: Process,
}

impl Container {
    fn new(options: &[&str], script: &str) -> Self {
        let mut arguments = vec!["run", "-d", "--network=none", "--memory=512m", "--pids-limit=200"];
        arguments.extend(options);
        arguments.extend([BASE_IMAGE, "sh", "-c", script]);
        let id = docker(&arguments);
        let pid = docker(&["inspect", "--format={{.State.Pid}}", &id]).parse().unwrap();
        let process = gadugi_sys::process::identify(pid).unwrap();
        Self { id, process }
    }

    fn until(&self, sampler: &mut Sampler, so: impl Fn(&Figures) -> bool) -> Figures {
        let begun = Instant::now();
        loop {
            let figures = sampler.sample(std::slice::from_ref(&self.process))[0].expect("it runs");
            if so(&figures) {
                return figures;
            }
            assert!(begun.elapsed() < PATIENCE, "{figures:?}\n{}", docker(&["logs", &self.id]));
            std::thread::yield_now();
        }
    }

    /// Memory in MiB and pids, as `docker stats` tells them.
    fn stats(&self) -> (f64, u32) {
        let line = docker(&["stats", "--no-stream", "--format={{.MemUsage}} {{.PIDs}}", &self.id]);
        let words: Vec<&str> = line.split(' ').collect();
        let [memory, "/", _, pids] = words[..] else { panic!("{line}") };
        let units = [("GiB", 1024.0), ("MiB", 1.0), ("KiB", 1.0 / 1024.0)];
        let memory = units.iter().find_map(|(unit, size)| {
            let number: f64 = memory.strip_suffix(unit)?.parse().ok()?;
            Some(number * size)
        });
        (memory.unwrap_or_else(|| panic!("{line}")), pids.parse().unwrap())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let remove = Command::new("docker").args(["-H", &socket(), "rm", "-f", &self.id]).output();
        drop(remove);
    }
}

#[test]
fn memory_and_pids_are_what_docker_stats_says() {
    // 100 MiB of its own, 60 MiB of a file that was read once, and some processes.
    let hog = Container::new(
        &["--tmpfs=/tmp"],
        "for _ in $(seq 10); do sleep 1000 & done
         cat /usr/bin/perl /usr/lib/git-core/* > /dev/null
         exec perl -e '$held = \"x\" x (100 << 20); $| = 1; print \"held\\n\"; sleep 1000'",
    );
    let mut sampler = Sampler::new();
    let figures = hog.until(&mut sampler, |figures| figures.own_mib > 95.0 && figures.pids == 11);
    assert!(figures.container, "{figures:?}");
    let (memory, pids) = hog.stats();
    let figures = hog.until(&mut sampler, |_| true);
    assert!(
        (figures.memory_mib - memory).abs() < memory * 0.03 + 0.5,
        "docker says {memory} MiB: {figures:?}"
    );
    assert_eq!(figures.pids, pids);
    assert_eq!((figures.processes, figures.threads), (11, 11), "{figures:?}");
    assert!(figures.memory_mib > figures.own_mib && figures.peak_mib >= figures.own_mib, "{figures:?}");
}

#[test]
fn threads_and_what_was_let_in_count_too() {
    let container = Container::new(&[], "exec sleep 1000");
    let mut sampler = Sampler::new();
    assert_eq!(container.until(&mut sampler, |_| true).pids, 1);
    // It is no child of the first process, and no look at that one's tree sees it.
    docker(&["exec", "-d", &container.id, "sleep", "1000"]);
    let figures = container.until(&mut sampler, |figures| figures.pids == 2);
    assert_eq!(figures.processes, 1, "{figures:?}");
    assert_eq!(container.stats().1, 2);
}

#[test]
fn a_share_of_the_processors_shows_as_such() {
    let container = Container::new(&["--cpus=0.5"], "while :; do :; done");
    let mut sampler = Sampler::new();
    container.until(&mut sampler, |_| true);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        std::thread::yield_now();
    }
    let figures = container.until(&mut sampler, |_| true);
    // It gets no more; less only where the whole machine has nothing left.
    assert!((35.0..56.0).contains(&figures.cpu_percent), "{figures:?}");
    assert!(figures.cpu_ms >= 1000, "{figures:?}");
}

#[test]
fn bytes_of_disks_are_seen_whichever_way_they_take() {
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mount = format!("--volume={}:/workspace", disk.path().display());
    let container = Container::new(
        &[&mount],
        "dd if=/dev/zero of=/workspace/file bs=1M count=20 conv=fsync 2> /dev/null; exec sleep 1000",
    );
    let figures =
        container.until(&mut Sampler::new(), |figures| figures.disk_written_bytes >= Some(20 << 20));
    assert!(figures.disk_written_bytes < Some(24 << 20), "{figures:?}");
}

#[test]
fn a_container_that_is_gone_has_no_figures() {
    let container = Container::new(&[], "exec sleep 1000");
    let mut sampler = Sampler::new();
    container.until(&mut sampler, |_| true);
    docker(&["kill", &container.id]);
    let begun = Instant::now();
    while sampler.sample(std::slice::from_ref(&container.process))[0].is_some() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}
