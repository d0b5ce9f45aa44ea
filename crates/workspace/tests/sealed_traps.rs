//! Traps in a workspace: whatever its agent plants in it, the host runs nothing of it, follows nothing of it, and takes no
//! other repository's objects.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use gadugi_workspace::{Repository, Salvaging};
use support::sealed::Cell;
use support::{Fixture, assert_same, executable, write};

/// A program that touches a file, and that file.
struct Trap {
    program: PathBuf,
    witness: PathBuf,
}

impl Trap {
    fn new(fixture: &Fixture) -> Self {
        let folder = fixture.temp.path();
        let (program, witness) = (folder.join("trap.sh"), folder.join("witness"));
        executable(&program, &format!("#!/bin/sh\ntouch '{}'\ncat\n", witness.display()));
        Self { program, witness }
    }

    fn line(&self) -> String {
        self.program.display().to_string()
    }

    /// It works: git, called as an agent would, is caught in it.
    fn catches(&self, cwd: &Path, fixture: &Fixture, args: &[&str]) {
        fixture.output_in(cwd, args);
        assert!(self.witness.exists(), "a trap that catches nobody: {args:?}");
        fs::remove_file(&self.witness).unwrap();
    }
}

/// Everything that this side does with a workspace once an agent has been in it. The export has been made.
fn host_side(cell: &Cell<'_>) {
    let repository: &Repository = &cell.repository;
    let _ = repository.add_sealed(&cell.request);
    repository.sealed_workspaces();
    repository.unknown_folders(&cell.fixture.root.join(".worktrees"), |_| true).unwrap();
    let _ = repository.worktrees();
    let _ = repository.own_branches();
    repository.locks();
    let mut patch = Vec::new();
    let _ = cell.on_import(|import| repository.diff_exported(import, &mut patch));
    let _ = cell.import();
    let _ = cell.try_salvage();
    repository.open_sealed(cell.path()).unwrap();
    let tip = cell.fixture.head();
    repository.remove_sealed(cell.path(), cell.branch(), &tip, false).unwrap();
    repository.remove_sealed(cell.path(), cell.branch(), &tip, true).unwrap();
}

fn hooks(cell: &Cell<'_>, trap: &Trap) {
    for name in [
        "pre-commit",
        "post-commit",
        "post-checkout",
        "reference-transaction",
        "post-index-change",
        "pre-push",
        "update",
        "pre-receive",
        "post-receive",
        "post-update",
        "post-merge",
        "post-rewrite",
        "pre-auto-gc",
        "fsmonitor-watchman",
    ] {
        executable(
            &cell.path().join(".git/hooks").join(name),
            &format!("#!/bin/sh\ntouch '{}'\n", trap.witness.display()),
        );
    }
    cell.git(["config", "core.hooksPath", ".git/hooks"]);
}

fn configuration(cell: &Cell<'_>, trap: &Trap) {
    let included = cell.path().join("included");
    let line = trap.line();
    write(
        &included,
        &format!(
            "[core]\n\tfsmonitor = {line}\n\tpager = {line}\n\tsshCommand = {line}\n\taskPass = {line}\n"
        ),
    );
    for (key, value) in [
        ("include.path", included.to_str().unwrap()),
        ("filter.trap.clean", &line),
        ("filter.trap.smudge", &line),
        ("filter.trap.process", &line),
        ("filter.trap.required", "true"),
        ("diff.trap.textconv", &line),
        ("diff.trap.command", &line),
        ("diff.external", &line),
        ("merge.trap.driver", &line),
        ("gpg.program", &line),
        ("commit.gpgSign", "true"),
        ("core.alternateRefsCommand", &line),
        ("core.gitProxy", &line),
        ("uploadpack.packObjectsHook", &line),
        ("core.worktree", "/"),
        ("remote.origin.url", &format!("ext::{line}")),
        ("remote.origin.promisor", "true"),
        ("extensions.worktreeConfig", "true"),
        ("alias.status", &format!("!{line}")),
    ] {
        let config = cell.path().join(".git/config");
        cell.fixture.git_in(Path::new("/"), ["config", "--file", config.to_str().unwrap(), key, value]);
    }
    write(&cell.path().join(".git/config.worktree"), &format!("[core]\n\tfsmonitor = {line}\n"));
    write(&cell.path().join(".git/info/attributes"), "* filter=trap diff=trap merge=trap\n");
    cell.write(".gitattributes", "* filter=trap diff=trap merge=trap\n");
}

