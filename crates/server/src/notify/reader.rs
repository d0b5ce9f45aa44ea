//! From the log to what is told: runs that are over, and what is new among the things that want a person.

use std::collections::{BTreeSet, HashMap, HashSet};

use gadugi_core::needs::Need;
use gadugi_core::{Event, RunId, State, TaskId, Timestamp};
use gadugi_engine::{Handle, StoredEvent};

use super::message::{Message, Stage};

/// Facts that are read at a time: some 400 kB.
const PAGE: usize = 1000;

/// The log, as a reader needs it.
pub(super) trait Log: Send + Sync {
    /// At most so many events with numbers above `after`: of one run, or of all.
    fn read(
        &self,
        run: Option<&RunId>,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<StoredEvent>, String>> + Send;
}

impl Log for Handle {
    async fn read(&self, run: Option<&RunId>, after: u64, limit: usize) -> Result<Vec<StoredEvent>, String> {
        let facts = self.events_after(run, after, limit).await.map_err(|failure| failure.message)?;
        Ok(facts.into_iter().map(|fact| fact.stored).collect())
    }
}

/// What tells one need from another: the same again is nothing new.
type Mark = (&'static str, Option<TaskId>, Option<String>, Option<Timestamp>, Option<Timestamp>);

/// How far the log was read, and how everything stood there.
pub(super) struct Reader {
    stage: Stage,
    seq: u64,
    state: State,
    known: HashMap<RunId, BTreeSet<Mark>>,
    /// Runs whose record cannot be understood: nothing is told of them.
    strange: HashSet<RunId>,
}

impl Reader {
    pub(super) fn new(stage: Stage, seq: u64) -> Self {
        let (state, known, strange) = (State::default(), HashMap::new(), HashSet::new());
        Self { stage, seq, state, known, strange }
    }

    /// Up to where it was read.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// What is to be told of the next events; none where there are none.
    pub(super) async fn next(&mut self, log: &impl Log) -> Result<Option<Vec<Message>>, String> {
        let page = log.read(None, self.seq, PAGE).await?;
        if page.is_empty() {
            return Ok(None);
        }
        let mut told = Vec::new();
        let mut touched: BTreeSet<RunId> = BTreeSet::new();
        let mut last = Timestamp(0);
        for stored in &page {
            (self.seq, last) = (stored.seq, stored.at);
            let Some(run) = stored.event.run().filter(|run| !self.strange.contains(*run)) else { continue };
            if !self.learn(log, run, &stored.event, stored.seq).await? {
                continue;
            }
            if let Err(illegal) = self.state.apply(stored.at, &stored.event) {
                tracing::warn!(%run, %illegal, "nobody is notified of what becomes of it");
                self.drop_run(run);
                self.strange.insert(run.clone());
                continue;
            }
            touched.insert(run.clone());
            if matches!(stored.event, Event::RunFinished { .. }) {
                self.news(run, stored.seq, stored.at, &mut told);
                if let Some(state) = self.state.runs.get(run) {
                    told.push(self.stage.finished(state, stored.seq, stored.at));
                }
                touched.remove(run);
                self.drop_run(run);
            }
        }
        for run in touched {
            self.news(&run, self.seq, last, &mut told);
        }
        Ok(Some(told))
    }

    /// Makes sure that it is known how a run stood before an event. `false` where that does not matter: it is over and stays so.
    async fn learn(&mut self, log: &impl Log, run: &RunId, event: &Event, seq: u64) -> Result<bool, String> {
        if self.state.runs.contains_key(run) || matches!(event, Event::RunStarted { .. }) {
            return Ok(true);
        }
        if matches!(event, Event::RunLanded { .. }) {
            return Ok(false);
        }
        let (mut at, mut last) = (0, Timestamp(0));
        'log: loop {
            let page = log.read(Some(run), at, PAGE).await?;
            let Some(end) = page.last() else { break };
            at = end.seq;
            for stored in &page {
                if stored.seq >= seq {
                    break 'log;
                }
                last = stored.at;
                if self.state.apply(stored.at, &stored.event).is_err() {
                    self.drop_run(run);
                    self.strange.insert(run.clone());
                    return Ok(false);
                }
            }
        }
        let Some(state) = self.state.runs.get(run) else { return Ok(false) };
        self.known.insert(run.clone(), state.needs(last).iter().map(mark).collect());
        Ok(true)
    }

    /// What wants a person now and did not before.
    fn news(&mut self, run: &RunId, seq: u64, at: Timestamp, told: &mut Vec<Message>) {
        let Some(state) = self.state.runs.get(run) else { return };
        let needs = state.needs(at);
        let known = self.known.entry(run.clone()).or_default();
        let new = needs.iter().filter(|need| !known.contains(&mark(need)));
        told.extend(new.filter_map(|need| self.stage.need(state, need, seq, at)));
        *known = needs.iter().map(mark).collect();
    }

    fn drop_run(&mut self, run: &RunId) {
        self.state.runs.remove(run);
        self.known.remove(run);
    }
}

fn mark(need: &Need) -> Mark {
    (need.kind.word(), need.task.clone(), need.path.clone(), need.since, need.until)
}
