//! The one door to git.
//!
//! Every call gets the same surroundings, whatever the user's shell and configuration say: of the environment's
//! `GIT_*` only what is known to be harmless; messages in English; no prompts; no locks taken just to save time; and the
//! configuration below on top of everything, passed by `GIT_CONFIG_COUNT` and never written. Children have a process
//! group of their own, so that a Ctrl-C at the terminal does not end git half-way through a checkout.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::{Error, Result};

/// The least version: `merge-tree --write-tree`.
const LEAST: (u32, u32) = (2, 38);

/// Variables of git's own that are passed on. All others (`GIT_DIR`, `GIT_INDEX_FILE`, `GIT_TRACE`, …) would have
/// git look elsewhere or talk differently.
const PASSED: &[&str] = &[
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_EXEC_PATH",
    "GIT_TEST_ASSUME_DIFFERENT_OWNER",
    // A partial clone fetches what it lacks, a shared one knows its way: with the user's own connection.
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_NO_VERIFY",
    "GIT_ASKPASS",
    "GIT_LFS_SKIP_SMUDGE",
];

/// What gadugi's git is told on top of the user's configuration.
const CONFIG: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.quotePath", "false"),
    ("core.safecrlf", "false"),
    ("core.splitIndex", "false"),
    ("commit.gpgSign", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("color.ui", "false"),
    ("i18n.commitEncoding", "UTF-8"),
    ("status.showUntrackedFiles", "all"),
    ("submodule.recurse", "false"),
    // As many workers as cores, for trees where that is worth starting them: several tasks check out side by side anyway.
    ("checkout.workers", "0"),
    ("checkout.thresholdForParallelism", "2000"),
];

/// Where there is nothing of the user's to be seen.
const ALONE: [(&str, &str); 10] = [
    ("LC_ALL", "C"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_PAGER", "cat"),
    ("GIT_REFLOG_ACTION", "gadugi"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
];

/// The files that git looks for in the user's home even so; and gadugi's own repositories may belong to another user,
/// where gadugi works for one.
const ALONE_CONFIG: &[(&str, &str)] = &[
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.packedGitWindowSize", "32m"),
    ("core.packedGitLimit", "512m"),
    ("safe.directory", "*"),
];

/// The git program and what it sees.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    program: PathBuf,
    env: Arc<BTreeMap<OsString, OsString>>,
    config: Arc<Vec<(OsString, OsString)>>,
}

/// Where a call works.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The working directory.
    pub(crate) cwd: PathBuf,
    /// `GIT_DIR`; none: git finds it from the working directory. Where it is named, no `.git` file that an agent
    /// could have written is followed.
    pub(crate) git_dir: Option<PathBuf>,
    /// `GIT_WORK_TREE`.
    pub(crate) work_tree: Option<PathBuf>,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    git: &'a Git,
    place: &'a Place,
    args: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
    config: Vec<(OsString, OsString)>,
    input: Option<Vec<u8>>,
    bounds: Option<Bounds>,
}

/// What a call may take of the machine: for those that read what an agent made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Memory that it may write to (`RLIMIT_DATA`), bytes. Address space as such is not bounded: packs are mapped.
    pub(crate) memory: u64,
    /// Processor time, seconds.
    pub(crate) seconds: u64,
    /// The largest file that it may write, bytes.
    pub(crate) file: u64,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    command: String,
}

impl Git {
    /// Looks for git on the `PATH` of this environment and checks its version.
    pub(crate) fn find(environment: Vec<(OsString, OsString)>) -> Result<Self> {
        let all: BTreeMap<OsString, OsString> = environment.into_iter().collect();
        let program = all.get(OsStr::new("PATH")).and_then(|path| search(path)).ok_or(Error::GitMissing)?;
        let mut config = inherited_config(&all);
        config.extend(CONFIG.iter().map(|(key, value)| ((*key).into(), (*value).into())));
        let mut env: BTreeMap<OsString, OsString> = all
            .into_iter()
            .filter(|(name, _)| {
                !name.as_bytes().starts_with(b"GIT_") || PASSED.iter().any(|passed| name == *passed)
            })
            .collect();
        for (name, value) in [
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_PAGER", "cat"),
            ("GIT_REFLOG_ACTION", "gadugi"),
        ] {
            env.insert(name.into(), value.into());
        }
        let git = Self { program, env: Arc::new(env), config: Arc::new(config) };
        git.check_version()?;
        Ok(git)
    }