with_each_git! {
    fn hooks_and_configuration_never_run(fixture) {
        let trap = Trap::new(fixture);
        for committed in [true, false] {
            let cell = Cell::new(fixture, if committed { "one" } else { "two" });
            cell.write("a.txt", "changed\n");
            if committed {
                cell.commit("by the agent");
            }
            hooks(&cell, &trap);
            trap.catches(cell.path(), fixture, &["commit", "-q", "--allow-empty", "-m", "x"]);
            configuration(&cell, &trap);
            trap.catches(cell.path(), fixture, &["--work-tree=.", "add", "-A"]);
            cell.write("b.txt", "changed\n");
            cell.write("new", "new\n");
            // Inside, nothing would have to hold; what is cheap holds there too.
            cell.export();
            assert!(!trap.witness.exists(), "the export ran something of the agent's");
            let work = cell.import().unwrap().collection.work;
            assert!(work.changed.contains(&"a.txt".to_owned()) && work.changed.contains(&"b.txt".to_owned()), "{work:?}");
            cell.look();
            assert!(!trap.witness.exists(), "the look ran something of the agent's");
            // What came is in the user's repository now: his own git is not caught by it either.
            fixture.git(["checkout", "-q", cell.branch()]);
            fixture.git(["diff", "main"]);
            fixture.git(["checkout", "-q", "main"]);
            host_side(&cell);
            assert!(!trap.witness.exists(), "something of the agent's ran");
        }
    }

    fn a_git_folder_that_leads_elsewhere_is_not_followed(fixture) {
        let trap = Trap::new(fixture);
        let victim = fixture.temp.path().join("victim");
        write(&victim.join("secret"), "secret\n");
        fixture.git_in(&victim, ["init", "-q"]);
        fixture.commit_all_in(&victim, "secret");
        let secret = fixture.tip(&victim, "HEAD:secret");
        fixture.git_in(&victim, ["config", "core.fsmonitor", &trap.line()]);
        for (name, target) in [("own", fixture.root.join(".git")), ("other", victim.join(".git"))] {
            for how in ["symlink", "file", "commondir", "alternates", "worktree"] {
                let cell = Cell::new(fixture, &format!("{name}-{how}"));
                cell.write("new", "1\n");
                // What a container says, which sees neither of the two: made before the way is laid.
                cell.look();
                let git = cell.path().join(".git");
                let pointer = target.display().to_string();
                match how {
                    "symlink" => {
                        fs::remove_dir_all(&git).unwrap();
                        symlink(&target, &git).unwrap();
                    }
                    "file" => {
                        fs::remove_dir_all(&git).unwrap();
                        write(&git, &format!("gitdir: {pointer}\n"));
                    }
                    "commondir" => write(&git.join("commondir"), &format!("{pointer}\n")),
                    "alternates" => write(&git.join("objects/info/alternates"), &format!("{pointer}/objects\n")),
                    _ => {
                        fs::remove_dir_all(cell.path()).unwrap();
                        symlink(target.parent().unwrap(), cell.path()).unwrap();
                    }
                }
                let before = (fixture.everything(), listing(&target));
                let refs = fixture.git(["for-each-ref", "refs/heads/main"]);
                let repository = &cell.repository;
                let _ = repository.add_sealed(&cell.request);
                let mut patch = Vec::new();
                cell.on_import(|import| repository.diff_exported(import, &mut patch)).unwrap();
                repository.remove_sealed(cell.path(), cell.branch(), &cell.base, true).unwrap();
                assert_same(&fixture.everything(), &before.0);
                assert_eq!(listing(&target), before.1, "{name} {how}");
                assert_eq!(fixture.git(["for-each-ref", "refs/heads/main"]), refs);
                assert!(!trap.witness.exists(), "{name} {how}");
            }
        }
        assert!(!fixture.output_in(&fixture.root, ["cat-file", "-e", secret.as_str()]).status.success());
    }

    fn what_has_lost_its_record_is_known_and_its_submodules_are_not_entered(fixture) {
        let trap = Trap::new(fixture);
        let module = fixture.temp.path().join("module");
        write(&module.join("lib.c"), "1\n");
        fixture.git_in(&module, ["init", "-q", "-b", "main"]);
        fixture.commit_all_in(&module, "module");
        fixture.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", module.to_str().unwrap(), "sub"]);
        fixture.commit_all("with a submodule");
        let cell = Cell::new(fixture, "one");
        let beside = fixture.root.join(".worktrees/r/two");
        let elsewhere = fixture.root.join(".worktrees/s/three");
        for folder in [&beside, &elsewhere] {
            write(&folder.join("f"), "1\n");
        }
        assert!(cell.repository.is_sealed(cell.path()) && cell.repository.is_sealed(&beside));
        fs::remove_dir_all(fixture.root.join(".gadugi")).unwrap();
        assert!(cell.repository.is_sealed(cell.path()) && cell.repository.is_sealed(&beside));
        assert!(!cell.repository.is_sealed(&elsewhere));
        let found = cell.repository.unknown_folders(&fixture.root.join(".worktrees"), |_| true).unwrap();
        assert_eq!(found, [cell.path().to_owned(), beside, elsewhere]);

        let sub = cell.path().join("sub");
        fixture.git_in(&sub, ["config", "filter.x.clean", &trap.line()]);
        write(&sub.join(".gitattributes"), "* filter=x\n");
        write(&sub.join("lib.c"), "2\n");
        cell.write("new", "1\n");
        trap.catches(&sub, fixture, &["status"]);
        let Salvaging::Kept(kept) = cell.repository.salvage(&cell.attempt, cell.path(), cell.branch()).unwrap() else {
            panic!("nothing was kept");
        };
        assert!(!trap.witness.exists(), "the host has been in the submodule");
        assert_eq!(kept.left_out, ["sub: a submodule; it is not looked into"]);
        assert_eq!(fixture.show(&format!("{}:new", kept.reference)), "1");
    }

    fn folders_deeper_than_paths_reach_are_removed(fixture) {
        let cell = Cell::new(fixture, "one");
        // A thousand folders within folders, and something at the bottom.
        let script = "i=0; while [ $i -lt 1500 ]; do mkdir long-name && cd -P long-name || exit 1; i=$((i + 1)); done; \
                      head -c 1000000 /dev/zero >big";
        let deep = std::process::Command::new("sh").args(["-c", script]).current_dir(cell.path()).status().unwrap();
        assert!(deep.success());
        let removed = cell.repository.remove_sealed(cell.path(), cell.branch(), &cell.base, true).unwrap();
        assert_eq!(removed, gadugi_workspace::Removal::Removed);
        assert!(!cell.path().exists());
    }
}

/// The names and sizes of all that lies in a git folder but what changes by looking.
fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut next = vec![folder.to_owned()];
    while let Some(folder) = next.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                next.push(entry.path());
            } else {
                found.push((entry.path(), meta.len()));
            }
        }
    }
    found.sort();
    found
}
