//! What a finished agent left, in all the states that it may have left it in.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;

use gadugi_core::CommitId;
use gadugi_workspace::{Collection, Error, Repository, Stray, Worktree};
use support::{Fixture, executable, read, write};

fn collect(fixture: &Fixture, made: &Worktree) -> Result<Collection, Error> {
    fixture.repository().collect(&made.path, "feature/one", &fixture.head(), "gadugi: work\n\nbody\n")
}

/// Branch, `HEAD`, index and files of the worktree agree.
fn settled(fixture: &Fixture, made: &Worktree, commit: &CommitId) {
    assert_eq!(fixture.git_in(&made.path, ["status", "--porcelain"]), "");
    assert_eq!(fixture.git_in(&made.path, ["symbolic-ref", "HEAD"]), "refs/heads/feature/one");
    assert_eq!(&fixture.tip(&made.path, "HEAD"), commit);
}

with_each_git! {
    fn commits_what_is_uncommitted(fixture) {
        let made = fixture.worktree("one");
        let base = fixture.head();
        write(&made.path.join("a.txt"), "changed\n");
        write(&made.path.join("new/-dash \"q\"\n"), "new\n");
        write(&made.path.join("new/ünï"), "new\n");
        write(&made.path.join("x.log"), "ignored\n");
        executable(&made.path.join("src/lib.rs"), "// lib\n");
        fs::remove_file(made.path.join("b.txt")).unwrap();
        write(&made.path.join("staged"), "1\n");
        fixture.git_in(&made.path, ["add", "staged"]);
        write(&made.path.join("staged"), "2\n");
        let collected = collect(fixture, &made).unwrap();
        assert!(collected.work.committed_rest);
        assert_eq!(collected.stray, None);
        assert_eq!(collected.work.changed, ["a.txt", "b.txt", "new/-dash \"q\"\n", "new/ünï", "src/lib.rs", "staged"]);
        settled(fixture, &made, &collected.work.commit);
        assert_eq!(fixture.show("feature/one:staged"), "2");
        assert_eq!(fixture.git(["log", "-1", "--format=%P %an <%ae> %cn %s", "feature/one"]), format!("{base} Ada <ada@example.com> Ada gadugi: work"));
        assert_eq!(fs::read_dir(fixture.admin("one")).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("gadugi-index")
        }).count(), 0);
        let again = collect(fixture, &made).unwrap();
        assert_eq!(again.work.commit, collected.work.commit);
        assert!(!again.work.committed_rest);
        assert_eq!(again.work.changed, collected.work.changed);
    }

    fn takes_what_the_agent_committed(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("new"), "1\n");
        let first = fixture.commit_all_in(&made.path, "by the agent");
        let collected = collect(fixture, &made).unwrap();
        assert_eq!((collected.work.commit, collected.work.committed_rest), (first.clone(), false));
        assert_eq!(collected.work.changed, ["new"]);
        write(&made.path.join("more"), "2\n");
        let collected = collect(fixture, &made).unwrap();
        assert!(collected.work.committed_rest);
        assert_eq!(fixture.tip(&made.path, "HEAD^"), first);
        assert_eq!(collected.work.changed, ["more", "new"]);
    }

    fn nothing_done_is_nothing(fixture) {
        let made = fixture.worktree("one");
        let collected = collect(fixture, &made).unwrap();
        assert_eq!((collected.work.commit, collected.work.changed, collected.work.committed_rest), (fixture.head(), vec![], false));
        // Written, but with the same text; and changed back and forth in the index.
        write(&made.path.join("a.txt"), "one\ntwo\nthree\n");
        write(&made.path.join("b.txt"), "other\n");
        fixture.git_in(&made.path, ["add", "b.txt"]);
        write(&made.path.join("b.txt"), "b\n");
        let collected = collect(fixture, &made).unwrap();
        assert_eq!((collected.work.commit, collected.work.changed, collected.work.committed_rest), (fixture.head(), vec![], false));
        settled(fixture, &made, &fixture.head());
    }

    fn a_change_in_the_same_tick_of_the_clock_is_seen(fixture) {
        let made = fixture.worktree("one");
        fixture.git(["config", "core.trustctime", "false"]);
        // File and index are of the same moment, a while ago; a change of that moment has the same size and times.
        // Only git's distrust of entries as young as their index finds it.
        let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000);
        let dated = |path: &std::path::Path| fs::File::options().write(true).open(path).unwrap().set_modified(moment).unwrap();
        let (file, index) = (made.path.join("b.txt"), fixture.admin("one").join("index"));
        dated(&file);
        fixture.git_in(&made.path, ["update-index", "-q", "--refresh"]);
        write(&file, "c\n");
        dated(&file);
        dated(&index);
        write(&made.path.join("other"), "so that there is something to collect");
        let collected = collect(fixture, &made).unwrap();
        assert_eq!(collected.work.changed, ["b.txt", "other"]);
    }

    fn a_detached_head_is_taken_where_it_goes_on_from_the_branch(fixture) {
        let made = fixture.worktree("one");
        fixture.git_in(&made.path, ["checkout", "-q", "--detach"]);
        write(&made.path.join("new"), "1\n");
        let head = fixture.commit_all_in(&made.path, "detached");
        write(&made.path.join("rest"), "2\n");
        let collected = collect(fixture, &made).unwrap();
        assert_eq!(collected.stray, Some(Stray::Detached));
        assert_eq!(collected.work.changed, ["new", "rest"]);
        assert_eq!(fixture.tip(&made.path, "HEAD^"), head);
        settled(fixture, &made, &collected.work.commit);
    }

    fn another_branch_is_taken_where_it_goes_on_from_the_branch(fixture) {
        let made = fixture.worktree("one");
        fixture.git_in(&made.path, ["checkout", "-q", "-b", "mine"]);
        write(&made.path.join("new"), "1\n");
        let head = fixture.commit_all_in(&made.path, "elsewhere");
        let collected = collect(fixture, &made).unwrap();
        assert_eq!(collected.stray, Some(Stray::OtherBranch("mine".into())));
        assert_eq!((&collected.work.commit, collected.work.committed_rest), (&head, false));
        settled(fixture, &made, &head);
        assert_eq!(fixture.tip(&fixture.root, "mine"), head, "the agent's branch stays");
    }

    fn a_look_at_something_older_is_no_work(fixture) {
        fixture.write("b.txt", "newer\n");
        fixture.commit_all("newer");
        let made = fixture.worktree("one");
        write(&made.path.join("new"), "1\n");
        let work = fixture.commit_all_in(&made.path, "work");
        fixture.git_in(&made.path, ["checkout", "-q", "HEAD~2"]);
        let collected = collect(fixture, &made).unwrap();
        assert_eq!(collected.work.commit, work);
        assert_eq!(collected.stray, Some(Stray::Detached));
        settled(fixture, &made, &work);
        assert_eq!(read(&made.path.join("b.txt")), "newer\n");
    }

    fn what_cannot_be_put_on_the_branch_is_said_and_left_alone(fixture) {
        let repository = fixture.repository();
        let made = fixture.worktree("one");
        let base = fixture.head();
        write(&made.path.join("new"), "1\n");
        let work = fixture.commit_all_in(&made.path, "work");
        fixture.git_in(&made.path, ["checkout", "-q", "--detach", base.as_str()]);
        write(&made.path.join("other"), "2\n");
        let other = fixture.commit_all_in(&made.path, "other");
        assert!(matches!(collect(fixture, &made), Err(Error::Strayed { head: Some(head), .. }) if head == other));
        assert_eq!(fixture.tip(&fixture.root, "feature/one"), work);
        assert_eq!(fixture.tip(&made.path, "HEAD"), other);
        // An older commit with changes on top, while the branch has gone on.
        fixture.git_in(&made.path, ["checkout", "-q", "--detach", base.as_str()]);
        write(&made.path.join("a.txt"), "changed\n");
        assert!(matches!(collect(fixture, &made), Err(Error::Strayed { .. })));
        assert_eq!(read(&made.path.join("a.txt")), "changed\n");
        fixture.git_in(&made.path, ["checkout", "-q", "-f", "--orphan", "fresh"]);
        assert!(matches!(collect(fixture, &made), Err(Error::Strayed { head: None, .. })));
        assert!(matches!(repository.collect(&fixture.root, "main", &base, "m"), Err(Error::WorktreeMissing { .. })));
        assert!(matches!(repository.collect(&fixture.home(), "main", &base, "m"), Err(Error::WorktreeMissing { .. })));
    }

    fn an_amended_base_is_joined_again(fixture) {
        fixture.write("b.txt", "second\n");
        let base = fixture.commit_all("second");
        let made = fixture.worktree("one");
        write(&made.path.join("new"), "1\n");
        fixture.git_in(&made.path, ["add", "-A"]);
        fixture.git_in(&made.path, ["commit", "-q", "--amend", "-m", "amended"]);
        let amended = fixture.tip(&made.path, "HEAD");
        write(&made.path.join("rest"), "2\n");
        let collected = collect(fixture, &made).unwrap();
        assert_eq!(collected.stray, Some(Stray::Rewritten));
        assert_eq!(collected.work.changed, ["new", "rest"]);
        assert_eq!(fixture.git(["log", "-1", "--format=%P", "feature/one"]), format!("{base} {amended}"));
        settled(fixture, &made, &collected.work.commit);
    }

    fn in_the_middle_of_something_nothing_is_collected(fixture) {
        let made = fixture.worktree("one");
        let base = fixture.head();
        write(&made.path.join("a.txt"), "ours\n");
        fixture.commit_all_in(&made.path, "ours");
        fixture.git_in(&made.path, ["checkout", "-q", "-b", "other", base.as_str()]);
        write(&made.path.join("a.txt"), "theirs\n");
        fixture.commit_all_in(&made.path, "theirs");
        fixture.git_in(&made.path, ["checkout", "-q", "feature/one"]);
        for (command, operation) in [("merge", "merge"), ("rebase", "rebase"), ("cherry-pick", "cherry-pick")] {
            assert!(!fixture.output_in(&made.path, [command, "other"]).status.success());
            assert!(matches!(collect(fixture, &made), Err(Error::MidOperation { operation: found, .. }) if found == operation), "{command}");
            fixture.git_in(&made.path, [command, "--abort"]);
        }
        // Conflicts without an operation: a stash that did not apply.
        fixture.git_in(&made.path, ["checkout", "-q", "other"]);
        write(&made.path.join("a.txt"), "stashed\n");
        fixture.git_in(&made.path, ["stash", "-q"]);
        fixture.git_in(&made.path, ["checkout", "-q", "feature/one"]);
        assert!(!fixture.output_in(&made.path, ["stash", "apply", "-q"]).status.success());
        assert!(matches!(collect(fixture, &made), Err(Error::MidOperation { .. })));
    }

    fn repositories_inside_the_work_are_named(fixture) {
        let made = fixture.worktree("one");
        for name in ["inner/with-commits", "inner/empty"] {
            fixture.git_in(&made.path, ["init", "-q", name]);
        }
        write(&made.path.join("inner/with-commits/f"), "x");
        fixture.commit_all_in(&made.path.join("inner/with-commits"), "inner");
        write(&made.path.join("new"), "x");
        fixture.git_in(&made.path, ["init", "-q", "target/ignored"]);
        let error = collect(fixture, &made).unwrap_err();
        assert!(matches!(&error, Error::NestedRepositories { nested, .. } if nested == &["inner/empty/", "inner/with-commits/"]), "{error}");
        assert_eq!(fixture.tip(&fixture.root, "feature/one"), fixture.head());
        // The agent committed the pointer itself.
        fs::remove_dir_all(made.path.join("inner/empty")).unwrap();
        fixture.commit_all_in(&made.path, "a pointer to nothing");
        assert!(matches!(collect(fixture, &made), Err(Error::NestedRepositories { nested, .. }) if nested == ["inner/with-commits"]));
    }

    fn a_dead_agents_lock_does_not_stand_in_the_way(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("new"), "x");
        write(&fixture.admin("one").join("index.lock"), "");
        write(&fixture.admin("one").join(format!("gadugi-index.{}.lock", std::process::id())), "");
        let collected = collect(fixture, &made).unwrap();
        settled(fixture, &made, &collected.work.commit);
        fs::remove_file(fixture.admin("one").join("index")).unwrap();
        assert_eq!(collect(fixture, &made).unwrap().work.commit, collected.work.commit);
        settled(fixture, &made, &collected.work.commit);
    }

    fn a_user_without_a_name_gets_gadugis(fixture) {
        let made = fixture.worktree("one");
        write(&fixture.home().join(".gitconfig"), "[user]\n\tuseConfigOnly = true\n\tname = \" <> \"\n");
        write(&made.path.join("new"), "x");
        let repository = Repository::discover_in(&fixture.root, fixture.without_identity()).unwrap();
        repository.collect(&made.path, "feature/one", &fixture.head(), "m").unwrap();
        assert_eq!(fixture.git(["log", "-1", "--format=%an <%ae> %cn <%ce>", "feature/one"]), "Gadugi <gadugi@localhost> Gadugi <gadugi@localhost>");
        write(&fixture.home().join(".gitconfig"), "[user]\n\tname = Grace \"H\" Ünal\n\temail = g@example.com\n[committer]\n\temail = c@example.com\n");
        write(&made.path.join("more"), "x");
        repository.collect(&made.path, "feature/one", &fixture.head(), "m").unwrap();
        assert_eq!(fixture.git(["log", "-1", "--format=%an <%ae> %cn <%ce>", "feature/one"]), "Grace H Ünal <g@example.com> Grace H Ünal <c@example.com>");
    }

    fn sparse_worktrees_lose_nothing(fixture) {
        fixture.write("docs/guide.md", "guide\n");
        fixture.commit_all("docs");
        fixture.git(["sparse-checkout", "set", "src"]);
        let made = fixture.worktree("one");
        write(&made.path.join("docs/new.md"), "outside of the cone\n");
        write(&made.path.join("src/new.rs"), "inside\n");
        let collected = collect(fixture, &made).unwrap();
        assert_eq!(collected.work.changed, ["docs/new.md", "src/new.rs"]);
        assert_eq!(fixture.show("feature/one:docs/guide.md"), "guide");
    }

    fn a_branch_that_was_deleted_is_made_again_where_the_work_stood(fixture) {
        let made = fixture.worktree("one");
        let delete = || fixture.git(["update-ref", "-d", "refs/heads/feature/one"]);
        write(&made.path.join("done"), "1\n");
        let done = fixture.commit_all_in(&made.path, "done");
        write(&made.path.join("rest"), "2\n");
        delete();
        let collected = collect(fixture, &made).unwrap();
        assert_eq!(collected.work.changed, ["done", "rest"]);
        assert_eq!(fixture.tip(&made.path, "HEAD^"), done);
        settled(fixture, &made, &collected.work.commit);
        // The agent went on and committed where there was no branch: a commit without a past.
        delete();
        write(&made.path.join("later"), "3\n");
        let root = fixture.commit_all_in(&made.path, "later");
        assert_eq!(fixture.git(["rev-list", "--count", root.as_str()]), "1");
        let joined = collect(fixture, &made).unwrap();
        assert_eq!(joined.stray, Some(Stray::Rewritten));
        assert_eq!(joined.work.changed, ["done", "later", "rest"]);
        let parents = fixture.git(["log", "-1", "--format=%P", "feature/one"]);
        assert_eq!(parents, format!("{} {root}", collected.work.commit));
        settled(fixture, &made, &joined.work.commit);
        // Without a log it begins where it began, with all that there is.
        delete();
        fs::remove_file(fixture.admin("one").join("logs/HEAD")).unwrap();
        let again = collect(fixture, &made).unwrap();
        assert_eq!(again.work.changed, ["done", "later", "rest"]);
        assert_eq!(fixture.tip(&made.path, "HEAD^"), fixture.head());
    }

    fn a_broken_index_or_one_of_lost_objects_costs_nothing(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("new"), "staged\n");
        fixture.git_in(&made.path, ["add", "new"]);
        let blob = fixture.git_in(&made.path, ["rev-parse", ":new"]);
        fs::remove_file(fixture.root.join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
        let collected = collect(fixture, &made).unwrap();
        assert_eq!(collected.work.changed, ["new"]);
        assert_eq!(fixture.show("feature/one:new"), "staged");
        settled(fixture, &made, &collected.work.commit);
        write(&made.path.join("more"), "more\n");
        fs::write(fixture.admin("one").join("index"), "garbage").unwrap();
        write(&fixture.admin("one").join("index.lock"), "");
        let collected = collect(fixture, &made).unwrap();
        assert_eq!(collected.work.changed, ["more", "new"]);
        settled(fixture, &made, &collected.work.commit);
    }

    fn a_branch_whose_commits_went_with_the_garbage_is_made_whole(fixture) {
        let made = fixture.worktree("one");
        write(&made.path.join("first"), "1\n");
        let first = fixture.commit_all_in(&made.path, "first");
        // A prune that had looked at the refs before this commit was on one.
        for lost in ["HEAD", "HEAD^{tree}"] {
            write(&made.path.join("second"), &format!("{lost}\n"));
            fixture.commit_all_in(&made.path, "second");
            let object = fixture.git_in(&made.path, ["rev-parse", lost]);
            fs::remove_file(fixture.root.join(".git/objects").join(&object[..2]).join(&object[2..])).unwrap();
            write(&made.path.join("rest"), "3\n");
            let Ok(collected) = collect(fixture, &made) else { panic!("{lost}") };
            assert_eq!(collected.work.changed, ["first", "rest", "second"], "{lost}");
            settled(fixture, &made, &collected.work.commit);
            assert_eq!(fixture.tip(&made.path, "HEAD^"), first, "{lost}");
            fixture.git(["fsck", "--connectivity-only", "--no-reflogs"]);
            fixture.git_in(&made.path, ["reset", "-q", "--hard", first.as_str()]);
        }
    }

    fn a_folder_that_is_gone_is_said_to_be(fixture) {
        let made = fixture.worktree("one");
        fs::remove_dir_all(&made.path).unwrap();
        let error = collect(fixture, &made).unwrap_err();
        assert!(matches!(&error, Error::WorktreeGone { branch, .. } if branch == "feature/one"), "{error}");
    }
}
