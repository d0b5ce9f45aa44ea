//! Finding repositories and reading from them.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;

use gadugi_workspace::{Error, Repository};
use support::{executable, write};

with_each_git! {
    fn finds_the_main_worktree_from_anywhere_inside(fixture) {
        fixture.git(["worktree", "add", "-q", "-b", "user", "../linked"]);
        let linked = fixture.root.parent().unwrap().join("linked");
        for start in [fixture.root.clone(), fixture.root.join("src"), fixture.root.join(".git"), linked.clone(), linked.join("src")] {
            let repository = fixture.repository_at(&start);
            assert_eq!(repository.root(), fixture.root, "{start:?}");
            assert_eq!(repository.common_dir(), fixture.root.join(".git"));
            assert_eq!(repository.state_dir(), fixture.root.join(".gadugi"));
        }
        let repository = fixture.repository_at(&linked);
        assert_eq!(repository.here(), linked);
        assert_eq!(repository.head().unwrap().branch.as_deref(), Some("user"));
        write(&linked.join("new"), "x");
        assert_eq!(repository.uncommitted().unwrap(), 1);
        assert_eq!(fixture.repository().uncommitted().unwrap(), 0);
        assert!(!fixture.root.join(".gadugi").exists(), "looking makes nothing");
    }

    fn a_submodule_is_a_repository_of_its_own(fixture) {
        fixture.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "./", "sub"]);
        let sub = fixture.root.join("sub");
        assert_eq!(fixture.repository_at(&sub).root(), sub);
        fixture.git_in(&sub, ["worktree", "add", "-q", "--detach", "../../linked-sub"]);
        let linked = fixture.root.parent().unwrap().join("linked-sub");
        assert_eq!(fixture.repository_at(&linked).root(), sub);
    }

    fn says_what_is_wrong_with_the_place(fixture) {
        let outside = fixture.home();
        assert!(matches!(Repository::discover_in(&outside, fixture.env()), Err(Error::NotARepository { path }) if path == outside));
        fixture.git(["init", "-q", "--bare", "../bare.git"]);
        let bare = fixture.root.parent().unwrap().join("bare.git");
        assert!(matches!(Repository::discover_in(&bare, fixture.env()), Err(Error::BareRepository { path }) if path == bare));
        assert!(matches!(Repository::discover_in(&outside.join("none"), fixture.env()), Err(Error::Io { .. })));
        let foreign = fixture.with_env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
        assert!(matches!(Repository::discover_in(&fixture.root, foreign), Err(Error::DubiousOwnership { .. })));
    }

    fn a_worktree_of_a_bare_repository_is_refused(fixture) {
        fixture.git(["clone", "-q", "--bare", ".", "../bare.git"]);
        let bare = fixture.root.parent().unwrap().join("bare.git");
        fixture.git_in(&bare, ["worktree", "add", "-q", "../of-bare", "main"]);
        let linked = fixture.root.parent().unwrap().join("of-bare");
        assert!(matches!(Repository::discover_in(&linked, fixture.env()), Err(Error::BareRepository { .. })));
    }

    fn wants_git_of_its_age(fixture) {
        let none = fixture.with_env("PATH", "/nonexistent");
        assert!(matches!(Repository::discover_in(&fixture.root, none), Err(Error::GitMissing)));
        let old = fixture.home().join("old");
        executable(&old.join("git"), "#!/bin/sh\necho git version 2.37.4\n");
        let path = format!("{}:/usr/bin:/bin", old.display());
        let result = Repository::discover_in(&fixture.root, fixture.with_env("PATH", &path));
        assert!(matches!(result, Err(Error::TooOld { found }) if found == "2.37.4"));
    }

    fn an_inherited_git_environment_does_not_lead_astray(fixture) {
        let mut env = fixture.env();
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"] {
            env.push((name.into(), "/nonexistent".into()));
        }
        env.push(("GIT_TRACE".into(), "1".into()));
        env.push(("LC_ALL".into(), "de_DE.UTF-8".into()));
        let repository = Repository::discover_in(&fixture.root, env).unwrap();
        assert_eq!(repository.head().unwrap().commit, fixture.head());
        assert_eq!(repository.uncommitted().unwrap(), 0);
    }

    fn names_that_could_be_taken_for_something_else(fixture) {
        let linked = fixture.root.parent().unwrap().join("linked");
        fixture.git(["worktree", "add", "-q", "-b", "(detached)", linked.to_str().unwrap()]);
        let repository = fixture.repository_at(&linked);
        assert_eq!(repository.head().unwrap().branch.as_deref(), Some("(detached)"));
        assert_eq!(repository.worktrees().unwrap()[1].branch.as_deref(), Some("(detached)"));
        fixture.git_in(&linked, ["checkout", "-q", "--detach"]);
        assert_eq!(repository.worktrees().unwrap()[1].branch, None);
        fixture.git_in(&linked, ["checkout", "-q", "--orphan", "fresh"]);
        write(&linked.join("HEAD^{commit}"), "no revision");
        assert!(matches!(repository.head(), Err(Error::NoCommits)));
        fixture.git(["update-ref", "refs/heads/HEAD", "HEAD"]);
        let head = fixture.repository().head().unwrap();
        assert_eq!((head.branch.as_deref(), head.commit), (Some("main"), fixture.repository().worktrees().unwrap()[0].commit.clone().unwrap()));
        fixture.git(["update-ref", "-d", "refs/heads/HEAD"]);
        fixture.git(["symbolic-ref", "HEAD", "refs/heads/HEAD"]);
        fixture.git(["update-ref", "refs/heads/HEAD", "main"]);
        assert_eq!(fixture.repository().head().unwrap().branch.as_deref(), Some("HEAD"));
    }

    fn folders_of_strange_names_are_found(fixture) {
        for name in ["new\nline", "\n", "carriage\r", "true", " spaces ", "bad \u{fffd}"] {
            let top = fixture.home().join(name);
            fixture.git(["init", "-q", "-b", "main", top.to_str().unwrap()]);
            assert_eq!(fixture.repository_at(&top).root(), top, "{name:?}");
            assert_eq!(fixture.repository_at(&top.join(".git")).root(), top, "{name:?}");
        }
        let bytes = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"bad\xff");
        let top = fixture.home().join(bytes);
        fixture.git([std::ffi::OsStr::new("init"), "-q".as_ref(), top.as_os_str()]);
        assert_eq!(fixture.repository_at(&top).root(), top);
    }

    fn a_separate_git_directory_is_found_from_its_worktree(fixture) {
        let (top, git_dir) = (fixture.home().join("top"), fixture.home().join("elsewhere"));
        fixture.git(["init", "-q", "-b", "main", "--separate-git-dir", git_dir.to_str().unwrap(), top.to_str().unwrap()]);
        write(&top.join("a"), "a");
        fixture.commit_all_in(&top, "begin");
        let repository = fixture.repository_at(&top);
        assert_eq!((repository.root(), repository.common_dir()), (top.as_path(), git_dir.as_path()));
        let linked = fixture.home().join("linked");
        fixture.git_in(&top, ["worktree", "add", "-q", "--detach", linked.to_str().unwrap()]);
        assert!(matches!(Repository::discover_in(&linked, fixture.env()), Err(Error::MainWorktreeUnknown { .. })));
        assert!(matches!(Repository::discover_in(&git_dir, fixture.env()), Err(Error::MainWorktreeUnknown { .. })));
    }

    fn heads_and_revisions(fixture) {
        let repository = fixture.repository();
        let head = fixture.head();
        fixture.git(["tag", "-a", "v1", "-m", "one"]);
        for rev in ["HEAD", "main", "v1", "v1^{}", &head.as_str()[..10]] {
            assert_eq!(repository.resolve(rev).unwrap(), head, "{rev}");
        }
        for rev in ["", "nope", "--all", "-h", "HEAD~99", "HEAD:a.txt", "a\nb", "a\0b", "..", "main..v1", "é"] {
            assert!(matches!(repository.resolve(rev), Err(Error::BadRevision { rev: bad }) if bad == rev), "{rev:?}");
        }
        fixture.git(["checkout", "-q", "--detach"]);
        assert_eq!(repository.head().unwrap().branch, None);
        assert_eq!(repository.head().unwrap().commit, head);
    }

    fn no_commits_yet(fixture) {
        fixture.git(["checkout", "-q", "--orphan", "fresh"]);
        let repository = fixture.repository();
        assert!(matches!(repository.head(), Err(Error::NoCommits)));
        assert!(matches!(repository.resolve("HEAD"), Err(Error::NoCommits)));
        assert_eq!(repository.uncommitted().unwrap(), 4);
    }

    fn counts_what_is_uncommitted(fixture) {
        fixture.git(["config", "status.showUntrackedFiles", "no"]);
        let repository = fixture.repository();
        fixture.write("a.txt", "changed\n");
        fixture.write("new/one", "");
        fixture.write("new/two", "");
        fixture.write("x.log", "ignored");
        fixture.git(["rm", "-q", "--cached", "b.txt"]);
        assert_eq!(repository.uncommitted().unwrap(), 5, "a.txt, new/one, new/two, b.txt gone from the index and there");
    }

    fn lists_and_reads_files_of_strange_names(fixture) {
        let names = ["-dash", "with space", "quo\"te", "new\nline", "tab\t", "ünïcode", "back\\slash", "*", ":(top)x"];
        for name in names {
            fixture.write(name, name);
        }
        fs::write(fixture.root.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"bad\xff")), "x").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", fixture.root.join("link")).unwrap();
        let commit = fixture.commit_all("names");
        let repository = fixture.repository();
        let files = repository.tree_files(&commit).unwrap();
        assert_eq!(files.len(), 4 + names.len() + 1, "without the one that is not UTF-8");
        for name in names {
            assert!(files.iter().any(|file| file == name), "{name:?}");
            assert!(repository.has_path(&commit, name).unwrap(), "{name:?}");
            assert_eq!(repository.read_blob(&commit, name).unwrap().unwrap(), name.as_bytes());
        }
        assert!(repository.has_path(&commit, "src").unwrap());
        assert!(repository.has_path(&commit, "src/").unwrap());
        assert!(!repository.has_path(&commit, "src/none").unwrap());
        assert!(!repository.has_path(&commit, "").unwrap());
        assert_eq!(repository.read_blob(&commit, "src").unwrap(), None, "a folder");
        assert_eq!(repository.read_blob(&commit, "link").unwrap(), None, "a symlink");
        assert_eq!(repository.read_blob(&commit, "../a.txt").ok().flatten(), None);
    }
}
