//! What git tells of the commits before a base: who came before whom, and what each of them changed.
//!
//! Two questions, so that the second, which is the dear one, need be asked only of commits that nobody has asked of
//! before: [`Repository::past`] names commits, [`Repository::commit_facts`] reads them. Both use plumbing, whose answers do
//! not follow the user's `diff.*` and `log.*`; objects that are replaced by others are read as they are, so that what
//! is told of a commit stays true for ever. A commit whose parents are hidden (the rim of a shallow clone, a graft) would seem
//! to add the whole tree: it is not told of. Nothing is fetched for it: in a partial clone, renames are found by equal
//! content alone, and where the trees themselves are elsewhere there is no history.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};

use gadugi_core::CommitId;

use crate::door::Call;
use crate::entries::local;
use crate::objects::GITLINK;
use crate::repository::Repository;
use crate::{Error, Result};

/// Of a commit that changes more files than this, renames alone are told: what goes through the whole repository
/// (formatters, moved folders) says nothing of which files belong together.
pub const MOST_FILES: usize = 50;

/// So many renames of one commit are told.
const MOST_RENAMES: usize = 5_000;

/// Files that are gone and files that are new are compared with each other while there are no more than this of either;
/// the time goes with the square.
const RENAME_LIMIT: &str = "-l200";

/// Renames by likeness, git's own measure, and by equal content alone: that needs no file's content.
const ALIKE: &str = "-M";
const EQUAL: &str = "-M100%";

/// So many commits are worth a process of their own.
const SHARE: usize = 250;

/// At most so many processes at once.
const MOST_PROCESSES: usize = 4;

/// A repository where so many commits of a share cannot be read is damaged: the rest goes untold.
const MOST_TRIES: usize = 20;

/// Bytes that are kept of a message. The longest that people write by hand have some thousand.
const MOST_MESSAGE: usize = 8 * 1024;

/// Where a commit stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// The commit.
    pub id: CommitId,
    /// Its parents as this clone has them, the first one first.
    pub parents: Vec<CommitId>,
    /// Its parents are not all here: what it changed cannot be said.
    pub cut: bool,
}

/// One commit as git tells of it. Never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitFacts {
    /// The commit.
    pub id: CommitId,
    /// When it was committed, in seconds since 1970; 0 where git cannot say.
    pub seconds: i64,
    /// Its whole message, recoded; what is not text is replaced, and what is beyond 8 KiB is cut off.
    pub message: String,
    /// How many files it changed: submodules are none, a rename is one.
    pub files: usize,
    /// Which; where they are more than [`MOST_FILES`], the renames alone. Names that are not UTF-8 are left out.
    pub changes: Vec<FileChange>,
}

/// A file that a commit changed, made, removed or renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Its path, after the commit; of a file that is gone, before it.
    pub path: String,
    /// Its path before, where that was another.
    pub from: Option<String>,
}

impl Repository {
    /// The commits before `base`, with it, without merges: those of the last time first, at most `most`, and only such
    /// as [`Self::commit_facts`] can tell of.
    pub fn past(&self, base: &CommitId, most: usize) -> Result<Vec<CommitId>> {
        let told = self.listed(base, most, &["--no-merges"])?.into_iter().filter(|ancestor| !ancestor.cut);
        Ok(told.map(|ancestor| ancestor.id).collect())
    }

    /// The commits before `base`, with it and with merges: those of the last time first, at most `most`.
    pub fn ancestors(&self, base: &CommitId, most: usize) -> Result<Vec<Ancestor>> {
        self.listed(base, most, &[])
    }

    fn listed(&self, base: &CommitId, most: usize, filter: &[&str]) -> Result<Vec<Ancestor>> {
        let cut = self.cut();
        let count = format!("--max-count={most}");
        let call = self.main(["rev-list", "--parents", &count]);
        let call = filter.iter().fold(call, |call, option| call.arg(option)).arg(base.as_str()).arg("--");
        let listing = as_it_is(call).text()?;
        let ancestors = listing.lines().filter_map(|line| {
            let mut ids = line.split(' ').map(CommitId::new);
            let id = ids.next()?;
            Some(Ancestor { cut: cut.contains(id.as_str()), id, parents: ids.collect() })
        });
        Ok(ancestors.collect())
    }

