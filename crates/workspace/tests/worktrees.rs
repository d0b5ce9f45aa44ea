//! Making, listing and removing worktrees.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use gadugi_core::MergeStrategy;
use gadugi_workspace::{BranchRemoval, Error, KeptReason, Removal, Repository, WorktreeRequest};
use support::{assert_same, executable, read, write};

fn kept(removal: Removal) -> KeptReason {
    match removal {
        Removal::Kept { reason } => reason,
        Removal::Removed => panic!("removed"),
    }
}

with_each_git! {
    fn makes_a_locked_worktree_on_a_branch_of_its_own(fixture) {
        let made = fixture.worktree("one");
        assert_eq!(made.path, fixture.root.join(".worktrees/one"));
        assert_eq!(made.branch.as_deref(), Some("feature/one"));
        assert_eq!(made.commit, fixture.head());
        assert_eq!(read(&made.path.join("src/lib.rs")), "// lib\n");
        assert_eq!(fixture.git_in(&made.path, ["status", "--porcelain"]), "");
        assert_eq!(fixture.git(["status", "--porcelain"]), "");
        let listed = fixture.git(["worktree", "list", "--porcelain"]);
        assert!(listed.contains("locked gadugi"), "{listed}");
        assert!(!fixture.git(["config", "--local", "--list", "--name-only"]).contains("branch."), "no tracking");
        fixture.git(["worktree", "prune"]);
    }

    fn what_a_killed_git_left_half_made_hinders_nobody(fixture) {
        fixture.worktree("one");
        let half = fixture.root.join(".git/worktrees/half");
        let folder = fixture.root.join(".worktrees/half");
        write(&half.join("locked"), "gadugi: its task needs it");
        write(&half.join("gitdir"), &format!("{}\n", folder.join(".git").display()));
        write(&half.join("commondir"), "");
        write(&folder.join(".git"), &format!("gitdir: {}\n", half.display()));
        let users = fixture.root.join(".git/worktrees/users");
        write(&users.join("locked"), "initializing");
        fixture.worktree("two");
        assert!(!half.exists() && !folder.exists(), "what was half-made is gone");
        assert!(users.exists(), "what is not gadugi's stays");
        let removed = fixture.root.join(".git/worktrees/removed");
        write(&removed.join("gadugi.lock"), "");
        let lie = fixture.repository().clear_remains().unwrap();
        assert!(!removed.exists() && users.exists());
        assert!(["one", "two"].iter().all(|name| lie.contains(&fixture.root.join(".worktrees").join(name))));
        fs::remove_dir_all(users).unwrap();
        assert_eq!(fixture.git(["worktree", "list"]).lines().count(), 3);
    }

    fn asking_again_gives_what_is_there(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("a.txt"), "agent was here\n");
        let commit = fixture.commit_all_in(&made.path, "work");
        write(&made.path.join("b.txt"), "more\n");
        let again = fixture.worktree("one");
        assert_eq!(again.commit, commit);
        assert_eq!(read(&made.path.join("b.txt")), "more\n");
    }

    fn refuses_what_is_not_its_own(fixture) {
        let repository = fixture.repository();
        fixture.git(["branch", "feature/taken"]);
        assert!(matches!(repository.add_worktree(&fixture.request("taken")), Err(Error::BranchInUse { .. })));
        assert!(!fixture.root.join(".worktrees/taken").exists());
        fixture.git(["branch", "feature/deep/er"]);
        assert!(matches!(repository.add_worktree(&fixture.request("deep")), Err(Error::BranchInUse { .. })));
        let path = fixture.root.join(".worktrees/full");
        write(&path.join("mine"), "precious");
        assert!(matches!(repository.add_worktree(&fixture.request("full")), Err(Error::PathInUse { path: p }) if p == path));
        assert_eq!(read(&path.join("mine")), "precious");
        fixture.git(["worktree", "add", "-q", "-b", "user", ".worktrees/users"]);
        let users = WorktreeRequest { branch: "feature/users".into(), ..fixture.request("users") };
        assert!(matches!(repository.add_worktree(&users), Err(Error::PathInUse { .. })));
        fixture.worktree("one");
        let other = WorktreeRequest { branch: "feature/one".into(), ..fixture.request("two") };
        assert!(matches!(repository.add_worktree(&other), Err(Error::BranchInUse { .. })));
        for branch in ["-x", "a b", "a..b", "", "HEAD", "x.lock", "a\nb", "@{-1}", "a\0b", "x~1"] {
            let bad = WorktreeRequest { branch: branch.into(), ..fixture.request("bad") };
            assert!(matches!(repository.add_worktree(&bad), Err(Error::BadBranch { .. })), "{branch:?}");
        }
    }

    fn strange_paths_and_branch_names_work(fixture) {
        let repository = fixture.repository();
        let names = ["-dash", "with space", "quo\"te'", "new\nline", "ünïcode", "$(touch x)", "back\\slash", "trailing "];
        for (n, name) in names.iter().enumerate() {
            let branch = if n % 2 == 0 { format!("feature/ü\"'{n}") } else { format!("x;$y|{n}") };
            let request = WorktreeRequest { path: fixture.root.join(".worktrees").join(name), branch, ..fixture.request("x") };
            let made = repository.add_worktree(&request).unwrap();
            assert_eq!(fixture.git_in(&made.path, ["status", "--porcelain"]), "", "{name:?}");
            write(&made.path.join("new"), "x");
            let collected = repository.collect(&made.path, &request.branch, &request.base, "work").unwrap();
            assert_eq!(collected.work.changed, ["new"]);
            assert_eq!(repository.add_worktree(&request).unwrap().path, made.path);
            assert_eq!(repository.remove_worktree(&made.path, &request.branch, &collected.work.commit).unwrap(), Removal::Removed);
        }
        assert!(repository.trees_left().is_empty());
    }

    fn a_crash_while_it_was_made_leaves_nothing_that_stands_in_the_way(fixture) {
        let repository = fixture.repository();
        let request = fixture.request("one");
        // The branch and nothing else.
        repository.add_worktree(&request).unwrap();
        fs::remove_dir_all(&request.path).unwrap();
        fs::remove_dir_all(fixture.admin("one")).unwrap();
        repository.add_worktree(&request).unwrap();
        // Registered, half checked out, a dead process's lock on the index.
        fs::remove_file(fixture.admin("one").join("gadugi")).unwrap();
        fs::remove_file(fixture.admin("one").join("index")).unwrap();
        write(&fixture.admin("one").join("index.lock"), "");
        fs::remove_file(request.path.join("a.txt")).unwrap();
        assert!(repository.worktrees().unwrap()[1].unfinished);
        repository.add_worktree(&request).unwrap();
        assert_eq!(fixture.git_in(&request.path, ["status", "--porcelain"]), "");
        // Registered by a git that was killed early: no HEAD, only the pointer in the folder.
        fs::write(fixture.admin("one").join("gadugi"), "preparing\nfeature/one\n").unwrap();
        fs::remove_file(fixture.admin("one").join("HEAD")).unwrap();
        for entry in fs::read_dir(&request.path).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != ".git") {
            if entry.path().is_dir() { fs::remove_dir_all(entry.path()).unwrap() } else { fs::remove_file(entry.path()).unwrap() }
        }
        repository.add_worktree(&request).unwrap();
        assert_eq!(fixture.git_in(&request.path, ["status", "--porcelain"]), "");
        // An empty folder.
        fs::create_dir_all(fixture.root.join(".worktrees/two")).unwrap();
        fixture.worktree("two");
        assert!(!repository.worktrees().unwrap().iter().any(|tree| tree.unfinished || tree.missing));
    }

    fn a_branch_that_was_deleted_by_hand_is_made_again_with_its_commits(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("new"), "x");
        let commit = fixture.commit_all_in(&made.path, "work");
        write(&made.path.join("rest"), "y");
        fixture.git(["update-ref", "-d", "refs/heads/feature/one"]);
        let again = fixture.worktree("one");
        assert_eq!((again.commit, again.branch.as_deref()), (commit, Some("feature/one")));
        assert_eq!(fixture.git_in(&made.path, ["status", "--porcelain"]), "?? rest");
    }

    fn a_worktree_that_was_deleted_by_hand_is_made_again_with_its_commits(fixture) {
        let repository = fixture.repository();
        let made = fixture.worktree("one");
        write(&made.path.join("new"), "x");
        let commit = fixture.commit_all_in(&made.path, "work");
        let base = fixture.head();
        fs::remove_dir_all(&made.path).unwrap();
        assert!(repository.worktrees().unwrap()[1].missing);
        let again = repository.add_worktree(&WorktreeRequest { base, ..fixture.request("one") }).unwrap();
        assert_eq!(again.commit, commit);
        assert_eq!(read(&again.path.join("new")), "x");
    }

    fn commits_on_a_detached_head_are_not_forgotten_with_their_folder(fixture) {
        let repository = fixture.repository();
        let made = fixture.worktree("one");
        fixture.git_in(&made.path, ["checkout", "-q", "--detach"]);
        write(&made.path.join("new"), "x");
        let detached = fixture.commit_all_in(&made.path, "work");
        fs::remove_dir_all(&made.path).unwrap();
        assert_eq!(kept(repository.remove_worktree(&made.path, "feature/one", &fixture.head()).unwrap()), KeptReason::Unmerged);
        // Made anew, or forgotten: what only it knew of is salvaged before.
        let holds = |commit: &gadugi_core::CommitId| {
            let salvages = repository.salvages().unwrap();
            salvages.iter().any(|salvage| fixture.output_in(&fixture.root, ["merge-base", "--is-ancestor", commit.as_str(), salvage.commit.as_str()]).status.success())
        };
        assert!(!holds(&detached));
        assert_eq!(repository.add_worktree(&fixture.request("one")).unwrap().commit, fixture.head());
        assert!(holds(&detached));
        fixture.git_in(&made.path, ["checkout", "-q", "--detach"]);
        write(&made.path.join("a.txt"), "staged\n");
        fixture.git_in(&made.path, ["add", "a.txt"]);
        fs::remove_dir_all(&made.path).unwrap();
        let whose = |_: &std::path::Path| Some(support::attempt("two", 2));
        let repaired = repository.repair(&fixture.root.join(".worktrees"), whose).unwrap();
        let [salvaged] = &repaired.salvaged[..] else { panic!("{repaired:?}") };
        assert_eq!((repaired.dropped.len(), salvaged.files), (1, 1));
        assert_eq!(fixture.show(&format!("{}^2:a.txt", salvaged.reference)), "staged");
        assert!(!fixture.admin("one").exists());
    }

    fn what_git_was_told_not_to_look_at_is_not_removed(fixture) {
        let made = fixture.worktree("one");
        fixture.git_in(&made.path, ["update-index", "--assume-unchanged", "a.txt"]);
        fixture.git_in(&made.path, ["update-index", "--skip-worktree", "b.txt"]);
        let remove = || fixture.repository().remove_worktree(&made.path, "feature/one", &fixture.head()).unwrap();
        write(&made.path.join("b.txt"), "mine\n");
        assert_eq!(kept(remove()), KeptReason::Uncommitted(1));
        write(&made.path.join("a.txt"), "mine\n");
        assert_eq!(kept(remove()), KeptReason::Uncommitted(2));
        write(&made.path.join("a.txt"), "one\ntwo\nthree\n");
        write(&made.path.join("b.txt"), "b\n");
        assert_eq!(remove(), Removal::Removed);
    }

    fn an_administration_that_lost_its_link_is_not_taken_for_half_made(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("a.txt"), "staged\n");
        fixture.git_in(&made.path, ["add", "a.txt"]);
        let link = fixture.admin("one").join("gitdir");
        let text = read(&link);
        fs::remove_file(&link).unwrap();
        fixture.repository().clear_remains().unwrap();
        fixture.worktree("two");
        assert!(fixture.admin("one").join("index").exists());
        fs::write(link, text).unwrap();
        assert_eq!(fixture.git_in(&made.path, ["status", "--porcelain"]), "M  a.txt");
    }

    fn branches_go_only_where_another_holds_them(fixture) {
        let repository = fixture.repository();
        let base = fixture.head();
        for name in ["one", "two", "three", "four"] {
            fixture.worktree(name);
        }
        repository.open_integration("gadugi/run", &base).unwrap();
        let tree = |name: &str| fixture.root.join(".worktrees").join(name);
        let remove = |name: &str| {
            write(&tree(name).join("new"), "work\n");
            let commit = fixture.commit_all_in(&tree(name), name);
            fixture.git(["worktree", "remove", "-f", "-f", tree(name).to_str().unwrap()]);
            commit
        };
        remove("one");
        let two = remove("two");
        fixture.git(["branch", "user", two.as_str()]);
        let kept = |branch: &str| match repository.delete_branch_if_held(branch).unwrap() {
            BranchRemoval::Kept { reason } => reason,
            BranchRemoval::Deleted => String::new(),
        };
        assert_eq!(kept("feature/one"), "it holds commits that no other branch holds");
        assert_eq!(kept("feature/two"), "");
        assert_eq!(kept("feature/three"), "it is checked out");
        assert_eq!(kept("user"), "gadugi did not make it");
        assert_eq!(kept("main"), "gadugi did not make it");
        assert_eq!(kept("gadugi/run"), "");
        fixture.git(["update-ref", "-d", "refs/heads/feature/four"]);
        let listed: Vec<_> = repository.own_branches().unwrap().into_iter().map(|own| (own.branch, own.tip.is_some(), own.checked_out)).collect();
        assert_eq!(listed, [("feature/four".to_owned(), false, false), ("feature/one".to_owned(), true, false), ("feature/three".to_owned(), true, true)]);
        // Two that hold the same: the last one stays.
        fixture.git(["branch", "-D", "-q", "user"]);
        fixture.git(["update-ref", "refs/heads/feature/four", "feature/one"]);
        fixture.git(["worktree", "remove", "-f", "-f", tree("four").to_str().unwrap()]);
        assert_eq!((kept("feature/one").as_str(), kept("feature/four").is_empty()), ("", false));
    }

    fn folders_that_git_does_not_know_are_found(fixture) {
        let run = fixture.root.join(".worktrees/orchestration-1");
        let request = WorktreeRequest { path: run.join("known"), ..fixture.request("known") };
        fixture.repository().add_worktree(&request).unwrap();
        write(&run.join("unknown/f"), "x");
        write(&fixture.root.join(".worktrees/mine/f"), "x");
        let found = fixture.repository().unknown_folders(&fixture.root.join(".worktrees"), |name| name.starts_with("orchestration-")).unwrap();
        assert_eq!(found, [run.join("unknown")]);
        assert!(fixture.repository().unknown_folders(&fixture.root.join("a.txt"), |_| true).unwrap().is_empty());
    }

    fn locks_go_only_where_they_are_nobodys(fixture) {
        fixture.worktree("one");
        let git = fixture.root.join(".git");
        let all = [git.join("index.lock"), git.join("packed-refs.lock"), git.join("refs/heads/main.lock"), fixture.admin("one").join("index.lock")];
        for lock in &all {
            write(lock, "");
        }
        let repository = fixture.repository();
        let listed: Vec<_> = repository.locks().into_iter().map(|lock| (lock.path, lock.stale)).collect();
        let mut wanted: Vec<_> = all.iter().map(|path| (path.clone(), false)).collect();
        wanted.sort();
        assert_eq!(listed, wanted, "they are young");
        assert!(!repository.remove_stale_lock(&all[0]).unwrap());
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000);
        let old = |lock: &std::path::Path| fs::File::options().write(true).open(lock).unwrap().set_modified(long_ago).unwrap();
        all.iter().for_each(|lock| old(lock));
        let open = fs::File::open(&all[1]).unwrap();
        assert!(repository.locks().iter().all(|lock| !lock.stale), "somebody has one open");
        drop(open);
        // A process that another test is about to start holds it, too, until it is another program.
        let begun = std::time::Instant::now();
        while !repository.locks().iter().all(|lock| lock.stale) {
            assert!(begun.elapsed().as_secs() < 60, "nobody has one open any more");
        }
        assert!(!repository.remove_stale_lock(&git.join("HEAD")).unwrap() && git.join("HEAD").exists());
        for lock in &all {
            assert!(repository.remove_stale_lock(lock).unwrap() && !lock.exists());
        }
        fixture.commit_all("git works again");
    }

    fn a_branch_that_holds_nothing_begins_anew_at_another_base(fixture) {
        let repository = fixture.repository();
        let made = fixture.worktree("one");
        repository.remove_worktree(&made.path, "feature/one", &fixture.head()).unwrap();
        fixture.git(["checkout", "-q", "--orphan", "other"]);
        let other = fixture.commit_all("elsewhere");
        let request = WorktreeRequest { base: other.clone(), ..fixture.request("one") };
        assert_eq!(repository.add_worktree(&request).unwrap().commit, other);
    }

    fn worktrees_need_a_folder_of_their_own(fixture) {
        let repository = fixture.repository();
        for folder in ["src/one", "one"] {
            let request = WorktreeRequest { path: fixture.root.join(folder), ..fixture.request("one") };
            assert!(matches!(repository.add_worktree(&request), Err(Error::WorktreeDirTracked { .. })), "{folder}");
        }
        let outside = fixture.root.parent().unwrap().join("trees");
        let request = WorktreeRequest { path: outside.join("one"), ..fixture.request("one") };
        repository.add_worktree(&request).unwrap();
        assert!(!outside.join(".gitignore").exists(), "outside the repository nothing needs to be ignored");
        let nested = WorktreeRequest { path: fixture.root.join("trees/run 1/one"), branch: "feature/two".into(), ..request };
        repository.add_worktree(&nested).unwrap();
        assert_eq!(fixture.git(["status", "--porcelain"]), "");
    }

    fn copies_the_ignored_files_that_are_named(fixture) {
        fixture.write(".worktreeinclude", "# local settings\n.env\nconfig/*.log\n!config/no.log\ntarget/\n*.txt\nnotes\nlink.log\nthrough/\n");
        fixture.write(".gitignore", "*.log\n.env\ntarget/\nthrough/\n");
        fixture.commit_all("include");
        for (name, text) in [(".env", "SECRET=1"), ("sub/.env", "2"), ("config/yes.log", "y"), ("config/no.log", "n"),
            ("other.log", "o"), ("target/keep", "k"), ("notes", "not ignored"), ("extra.log", "by setting")] {
            fixture.write(name, text);
        }
        executable(&fixture.root.join("target/run"), "#!/bin/sh\n");
        symlink("/etc/passwd", fixture.root.join("link.log")).unwrap();
        symlink("/etc", fixture.root.join("through")).unwrap();
        let request = WorktreeRequest { include: vec!["/extra.log".into()], ..fixture.request("one") };
        let made = fixture.repository().add_worktree(&request).unwrap();
        for (name, text) in [(".env", "SECRET=1"), ("sub/.env", "2"), ("config/yes.log", "y"), ("target/keep", "k"), ("extra.log", "by setting")] {
            assert_eq!(read(&made.path.join(name)), text, "{name}");
        }
        for name in ["config/no.log", "other.log", "notes", "link.log", "through"] {
            assert!(fs::symlink_metadata(made.path.join(name)).is_err(), "{name}");
        }
        assert_eq!(fs::metadata(made.path.join("target/run")).unwrap().permissions().mode() & 0o111, 0o111);
        assert_eq!(made.not_included, ["notes"]);
        assert_eq!(fixture.git_in(&made.path, ["status", "--porcelain"]), "");
        fs::remove_file(made.path.join(".env")).unwrap();
        fixture.repository().add_worktree(&request).unwrap();
        assert!(!made.path.join(".env").exists(), "only once");
    }

    fn a_pattern_for_everything_takes_nothing_of_gits_or_gadugis(fixture) {
        fixture.worktree("first");
        fixture.write(".gadugi/gadugi.db", "state");
        fixture.write("x.log", "x");
        let request = WorktreeRequest { include: vec!["*".into()], ..fixture.request("one") };
        let made = fixture.repository().add_worktree(&request).unwrap();
        assert_eq!(read(&made.path.join("x.log")), "x");
        assert!(!made.path.join(".gadugi").exists());
        assert!(!made.path.join(".worktrees").exists());
        assert!(made.path.join(".git").is_file());
    }

    fn a_tracked_symlink_does_not_lead_a_copy_out_of_the_worktree(fixture) {
        let outside = fixture.home().join("outside");
        fs::create_dir_all(&outside).unwrap();
        symlink(&outside, fixture.root.join("conf")).unwrap();
        fixture.commit_all("a link");
        fs::remove_file(fixture.root.join("conf")).unwrap();
        fixture.write("conf/x.log", "x");
        let request = WorktreeRequest { include: vec!["*.log".into()], ..fixture.request("one") };
        fixture.repository().add_worktree(&request).unwrap();
        assert!(!outside.join("x.log").exists());
    }

    fn submodules_come_from_what_the_main_worktree_has(fixture) {
        let library = fixture.home().join("library");
        fixture.git(["init", "-q", "-b", "main", library.to_str().unwrap()]);
        write(&library.join("lib.c"), "int x;\n");
        fixture.commit_all_in(&library, "library");
        for name in ["libs/one", "libs/two"] {
            fixture.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.to_str().unwrap(), name]);
        }
        fixture.commit_all("submodules");
        fixture.git(["submodule", "--quiet", "deinit", "-f", "libs/two"]);
        fs::rename(&library, fixture.home().join("away")).unwrap();
        let before = fixture.everything();
        let repository = fixture.repository();
        let made = fixture.worktree("one");
        assert_eq!(read(&made.path.join("libs/one/lib.c")), "int x;\n");
        assert!(!made.path.join("libs/two/lib.c").exists(), "as in the main worktree");
        assert_same(&fixture.everything(), &before);
        assert_eq!(fixture.git_in(&made.path, ["status", "--porcelain"]), "");
        // New commits inside exist nowhere else.
        write(&made.path.join("libs/one/lib.c"), "int y;\n");
        assert_eq!(kept(repository.remove_worktree(&made.path, "feature/one", &fixture.head()).unwrap()), KeptReason::Uncommitted(1));
        fixture.commit_all_in(&made.path.join("libs/one"), "inside");
        let collected = repository.collect(&made.path, "feature/one", &fixture.head(), "work");
        assert!(matches!(collected, Err(Error::NestedRepositories { nested, .. }) if nested == ["libs/one"]));
        fixture.git_in(&made.path.join("libs/one"), ["reset", "-q", "--hard", "HEAD~1"]);
        assert_eq!(repository.remove_worktree(&made.path, "feature/one", &fixture.head()).unwrap(), Removal::Removed);
        // A commit that the main worktree's copy does not have.
        fs::remove_dir_all(fixture.root.join(".git/modules/libs/one/objects")).unwrap();
        fs::create_dir_all(fixture.root.join(".git/modules/libs/one/objects")).unwrap();
        assert!(matches!(repository.add_worktree(&fixture.request("two")), Err(Error::Submodule { submodule, .. }) if submodule == "libs/one"));
    }

    fn lfs_without_git_lfs_is_refused_by_name(fixture) {
        // A PATH with git and what it calls, but no git-lfs.
        let bin = fixture.home().join("bin");
        fs::create_dir_all(&bin).unwrap();
        let path = fixture.env().into_iter().find(|(name, _)| name == "PATH").unwrap().1;
        let git = path.to_str().unwrap().split(':').map(|folder| std::path::Path::new(folder).join("git")).find(|git| git.exists()).unwrap();
        symlink(git, bin.join("git")).unwrap();
        fixture.write("assets/.gitattributes", "# *.x filter=lfs\n*.bin filter=lfs diff=lfs merge=lfs -text\n");
        fixture.write("assets/a.bin", "pointer");
        fixture.commit_all("lfs");
        let env = fixture.with_env("PATH", bin.to_str().unwrap());
        let repository = Repository::discover_in(&fixture.root, env.clone()).unwrap();
        assert!(matches!(repository.add_worktree(&fixture.request("one")), Err(Error::LfsMissing)));
        assert!(!fixture.root.join(".worktrees/one").exists());
        executable(&bin.join("git-lfs"), "#!/bin/sh\nexit 0\n");
        repository.add_worktree(&fixture.request("one")).unwrap();
        fs::remove_file(bin.join("git-lfs")).unwrap();
        fixture.write("assets/.gitattributes", "# *.x filter=lfs\n");
        fixture.commit_all("no lfs");
        Repository::discover_in(&fixture.root, env).unwrap().add_worktree(&fixture.request("two")).unwrap();
    }

    fn removes_only_what_holds_nothing(fixture) {
        let repository = fixture.repository();
        let base = fixture.head();
        let made = fixture.worktree("one");
        let remove = |into| repository.remove_worktree(&made.path, "feature/one", into).unwrap();
        write(&made.path.join("new"), "x");
        assert_eq!(kept(remove(&base)), KeptReason::Uncommitted(1));
        fixture.git(["config", "status.showUntrackedFiles", "no"]);
        assert_eq!(kept(remove(&base)), KeptReason::Uncommitted(1), "whatever the user's git shows");
        let commit = fixture.commit_all_in(&made.path, "work");
        assert_eq!(kept(remove(&base)), KeptReason::Unmerged);
        fixture.git_in(&made.path, ["checkout", "-q", "--detach"]);
        write(&made.path.join("more"), "x");
        let detached = fixture.commit_all_in(&made.path, "more");
        assert_eq!(kept(remove(&commit)), KeptReason::Unmerged);
        fixture.git_in(&made.path, ["checkout", "-q", "feature/one"]);
        write(&fixture.admin("one").join("MERGE_HEAD"), detached.as_str());
        assert_eq!(kept(remove(&commit)), KeptReason::MidOperation("merge"));
        fs::remove_file(fixture.admin("one").join("MERGE_HEAD")).unwrap();
        assert_eq!(kept(repository.remove_worktree(&made.path, "feature/other", &commit).unwrap()), KeptReason::NotOurs);
        write(&made.path.join("x.log"), "ignored files do not count");
        assert_eq!(remove(&commit), Removal::Removed);
        assert!(!made.path.exists() && !fixture.admin("one").exists());
        assert_eq!(remove(&commit), Removal::Removed, "and again");
        assert_eq!(fixture.tip(&fixture.root, "feature/one"), commit, "the branch stays");
    }

    fn somebody_elses_worktree_is_kept(fixture) {
        fixture.git(["worktree", "add", "-q", "-b", "user", "../users"]);
        let users = fixture.root.parent().unwrap().join("users");
        let repository = fixture.repository();
        assert_eq!(kept(repository.remove_worktree(&users, "user", &fixture.head()).unwrap()), KeptReason::NotOurs);
        let folder = fixture.home().join("folder");
        write(&folder.join("x"), "x");
        assert_eq!(kept(repository.remove_worktree(&folder, "user", &fixture.head()).unwrap()), KeptReason::NotOurs);
        assert!(users.join("a.txt").exists() && folder.join("x").exists());
        let made = fixture.worktree("one");
        fs::remove_file(made.path.join(".git")).unwrap();
        fixture.git_in(&made.path, ["init", "-q"]);
        assert_eq!(kept(repository.remove_worktree(&made.path, "feature/one", &fixture.head()).unwrap()), KeptReason::PointerChanged);
        assert!(matches!(repository.collect(&made.path, "feature/one", &fixture.head(), "m"), Err(Error::PointerChanged { .. })));
    }

    fn a_removal_that_was_broken_off_goes_on(fixture) {
        let repository = fixture.repository();
        let made = fixture.worktree("one");
        fs::write(fixture.admin("one").join("gadugi"), "removing\nfeature/one\n").unwrap();
        fs::remove_dir_all(made.path.join("src")).unwrap();
        fs::remove_file(made.path.join(".git")).unwrap();
        assert_eq!(repository.remove_worktree(&made.path, "feature/one", &fixture.head()).unwrap(), Removal::Removed);
        let made = fixture.worktree("one");
        fs::write(fixture.admin("one").join("gadugi"), "removing\nfeature/one\n").unwrap();
        fs::remove_dir_all(made.path.join("src")).unwrap();
        write(&made.path.join("mine"), "x");
        assert_eq!(kept(repository.remove_worktree(&made.path, "feature/one", &fixture.head()).unwrap()), KeptReason::Uncommitted(1));
    }

    fn squashed_work_counts_as_merged(fixture) {
        let repository = fixture.repository();
        let base = fixture.head();
        let made = fixture.worktree("one");
        write(&made.path.join("a.txt"), "ONE\ntwo\nthree\n");
        let work = fixture.commit_all_in(&made.path, "work");
        let gadugi_core::Composition::Clean(squash) = repository.compose(&base, &work, "one", MergeStrategy::Squash, None) else { panic!() };
        fixture.git(["checkout", "-q", "--detach", squash.as_str()]);
        fixture.write("a.txt", "ONE\nTWO\n");
        let later = fixture.commit_all("the same lines again");
        assert_eq!(repository.delete_branch_if_merged("feature/one", &later).unwrap(), BranchRemoval::Kept { reason: "it is checked out".into() });
        assert_eq!(repository.remove_worktree(&made.path, "feature/one", &later).unwrap(), Removal::Removed);
        assert!(matches!(repository.delete_branch_if_merged("feature/one", &base).unwrap(), BranchRemoval::Kept { .. }));
        assert_eq!(repository.delete_branch_if_merged("feature/one", &later).unwrap(), BranchRemoval::Deleted);
        assert_eq!(repository.delete_branch_if_merged("feature/one", &later).unwrap(), BranchRemoval::Deleted);
        assert_eq!(fixture.git(["for-each-ref", "refs/heads/feature", "refs/gadugi"]), "");
    }

    fn lists_and_mends(fixture) {
        let repository = fixture.repository();
        let one = fixture.worktree("one");
        let two = fixture.worktree("two");
        fixture.git(["worktree", "add", "-q", "-b", "user", "../users"]);
        write(&one.path.join("new"), "x");
        let listed = repository.worktrees().unwrap();
        assert_eq!(listed.len(), 4);
        assert!(listed[0].main && listed[0].path == fixture.root && listed[0].branch.as_deref() == Some("main"));
        let find = |path: &std::path::Path| listed.iter().find(|tree| tree.path == path).unwrap();
        assert!(find(&one.path).ours && find(&one.path).locked && find(&one.path).uncommitted == Some(1));
        assert!(!find(&fixture.root.parent().unwrap().join("users")).ours);
        // The repository moves, its worktrees with it.
        let moved = fixture.root.parent().unwrap().join("moved");
        fs::rename(&fixture.root, &moved).unwrap();
        let repository = fixture.repository_at(&moved);
        assert!(repository.worktrees().unwrap().iter().any(|tree| tree.missing));
        let repaired = repository.repair(&moved.join(".worktrees"), |_| None).unwrap();
        assert!(repaired.mended.len() >= 2, "{repaired:?}");
        assert_eq!(fixture.git_in(&moved.join(".worktrees/one"), ["status", "--porcelain"]), "?? new");
        fs::remove_dir_all(moved.join(".worktrees/two")).unwrap();
        assert!(repository.repair(&moved.join(".worktrees"), |_| None).unwrap().dropped.is_empty(), "somebody works with it");
        let whose = |path: &std::path::Path| Some(gadugi_workspace::attempt_at(path));
        assert_eq!(repository.repair(&moved.join(".worktrees"), whose).unwrap().dropped, [moved.join(".worktrees/two")]);
        assert!(two.path != moved.join(".worktrees/two"));
    }

    fn a_symlink_in_place_of_a_worktree_leads_nobody_to_what_is_not_gadugis(fixture) {
        let repository = fixture.repository();
        let made = fixture.worktree("one");
        let victim = fixture.root.parent().unwrap().join("victim");
        fs::rename(&made.path, &victim).unwrap();
        fs::remove_file(victim.join(".git")).unwrap();
        write(&victim.join("secret.env"), "x");
        symlink(&victim, &made.path).unwrap();
        let whose = |path: &std::path::Path| Some(gadugi_workspace::attempt_at(path));
        for _ in 0..2 {
            let repaired = repository.repair(&fixture.root.join(".worktrees"), whose).unwrap();
            assert_eq!((repaired.mended.len(), repaired.dropped.len(), repaired.failed.len()), (0, 0, 1), "{repaired:?}");
            let attempt = support::attempt("one", 1);
            let salvaged = repository.salvage(&attempt, &made.path, "feature/one").unwrap();
            assert!(!matches!(salvaged, gadugi_workspace::Salvaging::Kept(_)), "{salvaged:?}");
            let removal = repository.remove_worktree(&made.path, "feature/one", &fixture.head()).unwrap();
            assert_eq!(kept(removal), KeptReason::PointerChanged);
            assert!(victim.join("secret.env").exists() && !victim.join(".git").exists());
            // Even where somebody had git itself follow the link.
            fixture.git(["worktree", "repair"]);
            let removal = repository.remove_worktree(&made.path, "feature/one", &fixture.head()).unwrap();
            assert_eq!(kept(removal), KeptReason::PointerChanged);
            assert!(victim.join("secret.env").exists());
            let _ = fs::remove_file(victim.join(".git"));
        }
    }

    fn a_tree_for_tests_is_brought_to_exactly_one_commit(fixture) {
        let repository = fixture.repository();
        let first = fixture.head();
        fixture.write("b.txt", "second\n");
        fixture.write("c.txt", "c\n");
        let second = fixture.commit_all("second");
        let path = fixture.root.join(".gadugi/verify 1");
        fixture.write(".env", "E=1");
        repository.checkout_detached(&path, &second, &[".env".to_owned()]).unwrap();
        assert_eq!(read(&path.join("c.txt")), "c\n");
        assert_eq!(read(&path.join(".env")), "E=1");
        // What a test may leave behind.
        write(&path.join("target/built"), "slow to build");
        write(&path.join("left/over"), "x");
        write(&path.join("b.txt"), "changed");
        fixture.git_in(&path, ["init", "-q", "nested"]);
        fixture.git_in(&path, ["checkout", "-q", "-f", "-b", "feature/by-test"]);
        let admin = fixture.git_in(&path, ["rev-parse", "--absolute-git-dir"]);
        fs::write(std::path::Path::new(&admin).join("index.lock"), "").unwrap();
        write(&std::path::Path::new(&fixture.git_in(&path, ["rev-parse", "--absolute-git-dir"])).join("HEAD.lock"), "");
        let made = repository.checkout_detached(&path, &first, &[]).unwrap();
        assert_eq!((made.commit, made.branch), (first.clone(), None));
        assert_eq!(fixture.tip(&path, "HEAD"), first);
        assert_eq!(fixture.git_in(&path, ["status", "--porcelain"]), "");
        assert_eq!(read(&path.join("b.txt")), "b\n");
        assert!(!path.join("c.txt").exists() && !path.join("left").exists() && !path.join("nested").exists());
        assert_eq!(read(&path.join("target/built")), "slow to build");
        assert_eq!(fixture.tip(&fixture.root, "feature/by-test"), second, "no branch was moved");
        assert_eq!(fixture.git(["status", "--porcelain"]), "");
        assert_eq!(repository.remove_detached(&path).unwrap(), Removal::Removed);
        assert_eq!(repository.remove_detached(&path).unwrap(), Removal::Removed);
        let work = fixture.worktree("one");
        assert_eq!(kept(repository.remove_detached(&work.path).unwrap()), KeptReason::NotOurs);
    }
}

trait TreesLeft {
    fn trees_left(&self) -> Vec<std::path::PathBuf>;
}

impl TreesLeft for Repository {
    fn trees_left(&self) -> Vec<std::path::PathBuf> {
        self.worktrees().unwrap().into_iter().filter(|tree| !tree.main).map(|tree| tree.path).collect()
    }
}
