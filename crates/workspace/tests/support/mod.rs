//! A repository of the test's own, with its own home, and git as a user would call it.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::allow_attributes, reason = "whether it is used differs from binary to binary")]

pub(crate) mod packs;
pub(crate) mod sealed;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gadugi_core::{AttemptId, CommitId, RunId, TaskId};
use gadugi_workspace::{Repository, Worktree, WorktreeRequest};

/// Which git a test runs with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// The first on `PATH`.
    OnPath,
    /// The distribution's own, where there is another on `PATH`.
    UsrBin,
}

/// Makes of each function two tests: with the git on `PATH`, and with the distribution's.
#[macro_export]
macro_rules! with_each_git {
    ($(fn $name:ident($fixture:ident) $body:block)*) => {
        $(fn $name($fixture: &support::Fixture) $body)*
        mod git_on_path {
            $(#[test] fn $name() { super::$name(&super::support::Fixture::new(super::support::Which::OnPath)); })*
        }
        mod git_in_usr_bin {
            $(#[test] fn $name() { super::$name(&super::support::Fixture::new(super::support::Which::UsrBin)); })*
        }
    };
}

/// An attempt at the task of that name.
pub(crate) fn attempt(task: &str, number: u32) -> AttemptId {
    let run = RunId::new("orchestration-20261121-090000-beef");
    AttemptId { run, task: TaskId::new(task), attempt: number }
}

pub(crate) struct Fixture {
    pub(crate) temp: tempfile::TempDir,
    pub(crate) root: PathBuf,
    env: Vec<(OsString, OsString)>,
}

impl Fixture {
    /// `main` with `a.txt`, `b.txt`, `src/lib.rs` and a `.gitignore` (`*.log`, `.env`, `target/`), all committed.
    pub(crate) fn new(which: Which) -> Self {
        let fixture = Self::empty(which);
        fixture.write("a.txt", "one\ntwo\nthree\n");
        fixture.write("b.txt", "b\n");
        fixture.write("src/lib.rs", "// lib\n");
        fixture.write(".gitignore", "*.log\n.env\ntarget/\n");
        fixture.commit_all("begin");
        fixture
    }

    /// A repository without commits.
    pub(crate) fn empty(which: Which) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(temp.path()).unwrap();
        let (root, home) = (base.join("repo with space"), base.join("home"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(&home).unwrap();
        let path = match which {
            Which::UsrBin if Path::new("/usr/bin/git").exists() => OsString::from("/usr/bin:/bin"),
            _ => gadugi_sys::env::get("PATH").unwrap().into(),
        };
        let mut env: Vec<(OsString, OsString)> = vec![("PATH".into(), path), ("HOME".into(), home.into())];
        for (name, value) in [
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_AUTHOR_NAME", "Ada"),
            ("GIT_AUTHOR_EMAIL", "ada@example.com"),
            ("GIT_COMMITTER_NAME", "Ada"),
            ("GIT_COMMITTER_EMAIL", "ada@example.com"),
        ] {
            env.push((name.into(), value.into()));
        }
        let fixture = Self { temp, root, env };
        fixture.git(["init", "-q", "-b", "main"]);
        fixture
    }

    pub(crate) fn env(&self) -> Vec<(OsString, OsString)> {
        self.env.clone()
    }

    pub(crate) fn with_env(&self, name: &str, value: &str) -> Vec<(OsString, OsString)> {
        let mut env: BTreeMap<_, _> = self.env().into_iter().collect();
        env.insert(name.into(), value.into());
        env.into_iter().collect()
    }

    pub(crate) fn without_identity(&self) -> Vec<(OsString, OsString)> {
        let identity = |name: &OsString| {
            let name = name.to_string_lossy();
            name.starts_with("GIT_AUTHOR") || name.starts_with("GIT_COMMITTER")
        };
        self.env().into_iter().filter(|(name, _)| !identity(name)).collect()
    }

    pub(crate) fn home(&self) -> PathBuf {
        fs::canonicalize(self.temp.path()).unwrap().join("home")
    }

    pub(crate) fn repository(&self) -> Repository {
        self.repository_at(&self.root)
    }

    pub(crate) fn repository_at(&self, start: &Path) -> Repository {
        Repository::discover_in(start, self.env()).unwrap()
    }

    pub(crate) fn output_in<A: AsRef<OsStr>>(&self, cwd: &Path, args: impl IntoIterator<Item = A>) -> Output {
        let mut command = Command::new("git");
        command.args(args).current_dir(cwd).env_clear().envs(self.env());
        command.env("GIT_AUTHOR_DATE", "@1000000000 +0000").env("GIT_COMMITTER_DATE", "@1000000000 +0000");
        command.output().unwrap()
    }

    /// Git as the user or an agent calls it; must succeed. Without the last newline.
    pub(crate) fn git_in<A: AsRef<OsStr>>(&self, cwd: &Path, args: impl IntoIterator<Item = A>) -> String {
        let output = self.output_in(cwd, args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub(crate) fn git<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        self.git_in(&self.root, args)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(&self.root.join(name), text);
    }

    pub(crate) fn commit_all(&self, message: &str) -> CommitId {
        self.commit_all_in(&self.root, message)
    }

    pub(crate) fn commit_all_in(&self, cwd: &Path, message: &str) -> CommitId {
        self.git_in(cwd, ["add", "-A"]);
        self.git_in(cwd, ["commit", "-q", "--allow-empty", "-m", message]);
        self.tip(cwd, "HEAD")
    }

    pub(crate) fn tip(&self, cwd: &Path, rev: &str) -> CommitId {
        CommitId::new(self.git_in(cwd, ["rev-parse", "--verify", rev]))
    }

    pub(crate) fn head(&self) -> CommitId {
        self.tip(&self.root, "HEAD")
    }

    pub(crate) fn request(&self, name: &str) -> WorktreeRequest {
        WorktreeRequest {
            path: self.root.join(".worktrees").join(name),
            branch: format!("feature/{name}"),
            base: self.head(),
            include: Vec::new(),
        }
    }

    pub(crate) fn worktree(&self, name: &str) -> Worktree {
        self.repository().add_worktree(&self.request(name)).unwrap()
    }

    pub(crate) fn show(&self, spec: &str) -> String {
        self.git(["show", spec])
    }

    pub(crate) fn admin(&self, name: &str) -> PathBuf {
        self.root.join(".git/worktrees").join(name)
    }

    /// Everything of the user's, byte for byte: git's own files, refs (but gadugi's branches), the working files, and
    /// what `git status` says.
    pub(crate) fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        // The user's own hooks and monitors are not what is looked for here.
        let quiet = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks"];
        let mut all = BTreeMap::new();
        for name in ["index", "config", "HEAD", "logs/HEAD", "logs/refs/stash", "ORIG_HEAD", "info/exclude"] {
            all.insert(
                format!(".git/{name}"),
                fs::read(self.root.join(".git").join(name)).unwrap_or_default(),
            );
        }
        files(&self.home(), &self.home(), &mut all);
        files(&self.root, &self.root, &mut all);
        let status = quiet.into_iter().chain(["status", "--porcelain=v2", "--branch"]);
        let status = self.output_in(&self.root, status);
        all.insert("status".into(), status.stdout);
        let refs =
            ["for-each-ref", "refs/heads/main", "refs/heads/user", "refs/tags", "refs/stash", "refs/remotes"];
        all.insert("refs".into(), self.output_in(&self.root, refs).stdout);
        all
    }
}

/// Fails with the names of what differs.
pub(crate) fn assert_same(after: &BTreeMap<String, Vec<u8>>, before: &BTreeMap<String, Vec<u8>>) {
    let names: std::collections::BTreeSet<_> = after.keys().chain(before.keys()).collect();
    let differ: Vec<_> = names.into_iter().filter(|name| after.get(*name) != before.get(*name)).collect();
    assert!(differ.is_empty(), "these changed: {differ:?}");
}

/// The files below a folder, without git's and gadugi's own.
fn files(top: &Path, folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (name, path) = (entry.file_name(), entry.path());
        if name == ".git" || name == ".gadugi" || name == ".worktrees" {
            continue;
        }
        let key = path.strip_prefix(top).unwrap().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            files(top, &path, into);
        } else if entry.file_type().unwrap().is_symlink() {
            into.insert(key, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
        } else {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            into.insert(format!("{key} {mode:o}"), fs::read(&path).unwrap());
        }
    }
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Written by a process of its own: a descriptor of this one, open for writing, may be inherited by what another test
/// starts at that moment, and until that is gone the file cannot be executed.
pub(crate) fn executable(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    write(&draft, text);
    let _ = fs::remove_file(path);
    assert!(Command::new("cp").arg(&draft).arg(path).status().unwrap().success());
    fs::remove_file(&draft).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
