//! One look at all processes.

use std::fs;

use gadugi_sys::process::start_ticks;

/// What is read of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    pub(crate) zombie: bool,
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
    parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
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
    parse_memory(&fs::read(format!("/proc/{pid}/status")).ok()?)
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

fn parse(pid: u32, stat: &[u8]) -> Option<Stat> {
    let stat = String::from_utf8_lossy(stat);
    let behind_name = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = behind_name.split_ascii_whitespace().collect();
    // Field n of proc(5) is here number n - 3.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        parent: u32::try_from(number(4)?).ok()?,
        session: u32::try_from(number(6)?).ok()?,
        zombie: matches!(fields.first()?, &"Z" | &"X"),
        cpu_ticks: (14..=17).filter_map(number).sum(),
        threads: u32::try_from(number(20)?).ok()?,
        rss_pages: number(24)?,
        start_ticks: start_ticks(&stat)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Memory, parse, parse_memory};

    #[test]
    fn fields_are_counted_behind_the_name() {
        let line = b"7 (a b) (c)) S 5 7 6 0 -1 1 2 3 4 5 10 20 30 40 20 0 3 0 999 4096 77 1 1";
        let stat = parse(7, line).unwrap();
        assert_eq!((stat.parent, stat.session, stat.zombie), (5, 6, false));
        assert_eq!((stat.cpu_ticks, stat.threads, stat.start_ticks, stat.rss_pages), (100, 3, 999, 77));
        assert_eq!(parse(7, b"7 (torn"), None);
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