    /// The commits whose parents are hidden: the first word of each line, in both files.
    fn cut(&self) -> HashSet<String> {
        let files = ["shallow", "info/grafts"].map(|name| self.common_dir().join(name));
        let texts = files.into_iter().filter_map(|file| fs::read_to_string(file).ok());
        texts.flat_map(|text| text.lines().filter_map(first_word).collect::<Vec<_>>()).collect()
    }

    /// What these commits changed, each against its first parent, in their order. Those that cannot be read (a damaged
    /// object, a tree that a partial clone lacks) are left out.
    pub fn commit_facts(&self, commits: &[CommitId]) -> Result<Vec<CommitFacts>> {
        let Some(renames) = self.renames() else { return Ok(Vec::new()) };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shares = commits.len().div_ceil(SHARE).clamp(1, cores.min(MOST_PROCESSES));
        let share = commits.len().div_ceil(shares).max(1);
        let read: Vec<Result<Vec<CommitFacts>>> = std::thread::scope(|scope| {
            let readers: Vec<_> = commits
                .chunks(share)
                .map(|chunk| scope.spawn(|| self.share_of_facts(chunk, renames)))
                .collect();
            let read = readers.into_iter().map(|reader| reader.join());
            read.map(|read| read.unwrap_or_else(|cause| std::panic::resume_unwind(cause))).collect()
        });
        let mut facts = Vec::with_capacity(commits.len());
        for some in read {
            facts.extend(some?);
        }
        Ok(facts)
    }

    /// How renames are found; none: nothing of the past is here.
    fn renames(&self) -> Option<&'static str> {
        let call = self.main(["config", "--get-regexp", r"^remote\..*\.partialclonefilter$"]);
        match call.text() {
            // Exits with 1 where there is no such setting.
            Err(_) => Some(ALIKE),
            Ok(filters) if filters.lines().all(|line| line.contains(" blob:")) => Some(EQUAL),
            Ok(_) => None,
        }
    }

    /// Git ends at the first object that it misses. Likeness asks for the content of files: the commit at which it ended is
    /// asked for without, and so are all after it; one that fails even so is left out.
    fn share_of_facts(&self, commits: &[CommitId], renames: &'static str) -> Result<Vec<CommitFacts>> {
        let (mut facts, mut renames, mut at, mut tries) = (Vec::with_capacity(commits.len()), renames, 0, 0);
        while let Some(rest) = commits.get(at..).filter(|rest| !rest.is_empty() && tries < MOST_TRIES) {
            tries += 1;
            let told = self.diffs(rest, renames)?;
            let (mut read, ended) = (told.facts, told.ended);
            if !ended {
                // Its changes may have been on the way.
                read.pop();
            }
            at += read.len();
            facts.append(&mut read);
            match (ended, renames) {
                (true, _) => break,
                (false, ALIKE) => renames = EQUAL,
                (false, _) => at += 1,
            }
        }
        Ok(facts)
    }

    fn diffs(&self, commits: &[CommitId], renames: &str) -> Result<Told> {
        let call = self.main([
            "diff-tree",
            "--stdin",
            "-r",
            "-z",
            "--root",
            "--always",
            "--raw",
            renames,
            RENAME_LIMIT,
            "--no-ext-diff",
            "--no-relative",
            "--ignore-submodules=none",
            "--no-notes",
            "--encoding=UTF-8",
            "--format=%H %ct%n%B",
        ]);
        let mut child = as_it_is(call).converse()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let asked: String = commits.iter().flat_map(|commit| [commit.as_str(), "\n"]).collect();
        let read = std::thread::scope(|scope| {
            // It may end without reading all; that it did is seen by its exit code.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(asked.as_bytes())));
            scope.spawn(move || stderr.map(|mut stderr| io::copy(&mut stderr, &mut io::sink())));
            stdout.map_or(Ok(Vec::new()), |stdout| read_facts(BufReader::new(stdout)))
        });
        let status = child.wait().map_err(Error::io(self.root()))?;
        Ok(Told { facts: read.map_err(Error::io(self.root()))?, ended: status.success() })
    }
}

