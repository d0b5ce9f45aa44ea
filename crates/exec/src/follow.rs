//! Following one step: its lines as they come, then its end.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadugi_core::{Millis, Process, StepExit, Timestamp};
use gadugi_shim::STDOUT;
use gadugi_sys::clock;
use tokio::task::JoinHandle;

use crate::docker;
use crate::error::{ExecError, at};
use crate::identity::Root;
use crate::lines::{CHUNK, LineReader};
use crate::records::{self, Record};
use crate::watch::DirWatch;
use crate::{Line, Stopper, procfs, sweep};

/// A record that cannot be opened (no descriptors left) is asked for again, for ten seconds; no event tells when it can.
const RECORD_TRIES: u32 = 100;
const RECORD_PAUSE: Duration = Duration::from_millis(100);

/// What is new of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepNews {
    /// A line of its standard output; the last one may have had no newline.
    Line(Line),
    /// It is over, and every line has been given.
    Ended(Ended),
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How its main process ended.
    pub exit: StepExit,
    /// Whether it was being stopped by then.
    pub stopped: bool,
    /// From the start of its main process to its end; for [`StepExit::Lost`] a guess by the wall clock.
    pub wall: Millis,
    /// Processor time of all its processes that were waited for; 0 where unknown.
    pub cpu: Millis,
    /// The largest resident memory of one of its processes, KiB; 0 where unknown.
    pub max_rss_kib: u64,
    /// When its main process ended; for [`StepExit::Lost`] when that was found out.
    pub ended_at: Timestamp,
    /// Processes that could not be killed: another user's, or stuck in the kernel.
    pub left_over: u32,
    /// Whether the end of its output was given up: the disk was full, and it was to end.
    pub output_lost: bool,
    /// Processes that the kernel killed for want of memory while it ran: in its memory cgroup where it has one, else
    /// on the whole machine, others' among them. More than 0 where it has not ended by that itself says that one of its
    /// tools may have.
    pub oom_kills: u64,
    /// The container engine, or somebody with it, ended the container: gadugi has not asked for that.
    pub by_engine: bool,
}

/// Follows one step from its first byte, however late it begins to. Dropping it does nothing to the step.
#[derive(Debug)]
pub struct StepFollower {
    dir: PathBuf,
    attempt: String,
    process: Process,
    started_at: Timestamp,
    /// None where the shim was gone when the following began.
    root: Option<Root>,
    /// Whether the shim is gone, as far as was heard.
    over: bool,
    watch: DirWatch,
    lines: Option<LineReader>,
    /// Whether the file may hold more than was read. A read that was not filled has met its end, and what is appended
    /// later wakes whoever waits.
    unread: bool,
    /// Whether the file was cut off, and what stood before the cut without a newline is still to be told.
    cut_off: bool,
    /// How often the record of the end could not be opened.
    refused: u32,
    /// The end, once it is known; lines may still be to come.
    end: Option<Ended>,
    sweeping: Option<JoinHandle<usize>>,
    told: bool,
}

impl StepFollower {
    pub(crate) fn new(
        dir: &Path,
        attempt: &str,
        root: Option<Root>,
        watch: DirWatch,
    ) -> Result<Self, ExecError> {
        let (mut process, started_at) = records::origin(dir)?;
        if let Some(Root::Container(container)) = &root {
            // What the shim recorded is as it sees it: everywhere it is 1.
            process = container.process().unwrap_or(Process { pid: 0, ..process });
        }
        let path = dir.join(STDOUT);
        let lines = match LineReader::open(&path).map(Some) {
            // The file is there before anything is recorded; where it is not, or is none, somebody has done that, and there
            // are no lines.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => None,
            other => other.map_err(at(path))?,
        };
        Ok(Self {
            dir: dir.to_owned(),
            attempt: attempt.to_owned(),
            process,
            started_at,
            over: root.is_none(),
            root,
            watch,
            lines,
            unread: true,
            cut_off: false,
            refused: 0,
            end: None,
            sweeping: None,
            told: false,
        })
    }

    /// The step's shim: the root of the tree of its processes. Pid 0 where it is gone and its record cannot be read.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The agent or check itself, below the shim; none where it is over or never was.
    pub fn main_process(&self) -> Option<Process> {
        let started = records::started(&self.dir).ok()?.there()?;
        if let Some(Root::Container(_)) = &self.root {
            return docker::child_of(&self.process, started.child_pid);
        }
        // The shim's child, or another's by now: then it is over.
        procfs::look(started.child_pid).filter(|stat| stat.parent == self.process.pid)?;
        gadugi_sys::process::identify(started.child_pid)
    }

