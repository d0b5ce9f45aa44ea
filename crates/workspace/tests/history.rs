//! What is told of the commits before a base, against real git and repositories of all sorts.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use gadugi_core::CommitId;
use gadugi_workspace::{CommitFacts, MOST_FILES, Repository};
use support::Fixture;

/// `path`, or `from -> path`, in the order of git.
fn changes(facts: &CommitFacts) -> Vec<String> {
    let shown = facts.changes.iter().map(|change| match &change.from {
        Some(from) => format!("{from} -> {}", change.path),
        None => change.path.clone(),
    });
    shown.collect()
}

fn all(repository: &Repository) -> Vec<CommitFacts> {
    let base = repository.head().unwrap().commit;
    let past = repository.past(&base, 10_000).unwrap();
    repository.commit_facts(&past).unwrap()
}

fn one(repository: &Repository, commit: &CommitId) -> CommitFacts {
    let facts = repository.commit_facts(std::slice::from_ref(commit)).unwrap();
    assert_eq!(facts.len(), 1);
    facts.into_iter().next().unwrap()
}

/// A clone as a user would make it.
fn clone(fixture: &Fixture, name: &str, options: &[&str]) -> PathBuf {
    let to = fixture.root.parent().unwrap().join(name);
    let url = format!("file://{}", fixture.root.display());
    let args = ["clone", "-q", "-c", "protocol.file.allow=always"].into_iter().chain(options.iter().copied());
    fixture.git_in(&fixture.root, args.chain([url.as_str(), to.to_str().unwrap()]));
    to
}

/// Some lines that differ in each file, so that likeness has something to say.
fn text(seed: usize) -> String {
    (0..40).map(|line| format!("line {line} of {}\n", seed * 7919)).collect()
}

