//! One look at all processes.

use std::fs::{self, File};
use std::io::Read;

use crate::cgroup::Io;

/// What is read of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    pub(crate) zombie: bool,
    /// Frozen by a signal.
    pub(crate) stopped: bool,
    /// Clock ticks of processor time: its own, and that of children that it has waited for.
    pub(crate) cpu_ticks: u64,
    pub(crate) threads: u32,
    pub(crate) rss_pages: u64,
    pub(crate) start_ticks: u64,
}

/// All processes that can be seen.
pub(crate) fn all() -> Vec<Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| look(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// One process.
pub(crate) fn look(pid: u32) -> Option<Stat> {
    // 64 bytes of name and 51 numbers of at most 20 digits.
    read(&format!("/proc/{pid}/stat"), &mut [0; 2048], |text| parse(pid, text))
}

/// Whether a process that shows no environment has a place for one, of no bytes: so it is where it was started without
/// any, and for a moment while it becomes another program. Before that moment there is no place.
pub(crate) fn has_empty_environment(pid: u32) -> bool {
    // Fields 50 and 51 are where the environment begins and ends; the state is field 3.
    let empty = read(&format!("/proc/{pid}/stat"), &mut [0; 2048], |stat| {
        let behind_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
        let mut fields =
            std::str::from_utf8(&stat[behind_name..]).ok()?.split_ascii_whitespace().skip(50 - 3);
        let (begin, end) = (fields.next()?, fields.next()?);
        Some(begin == end && end != "0")
    });
    empty == Some(true)
}

/// Whether it is a process of somebody's: kernel threads, and what has ended, have no program.
pub(crate) fn has_program(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

/// Files of `/proc` are made as they are read: one read is one moment.
fn read<T>(path: &str, buffer: &mut [u8], parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
    let length = File::open(path).and_then(|mut file| file.read(buffer)).ok()?;
    parse(&buffer[..length])
}

/// What is read of `/proc/PID/status`, KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// `RssAnon`.
    pub(crate) anonymous_kib: u64,
    /// `RssShmem`.
    pub(crate) shared_kib: u64,
    /// `RssFile`.
    pub(crate) file_kib: u64,
    /// `VmHWM`: the most that was resident at once, since the last exec.
    pub(crate) highest_kib: u64,
}

/// The memory of one process; none where it is gone, or has none any more.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    // What is wanted stands in the first 600 bytes or so, behind the groups of the user.
    read(&format!("/proc/{pid}/status"), &mut [0; 4096], parse_memory)
}

fn parse_memory(status: &[u8]) -> Option<Memory> {
    let status = String::from_utf8_lossy(status);
    // They stand in this order, and beside them nothing else that is wanted.
    let mut lines = status.lines();
    let mut kib = |name: &str| {
        let rest = lines.find_map(|line| line.strip_prefix(name))?;
        rest.trim().trim_end_matches("kB").trim().parse().ok()
    };
    Some(Memory {
        highest_kib: kib("VmHWM:")?,
        anonymous_kib: kib("RssAnon:")?,
        file_kib: kib("RssFile:")?,
        shared_kib: kib("RssShmem:")?,
    })
}

/// Bytes that a process, and those of its children that it has waited for, caused to be read from and written to disks; what
/// stayed in the page cache is not in it. None where it is not ours to see: another user's, or one that hides, as a shim
/// does from all but root.
pub(crate) fn io(pid: u32) -> Option<Io> {
    read(&format!("/proc/{pid}/io"), &mut [0; 512], parse_io)
}

fn parse_io(io: &[u8]) -> Option<Io> {
    let io = std::str::from_utf8(io).ok()?;
    let bytes = |name: &str| io.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some(Io { read: bytes("read_bytes:")?, written: bytes("write_bytes:")? })
}

/// Whether it is the first process of a namespace of pids of its own, as that of a container is.
pub(crate) fn is_first_of_namespace(pid: u32) -> bool {
    let first = read(&format!("/proc/{pid}/status"), &mut [0; 4096], |status| {
        let status = String::from_utf8_lossy(status);
        // Its pid as it is seen here, and then in each namespace below, to its own.
        let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        let mut pids = pids.split_ascii_whitespace();
        Some(pids.next().is_some() && pids.next_back() == Some("1"))
    });
    first == Some(true)
}

/// The name in field 2 may hold anything: what counts begins behind the last parenthesis.
fn parse(pid: u32, stat: &[u8]) -> Option<Stat> {
    let behind_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = std::str::from_utf8(&stat[behind_name..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    // Field n of proc(5) is here number n - 4.
    let mut numbers = [0_u64; 21];
    for number in &mut numbers {
        // Some are negative, none of those that are wanted.
        *number = fields.next()?.parse().unwrap_or(0);
    }
    let number = |field: usize| numbers[field - 4];
    Some(Stat {
        pid,
        parent: u32::try_from(number(4)).ok()?,
        session: u32::try_from(number(6)).ok()?,
        zombie: matches!(state, "Z" | "X"),
        stopped: state == "T",
        cpu_ticks: (14..=17).map(number).sum(),
        threads: u32::try_from(number(20)).ok()?,
        start_ticks: number(22),
        rss_pages: number(24),
    })
}

#[cfg(test)]
mod tests {
    use super::{Io, Memory, is_first_of_namespace, parse, parse_io, parse_memory};

    #[test]
    fn fields_are_counted_behind_the_name() {
        let line = b"7 (a b) (c)) S 5 7 6 0 -1 1 2 3 4 5 10 20 30 40 20 0 3 0 999 4096 77 1 1";
        let stat = parse(7, line).unwrap();
        assert_eq!((stat.parent, stat.session, stat.zombie), (5, 6, false));
        assert_eq!((stat.cpu_ticks, stat.threads, stat.start_ticks, stat.rss_pages), (100, 3, 999, 77));
        assert!(
            parse(7, b"7 (a) T 5 7 6 0 -1 1 2 3 4 5 10 20 30 40 20 0 3 0 999 4096 77 1").unwrap().stopped
        );
        assert_eq!(parse(7, b"7 (torn"), None);
        assert_eq!(parse(7, b"7 (torn) S 5 7 6 0"), None);
    }

    #[test]
    fn bytes_of_disks_are_told_from_those_of_calls() {
        let io = b"rchar: 60119\nwchar: 7754\nsyscr: 51\nsyscw: 7\nread_bytes: 1122304\nwrite_bytes: 4096\n\
            cancelled_write_bytes: 0\n";
        assert_eq!(parse_io(io), Some(Io { read: 1_122_304, written: 4096 }));
        assert_eq!(parse_io(b"rchar: 1\n"), None);
        assert!(!is_first_of_namespace(std::process::id()), "no test runs as the first of a namespace below");
    }

    #[test]
    fn memory_is_told_by_its_kind() {
        let status = b"Name:\tclaude\nVmHWM:\t  310688 kB\nVmRSS:\t  295672 kB\nRssAnon:\t  118760 kB\n\
            RssFile:\t  176912 kB\nRssShmem:\t       0 kB\nVmData:\t70175328 kB\n";
        let memory =
            Memory { anonymous_kib: 118_760, shared_kib: 0, file_kib: 176_912, highest_kib: 310_688 };
        assert_eq!(parse_memory(status), Some(memory));
        assert_eq!(parse_memory(b"Name:\tkthreadd\nState:\tS (sleeping)\n"), None);
    }
}
