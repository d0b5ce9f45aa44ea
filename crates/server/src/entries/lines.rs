//! A stream's lines as entries, a page at a time. A line is one once its newline is there, or once the step is over.

use std::io::{self, Read};
use std::ops::ControlFlow;

use gadugi_agents::transcript::{Entry, Language, entries};
use gadugi_exec::{Line, LineReader};

use super::card::{Cutter, Place};
use super::file::{CHUNK, Readable};
use crate::wire;

/// Bytes of the file that one page goes through: lines may say nothing.
pub(super) const READ_MOST: u64 = 64 << 20;

/// How far a page goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of the file that count.
    pub(super) size: u64,
    /// Whether nothing follows them: then what stands behind the last newline is a line, too.
    pub(super) ended: bool,
    /// Entries at most, but one line's at least.
    pub(super) entries: usize,
    /// Bytes of texts, about.
    pub(super) bytes: usize,
}

/// A page.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) entries: Vec<wire::Entry>,
    /// Where the next one begins.
    pub(super) next: u64,
    /// Whether it ended because it was large enough.
    pub(super) full: bool,
}

/// The entries of the lines that begin at `from` or behind it.
pub(super) fn page(file: &Readable, language: Language, from: u64, bounds: &Bounds) -> io::Result<Batch> {
    let mut batch = Batch { entries: Vec::new(), next: from, full: false };
    let mut bytes = 0;
    let walked = walk(file, from, bounds, |line, place| {
        let said = entries(language, line);
        if !batch.entries.is_empty() && batch.entries.len() + said.len() > bounds.entries {
            batch.full = true;
            return ControlFlow::Break(());
        }
        let mut cutter = Cutter::for_list();
        batch.entries.extend(said.into_iter().zip(0..).map(|(entry, index)| {
            let card = cutter.card(entry, Place { index, ..*place });
            bytes += cutter.taken();
            card
        }));
        batch.next = place.end;
        batch.full =
            batch.entries.len() >= bounds.entries || bytes >= bounds.bytes || place.end - from >= READ_MOST;
        if batch.full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    batch.next = batch.next.max(walked.skipped.unwrap_or(from)).max(walked.more_at.unwrap_or(from));
    batch.full |= walked.more_at.is_some();
    Ok(batch)
}

/// One entry of the line that begins at `from` or behind it, as whole as it can be.
pub(super) fn whole(
    file: &Readable,
    language: Language,
    from: u64,
    index: u32,
    bounds: Bounds,
) -> io::Result<Option<wire::Entry>> {
    let mut found = None;
    walk(file, from, &bounds, |line, place| {
        let said: Option<Entry> = entries(language, line).into_iter().nth(index as usize);
        found = said.map(|entry| Cutter::for_one().card(entry, Place { index, ..*place }));
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// How far the lines of a file were gone through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walked {
    /// The end of the line that `from` lay within, or of the hole in it.
    skipped: Option<u64>,
    /// Where the next walk goes on, where this one ended because it had read [`READ_MOST`].
    pub(super) more_at: Option<u64>,
}

/// Gives the lines that begin at `from` or behind it, with where they are. Where `from` lies within a line: that line's end, if it has
/// one.
///
/// No more than [`READ_MOST`] is read, whatever the file is: whoever writes it can make it terabytes without a newline. A line that
/// is longer than that by itself is given torn, and its rest is skipped.
pub(super) fn walk(
    file: &Readable,
    from: u64,
    bounds: &Bounds,
    mut each: impl FnMut(&[u8], &Place) -> ControlFlow<()>,
) -> io::Result<Walked> {
    let mut within = from > 0 && file.read(from - 1, 1)? != b"\n";
    let mut walked = Walked::default();
    // A hole holds no newline.
    let begin = if within { file.data_from(from)?.min(bounds.size) } else { from };
    if begin > from {
        walked.skipped = Some(begin);
    }
    let end = bounds.size.min(begin.saturating_add(READ_MOST));
    let mut lines = LineReader::new(Part { file, at: begin, end });
    let mut give = |line: Line, newline: u64, within: bool, skipped: &mut Option<u64>| {
        let offset = begin + line.offset;
        let end = offset + line.whole_length + newline;
        if within {
            *skipped = Some(end);
            return ControlFlow::Continue(());
        }
        let torn = (line.bytes.len() as u64) < line.whole_length;
        each(&line.bytes, &Place { offset, end, index: 0, torn })
    };
    loop {
        while let Some(line) = lines.take_line() {
            if give(line, 1, std::mem::take(&mut within), &mut walked.skipped).is_break() {
                return Ok(walked);
            }
        }
        if lines.fill()? == 0 {
            break;
        }
    }
    let rest = lines.take_rest();
    if end < bounds.size {
        walked.more_at = Some(end);
        if let Some(rest) = rest.filter(|_| !within) {
            match begin + rest.offset {
                at if at > from => walked.more_at = Some(at),
                _ => drop(give(rest, 0, false, &mut walked.skipped)),
            }
        }
    } else if bounds.ended
        && let Some(rest) = rest
    {
        let _ = give(rest, 0, within, &mut walked.skipped);
    }
    Ok(walked)
}

/// Whether there is a newline between the two.
pub(super) fn has_newline(file: &Readable, from: u64, to: u64) -> io::Result<bool> {
    let mut at = from;
    while at < to {
        let bytes = file.read(at, CHUNK.min(usize::try_from(to - at).unwrap_or(CHUNK)))?;
        if bytes.is_empty() {
            break;
        }
        if bytes.contains(&b'\n') {
            return Ok(true);
        }
        at += bytes.len() as u64;
    }
    Ok(false)
}

/// A part of a file, read without moving anybody else's place in it.
struct Part<'a> {
    file: &'a Readable,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_into(self.at, &mut buffer[..most])?;
        self.at += read as u64;
        Ok(read)
    }
}
