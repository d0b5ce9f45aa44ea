//! The loop: from a running main process to an empty descent.
//!
//! ```text
//! Running ──stop, lapse, too much output──▶ Asked (TERM, grace) ──grace over, asked again──▶ Killing (STOP + KILL, in rounds)
//!    └──main process ended, others are left──▶ Asked (TERM, short grace)
//! any ──waitpid: ECHILD──▶ over: the rest of the output is moved, then the end is told
//! ```

use std::time::{Duration, Instant};

use gadugi_shim::{ExitWord, Moment, OomKills};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};

use crate::descent::Descent;
use crate::lease::Lease;
use crate::memory::OomWatch;
use crate::moment;
use crate::platform::{poll_until, pollable};
use crate::relay::Relay;
use crate::signals::Signals;
use crate::stream::{Room, Stream, Turn};

/// What a process gets between TERM and KILL that its main process left behind: it was meant to be over.
const LEFT_BEHIND_GRACE: Duration = Duration::from_secs(2);

/// Between two rounds of KILL, where no child's end wakes the loop before.
const ROUND: Duration = Duration::from_millis(50);

/// After so long what does not die is left: another user's process, or one stuck in the kernel.
const KILLING_BOUND: Duration = Duration::from_secs(60);

/// Chunks that are moved when the descent is gone. A pipe holds 64 KiB, or a few MiB where its writer asked for more;
/// whoever goes on writing beyond these 256 MiB is none of the descent.
const MOST_MOVES: u32 = 4096;

/// Ended processes that are waited for in one turn.
const MOST_REAPED: u32 = 256;

/// How the main process ended.
#[derive(Debug)]
pub(crate) struct MainEnd {
    pub(crate) exit: ExitWord,
    pub(crate) stopped: bool,
    pub(crate) at: Moment,
    pub(crate) wall: Duration,
    pub(crate) oom_lately: OomKills,
    pub(crate) oom_in_all: OomKills,
}

/// What the loop comes to.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) main: MainEnd,
    pub(crate) left_over: u32,
    pub(crate) output_lost: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Running,
    Asked { kill_at: Instant },
    Killing { since: Instant, round_at: Instant },
}

/// A step under way.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) child: Pid,
    pub(crate) started: Instant,
    pub(crate) grace: Duration,
    pub(crate) lease: Option<Lease>,
    pub(crate) oom: OomWatch,
    pub(crate) signals: Signals,
    pub(crate) streams: [Stream; 2],
    pub(crate) room: Room,
    pub(crate) descent: Descent,
    /// Ends with the descent.
    pub(crate) relay: Option<Relay>,
}

#[derive(Debug)]
struct Progress {
    stage: Stage,
    /// Whether somebody (or the lapsed lease) wants the end.
    stopping: bool,
    /// Whether there is to be no waiting for anything.
    at_once: bool,
    lapsed: bool,
    main: Option<MainEnd>,
    childless: bool,
}

impl Supervisor {
    /// Runs until nothing is left to do but to tell the end.
    pub(crate) fn run(mut self) -> Over {
        let mut progress = Progress {
            stage: Stage::Running,
            stopping: false,
            at_once: false,
            lapsed: false,
            main: None,
            childless: false,
        };
        let mut left_over = 0;
        loop {
            let more = self.reap(&mut progress);
            if progress.childless {
                break;
            }
            let now = Instant::now();
            if let Stage::Killing { since, .. } = progress.stage
                && now.duration_since(since) >= KILLING_BOUND
            {
                left_over = self.descent.count();
                break;
            }
            self.advance(&mut progress, now);
            self.wait(if more { Some(now) } else { self.deadline(&progress) });
            self.take_signals(&mut progress);
            let now = Instant::now();
            for stream in &mut self.streams {
                stream.turn(now, &mut self.room);
            }
        }
        self.relay = None;
        let output_lost = !self.move_rest(&progress);
        let mut main = progress.main.take().unwrap_or_else(|| self.main_end(ExitWord::Signal(9), &progress));
        // Also where it came to light in what was left in the pipes: what is recorded is not all that was said.
        if self.room.is_exceeded() && !progress.lapsed {
            main.exit = ExitWord::TooMuchOutput;
        }
        Over { main, left_over, output_lost }
    }

    /// Waits for those that have ended. Whether there may be more: whoever makes them faster than this does not keep the shim
    /// from all else.
    fn reap(&self, progress: &mut Progress) -> bool {
        for _ in 0..MOST_REAPED {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.child => {
                    progress.main = Some(self.main_end(exit_word(status), progress));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return false,
                Err(_) => {
                    progress.childless = true;
                    return false;
                }
            }
        }
        true
    }

    fn main_end(&self, exit: ExitWord, progress: &Progress) -> MainEnd {
        let (oom_lately, oom_in_all) = self.oom.kills();
        MainEnd {
            oom_lately,
            oom_in_all,
            exit: if progress.lapsed { ExitWord::LeaseLapsed } else { exit },
            stopped: progress.stopping,
            at: moment::now(),
            wall: self.started.elapsed(),
        }
    }

