//! One stream of output on its way from the step's pipe into its file.
//!
//! Bytes that were read are written before more are read. Where the file system has no room, reading stops: the pipe
//! fills, the writer waits, nothing is lost, and it goes on when there is room.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::record::private;

/// Bytes that are moved at a time: what a pipe holds by default. Two streams, so 128 KiB in all.
const CHUNK: usize = 64 * 1024;

/// Between two tries to write where there was no room. No event tells that a disk has room again.
const RETRY: Duration = Duration::from_millis(200);

/// What became of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something was moved; there may be more.
    Moved,
    /// There is nothing to move now.
    Empty,
    /// The file takes nothing now.
    Held,
    /// No writer is left, and all is written.
    Closed,
}

/// How many bytes of output there may still be, of all streams in all.
#[derive(Debug)]
pub(crate) struct Room {
    left: Option<u64>,
    exceeded: bool,
}

impl Room {
    /// None: there is no bound.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        Self { left: bytes, exceeded: false }
    }

    /// Whether there was more than there may be.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded
    }

    /// How many of so many bytes there may be.
    fn take(&mut self, length: usize) -> usize {
        let Some(left) = &mut self.left else { return length };
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(length);
        *left -= taken as u64;
        self.exceeded |= taken < length;
        taken
    }
}

/// A pipe, its file, and the bytes between them.
#[derive(Debug)]
pub(crate) struct Stream {
    pipe: Option<OwnedFd>,
    file: File,
    buffer: Box<[u8]>,
    /// The part of the buffer that is read and not yet written.
    unwritten: std::ops::Range<usize>,
    retry_at: Option<Instant>,
}

impl Stream {
    /// Opens the file and makes the pipe; the other value is its end for the writer.
    pub(crate) fn new(path: &Path) -> io::Result<(Self, OwnedFd)> {
        let file = private(path, OpenOptions::new().append(true))?;
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        // The reader's end alone: what the step writes to must block, as it does everywhere.
        rustix::io::ioctl_fionbio(&reader, true)?;
        let buffer = vec![0; CHUNK].into_boxed_slice();
        Ok((Self { pipe: Some(reader), file, buffer, unwritten: 0..0, retry_at: None }, writer))
    }

    /// Where to wait for more, unless there is nothing to wait for.
    pub(crate) fn readable(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().filter(|_| self.retry_at.is_none()).map(AsFd::as_fd)
    }

    /// When to try again.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Moves at most one chunk. What there is no room for is read and dropped.
    pub(crate) fn turn(&mut self, now: Instant, room: &mut Room) -> Turn {
        if self.retry_at.is_some_and(|at| now < at) {
            return Turn::Held;
        }
        if self.unwritten.is_empty() {
            let Some(pipe) = &self.pipe else { return Turn::Closed };
            match rustix::io::read(pipe, &mut self.buffer[..]) {
                Ok(0) => {
                    self.pipe = None;
                    return Turn::Closed;
                }
                Ok(length) => self.unwritten = 0..room.take(length),
                Err(Errno::AGAIN) => return Turn::Empty,
                Err(Errno::INTR) => return Turn::Moved,
                Err(_) => {
                    self.pipe = None;
                    return Turn::Closed;
                }
            }
        }
        self.write(now)
    }

    fn write(&mut self, now: Instant) -> Turn {
        while !self.unwritten.is_empty() {
            match self.file.write(&self.buffer[self.unwritten.clone()]) {
                Ok(length) if length > 0 => self.unwritten.start += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // No room, above all; but no error of a disk is a reason to lose what could be written later.
                Ok(_) | Err(_) => {
                    self.retry_at = Some(now + RETRY);
                    return Turn::Held;
                }
            }
        }
        self.retry_at = None;
        Turn::Moved
    }
}
