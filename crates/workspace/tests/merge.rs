//! Composing in memory, moving the integration branch, showing what changed.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use gadugi_core::{AdvanceFailure, CommitId, Composition, MergeStrategy, Timestamp};
use gadugi_workspace::Error;
use support::{Fixture, write};

/// A commit on a branch of its own that begins at `main`.
fn work(fixture: &Fixture, name: &str, file: &str, text: &str) -> CommitId {
    let made = fixture.worktree(name);
    write(&made.path.join(file), text);
    fixture.commit_all_in(&made.path, name)
}

fn clean(composition: Composition) -> CommitId {
    match composition {
        Composition::Clean(commit) => commit,
        other => panic!("{other:?}"),
    }
}

with_each_git! {
    fn merges_what_does_not_conflict(fixture) {
        let repository = fixture.repository();
        let (base, one, two) = (fixture.head(), work(fixture, "one", "a.txt", "ONE\ntwo\nthree\n"), work(fixture, "two", "a.txt", "one\ntwo\nthree\nfour\n"));
        let at = Some(Timestamp(1_700_000_000_123));
        let first = clean(repository.compose(&base, &one, "merge one", MergeStrategy::Merge, at));
        assert_eq!(fixture.git(["log", "-1", "--format=%P|%s|%ct", first.as_str()]), format!("{base} {one}|merge one|1700000000"));
        assert_eq!(clean(repository.compose(&base, &one, "merge one", MergeStrategy::Merge, at)), first, "the same again");
        let both = clean(repository.compose(&first, &two, "-F \"odd\"\n\nmessage\n", MergeStrategy::Squash, at));
        assert_eq!(fixture.git(["log", "-1", "--format=%P", both.as_str()]), first.as_str());
        assert!(fixture.git(["log", "-1", "--format=%B", both.as_str()]).ends_with(&format!("Gadugi-Squashed: {two}")));
        assert_eq!(fixture.show(&format!("{both}:a.txt")), "ONE\ntwo\nthree\nfour");
        assert_eq!(clean(repository.compose(&both, &one, "m", MergeStrategy::Merge, at)), both, "it is in already");
        assert_eq!(clean(repository.compose(&both, &two, "m", MergeStrategy::Squash, at)), both, "nothing is left to squash");
    }

    fn names_what_conflicts_once_and_in_order(fixture) {
        let repository = fixture.repository();
        let base = fixture.head();
        let one = work(fixture, "one", "a.txt", "ONE\n");
        let made = fixture.worktree("two");
        write(&made.path.join("a.txt"), "TWO\n");
        write(&made.path.join("ünï \"q\"\n"), "2\n");
        let two = fixture.commit_all_in(&made.path, "two");
        let made = fixture.worktree("three");
        write(&made.path.join("ünï \"q\"\n"), "3\n");
        let three = fixture.commit_all_in(&made.path, "three");
        let onto = clean(repository.compose(&one, &three, "m", MergeStrategy::Merge, None));
        assert_eq!(repository.compose(&onto, &two, "m", MergeStrategy::Merge, None), Composition::Conflict(vec!["a.txt".into(), "ünï \"q\"\n".into()]));
        let made = fixture.worktree("four");
        std::fs::remove_file(made.path.join("a.txt")).unwrap();
        write(&made.path.join("c"), "x");
        let four = base;
        assert!(matches!(repository.compose(&onto, &four, "m", MergeStrategy::Merge, None), Composition::Clean(commit) if commit == onto));
        let bad = CommitId::new("0123456789012345678901234567890123456789");
        assert!(matches!(repository.compose(&onto, &bad, "m", MergeStrategy::Merge, None), Composition::Failed(_)));
    }

    fn histories_that_have_nothing_in_common_do_not_merge(fixture) {
        let base = fixture.head();
        fixture.git(["checkout", "-q", "--orphan", "other"]);
        let other = fixture.commit_all("elsewhere");
        let result = fixture.repository().compose(&base, &other, "m", MergeStrategy::Merge, None);
        assert!(matches!(result, Composition::Failed(why) if why.contains("unrelated")));
    }

    fn opens_the_integration_branch_once(fixture) {
        let repository = fixture.repository();
        let base = fixture.head();
        assert_eq!(repository.open_integration("gadugi/run", &base).unwrap(), base);
        assert_eq!(repository.open_integration("gadugi/run", &base).unwrap(), base);
        let one = work(fixture, "one", "new", "x");
        repository.advance("gadugi/run", &base, &one).unwrap();
        assert_eq!(repository.open_integration("gadugi/run", &base).unwrap(), one, "it has gone on");
        fixture.git(["checkout", "-q", "--orphan", "other"]);
        let other = fixture.commit_all("elsewhere");
        assert!(matches!(repository.open_integration("gadugi/run", &other), Err(Error::BranchInUse { .. })));
        assert!(matches!(repository.open_integration("gadugi/run/deeper", &base), Err(Error::BranchInUse { .. })));
        assert!(matches!(repository.open_integration("-bad", &base), Err(Error::BadBranch { .. })));
    }

    fn advances_only_from_where_it_is(fixture) {
        let repository = fixture.repository();
        let base = fixture.head();
        let (one, two) = (work(fixture, "one", "new", "1"), work(fixture, "two", "new", "2"));
        repository.open_integration("gadugi/run", &base).unwrap();
        repository.advance("gadugi/run", &base, &one).unwrap();
        repository.advance("gadugi/run", &base, &one).unwrap();
        assert_eq!(repository.advance("gadugi/run", &base, &two), Err(AdvanceFailure::Moved(one.clone())));
        fixture.git(["update-ref", "-d", "refs/heads/gadugi/run"]);
        repository.advance("gadugi/run", &base, &one).unwrap();
        assert_eq!(repository.resolve("gadugi/run").unwrap(), one, "a branch that was deleted is made again");
        write(&fixture.root.join(".git/refs/heads/gadugi/run.lock"), "");
        let side = clean(repository.compose(&one, &work(fixture, "side", "x4", "4"), "m", MergeStrategy::Merge, None));
        repository.advance("gadugi/run", &one, &side).unwrap();
        assert!(!fixture.root.join(".git/refs/heads/gadugi/run.lock").exists(), "a killed git's lock goes");
        let one = side;
        fixture.git(["checkout", "-q", "gadugi/run"]);
        let composed = clean(repository.compose(&one, &work(fixture, "three", "x3", "3"), "m", MergeStrategy::Merge, None));
        repository.advance("gadugi/run", &one, &composed).unwrap();
        assert_eq!(std::fs::read_to_string(fixture.root.join("new")).unwrap(), "1", "files of a user who looks at it stay");
        repository.advance("gadugi/run", &base, &one).unwrap();
        assert_eq!(fixture.tip(&fixture.root, "gadugi/run"), composed, "what was built on it since stays");
    }

    fn a_branch_that_was_moved_by_hand_loses_nothing(fixture) {
        let repository = fixture.repository();
        let base = fixture.head();
        let merge = |onto: &CommitId, name: &str, file: &str, text: &str| {
            let work = work(fixture, name, file, text);
            clean(repository.compose(onto, &work, "m", MergeStrategy::Merge, None))
        };
        let hand = |to: &CommitId| fixture.git(["update-ref", "refs/heads/gadugi/run", to.as_str()]);
        repository.open_integration("gadugi/run", &base).unwrap();
        let one = merge(&base, "one", "new1", "1");
        repository.advance("gadugi/run", &base, &one).unwrap();
        let two = merge(&one, "two", "new2", "2");
        // Back: all that it held is in what comes.
        hand(&base);
        repository.advance("gadugi/run", &one, &two).unwrap();
        assert_eq!(fixture.tip(&fixture.root, "gadugi/run"), two);
        // To the user's own commits: both are there from now on.
        let three = merge(&two, "three", "new3", "3");
        let users = fixture.commit_all("the user's");
        hand(&users);
        let Err(AdvanceFailure::Moved(joined)) = repository.advance("gadugi/run", &two, &three) else { panic!() };
        assert_eq!(fixture.tip(&fixture.root, "gadugi/run"), joined);
        assert_eq!(fixture.git(["log", "-1", "--format=%P", joined.as_str()]), format!("{users} {two}"));
        let three = merge(&joined, "three-again", "new3", "3");
        repository.advance("gadugi/run", &joined, &three).unwrap();
        let four = merge(&three, "four", "new4", "4");
        let fifth = work(fixture, "five", "new5", "5");
        // To what conflicts: it stays there, and the failure says so.
        fixture.write("new1", "something else\n");
        let conflicting = fixture.commit_all("against it");
        hand(&conflicting);
        let failed = repository.advance("gadugi/run", &three, &four);
        assert!(matches!(&failed, Err(AdvanceFailure::Failed(why)) if why.contains("git branch --force")), "{failed:?}");
        assert_eq!(fixture.tip(&fixture.root, "gadugi/run"), conflicting);
        hand(&three);
        repository.advance("gadugi/run", &three, &four).unwrap();
        // What was composed is garbage until the branch holds it.
        let five = clean(repository.compose(&four, &fifth, "m", MergeStrategy::Merge, None));
        let object = fixture.root.join(".git/objects").join(&five.as_str()[..2]).join(&five.as_str()[2..]);
        std::fs::remove_file(object).unwrap();
        let gone = fixture.repository().advance("gadugi/run", &four, &five);
        assert_eq!(gone, Err(AdvanceFailure::Moved(four)), "it is to be made once more");
    }

    fn of_many_who_advance_from_one_place_one_wins(fixture) {
        let repository = fixture.repository();
        let base = fixture.head();
        repository.open_integration("gadugi/run", &base).unwrap();
        let tips: Vec<_> = (0..8).map(|n| work(fixture, &format!("t{n}"), "new", &n.to_string())).collect();
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = tips.iter().map(|tip| scope.spawn(|| repository.advance("gadugi/run", &base, tip))).collect();
            tries.into_iter().filter(|_| true).map(|one| one.join().unwrap()).filter(Result::is_ok).count()
        });
        assert_eq!(won, 1);
        assert!(tips.contains(&fixture.tip(&fixture.root, "gadugi/run")));
    }

    fn shows_what_changed(fixture) {
        let repository = fixture.repository();
        let base = fixture.head();
        let made = fixture.worktree("one");
        write(&made.path.join("a.txt"), "ONE\ntwo\n");
        std::fs::write(made.path.join("bin"), [0u8, 1, 2]).unwrap();
        write(&made.path.join("ünï"), "1\n2\n");
        let one = fixture.commit_all_in(&made.path, "one");
        let patch = String::from_utf8(repository.diff(&base, &one).unwrap()).unwrap();
        assert!(patch.contains("diff --git a/a.txt b/a.txt") && patch.contains("+ONE") && patch.contains("b/ünï"), "{patch}");
        let mut streamed = Vec::new();
        repository.diff_into(&base, &one, &mut streamed).unwrap();
        assert_eq!(streamed, patch.as_bytes());
        let stat = repository.diff_stat(&base, &one).unwrap();
        assert_eq!((stat.files.len(), stat.added(), stat.removed()), (3, 3, 2));
        assert_eq!(stat.files.iter().find(|file| file.path == "bin").unwrap().lines, None);
        write(&made.path.join("later"), "uncommitted\n");
        let mut now = Vec::new();
        repository.diff_worktree(&made.path, &base, &mut now).unwrap();
        assert!(String::from_utf8_lossy(&now).contains("+uncommitted"));
        assert_eq!(fixture.git_in(&made.path, ["status", "--porcelain"]), "?? later");
        assert!(repository.diff_into(&base, &CommitId::new("nope"), &mut Vec::new()).is_err());
    }

    fn a_reader_who_goes_away_ends_the_diff(fixture) {
        struct Gone;
        impl std::io::Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> { Err(std::io::ErrorKind::BrokenPipe.into()) }
            fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
        }
        let one = work(fixture, "one", "big", &"line\n".repeat(200_000));
        assert!(matches!(fixture.repository().diff_into(&fixture.head(), &one, &mut Gone), Err(Error::Io { .. })));
    }

    fn a_shallow_clone_is_enough(fixture) {
        fixture.write("b.txt", "second\n");
        fixture.commit_all("second");
        let clone = fixture.root.parent().unwrap().join("shallow");
        let source = format!("file://{}", fixture.root.display());
        fixture.git(["clone", "-q", "--depth", "1", &source, clone.to_str().unwrap()]);
        let repository = fixture.repository_at(&clone);
        let base = repository.head().unwrap().commit;
        let request = gadugi_workspace::WorktreeRequest { path: clone.join(".worktrees/one"), branch: "one".into(), base: base.clone(), include: vec![] };
        let made = repository.add_worktree(&request).unwrap();
        write(&made.path.join("new"), "x");
        let work = repository.collect(&made.path, "one", &base, "m").unwrap().work;
        repository.open_integration("gadugi/run", &base).unwrap();
        let composed = clean(repository.compose(&base, &work.commit, "m", MergeStrategy::Merge, None));
        repository.advance("gadugi/run", &base, &composed).unwrap();
        repository.land("gadugi/run", None, "land").unwrap();
        assert!(clone.join("new").exists());
    }
}
