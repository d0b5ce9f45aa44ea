//! How much memory this process keeps for itself.

/// Has memory that was freed go back to the system, instead of being kept for the next large thing. To be called
/// before there are threads.
///
/// By itself glibc gives each thread an arena of its own (up to eight for each processor), and each keeps what the
/// largest thing took that was ever made in it; and it raises, with each large thing that is freed, the size from which on
/// memory is taken from the system and given back to it (up to 32 MiB). A process that lives for days, and for a moment
/// makes a plan of thousands of tasks into JSON, would keep several times as much as it uses. (Of 84 MiB that an engine
/// with 5,000 tasks had, 64 were free.)
pub fn keep_little() {
    // Two worker threads; those that block make little themselves.
    #[cfg(target_env = "gnu")]
    const ARENAS: i32 = 2;
    // The size with which glibc begins; named, it stays.
    #[cfg(target_env = "gnu")]
    const FROM_THE_SYSTEM: i32 = 128 * 1024;
    #[cfg(target_env = "gnu")]
    for (what, value) in [
        (libc::M_ARENA_MAX, ARENAS),
        (libc::M_MMAP_THRESHOLD, FROM_THE_SYSTEM),
        (libc::M_TRIM_THRESHOLD, FROM_THE_SYSTEM),
    ] {
        // No safe call does this.
        // SAFETY: it takes two numbers and changes what later allocations do, none that was made. That it may fail is no
        // harm: then all stays as it is.
        unsafe { libc::mallopt(what, value) };
    }
}
