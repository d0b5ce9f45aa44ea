//! Three hundred worktrees at once, from several processes: none may fail.
//!
//! A program of its own (no test harness): it starts itself as the processes that add worktrees.

#![allow(
    clippy::print_stdout,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "a test without the harness"
)]

mod support;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use gadugi_core::CommitId;
use gadugi_workspace::{Removal, Repository, WorktreeRequest};
use support::{Fixture, Which};

const PROCESSES: usize = 6;
const THREADS: usize = 5;
const EACH: usize = 10;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--child") => child(Path::new(&args[2]), &args[3], &args[4]),
        Some("--list") => {
            println!("three_hundred_worktrees_from_several_processes: test");
            ExitCode::SUCCESS
        }
        _ => {
            for which in [Which::OnPath, Which::UsrBin] {
                three_hundred_worktrees_from_several_processes(which);
                println!("test three_hundred_worktrees_from_several_processes ({which:?}) ... ok");
            }
            ExitCode::SUCCESS
        }
    }
}

fn request(root: &Path, name: &str, base: &str) -> WorktreeRequest {
    WorktreeRequest {
        path: root.join(".worktrees").join(name),
        branch: format!("feature/parallel-{name}"),
        base: CommitId::new(base),
        include: Vec::new(),
    }
}

/// Waits until its standard input is closed, so that all begin at once; then adds its share from several threads.
fn child(root: &Path, number: &str, base: &str) -> ExitCode {
    let repository = Repository::discover(root).unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let repository = &repository;
            scope.spawn(move || {
                for n in 0..EACH {
                    let request = request(root, &format!("{number}-{thread}-{n}"), base);
                    let made = repository.add_worktree(&request).unwrap();
                    assert!(made.path.join("src/lib.rs").exists());
                    // Removing and listing go on beside it.
                    if n == 3 {
                        let extra = WorktreeRequest {
                            path: request.path.with_extension("extra"),
                            branch: format!("{}-extra", request.branch),
                            ..request
                        };
                        repository.add_worktree(&extra).unwrap();
                        let removed =
                            repository.remove_worktree(&extra.path, &extra.branch, &extra.base).unwrap();
                        assert_eq!(removed, Removal::Removed);
                        repository.delete_branch_if_merged(&extra.branch, &extra.base).unwrap();
                    }
                }
            });
        }
    });
    ExitCode::SUCCESS
}

fn three_hundred_worktrees_from_several_processes(which: Which) {
    let fixture = Fixture::new(which);
    let base = fixture.head();
    let program: PathBuf = std::env::current_exe().unwrap();
    let mut children: Vec<_> = (0..PROCESSES)
        .map(|number| {
            let mut command = Command::new(&program);
            command.arg("--child").arg(&fixture.root).arg(number.to_string()).arg(base.as_str());
            command.env_clear().envs(fixture.env()).stdin(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    // All are told to begin by the closing of their input.
    let inputs: Vec<_> = children.iter_mut().map(|child| child.stdin.take()).collect();
    drop(inputs);
    for mut child in children {
        assert!(child.wait().unwrap().success(), "a process failed");
    }
    let repository = fixture.repository();
    let listed = repository.worktrees().unwrap();
    let whole = |tree: &gadugi_workspace::WorktreeInfo| {
        tree.ours && tree.locked && !tree.missing && !tree.unfinished && tree.uncommitted == Some(0)
    };
    assert_eq!(listed.iter().filter(|tree| whole(tree)).count(), PROCESSES * THREADS * EACH);
    assert_eq!(listed.len(), PROCESSES * THREADS * EACH + 1, "the main one, and no remains");
    assert_eq!(fixture.git(["status", "--porcelain"]), "");
}
