//! Clients that follow runs.

use std::collections::HashMap;
use std::sync::Arc;

use gadugi_core::RunId;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::handle::Fact;
use crate::protocol::{Activity, Failure, Frame, RunView};
use crate::view::{EventFrame, wire_line};

/// A frame, ready to be written to any number of clients.
pub(crate) type WireLine = Arc<[u8]>;

/// Frames that wait for one client. A task gives some 20 events in its life and four activities a second: 4,096 are
/// what 200 tasks give in five seconds. Who lags further is cut off, and catches up from its last number.
const WAITING: usize = 4096;

/// What a new follower gets.
#[derive(Debug)]
pub(crate) struct Followed {
    /// What was stored before it came, up to this number, is read from the log.
    pub(crate) up_to: u64,
    /// What happens from here on.
    pub(crate) frames: mpsc::Receiver<WireLine>,
    /// How the run stood, to close the history of one that is over.
    pub(crate) report: gadugi_core::RunReport,
}

#[derive(Debug, Default)]
pub(super) struct Followers {
    by_run: HashMap<RunId, Vec<mpsc::Sender<WireLine>>>,
}

impl Followers {
    pub(super) fn add(&mut self, run: &RunId) -> mpsc::Receiver<WireLine> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.by_run.entry(run.clone()).or_default().push(sender);
        receiver
    }

    pub(super) fn event(&mut self, run: &RunId, fact: &Fact) {
        if self.by_run.contains_key(run) {
            self.send(run, &EventFrame::new(&fact.stored, fact.report.as_deref()));
        }
    }

    pub(super) fn activity(&mut self, run: &RunId, activity: Activity) {
        self.send(run, &Frame::Activity(activity));
    }

    /// The run rests or is over: its followers are told, and are followers no longer.
    pub(super) fn rest(&mut self, view: RunView) {
        let run = view.run.clone();
        self.send(&run, &last_frame(view));
        self.by_run.remove(&run);
    }

    /// Nobody can follow anything any more.
    pub(super) fn fail(&mut self, failure: &Failure) {
        let runs: Vec<RunId> = self.by_run.keys().cloned().collect();
        for run in runs {
            self.send(&run, &Frame::Failed(failure.clone()));
        }
        self.by_run.clear();
    }

    /// One line for all: it is made once, however many follow.
    fn send(&mut self, run: &RunId, frame: &impl Serialize) {
        let Some(followers) = self.by_run.get_mut(run) else { return };
        let line: WireLine = match wire_line(frame) {
            Ok(line) => line.into(),
            Err(error) => return tracing::error!(%error, "a frame does not become JSON"),
        };
        followers.retain(|follower| match follower.try_send(WireLine::clone(&line)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => false,
        });
    }
}

/// What closes the stream of a run that rests or is over.
pub(super) fn last_frame(view: RunView) -> Frame {
    let view = Box::new(view);
    if view.finished_at.is_some() { Frame::Finished { view } } else { Frame::AtRest { view } }
}
