//! The processes below the shim. It is their subreaper: whoever loses its parent becomes the shim's own child, so
//! that the way up from every one of them ends here, whatever session or group it has moved to.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, kill_process, kill_process_group, pidfd_open, pidfd_send_signal,
};

/// Passes of STOP before KILL in one round. Each pass stops all that it meets; only what was forked behind its back is
/// left for the next, so that a few do against anything but a bomb, and a bomb gets the next round.
const STOP_PASSES: usize = 50;

/// One line of `/proc/PID/stat`, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    pid: i32,
    zombie: bool,
    parent: i32,
    group: i32,
    start: u64,
}

/// The descent of this process.
#[derive(Debug)]
pub(crate) struct Descent {
    own: i32,
    proc_dir: Option<OwnedFd>,
}

impl Descent {
    pub(crate) fn new() -> Self {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc_dir = rustix::fs::open("/proc", flags, Mode::empty()).ok();
        Self { own: getpid().as_raw_nonzero().get(), proc_dir }
    }

    /// Asks all to end. What was stopped is woken for it.
    pub(crate) fn terminate(&self) {
        self.walk(&mut |seen| {
            signal(self, seen, Signal::TERM);
            signal(self, seen, Signal::CONT);
        });
    }

    /// Freezes all, so that nobody forks behind the killer's back, then kills all. Says how many were met.
    pub(crate) fn kill(&self) -> u32 {
        if self.own == 1 {
            // In a pid namespace of its own everything else is the descent, and the kernel does it in one stroke:
            // "group 1" is -1 to kill(2), which is everybody but the caller and the namespace's init, the caller.
            let _ = kill_process_group(Pid::INIT, Signal::KILL);
        }
        let mut frozen = HashSet::new();
        for _ in 0..STOP_PASSES {
            let mut fresh = false;
            let mut groups = HashSet::new();
            self.walk(&mut |seen| {
                if seen.zombie || !frozen.insert((seen.pid, seen.start)) {
                    return;
                }
                fresh = true;
                // A whole group is stopped at once, with whoever it forks right now. Groups do not reach over sessions,
                // and all sessions below the shim were made below it.
                if groups.insert(seen.group) {
                    signal_group(self, seen.group, Signal::STOP);
                }
                signal(self, seen, Signal::STOP);
            });
            if !fresh {
                break;
            }
        }
        let mut met = 0;
        let mut groups = HashSet::new();
        self.walk(&mut |seen| {
            if !seen.zombie {
                met += 1;
                if groups.insert(seen.group) {
                    signal_group(self, seen.group, Signal::KILL);
                }
                signal(self, seen, Signal::KILL);
            }
        });
        met
    }

    /// How many live processes are below the shim.
    pub(crate) fn count(&self) -> u32 {
        let mut count = 0;
        self.walk(&mut |seen| count += u32::from(!seen.zombie));
        count
    }

    /// Calls `act` for every process below the shim, most of them the moment that they are seen: `/proc` lists by
    /// ascending pid, parents mostly come before their children, and what has just been forked comes last.
    fn walk(&self, act: &mut dyn FnMut(Seen)) {
        let mut below = HashSet::from([self.own]);
        let mut others: HashMap<i32, Vec<Seen>> = HashMap::new();
        self.each_process(&mut |seen| {
            if !below.contains(&seen.parent) {
                others.entry(seen.parent).or_default().push(seen);
                return;
            }
            // Children with a lower pid than their parent's were put aside until now.
            let mut found = vec![seen];
            while let Some(seen) = found.pop() {
                below.insert(seen.pid);
                act(seen);
                found.extend(others.remove(&seen.pid).unwrap_or_default());
            }
        });
    }

    fn each_process(&self, act: &mut dyn FnMut(Seen)) {
        let Some(Ok(entries)) = self.proc_dir.as_ref().map(|fd| {
            openat(fd, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .and_then(Dir::new)
        }) else {
            return;
        };
        for entry in entries.flatten() {
            let pid = entry.file_name().to_str().ok().and_then(|name| name.parse().ok());
            if let Some(seen) = pid.and_then(|pid| self.look(pid)) {
                act(seen);
            }
        }
    }

    fn look(&self, pid: i32) -> Option<Seen> {
        use std::io::Write;
        let mut path = [0_u8; 32];
        write!(&mut path[..], "{pid}/stat").ok()?;
        let path = CStr::from_bytes_until_nul(&path).ok()?;
        let proc_dir: BorrowedFd<'_> = std::os::fd::AsFd::as_fd(self.proc_dir.as_ref()?);
        let file = openat(proc_dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        // Fields up to the 22nd: at most 64 bytes of name and 20 numbers of at most 20 digits.
        let mut stat = [0_u8; 768];
        let length = rustix::io::read(&file, &mut stat).ok()?;
        parse(pid, &stat[..length])
    }
}

/// The name in field 2 may hold anything: what counts begins behind the last parenthesis.
fn parse(pid: i32, stat: &[u8]) -> Option<Seen> {
    let behind = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = std::str::from_utf8(stat.get(behind + 1..)?).ok()?.split_ascii_whitespace();
    let zombie = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let start = fields.nth(16)?.parse().ok()?;
    Some(Seen { pid, zombie, parent, group, start })
}

/// Start time of this process in clock ticks since boot.
pub(crate) fn own_start() -> Option<u64> {
    let stat = std::fs::read("/proc/self/stat").ok()?;
    parse(0, &stat).map(|seen| seen.start)
}

/// Signals that very process: its pid may belong to another by now.
fn signal(descent: &Descent, seen: Seen, signal: Signal) {
    let Some(pid) = Pid::from_raw(seen.pid) else { return };
    if seen.parent == descent.own {
        // A child of the shim keeps its pid until the shim waits for it.
        let _ = kill_process(pid, signal);
        return;
    }
    if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty())
        && descent.look(seen.pid).is_some_and(|now| now.start == seen.start)
    {
        let _ = pidfd_send_signal(&handle, signal);
    }
}

fn signal_group(descent: &Descent, group: i32, signal: Signal) {
    if group > 1
        && group != descent.own
        && let Some(group) = Pid::from_raw(group)
    {
        let _ = kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, parse};

    #[test]
    fn a_name_with_parentheses_and_spaces_hides_nothing() {
        let stat = b"41 (a) R 9 (x) S 7 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 99 1";
        assert_eq!(
            parse(41, stat),
            Some(Seen { pid: 41, zombie: false, parent: 7, group: 40, start: 12345 })
        );
        assert_eq!(parse(41, b"41 (torn"), None);
        assert_eq!(parse(41, b""), None);
    }
}
