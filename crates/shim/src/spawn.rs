//! Starting the step's main process.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use gadugi_shim::{Limits, PORT_MARK, Spec};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, chdir, getpid, getppid, getrlimit, set_parent_process_death_signal,
    setrlimit, setsid,
};

use crate::filter::keep_limits_of_others;
use crate::platform::reset_signals;

/// Bytes of standard input where it is copied: more than agents take (10 MB).
const LONGEST_INPUT: u64 = 16 * 1024 * 1024;

/// Starts the main process in a session of its own. The error is what the system said, in words that name what it was
/// about.
pub(crate) fn spawn(
    spec: &Spec,
    handed: bool,
    port: Option<u16>,
    stdout: OwnedFd,
    stderr: OwnedFd,
) -> Result<Pid, String> {
    let mut command = prepare(spec, handed)?;
    command.stdout(stdout).stderr(stderr);
    if let (Some(port), Some(relay)) = (port, &spec.relay) {
        command.envs(relay.port_in.iter().filter_map(|name| {
            let value = variable(&name.0)?;
            Some((&name.0, with_port(&value, port)))
        }));
    }
    let child = command.spawn().map_err(|error| words(spec, Path::new(command.get_program()), &error))?;
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| "a process without a pid".into())
}

/// All but its output and its environment.
fn prepare(spec: &Spec, handed: bool) -> Result<Command, String> {
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
            let opened = if handed { sealed_copy(path) } else { File::open(path) };
            opened.map_err(|error| format!("standard input {}: {error}", path.display()))?.into()
        }
    };
    let mut command = Command::new(&program.0);
    command.args(arguments.iter().map(|argument| &argument.0));
    command.stdin(stdin);
    // Out of the step's folder first, by a path that nobody can have bent: below the working directory that is asked for,
    // an earlier step of the same workspace may have left a link to `/proc/self/cwd`.
    let inner = if handed {
        if !cwd.is_absolute() {
            return Err(cwd_words(io::Error::other("not an absolute path")));
        }
        command.current_dir("/");
        Some(CString::new(cwd.as_os_str().as_bytes()).map_err(|error| cwd_words(error.into()))?)
    } else {
        command.current_dir(cwd);
        None
    };
    let (shim, limits) = (getpid(), resource_limits(&spec.limits, handed));
    // SAFETY: between fork and exec only system calls are made: nothing is allocated, no lock is taken.
    unsafe {
        command.pre_exec(move || before_exec(shim, inner.as_deref(), &limits));
    }
    Ok(command)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shim's environment is the step's, and no crate of ours is in the shim"
)]
fn variable(name: &OsStr) -> Option<OsString> {
    // A name that no variable can have is nobody's.
    let possible = !name.is_empty() && !name.as_bytes().iter().any(|byte| matches!(byte, b'=' | 0));
    possible.then(|| std::env::var_os(name)).flatten()
}

/// The value with the port in every place that is marked for it.
fn with_port(value: &OsStr, port: u16) -> OsString {
    let (mut rest, mark) = (value.as_bytes(), PORT_MARK.as_bytes());
    let mut text = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(mark) {
            text.extend(port.to_string().bytes());
            rest = behind;
        } else {
            text.push(*first);
            rest = behind;
        }
    }
    OsString::from_vec(text)
}

/// What a step may write to is none of the folder's files: whoever has the owner's uid can open its own descriptor anew, and
/// for writing (`/proc/self/fd/0`). So its input is a copy in memory that nobody can change.
fn sealed_copy(path: &Path) -> io::Result<File> {
    // A name of the folder: anything else would be followed with the shim's eyes, through links that a step may have made.
    if path.components().count() != 1 || path.file_name().is_none() {
        return Err(io::Error::other("not the name of a file in the step's folder"));
    }
    let original = File::open(path)?;
    let copy = memfd_create(c"stdin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(copy);
    if io::copy(&mut original.take(LONGEST_INPUT + 1), &mut copy)? > LONGEST_INPUT {
        return Err(io::Error::other(format!("longer than {LONGEST_INPUT} bytes")));
    }
    copy.rewind()?;
    fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(copy)
}

fn before_exec(shim: Pid, cwd: Option<&CStr>, limits: &[(Resource, Rlimit); 7]) -> io::Result<()> {
    if let Some(cwd) = cwd {
        chdir(cwd)?;
    }
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
    if cwd.is_some() {
        keep_limits_of_others();
    }
    Ok(())
}

fn resource_limits(limits: &Limits, handed: bool) -> [(Resource, Rlimit); 7] {
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
        // The kernel counts the pending signals of a user, and delivers one that is too many without its sender, which would
        // then look like the executor: a step's processes reach their own bound before they reach the shim's.
        both(
            Resource::Sigpending,
            handed.then(|| getrlimit(Resource::Sigpending).current.unwrap_or(32_768) / 2),
        ),
        // A core file in a workspace would look like the agent's work.
        soft(Resource::Core, Some(0)),
    ]
}

fn words(spec: &Spec, program: &Path, error: &io::Error) -> String {
    let there = program.components().count() > 1 && Path::new(&spec.cwd.0).join(program).exists();
    if error.kind() == io::ErrorKind::NotFound && there {
        return format!("{}: its interpreter is missing: {error}", program.display());
    }
    format!("{}: {error}", program.display())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::with_port;

    #[test]
    fn the_port_stands_where_it_is_marked() {
        for (value, with) in [
            ("http://127.0.0.1:{gadugi-port}", "http://127.0.0.1:4711"),
            ("{gadugi-port}{gadugi-port}/{gadugi-por", "47114711/{gadugi-por"),
            ("{{gadugi-port}}", "{4711}"),
            ("", ""),
        ] {
            assert_eq!(with_port(OsStr::new(value), 4711), with);
        }
    }
}
