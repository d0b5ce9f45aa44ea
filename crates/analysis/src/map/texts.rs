//! A map of files that lie in memory.

use std::io;

use super::{BlobId, BlobReader, Blobs, Content, EntryKind, MapCache, RepositoryMap, TreeEntry};

/// Files: path and text. The blob of the first has the id 1.
struct Texts<'a>(&'a [(&'a str, &'a str)]);

fn id(file: usize) -> Option<BlobId> {
    BlobId::from_hex(&format!("{:040x}", file + 1))
}

impl Blobs for Texts<'_> {
    fn reader(&self) -> io::Result<Box<dyn BlobReader + '_>> {
        Ok(Box::new(Texts(self.0)))
    }
}

impl BlobReader for Texts<'_> {
    fn read(
        &mut self,
        ids: &[BlobId],
        most: u64,
        each: &mut dyn FnMut(usize, Content<'_>),
    ) -> io::Result<()> {
        for (at, wanted) in ids.iter().enumerate() {
            let file = (0..self.0.len()).find(|file| id(*file) == Some(*wanted));
            each(
                at,
                match file.map(|file| self.0[file].1) {
                    None => Content::Missing,
                    Some(text) if text.len() as u64 > most => Content::Larger,
                    Some(text) => Content::Bytes(text.as_bytes()),
                },
            );
        }
        Ok(())
    }
}

impl RepositoryMap {
    /// The map of a repository that has these files: path and text. For tests, and for trees that are in no repository
    /// yet; that of a commit is made by [`Self::build`].
    pub fn of_texts(files: &[(&str, &str)]) -> io::Result<Self> {
        let entry = |(at, (path, _)): (usize, &(&str, &str))| {
            Some(TreeEntry { path: (*path).to_owned(), id: id(at)?, kind: EntryKind::File })
        };
        let entries = files.iter().enumerate().filter_map(entry).collect();
        Self::build(entries, &Texts(files), &mut MapCache::new())
    }
}
