//! Sealed workspaces as agents leave them, collected, salvaged, looked at and put away.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use gadugi_core::CommitId;
use gadugi_workspace::{
    Error, ExportKind, ExportRequest, ImportError, KeptReason, Removal, Salvaging, Stray,
};
use support::sealed::{Cell, request, store};
use support::{executable, read, write};

with_each_git! {
    fn it_is_a_repository_of_its_own_with_one_branch(fixture) {
        fixture.git(["branch", "user"]);
        fixture.git(["tag", "v1"]);
        let secret = fixture.commit_all("another commit of the user's");
        fixture.git(["reset", "-q", "--hard", "HEAD^"]);
        let cell = Cell::new(fixture, "one");
        assert_eq!(cell.git(["status", "--porcelain", "--branch"]), "## feature/one");
        assert_eq!(cell.git(["for-each-ref", "--format=%(refname)"]), "refs/heads/feature/one");
        assert_eq!(cell.git(["log", "--format=%s"]), "begin");
        assert_eq!(cell.git(["fsck", "--strict"]), "");
        assert_eq!(cell.git(["remote"]), "");
        assert_eq!(cell.git(["config", "user.email"]), "ada@example.com");
        assert!(!fixture.output_in(cell.path(), ["cat-file", "-e", secret.as_str()]).status.success());
        assert_eq!(fixture.tip(&fixture.root, "feature/one"), cell.base);
        assert_eq!(cell.made.commit, cell.base);
        assert_eq!(read(&cell.path().join("a.txt")), "one\ntwo\nthree\n");
        let hooks = store(fixture).join("hooks");
        assert!(!hooks.exists() && !store(fixture).join("objects/info/alternates").exists());
        assert_eq!(fixture.git(["status", "--porcelain"]), "");
    }

    fn what_is_uncommitted_is_committed(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("a.txt", "changed\n");
        cell.write("new/-dash \"q\"\n", "new\n");
        cell.write("new/ünï", "new\n");
        cell.write("x.log", "ignored\n");
        executable(&cell.path().join("src/lib.rs"), "// lib\n");
        fs::remove_file(cell.path().join("b.txt")).unwrap();
        symlink("/etc/passwd", cell.path().join("link")).unwrap();
        let before = fixture.everything();
        let imported = cell.collect();
        support::assert_same(&fixture.everything(), &before);
        let work = &imported.collection.work;
        assert!(work.committed_rest);
        assert_eq!((&imported.collection.stray, &imported.kept), (&None, &None));
        assert_eq!(work.changed, ["a.txt", "b.txt", "link", "new/-dash \"q\"\n", "new/ünï", "src/lib.rs"]);
        assert_eq!(fixture.tip(&fixture.root, "feature/one"), work.commit);
        assert_eq!(fixture.git(["log", "-1", "--format=%P %an <%ae> %cn %B", "feature/one"]), format!("{} Ada <ada@example.com> Ada gadugi: work\n\nbody", cell.base));
        assert_eq!(fixture.show("feature/one:a.txt"), "changed");
        assert_eq!(fixture.show("feature/one:link"), "/etc/passwd");
        assert_eq!(fixture.git(["fsck", "--strict", "--no-dangling"]), "");
        // The workspace stands on that commit too, so that its agent can go on.
        assert_eq!(fixture.tip(cell.path(), "HEAD"), work.commit);
        assert_eq!(cell.git(["status", "--porcelain"]), "");
        let again = cell.collect();
        assert_eq!((&again.collection.work.commit, again.collection.work.committed_rest), (&work.commit, false));
        assert_eq!(again.collection.work.changed, work.changed);
        cell.write("more", "2\n");
        let more = cell.collect().collection.work;
        assert_eq!(fixture.tip(&fixture.root, "feature/one^"), work.commit);
        assert!(more.changed.contains(&"more".to_owned()));
    }

    fn the_agents_own_commits_are_taken(fixture) {
        let cell = Cell::new(fixture, "one");
        assert_eq!(cell.collect().collection.work, gadugi_core::Collected { commit: cell.base.clone(), changed: vec![], committed_rest: false });
        cell.write("new", "1\n");
        let first = cell.commit("by the agent");
        let collected = cell.collect().collection;
        assert_eq!((&collected.work.commit, collected.work.committed_rest, &collected.stray), (&first, false, &None));
        assert_eq!(collected.work.changed, ["new"]);
        // It rewrites what was taken before.
        cell.write("new", "2\n");
        cell.git(["commit", "-q", "-a", "--amend", "-m", "better"]);
        let amended = fixture.tip(cell.path(), "HEAD");
        assert_eq!(cell.collect().collection.work.commit, amended);
        assert_eq!(fixture.tip(&fixture.root, "feature/one"), amended);
    }

    fn a_hundred_commits_and_many_files_come_as_a_pack(fixture) {
        let cell = Cell::new(fixture, "one");
        for n in 0..150 {
            cell.write(&format!("many/{n}.txt"), &format!("{n}\n"));
        }
        let commit = cell.commit("many");
        assert_eq!(cell.collect().collection.work.commit, commit);
        assert_eq!(fixture.git(["fsck", "--strict", "--no-dangling"]), "");
    }

    fn heads_that_left_the_branch_are_followed(fixture) {
        for (how, stray) in [("--detach", Stray::Detached), ("-bmine", Stray::OtherBranch("mine".into()))] {
            let cell = Cell::new(fixture, if stray == Stray::Detached { "one" } else { "two" });
            cell.git(["checkout", "-q", how]);
            cell.write("new", "1\n");
            let head = cell.commit("elsewhere");
            cell.write("rest", "2\n");
            let collected = cell.collect().collection;
            assert_eq!(collected.stray, Some(stray));
            assert_eq!(collected.work.changed, ["new", "rest"]);
            assert!(collected.work.committed_rest);
            assert_eq!(fixture.tip(&fixture.root, &format!("{}^", cell.branch())), head);
        }
        let cell = Cell::new(fixture, "three");
        cell.write("new", "1\n");
        let commit = cell.commit("on the branch");
        cell.git(["checkout", "-q", "HEAD^"]);
        let collected = cell.collect().collection;
        assert_eq!((collected.work.commit, collected.stray), (commit, Some(Stray::Detached)));
        cell.write("other", "1\n");
        cell.commit("both go on");
        cell.export();
        assert!(matches!(cell.import(), Err(ImportError::Git(Error::Strayed { .. }))));
    }

    fn rewritten_histories_join_or_lose_nothing(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.git(["commit", "-q", "--amend", "-m", "the base, rewritten"]);
        cell.write("new", "1\n");
        // Related only where the histories have something in common: here the base is the first commit of all.
        let head = cell.commit("new");
        let imported = cell.collect();
        assert_eq!(imported.collection.stray, Some(Stray::Rewritten));
        assert_eq!(imported.collection.work.changed, ["new"]);
        assert_eq!(fixture.git(["log", "-1", "--format=%P", "feature/one"]), cell.base.as_str());
        let kept = imported.kept.unwrap();
        fixture.git(["merge-base", "--is-ancestor", head.as_str(), &kept.reference]);

        fixture.commit_all("a second commit");
        let cell = Cell::new(fixture, "two");
        cell.git(["commit", "-q", "--amend", "--allow-empty", "-m", "the base, rewritten"]);
        cell.write("new", "1\n");
        let head = cell.commit("new");
        let imported = cell.collect();
        assert_eq!((imported.collection.stray, imported.kept), (Some(Stray::Rewritten), None));
        assert_eq!(fixture.git(["log", "-1", "--format=%P", "feature/two"]), format!("{} {head}", cell.base));
    }

    fn a_branch_begun_anew_is_put_on_the_base(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("new", "1\n");
        cell.git(["update-ref", "-d", "refs/heads/feature/one"]);
        let collected = cell.collect().collection;
        assert_eq!((collected.stray, &collected.work.changed[..]), (Some(Stray::Rewritten), &["new".to_owned()][..]));
        assert_eq!(fixture.git(["log", "-1", "--format=%P", "feature/one"]), cell.base.as_str());
    }

    fn a_repository_that_is_gone_leaves_its_files(fixture) {
        for (name, replace) in [
            ("gone", None),
            ("file", Some("gitdir: /nowhere\n")),
            ("broken", Some("")),
        ] {
            let cell = Cell::new(fixture, name);
            cell.write("new", "1\n");
            if name == "broken" {
                fs::write(cell.path().join(".git/config"), "[nonsense").unwrap();
            } else {
                fs::remove_dir_all(cell.path().join(".git")).unwrap();
                replace.inspect(|text| write(&cell.path().join(".git"), text));
            }
            let collected = cell.collect().collection;
            assert_eq!(collected.work.changed, ["new"], "{name}");
            assert_eq!(collected.stray, Some(Stray::Rewritten), "{name}");
        }
    }

    fn objects_that_are_gone_cost_the_history_and_not_the_files(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("new", "1\n");
        cell.commit("new");
        let blob = cell.git(["rev-parse", "HEAD:new"]);
        fs::remove_file(cell.path().join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
        let tree = cell.git(["rev-parse", "HEAD^{tree}"]);
        fs::remove_file(cell.path().join(".git/objects").join(&tree[..2]).join(&tree[2..])).unwrap();
        let collected = cell.collect().collection;
        assert_eq!(collected.work.changed, ["new"]);
        assert_eq!(fixture.show("feature/one:new"), "1");
    }

    fn locks_of_a_killed_git_are_no_obstacle(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("new", "1\n");
        for name in ["index.lock", "HEAD.lock", "refs/heads/feature/one.lock"] {
            write(&cell.path().join(".git").join(name), "");
        }
        assert_eq!(cell.collect().collection.work.changed, ["new"]);
        cell.git(["commit", "-q", "--allow-empty", "-m", "goes on"]);
    }

    fn what_an_index_hides_is_seen(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.git(["update-index", "--assume-unchanged", "a.txt"]);
        cell.git(["update-index", "--skip-worktree", "b.txt"]);
        cell.write("a.txt", "changed\n");
        cell.write("b.txt", "changed\n");
        assert_eq!(cell.collect().collection.work.changed, ["a.txt", "b.txt"]);
    }

    fn broken_and_shared_indices_are_made_anew(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("new", "1\n");
        write(&cell.path().join(".git/index"), "nonsense");
        assert_eq!(cell.collect().collection.work.changed, ["new"]);
        cell.git(["update-index", "--split-index"]);
        cell.write("more", "1\n");
        cell.git(["add", "more"]);
        assert_eq!(cell.collect().collection.work.changed, ["more", "new"]);
    }

    fn unfinished_operations_are_refused_and_salvaged(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("a.txt", "ours\n");
        cell.commit("ours");
        cell.git(["checkout", "-q", "-b", "side", "HEAD^"]);
        cell.write("a.txt", "theirs\n");
        let theirs = cell.commit("theirs");
        cell.git(["checkout", "-q", "feature/one"]);
        assert!(!fixture.output_in(cell.path(), ["merge", "side"]).status.success());
        cell.export();
        assert!(matches!(cell.import(), Err(ImportError::Git(Error::MidOperation { operation: "merge", .. }))));
        let Salvaging::Kept(kept) = cell.salvage() else { panic!("nothing kept") };
        assert!(fixture.show(&format!("{}:a.txt", kept.reference)).contains("<<<<<<<"));
        fixture.git(["merge-base", "--is-ancestor", theirs.as_str(), &kept.reference]);
    }

    fn repositories_inside_are_refused_and_their_files_salvaged(fixture) {
        let cell = Cell::new(fixture, "one");
        for (folder, commits) in [("nested", true), ("empty", false), ("nested/deeper", true)] {
            let folder = cell.path().join(folder);
            write(&folder.join("file"), "1\n");
            fixture.git_in(&folder, ["init", "-q"]);
            if commits {
                fixture.git_in(&folder, ["add", "file"]);
                fixture.git_in(&folder, ["commit", "-q", "-m", "nested"]);
            }
        }
        cell.export();
        let Err(ImportError::Git(Error::NestedRepositories { mut nested, .. })) = cell.import() else { panic!() };
        nested.sort();
        assert_eq!(nested, ["empty", "nested"]);
        let Salvaging::Kept(kept) = cell.salvage() else { panic!("nothing kept") };
        for file in ["nested/file", "empty/file", "nested/deeper/file"] {
            assert_eq!(fixture.show(&format!("{}:{file}", kept.reference)), "1", "{file}");
        }
        assert_eq!(kept.left_out.len(), 2, "{:?}", kept.left_out);
        // One that the agent committed as a pointer.
        fs::remove_dir_all(cell.path().join("empty")).unwrap();
        fs::remove_dir_all(cell.path().join("nested/deeper")).unwrap();
        fixture.output_in(cell.path(), ["add", "-A"]);
        cell.git(["commit", "-q", "-m", "a pointer"]);
        cell.export();
        assert!(matches!(cell.import(), Err(ImportError::Git(Error::NestedRepositories { .. }))));
        let Salvaging::Kept(kept) = cell.salvage() else { panic!("nothing kept") };
        assert_eq!(fixture.show(&format!("{}:nested/file", kept.reference)), "1");
    }

    fn a_salvage_holds_files_commits_branches_and_stashes(fixture) {
        let cell = Cell::new(fixture, "one");
        assert_eq!(cell.salvage(), Salvaging::Nothing);
        cell.write("stashed", "1\n");
        cell.git(["stash", "-q", "-u"]);
        let stash = fixture.tip(cell.path(), "refs/stash");
        cell.git(["checkout", "-q", "-b", "side"]);
        cell.write("side", "1\n");
        let side = cell.commit("side");
        cell.git(["checkout", "-q", "feature/one"]);
        cell.write("dropped", "1\n");
        let dropped = cell.commit("dropped");
        cell.git(["reset", "-q", "--hard", "HEAD^"]);
        cell.write("done", "1\n");
        let done = cell.commit("done");
        cell.write("rest", "1\n");
        let index = fs::read(cell.path().join(".git/index")).unwrap();
        let Salvaging::Kept(kept) = cell.salvage() else { panic!("nothing kept") };
        assert_eq!(fs::read(cell.path().join(".git/index")).unwrap(), index);
        assert_eq!(fixture.tip(cell.path(), "HEAD"), done);
        assert_eq!(kept.reference, gadugi_workspace::salvage_ref(&cell.attempt));
        assert_eq!((kept.files, &kept.left_out[..]), (1, &[][..]));
        assert_eq!(fixture.git(["diff", "--name-only", &format!("{}^", kept.reference), &kept.reference]), "rest");
        for commit in [&stash, &side, &dropped, &done] {
            fixture.git(["merge-base", "--is-ancestor", commit.as_str(), &kept.reference]);
        }
        assert_eq!(cell.salvage(), Salvaging::Kept(kept.clone()), "asked again");
        fs::remove_file(cell.path().join("rest")).unwrap();
        cell.write("other", "1\n");
        let Salvaging::Kept(second) = cell.salvage() else { panic!("nothing kept") };
        fixture.git(["merge-base", "--is-ancestor", kept.commit.as_str(), second.commit.as_str()]);
        assert_eq!(cell.repository.salvages().unwrap().len(), 1);
        assert_eq!(fixture.tip(&fixture.root, "feature/one"), cell.base);
    }

    fn work_left_elsewhere_is_kept_beside_what_is_collected(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.git(["checkout", "-q", "-b", "side"]);
        cell.write("side", "1\n");
        let side = cell.commit("side");
        cell.git(["checkout", "-q", "feature/one"]);
        cell.write("done", "1\n");
        let imported = cell.collect();
        assert_eq!(imported.collection.work.changed, ["done"]);
        let kept = imported.kept.unwrap();
        fixture.git(["merge-base", "--is-ancestor", side.as_str(), &kept.reference]);
    }

    fn a_look_is_a_patch_and_moves_nothing(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("a.txt", "one\n2\nthree\n");
        cell.commit("by the agent");
        cell.write("new", "new\n");
        let refs = fixture.git(["for-each-ref"]);
        let objects = cell.objects();
        let patch = cell.diff();
        assert!(patch.contains("-two\n+2\n") && patch.contains("+++ b/new\n"), "{patch}");
        assert_eq!(fixture.git(["for-each-ref"]), refs);
        assert_eq!(cell.objects(), objects);
        assert_eq!(cell.git(["status", "--porcelain"]), "?? new");
    }

    fn files_that_cannot_be_read_are_named(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("new", "1\n");
        // Even the superuser opens no such thing.
        symlink("loop", cell.path().join("loop")).unwrap();
        std::os::unix::net::UnixListener::bind(cell.path().join("socket")).unwrap();
        assert_eq!(cell.collect().collection.work.changed, ["loop", "new"]);
    }

    fn what_a_container_lacks_is_said_by_a_word(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("new", "1\n");
        let nowhere = fixture.temp.path().join("nowhere");
        let fine = cell.export_request(ExportKind::Look);
        let word_of = |request: &ExportRequest, env: &[_]| {
            assert!(cell.export_as(request, env).status.success());
            cell.refused().word()
        };
        let env = fixture.env();
        assert_eq!(word_of(&ExportRequest { workspace: nowhere.clone(), ..fine.clone() }, &env), "no-workspace");
        assert_eq!(word_of(&ExportRequest { store: nowhere.clone(), ..fine.clone() }, &env), "no-store");
        assert_eq!(word_of(&ExportRequest { scratch: nowhere, ..fine.clone() }, &env), "no-room");
        // All that the script calls but git; then one that cannot run.
        let bin = fixture.temp.path().join("bin");
        fs::create_dir_all(&bin).unwrap();
        for tool in ["sh", "env", "sed", "mktemp", "rm", "mkdir", "cat", "cp", "mv", "tr", "grep", "head", "sort", "find", "cut"] {
            symlink(format!("/usr/bin/{tool}"), bin.join(tool)).unwrap();
        }
        let env = fixture.with_env("PATH", bin.to_str().unwrap());
        assert_eq!(word_of(&fine, &env), "no-git");
        executable(&bin.join("git"), "#!/bin/sh\nexit 127\n");
        assert_eq!(word_of(&fine, &env), "bad-git");
        // With git there, those tools are enough.
        fs::remove_file(bin.join("git")).unwrap();
        symlink("/usr/bin/git", bin.join("git")).unwrap();
        assert!(cell.export_as(&fine, &env).status.success());
        assert_eq!(cell.import().unwrap().collection.work.changed, ["new"]);
        // One that was killed in the middle of its output.
        let whole = fs::read(&cell.exported).unwrap();
        fs::write(&cell.exported, &whole[..whole.len() - 30]).unwrap();
        assert_eq!(cell.refused().word(), "truncated");
    }

    fn a_second_call_gives_what_is_there_and_a_broken_off_one_is_made_anew(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("new", "1\n");
        let again = cell.repository.add_sealed(&cell.request).unwrap();
        assert_eq!(again, cell.made);
        assert_eq!(read(&cell.path().join("new")), "1\n");
        let other = gadugi_workspace::SealedRequest { branch: "feature/other".into(), ..cell.request.clone() };
        assert!(matches!(cell.repository.add_sealed(&other), Err(Error::PathInUse { .. })));
        // As a crash in the middle leaves it.
        let marker = marker(fixture);
        let text = fs::read_to_string(&marker).unwrap().replacen("ready", "preparing", 1);
        fs::write(&marker, text).unwrap();
        fs::remove_dir_all(cell.path().join(".git/objects")).unwrap();
        cell.repository.add_sealed(&cell.request).unwrap();
        assert!(!cell.path().join("new").exists());
        assert_eq!(cell.git(["status", "--porcelain"]), "");
        // Its folder was taken away.
        fs::remove_dir_all(cell.path()).unwrap();
        cell.repository.add_sealed(&cell.request).unwrap();
        assert_eq!(cell.git(["status", "--porcelain"]), "");
    }

    fn what_is_somebody_elses_is_not_taken(fixture) {
        let repository = fixture.repository();
        write(&fixture.root.join(".worktrees/r/one/file"), "mine\n");
        let wanted = request(fixture, "one");
        assert!(matches!(repository.add_sealed(&wanted), Err(Error::PathInUse { .. })));
        fixture.git(["branch", "feature/two"]);
        assert!(matches!(repository.add_sealed(&request(fixture, "two")), Err(Error::BranchInUse { .. })));
        let path = fixture.root.join(".worktrees/r/three");
        symlink(fixture.home(), &path).unwrap();
        assert!(matches!(repository.add_sealed(&request(fixture, "three")), Err(Error::PathInUse { .. })));
        assert!(!fixture.home().join(".git").exists());
    }

    fn included_files_are_copied_and_given(fixture) {
        fixture.write(".env", "SECRET=1\n");
        fixture.write("x.log", "no\n");
        let mut wanted = request(fixture, "one");
        wanted.include = vec![".env".into(), "a.txt".into()];
        let root = rustix::process::geteuid().is_root();
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        wanted.owner = Some(if root { (10_001, 10_002) } else { own });
        let cell = Cell::with(fixture, wanted, "one");
        assert_eq!(read(&cell.path().join(".env")), "SECRET=1\n");
        assert!(!cell.path().join("x.log").exists());
        let owner = cell.request.owner.unwrap();
        for name in [".", ".env", "a.txt", ".git", ".git/index", ".git/HEAD", "src/lib.rs"] {
            let meta = fs::symlink_metadata(cell.path().join(name)).unwrap();
            assert_eq!((meta.uid(), meta.gid()), owner, "{name}");
        }
        assert_eq!(fs::metadata(fixture.root.join(".env")).unwrap().uid(), own.0);
    }

    fn ignored_files_of_the_users_own_stay_ignored(fixture) {
        write(&fixture.root.join(".git/info/exclude"), "*.mine\n");
        write(&fixture.home().join(".config/git/ignore"), ".DS_Store\n");
        let cell = Cell::new(fixture, "one");
        for name in ["x.mine", ".DS_Store", "x.log", "new"] {
            cell.write(name, "1\n");
        }
        assert_eq!(cell.git(["status", "--porcelain"]), "?? new");
        assert_eq!(cell.collect().collection.work.changed, ["new"]);
    }

    fn an_export_that_finds_no_room_says_so(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("new", "1\n");
        let mut seed = 1_u64;
        let noise = (0..2_000_000).map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + u8::try_from((seed >> 33) % 90).unwrap())
        });
        let noise: String = noise.collect();
        cell.write("noise", &noise);
        for room in ["64k", "512k"] {
            cell.export_within(room);
            assert_eq!(cell.header(), "gadugi-export 1\nstatus no-room", "{room}");
        }
        cell.export_within("64m");
        assert_eq!(cell.import().unwrap().collection.work.changed, ["new", "noise"]);
    }

    fn the_store_grows_and_is_made_once(fixture) {
        let repository = fixture.repository();
        let (first, store) = (fixture.head(), store(fixture));
        // As a narrow umask makes it.
        fs::create_dir_all(store.join("objects/pack")).unwrap();
        for folder in ["", "objects", "objects/pack"] {
            fs::set_permissions(store.join(folder), fs::Permissions::from_mode(0o700)).unwrap();
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // A thread with a umask of its own, which its git takes over.
                    #[expect(deprecated, reason = "of a thread's umask nothing else of it depends")]
                    rustix::thread::unshare(rustix::thread::UnshareFlags::FS).unwrap();
                    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
                    repository.seal_store(&store, std::slice::from_ref(&first)).unwrap();
                });
            }
        });
        let packs = || fs::read_dir(store.join("objects/pack")).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".pack")
        }).count();
        assert_eq!(packs(), 1);
        for name in ["", "objects", "objects/pack", "info/exclude"] {
            assert_eq!(fs::metadata(store.join(name)).unwrap().permissions().mode() & 0o044, 0o044, "{name}");
        }
        fixture.write("c.txt", "c\n");
        let second = fixture.commit_all("second");
        // As a crash in the middle leaves it.
        write(&store.join("objects/pack/tmp_pack_x"), "half");
        repository.seal_store(&store, &[first, second]).unwrap();
        assert_eq!(packs(), 2);
        assert!(!store.join("objects/pack/tmp_pack_x").exists());
        assert_eq!(fixture.git_in(&store, ["rev-list", "--count", "--all"]), "2");
        assert_eq!(fixture.git_in(&store, ["fsck", "--strict"]), "");
        let bad = CommitId::new("0123456789012345678901234567890123456789");
        assert!(matches!(repository.seal_store(&store, &[bad]), Err(Error::BadRevision { .. })));
    }

    fn only_what_was_taken_is_removed(fixture) {
        let cell = Cell::new(fixture, "one");
        let remove = |untouched| cell.repository.remove_sealed(cell.path(), cell.branch(), &fixture.head(), untouched).unwrap();
        let kept = |reason| Removal::Kept { reason };
        assert_eq!(remove(false), kept(KeptReason::NotTaken));
        cell.write("new", "1\n");
        let commit = cell.collect().collection.work.commit;
        assert_eq!(remove(false), kept(KeptReason::Unmerged));
        fixture.git(["merge", "-q", "--ff-only", commit.as_str()]);
        cell.repository.open_sealed(cell.path()).unwrap();
        assert_eq!(remove(false), kept(KeptReason::NotTaken), "somebody was let in");
        cell.collect();
        assert!(matches!(cell.repository.remove_sealed(cell.path(), "other", &commit, false).unwrap(), Removal::Kept { reason: KeptReason::NotOurs }));
        let info = cell.repository.sealed_workspaces();
        assert_eq!((info.len(), info[0].taken, info[0].there), (1, true, true));
        assert!(cell.repository.unknown_folders(&fixture.root.join(".worktrees"), |_| true).unwrap().is_empty());
        // What an agent may do to its folders.
        fs::create_dir_all(cell.path().join("target/locked/inner")).unwrap();
        fs::set_permissions(cell.path().join("target/locked"), fs::Permissions::from_mode(0o000)).unwrap();
        symlink(fixture.home(), cell.path().join("home")).unwrap();
        write(&fixture.home().join("mine"), "1\n");
        assert_eq!(remove(false), Removal::Removed);
        assert!(!cell.path().exists() && fixture.home().join("mine").exists());
        assert_eq!(remove(false), Removal::Removed);
        assert_eq!(cell.repository.sealed_workspaces(), []);
        // One that somebody deleted.
        let cell = Cell::new(fixture, "three");
        assert!(!cell.repository.forget_sealed(cell.path()).unwrap());
        fs::remove_dir_all(cell.path()).unwrap();
        assert!(cell.repository.forget_sealed(cell.path()).unwrap());
        assert!(!cell.repository.forget_sealed(cell.path()).unwrap());
        assert_eq!(cell.repository.sealed_workspaces(), []);
        // One that nobody was let into.
        let cell = Cell::new(fixture, "two");
        assert_eq!(cell.repository.remove_sealed(cell.path(), cell.branch(), &fixture.head(), true).unwrap(), Removal::Removed);
    }

    fn submodules_of_the_main_worktree_are_there_and_nothing_else_of_them(fixture) {
        let module = fixture.temp.path().join("module");
        write(&module.join("lib.c"), "1\n");
        fixture.git_in(&module, ["init", "-q", "-b", "main"]);
        let commit = fixture.commit_all_in(&module, "module");
        write(&module.join("secret"), "1\n");
        fixture.git_in(&module, ["checkout", "-q", "-b", "private"]);
        fixture.commit_all_in(&module, "private");
        fixture.git_in(&module, ["checkout", "-q", "main"]);
        fixture.git_in(&fixture.root, ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", module.to_str().unwrap(), "sub dir"]);
        fixture.commit_all("with a submodule");
        let cell = Cell::new(fixture, "one");
        assert_eq!(read(&cell.path().join("sub dir/lib.c")), "1\n");
        assert_eq!(fixture.git_in(&cell.path().join("sub dir"), ["rev-list", "--all", "HEAD"]), commit.as_str());
        assert_eq!(cell.git(["status", "--porcelain"]), "");
        cell.write("new", "1\n");
        assert_eq!(cell.collect().collection.work.changed, ["new"]);
        // A commit that nobody else has.
        write(&cell.path().join("sub dir/lib.c"), "2\n");
        fixture.commit_all_in(&cell.path().join("sub dir"), "inside");
        cell.export();
        assert!(matches!(cell.import(), Err(ImportError::Git(Error::NestedRepositories { .. }))), "{}", cell.header());
    }

    fn lfs_is_refused_by_name(fixture) {
        fixture.write(".gitattributes", "*.bin filter=lfs -text\n");
        fixture.commit_all("lfs");
        assert!(matches!(fixture.repository().add_sealed(&request(fixture, "one")), Err(Error::LfsSealed)));
    }

    fn filters_and_line_ends_of_the_user_do_not_count(fixture) {
        fixture.git(["config", "core.autocrlf", "true"]);
        fixture.git(["config", "filter.up.smudge", "tr a-z A-Z"]);
        fixture.git(["config", "filter.up.clean", "tr A-Z a-z"]);
        fixture.write(".gitattributes", "b.txt filter=up\nwin.txt text eol=crlf\n");
        fixture.write("win.txt", "1\r\n2\r\n");
        fixture.commit_all("attributes");
        let cell = Cell::new(fixture, "one");
        assert_eq!(read(&cell.path().join("a.txt")), "one\ntwo\nthree\n");
        assert_eq!(read(&cell.path().join("b.txt")), "b\n");
        assert_eq!(read(&cell.path().join("win.txt")), "1\r\n2\r\n");
        assert_eq!(cell.collect().collection.work.changed, [] as [&str; 0]);
        cell.write("win.txt", "1\r\n3\r\n");
        assert_eq!(cell.collect().collection.work.changed, ["win.txt"]);
        assert_eq!(fixture.git(["cat-file", "-p", "feature/one:win.txt"]), "1\n3");
    }

    fn a_shallow_repository_is_enough(fixture) {
        fixture.write("c.txt", "c\n");
        fixture.commit_all("second");
        let shallow = fixture.temp.path().join("shallow");
        let from = format!("file://{}", fixture.root.display());
        fixture.git(["clone", "-q", "--depth=1", &from, shallow.to_str().unwrap()]);
        let repository = fixture.repository_at(&shallow);
        let mut wanted = request(fixture, "one");
        wanted.path = shallow.join(".worktrees/r/one");
        wanted.store = shallow.join(".gadugi/store.git");
        wanted.store_inside = wanted.store.clone();
        let made = repository.add_sealed(&wanted).unwrap();
        assert_eq!(fixture.git_in(&made.path, ["log", "--format=%s"]), "second");
        assert_eq!(fixture.git_in(&made.path, ["status", "--porcelain"]), "");
    }
}

fn marker(fixture: &support::Fixture) -> std::path::PathBuf {
    let folder = fixture.root.join(".gadugi/sealed");
    fs::read_dir(folder).unwrap().next().unwrap().unwrap().path().join("marker")
}