    fn check_version(&self) -> Result<()> {
        let place = Place { cwd: PathBuf::from("/"), git_dir: None, work_tree: None };
        let text = self.call(&place, ["version"]).text()?;
        let found = text.trim().trim_start_matches("git version ").to_owned();
        match parse_version(&found) {
            Some(version) if version >= LEAST => Ok(()),
            _ => Err(Error::TooOld { found }),
        }
    }

    /// A variable as git sees it.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.env.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A call with these arguments.
    pub(crate) fn call<'a, A: AsRef<OsStr>>(
        &'a self,
        place: &'a Place,
        args: impl IntoIterator<Item = A>,
    ) -> Call<'a> {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        Call { git: self, place, args, env: Vec::new(), config: Vec::new(), input: None, bounds: None }
    }

    /// The same program for repositories of gadugi's own: of the user's configuration, attributes, ignored files, filters
    /// and replacements it sees nothing, so that what it checks out and what it packs depend on the objects alone.
    pub(crate) fn alone(&self) -> Self {
        let mut env: BTreeMap<OsString, OsString> = self
            .env
            .iter()
            .filter(|(name, _)| !name.as_bytes().starts_with(b"GIT_") || *name == "GIT_EXEC_PATH")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (name, value) in ALONE {
            env.insert(name.into(), value.into());
        }
        let config = CONFIG.iter().chain(ALONE_CONFIG).map(|(key, value)| ((*key).into(), (*value).into()));
        Self { program: self.program.clone(), env: Arc::new(env), config: Arc::new(config.collect()) }
    }
}

