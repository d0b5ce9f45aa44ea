//! Entries of a tree, and many blobs in one conversation.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use gadugi_workspace::{Blob, EntryKind};
use support::write;

with_each_git! {
    fn entries_say_what_they_are(fixture) {
        write(&fixture.root.join("src/new.rs"), "fn main() {}\n");
        symlink("src", fixture.root.join("link")).unwrap();
        symlink("circle", fixture.root.join("circle")).unwrap();
        fixture.git(["add", "--all"]);
        let zeros = format!("160000,{},module", "1".repeat(40));
        fixture.git(["update-index", "--add", "--cacheinfo", &zeros]);
        fixture.git(["commit", "-q", "-m", "all sorts"]);
        let repository = fixture.repository();
        let entries = repository.tree_entries(&repository.head().unwrap().commit).unwrap();
        let kind = |path: &str| entries.iter().find(|entry| entry.path == path).map(|entry| entry.kind);
        assert_eq!(kind("src/new.rs"), Some(EntryKind::File));
        assert_eq!((kind("link"), kind("circle")), (Some(EntryKind::Symlink), Some(EntryKind::Symlink)));
        assert_eq!((kind("module"), kind("src")), (Some(EntryKind::Submodule), None));
        assert!(entries.is_sorted_by(|one, other| one.path.as_bytes() < other.path.as_bytes()));
        assert!(entries.iter().all(|entry| entry.id.len() == 40));
    }

    fn many_blobs_are_read_in_order(fixture) {
        // More than are asked for at once, and longer than a pipe holds.
        for number in 0..1500 {
            write(&fixture.root.join(format!("many/{number}")), &format!("{number}\n").repeat(1 + number % 90));
        }
        fs::write(fixture.root.join("large"), vec![b'x'; 300_000]).unwrap();
        fs::write(fixture.root.join("empty"), b"").unwrap();
        fixture.git(["add", "--all"]);
        fixture.git(["commit", "-q", "-m", "many"]);
        let repository = fixture.repository();
        let entries = repository.tree_entries(&repository.head().unwrap().commit).unwrap();
        let mut ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        let nowhere = "1".repeat(40);
        let commit = repository.head().unwrap().commit;
        ids.extend([nowhere.as_str(), commit.as_str()]);
        let mut reader = repository.blob_reader().unwrap();
        // Twice: the conversation goes on.
        for most in [300_000, 299_999] {
            let mut seen = 0;
            reader.read(ids.iter().copied(), most, |at, blob| {
                assert_eq!(at, seen);
                seen += 1;
                let Some(entry) = entries.get(at) else { return assert_eq!(blob, Blob::Missing) };
                match blob {
                    Blob::Bytes(bytes) => assert_eq!(bytes, fs::read(fixture.root.join(&entry.path)).unwrap()),
                    Blob::Larger => assert_eq!((entry.path.as_str(), most), ("large", 299_999)),
                    Blob::Missing => panic!("{} is missing", entry.path),
                }
            }).unwrap();
            assert_eq!(seen, ids.len());
        }
    }

    fn what_a_partial_clone_lacks_is_not_fetched(fixture) {
        fixture.git(["config", "uploadpack.allowFilter", "true"]);
        let url = format!("file://{}", fixture.root.display());
        fixture.git(["clone", "-q", "--filter=blob:none", "--no-checkout", &url, "../partial"]);
        let partial = fixture.root.parent().unwrap().join("partial");
        let repository = fixture.repository_at(&partial);
        let entries = repository.tree_entries(&repository.head().unwrap().commit).unwrap();
        assert!(!entries.is_empty());
        let mut reader = repository.blob_reader().unwrap();
        let mut seen = Vec::new();
        let read = reader.read(entries.iter().map(|entry| entry.id.as_str()), 1000, |_, blob| {
            seen.push(matches!(blob, Blob::Missing));
        });
        // A git that does not know how to do without ends at the first; none is had from elsewhere.
        assert!(seen.iter().all(|missing| *missing) && (read.is_err() || seen.len() == entries.len()));
    }
}
