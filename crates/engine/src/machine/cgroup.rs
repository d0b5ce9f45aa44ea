//! The limits of the control group that this process is in, and of those around it.

use std::path::{Path, PathBuf};

use super::{least, text};

const ROOT: &str = "/sys/fs/cgroup";

/// Where the files of our group are, for each controller that counts here. The paths of version 1 differ by controller;
/// in version 2 they are one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    memory: Option<Place>,
    cpu: Option<Place>,
    cpu_usage: Option<Place>,
}

/// A group's folder and where its tree is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    mount: PathBuf,
    dir: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// What a limit leaves, KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) limit_kib: u64,
    pub(super) left_kib: u64,
}

impl Group {
    /// Ours. Nothing where there are no control groups.
    pub(super) fn own() -> Self {
        Self::of(&text("/proc/self/cgroup"), |dir| dir.is_dir())
    }

    fn of(cgroups: &str, is_there: impl Fn(&Path) -> bool) -> Self {
        let mut group = Self::default();
        let lines = cgroups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        // Version 1 first: where both are mounted, it has the controllers.
        let (one, two): (Vec<_>, Vec<_>) = lines.partition(|(controllers, _)| !controllers.is_empty());
        for (controllers, path) in one {
            let place = || Place::new(&Path::new(ROOT).join(controllers), path, Version::One, &is_there);
            for controller in controllers.split(',') {
                match controller {
                    "memory" => group.memory = place(),
                    "cpu" => group.cpu = place(),
                    "cpuacct" => group.cpu_usage = place(),
                    _ => {}
                }
            }
        }
        for (_, path) in two {
            let place = Place::new(Path::new(ROOT), path, Version::Two, &is_there);
            for slot in [&mut group.memory, &mut group.cpu, &mut group.cpu_usage] {
                *slot = slot.take().or_else(|| place.clone());
            }
        }
        group
    }

    /// The tightest limit on memory from here to the top, if there is any.
    pub(super) fn memory(&self) -> Option<Memory> {
        let place = self.memory.as_ref()?;
        place.upwards().filter_map(|dir| memory_of(dir, place.version)).min_by_key(|memory| memory.left_kib)
    }

    /// The smallest quota from here to the top, in processors.
    pub(super) fn cpus(&self) -> Option<f64> {
        let place = self.cpu.as_ref()?;
        let quotas = place.upwards().map(|dir| match place.version {
            Version::One => {
                let (quota, period) =
                    (text(dir.join("cpu.cfs_quota_us")), text(dir.join("cpu.cfs_period_us")));
                quota_of(&format!("{} {}", quota.trim(), period.trim()))
            }
            Version::Two => quota_of(&text(dir.join("cpu.max"))),
        });
        quotas.fold(None, least)
    }

    /// Processor time of our group since it was made, microseconds.
    pub(super) fn cpu_us(&self) -> Option<u64> {
        let place = self.cpu_usage.as_ref()?;
        match place.version {
            Version::One => Some(number(&text(place.dir.join("cpuacct.usage")))? / 1000),
            Version::Two => field(&text(place.dir.join("cpu.stat")), "usage_usec"),
        }
    }
}

impl Place {
    /// In a container the path may be the host's, and what is mounted is the container's own.
    fn new(mount: &Path, path: &str, version: Version, is_there: &impl Fn(&Path) -> bool) -> Option<Self> {
        let own = mount.join(path.trim_start_matches('/'));
        let dir = [own, mount.to_owned()].into_iter().find(|dir| is_there(dir))?;
        Some(Self { mount: mount.to_owned(), dir, version })
    }

    fn upwards(&self) -> impl Iterator<Item = &Path> {
        self.dir.ancestors().take_while(|dir| dir.starts_with(&self.mount))
    }
}

fn memory_of(dir: &Path, version: Version) -> Option<Memory> {
    let (limit, usage, idle) = match version {
        Version::One => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        Version::Two => ("memory.max", "memory.current", "inactive_file"),
    };
    let limit = limit_of(&text(dir.join(limit)))?;
    let used = number(&text(dir.join(usage)))?;
    // Files that nobody has looked at lately go first, and without harm.
    let idle = field(&text(dir.join("memory.stat")), idle).unwrap_or(0);
    Some(left(limit, used, idle))
}

fn left(limit: u64, used: u64, idle: u64) -> Memory {
    let left = limit.saturating_sub(used.saturating_sub(idle));
    Memory { limit_kib: limit / 1024, left_kib: left / 1024 }
}

/// Bytes; none where there is no limit: `max`, or in version 1 a number that no machine has (2^63 less a page).
fn limit_of(text: &str) -> Option<u64> {
    const NO_MACHINE: u64 = 1 << 60;
    number(text).filter(|limit| *limit < NO_MACHINE)
}

