//! Asking a program of the user's: a question on its standard input, the answer on its standard output.
//!
//! The program is started as it is named, without a shell, in a process group of its own, and gets the whole question at
//! once; then its input ends. What it answers is bounded, in bytes and in time, and at the end nothing of it is left: its
//! group is killed, whether it answered or not. (A program that takes its children out of the group has taken them out
//! of reach.) Nothing here waits in turns: one poll watches the pipes and the process.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// Groups of the programs that are being asked.
static ASKED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Bytes of standard error that are kept, from its end: what is told of it is its last line.
const KEPT_STDERR: usize = 4096;
/// Bytes that are read or written at a time.
const CHUNK: usize = 64 * 1024;

/// A question to a program.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The program and its arguments: a path, or a name that is looked up on `PATH`.
    pub argv: &'a [String],
    /// Where it is started.
    pub cwd: &'a Path,
    /// What it gets on its standard input.
    pub input: &'a [u8],
    /// How long it may take, from its start to its end.
    pub timeout: Duration,
    /// How many bytes it may answer.
    pub most: usize,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// No program is named.
    Unnamed,
    /// There is no such program, or no such place to start it in.
    Missing {
        /// As it was named.
        program: String,
    },
    /// It cannot be started.
    NotStarted {
        /// As it was named.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with another code than 0, or by a signal.
    Failed {
        /// As it was named.
        program: String,
        /// How it ended: an exit code, or a signal.
        status: ExitStatus,
        /// The last line with words in it on its standard error; empty where it wrote none.
        last_line: String,
    },
    /// It took too long, and was killed.
    TimedOut {
        /// As it was named.
        program: String,
        /// How long it had.
        after: Duration,
    },
    /// It answered more than it may, and was killed.
    TooMuch {
        /// As it was named.
        program: String,
        /// How many bytes it may answer.
        most: usize,
    },
    /// The system refuses.
    Io(io::Error),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => write!(f, "no program is named"),
            Self::Missing { program } => write!(f, "there is no program {program}"),
            Self::NotStarted { program, source } => write!(f, "{program} cannot be started: {source}"),
            Self::Failed { program, status, last_line } => {
                match (status.code(), status.signal()) {
                    (Some(code), _) => write!(f, "{program} ended with {code}")?,
                    (None, Some(signal)) => write!(f, "{program} was ended by signal {signal}")?,
                    (None, None) => write!(f, "{program} ended")?,
                }
                if last_line.is_empty() { Ok(()) } else { write!(f, ": {last_line}") }
            }
            Self::TimedOut { program, after } => {
                write!(f, "{program} did not answer within {} seconds", after.as_secs_f64())
            }
            Self::TooMuch { program, most } => write!(f, "{program} answered more than {most} bytes"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotStarted { source, .. } | Self::Io(source) => Some(source),
            _ => None,
        }
    }
}

/// Asks, and waits for the answer: what the program wrote to its standard output before it ended with 0.
pub fn ask(question: &Question<'_>) -> Result<Vec<u8>, AskError> {
    ask_with(question, &[])
}

/// The same, of a program that sees further variables beside those of this process.
pub fn ask_with(question: &Question<'_>, variables: &[(&str, String)]) -> Result<Vec<u8>, AskError> {
    let Some((program, arguments)) = question.argv.split_first() else { return Err(AskError::Unnamed) };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(question.cwd).process_group(0);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|source| match source.kind() {
        ErrorKind::NotFound => AskError::Missing { program: program.clone() },
        _ => AskError::NotStarted { program: program.clone(), source },
    })?;
    let mut group = Group::new(child);
    let said = converse(&mut group.child, question, program);
    let status = group.end().map_err(AskError::Io)?;
    let said = said?;
    if status.success() {
        return Ok(said.answer);
    }
    let last_line = last_line(&said.complaints);
    Err(AskError::Failed { program: program.clone(), status, last_line })
}

/// Kills every program that is being asked, with whatever it started: for whoever is about to end this process, which
/// would leave them behind. None where there was none.
pub fn kill_asked() -> Option<Killed> {
    let asked = asked();
    asked.iter().copied().filter_map(Pid::from_raw).for_each(kill);
    (!asked.is_empty()).then_some(Killed { _asked: asked })
}

/// Programs were killed. As long as this is held, whoever asked them hears nothing of it, and says nothing either.
#[derive(Debug)]
pub struct Killed {
    _asked: MutexGuard<'static, BTreeSet<i32>>,
}

fn asked() -> MutexGuard<'static, BTreeSet<i32>> {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kill(group: Pid) {
    // It fails where nobody is left to be killed.
    let _ = kill_process_group(group, Signal::KILL);
}

/// A child and whatever it started: gone when this is.
struct Group {
    child: Child,
    over: bool,
}

impl Group {
    fn new(child: Child) -> Self {
        asked().extend(i32::try_from(child.id()));
        Self { child, over: false }
    }

    /// Kills what is left and waits for the child. Until it was waited for, its number is no other's, and so is its group's.
    fn end(&mut self) -> io::Result<ExitStatus> {
        self.over = true;
        let group = i32::try_from(self.child.id()).ok();
        group.and_then(Pid::from_raw).into_iter().for_each(kill);
        // Before it is waited for: then its number may be another's.
        if let Some(group) = group {
            asked().remove(&group);
        }
        self.child.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.over {
            let _ = self.end();
        }
    }
}

