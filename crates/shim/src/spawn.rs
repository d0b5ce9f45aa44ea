//! Starting the step's main process.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use gadugi_shim::{Limits, Spec};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
    setsid,
};

use crate::platform::reset_signals;
use crate::record::LONGEST_WORDS;

/// Starts the main process in a session of its own. The error is what the system said, in words that name what it was
/// about.
pub(crate) fn spawn(spec: &Spec, stdout: OwnedFd, stderr: OwnedFd) -> Result<Pid, String> {
    prepare(spec, stdout, stderr).map_err(|words| {
        // A control character takes six bytes in JSON, for which there may be no room.
        let mut words = words.replace(|character: char| character.is_control(), "?");
        let mut end = words.len().min(LONGEST_WORDS);
        while !words.is_char_boundary(end) {
            end -= 1;
        }
        words.truncate(end);
        words
    })
}

fn prepare(spec: &Spec, stdout: OwnedFd, stderr: OwnedFd) -> Result<Pid, String> {
    let Some((program, arguments)) = spec.argv.split_first() else {
        return Err("there is no program to start".into());
    };
    let cwd = Path::new(&spec.cwd.0);
    // exec reports a missing folder and a missing program alike: ask about the folder first.
    let cwd_words = |error: io::Error| format!("working directory {}: {error}", cwd.display());
    if !std::fs::metadata(cwd).map_err(cwd_words)?.is_dir() {
        return Err(cwd_words(io::ErrorKind::NotADirectory.into()));
    }
    let stdin = match &spec.stdin {
        None => Stdio::null(),
        Some(path) => {
            let path = Path::new(&path.0);
            File::open(path).map_err(|error| format!("standard input {}: {error}", path.display()))?.into()
        }
    };
    let mut command = Command::new(&program.0);
    command.args(arguments.iter().map(|argument| &argument.0)).current_dir(cwd);
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    let (shim, limits) = (getpid(), resource_limits(&spec.limits));
    // SAFETY: between fork and exec only system calls are made: nothing is allocated, no lock is taken.
    unsafe {
        command.pre_exec(move || before_exec(shim, &limits));
    }
    let child = command.spawn().map_err(|error| words(Path::new(&program.0), &error))?;
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| "a process without a pid".into())
}

fn before_exec(shim: Pid, limits: &[(Resource, Rlimit); 6]) -> io::Result<()> {
    reset_signals();
    setsid()?;
    // A step without its shim would write into a broken pipe: it ends with it, even if the shim is killed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if shim != Pid::INIT && getppid() != Some(shim) {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    for (resource, limit) in limits {
        setrlimit(*resource, *limit)?;
    }
    Ok(())
}

fn resource_limits(limits: &Limits) -> [(Resource, Rlimit); 6] {
    let both = |resource, wanted: Option<u64>| {
        let now = getrlimit(resource);
        let Some(wanted) = wanted else { return (resource, now) };
        let wanted = now.maximum.map_or(wanted, |maximum| wanted.min(maximum));
        (resource, Rlimit { current: Some(wanted), maximum: Some(wanted) })
    };
    let soft = |resource, wanted: Option<u64>| {
        let now = getrlimit(resource);
        let Some(wanted) = wanted else { return (resource, now) };
        let wanted = now.maximum.map_or(wanted, |maximum| wanted.min(maximum));
        (resource, Rlimit { current: Some(wanted), maximum: now.maximum })
    };
    [
        both(Resource::Data, limits.memory_bytes),
        both(Resource::Nproc, limits.user_processes),
        both(Resource::Cpu, limits.cpu_seconds),
        both(Resource::Fsize, limits.file_bytes),
        soft(Resource::Nofile, limits.open_files),
        // A core file in a workspace would look like the agent's work.
        soft(Resource::Core, Some(0)),
    ]
}

fn words(program: &Path, error: &io::Error) -> String {
    let there = program.components().count() > 1 && program.exists();
    if error.kind() == io::ErrorKind::NotFound && there {
        return format!("{}: its interpreter is missing: {error}", program.display());
    }
    format!("{}: {error}", program.display())
}
