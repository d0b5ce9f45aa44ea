//! Lines out of a file that grows.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::path::Path;

use rustix::io::Errno;

use crate::records::open_regular;

/// Bytes of a line that are kept, 8 MiB: more than any model's answer with its tool results. The rest is counted and
/// skipped, so that one line of any length costs no more than this.
pub const MAX_LINE: usize = 8 * 1024 * 1024;

/// Bytes that are read at a time.
pub(crate) const CHUNK: usize = 64 * 1024;

thread_local! {
    /// Where bytes are read to before they join their line: one for all readers of a thread, since there are hundreds of
    /// readers with nothing to read most of the time.
    static BYTES: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into_boxed_slice());
}

/// One line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line without its newline, cut at [`MAX_LINE`]. Any bytes.
    pub bytes: Vec<u8>,
    /// Its whole length in bytes, without the newline.
    pub whole_length: u64,
    /// Where it begins in `stdout.jsonl`.
    pub offset: u64,
}

/// Reads lines as they are finished.
#[derive(Debug)]
pub struct LineReader<R = File> {
    source: R,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were handed out.
    consumed: usize,
    /// Bytes of the buffer that were searched for a newline.
    searched: usize,
    /// Bytes of the present line beyond what is kept.
    skipped: u64,
    /// Where the present line begins.
    offset: u64,
    /// Bytes of the source that were read.
    position: u64,
}

impl LineReader {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        open_regular(path).map(Self::new)
    }

    /// Goes back to the end of a file that somebody has cut off, so that what is appended from now on is not missed. To be
    /// called where nothing more could be read; whether it was so. What stood before the cut and had no newline yet is a
    /// line of its own, which [`Self::take_rest`] gives.
    pub(crate) fn rewind_if_cut(&mut self) -> io::Result<bool> {
        let length = self.source.metadata()?.len();
        if length >= self.position {
            return Ok(false);
        }
        self.position = self.source.seek(SeekFrom::Start(length))?;
        Ok(true)
    }

    /// Goes over a hole in the file, where the present line is longer than what is kept of it anyway: a hole holds no newline, and
    /// a step can make its file terabytes of nothing. To be called where [`Self::take_line`] has nothing.
    pub(crate) fn skip_hole(&mut self) -> io::Result<()> {
        if self.buffer.len() < MAX_LINE {
            return Ok(());
        }
        let data = match rustix::fs::seek(&self.source, rustix::fs::SeekFrom::Data(self.position)) {
            Ok(data) => data,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => self.source.metadata()?.len(),
            // Not every file system knows its holes: then they are read.
            Err(_) => self.position,
        };
        if data > self.position {
            self.skipped += data - self.position;
            self.position = self.source.seek(SeekFrom::Start(data))?;
        }
        Ok(())
    }

    /// After a cut and what was left before it: the next line begins where reading goes on.
    pub(crate) fn begin_here(&mut self) {
        (self.offset, self.skipped) = (self.position, 0);
    }
}

