//! What people ask of the loop without wanting anything changed, and the records of old runs.

use std::collections::HashMap;
use std::sync::Arc;

use gadugi_core::{RunId, RunState, RunStatus, State};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::followers::last_frame;
use super::{Driver, Followed, Meant, Standing, failure};
use crate::figures;
use crate::handle::{Located, RunSummary, Watch, summary};
use crate::protocol::{Failure, RunLine, RunView};
use crate::recorded::replay_into;
use crate::view::{EventLine, report_json, wire_line};
use crate::world::RunContext;
use gadugi_sys::clock;

impl Driver {
    /// Brings a run's state into memory from the log.
    pub(super) fn load(&mut self, run: &RunId) -> Result<(), Failure> {
        let learnt = self.state.learnt.clone();
        let state = State { learnt, ..State::default() };
        let state = replay_into(state, &self.store, run, u64::MAX)?;
        if state.runs.is_empty() {
            return Err(failure("unknown-run", format!("there is no run {run}")));
        }
        self.state.runs.extend(state.runs);
        // An engine that has just begun has seen no attempt itself.
        self.state.learnt = state.learnt;
        Ok(())
    }

    /// Makes sure that a run's state is in memory.
    pub(super) fn ensure(&mut self, run: &RunId) -> Result<(), Failure> {
        if self.state.runs.contains_key(run) { Ok(()) } else { self.load(run) }
    }

    /// The run that a person means: the latest, or the one whose id begins so (with or without `orchestration-`).
    fn find(&self, wanted: Option<&str>) -> Result<RunId, Failure> {
        // Asked for again and again by pages that show it.
        let named = wanted.map(RunId::new).filter(|run| self.state.runs.contains_key(run));
        if let Some(run) = named {
            return Ok(run);
        }
        let runs = self.store.runs().map_err(|error| failure("store", error.to_string()))?;
        let Some(wanted) = wanted else {
            let latest = self.store.latest_run().map_err(|error| failure("store", error.to_string()))?;
            return latest.ok_or_else(|| failure("no-runs", "nothing has been run here yet"));
        };
        let full = format!("orchestration-{wanted}");
        let begins = |run: &RunId| run.as_str().starts_with(wanted) || run.as_str().starts_with(&full);
        let found: Vec<&RunId> = runs.iter().map(|run| &run.run).filter(|run| begins(run)).collect();
        match found[..] {
            [run] => Ok(run.clone()),
            [] => Err(failure("unknown-run", format!("there is no run {wanted}"))),
            _ if found.iter().any(|run| run.as_str() == wanted) => Ok(RunId::new(wanted)),
            _ => Err(failure("unknown-run", format!("{wanted} could be any of {} runs", found.len()))),
        }
    }

    /// How a run stands. One that is not in memory is over, and is not brought there for being looked at.
    pub(super) fn status(&self, wanted: Option<&str>) -> Result<Standing<Box<RunView>>, Failure> {
        self.standing(wanted, |run| Box::new(self.view(run)))
    }

    /// A task as stream readers need it: asked often, and by many at once.
    pub(super) fn locate(&self, run: Option<&str>, task: &str) -> Result<Standing<Meant>, Failure> {
        self.standing(run, |run| Located::of(run, task))
    }

    fn standing<T>(
        &self,
        wanted: Option<&str>,
        of: impl FnOnce(&RunState) -> T,
    ) -> Result<Standing<T>, Failure> {
        let run = self.find(wanted)?;
        Ok(match self.state.runs.get(&run) {
            Some(state) => Standing::Live(of(state)),
            None => Standing::Recorded { run, capacity: self.state.capacity },
        })
    }

    pub(super) fn runs(&self) -> Result<Vec<RunLine>, Failure> {
        let mut runs: Vec<RunLine> = self
            .store
            .runs()
            .map_err(|error| failure("store", error.to_string()))?
            .into_iter()
            .map(|run| RunLine {
                run: run.run,
                started_at: run.started_at,
                finished_at: run.finished_at,
                tasks: run.tasks as u64,
            })
            .collect();
        runs.sort_by(|a, b| (b.started_at, &b.run).cmp(&(a.started_at, &a.run)));
        Ok(runs)
    }

    /// Registers a follower. What is stored already it reads from the log; what comes later it is sent. A run that rests
    /// has nothing to send but its end.
    pub(super) fn follow(&mut self, run: &RunId) -> Result<Followed, Failure> {
        self.ensure(run)?;
        let state = &self.state.runs[run];
        let frames = if state.rests() {
            let (sender, frames) = mpsc::channel(1);
            let line = wire_line(&last_frame(self.view(state)));
            let line = line.map_err(|error| failure("store", error.to_string()))?;
            // The channel is new and empty: there is room.
            let _ = sender.try_send(line.into());
            frames
        } else {
            self.followers.add(run)
        };
        Ok(Followed { up_to: self.seq, frames, report: self.state.runs[run].report(clock::now()) })
    }

    /// Registers a watcher of everything. What is stored already it reads from the log.
    pub(super) fn watch(&mut self) -> Result<Watch, Failure> {
        if self.displaced {
            return Err(failure("leaving", "the engine is leaving"));
        }
        Ok(Watch { up_to: self.seq, machine: self.overview.clone(), news: self.watchers.add() })
    }

    /// Plan and settings of a run that is in memory.
    pub(super) fn plan(&self, run: &RunId) -> Option<RunContext> {
        let run = self.state.runs.get(run)?;
        Some(RunContext { plan: Arc::clone(&run.plan), settings: Arc::clone(&run.settings) })
    }

    /// Those of the runs that are in memory, in a line each.
    pub(super) fn summaries(&self, runs: &[RunId]) -> HashMap<RunId, RunSummary> {
        let known = runs.iter().filter_map(|run| self.state.runs.get(run));
        known.map(|run| (run.id.clone(), summary(run, &self.live.used(run), clock::now()))).collect()
    }

    pub(super) fn export(&mut self, run: &RunId) -> Result<Value, Failure> {
        self.ensure(run)?;
        let state = &self.state.runs[run];
        let report = state.report(clock::now());
        let events = self.store.events(run).map_err(|error| failure("store", error.to_string()))?;
        let to = match &state.status {
            RunStatus::Finished { at, .. } => *at,
            RunStatus::Active | RunStatus::Paused { .. } | RunStatus::Ending => clock::now(),
        };
        let figures = figures::export(&self.store, run, state.started_at, to);
        let (figures, machine) = figures.map_err(|error| failure("store", error.to_string()))?;
        let events: Vec<EventLine<'_>> = events.iter().map(|stored| EventLine::new(stored, None)).collect();
        Ok(json!({
            "schema": 1,
            "run": run,
            "plan": &*state.plan,
            "settings": &*state.settings,
            "state": self.view(state),
            "report": report_json(&report),
            "events": events,
            "figures": figures,
            "machine": machine,
        }))
    }

    pub(super) fn forget(&mut self, run: &RunId) -> Result<(), Failure> {
        self.ensure(run)?;
        if !self.state.runs[run].is_finished() {
            return Err(failure("run-over", format!("{run} is not over")));
        }
        self.store.delete_run(run).map_err(|error| failure("store", error.to_string()))?;
        self.state.runs.remove(run);
        self.monitor.forget(run);
        Ok(())
    }
}