/// What a call told before it ended.
struct Told {
    facts: Vec<CommitFacts>,
    /// It came to its end.
    ended: bool,
}

/// Reads objects as they are, and none that is not here.
fn as_it_is(call: Call<'_>) -> Call<'_> {
    local(call).env("GIT_NO_REPLACE_OBJECTS", "1")
}

fn first_word(line: &str) -> Option<String> {
    line.split_whitespace().next().map(str::to_owned)
}

/// The output of `diff-tree --stdin -z --raw --format=%H %ct%n%B`: for each commit a field with its message, then for
/// each change one with modes and status, and one or two paths. A path is known by its place alone.
fn read_facts(mut from: impl BufRead) -> io::Result<Vec<CommitFacts>> {
    let (mut all, mut field): (Vec<CommitFacts>, Vec<u8>) = (Vec::new(), Vec::new());
    while next_field(&mut from, &mut field)? {
        let start = field.iter().position(|byte| *byte != b'\n').unwrap_or(field.len());
        let head = &field[start..];
        if head.first() == Some(&b':') {
            let change = Status::parse(head);
            let (first, second) = paths(&mut from, change.renamed)?;
            if let Some(commit) = all.last_mut().filter(|_| !change.submodule) {
                commit.add(first, second, change.moved);
            }
        } else if let Some(commit) = begin(head) {
            if let Some(done) = all.last_mut() {
                done.finish();
            }
            all.push(commit);
        }
        // Anything else is the rest of a message that holds a zero byte.
    }
    if let Some(done) = all.last_mut() {
        done.finish();
    }
    Ok(all)
}

/// Without the zero byte at its end; `false`: there is no more.
fn next_field(from: &mut impl BufRead, field: &mut Vec<u8>) -> io::Result<bool> {
    field.clear();
    let read = from.read_until(0, field)?;
    if field.last() == Some(&0) {
        field.pop();
    }
    Ok(read > 0)
}

fn paths(from: &mut impl BufRead, two: bool) -> io::Result<(Vec<u8>, Option<Vec<u8>>)> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    next_field(from, &mut first)?;
    if two {
        next_field(from, &mut second)?;
    }
    Ok((first, two.then_some(second)))
}

/// `:100644 100755 <id> <id> R087`
struct Status {
    submodule: bool,
    /// Two paths follow.
    renamed: bool,
    /// The first of them is gone.
    moved: bool,
}

impl Status {
    fn parse(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head);
        let mut words = text.trim_start_matches(':').split(' ');
        let submodule = words.by_ref().take(2).any(|mode| mode == GITLINK);
        let kind = words.nth(2).and_then(|status| status.chars().next());
        Self { submodule, renamed: matches!(kind, Some('R' | 'C')), moved: kind == Some('R') }
    }
}

/// `<id> <seconds>\n<message>`
fn begin(head: &[u8]) -> Option<CommitFacts> {
    let end = head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len());
    let (id, seconds) = std::str::from_utf8(&head[..end]).ok()?.split_once(' ')?;
    let hex = matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let message = head.get(end + 1..).unwrap_or_default();
    let message = String::from_utf8_lossy(&message[..message.len().min(MOST_MESSAGE)]);
    let message = message.trim_end_matches('\u{fffd}').trim_end().to_owned();
    let seconds = seconds.parse().unwrap_or(0);
    hex.then(|| CommitFacts { id: CommitId::new(id), seconds, message, files: 0, changes: Vec::new() })
}

impl CommitFacts {
    fn add(&mut self, first: Vec<u8>, second: Option<Vec<u8>>, moved: bool) {
        self.files += 1;
        let (path, from) = match second {
            Some(second) => (second, moved.then_some(first)),
            None => (first, None),
        };
        // Beyond, all but the renames go at the end: they need not be gathered.
        if self.changes.len() >= MOST_RENAMES || (self.files > MOST_FILES && from.is_none()) {
            return;
        }
        if let (Ok(path), Ok(from)) = (String::from_utf8(path), from.map(String::from_utf8).transpose()) {
            self.changes.push(FileChange { path, from });
        }
    }

    fn finish(&mut self) {
        if self.files > MOST_FILES {
            self.changes.retain(|change| change.from.is_some());
        }
    }
}