impl Call<'_> {
    /// One more argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// A variable.
    pub(crate) fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name, value.as_ref().to_owned()));
        self
    }

    /// One more setting.
    pub(crate) fn config(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.config.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// What it reads on standard input; without, there is nothing to read.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// What it may take of the machine.
    pub(crate) fn bounded(mut self, bounds: Bounds) -> Self {
        self.bounds = Some(bounds);
        self
    }

    /// Runs it to its end.
    pub(crate) fn answer(mut self) -> Result<Answer> {
        let command = self.describe();
        let input = self.input.take();
        let mut child = self.start(if input.is_some() { Stdio::piped() } else { Stdio::null() })?;
        let cwd = &self.place.cwd;
        self.bind(&child);
        let output = std::thread::scope(|scope| {
            if let (Some(mut stdin), Some(bytes)) = (child.stdin.take(), input) {
                // Git may end without reading all; its exit code says whether that was an error.
                scope.spawn(move || {
                    let _ = stdin.write_all(&bytes);
                });
            }
            child.wait_with_output().map_err(Error::io(cwd))
        })?;
        let stderr = shorten(&output.stderr);
        Ok(Answer { code: output.status.code(), stdout: output.stdout, stderr, command })
    }

    /// Its output, where it exits with 0.
    pub(crate) fn bytes(self) -> Result<Vec<u8>> {
        let answer = self.answer()?;
        if answer.code == Some(0) { Ok(answer.stdout) } else { Err(answer.failed()) }
    }

    /// Exits with 0.
    pub(crate) fn done(self) -> Result<()> {
        self.bytes().map(drop)
    }

    /// Its output as text without the last newline, where it exits with 0.
    pub(crate) fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(strip_newline(&self.bytes()?)).into_owned())
    }

    /// Its output as a path, where it exits with 0.
    pub(crate) fn path(self) -> Result<PathBuf> {
        Ok(PathBuf::from(OsString::from_vec(strip_newline(&self.bytes()?).to_vec())))
    }

    /// 0 is yes, 1 is no, everything else an error.
    pub(crate) fn yes(self) -> Result<bool> {
        let answer = self.answer()?;
        match answer.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(answer.failed()),
        }
    }

    /// Hands its output on as it comes.
    pub(crate) fn stream(self, into: &mut dyn Write) -> Result<()> {
        let command = self.describe();
        let cwd = self.place.cwd.clone();
        let mut child = self.start(Stdio::null())?;
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let said = std::thread::scope(|scope| {
            let listener = scope.spawn(move || listen(stderr));
            let copied = stdout.map_or(Ok(0), |mut stdout| io::copy(&mut stdout, into));
            // Whatever the writer said: its end of the pipe is closed now, so git and the listener come to an end.
            let said = listener.join().unwrap_or_default();
            copied.map(|_| said).map_err(Error::io(&cwd))
        });
        let status = child.wait().map_err(Error::io(&cwd))?;
        let said = said?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed { command, code: status.code(), stderr: shorten(&said) })
    }

    /// Its output, where it exits with 0; none where that is longer than `most` bytes: then it is ended.
    pub(crate) fn at_most(mut self, most: usize) -> Result<Option<Vec<u8>>> {
        let (command, cwd) = (self.describe(), self.place.cwd.clone());
        let input = self.input.take().unwrap_or_default();
        let mut child = self.start(Stdio::piped())?;
        self.bind(&child);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (read, said) = std::thread::scope(|scope| {
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
            let said = scope.spawn(move || listen(stderr));
            let mut bytes = Vec::new();
            let read = match stdout {
                Some(stdout) => {
                    io::Read::read_to_end(&mut io::Read::take(stdout, most as u64 + 1), &mut bytes)
                }
                None => Ok(0),
            };
            if bytes.len() > most {
                // Its pipe is closed as well; whichever it notices first ends it.
                let _ = child.kill();
            }
            (read.map(|_| bytes), said.join().unwrap_or_default())
        });
        let status = child.wait().map_err(Error::io(&cwd))?;
        let bytes = read.map_err(Error::io(&cwd))?;
        match status.code() {
            _ if bytes.len() > most => Ok(None),
            Some(0) => Ok(Some(bytes)),
            code => Err(Error::Failed { command, code, stderr: shorten(&said) }),
        }
    }

    /// Runs it to its end on what a reader gives.
    pub(crate) fn read_from(self, mut from: impl io::Read + Send) -> Result<Answer> {
        let command = self.describe();
        let mut child = self.start(Stdio::piped())?;
        self.bind(&child);
        let stdin = child.stdin.take();
        let cwd = &self.place.cwd;
        let (output, copied) = std::thread::scope(|scope| {
            let copying = scope.spawn(move || {
                let Some(mut stdin) = stdin else { return Ok(0) };
                match io::copy(&mut from, &mut stdin) {
                    // Git had enough; its exit code says why.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
                    copied => copied,
                }
            });
            let output = child.wait_with_output();
            (output, copying.join().unwrap_or(Ok(0)))
        });
        let output = output.map_err(Error::io(cwd))?;
        copied.map_err(Error::io(cwd))?;
        let stderr = shorten(&output.stderr);
        Ok(Answer { code: output.status.code(), stdout: output.stdout, stderr, command })
    }

    /// Runs two at once, this one's output being what the next one reads. Both exit with 0. Gives what the next one said.
    pub(crate) fn pipe(mut self, next: Call<'_>) -> Result<Answer> {
        let (command, cwd) = (self.describe(), self.place.cwd.clone());
        let input = self.input.take().unwrap_or_default();
        let mut child = self.start(Stdio::piped())?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (answer, said) = std::thread::scope(|scope| {
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
            let said = scope.spawn(move || listen(stderr));
            let answer = match stdout {
                Some(stdout) => next.read_from(stdout),
                None => next.answer(),
            };
            (answer, said.join().unwrap_or_default())
        });
        let status = child.wait().map_err(Error::io(&cwd))?;
        // Where the first failed, the second could only fail too.
        if !status.success() && status.code().is_some() {
            return Err(Error::Failed { command, code: status.code(), stderr: shorten(&said) });
        }
        let answer = answer?;
        if status.success() && answer.code == Some(0) { Ok(answer) } else { Err(answer.failed()) }
    }

    /// Bounds what was just started. It waits for its input then, since whatever is bounded is told by its input what to
    /// read.
    fn bind(&self, child: &Child) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let Some(bounds) = self.bounds else { return };
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        for (resource, most) in
            [(Resource::Data, bounds.memory), (Resource::Cpu, bounds.seconds), (Resource::Fsize, bounds.file)]
        {
            // One that has ended needs no bounds.
            let _ = prlimit(pid, resource, Rlimit { current: Some(most), maximum: Some(most) });
        }
    }

    /// Starts it with pipes, for a conversation.
    pub(crate) fn converse(self) -> Result<Child> {
        self.start(Stdio::piped())
    }

    fn start(&self, stdin: Stdio) -> Result<Child> {
        let mut command = Command::new(&self.git.program);
        command.args(&self.args).current_dir(&self.place.cwd).env_clear().envs(self.git.env.iter());
        if let Some(git_dir) = &self.place.git_dir {
            command.env("GIT_DIR", git_dir);
        }
        if let Some(work_tree) = &self.place.work_tree {
            command.env("GIT_WORK_TREE", work_tree);
        }
        let config = self.git.config.iter().chain(&self.config);
        let mut count = 0;
        for (key, value) in config {
            command.env(format!("GIT_CONFIG_KEY_{count}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command.env("GIT_CONFIG_COUNT", count.to_string());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command.spawn().map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound && self.place.cwd.is_dir() {
                Error::GitMissing
            } else {
                Error::Io { path: self.place.cwd.clone(), source }
            }
        })
    }

    fn describe(&self) -> String {
        let words: Vec<_> = self.args.iter().map(|arg| arg.to_string_lossy()).collect();
        shorten(words.join(" ").as_bytes())
    }
}

