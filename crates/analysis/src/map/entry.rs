//! What the map is made from: the entries of a commit's tree, and a way to read what they hold.

use std::fmt;
use std::io;

/// The id of what a file holds (a git blob): SHA-1 or SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId {
    bytes: [u8; 32],
    /// 20 or 32.
    length: u8,
}

impl BlobId {
    /// From 40 or 64 hexadecimal digits; none where it is neither.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let hex = hex.as_bytes();
        let length = match hex.len() {
            40 => 20,
            64 => 32,
            _ => return None,
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self { bytes, length })
    }

    /// The bytes of the id, 20 or 32 of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The first 20 bytes: what the cache knows a blob by.
    pub(crate) fn short(&self) -> [u8; 20] {
        let mut short = [0; 20];
        short.copy_from_slice(&self.bytes[..20]);
        short
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// What sort of thing an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, executable or not.
    File,
    /// A symbolic link. It is known by its path; where it leads is not looked at, so that no circle of links can matter.
    Symlink,
    /// A commit of another repository. Nothing below it is known.
    Submodule,
}

/// One entry of a commit's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its path from the repository's root, `/` between its parts.
    pub path: String,
    /// What it holds.
    pub id: BlobId,
    /// File, link or submodule.
    pub kind: EntryKind,
}

/// Where the contents of files are had from. What is read is never more than what is asked for, and a thread of the
/// map's asks through a reader of its own.
pub trait Blobs: Sync {
    /// A reader for one thread.
    fn reader(&self) -> io::Result<Box<dyn BlobReader + '_>>;
}

/// Reads many blobs, one after another.
pub trait BlobReader {
    /// Hands over what each of `ids` holds, with its index in `ids`, in that order. One that is not there, or that
    /// holds more than `most` bytes, is handed over as [`Content::Missing`] or [`Content::Larger`] without being read.
    fn read(&mut self, ids: &[BlobId], most: u64, each: &mut dyn FnMut(usize, Content<'_>))
    -> io::Result<()>;
}

/// What a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'b> {
    /// All of it.
    Bytes(&'b [u8]),
    /// More than was wanted.
    Larger,
    /// Not there: a partial clone.
    Missing,
}

/// A file of the map: an index into its paths, which are sorted bytewise. It means nothing to another map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) u32);

impl FileId {
    /// From 0, in the order of the paths; below [`crate::map::RepositoryMap::len`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
