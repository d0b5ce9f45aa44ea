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
    let skipped = walk(file, from, bounds, |line, place| {
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
    batch.next = batch.next.max(skipped.unwrap_or(from));
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

/// Gives the lines that begin at `from` or behind it, with where they are. Where `from` lies within a line: that line's end, if it has
/// one.
pub(super) fn walk(
    file: &Readable,
    from: u64,
    bounds: &Bounds,
    mut each: impl FnMut(&[u8], &Place) -> ControlFlow<()>,
) -> io::Result<Option<u64>> {
    let mut within = from > 0 && file.read(from - 1, 1)? != b"\n";
    let mut skipped = None;
    let mut lines = LineReader::new(Part { file, at: from, end: bounds.size });
    let mut give = |line: Line, newline: u64| {
        let offset = from + line.offset;
        let end = offset + line.whole_length + newline;
        if std::mem::take(&mut within) {
            skipped = Some(end);
            return ControlFlow::Continue(());
        }
        let torn = (line.bytes.len() as u64) < line.whole_length;
        each(&line.bytes, &Place { offset, end, index: 0, torn })
    };
    loop {
        while let Some(line) = lines.take_line() {
            if give(line, 1).is_break() {
                return Ok(skipped);
            }
        }
        if lines.fill()? == 0 {
            break;
        }
    }
    if bounds.ended
        && let Some(rest) = lines.take_rest()
    {
        let _ = give(rest, 0);
    }
    Ok(skipped)
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