impl Answer {
    /// The error that it is where its exit code is not one of those that were expected.
    pub(crate) fn failed(self) -> Error {
        Error::Failed { command: self.command, code: self.code, stderr: self.stderr }
    }
}

/// The settings that somebody else passed by `GIT_CONFIG_COUNT`: they hold, but below gadugi's own.
fn inherited_config(env: &BTreeMap<OsString, OsString>) -> Vec<(OsString, OsString)> {
    let text = |name: &str| env.get(OsStr::new(name));
    let count = text("GIT_CONFIG_COUNT").and_then(|count| count.to_str()?.parse::<usize>().ok()).unwrap_or(0);
    (0..count)
        .map_while(|n| {
            let key = text(&format!("GIT_CONFIG_KEY_{n}"))?;
            Some((key.clone(), text(&format!("GIT_CONFIG_VALUE_{n}"))?.clone()))
        })
        .collect()
}

fn search(path: &OsStr) -> Option<PathBuf> {
    path.as_bytes()
        .split(|byte| *byte == b':')
        .filter(|folder| !folder.is_empty())
        .map(|folder| Path::new(OsStr::from_bytes(folder)).join("git"))
        .find(|file| {
            file.is_absolute()
                && file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

/// `2.39.5 (Apple Git-154)`, `2.47.rc1` → major and minor.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn listen(stderr: Option<std::process::ChildStderr>) -> Vec<u8> {
    let mut said = Vec::new();
    if let Some(mut stderr) = stderr {
        let _ = io::Read::read_to_end(&mut stderr, &mut said);
    }
    said
}

/// At most 4,000 bytes, for messages.
fn shorten(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4_000)]);
    text.trim().to_owned()
}

fn strip_newline(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

/// The fields of an output with `-z`.
pub(crate) fn fields(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0).filter(|field| !field.is_empty())
}

/// A name for people and for the plan; what is not UTF-8 in it is replaced.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_whatever_the_vendor_appends() {
        for (text, version) in [
            ("2.39.5", Some((2, 39))),
            ("2.37.1 (Apple Git-137.1)", Some((2, 37))),
            ("2.48.rc1", Some((2, 48))),
            ("3.0.0", Some((3, 0))),
            ("nonsense", None),
        ] {
            assert_eq!(parse_version(text), version, "{text}");
        }
    }

    #[test]
    fn settings_that_were_passed_before_come_first() {
        let env = [
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "safe.directory"),
            ("GIT_CONFIG_VALUE_0", "*"),
            ("GIT_CONFIG_KEY_1", "not.counted"),
            ("GIT_CONFIG_VALUE_1", "x"),
        ];
        let env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        assert_eq!(inherited_config(&env), [("safe.directory".into(), "*".into())]);
    }
}