impl<R: Read> LineReader<R> {
    /// Nothing is read yet.
    pub fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), consumed: 0, searched: 0, skipped: 0, offset: 0, position: 0 }
    }

    /// A finished line of what was read.
    pub fn take_line(&mut self) -> Option<Line> {
        let mut rest = &self.buffer[self.searched..];
        // Quick also where the rest of the program is not optimized. A slice cannot fail to be read.
        let length = rest.skip_until(b'\n').unwrap_or(0);
        let end = self.searched + length;
        if length > 0 && self.buffer[end - 1] == b'\n' {
            let line = self.cut(end - 1);
            self.offset += 1;
            self.consumed += 1;
            self.searched = self.consumed;
            return Some(line);
        }
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        if self.buffer.len() > MAX_LINE {
            self.skipped += (self.buffer.len() - MAX_LINE) as u64;
            self.buffer.truncate(MAX_LINE);
        }
        self.searched = self.buffer.len();
        if self.searched < CHUNK {
            // After a long line: what 200 steps keep is 200 chunks, not 200 longest lines.
            self.buffer.shrink_to(2 * CHUNK);
        }
        None
    }

    /// What stands behind the last newline, when nothing more will come.
    pub fn take_rest(&mut self) -> Option<Line> {
        let end = self.buffer.len();
        (end > self.consumed).then(|| self.cut(end))
    }

    /// Reads on: the number of bytes, 0 at the present end. To be called when [`Self::take_line`] has nothing.
    pub fn fill(&mut self) -> io::Result<usize> {
        let length = BYTES.with_borrow_mut(|bytes| {
            let length = loop {
                match self.source.read(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
            self.buffer.extend_from_slice(&bytes[..length]);
            io::Result::Ok(length)
        })?;
        self.position += length as u64;
        Ok(length)
    }

    fn cut(&mut self, end: usize) -> Line {
        let kept = end.min(self.consumed + MAX_LINE);
        let whole_length = (end - self.consumed) as u64 + self.skipped;
        let line =
            Line { bytes: self.buffer[self.consumed..kept].to_vec(), whole_length, offset: self.offset };
        self.consumed = end;
        self.offset += whole_length;
        self.skipped = 0;
        line
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{Line, LineReader, MAX_LINE};

    fn all(source: impl Read) -> Vec<Line> {
        let mut reader = LineReader::new(source);
        let mut lines = Vec::new();
        loop {
            lines.extend(std::iter::from_fn(|| reader.take_line()));
            assert!(reader.buffer.len() <= MAX_LINE + super::CHUNK, "memory is bounded");
            if reader.fill().unwrap() == 0 {
                lines.extend(reader.take_rest());
                return lines;
            }
        }
    }

    #[test]
    fn lines_come_in_order_with_their_offsets_and_the_torn_last_one_too() {
        let lines = all(&b"one\n\n\xff\x00two\r\nrest"[..]);
        let seen: Vec<_> = lines.iter().map(|line| (line.offset, &line.bytes[..])).collect();
        assert_eq!(seen, [(0, &b"one"[..]), (4, b""), (5, b"\xff\x00two\r"), (12, b"rest")]);
        assert!(all(&b""[..]).is_empty());
        assert_eq!(all(&b"\n"[..]).len(), 1);
    }

    #[test]
    fn a_line_beyond_the_bound_is_cut_and_counted() {
        let long = MAX_LINE as u64 * 3 + 7;
        let source =
            std::io::repeat(b'x').take(long).chain(&b"\nnext\n"[..]).chain(std::io::repeat(b'y').take(long));
        let lines = all(source);
        let seen: Vec<_> =
            lines.iter().map(|line| (line.offset, line.bytes.len(), line.whole_length)).collect();
        assert_eq!(seen, [(0, MAX_LINE, long), (long + 1, 4, 4), (long + 6, MAX_LINE, long)]);
    }

    /// Without that it would be read for hours, and nobody would learn that its step is over.
    #[test]
    fn terabytes_of_nothing_are_gone_over_in_a_few_steps() {
        const HOLE: u64 = 4 << 40;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout.jsonl");
        std::fs::write(&path, "before\n").unwrap();
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.set_len(HOLE).unwrap();
        std::io::Write::write_all(&mut file, b"x\nafter\n").unwrap();
        file.set_len(2 * HOLE).unwrap();
        let mut reader = LineReader::open(&path).unwrap();
        let mut lines = Vec::new();
        for _ in 0..1000 {
            lines.extend(std::iter::from_fn(|| reader.take_line()));
            reader.skip_hole().unwrap();
            if reader.fill().unwrap() == 0 {
                lines.extend(reader.take_rest());
                break;
            }
        }
        let seen: Vec<_> = lines.iter().map(|line| (line.offset, line.whole_length)).collect();
        let after = HOLE + 2;
        assert_eq!(seen, [(0, 6), (7, HOLE - 6), (after, 5), (after + 6, HOLE - 8)]);
    }

    #[test]
    fn a_line_at_the_bound_is_whole() {
        for (length, whole) in [(MAX_LINE, true), (MAX_LINE + 1, false)] {
            let lines = all(std::io::repeat(b'x').take(length as u64).chain(&b"\n"[..]));
            assert_eq!(lines[0].bytes.len() as u64 == lines[0].whole_length, whole);
        }
    }
}