/// `cpu.max`: quota and period in microseconds. No quota is `max`, or -1 in version 1.
fn quota_of(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period) = (number(quota)?, number(period)?);
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// A line `name number`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| number(line.strip_prefix(name)?.strip_prefix(' ')?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn our_group_is_found_in_both_versions() {
        let two = Group::of("0::/user.slice/app.scope\n", |_| true);
        let place = two.memory.clone().unwrap();
        assert_eq!(place.dir, Path::new("/sys/fs/cgroup/user.slice/app.scope"));
        let up: Vec<_> = place.upwards().collect();
        assert_eq!(
            up,
            ["/sys/fs/cgroup/user.slice/app.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"]
                .map(Path::new)
        );
        assert_eq!(two.cpu, two.cpu_usage);

        let hybrid = Group::of("9:name=systemd:/x\n4:memory:/m\n2:cpu,cpuacct:/c\n0::/\n", |_| true);
        assert_eq!(hybrid.memory.clone().unwrap().dir, Path::new("/sys/fs/cgroup/memory/m"));
        assert_eq!(hybrid.cpu.unwrap().dir, Path::new("/sys/fs/cgroup/cpu,cpuacct/c"));
        assert_eq!(hybrid.memory.unwrap().version, Version::One);

        let container = Group::of("4:memory:/docker/c0ffee\n", |dir| dir.ends_with("memory"));
        assert_eq!(container.memory.unwrap().dir, Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(Group::of("", |_| true), Group::default());
        assert_eq!(Group::of("torn\n0::/x", |_| false), Group::default());
    }

    #[test]
    fn limits_and_quotas_are_read_as_the_kernel_writes_them() {
        assert_eq!(limit_of("max\n"), None);
        assert_eq!(limit_of("9223372036854771712\n"), None);
        assert_eq!(limit_of("4294967296\n"), Some(4 << 30));
        assert_eq!(quota_of("max 100000\n"), None);
        assert_eq!(quota_of("-1 100000"), None);
        assert_eq!(quota_of("150000 100000\n"), Some(1.5));
        assert_eq!(quota_of(""), None);
        assert_eq!(field("usage_usec 12345\nuser_usec 1\n", "usage_usec"), Some(12_345));
        assert_eq!(field("inactive_file_x 3\ninactive_file 7\n", "inactive_file"), Some(7));
        assert_eq!(left(4 << 30, 3 << 30, 1 << 30), Memory { limit_kib: 4 << 20, left_kib: 2 << 20 });
        assert_eq!(left(1 << 30, 2 << 30, 0).left_kib, 0, "a limit that was lowered under what is used");
    }

    #[test]
    fn the_tightest_limit_on_the_way_up_counts() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("outer/inner");
        fs::create_dir_all(&dir).unwrap();
        let write = |dir: &Path, files: &[(&str, &str)]| {
            files.iter().for_each(|(name, text)| fs::write(dir.join(name), text).unwrap());
        };
        write(&dir, &[("memory.max", "max\n"), ("memory.current", "1048576\n"), ("cpu.max", "max 100000\n")]);
        write(&dir, &[("cpu.stat", "usage_usec 777\nuser_usec 1\n")]);
        let outer = dir.parent().unwrap();
        write(outer, &[("memory.max", "2147483648\n"), ("memory.current", "1610612736\n")]);
        write(outer, &[("memory.stat", "anon 1\ninactive_file 536870912\n"), ("cpu.max", "50000 100000\n")]);
        let place = Place { mount: root.path().to_owned(), dir, version: Version::Two };
        let group = Group { memory: Some(place.clone()), cpu: Some(place.clone()), cpu_usage: Some(place) };
        assert_eq!(group.memory(), Some(Memory { limit_kib: 2 << 20, left_kib: 1 << 20 }));
        assert_eq!(group.cpus(), Some(0.5));
        assert_eq!(group.cpu_us(), Some(777));
        assert_eq!(Group::default().memory(), None);
    }

    #[test]
    fn version_one_has_other_names_for_the_same() {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("memory.limit_in_bytes", "2147483648\n"),
            ("memory.usage_in_bytes", "1073741824\n"),
            ("memory.stat", "inactive_file 1\ntotal_inactive_file 536870912\n"),
            ("cpu.cfs_quota_us", "25000\n"),
            ("cpu.cfs_period_us", "50000\n"),
            ("cpuacct.usage", "123456789\n"),
        ] {
            fs::write(root.path().join(name), text).unwrap();
        }
        let dir = root.path().to_owned();
        let place = Place { mount: dir.clone(), dir, version: Version::One };
        let group = Group { memory: Some(place.clone()), cpu: Some(place.clone()), cpu_usage: Some(place) };
        assert_eq!(group.memory(), Some(Memory { limit_kib: 2 << 20, left_kib: 3 << 19 }));
        assert_eq!((group.cpus(), group.cpu_us()), (Some(0.5), Some(123_456)));
    }
}
