//! The one system call that a step in a container must not make: setting another process's limits.
//!
//! `prlimit` asks for the same uid and nothing more, also where its target is not dumpable. With it a step could end the
//! shim (`RLIMIT_CPU`: the kernel kills whoever is over it, even the init of a pid namespace), keep it from recording
//! anything (`RLIMIT_FSIZE`), or have its signals arrive without their sender (`RLIMIT_SIGPENDING`). Own limits, which
//! `setrlimit` and the shells' `ulimit` set (pid 0), are everybody's; so is reading.

/// In the child, before exec. Async-signal-safe. Without it the step could end its witness, and then is lost: no reason not to
/// start it where a kernel has no filters.
pub(crate) fn keep_limits_of_others() {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    native::install();
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod native {
    use libc::{sock_filter, sock_fprog};

    /// `AUDIT_ARCH_*` of the machine's programs and of its 32-bit ones, and the call's number for each. Behind them the number
    /// for a third kind, which passes for the first (x32).
    #[cfg(target_arch = "x86_64")]
    const CALLS: (u32, u32, u32, u32, u32) = (0xc000_003e, 302, 0x4000_0003, 340, 302 | 0x4000_0000);
    #[cfg(target_arch = "aarch64")]
    const CALLS: (u32, u32, u32, u32, u32) = (0xc000_00b7, 261, 0x4000_0028, 369, 261);

    /// Places in the kernel's `seccomp_data`: both machines have the lower half of an argument first.
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    const PID: u32 = 16;
    const NEW_LIMIT: u32 = 32;

    const ALLOW: u32 = 0x7fff_0000;
    const REFUSE: u32 = 0x0005_0000 | libc::EPERM.cast_unsigned();

    const fn load(place: u32) -> sock_filter {
        sock_filter { code: 0x20, jt: 0, jf: 0, k: place }
    }

    /// Skips so many instructions where it is equal, so many where it is not.
    const fn if_equal(value: u32, equal: u8, other: u8) -> sock_filter {
        sock_filter { code: 0x15, jt: equal, jf: other, k: value }
    }

    const fn answer(with: u32) -> sock_filter {
        sock_filter { code: 0x06, jt: 0, jf: 0, k: with }
    }

    const PROGRAM: [sock_filter; 17] = [
        load(ARCHITECTURE),
        if_equal(CALLS.0, 0, 3),
        load(NUMBER),
        if_equal(CALLS.1, 5, 0),
        if_equal(CALLS.4, 4, 3),
        if_equal(CALLS.2, 0, 2),
        load(NUMBER),
        if_equal(CALLS.3, 1, 0),
        answer(ALLOW),
        // It is the call. Pid 0 is the caller, and without a new limit it only reads.
        load(PID),
        if_equal(0, 5, 0),
        load(NEW_LIMIT),
        if_equal(0, 0, 2),
        load(NEW_LIMIT + 4),
        if_equal(0, 1, 0),
        answer(REFUSE),
        answer(ALLOW),
    ];

    pub(super) fn install() {
        // `SECCOMP_SET_MODE_FILTER`; without the change to speculation that is meant for programs nobody trusts with
        // their own memory, which would slow every step.
        const OPERATION: libc::c_ulong = 1;
        const FLAGS: libc::c_ulong = 1 << 2;
        let program = sock_fprog { len: 17, filter: PROGRAM.as_ptr().cast_mut() };
        // SAFETY: the kernel copies the program, which it does not change.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::syscall(libc::SYS_seccomp, OPERATION, FLAGS, &raw const program);
        }
    }
}
