//! What nobody finished is kept, in whatever state it lies.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use gadugi_core::CommitId;
use gadugi_workspace::{Error, Salvaged, Salvaging, Worktree, salvage_ref};
use support::{Fixture, attempt, executable, read, write};

const REF: &str = "refs/gadugi/salvage/one/20261121-090000-beef-1";

fn ask(fixture: &Fixture, made: &Worktree) -> Result<Salvaging, Error> {
    fixture.repository().salvage(&attempt("one", 1), &made.path, "feature/one")
}

#[track_caller]
fn kept(fixture: &Fixture, made: &Worktree) -> Salvaged {
    let Salvaging::Kept(salvaged) = ask(fixture, made).unwrap() else { panic!("nothing kept") };
    assert_eq!(salvaged.reference, REF);
    assert_eq!(fixture.tip(&fixture.root, REF), salvaged.commit);
    let again = ask(fixture, made).unwrap();
    let Salvaging::Kept(again) = again else { panic!("{again:?}") };
    assert_eq!(
        (&again.commit, again.files),
        (&salvaged.commit, salvaged.files),
        "asked again it is the same"
    );
    // Whatever git thinks of as garbage is gone now.
    fixture.git(["reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all"]);
    fixture.git(["gc", "--quiet", "--prune=now"]);
    salvaged
}

fn holds(fixture: &Fixture, commit: &CommitId) -> bool {
    fixture.output_in(&fixture.root, ["merge-base", "--is-ancestor", commit.as_str(), REF]).status.success()
}

fn has(fixture: &Fixture, path: &str) -> bool {
    fixture.output_in(&fixture.root, ["cat-file", "-e", &format!("{REF}:{path}")]).status.success()
}

fn parent(fixture: &Fixture) -> CommitId {
    fixture.tip(&fixture.root, &format!("{REF}^"))
}