    fn advance(&mut self, progress: &mut Progress, now: Instant) {
        self.oom.look(now);
        if !progress.stopping
            && progress.main.is_none()
            && self.lease.as_mut().is_some_and(|lease| lease.lapsed(now))
        {
            progress.lapsed = true;
            self.ask(progress, now);
        }
        if self.room.is_exceeded() && !progress.stopping && progress.main.is_none() {
            self.ask(progress, now);
        }
        match progress.stage {
            Stage::Running if progress.main.is_some() => {
                self.descent.terminate();
                progress.stage = Stage::Asked { kill_at: now + LEFT_BEHIND_GRACE.min(self.grace) };
            }
            Stage::Asked { kill_at } => {
                let end = now + LEFT_BEHIND_GRACE;
                // Once the main process has made use of its grace, the rest need not use all of it.
                let kill_at = if progress.main.is_some() { kill_at.min(end) } else { kill_at };
                progress.stage = Stage::Asked { kill_at };
                if now >= kill_at {
                    self.kill(progress, now);
                }
            }
            Stage::Killing { round_at, .. } if now >= round_at => self.kill(progress, now),
            Stage::Running | Stage::Killing { .. } => {}
        }
    }

    fn take_signals(&self, progress: &mut Progress) {
        for signal in self.signals.read() {
            let now = Instant::now();
            match signal {
                // Asked by somebody who may ask again: that changes nothing.
                Signal::USR1 if progress.stopping => {}
                Signal::USR1 | Signal::TERM if !progress.stopping => self.ask(progress, now),
                Signal::TERM | Signal::INT | Signal::QUIT => {
                    (progress.stopping, progress.at_once) = (true, true);
                    self.kill(progress, now);
                }
                _ => {}
            }
        }
    }

    fn ask(&self, progress: &mut Progress, now: Instant) {
        progress.stopping = true;
        if matches!(progress.stage, Stage::Running) {
            self.descent.terminate();
            progress.stage = Stage::Asked { kill_at: now + self.grace };
        }
    }

    fn kill(&self, progress: &mut Progress, now: Instant) {
        self.descent.kill();
        let since = if let Stage::Killing { since, .. } = progress.stage { since } else { now };
        progress.stage = Stage::Killing { since, round_at: now + ROUND };
    }

    fn deadline(&self, progress: &Progress) -> Option<Instant> {
        let stage = match progress.stage {
            Stage::Running => None,
            Stage::Asked { kill_at } => Some(kill_at),
            Stage::Killing { round_at, .. } => Some(round_at),
        };
        let lease = self.lease.as_ref().filter(|_| !progress.stopping).map(Lease::look_at);
        let retries = self.streams.iter().filter_map(Stream::retry_at).min();
        [stage, lease, retries, Some(self.oom.look_at())].into_iter().flatten().min()
    }

    /// Waits for a signal, output, or the deadline.
    fn wait(&self, deadline: Option<Instant>) {
        let mut fds = vec![self.signals.pollable()];
        let pipes = self.streams.iter().filter_map(Stream::readable);
        fds.extend(pipes.map(|pipe| pollable(pipe, PollFlags::IN)));
        poll_until(&mut fds, deadline);
    }

    /// Moves what is still in the pipes; nobody below the shim writes to them any more. Where there is no room it waits
    /// for room, unless the step is to end: then its grace is all that is waited. Whether all was moved.
    fn move_rest(&mut self, progress: &Progress) -> bool {
        let patience = if progress.at_once { Duration::ZERO } else { self.grace };
        let mut give_up_at = progress.stopping.then(|| Instant::now() + patience);
        let mut moves = 0;
        loop {
            let now = Instant::now();
            let turns = self.streams.each_mut().map(|stream| stream.turn(now, &mut self.room));
            if turns.contains(&Turn::Moved) {
                moves += 1;
                if moves > MOST_MOVES {
                    return true;
                }
                continue;
            }
            if !turns.contains(&Turn::Held) {
                return true;
            }
            if self.lease.as_mut().is_some_and(|lease| lease.lapsed(now))
                || give_up_at.is_some_and(|at| now >= at)
            {
                return false;
            }
            let look_at = self.lease.as_ref().map(Lease::look_at);
            let retries = self.streams.iter().filter_map(Stream::retry_at).min();
            // The pipes are not waited for: their last writers are gone, and those that are closed would always be ready.
            let deadline = [look_at, retries, give_up_at].into_iter().flatten().min();
            poll_until(&mut [self.signals.pollable()], deadline);
            for signal in self.signals.read() {
                match signal {
                    Signal::TERM | Signal::USR1 if give_up_at.is_none() => {
                        give_up_at = Some(Instant::now() + self.grace);
                    }
                    Signal::TERM | Signal::INT | Signal::QUIT => give_up_at = Some(now),
                    _ => {}
                }
            }
        }
    }
}

fn exit_word(status: WaitStatus) -> ExitWord {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitWord::Code(code),
        (None, signal) => ExitWord::Signal(signal.unwrap_or(0)),
    }
}
