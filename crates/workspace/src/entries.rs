//! What a commit's tree names, and what its files hold, many of them in one conversation with git.
//!
//! Sizes are asked for where content is, so that a listing opens no object, and what is too large is never inflated. In a
//! partial clone what is not here stays where it is: nothing is fetched for it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout};

use gadugi_core::CommitId;

use crate::door::{Call, fields};
use crate::objects::{GITLINK, unreadable};
use crate::repository::{Repository, entry};
use crate::{Error, Result};

/// The mode of a symbolic link.
const SYMLINK: &str = "120000";

/// Bytes of requests that are sent before an answer is read: half of what a pipe holds, so that git is never kept from
/// reading on while gadugi is kept from writing.
const AHEAD: usize = 32 << 10;

/// Bytes of a line of git's answer: an object's id, its type and its size have fewer.
const LONGEST_LINE: u64 = 256;

/// What sort of thing an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, executable or not.
    File,
    /// A symbolic link.
    Symlink,
    /// A commit of another repository.
    Submodule,
}

/// One entry of a commit's tree that is no folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the root, `/` between its parts.
    pub path: String,
    /// The object's id, in hexadecimal digits.
    pub id: String,
    /// File, link or submodule.
    pub kind: EntryKind,
}

/// What a blob holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blob<'b> {
    /// All of it.
    Bytes(&'b [u8]),
    /// More than was wanted; it was not read.
    Larger,
    /// It is not here: a partial clone, or no blob.
    Missing,
}

/// A conversation with git in which blobs are read.
#[derive(Debug)]
pub struct BlobReader {
    /// The repository's.
    root: PathBuf,
    git: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    bytes: Vec<u8>,
}

impl Repository {
    /// All entries of a commit, sorted bytewise by path, submodules and links with them. Names that are not UTF-8 are left
    /// out (no plan can name them). Nothing is fetched for it: it fails where a tree is not here.
    pub fn tree_entries(&self, commit: &CommitId) -> Result<Vec<Entry>> {
        let call = self.main(["ls-tree", "-r", "-z", "--full-tree", commit.as_str()]);
        let listing = local(call).bytes()?;
        let entries = fields(&listing).filter_map(entry).filter_map(|(mode, id, name)| {
            let kind = match mode {
                GITLINK => EntryKind::Submodule,
                SYMLINK => EntryKind::Symlink,
                _ => EntryKind::File,
            };
            Some(Entry { path: std::str::from_utf8(name).ok()?.to_owned(), id: id.to_owned(), kind })
        });
        Ok(entries.collect())
    }

    /// Begins to read blobs. Each reader has a process of git of its own, which ends with it.
    pub fn blob_reader(&self) -> Result<BlobReader> {
        let mut git = quiet(self.main(["cat-file", "--batch-command"])).converse()?;
        let (ask, answers, said) = (git.stdin.take(), git.stdout.take(), git.stderr.take());
        // What it complains of, it says by what it answers as well; but it is not to wait until somebody listens.
        std::thread::spawn(move || said.map(|mut said| io::copy(&mut said, &mut io::sink())));
        let answers = answers.ok_or_else(|| unreadable("cat-file"))?;
        let (root, answers) = (self.root().to_owned(), BufReader::with_capacity(1 << 16, answers));
        Ok(BlobReader { root, git, ask, answers, bytes: Vec::new() })
    }
}

/// Objects as they are, and only those that are here.
fn quiet(call: Call<'_>) -> Call<'_> {
    local(call).env("GIT_NO_REPLACE_OBJECTS", "1")
}

/// Only objects that are here.
pub(crate) fn local(call: Call<'_>) -> Call<'_> {
    // Git before 2.45 knows the first not, and is kept from fetching by having no way to.
    call.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none")
}

impl BlobReader {
    /// Hands over what each of these holds, with its index, in that order. What is longer than `most` bytes is not read.
    pub fn read<'i>(
        &mut self,
        ids: impl IntoIterator<Item = &'i str>,
        most: u64,
        mut each: impl FnMut(usize, Blob<'_>),
    ) -> Result<()> {
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut at = 0;
        while at < ids.len() {
            // As many as are asked for ahead; a line is "contents", the id and two more bytes.
            let room = AHEAD / (ids[at].len() + 12);
            let some = &ids[at..ids.len().min(at + room.max(1))];
            let sizes = self.sizes(some)?;
            let wanted = |size: &Option<u64>| size.is_some_and(|size| size <= most);
            let asked = some.iter().zip(&sizes).filter(|(_, size)| wanted(size));
            self.ask("contents", asked.map(|(id, _)| *id))?;
            for (offset, size) in sizes.iter().enumerate() {
                match size {
                    None => each(at + offset, Blob::Missing),
                    Some(size) if *size > most => each(at + offset, Blob::Larger),
                    Some(_) => {
                        self.content()?;
                        each(at + offset, Blob::Bytes(&self.bytes));
                    }
                }
            }
            at += some.len();
        }
        Ok(())
    }

    /// How many bytes each has; none where it is no blob that is here.
    fn sizes(&mut self, ids: &[&str]) -> Result<Vec<Option<u64>>> {
        self.ask("info", ids.iter().copied())?;
        ids.iter().map(|_| self.header()).collect()
    }

    fn ask<'i>(&mut self, what: &str, ids: impl Iterator<Item = &'i str>) -> Result<()> {
        let lines: String = ids.map(|id| format!("{what} {id}\n")).collect();
        let ask = self.ask.as_mut().ok_or_else(|| unreadable("cat-file"))?;
        ask.write_all(lines.as_bytes()).map_err(Error::io(&self.root))
    }

    /// `<id> blob <size>`; `<id> missing`.
    fn header(&mut self) -> Result<Option<u64>> {
        let mut line = Vec::new();
        let read = (&mut self.answers).take(LONGEST_LINE).read_until(b'\n', &mut line);
        read.map_err(Error::io(&self.root))?;
        let line = line.strip_suffix(b"\n").ok_or_else(|| unreadable("cat-file"))?;
        let mut words = std::str::from_utf8(line).unwrap_or_default().split(' ').skip(1);
        Ok(match (words.next(), words.next()) {
            (Some("blob"), Some(size)) => Some(size.parse().map_err(|_| unreadable("cat-file"))?),
            _ => None,
        })
    }

    /// The next content, and the newline behind it.
    fn content(&mut self) -> Result<()> {
        let size = self.header()?.ok_or_else(|| unreadable("cat-file"))?;
        self.bytes.clear();
        let read = (&mut self.answers).take(size + 1).read_to_end(&mut self.bytes);
        let whole = read.map_err(Error::io(&self.root))? as u64 == size + 1;
        if whole && self.bytes.pop() == Some(b'\n') { Ok(()) } else { Err(unreadable("cat-file")) }
    }
}

impl Drop for BlobReader {
    fn drop(&mut self) {
        // At the end of what it is asked, git ends.
        drop(self.ask.take());
        let _ = io::copy(&mut self.answers, &mut io::sink());
        let _ = self.git.wait();
    }
}
