//! What an export says before its pack: lines of words in one order, each checked, none believed.
//!
//! ```text
//! gadugi-export 1
//! status ok
//! tip <id>
//! head <id> | -
//! branch <id> | -
//! on <ref> | -
//! operation <word> | -
//! committed 0 | 1
//! history whole | lost
//! nested <path>         any number
//! large <path>          any number
//! unreadable <path>     any number
//!
//! PACK…
//! ```
//!
//! Where the script came to no export, the second line says why, and an empty line ends it.

use std::borrow::Cow;

use gadugi_core::CommitId;

use super::refusal::{ExportFailure, ImportRefusal};
use crate::refname::well_formed;

/// No header is longer, in bytes.
pub const MOST_HEADER: usize = 256 * 1024;

/// Names in lines of a header are at most so long, in bytes.
const MOST_NAME: usize = 8 * 1024;

/// What the script says of the workspace. All of it is a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The commit that the pack was made for: the workspace's state as its tree, then as parents `HEAD` and commits that it
    /// does not hold.
    pub tip: CommitId,
    /// `HEAD`; none: there is none, or its history is not whole.
    pub head: Option<CommitId>,
    /// The task's branch in the workspace.
    pub branch: Option<CommitId>,
    /// The ref that `HEAD` names; none: detached, or unknown.
    pub on: Option<String>,
    /// The operation that git was in the middle of.
    pub operation: Option<&'static str>,
    /// Whether the script committed what was left.
    pub committed: bool,
    /// Commits could not be exported: the repository is gone or broken.
    pub history_lost: bool,
    /// Repositories inside the work. Their files are in the tree.
    pub nested: Vec<String>,
    /// Files that were left out because they are too large.
    pub large: Vec<String>,
    /// Files that could not be read.
    pub unreadable: Vec<String>,
}

const OPERATIONS: [&str; 5] = ["rebase", "merge", "cherry-pick", "revert", "bisect"];

/// Reads a header at the beginning of these bytes; also says how long it is. `bytes` holds the whole output, or its first
/// [`MOST_HEADER`] bytes.
pub fn header(bytes: &[u8]) -> Result<(Header, usize), ImportRefusal> {
    let mut lines = Lines { bytes, at: 0 };
    if lines.next()? != "gadugi-export 1" {
        return Err(ImportRefusal::Header("it does not begin as an export of this version"));
    }
    let status = lines.word("status ")?;
    if status != "ok" {
        let failure = ExportFailure::WORDS.iter().find(|(word, _)| *word == status);
        let failure = failure.ok_or(ImportRefusal::Header("a status that is none"))?;
        return Err(ImportRefusal::Export(failure.1));
    }
    let tip = id(&lines.word("tip ")?)?.ok_or(ImportRefusal::Header("there is no tip"))?;
    let head = id(&lines.word("head ")?)?;
    let branch = id(&lines.word("branch ")?)?;
    for other in head.iter().chain(&branch) {
        if other.as_str().len() != tip.as_str().len() {
            return Err(ImportRefusal::Header("ids of two kinds"));
        }
    }
    let on = match lines.word("on ")?.as_str() {
        "-" => None,
        name if name.len() <= MOST_NAME && name.starts_with("refs/") && well_formed(name) => {
            Some(name.to_owned())
        }
        _ => return Err(ImportRefusal::Header("HEAD names no ref")),
    };
    let operation = match lines.word("operation ")?.as_str() {
        "-" => None,
        word => Some(
            *OPERATIONS.iter().find(|known| **known == word).ok_or(ImportRefusal::Header("no operation"))?,
        ),
    };
    let committed = one_of(&lines.word("committed ")?, "1", "0")?;
    let history_lost = one_of(&lines.word("history ")?, "lost", "whole")?;
    let (mut nested, mut large, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let line = lines.next()?;
        if line.is_empty() {
            break;
        }
        let (kind, name) = line.split_once(' ').unwrap_or((&line, ""));
        if name.is_empty() || name.len() > MOST_NAME || name.chars().any(char::is_control) {
            return Err(ImportRefusal::Header("a name that is none"));
        }
        match kind {
            "nested" => nested.push(name.to_owned()),
            "large" => large.push(name.to_owned()),
            "unreadable" => unreadable.push(name.to_owned()),
            _ => return Err(ImportRefusal::Header("a line that is none of an export")),
        }
    }
    let header =
        Header { tip, head, branch, on, operation, committed, history_lost, nested, large, unreadable };
    Ok((header, lines.at))
}

fn one_of(word: &str, yes: &str, no: &str) -> Result<bool, ImportRefusal> {
    match word {
        word if word == yes => Ok(true),
        word if word == no => Ok(false),
        _ => Err(ImportRefusal::Header("a word that is none of an export")),
    }
}

/// Forty or sixty-four digits in lower case, or `-`.
fn id(word: &str) -> Result<Option<CommitId>, ImportRefusal> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match word {
        "-" => Ok(None),
        word if matches!(word.len(), 40 | 64) && word.bytes().all(digit) => Ok(Some(CommitId::new(word))),
        _ => Err(ImportRefusal::Header("an id that is none")),
    }
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// What is no text in a name is replaced: names are for people to read.
    fn next(&mut self) -> Result<Cow<'a, str>, ImportRefusal> {
        let rest = &self.bytes[self.at..self.bytes.len().min(MOST_HEADER)];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return Err(if self.at + rest.len() >= MOST_HEADER {
                ImportRefusal::Header("it is too long")
            } else {
                ImportRefusal::Header("it is cut short")
            });
        };
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]))
    }

    fn word(&mut self, key: &str) -> Result<String, ImportRefusal> {
        self.next()?.strip_prefix(key).map(str::to_owned).ok_or(ImportRefusal::Header("a line is missing"))
    }
}
