//! The map's way to blobs: a conversation with git for each of its threads.

use std::io;

use gadugi_analysis::map::{BlobId, BlobReader, Blobs, Content, EntryKind, TreeEntry};
use gadugi_workspace::{self as workspace, Repository};

/// Blobs of a repository.
pub(crate) struct GitBlobs<'r>(pub(crate) &'r Repository);

struct Conversation(workspace::BlobReader);

impl Blobs for GitBlobs<'_> {
    fn reader(&self) -> io::Result<Box<dyn BlobReader + '_>> {
        Ok(Box::new(Conversation(self.0.blob_reader().map_err(io::Error::other)?)))
    }
}

impl BlobReader for Conversation {
    fn read(
        &mut self,
        ids: &[BlobId],
        most: u64,
        each: &mut dyn FnMut(usize, Content<'_>),
    ) -> io::Result<()> {
        let ids: Vec<String> = ids.iter().map(BlobId::to_string).collect();
        let hand_over = |at: usize, blob: workspace::Blob<'_>| {
            let content = match blob {
                workspace::Blob::Bytes(bytes) => Content::Bytes(bytes),
                workspace::Blob::Larger => Content::Larger,
                workspace::Blob::Missing => Content::Missing,
            };
            each(at, content);
        };
        self.0.read(ids.iter().map(String::as_str), most, hand_over).map_err(io::Error::other)
    }
}

/// As the map wants it; none where its id is none.
pub(crate) fn entry(entry: &workspace::Entry) -> Option<TreeEntry> {
    let kind = match entry.kind {
        workspace::EntryKind::File => EntryKind::File,
        workspace::EntryKind::Symlink => EntryKind::Symlink,
        workspace::EntryKind::Submodule => EntryKind::Submodule,
    };
    Some(TreeEntry { path: entry.path.clone(), id: BlobId::from_hex(&entry.id)?, kind })
}