/// What a program said.
struct Said {
    answer: Vec<u8>,
    complaints: Vec<u8>,
}

/// The ends of the pipes that are still open, and what went through them.
struct Talk<'a> {
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    unsaid: &'a [u8],
    said: Said,
    most: usize,
}

/// What a poll found.
struct Ready {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    ended: bool,
}

/// Writes the question and reads the answer until the process ends. What it wrote before that is read; what others hold
/// the pipes open for is not waited for.
fn converse(child: &mut Child, question: &Question<'_>, program: &str) -> Result<Said, AskError> {
    let deadline = Instant::now() + question.timeout;
    let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(AskError::Unnamed)?;
    let process = pidfd_open(process, PidfdFlags::empty()).map_err(|error| AskError::Io(error.into()))?;
    let mut talk = Talk {
        stdin: child.stdin.take(),
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
        unsaid: question.input,
        said: Said { answer: Vec::new(), complaints: Vec::new() },
        most: question.most,
    };
    talk.never_block().map_err(AskError::Io)?;
    loop {
        let Some(ready) = talk.wait(&process, deadline).map_err(AskError::Io)? else {
            return Err(AskError::TimedOut { program: program.to_owned(), after: question.timeout });
        };
        if ready.stdin {
            talk.write();
        }
        if ready.stdout || ready.ended {
            talk.read_answer().map_err(AskError::Io)?;
        }
        if ready.stderr || ready.ended {
            talk.read_complaints();
        }
        if talk.said.answer.len() > talk.most {
            return Err(AskError::TooMuch { program: program.to_owned(), most: talk.most });
        }
        if ready.ended {
            return Ok(talk.said);
        }
    }
}

impl Talk<'_> {
    fn never_block(&self) -> io::Result<()> {
        let fds = [
            self.stdin.as_ref().map(AsFd::as_fd),
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        fds.into_iter().flatten().try_for_each(|fd| Ok(ioctl_fionbio(fd, true)?))
    }

    /// Waits until there is something to do. None at the deadline.
    fn wait(&self, process: &OwnedFd, deadline: Instant) -> io::Result<Option<Ready>> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let left = Timespec::try_from(left).map_err(|_| ErrorKind::InvalidInput)?;
            // A pipe that is closed is not asked about: the process stands in, without a wish.
            let fd = |fd: Option<BorrowedFd<'_>>| fd.is_some();
            let (stdin, stdout, stderr) = (
                self.stdin.as_ref().map(AsFd::as_fd),
                self.stdout.as_ref().map(AsFd::as_fd),
                self.stderr.as_ref().map(AsFd::as_fd),
            );
            let wish =
                |open: Option<BorrowedFd<'_>>, flags| if fd(open) { flags } else { PollFlags::empty() };
            let mut fds = [
                PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(stdin.unwrap_or(process.as_fd()), wish(stdin, PollFlags::OUT)),
                PollFd::from_borrowed_fd(stdout.unwrap_or(process.as_fd()), wish(stdout, PollFlags::IN)),
                PollFd::from_borrowed_fd(stderr.unwrap_or(process.as_fd()), wish(stderr, PollFlags::IN)),
            ];
            match poll(&mut fds, Some(&left)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            let is_ready = |at: usize| !fds[at].revents().is_empty();
            return Ok(Some(Ready {
                ended: is_ready(0),
                stdin: stdin.is_some() && is_ready(1),
                stdout: stdout.is_some() && is_ready(2),
                stderr: stderr.is_some() && is_ready(3),
            }));
        }
    }

    /// Goes on with the question. A program need not read it to its end.
    fn write(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        let chunk = &self.unsaid[..self.unsaid.len().min(CHUNK)];
        match stdin.write(chunk) {
            Ok(written) => self.unsaid = &self.unsaid[written..],
            Err(error) if is_for_later(&error) => return,
            Err(_) => self.unsaid = &[],
        }
        if self.unsaid.is_empty() {
            self.stdin = None;
        }
    }

    fn read_answer(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while let Some(stdout) = &mut self.stdout {
            match stdout.read(&mut chunk) {
                Ok(0) => self.stdout = None,
                Ok(read) => self.said.answer.extend_from_slice(&chunk[..read]),
                Err(error) if is_for_later(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
            if self.said.answer.len() > self.most {
                return Ok(());
            }
        }
        Ok(())
    }

    fn read_complaints(&mut self) {
        let mut chunk = vec![0; CHUNK];
        // One turn at a time: who complains without end must not keep the deadline waiting.
        let Some(stderr) = &mut self.stderr else { return };
        match stderr.read(&mut chunk) {
            Err(error) if is_for_later(&error) => {}
            Ok(0) | Err(_) => self.stderr = None,
            Ok(read) => {
                let complaints = &mut self.said.complaints;
                complaints.extend_from_slice(&chunk[..read]);
                complaints.drain(..complaints.len().saturating_sub(KEPT_STDERR));
            }
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The last line with words in it.
fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
