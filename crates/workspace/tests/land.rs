//! Bringing work home, and every reason not to.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;

use gadugi_core::CommitId;
use gadugi_workspace::{LandRefusal, Landed, LandedHow};
use support::{Fixture, assert_same, executable, read, write};

/// A branch `gadugi/run` with one commit on top of `main`: `a.txt` changed, `new/file` new, `b.txt` gone.
fn integrated(fixture: &Fixture) -> CommitId {
    let made = fixture.worktree("one");
    write(&made.path.join("a.txt"), "ONE\ntwo\nthree\n");
    write(&made.path.join("new/file"), "new\n");
    fs::remove_file(made.path.join("b.txt")).unwrap();
    let commit = fixture.commit_all_in(&made.path, "work");
    fixture.git(["branch", "gadugi/run", commit.as_str()]);
    commit
}

fn land(fixture: &Fixture, into: Option<&str>) -> Result<Landed, LandRefusal> {
    fixture.repository().land("gadugi/run", into, "Land gadugi/run\n")
}

with_each_git! {
    fn fast_forwards_the_checked_out_branch(fixture) {
        let commit = integrated(fixture);
        let landed = land(fixture, None).unwrap();
        assert_eq!(landed, Landed { into: "main".into(), commit: commit.clone(), how: LandedHow::FastForward, updated: Some(fixture.root.clone()) });
        assert_eq!(fixture.head(), commit);
        assert_eq!(fixture.git(["status", "--porcelain"]), "");
        assert_eq!(read(&fixture.root.join("new/file")), "new\n");
        assert!(!fixture.root.join("b.txt").exists());
        assert_eq!(fixture.git(["reflog", "-1", "--format=%gs"]), "gadugi land");
        let again = land(fixture, None).unwrap();
        assert_eq!((again.how, again.commit), (LandedHow::AlreadyThere, commit));
        assert_eq!(fixture.repository().land("main", None, "m").unwrap().how, LandedHow::AlreadyThere);
    }

    fn merges_where_the_branch_has_moved(fixture) {
        let commit = integrated(fixture);
        fixture.write("mine", "1\n");
        let mine = fixture.commit_all("mine");
        let landed = land(fixture, None).unwrap();
        assert_eq!(landed.how, LandedHow::Merge);
        assert_eq!(fixture.git(["log", "-1", "--format=%P|%s"]), format!("{mine} {commit}|Land gadugi/run"));
        assert_eq!(fixture.git(["status", "--porcelain"]), "");
        assert_eq!(read(&fixture.root.join("a.txt")), "ONE\ntwo\nthree\n");
    }

    fn changes_to_other_files_stay_as_they_are(fixture) {
        integrated(fixture);
        fixture.write("src/lib.rs", "// staged\n");
        fixture.git(["add", "src/lib.rs"]);
        fixture.write("src/lib.rs", "// and unstaged\n");
        fixture.write("untracked", "u\n");
        fixture.write("new/untracked", "u\n");
        fixture.write("staged-new", "s\n");
        fixture.git(["add", "staged-new"]);
        fixture.git(["update-index", "--chmod=+x", ".gitignore"]);
        let before = fixture.git(["status", "--porcelain", "-uall"]);
        land(fixture, None).unwrap();
        assert_eq!(fixture.git(["status", "--porcelain", "-uall"]), before);
        assert_eq!(fixture.show(":src/lib.rs"), "// staged");
        assert_eq!(read(&fixture.root.join("src/lib.rs")), "// and unstaged\n");
        assert_eq!(read(&fixture.root.join("new/file")), "new\n");
    }

    fn refuses_over_changes_to_the_same_files(fixture) {
        integrated(fixture);
        let refused = |expected: &[&str]| {
            let before = fixture.everything();
            match land(fixture, None) {
                Err(LandRefusal::LocalChanges { worktree, files }) => {
                    assert_eq!(files, expected);
                    assert_eq!(worktree, fixture.root);
                }
                other => panic!("{other:?}"),
            }
            assert_same(&fixture.everything(), &before);
            fixture.git(["reset", "-q", "--hard"]);
            fixture.git(["clean", "-fdxq", "-e", ".worktrees", "-e", ".gadugi"]);
        };
        fixture.write("a.txt", "mine\n");
        refused(&["a.txt"]);
        fixture.write("b.txt", "mine\n");
        fixture.git(["add", "b.txt"]);
        refused(&["b.txt"]);
        fixture.git(["rm", "-q", "a.txt"]);
        refused(&["a.txt"]);
        fixture.write("new/file", "mine\n");
        refused(&["new/file"]);
        fixture.write("new", "a file where a folder is to be\n");
        refused(&["new"]);
        fixture.write("new/file/deeper", "a folder where a file is to be\n");
        refused(&["new/file", "new/file/deeper"]);
        land(fixture, None).unwrap();
    }

    fn an_ignored_file_in_the_way_is_not_written_over(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join(".env"), "theirs");
        fixture.git_in(&made.path, ["add", "-f", ".env"]);
        let commit = fixture.commit_all_in(&made.path, "work");
        fixture.git(["branch", "gadugi/run", commit.as_str()]);
        fixture.write(".env", "precious");
        assert!(matches!(land(fixture, None), Err(LandRefusal::LocalChanges { files, .. }) if files == [".env"]));
        assert_eq!(read(&fixture.root.join(".env")), "precious");
    }

    fn a_folder_becomes_a_file_and_the_other_way_round(fixture) {
        let made = fixture.worktree("one");
        fs::remove_dir_all(made.path.join("src")).unwrap();
        write(&made.path.join("src"), "a file now\n");
        fs::remove_file(made.path.join("a.txt")).unwrap();
        write(&made.path.join("a.txt/inside"), "a folder now\n");
        let commit = fixture.commit_all_in(&made.path, "work");
        fixture.git(["branch", "gadugi/run", commit.as_str()]);
        land(fixture, None).unwrap();
        assert_eq!(read(&fixture.root.join("a.txt/inside")), "a folder now\n");
        assert_eq!(fixture.git(["status", "--porcelain"]), "");
    }

    fn conflicts_are_named_with_what_resolves_them(fixture) {
        integrated(fixture);
        fixture.write("a.txt", "mine\n");
        fixture.commit_all("mine");
        let before = fixture.everything();
        let refusal = land(fixture, None).unwrap_err();
        assert!(matches!(&refusal, LandRefusal::Conflict { files, into, .. } if files == &["a.txt"] && into == "main"));
        assert_same(&fixture.everything(), &before);
        let commands = refusal.commands();
        let output = fixture.output_in(&fixture.home(), &commands[0][1..]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("CONFLICT"), "the command begins that very merge");
    }

    fn lands_in_a_branch_that_is_not_checked_out(fixture) {
        let commit = integrated(fixture);
        fixture.git(["branch", "user", "main"]);
        fixture.write("a.txt", "my changes do not matter here\n");
        let mut before = fixture.everything();
        let landed = land(fixture, Some("user")).unwrap();
        assert_eq!((landed.how, landed.updated), (LandedHow::FastForward, None));
        assert_eq!(fixture.tip(&fixture.root, "user"), commit);
        let mut after = fixture.everything();
        before.remove("refs");
        after.remove("refs");
        assert_same(&after, &before);
    }

    fn lands_in_a_branch_that_another_worktree_has(fixture) {
        let commit = integrated(fixture);
        let linked = fixture.root.parent().unwrap().join("linked tree");
        fixture.git(["worktree", "add", "-q", "-b", "user", linked.to_str().unwrap()]);
        write(&linked.join("src/lib.rs"), "// mine\n");
        let landed = land(fixture, Some("user")).unwrap();
        assert_eq!(landed.updated, Some(linked.clone()));
        assert_eq!(fixture.tip(&linked, "HEAD"), commit);
        assert_eq!(fixture.git_in(&linked, ["status", "--porcelain"]), "M src/lib.rs".to_owned().replace("M", " M"));
        assert_eq!(fixture.git(["status", "--porcelain"]), "");
        // Standing in it, it is the one that is meant.
        fixture.git_in(&linked, ["checkout", "-q", "-f", "-B", "user", "main"]);
        let landed = fixture.repository_at(&linked).land("gadugi/run", None, "m").unwrap();
        assert_eq!(landed.into, "user");
    }

    fn says_what_stands_in_the_way(fixture) {
        integrated(fixture);
        let repository = fixture.repository();
        assert!(matches!(repository.land("gadugi/none", None, "m"), Err(LandRefusal::NoSuchBranch { .. })));
        assert!(matches!(land(fixture, Some("none")), Err(LandRefusal::NoSuchTarget { .. })));
        assert!(matches!(land(fixture, Some("-none")), Err(LandRefusal::NoSuchTarget { .. })));
        let lock = fixture.root.join(".git/index.lock");
        write(&lock, "");
        assert!(matches!(land(fixture, None), Err(LandRefusal::IndexLocked { lock: found }) if found == lock));
        assert!(lock.exists(), "it is not ours to remove");
        fs::remove_file(&lock).unwrap();
        write(&fixture.root.join(".git/refs/heads/main.lock"), "");
        let before = fixture.everything();
        assert!(matches!(land(fixture, None), Err(LandRefusal::Moved { .. })));
        assert_same(&fixture.everything(), &before);
        fs::remove_file(fixture.root.join(".git/refs/heads/main.lock")).unwrap();
        let second = fixture.root.parent().unwrap().join("second");
        fixture.git(["worktree", "add", "-q", "-f", second.to_str().unwrap(), "main"]);
        assert!(matches!(land(fixture, None), Err(LandRefusal::CheckedOutTwice { worktrees, .. }) if worktrees.len() == 2));
        fs::remove_dir_all(&second).unwrap();
        fixture.git(["checkout", "-q", "--detach"]);
        assert!(matches!(land(fixture, None), Err(LandRefusal::DetachedHead { .. })));
        assert_eq!(land(fixture, Some("main")).unwrap().updated, None);
    }

    fn a_user_in_the_middle_of_something_is_not_disturbed(fixture) {
        integrated(fixture);
        fixture.git(["checkout", "-q", "-b", "other"]);
        fixture.write("src/lib.rs", "// theirs\n");
        fixture.commit_all("theirs");
        fixture.git(["checkout", "-q", "main"]);
        fixture.write("src/lib.rs", "// ours\n");
        fixture.commit_all("ours");
        for command in ["merge", "rebase"] {
            assert!(!fixture.output_in(&fixture.root, [command, "other"]).status.success());
            let before = fixture.everything();
            assert!(matches!(land(fixture, Some("main")), Err(LandRefusal::MidOperation { operation, .. }) if operation == command));
            assert_same(&fixture.everything(), &before);
            fixture.git([command, "--abort"]);
        }
    }

    fn none_of_the_users_hooks_run(fixture) {
        integrated(fixture);
        for hook in ["post-checkout", "post-merge", "pre-merge-commit", "reference-transaction", "post-index-change", "pre-commit"] {
            executable(&fixture.root.join(".git/hooks").join(hook), "#!/bin/sh\ntouch \"$HOME/hook-ran\"\nexit 1\n");
        }
        land(fixture, None).unwrap();
        assert!(!fixture.home().join("hook-ran").exists());
    }

    fn a_file_that_cannot_be_written_leaves_all_as_it_was(fixture) {
        // A filter that fails stands for a full disk: git finds out in the middle of writing files.
        let made = fixture.worktree("one");
        for name in ["a.txt", "b.txt"] {
            write(&made.path.join(name), "changed\n");
        }
        write(&made.path.join("early"), "new\n");
        write(&made.path.join("z.filtered"), "new\n");
        let commit = fixture.commit_all_in(&made.path, "work");
        fixture.git(["branch", "gadugi/run", commit.as_str()]);
        write(&fixture.root.join(".git/info/attributes"), "*.filtered filter=broken\n");
        fixture.git(["config", "filter.broken.smudge", "false"]);
        fixture.git(["config", "filter.broken.required", "true"]);
        fixture.write("src/lib.rs", "// mine\n");
        fixture.git(["status"]);
        let status = fixture.git(["status", "--porcelain"]);
        assert!(matches!(land(fixture, None), Err(LandRefusal::Git(_))));
        assert_eq!(fixture.git(["status", "--porcelain"]), status);
        assert_eq!(read(&fixture.root.join("a.txt")), "one\ntwo\nthree\n");
        assert!(!fixture.root.join("early").exists() && !fixture.root.join("z.filtered").exists());
        assert_eq!(fixture.git(["log", "-1", "--format=%s", "main"]), "begin");
        fixture.git(["config", "filter.broken.smudge", "cat"]);
        land(fixture, None).unwrap();
        assert_eq!(read(&fixture.root.join("a.txt")), "changed\n");
    }
}
