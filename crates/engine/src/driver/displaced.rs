//! An engine whose log somebody has removed under it. Nothing that it says would be on record, so it takes nothing new,
//! says so to whoever follows, stops what it started, and leaves.

use gadugi_core::{Command, Input, RunId};
use gadugi_sys::files;

use super::{Driver, Turn, failure};
use crate::protocol::Failure;

impl Driver {
    /// Takes leave. What runs is interrupted: its workspaces and branches stay.
    pub(super) fn displace(&mut self, turn: &mut Turn, why: &str) {
        if self.displaced {
            return;
        }
        tracing::error!(why, "this engine's records are gone; it stops what runs, and leaves");
        self.displaced = true;
        self.keep_hidden();
        self.followers.fail(&gone(why));
        self.watchers.dismiss();
        self.terminate(turn);
    }

    /// What was written since without knowing better stays out of `git status`.
    pub(super) fn keep_hidden(&self) {
        let state = self.world.layout.state_dir();
        if state.exists()
            && let Err(error) = files::create_ignored_dir(&state)
        {
            tracing::warn!(%error, "the state folder shows in git status");
        }
    }

    /// The numbers that facts would have: nothing is stored any more.
    pub(super) fn unstored(&self, facts: usize) -> Vec<u64> {
        (self.seq + 1..).take(facts).collect()
    }

    /// Interrupts everything.
    pub(super) fn terminate(&mut self, turn: &mut Turn) {
        self.terminating = true;
        let runs: Vec<RunId> = self.state.runs.keys().cloned().collect();
        for run in runs {
            self.consider(turn, Input::Command(Command::Interrupt { run, now: false }));
        }
    }
}

fn gone(why: &str) -> Failure {
    let words = format!("{why} under the engine: it stopped its agents and left; their workspaces are kept");
    let hint = Some("gadugi worktrees; then run what is missing again".to_owned());
    Failure { hint, ..failure("records-gone", words) }
}
