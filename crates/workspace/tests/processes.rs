//! How often git is started: each start costs milliseconds, and a run has many tasks.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::path::Path;

use gadugi_core::{Composition, MergeStrategy};
use gadugi_workspace::{Removal, Repository};
use support::{Fixture, executable, read, write};

/// An environment whose git writes down each of its starts, and the file that it writes to.
fn counted(fixture: &Fixture) -> (Vec<(std::ffi::OsString, std::ffi::OsString)>, std::path::PathBuf) {
    let path = fixture.env().into_iter().find(|(name, _)| name == "PATH").unwrap().1;
    let path = path.to_str().unwrap();
    let git = path.split(':').map(|folder| Path::new(folder).join("git")).find(|git| git.exists()).unwrap();
    let (bin, calls) = (fixture.home().join("bin"), fixture.home().join("calls"));
    let text = format!("#!/bin/sh\necho \"$*\" >> '{}'\nexec '{}' \"$@\"\n", calls.display(), git.display());
    executable(&bin.join("git"), &text);
    (fixture.with_env("PATH", &format!("{}:{path}", bin.display())), calls)
}

/// What git was started for since the last time.
fn starts(calls: &Path) -> Vec<String> {
    let started = read(calls).lines().map(str::to_owned).collect();
    write(calls, "");
    started
}

with_each_git! {
    fn a_simple_task_takes_few(fixture) {
        let (env, calls) = counted(fixture);
        let repository = Repository::discover_in(&fixture.root, env).unwrap();
        assert_eq!(starts(&calls).len(), 2, "its version, and where it is");
        let base = repository.head().unwrap().commit;
        let mut tip = repository.open_integration("gadugi/run", &base).unwrap();
        starts(&calls);
        for (n, name) in ["one", "two", "three"].into_iter().enumerate() {
            let request = gadugi_workspace::WorktreeRequest { base: base.clone(), ..fixture.request(name) };
            let made = repository.add_worktree(&request).unwrap();
            write(&made.path.join(name), "work\n");
            let work = repository.collect(&made.path, &request.branch, &base, "work").unwrap().work;
            assert!(work.committed_rest && work.changed == [name]);
            let Composition::Clean(to) = repository.compose(&tip, &work.commit, "merge", MergeStrategy::Merge, None) else { panic!() };
            repository.advance("gadugi/run", &tip, &to).unwrap();
            tip = to;
            assert_eq!(repository.remove_worktree(&made.path, &request.branch, &tip).unwrap(), Removal::Removed);
            let started = starts(&calls);
            assert!(started.len() <= if n == 0 { 17 } else { 13 }, "{started:#?}");
        }
        // Whoever knows nothing yet comes to the same.
        let made = fixture.worktree("four");
        write(&made.path.join("four"), "work\n");
        let work = fixture.repository().collect(&made.path, "feature/four", &fixture.head(), "work").unwrap().work;
        let Composition::Clean(to) = fixture.repository().compose(&tip, &work.commit, "m", MergeStrategy::Merge, None) else { panic!() };
        let again = fixture.repository().compose(&to, &work.commit, "m", MergeStrategy::Merge, None);
        assert_eq!(again, Composition::Clean(to.clone()));
        assert_eq!(fixture.repository().remove_worktree(&made.path, "feature/four", &to).unwrap(), Removal::Removed);
    }

    fn a_commits_files_are_listed_once(fixture) {
        let (env, calls) = counted(fixture);
        let repository = Repository::discover_in(&fixture.root, env).unwrap();
        let head = fixture.head();
        for _ in 0..2 {
            assert!(repository.has_path(&head, "src/lib.rs").unwrap());
            assert!(!repository.has_path(&head, "none").unwrap());
        }
        assert_eq!(starts(&calls).iter().filter(|call| call.starts_with("ls-tree")).count(), 2);
        repository.tree_files(&head).unwrap();
        starts(&calls);
        for (path, there) in [("src", true), ("src/lib.rs", true), ("a.txt", true), ("sr", false), ("a.txt/x", false)] {
            assert_eq!(repository.has_path(&head, path).unwrap(), there, "{path}");
        }
        assert_eq!(repository.read_blob(&head, "src").unwrap(), None);
        assert_eq!(starts(&calls), Vec::<String>::new());
        assert_eq!(repository.read_blob(&head, "b.txt").unwrap().unwrap(), b"b\n");
        fixture.write("later", "x");
        assert!(repository.has_path(&fixture.commit_all("later"), "later").unwrap());
    }

    fn what_was_asked_once_is_asked_again_when_it_changed(fixture) {
        let (env, calls) = counted(fixture);
        let env = env.into_iter().filter(|(name, _)| !name.to_string_lossy().starts_with("GIT_AUTHOR")).collect();
        let repository = Repository::discover_in(&fixture.root, env).unwrap();
        let base = fixture.head();
        let file = fixture.home().join("included");
        let author = |name: &str| {
            write(&file, &format!("[user]\n\tname = {name}\n"));
            let made = fixture.worktree("one");
            write(&made.path.join("new"), name);
            let work = repository.collect(&made.path, "feature/one", &base, "work").unwrap().work;
            fixture.git(["log", "-1", "--format=%an", work.commit.as_str()])
        };
        fixture.git(["config", "include.path", file.to_str().unwrap()]);
        assert_eq!(author("Grace"), "Grace");
        assert_eq!(author("Katherine"), "Katherine");
        fixture.git(["config", "user.name", "Joan"]);
        assert_eq!(author("Dorothy"), "Joan", "the repository's own comes later");
        starts(&calls);
        assert_eq!(author("Dorothy"), "Joan");
        assert!(!starts(&calls).iter().any(|call| call.starts_with("config")));
        // What kept the folder for worktrees out of `git status` went away.
        let folder = fixture.root.join(".worktrees");
        let two = repository.add_worktree(&fixture.request("two")).unwrap();
        assert_eq!(repository.remove_worktree(&two.path, "feature/two", &base).unwrap(), Removal::Removed);
        std::fs::remove_file(folder.join(".gitignore")).unwrap();
        repository.add_worktree(&fixture.request("three")).unwrap();
        assert!(folder.join(".gitignore").exists());
        assert_eq!(fixture.git(["status", "--porcelain"]), "");
    }
}
