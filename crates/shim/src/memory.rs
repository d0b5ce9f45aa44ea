//! Want of memory: who is to die of it first, and whether somebody did.
//!
//! The kernel counts the processes that it killed, in each memory cgroup and for the whole machine, and it counts before
//! it kills: a main process that died of SIGKILL finds its own death already counted. It does not say who was meant, so
//! what counts is what was counted *lately*: a death elsewhere hours ago explains nothing.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gadugi_shim::OomKills;

/// The counters are read this often. "Lately" is since the reading before the last: half a minute to a minute, so that a
/// reading between the kernel's count and the death does not hide it.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// By how much the step's processes are offered to the kernel before anybody else's, in thousandths of the machine's
/// memory: as browsers do with their tabs, so that an agent dies before an engine, an editor or a shell does.
const OFFERED: i32 = 300;

/// The shim's own wish: nearly never. It takes a MiB or two, and its end is the end of the step.
const SPARED: i32 = -900;

/// The shim's own `oom_score_adj`, which whatever it starts inherits.
#[derive(Debug)]
pub(crate) struct OomScore {
    file: File,
    own: i32,
}

impl OomScore {
    /// To be opened before the shim makes itself undumpable: from then on its files in `/proc` are root's.
    pub(crate) fn open() -> Option<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open("/proc/self/oom_score_adj").ok()?;
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        Some(Self { own: text.trim().parse().ok()?, file })
    }

    /// What is started from now on is offered. Raising is everybody's right.
    pub(crate) fn offer(&self) {
        self.set((self.own + OFFERED).min(1000));
    }

    /// The shim itself is spared from now on; without the privilege for that it is what it was, and small.
    pub(crate) fn spare(&self) {
        if !self.set(self.own.min(SPARED)) {
            self.set(self.own);
        }
    }

    fn set(&self, score: i32) -> bool {
        self.file.write_at(score.to_string().as_bytes(), 0).is_ok()
    }
}

/// What the counters said at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counters {
    machine: Option<u64>,
    /// The file, and what it said: counters of two files have nothing to do with each other.
    cgroup: Option<(PathBuf, u64)>,
}

/// The counters over a step's life.
#[derive(Debug)]
pub(crate) struct OomWatch {
    first: Counters,
    before_last: Counters,
    last: Counters,
    look_at: Instant,
}

impl OomWatch {
    pub(crate) fn new(now: Instant) -> Self {
        let first = read();
        Self { before_last: first.clone(), last: first.clone(), first, look_at: now + LOOK_EVERY }
    }

    /// When to look next.
    pub(crate) fn look_at(&self) -> Instant {
        self.look_at
    }

    /// Looks, where it is time to.
    pub(crate) fn look(&mut self, now: Instant) {
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.before_last = std::mem::replace(&mut self.last, read());
        }
    }

    /// Lately, and since the beginning.
    pub(crate) fn kills(&self) -> (OomKills, OomKills) {
        let now = read();
        (since(&self.before_last, &now), since(&self.first, &now))
    }
}

fn since(before: &Counters, now: &Counters) -> OomKills {
    let machine = now.machine.zip(before.machine).map(|(now, before)| now.saturating_sub(before));
    let cgroup = match (&now.cgroup, &before.cgroup) {
        (Some((file, now)), Some((same, before))) if file == same => Some(now.saturating_sub(*before)),
        _ => None,
    };
    OomKills { machine, cgroup }
}

fn read() -> Counters {
    let machine = std::fs::read("/proc/vmstat").ok().and_then(|text| count(&text));
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let cgroup = event_files(&own).into_iter().find_map(|file| {
        let count = count(&std::fs::read(&file).ok()?)?;
        Some((file, count))
    });
    Counters { machine, cgroup }
}

/// The line `oom_kill N`, which all three files have.
fn count(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// Where the counter of this process's memory cgroup may be, best first. In a container the path is often the host's, and
/// what is mounted is the container's own.
fn event_files(cgroups: &str) -> Vec<PathBuf> {
    const ROOT: &str = "/sys/fs/cgroup";
    let place = |controllers: &str, path: &str| match controllers {
        "" => Some([format!("{ROOT}{path}/memory.events"), format!("{ROOT}/memory.events")]),
        _ if controllers.split(',').any(|one| one == "memory") => {
            let mount = format!("{ROOT}/{controllers}");
            Some([format!("{mount}{path}/memory.oom_control"), format!("{mount}/memory.oom_control")])
        }
        _ => None,
    };
    let lines = cgroups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let mut places: Vec<_> = lines.filter_map(|(controllers, path)| place(controllers, path)).collect();
    // Where both versions are mounted, the first one has the memory: the line without controllers comes last.
    places.sort_by_key(|[file, _]| file.ends_with("memory.events"));
    places.into_iter().flatten().map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Counters, OomKills, count, event_files, since};

    #[test]
    fn the_counter_is_found_in_each_of_the_kernels_files() {
        assert_eq!(count(b"pgfault 12\noom_kill 3\nnuma_hit 5\n"), Some(3));
        assert_eq!(count(b"low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 0\n"), Some(1));
        assert_eq!(count(b"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), Some(7));
        assert_eq!(count(b"oom_kill_disable 0\nunder_oom 0\n"), None, "kernels before 4.13");
        assert_eq!(count(b"\xff"), None);
    }

    #[test]
    fn the_cgroup_is_found_in_both_versions_and_in_containers() {
        let v2 = event_files("0::/user.slice/user-1000.slice/session-2.scope\n");
        assert_eq!(
            v2[0],
            Path::new("/sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope/memory.events")
        );
        assert_eq!(v2[1], Path::new("/sys/fs/cgroup/memory.events"));
        let hybrid = event_files("9:name=systemd:/\n5:cpu,cpuacct:/a\n4:memory:/docker/c0ffee\n0::/\n");
        let files = [
            "/sys/fs/cgroup/memory/docker/c0ffee/memory.oom_control",
            "/sys/fs/cgroup/memory/memory.oom_control",
        ];
        assert_eq!(hybrid[..2], files.map(PathBuf::from));
        assert!(event_files("").is_empty() && event_files("torn\n1:2").is_empty());
    }

    #[test]
    fn only_what_one_file_counted_is_a_difference() {
        let at = |machine, file: &str, count| Counters { machine, cgroup: Some((file.into(), count)) };
        assert_eq!(
            since(&at(Some(3), "/a", 1), &at(Some(5), "/a", 2)),
            OomKills { machine: Some(2), cgroup: Some(1) }
        );
        assert_eq!(since(&at(None, "/a", 1), &at(Some(5), "/b", 2)), OomKills::default());
        assert_eq!(since(&at(Some(5), "/a", 2), &at(Some(4), "/a", 1)).machine, Some(0), "set back");
    }
}