with_each_git! {
    fn commits_are_told_newest_first_with_what_they_changed(fixture) {
        let root = fixture.head();
        fixture.write("src/new.rs", &text(1));
        fixture.write("a.txt", "changed\n");
        fs::remove_file(fixture.root.join("b.txt")).unwrap();
        let second = fixture.commit_all("second: of three words\n\nA body.\n\nSigned-off-by: Ada <a@example.com>");
        let third = fixture.commit_all("nothing changed");
        let repository = fixture.repository();
        let facts = all(&repository);
        assert_eq!(facts.iter().map(|facts| &facts.id).collect::<Vec<_>>(), [&third, &second, &root]);
        assert_eq!(changes(&facts[0]), [""; 0]);
        assert_eq!(changes(&facts[1]), ["a.txt", "b.txt", "src/new.rs"]);
        assert_eq!(changes(&facts[2]), [".gitignore", "a.txt", "b.txt", "src/lib.rs"]);
        assert_eq!(facts[1].message, "second: of three words\n\nA body.\n\nSigned-off-by: Ada <a@example.com>");
        assert_eq!((facts[1].seconds, facts[1].files), (1_000_000_000, 3));
        assert_eq!(repository.past(&third, 2).unwrap(), [third, second]);
    }

    fn merges_are_no_commits_of_the_past_but_ancestors(fixture) {
        let begin = fixture.head();
        fixture.git(["switch", "-q", "-c", "side"]);
        fixture.write("side", "1\n");
        let side = fixture.commit_all("on the side");
        fixture.git(["switch", "-q", "main"]);
        fixture.write("middle", "1\n");
        let middle = fixture.commit_all("in the middle");
        fixture.git(["merge", "-q", "--no-ff", "-m", "together", "side"]);
        let repository = fixture.repository();
        let past = repository.past(&fixture.head(), 10).unwrap();
        assert_eq!(past.len(), 3);
        assert!(!past.contains(&fixture.head()));
        let ancestors = repository.ancestors(&fixture.head(), 10).unwrap();
        assert_eq!(ancestors.len(), 4);
        assert_eq!((&ancestors[0].id, &ancestors[0].parents), (&fixture.head(), &vec![middle, side]));
        assert_eq!((&ancestors[3].id, ancestors[3].parents.len(), ancestors[3].cut), (&begin, 0, false));
    }

    fn renames_are_told_with_the_name_before(fixture) {
        fixture.write("old/name.rs", &text(1));
        fixture.write("old/other.rs", &text(2));
        fixture.commit_all("files to rename");
        fs::create_dir_all(fixture.root.join("new")).unwrap();
        fs::rename(fixture.root.join("old/name.rs"), fixture.root.join("new/name.rs")).unwrap();
        fs::rename(fixture.root.join("old/other.rs"), fixture.root.join("new/other.rs")).unwrap();
        fixture.write("new/other.rs", &format!("{}one more\n", text(2)));
        let commit = fixture.commit_all("they move");
        let facts = one(&fixture.repository(), &commit);
        assert_eq!(changes(&facts), ["old/name.rs -> new/name.rs", "old/other.rs -> new/other.rs"]);
        assert_eq!(facts.files, 2);
    }

    fn of_a_commit_through_everything_only_renames_are_told(fixture) {
        for number in 0..=MOST_FILES {
            fixture.write(&format!("many/{number}.txt"), &text(number));
        }
        fixture.write("move.txt", &text(1_000));
        let bulk = fixture.commit_all("many files");
        fs::rename(fixture.root.join("move.txt"), fixture.root.join("moved.txt")).unwrap();
        for number in 0..=MOST_FILES {
            fixture.write(&format!("many/{number}.txt"), "changed\n");
        }
        let moved = fixture.commit_all("and again");
        let repository = fixture.repository();
        let facts = one(&repository, &bulk);
        assert_eq!((facts.files, facts.changes.len()), (MOST_FILES + 2, 0));
        let facts = one(&repository, &moved);
        assert_eq!((facts.files, changes(&facts)), (MOST_FILES + 2, vec!["move.txt -> moved.txt".to_owned()]));
    }

    fn names_and_messages_of_any_bytes_are_read(fixture) {
        for name in ["-dash", "with space", "qu\"ote", "new\nline", ":100644", "ünï", "tab\t"] {
            fixture.write(name, "1\n");
        }
        // A name that is not UTF-8, and one that looks like the head of a commit.
        let raw = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff\xfe");
        fs::write(fixture.root.join(raw), "1\n").unwrap();
        let like_a_head = format!("{} 7\nx", "a".repeat(40));
        fixture.write(&like_a_head, "1\n");
        let message = fixture.root.with_file_name("message");
        fs::write(&message, b":100644 is a subject\n\n\xe4\xf6 is Latin\n").unwrap();
        fixture.git(["add", "-A"]);
        // An encoding that nobody knows: what lies there is what comes.
        let nobodys = "i18n.commitEncoding=x-nobodys";
        fixture.git(["-c", nobodys, "commit", "-q", "-F", message.to_str().unwrap()]);
        let next = fixture.commit_all("next");
        let facts = all(&fixture.repository());
        assert_eq!(facts[0].id, next);
        let mut expected = vec!["-dash", ":100644", &like_a_head, "new\nline", "qu\"ote", "tab\t", "with space", "ünï"];
        let mut told = changes(&facts[1]);
        told.sort();
        expected.sort_unstable();
        assert_eq!(told, expected);
        assert_eq!(facts[1].files, 9);
        assert_eq!(facts[1].message, ":100644 is a subject\n\n\u{fffd}\u{fffd} is Latin");
        assert_eq!(facts.len(), 3);
    }

    fn messages_are_recoded(fixture) {
        let message = fixture.root.with_file_name("message");
        fs::write(&message, b"gr\xfc\xdfe an alle\n").unwrap();
        let latin = ["-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-F", message.to_str().unwrap()];
        fixture.git(latin);
        let facts = one(&fixture.repository(), &fixture.head());
        assert_eq!(facts.message, "grüße an alle");
    }

    fn a_message_is_cut_off_somewhere(fixture) {
        let message = fixture.root.with_file_name("message");
        fs::write(&message, format!("subject\n\n{}", "ü".repeat(100_000))).unwrap();
        fixture.git(["commit", "-q", "--allow-empty", "-F", message.to_str().unwrap()]);
        let facts = one(&fixture.repository(), &fixture.head());
        assert!(facts.message.len() <= 8 * 1024 && facts.message.ends_with('ü'), "{}", facts.message.len());
    }

    fn what_the_user_has_configured_changes_nothing(fixture) {
        fixture.write("z/name.rs", &text(1));
        fixture.commit_all("a file");
        fs::rename(fixture.root.join("z/name.rs"), fixture.root.join("z/other.rs")).unwrap();
        fixture.write("a.txt", "changed\n");
        let commit = fixture.commit_all("it moves");
        let before = all(&fixture.repository());
        fixture.write("order", "z*\n*\n");
        for (key, value) in [
            ("diff.renames", "false"),
            ("diff.renameLimit", "0"),
            ("diff.noprefix", "true"),
            ("diff.orderFile", "order"),
            ("diff.ignoreSubmodules", "all"),
            ("diff.relative", "true"),
            ("diff.external", "/bin/false"),
            ("diff.wordRegex", "["),
            ("log.showSignature", "true"),
            ("log.date", "relative"),
            ("log.follow", "true"),
            ("log.showRoot", "false"),
            ("log.decorate", "full"),
            ("format.pretty", "oneline"),
            ("core.quotePath", "true"),
            ("core.abbrev", "5"),
            ("i18n.logOutputEncoding", "UTF-16"),
            ("notes.displayRef", "refs/notes/*"),
            ("color.ui", "always"),
        ] {
            fixture.git(["config", key, value]);
        }
        fixture.git(["notes", "add", "-m", "a note", commit.as_str()]);
        fixture.git(["replace", "--graft", commit.as_str()]);
        assert_eq!(all(&fixture.repository()), before);
        assert_eq!(changes(&before[0]), ["a.txt", "z/name.rs -> z/other.rs"]);
    }

    fn submodules_are_no_files(fixture) {
        let id = fixture.head();
        fixture.git(["update-index", "--add", "--cacheinfo", &format!("160000,{id},module")]);
        fixture.write("with", "1\n");
        fixture.git(["add", "with"]);
        fixture.git(["commit", "-q", "-m", "a submodule"]);
        let facts = one(&fixture.repository(), &fixture.head());
        assert_eq!((changes(&facts), facts.files), (vec!["with".to_owned()], 1));
    }

    fn at_the_rim_of_a_shallow_clone_nothing_is_told(fixture) {
        for number in 0..4 {
            fixture.write("a.txt", &format!("{number}\n"));
            fixture.commit_all("change a file");
        }
        let shallow = clone(fixture, "shallow", &["--depth=3"]);
        let facts = all(&fixture.repository_at(&shallow));
        assert_eq!(facts.len(), 2);
        assert!(facts.iter().all(|facts| changes(facts) == ["a.txt"]));
        let repository = fixture.repository_at(&shallow);
        let rim = repository.ancestors(&fixture.head(), 10).unwrap();
        assert_eq!(rim.iter().map(|ancestor| ancestor.cut).collect::<Vec<_>>(), [false, false, true]);
        // And where there is nothing else.
        let one = clone(fixture, "one", &["--depth=1"]);
        assert_eq!(all(&fixture.repository_at(&one)), []);
    }

    fn a_partial_clone_fetches_nothing(fixture) {
        fixture.git(["config", "uploadpack.allowFilter", "true"]);
        fixture.write("name.rs", &text(1));
        fixture.write("same.rs", &text(2));
        fixture.commit_all("files");
        fs::rename(fixture.root.join("name.rs"), fixture.root.join("other.rs")).unwrap();
        fs::rename(fixture.root.join("same.rs"), fixture.root.join("kept.rs")).unwrap();
        fixture.write("other.rs", &format!("{}one more\n", text(1)));
        fixture.commit_all("renamed and changed");
        let partial = clone(fixture, "partial", &["--filter=blob:none", "--no-checkout"]);
        let objects = || fixture.git_in(&partial, ["count-objects", "-v"]);
        let before = objects();
        let facts = all(&fixture.repository_at(&partial));
        assert_eq!(changes(&facts[0]), ["same.rs -> kept.rs", "name.rs", "other.rs"]);
        assert_eq!(objects(), before);
        let treeless = clone(fixture, "treeless", &["--filter=tree:0", "--no-checkout"]);
        assert_eq!(all(&fixture.repository_at(&treeless)), []);
    }

    fn what_is_damaged_is_left_out(fixture) {
        fixture.write("name.rs", &text(1));
        fixture.commit_all("a file");
        fs::rename(fixture.root.join("name.rs"), fixture.root.join("other.rs")).unwrap();
        fixture.write("other.rs", &format!("{}one more\n", text(1)));
        let renamed = fixture.commit_all("renamed and changed");
        fixture.write("later", "1\n");
        fixture.commit_all("later");
        // Without the content, likeness cannot be told; all else can.
        forget(fixture, &fixture.git(["rev-parse", &format!("{renamed}^:name.rs")]));
        let facts = all(&fixture.repository());
        assert_eq!(facts.iter().map(changes).collect::<Vec<_>>()[..2], [vec!["later"], vec!["name.rs", "other.rs"]]);
        assert_eq!(facts.len(), 4);
        // Without the tree, this commit and the next cannot.
        forget(fixture, &fixture.git(["rev-parse", &format!("{renamed}^{{tree}}")]));
        let facts = all(&fixture.repository());
        assert_eq!(facts.iter().map(changes).collect::<Vec<_>>()[0], ["name.rs"]);
        assert_eq!(facts.len(), 2);
    }
}

fn forget(fixture: &Fixture, object: &str) {
    let path = Path::new(&fixture.root).join(".git/objects").join(&object[..2]).join(&object[2..]);
    fs::remove_file(path).unwrap();
}
