//! Nothing of the user's changes before `land`, whatever their configuration and the state of their checkout.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;

use gadugi_core::{CommitId, Composition, MergeStrategy};
use gadugi_workspace::Repository;
use support::{Fixture, assert_same, executable, write};

/// A whole run without landing: two tasks, one of them by way of everything else that there is.
fn whole_run(fixture: &Fixture, repository: &Repository) -> CommitId {
    let base = repository.resolve("HEAD").unwrap();
    let mut tip = repository.open_integration("gadugi/run", &base).unwrap();
    for (name, strategy) in [("one", MergeStrategy::Merge), ("two", MergeStrategy::Squash)] {
        let request = gadugi_workspace::WorktreeRequest { base: base.clone(), ..fixture.request(name) };
        let made = repository.add_worktree(&request).unwrap();
        write(&made.path.join(format!("{name}.txt")), "line\r\nline\n");
        write(&made.path.join("src/lib.rs"), "// lib, changed\n");
        let attempt = support::attempt(name, 1);
        let salvaged = repository.salvage(&attempt, &made.path, &request.branch).unwrap();
        assert!(matches!(salvaged, gadugi_workspace::Salvaging::Kept(_)), "{salvaged:?}");
        repository.diff_worktree(&made.path, &base, &mut Vec::new()).unwrap();
        let work = repository.collect(&made.path, &request.branch, &base, "work").unwrap().work;
        assert!(work.committed_rest);
        let composed = match repository.compose(&tip, &work.commit, "merge", strategy, None) {
            Composition::Clean(commit) => commit,
            other => panic!("{other:?}"),
        };
        repository.checkout_detached(&fixture.root.join(".gadugi/verify"), &composed, &[]).unwrap();
        repository.advance("gadugi/run", &tip, &composed).unwrap();
        repository.diff(&base, &composed).unwrap();
        repository.diff_stat(&base, &composed).unwrap();
        repository.uncommitted().unwrap();
        repository.worktrees().unwrap();
        repository.repair(&fixture.root.join(".worktrees"), |_| Some(attempt.clone())).unwrap();
        let removal = repository.remove_worktree(&made.path, &request.branch, &composed).unwrap();
        assert_eq!(removal, gadugi_workspace::Removal::Removed);
        tip = composed;
    }
    tip
}

/// A checkout in which everything is under way: staged, unstaged, untracked, stashed.
fn dirty(fixture: &Fixture) {
    fixture.write("a.txt", "stashed\n");
    fixture.git(["stash", "-q"]);
    fixture.write("a.txt", "staged\n");
    fixture.git(["add", "a.txt"]);
    fixture.write("a.txt", "unstaged\n");
    fixture.write("b.txt", "intended\n");
    fixture.write("untracked/file", "u\n");
    fixture.write("intent", "i\n");
    fixture.git(["add", "-N", "intent"]);
    fixture.git(["branch", "user"]);
    fixture.git(["tag", "v1"]);
    // The index's notion of this file's times is out of date: a `git status` that may write would refresh it.
    let file = fs::File::options().write(true).open(fixture.root.join("src/lib.rs")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000)).unwrap();
}

