//! What the kernel counts for a container: its control groups, of version 1, version 2, or mixed.
//!
//! A container's first process says in `/proc/PID/cgroup` which groups it is in, and `/proc/self/mountinfo` where they can be
//! seen. Where they cannot (gadugi itself runs in a container), or are not the container's own (an engine without the right
//! to make groups leaves its containers in its own), nothing is said: the groups of others would give wrong numbers.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of a group's file that are read. The longest, `memory.stat`, has some 2 kB.
const LONGEST: u64 = 16 * 1024;

/// Where the figures of one container are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    cpu: Option<Place>,
    memory: Option<Place>,
    pids: Option<Place>,
    io: Option<Place>,
}

/// A group's folder, by the version of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    One(PathBuf),
    Two(PathBuf),
}

/// What a container uses, as far as it can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time since it began, µs.
    pub(crate) cpu_us: Option<u64>,
    pub(crate) memory: Option<Memory>,
    /// Processes and threads.
    pub(crate) pids: Option<u32>,
    pub(crate) io: Option<Io>,
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// As `docker stats` counts it: everything but the pages of files that nobody has used lately.
    pub(crate) used: u64,
    /// Anonymous and shared memory: what nobody else has, and no file can bring back.
    pub(crate) own: u64,
}

/// Bytes that went from and to disks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Io {
    pub(crate) read: u64,
    pub(crate) written: u64,
}

impl Io {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            read: self.read.saturating_add(other.read),
            written: self.written.saturating_add(other.written),
        }
    }

    pub(crate) fn at_least(self, other: Self) -> Self {
        Self { read: self.read.max(other.read), written: self.written.max(other.written) }
    }
}

impl Groups {
    /// Those of the container whose first process has this pid here. Reads some files of `/proc`, each time: for a
    /// container's first look.
    pub(crate) fn of(pid: u32, parent: u32) -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let own = text(&format!("/proc/{pid}/cgroup"));
        // Whoever started the container is outside of it, and so are we.
        let others = [text(&format!("/proc/{parent}/cgroup")), text("/proc/self/cgroup")];
        Self::find(&own, &others, &text("/proc/self/mountinfo"), |dir| dir.is_dir())
    }

    fn find(own: &str, others: &[String], mounts: &str, is_there: impl Fn(&Path) -> bool) -> Self {
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
        let others: Vec<Vec<Member>> = others.iter().map(|text| members(text)).collect();
        let own = members(own);
        let place = |controller: &str| {
            // Where both versions are mounted and have it, the first one does: a controller is in one of them only.
            let one = own.iter().find(|member| member.controllers.contains(&controller));
            let (member, version_one) = match one {
                Some(member) => (member, true),
                None => (own.iter().find(|member| member.controllers.is_empty())?, false),
            };
            let shared = |other: &Vec<Member>| other.contains(member);
            if member.path == "/" || others.iter().any(shared) {
                return None;
            }
            let mut mounted = mounts.iter().filter(|mount| match version_one {
                true => {
                    mount.controllers.as_ref().is_some_and(|all| all.iter().any(|name| *name == controller))
                }
                false => mount.controllers.is_none(),
            });
            let dir = mounted.find_map(|mount| mount.dir(member.path).filter(|dir| is_there(dir)))?;
            Some(if version_one { Place::One(dir) } else { Place::Two(dir) })
        };
        Self { cpu: place("cpuacct"), memory: place("memory"), pids: place("pids"), io: place("blkio") }
    }

    /// What it uses now. Takes some 10 µs for each of five files.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            cpu_us: self.cpu.as_ref().and_then(cpu_us),
            memory: self.memory.as_ref().and_then(memory),
            pids: self.pids.as_ref().and_then(pids),
            io: self.io.as_ref().and_then(io),
        }
    }
}

/// A line of `/proc/PID/cgroup`. No controllers: version 2.
#[derive(Debug, PartialEq, Eq)]
struct Member<'a> {
    controllers: Vec<&'a str>,
    path: &'a str,
}

fn members(text: &str) -> Vec<Member<'_>> {
    let lines = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    lines
        .map(|(controllers, path)| Member {
            controllers: controllers.split(',').filter(|name| !name.is_empty()).collect(),
            path,
        })
        .collect()
}

/// A mounted tree of groups.
#[derive(Debug)]
struct Mount {
    /// Which part of the tree it shows.
    root: String,
    at: PathBuf,
    /// Version 1: its controllers. None: version 2.
    controllers: Option<Vec<String>>,
}

