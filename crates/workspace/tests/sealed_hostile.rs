//! Exports that somebody forged: each is refused by its own word, and nothing in the user's repository changes.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;

use gadugi_core::CommitId;
use gadugi_workspace::{ImportError, ImportLimits, ImportRefusal};
use support::packs::{BLOB, COMMIT, Pack, TAG, TREE, commit, delta, entry, id};
use support::sealed::Cell;
use support::{Fixture, read};

const NOBODY: &str = "0123456789012345678901234567890123456789";

fn word(cell: &Cell<'_>) -> &'static str {
    cell.refused().word()
}

/// What is forged is taken where nothing is wrong with it.
fn control(cell: &Cell<'_>) {
    let blob = b"fine\n".to_vec();
    cell.forge_tree(&entry("100644", b"fine", &id(BLOB, &blob)), &[(BLOB, blob)]);
    let imported = cell.import().unwrap();
    assert!(imported.collection.work.changed.contains(&"fine".to_owned()));
}

/// A commit on the base that adds one file: what the pack is to hold beside the file.
fn around(cell: &Cell<'_>, blob: &str) -> (String, Pack) {
    let tree = entry("100644", b"f", blob);
    let content = commit(&id(TREE, &tree), &[cell.base.as_str()]);
    let mut pack = Pack::default();
    pack.object(COMMIT, &content).object(TREE, &tree);
    (id(COMMIT, &content), pack)
}

with_each_git! {
    fn bombs_are_weighed_before_git_sees_them(fixture) {
        let mut cell = Cell::new(fixture, "one");
        let (tip, mut pack) = around(&cell, NOBODY);
        cell.forge(&tip, None, &pack.zeros(8 << 20).done());
        cell.limits = ImportLimits { object_bytes: 4 << 20, ..cell.limits };
        assert!(fs::metadata(&cell.exported).unwrap().len() < 20_000, "a thousand to one");
        assert_eq!(cell.refused(), ImportRefusal::ObjectTooLarge { bytes: 8 << 20, limit: 4 << 20 });
        cell.limits = ImportLimits { inflated_bytes: 20 << 20, ..ImportLimits::default() };
        cell.forge(&tip, None, &pack.zeros(8 << 20).zeros(8 << 20).done());
        assert_eq!(word(&cell), "inflates-too-far");
        cell.limits = ImportLimits::default();

        // Objects that say less or more than they are.
        for (claimed, word_of_it) in [(5_u64 << 30, "object-too-large"), (u64::MAX, "object-too-large"), (3, "bad-pack"), (1_000, "bad-pack")] {
            let (tip, mut pack) = around(&cell, NOBODY);
            cell.forge(&tip, None, &pack.claiming(BLOB, claimed, &[], b"a few bytes").done());
            assert_eq!(word(&cell), word_of_it, "{claimed}");
        }
        // One file at many places.
        let zeros = vec![0; 1 << 20];
        let blob = id(BLOB, &zeros);
        let tree: Vec<u8> = (0..30).flat_map(|at| entry("100644", format!("{at:02}").as_bytes(), &blob)).collect();
        let content = commit(&id(TREE, &tree), &[cell.base.as_str()]);
        let mut pack = Pack::default();
        pack.object(COMMIT, &content).object(TREE, &tree).object(BLOB, &zeros);
        cell.forge(&id(COMMIT, &content), None, &pack.done());
        cell.limits = ImportLimits { inflated_bytes: 20 << 20, ..ImportLimits::default() };
        assert_eq!(cell.refused(), ImportRefusal::ChecksOutTooFar { limit: 20 << 20 });
        cell.limits = ImportLimits { inflated_bytes: 31 << 20, ..ImportLimits::default() };
        cell.import().unwrap();
        cell.limits = ImportLimits::default();

        // Deltas that make much of little.
        let (tip, mut pack) = around(&cell, NOBODY);
        let blob = cell.git(["rev-parse", "HEAD:a.txt"]);
        cell.forge(&tip, None, &pack.ref_delta(&blob, &delta(14, 5 << 30, &[0x80])).done());
        assert_eq!(word(&cell), "object-too-large");
        let (tip, mut pack) = around(&cell, NOBODY);
        for _ in 0..12 {
            pack.ref_delta(&blob, &delta(14, 1 << 30, &[0x80]));
        }
        cell.forge(&tip, None, &pack.done());
        assert_eq!(word(&cell), "inflates-too-far");
        for (limits, expected) in [
            (ImportLimits { pack_bytes: 60, ..cell.limits }, "pack-too-large"),
            (ImportLimits { objects: 2, ..cell.limits }, "too-many-objects"),
        ] {
            let blob = b"fine\n".to_vec();
            cell.forge_tree(&entry("100644", b"fine", &id(BLOB, &blob)), &[(BLOB, blob)]);
            cell.limits = limits;
            assert_eq!(word(&cell), expected);
            cell.limits = ImportLimits::default();
        }
        control(&cell);
    }

    fn packs_that_are_none_are_refused(fixture) {
        let cell = Cell::new(fixture, "one");
        let blob = b"fine\n".to_vec();
        let (tip, mut pack) = around(&cell, &id(BLOB, &blob));
        pack.object(BLOB, &blob);
        let base = cell.base.to_string();
        let fine = pack.done();
        for cut in (0..fine.len()).step_by(7) {
            cell.forge(&tip, Some(&base), &fine[..cut]);
            assert_eq!(word(&cell), "truncated", "{cut}");
        }
        for (bytes, expected) in [
            ([fine.as_slice(), b"x"].concat(), "trailing"),
            ([fine.as_slice(), &fine].concat(), "trailing"),
            ([&fine[..fine.len() - 1], b"x"].concat(), "rejected"),
            (pack.with_head(2, 2), "trailing"),
            (pack.with_head(2, 4), "bad-pack"),
            (pack.with_head(2, 900_000), "bad-pack"),
            (pack.with_head(2, u32::MAX), "too-many-objects"),
            (pack.with_head(3, 3), "bad-pack"),
            (b"not a pack at all".to_vec(), "bad-pack"),
        ] {
            cell.forge(&tip, Some(&base), &bytes);
            let found = word(&cell);
            // A checksum read as an object is nonsense in one way or another.
            let nonsense = expected == "bad-pack" && matches!(found, "truncated" | "object-too-large");
            assert!(found == expected || nonsense, "{found}, not {expected}");
        }
        // Every byte counts: wherever one is another, nothing else than this very work arrives.
        for at in (0..fine.len()).step_by(5) {
            let mut bytes = fine.clone();
            bytes[at] ^= 0x10;
            cell.forge(&tip, Some(&base), &bytes);
            cell.refused();
        }
        control(&cell);
    }

    fn deltas_without_ground_are_refused(fixture) {
        let cell = Cell::new(fixture, "one");
        let base = cell.base.to_string();
        let copy = delta(5, 5, &[0x90, 5]);
        let (one, other) = (NOBODY, "9876543210987654321098765432109876543210");
        let refused = |build: &dyn Fn(&mut Pack)| {
            let (tip, mut pack) = around(&cell, one);
            build(&mut pack);
            cell.forge(&tip, Some(&base), &pack.done());
            word(&cell)
        };
        assert_eq!(refused(&|pack| { pack.ref_delta(one, &copy); }), "rejected", "a base that is nowhere");
        assert_eq!(refused(&|pack| { pack.ref_delta(one, &copy).ref_delta(other, &copy); }), "rejected");
        assert_eq!(refused(&|pack| { pack.ofs_delta(0, &copy); }), "bad-pack", "itself");
        assert_eq!(refused(&|pack| { pack.ofs_delta(3, &copy); }), "bad-pack", "the middle of an object");
        assert_eq!(refused(&|pack| { pack.ofs_delta(0x7f, &copy); }), "bad-pack", "before the pack, or in an object");
        assert_eq!(refused(&|pack| { pack.claiming(5, 1, &[], b"x"); }), "bad-pack");
        assert_eq!(refused(&|pack| { pack.claiming(0, 1, &[], b"x"); }), "bad-pack");
        assert_eq!(refused(&|pack| { pack.ref_delta(one, &[0xff, 0xff]); }), "bad-pack", "no sizes");
        let blob = fixture.git(["rev-parse", "HEAD:b.txt"]);
        // A copy from beyond its base, and a result of another size than it says.
        assert_eq!(refused(&|pack| { pack.ref_delta(&blob, &delta(2, 9, &[0x91, 100, 9])); }), "rejected");
        assert_eq!(refused(&|pack| { pack.ref_delta(&blob, &delta(2, 900, &[0x90, 2])); }), "rejected");
        control(&cell);
    }

    fn paths_that_git_must_not_check_out_are_refused(fixture) {
        let cell = Cell::new(fixture, "one");
        let blob = b"x\n".to_vec();
        let file = id(BLOB, &blob);
        let sub = entry("100644", b"config", &file);
        for name in [
            &b".git"[..], b".GIT", b".Git", b"git~1", b".git ", b".git.", b".git\\config", b"..", b".", b"", b"a/b", b"../../etc/x",
            b".git::$INDEX_ALLOCATION", ".g\u{200c}it".as_bytes(), ".git\u{200d}".as_bytes(), b"a\\.git\\x",
        ] {
            for (mode, what) in [("40000", id(TREE, &sub)), ("100644", file.clone())] {
                let others = [(TREE, sub.clone()), (BLOB, blob.clone())];
                cell.forge_tree(&entry(mode, name, &what), &others);
                assert_eq!(word(&cell), "rejected", "{:?} {mode}", String::from_utf8_lossy(name));
                // And deeper down.
                let inner = entry(mode, name, &what);
                let outer = entry("40000", b"deeper", &id(TREE, &inner));
                cell.forge_tree(&outer, &[(TREE, inner), (TREE, sub.clone()), (BLOB, blob.clone())]);
                assert_eq!(word(&cell), "rejected", "deeper: {:?} {mode}", String::from_utf8_lossy(name));
            }
        }
        let two = |one: Vec<u8>, other: Vec<u8>| [one, other].concat();
        for (tree, expected) in [
            (two(entry("100644", b"a", &file), entry("100755", b"a", &file)), "rejected"),
            (two(entry("100644", b"a", &file), entry("40000", b"a", &id(TREE, &sub))), "rejected"),
            (two(entry("100644", b"b", &file), entry("100644", b"a", &file)), "rejected"),
            (entry("100666", b"a", &file), "rejected"),
            (entry("0100644", b"a", &file), "rejected"),
            (entry("777", b"a", &file), "rejected"),
            (entry("120000", b".gitmodules", &file), "rejected"),
            (entry("120000", b".gitattributes", &file), "bad-path"),
            (entry("120000", b".GitIgnore", &file), "bad-path"),
            (entry("100644", "n".repeat(256).as_bytes(), &file), "bad-path"),
            (entry("100644", b"a", "0000000000000000000000000000000000000000"), "rejected"),
            (b"100644 a".to_vec(), "rejected"),
            (entry("100644", b"a", &file)[..20].to_vec(), "rejected"),
        ] {
            cell.forge_tree(&tree, &[(BLOB, blob.clone()), (TREE, sub.clone())]);
            assert_eq!(word(&cell), expected, "{:?}", String::from_utf8_lossy(&tree));
        }
        let hostile = b"[submodule \"../../.git/hooks\"]\n\tpath = x\n\turl = -upload-pack=x\n".to_vec();
        cell.forge_tree(&entry("100644", b".gitmodules", &id(BLOB, &hostile)), &[(BLOB, hostile)]);
        assert_eq!(word(&cell), "rejected");
        control(&cell);
    }

    fn a_tree_that_holds_itself_many_times_is_no_endless_list(fixture) {
        let cell = Cell::new(fixture, "one");
        let blob = b"x\n".to_vec();
        let mut others = vec![(BLOB, blob.clone())];
        let mut tree: Vec<u8> = (0..10).flat_map(|n| entry("100644", n.to_string().as_bytes(), &id(BLOB, &blob))).collect();
        for _ in 0..9 {
            let inner = id(TREE, &tree);
            others.push((TREE, tree));
            tree = (0..10).flat_map(|n| entry("40000", n.to_string().as_bytes(), &inner)).collect();
        }
        cell.forge_tree(&tree, &others);
        assert_eq!(word(&cell), "bad-path");
    }

    fn tips_that_are_none_are_refused(fixture) {
        let cell = Cell::new(fixture, "one");
        let base = cell.base.to_string();
        let blob = b"x\n".to_vec();
        let tree = entry("100644", b"f", &id(BLOB, &blob));
        let content = commit(&id(TREE, &tree), &[&base]);
        let tag = format!("object {}\ntype commit\ntag v1\ntagger A <a@example.com> 1000000000 +0000\n\nx\n", id(COMMIT, &content)).into_bytes();
        let mut pack = Pack::default();
        pack.object(COMMIT, &content).object(TREE, &tree).object(BLOB, &blob).object(TAG, &tag);
        for (tip, expected) in [
            (id(BLOB, &blob), "tip-not-commit"),
            (id(TREE, &tree), "tip-not-commit"),
            (id(TAG, &tag), "tip-not-commit"),
            (NOBODY.to_owned(), "no-tip"),
            // In the store, but not in the pack.
            (base.clone(), "no-tip"),
        ] {
            cell.forge(&tip, Some(&base), &pack.done());
            assert_eq!(word(&cell), expected);
        }
        // A HEAD that is not what came along.
        cell.forge(&id(COMMIT, &content), Some(NOBODY), &pack.done());
        assert_eq!(word(&cell), "header");
        for (bad, broken) in [
            (commit(NOBODY, &[&base]), "its tree"),
            (commit(&id(TREE, &tree), &[NOBODY]), "its parent"),
            (commit(&id(BLOB, &blob), &[&base]), "its tree's kind"),
            (b"tree nonsense\n\nx\n".to_vec(), "everything"),
            (String::from_utf8(commit(&id(TREE, &tree), &[&base])).unwrap().replace("<a@example.com>", "<a").into_bytes(), "its author"),
        ] {
            let mut pack = Pack::default();
            pack.object(COMMIT, &bad).object(TREE, &tree).object(BLOB, &blob);
            cell.forge(&id(COMMIT, &bad), Some(&base), &pack.done());
            let found = word(&cell);
            assert!(matches!(found, "rejected" | "incomplete"), "{broken}: {found}");
        }
        control(&cell);
    }

    // What the user has and the store has not is not to be had by naming it.
    fn other_objects_of_the_user_cannot_be_named(fixture) {
        fixture.git(["checkout", "-q", "-b", "user"]);
        fixture.write("secret", "secret\n");
        let secret = fixture.commit_all("secret");
        fixture.git(["checkout", "-q", "main"]);
        let cell = Cell::new(fixture, "one");
        let (base, tree) = (cell.base.to_string(), fixture.git(["rev-parse", "user^{tree}"]));
        let blob = fixture.git(["rev-parse", "user:secret"]);
        for content in [commit(&tree, &[&base]), commit(&fixture.git(["rev-parse", "HEAD^{tree}"]), &[&base, secret.as_str()])] {
            let mut pack = Pack::default();
            pack.object(COMMIT, &content);
            cell.forge(&id(COMMIT, &content), Some(&base), &pack.done());
            let found = word(&cell);
            assert!(matches!(found, "rejected" | "incomplete"), "{found}");
        }
        cell.forge_tree(&entry("100644", b"mine", &blob), &[]);
        let found = word(&cell);
        assert!(matches!(found, "rejected" | "incomplete"), "{found}");
        // Nor by a delta against it, of which the result would be known to whoever asks for it.
        let (tip, mut pack) = around(&cell, &id(BLOB, b"secret\n!"));
        cell.forge(&tip, Some(&base), &pack.ref_delta(&blob, &delta(7, 8, &[0x90, 7, 1, b'!'])).done());
        assert_eq!(word(&cell), "rejected");
    }

    fn headers_that_are_none_are_refused(fixture) {
        let cell = Cell::new(fixture, "one");
        let blob = b"fine\n".to_vec();
        let tip = cell.forge_tree(&entry("100644", b"fine", &id(BLOB, &blob)), &[(BLOB, blob)]);
        let whole = fs::read(&cell.exported).unwrap();
        let at = whole.windows(2).position(|two| two == b"\n\n").unwrap() + 2;
        let (header, pack) = (String::from_utf8(whole[..at].to_vec()).unwrap(), &whole[at..]);
        let on = format!("on refs/heads/{}", cell.branch());
        for (from, to) in [
            ("gadugi-export 1", "gadugi-export 2"),
            ("gadugi-export 1", "\ngadugi-export 1"),
            ("status ok", "status fine"),
            ("status ok\n", ""),
            ("tip ", "tip  "),
            (tip.as_str(), "HEAD"),
            (tip.as_str(), "-"),
            (tip.as_str(), "--output=/tmp/x"),
            (&tip.as_str()[..8], &tip.as_str()[..7].to_uppercase()),
            ("operation -", "operation rm"),
            ("committed 0", "committed yes"),
            ("history whole\n", "history whole\nhistory lost\n"),
            ("history whole\n", "history whole\ntip 0\n"),
            ("history whole\n", "history whole\nnested \n"),
            ("history whole\n", "history whole\nlarge a\u{1b}[2Jb\n"),
            (on.as_str(), "on refs/heads/a b"),
            (on.as_str(), "on refs/heads/../../x"),
            (on.as_str(), "on HEAD"),
            ("\n\n", "\n"),
        ] {
            let forged = header.replacen(from, to, 1);
            assert_ne!(forged, header, "{from:?}");
            cell.forge_text(&forged, pack);
            assert_eq!(word(&cell), "header", "{from:?} {to:?}");
        }
        for text in ["", "x", "gadugi-export 1\n", &header[..header.len() - 1], &"x".repeat(1 << 20), &format!("{}{}", header.trim_end(), "\nnested x".repeat(100_000))] {
            cell.forge_text(text, b"");
            assert_eq!(word(&cell), "header");
        }
        for (said, expected) in [("no-git", "no-git"), ("bad-git", "bad-git"), ("no-workspace", "no-workspace"), ("no-store", "no-store"), ("no-room", "no-room"), ("no-snapshot", "no-snapshot")] {
            cell.forge_text(&format!("gadugi-export 1\nstatus {said}\n\n"), b"");
            assert_eq!(word(&cell), expected);
        }
        cell.forge_text(&header.replacen("history whole\n", "history whole\nlarge dump.bin\n", 1), pack);
        assert_eq!(cell.refused(), ImportRefusal::FilesTooLarge { paths: vec!["dump.bin".into()] });
        cell.forge_text(&header, pack);
        cell.import().unwrap();
    }

    fn only_what_is_reachable_arrives_and_one_ref_moves(fixture) {
        let cell = Cell::new(fixture, "one");
        let blob = b"fine\n".to_vec();
        let stowaway = b"a stowaway\n".to_vec();
        let refs = fixture.git(["for-each-ref", "--format=%(refname)"]);
        cell.forge_tree(&entry("100644", b"fine", &id(BLOB, &blob)), &[(BLOB, blob), (BLOB, stowaway.clone())]);
        let before = cell.objects().len();
        cell.import().unwrap();
        // A commit of gadugi's and the tree; the envelope stays behind.
        assert_eq!(cell.objects().len(), before + 3, "commit, tree, blob");
        assert!(!fixture.output_in(&fixture.root, ["cat-file", "-e", &id(BLOB, &stowaway)]).status.success());
        assert_eq!(fixture.git(["for-each-ref", "--format=%(refname)"]), refs);
    }

    fn a_branch_that_somebody_moved_stays(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("new", "1\n");
        cell.export();
        let theirs = fixture.commit_all("the user's");
        fixture.git(["update-ref", "refs/heads/feature/one", theirs.as_str()]);
        let moved = cell.import().unwrap_err();
        assert!(matches!(&moved, ImportError::Git(gadugi_workspace::Error::BranchMoved { .. })), "{moved}");
        assert_eq!(fixture.tip(&fixture.root, "feature/one"), theirs);
    }

    fn what_a_crash_left_is_cleared_away(fixture) {
        let cell = Cell::new(fixture, "one");
        cell.write("new", "1\n");
        cell.export();
        let (quarantine, _) = cell.import_of();
        support::write(&quarantine.join("objects/pack/tmp_pack"), "half");
        support::write(&quarantine.join("hooks/post-checkout"), "half");
        let first = cell.import().unwrap().collection.work.commit;
        assert_eq!(cell.import().unwrap().collection.work.commit, first, "once more, with the same export");
        // The ref had not moved yet, the objects were there.
        fixture.git(["update-ref", "refs/heads/feature/one", cell.base.as_str()]);
        assert_eq!(cell.import().unwrap().collection.work.commit, first);
    }
}

#[test]
fn weights_are_what_git_says() {
    let fixture = Fixture::new(support::Which::OnPath);
    for n in 0..200 {
        fixture.write(&format!("f{n}"), &format!("{}{n}", "a line\n".repeat(n)));
    }
    let commit: CommitId = fixture.commit_all("many");
    fixture.git(["repack", "-q", "-a", "-d", "-f"]);
    let packs = fixture.root.join(".git/objects/pack");
    let pack = fs::read_dir(packs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "pack"));
    let bytes = fs::read(pack.unwrap()).unwrap();
    let weight = gadugi_workspace::weigh(bytes.as_slice(), 20, &ImportLimits::default()).unwrap();
    let all = fixture.git(["cat-file", "--batch-all-objects", "--batch-check=%(objectsize)"]);
    let sizes: Vec<u64> = all.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((weight.objects, weight.pack_bytes), (sizes.len() as u64, bytes.len() as u64));
    assert_eq!(weight.largest, *sizes.iter().max().unwrap());
    assert!(weight.inflated_bytes >= sizes.iter().sum::<u64>());
    assert_eq!(fixture.head(), commit);
    assert_eq!(read(&fixture.root.join("f1")), "a line\n1");
}