with_each_git! {
    fn the_users_checkout_is_the_same_byte_for_byte(fixture) {
        dirty(fixture);
        let before = fixture.everything();
        whole_run(fixture, &fixture.repository());
        assert_same(&fixture.everything(), &before);
    }

    fn a_detached_head_is_no_hindrance(fixture) {
        fixture.git(["checkout", "-q", "--detach"]);
        dirty(fixture);
        let before = fixture.everything();
        let tip = whole_run(fixture, &fixture.repository());
        assert_same(&fixture.everything(), &before);
        fixture.git(["reset", "-q", "--hard"]);
        assert_eq!(fixture.repository().land("gadugi/run", Some("user"), "m").unwrap().commit, tip);
    }

    fn a_linked_worktree_is_a_place_to_start(fixture) {
        let linked = fixture.root.parent().unwrap().join("linked");
        fixture.git(["worktree", "add", "-q", "-b", "mine", linked.to_str().unwrap()]);
        write(&linked.join("src/lib.rs"), "// other\n");
        let other = fixture.commit_all_in(&linked, "other");
        write(&linked.join("a.txt"), "dirty\n");
        let before = fixture.everything();
        let repository = fixture.repository_at(&linked.join("src"));
        assert_eq!(repository.resolve("HEAD").unwrap(), other);
        whole_run(fixture, &repository);
        assert_same(&fixture.everything(), &before);
        assert_eq!(fixture.git_in(&linked, ["status", "--porcelain"]), " M a.txt");
        assert!(matches!(repository.land("gadugi/run", None, "m").unwrap().updated, Some(path) if path == linked));
        assert_eq!(fixture.everything()[".git/HEAD"], before[".git/HEAD"]);
    }

    fn a_hostile_configuration_breaks_nothing(fixture) {
        executable(&fixture.home().join("fail"), "#!/bin/sh\necho \"$0 $*\" >> \"$HOME/called\"\nexit 1\n");
        let hooks = ["pre-commit", "post-checkout", "commit-msg", "prepare-commit-msg", "post-commit", "pre-merge-commit",
            "post-merge", "reference-transaction", "post-index-change", "pre-auto-gc", "post-rewrite", "fsmonitor-watchman"];
        for hook in hooks {
            executable(&fixture.home().join("hooks").join(hook), "#!/bin/sh\necho \"$0\" >> \"$HOME/called\"\nexit 1\n");
        }
        let fail = fixture.home().join("fail");
        let fail = fail.to_str().unwrap();
        let hooks = fixture.home().join("hooks");
        write(&fixture.home().join(".gitconfig"), &format!("\
[commit]\n gpgSign = true\n template = /nonexistent\n[tag]\n gpgSign = true\n[gpg]\n program = {fail}\n[user]\n signingKey = X\n\
[core]\n hooksPath = {}\n autocrlf = true\n safecrlf = true\n fsmonitor = {fail}\n quotePath = true\n pager = {fail}\n editor = {fail}\n untrackedCache = true\n splitIndex = true\n abbrev = 4\n\
[merge]\n conflictStyle = zdiff3\n ff = only\n verifySignatures = true\n[diff]\n external = {fail}\n noprefix = true\n mnemonicPrefix = true\n renames = copies\n ignoreSubmodules = all\n\
[init]\n defaultBranch = trunk\n[status]\n showUntrackedFiles = no\n short = true\n branch = true\n relativePaths = true\n[color]\n ui = always\n diff = always\n status = always\n branch = always\n\
[branch]\n autoSetupMerge = always\n autoSetupRebase = always\n[checkout]\n guess = true\n defaultRemote = origin\n[worktree]\n guessRemote = true\n useRelativePaths = true\n\
[submodule]\n recurse = true\n[gc]\n auto = 1\n[maintenance]\n auto = true\n[advice]\n addEmbeddedRepo = true\n[log]\n showSignature = true\n[column]\n ui = always\n[push]\n autoSetupRemote = true\n\
[feature]\n manyFiles = true\n[index]\n threads = true\n[alias]\n status = !{fail}\n[safe]\n directory = /elsewhere\n[interactive]\n diffFilter = {fail}\n[i18n]\n commitEncoding = ISO-8859-1\n logOutputEncoding = ISO-8859-1\n", hooks.display()));
        let before = fixture.everything();
        let repository = fixture.repository();
        let tip = whole_run(fixture, &repository);
        assert_same(&fixture.everything(), &before);
        assert!(!fixture.home().join("called").exists(), "{}", support::read(&fixture.home().join("called")));
        let landed = repository.land("gadugi/run", None, "Länd").unwrap();
        assert_eq!(landed.commit, tip);
        assert!(!fixture.home().join("called").exists());
        fs::remove_file(fixture.home().join(".gitconfig")).unwrap();
        assert_eq!(fixture.show("HEAD:one.txt"), "line\nline", "the filters that a user wants do work");
        assert!(!fixture.git(["cat-file", "-p", "HEAD"]).contains("gpgsig"));
    }

    fn a_repository_that_others_own_works_where_the_user_trusts_it(fixture) {
        write(&fixture.home().join(".gitconfig"), &format!("[safe]\n\tdirectory = {}\n", fixture.root.display()));
        let foreign = fixture.with_env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
        let repository = Repository::discover_in(&fixture.root, foreign).unwrap();
        whole_run(fixture, &repository);
        repository.land("gadugi/run", None, "m").unwrap();
    }

    fn conflict_markers_of_any_style_name_the_same_files(fixture) {
        fixture.git(["config", "merge.conflictStyle", "zdiff3"]);
        let repository = fixture.repository();
        let tips: Vec<_> = ["one", "two"].into_iter().map(|name| {
            let made = fixture.worktree(name);
            write(&made.path.join("a.txt"), name);
            fixture.commit_all_in(&made.path, name)
        }).collect();
        assert_eq!(repository.compose(&tips[0], &tips[1], "m", MergeStrategy::Merge, None), Composition::Conflict(vec!["a.txt".into()]));
    }
}