    /// What the shim was asked to run, for people; empty where its record is gone.
    pub fn command(&self) -> String {
        let argv = records::spec(&self.dir).map(|spec| spec.argv).unwrap_or_default();
        argv.iter().map(|word| word.0.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// When the step was started.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The step's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper::new(self.root.clone())
    }

    /// What is new: every line in order, then exactly one [`StepNews::Ended`], then none for ever. Cancel-safe: a call
    /// that is dropped before it returns takes nothing with it.
    pub async fn next(&mut self) -> Option<StepNews> {
        if self.told {
            return None;
        }
        // A step that writes without end must not keep its thread from others.
        tokio::task::consume_budget().await;
        loop {
            if let Some(line) = self.take_line() {
                return Some(StepNews::Line(line));
            }
            if self.unread {
                self.read_on();
                continue;
            }
            if let Some(end) = &self.end {
                // The end was known before the file was read to its own end: nothing can have come behind.
                if let Some(rest) = self.lines.as_mut().and_then(LineReader::take_rest) {
                    return Some(StepNews::Line(rest));
                }
                self.told = true;
                return Some(StepNews::Ended(end.clone()));
            }
            if !self.look_for_end().await {
                self.wait().await;
            }
            self.unread = true;
        }
    }

    /// The end, whatever the lines say. None where it has been told already.
    pub async fn ended(mut self) -> Option<Ended> {
        loop {
            match self.next().await? {
                StepNews::Line(_) => {}
                StepNews::Ended(ended) => return Some(ended),
            }
        }
    }

    fn take_line(&mut self) -> Option<Line> {
        let lines = self.lines.as_mut()?;
        if let Some(line) = lines.take_line() {
            return Some(line);
        }
        if std::mem::take(&mut self.cut_off) {
            let rest = lines.take_rest();
            lines.begin_here();
            return rest;
        }
        None
    }

    /// Reads once. A file that cannot be read any more has no more lines; how the step ended is still found out.
    fn read_on(&mut self) {
        let Some(lines) = &mut self.lines else {
            self.unread = false;
            return;
        };
        let read = lines.skip_hole().and_then(|()| lines.fill()).and_then(|length| match length {
            0 => lines.rewind_if_cut().map(|cut| (length, cut)),
            _ => Ok((length, false)),
        });
        match read {
            Ok((length, cut)) => {
                self.cut_off |= cut;
                // Once the end is known nothing wakes any more: then only what is not there is read.
                self.unread = cut || length == CHUNK || length > 0 && self.end.is_some();
            }
            Err(_) => (self.lines, self.unread) = (None, false),
        }
    }

    /// Whether there is nothing to wait for: the end is known now, or is to be asked for once more. It is only told once the
    /// shim is gone, too.
    async fn look_for_end(&mut self) -> bool {
        // Its record is the last thing that a shim does: there is none to look for as long as it lives.
        if !self.over {
            return false;
        }
        match records::exit(&self.dir) {
            Ok(Record::There(exit)) => {
                self.end = Some(match &self.root {
                    Some(Root::Container(container)) => {
                        docker::recorded_end(&self.dir, &exit, container.end())
                    }
                    _ => records::ended(&exit),
                });
                return true;
            }
            Err(error) if error.may_pass() && self.refused < RECORD_TRIES => {
                self.refused += 1;
                tokio::time::sleep(RECORD_PAUSE).await;
                return true;
            }
            Ok(Record::Absent | Record::Unreadable) | Err(_) => {}
        }
        if let Some(Root::Container(container)) = &self.root {
            // With its first process everything in a container is gone: there is nothing to be swept.
            self.end = Some(docker::witnessed_end(&self.dir, self.lost(), container.end()));
            return true;
        }
        let attempt = &self.attempt;
        let sweeping = self.sweeping.get_or_insert_with(|| {
            let attempt = attempt.clone();
            tokio::task::spawn_blocking(move || sweep(&attempt))
        });
        // Fails where the runtime is being shut down: then nobody is told anything.
        let _ = sweeping.await;
        self.sweeping = None;
        self.end = Some(self.lost());
        true
    }

    /// Waits for news of the folder or of the shim.
    async fn wait(&mut self) {
        match &self.root {
            Some(root) => {
                self.over = tokio::select! {
                    () = root.ended() => true,
                    () = self.watch.changed() => false,
                }
            }
            None => self.watch.changed().await,
        }
    }

    fn lost(&self) -> Ended {
        let ended_at = clock::now();
        Ended {
            exit: StepExit::Lost,
            stopped: false,
            wall: ended_at.since(self.started_at),
            cpu: Millis(0),
            max_rss_kib: 0,
            ended_at,
            left_over: 0,
            output_lost: false,
            oom_kills: 0,
            by_engine: false,
        }
    }
}
