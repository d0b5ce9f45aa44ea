//! Calls to the system that need `unsafe`, one each, and the few others that several modules make.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Instant;

use gadugi_shim::ResourceUsage;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

/// Signals that the shim takes from a descriptor instead of by interruption.
const TAKEN: [Signal; 5] = [Signal::CHILD, Signal::TERM, Signal::INT, Signal::QUIT, Signal::USR1];

/// Ignored: a terminal that closes and a reader that leaves are nothing to the shim.
const IGNORED: [Signal; 2] = [Signal::HUP, Signal::PIPE];

/// Blocks the signals that the shim takes and gives the descriptor (non-blocking) they come from.
pub(crate) fn take_signals() -> io::Result<OwnedFd> {
    let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initializes the set before any other use; all pointers are to live locals, and signalfd's
    // result is owned by nobody else.
    unsafe {
        libc::sigemptyset(mask.as_mut_ptr());
        let mut mask = mask.assume_init();
        for signal in TAKEN {
            libc::sigaddset(&raw mut mask, signal.as_raw());
        }
        for signal in IGNORED {
            libc::signal(signal.as_raw(), libc::SIG_IGN);
        }
        // Inherited SIG_IGN for SIGCHLD would let the kernel reap children unseen.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        if libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = libc::signalfd(-1, &raw const mask, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

/// A signal that has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) number: i32,
    /// How it was sent: `SI_USER` and its like.
    pub(crate) code: i32,
    /// The sender's pid where it was sent by a process; 0 where that is in no pid namespace of ours.
    pub(crate) sender: u32,
}

/// Signals that have come: some of them, where somebody sends them faster than they are read; the descriptor stays readable
/// until all were.
pub(crate) fn read_signals(fd: &OwnedFd) -> Vec<Sent> {
    const RECORD: usize = size_of::<libc::signalfd_siginfo>();
    // One of each kind waits at most.
    let mut records = [0_u8; TAKEN.len() * RECORD];
    let length = rustix::io::read(fd.as_fd(), &mut records).unwrap_or(0);
    // A record begins with number, errno, code and sender, 32 bits each.
    let heads = records[..length].chunks_exact(RECORD).filter_map(|record| record.first_chunk::<16>());
    let sent = heads.map(|head| {
        let field = |index: usize| [0, 1, 2, 3].map(|byte| head[4 * index + byte]);
        Sent {
            number: i32::from_ne_bytes(field(0)),
            code: i32::from_ne_bytes(field(2)),
            sender: u32::from_ne_bytes(field(3)),
        }
    });
    sent.collect()
}

/// To be waited for.
pub(crate) fn pollable(fd: BorrowedFd<'_>, flags: PollFlags) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd, flags)
}

/// Waits for one of them, or for the deadline.
pub(crate) fn poll_until(fds: &mut [PollFd<'_>], deadline: Option<Instant>) {
    let timeout = deadline.map(|at| at.saturating_duration_since(Instant::now()));
    let timeout = timeout.map(|length| Timespec {
        tv_sec: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(length.subsec_nanos()),
    });
    // An interruption is one more turn of the caller's loop.
    let _ = poll(fds, timeout.as_ref());
}

/// In the child, before exec: no signal blocked, every disposition the default one. Async-signal-safe. By the bare system
/// calls: the C library keeps two signals for itself, and what is ignored of those is inherited, too.
pub(crate) fn reset_signals() {
    /// Bytes of the kernel's signal set: 64 signals.
    const SET: usize = 8;
    // All zero is the kernel's sigaction for SIG_DFL, and its empty set; no architecture's is larger than this.
    let zeros = [0_u64; 8];
    let none = std::ptr::null_mut::<libc::c_void>();
    for signal in 1..=64 {
        // SAFETY: the kernel reads one sigaction from `zeros`, and refuses what cannot be changed.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, zeros.as_ptr(), none, SET);
        }
    }
    // SAFETY: the kernel reads one set from `zeros`.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, zeros.as_ptr(), none, SET);
    }
}

/// Closes what the shim inherited beyond its three standard descriptors.
pub(crate) fn close_inherited() {
    // SAFETY: called first thing in main, before the shim owns any descriptor above 2. Through syscall(2), because
    // the wrapper is younger than the C libraries that this is linked against. Kernels before 5.9 refuse it: then
    // what is inherited stays open, which is only untidy.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32);
    }
}

/// What all children that were waited for have used.
pub(crate) fn children_usage() -> ResourceUsage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage fills the structure, and all-zero is a valid value of it should the call fail.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let milliseconds = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_usec).unwrap_or(0) / 1000
    };
    ResourceUsage {
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
        user_ms: milliseconds(usage.ru_utime),
        system_ms: milliseconds(usage.ru_stime),
    }
}