impl Mount {
    /// A line of `mountinfo`, where it is one of groups.
    fn parse(line: &str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, at) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let (fs_type, options) = (kind.next()?, kind.nth(1)?);
        let controllers = match fs_type {
            "cgroup" => Some(options.split(',').map(str::to_owned).collect()),
            "cgroup2" => None,
            _ => return None,
        };
        Some(Self { root: unescaped(root), at: unescaped(at).into(), controllers })
    }

    /// Where a group can be seen in this tree.
    fn dir(&self, path: &str) -> Option<PathBuf> {
        let root = self.root.trim_end_matches('/');
        let below = path.strip_prefix(root)?;
        // A group outside of our own namespace begins with `/..`.
        let inside = below.starts_with('/') && !below.split('/').any(|part| part == "..");
        inside.then(|| self.at.join(below.trim_start_matches('/')))
    }
}

/// `mountinfo` writes a space as `\040`.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|code| u8::from_str_radix(code, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

fn cpu_us(place: &Place) -> Option<u64> {
    match place {
        Place::One(dir) => Some(number(&text(dir, "cpuacct.usage")?)? / 1000),
        Place::Two(dir) => field(&text(dir, "cpu.stat")?, "usage_usec"),
    }
}

fn memory(place: &Place) -> Option<Memory> {
    let (dir, usage, idle, anonymous, shared) = match place {
        Place::One(dir) => (dir, "memory.usage_in_bytes", "total_inactive_file", "total_rss", "total_shmem"),
        Place::Two(dir) => (dir, "memory.current", "inactive_file", "anon", "shmem"),
    };
    let usage = number(&text(dir, usage)?)?;
    let stat = text(dir, "memory.stat")?;
    Some(Memory {
        used: usage.saturating_sub(field(&stat, idle)?),
        // Kernels before 4.18 do not tell shared memory apart in version 1.
        own: field(&stat, anonymous)?.saturating_add(field(&stat, shared).unwrap_or(0)),
    })
}

fn pids(place: &Place) -> Option<u32> {
    let (Place::One(dir) | Place::Two(dir)) = place;
    text(dir, "pids.current")?.trim().parse().ok()
}

fn io(place: &Place) -> Option<Io> {
    match place {
        Place::One(dir) => {
            let files = ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"];
            io_one(&files.iter().find_map(|file| text(dir, file))?)
        }
        Place::Two(dir) => io_two(&text(dir, "io.stat")?, is_stacked),
    }
}

/// Lines `8:0 Read 4096`, and a last one `Total 4096`.
fn io_one(text: &str) -> Option<Io> {
    let mut sum = Io::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(device), Some(kind), Some(bytes)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        if is_stacked(device) {
            continue;
        }
        let bytes = number(bytes)?;
        match kind {
            "Read" => sum.read = sum.read.saturating_add(bytes),
            "Write" => sum.written = sum.written.saturating_add(bytes),
            _ => {}
        }
    }
    Some(sum)
}

/// Lines `8:0 rbytes=1 wbytes=2 rios=3 …`. Several devices without numbers can stand before one that has some.
fn io_two(text: &str, is_stacked: impl Fn(&str) -> bool) -> Option<Io> {
    let mut sum = Io::default();
    for line in text.lines() {
        let Some((devices, _)) = line.split_once("rbytes=") else { continue };
        if devices.split_ascii_whitespace().next_back().is_some_and(&is_stacked) {
            continue;
        }
        let bytes = |name: &str| {
            line.split_ascii_whitespace().find_map(|word| number(word.strip_prefix(name)?.strip_prefix('=')?))
        };
        sum = sum.plus(Io { read: bytes("rbytes")?, written: bytes("wbytes")? });
    }
    Some(sum)
}

/// Whether a device (`253:0`) stands on others, as those of the device mapper do: what goes through it is counted at the
/// one below once more.
fn is_stacked(device: &str) -> bool {
    let slaves = fs::read_dir(format!("/sys/dev/block/{device}/slaves"));
    slaves.is_ok_and(|mut slaves| slaves.next().is_some())
}

fn text(dir: &Path, file: &str) -> Option<String> {
    let mut text = String::new();
    let file = fs::File::open(dir.join(file)).ok()?;
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// A line `name number`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| number(line.strip_prefix(name)?.strip_prefix(' ')?))
}

#[cfg(test)]
mod tests;