with_each_git! {
    fn everything_uncommitted_is_kept_and_nothing_touched(fixture) {
        let made = fixture.worktree("one");
        assert_eq!(ask(fixture, &made).unwrap(), Salvaging::Nothing);
        write(&made.path.join("a.txt"), "changed\n");
        write(&made.path.join("new"), "new\n");
        write(&made.path.join("x.log"), "ignored\n");
        symlink("/nowhere", made.path.join("link")).unwrap();
        executable(&made.path.join("tool"), "#!/bin/sh\n");
        fs::remove_file(made.path.join("b.txt")).unwrap();
        fixture.git_in(&made.path, ["add", "a.txt"]);
        let index = fs::read(fixture.admin("one").join("index")).unwrap();
        let status = fixture.git_in(&made.path, ["--no-optional-locks", "status", "--porcelain"]);
        let Salvaging::Kept(salvaged) = ask(fixture, &made).unwrap() else { panic!() };
        assert_eq!(fs::read(fixture.admin("one").join("index")).unwrap(), index);
        assert_eq!(fixture.git_in(&made.path, ["--no-optional-locks", "status", "--porcelain"]), status);
        assert_eq!((salvaged.files, salvaged.left_out), (5, vec![]));
        assert_eq!(fixture.git(["log", "-1", "--format=%P %an %s", REF]), format!("{} Ada Salvaged: one of orchestration-20261121-090000-beef", fixture.head()));
        assert_eq!(fixture.git(["diff", "--name-status", &format!("{REF}^"), REF]), "M\ta.txt\nD\tb.txt\nA\tlink\nA\tnew\nA\ttool");
        assert!(!has(fixture, "x.log"));
        kept(fixture, &made);
        let left = fs::read_dir(fixture.admin("one")).unwrap();
        assert_eq!(left.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("salvage")).count(), 0);
        let [info] = &fixture.repository().salvages().unwrap()[..] else { panic!() };
        assert_eq!((info.attempt.clone(), info.files, info.reference.as_str()), (Some(attempt("one", 1)), 5, REF));
        // It is there for whoever wants it back.
        fixture.git(["restore", "--source", REF, "--", "new"]);
        assert_eq!(read(&fixture.root.join("new")), "new\n");
    }

    fn what_was_kept_before_stays(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("new"), "first\n");
        let first = kept(fixture, &made).commit;
        write(&made.path.join("new"), "second\n");
        let second = kept(fixture, &made).commit;
        assert!(first != second && holds(fixture, &first));
        fixture.git_in(&made.path, ["add", "-A"]);
        fixture.git_in(&made.path, ["commit", "-q", "-m", "taken up again"]);
        assert_eq!(kept(fixture, &made).commit, second, "nothing new");
        let other = fixture.repository().salvage(&attempt("one", 2), &made.path, "feature/one").unwrap();
        assert_eq!(other, Salvaging::Nothing);
        assert_ne!(salvage_ref(&attempt("one", 2)), REF);
    }

    fn what_is_staged_and_not_in_the_files_is_kept(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("a.txt"), "staged\n");
        write(&made.path.join("gone"), "staged and deleted\n");
        fixture.git_in(&made.path, ["add", "-A"]);
        write(&made.path.join("a.txt"), "one\ntwo\nthree\n");
        fs::remove_file(made.path.join("gone")).unwrap();
        assert_eq!(kept(fixture, &made).files, 2);
        assert_eq!(fixture.show(&format!("{REF}^2:a.txt")), "staged");
        assert_eq!(fixture.show(&format!("{REF}^2:gone")), "staged and deleted");
        assert_eq!(fixture.show(&format!("{REF}:a.txt")), "one\ntwo\nthree");
    }

    fn files_that_git_was_told_not_to_look_at_are_looked_at(fixture) {
        let made = fixture.worktree("one");
        fixture.git_in(&made.path, ["update-index", "--assume-unchanged", "a.txt"]);
        fixture.git_in(&made.path, ["update-index", "--skip-worktree", "b.txt"]);
        write(&made.path.join("a.txt"), "assumed\n");
        write(&made.path.join("b.txt"), "skipped\n");
        assert_eq!(kept(fixture, &made).files, 2);
        assert_eq!((fixture.show(&format!("{REF}:a.txt")), fixture.show(&format!("{REF}:b.txt"))), ("assumed".into(), "skipped".into()));
    }

    fn commits_that_no_branch_holds_are_kept(fixture) {
        let made = fixture.worktree("one");
        // A branch that was reset, and what it held amended before.
        write(&made.path.join("a.txt"), "1\n");
        fixture.commit_all_in(&made.path, "dropped");
        fixture.git_in(&made.path, ["commit", "-q", "--amend", "-m", "amended"]);
        let reset = fixture.tip(&made.path, "HEAD");
        fixture.git_in(&made.path, ["reset", "-q", "--hard", "HEAD^"]);
        // A detached HEAD that was left, and one that is stood on.
        fixture.git_in(&made.path, ["checkout", "-q", "--detach"]);
        let left = fixture.commit_all_in(&made.path, "left");
        fixture.git_in(&made.path, ["checkout", "-q", "--detach", "feature/one"]);
        let stood_on = fixture.commit_all_in(&made.path, "stood on");
        let salvaged = kept(fixture, &made);
        assert_eq!(salvaged.files, 0);
        assert!([&reset, &left, &stood_on].into_iter().all(|commit| holds(fixture, commit)));
        assert_eq!(parent(fixture), stood_on);
    }

    fn stashes_are_kept_and_stay(fixture) {
        fixture.write("a.txt", "the user's\n");
        fixture.git(["stash", "-q"]);
        let users = fixture.tip(&fixture.root, "refs/stash");
        let made = fixture.worktree("one");
        write(&made.path.join("a.txt"), "on the branch\n");
        fixture.git_in(&made.path, ["stash", "-q"]);
        let named = fixture.tip(&made.path, "refs/stash");
        fixture.git_in(&made.path, ["checkout", "-q", "--detach"]);
        fixture.commit_all_in(&made.path, "detached");
        write(&made.path.join("a.txt"), "detached\n");
        fixture.git_in(&made.path, ["stash", "-q"]);
        let detached = fixture.tip(&made.path, "refs/stash");
        let list = fixture.git(["stash", "list"]);
        let Salvaging::Kept(_) = ask(fixture, &made).unwrap() else { panic!() };
        assert_eq!(fixture.git(["stash", "list"]), list);
        fixture.git(["stash", "clear"]);
        fixture.git(["gc", "--quiet", "--prune=now"]);
        assert!(holds(fixture, &named) && holds(fixture, &detached));
        assert!(!holds(fixture, &users), "the user's stash is the user's");
        assert_eq!(fixture.show(&format!("{named}:a.txt")), "on the branch");
    }

    fn a_merge_and_a_rebase_under_way_are_kept(fixture) {
        let made = fixture.worktree("one");
        let base = fixture.head();
        write(&made.path.join("a.txt"), "ours\n");
        fixture.commit_all_in(&made.path, "ours");
        fixture.git_in(&made.path, ["checkout", "-q", "--detach", base.as_str()]);
        write(&made.path.join("a.txt"), "theirs\n");
        write(&made.path.join("more"), "more\n");
        let theirs = fixture.commit_all_in(&made.path, "theirs");
        fixture.git_in(&made.path, ["checkout", "-q", "feature/one"]);
        assert!(!fixture.output_in(&made.path, ["merge", theirs.as_str()]).status.success());
        kept(fixture, &made);
        assert!(fixture.show(&format!("{REF}:a.txt")).contains("<<<<<<<"));
        assert!(holds(fixture, &theirs) && fixture.admin("one").join("MERGE_HEAD").exists());
        fixture.git_in(&made.path, ["merge", "--abort"]);
        fixture.git_in(&made.path, ["checkout", "-q", "--detach", theirs.as_str()]);
        let later = fixture.commit_all_in(&made.path, "later");
        assert!(!fixture.output_in(&made.path, ["rebase", "feature/one"]).status.success());
        fs::remove_file(fixture.admin("one").join("logs/HEAD")).unwrap();
        kept(fixture, &made);
        assert!(holds(fixture, &later));
    }

    fn repositories_inside_are_named_and_their_files_kept(fixture) {
        let made = fixture.worktree("one");
        fixture.git_in(&made.path, ["init", "-q", "app"]);
        write(&made.path.join("app/main.rs"), "fn main() {}\n");
        write(&made.path.join("app/.gitignore"), "out\n");
        fixture.commit_all_in(&made.path.join("app"), "inner");
        write(&made.path.join("app/out"), "ignored there\n");
        fixture.git_in(&made.path, ["init", "-q", "app/deep er"]);
        write(&made.path.join("app/deep er/f\n"), "deep\n");
        fixture.git_in(&made.path, ["init", "-q", "empty"]);
        write(&made.path.join("new"), "beside\n");
        let salvaged = kept(fixture, &made);
        let named: Vec<_> = salvaged.left_out.iter().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(named, ["app/", "app/deep er/", "empty/"], "{salvaged:?}");
        assert_eq!(fixture.show(&format!("{REF}:app/main.rs")), "fn main() {}");
        assert_eq!(fixture.show(&format!("{REF}:app/deep er/f\n")), "deep");
        assert!(has(fixture, "new") && !has(fixture, "app/out"));
        assert!(made.path.join("app/.git").is_dir());
    }

    fn a_changed_submodule_is_named(fixture) {
        let library = fixture.home().join("library");
        fixture.git(["init", "-q", "-b", "main", library.to_str().unwrap()]);
        write(&library.join("lib.c"), "int x;\n");
        fixture.commit_all_in(&library, "library");
        fixture.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.to_str().unwrap(), "lib"]);
        fixture.commit_all("submodule");
        let made = fixture.worktree("one");
        write(&made.path.join("lib/lib.c"), "int y;\n");
        assert!(matches!(ask(fixture, &made), Err(Error::NotSalvaged { left_out, .. }) if left_out[0].starts_with("lib: a submodule")));
        write(&made.path.join("new"), "new\n");
        let salvaged = kept(fixture, &made);
        assert_eq!((salvaged.files, salvaged.left_out.len()), (1, 1));
    }

    fn odd_names_and_files_that_cannot_be_stored(fixture) {
        let made = fixture.worktree("one");
        for name in [&b"new\nline"[..], b"not-utf8-\xff\xfe", b"-dash", b":(top)magic", b" \"quoted\" ", b"dir\\x/y"] {
            let path = made.path.join(OsStr::from_bytes(name));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let status = std::process::Command::new("mkfifo").arg(made.path.join("pipe")).status().unwrap();
        assert!(status.success());
        let large = fs::File::create(made.path.join("large,[bin]*")).unwrap();
        large.set_len((1 << 30) + 1).unwrap();
        let salvaged = kept(fixture, &made);
        assert_eq!(salvaged.files, 6);
        assert_eq!(salvaged.left_out, ["large,[bin]*: larger than 1 GiB"]);
        assert!(has(fixture, "new\nline") && has(fixture, ":(top)magic"));
    }

    fn a_filter_that_fails_loses_nothing(fixture) {
        fixture.write(".gitattributes", "*.sec filter=broken\n");
        fixture.commit_all("attributes");
        let made = fixture.worktree("one");
        fixture.git(["config", "filter.broken.clean", "false"]);
        fixture.git(["config", "filter.broken.required", "true"]);
        write(&made.path.join("a.sec"), "clear\r\n");
        symlink("a.sec", made.path.join("link.sec")).unwrap();
        executable(&made.path.join("t.sec"), "tool\n");
        write(&made.path.join("plain"), "plain\n");
        let salvaged = kept(fixture, &made);
        assert_eq!((salvaged.files, salvaged.left_out), (4, vec![]));
        assert_eq!(fixture.output_in(&fixture.root, ["cat-file", "blob", &format!("{REF}:a.sec")]).stdout, b"clear\r\n");
        assert!(fixture.git(["ls-tree", REF, "t.sec"]).starts_with("100755"));
    }

    fn what_cannot_be_read_is_named_and_the_rest_kept(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("good"), "good\n");
        fixture.git(["config", "core.protectNTFS", "true"]);
        write(&made.path.join("git~1"), "no name that git takes\n");
        let salvaged = kept(fixture, &made);
        assert!(has(fixture, "good"));
        assert!(salvaged.left_out.iter().any(|line| line.starts_with("git~1: ")), "{salvaged:?}");
        let locked = made.path.join("locked");
        write(&locked, "secret\n");
        fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        let salvaged = kept(fixture, &made);
        // Root reads it all the same.
        let named = salvaged.left_out.iter().any(|line| line == "locked: it cannot be read");
        assert_ne!(named, has(fixture, "locked"));
    }

    fn a_broken_administration_loses_nothing(fixture) {
        let made = fixture.worktree("one");
        let admin = fixture.admin("one");
        write(&made.path.join("a.txt"), "changed\n");
        write(&made.path.join("new"), "new\n");
        write(&admin.join("index.lock"), "half");
        write(&admin.join("gadugi-salvage.1.0"), "of an engine that died");
        fs::write(admin.join("index"), b"DIRC\0\0\0\x02garbage").unwrap();
        assert!(matches!(ask(fixture, &made).unwrap(), Salvaging::Kept(Salvaged { files: 2, .. })));
        assert!(admin.join("index.lock").exists() && !admin.join("gadugi-salvage.1.0").exists());
        fs::remove_file(admin.join("index")).unwrap();
        assert_eq!(kept(fixture, &made).files, 2);
        fs::write(admin.join("index"), b"").unwrap();
        write(&made.path.join("new"), "newer\n");
        assert!(matches!(ask(fixture, &made).unwrap(), Salvaging::Kept(Salvaged { files: 2, .. })));
        assert_eq!(fixture.show(&format!("{REF}:new")), "newer");
    }

    fn an_object_that_is_gone_takes_nothing_along(fixture) {
        let made = fixture.worktree("one");
        let blob = fixture.git(["rev-parse", "HEAD:b.txt"]);
        fs::remove_file(fixture.root.join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
        write(&made.path.join("new"), "new\n");
        assert_eq!(kept(fixture, &made).files, 1);
        assert_eq!((fixture.show(&format!("{REF}:new")), fixture.show("HEAD:b.txt")), ("new".into(), "b".into()));
    }

    fn commits_that_are_not_all_there_take_nothing_along(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("first"), "1\n");
        let first = fixture.commit_all_in(&made.path, "first");
        write(&made.path.join("second"), "2\n");
        fixture.commit_all_in(&made.path, "second");
        let tree = fixture.git_in(&made.path, ["rev-parse", "HEAD^{tree}"]);
        fs::remove_file(fixture.root.join(".git/objects").join(&tree[..2]).join(&tree[2..])).unwrap();
        write(&made.path.join("rest"), "3\n");
        assert_eq!(kept(fixture, &made).files, 2, "what that commit held, and what came since");
        assert_eq!(parent(fixture), first);
        assert!(has(fixture, "second") && has(fixture, "rest"));
    }

    fn a_deleted_branch_is_found_by_the_log(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("done"), "done\n");
        let done = fixture.commit_all_in(&made.path, "done");
        write(&made.path.join("new"), "new\n");
        fixture.git(["update-ref", "-d", "refs/heads/feature/one"]);
        assert_eq!(kept(fixture, &made).files, 1);
        assert_eq!(parent(fixture), done);
        // Deleted from inside, which the log of HEAD records.
        let two = fixture.worktree("two");
        write(&two.path.join("done"), "done too\n");
        let done = fixture.commit_all_in(&two.path, "done");
        fixture.git_in(&two.path, ["update-ref", "-d", "refs/heads/feature/two"]);
        let salvaged = fixture.repository().salvage(&attempt("two", 1), &two.path, "feature/two").unwrap();
        let Salvaging::Kept(salvaged) = salvaged else { panic!("{salvaged:?}") };
        assert_eq!((salvaged.files, fixture.tip(&fixture.root, &format!("{}^", salvaged.reference))), (0, done));
    }

    fn a_replaced_pointer_hides_nothing(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("new"), "new\n");
        fs::remove_file(made.path.join(".git")).unwrap();
        assert_eq!(kept(fixture, &made).files, 1);
        fixture.git_in(&made.path, ["init", "-q"]);
        write(&made.path.join("a.txt"), "committed elsewhere\n");
        fixture.commit_all_in(&made.path, "into its own");
        let salvaged = kept(fixture, &made);
        assert_eq!(salvaged.files, 2);
        assert!(salvaged.left_out[0].starts_with(".git: "));
        fs::remove_dir_all(made.path.join(".git")).unwrap();
        write(&made.path.join(".git"), "gitdir: /nowhere\n");
        assert_eq!(kept(fixture, &made).commit, salvaged.commit);
    }

    fn a_folder_that_is_gone_is_said_to_be(fixture) {
        let made = fixture.worktree("one");
        fs::remove_dir_all(&made.path).unwrap();
        assert_eq!(ask(fixture, &made).unwrap(), Salvaging::Gone);
        let two = fixture.worktree("two");
        fixture.git_in(&two.path, ["checkout", "-q", "--detach"]);
        let detached = fixture.commit_all_in(&two.path, "detached");
        fs::remove_dir_all(&two.path).unwrap();
        let salvaged = fixture.repository().salvage(&attempt("one", 1), &two.path, "feature/two").unwrap();
        assert!(matches!(salvaged, Salvaging::Kept(Salvaged { files: 0, .. })));
        assert!(holds(fixture, &detached));
        let nowhere = Path::new("/nowhere/at/all");
        assert_eq!(fixture.repository().salvage(&attempt("x", 1), nowhere, "").unwrap(), Salvaging::Gone);
    }

    fn a_folder_that_git_knows_no_longer_is_kept(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("done"), "done\n");
        let done = fixture.commit_all_in(&made.path, "done");
        write(&made.path.join("new"), "new\n");
        fs::remove_dir_all(fixture.admin("one")).unwrap();
        let before = fixture.everything();
        assert!(matches!(ask(fixture, &made).unwrap(), Salvaging::Kept(Salvaged { files: 1, .. })));
        support::assert_same(&fixture.everything(), &before);
        assert_eq!(parent(fixture), done);
        fixture.git(["update-ref", "-d", "refs/heads/feature/one"]);
        write(&made.path.join("new"), "newer\n");
        assert_eq!(kept(fixture, &made).files, 2, "from where the branch began");
        assert_eq!(parent(fixture), fixture.head());
    }

    fn nobody_elses_work_is_taken(fixture) {
        fixture.git(["worktree", "add", "-q", "-b", "user", "../users"]);
        let users = fixture.root.parent().unwrap().join("users");
        write(&users.join("new"), "mine\n");
        fixture.write("new", "mine\n");
        for path in [&users, &fixture.root, &fixture.root.parent().unwrap().to_owned()] {
            let salvaged = fixture.repository().salvage(&attempt("one", 1), path, "user").unwrap();
            assert_eq!(salvaged, Salvaging::Nothing, "{}", path.display());
        }
        assert!(fixture.repository().salvages().unwrap().is_empty());
    }
}
