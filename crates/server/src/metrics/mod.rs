//! `GET /metrics`: what Prometheus reads of an engine (text format 0.0.4).
//!
//! Counters and histograms are kept from the engine's facts, by one collector that begins when the page is opened first
//! ([`Metrics::collect`]), makes up for what came before that, and costs next to nothing: a few additions for each fact. They count
//! this engine's life, as Prometheus expects of a process. Gauges are asked for when somebody scrapes ([`Metrics::render`]).
//!
//! No task, run or path is ever a label, and every label has few values: kinds, outcomes and states are closed sets, agents are
//! those that there are, models those that somebody named ([`MODELS`] of them, then `other`).

mod families;
mod gauges;
mod tally;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gadugi_core::{RunId, Timestamp};
use gadugi_engine::Handle;
use gadugi_engine::handle::{Fact, News};
use gadugi_engine::protocol::{Failure, Reply, Request};
use prometheus::TextEncoder;

use families::Families;
use tally::Tally;

/// How a scrape's answer is called by its media type.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Different names of models that are told apart.
const MODELS: usize = 16;

/// Facts that are read from the log at a time: some 400 kB.
const PAGE: usize = 1000;

/// Before it is watched again after the collector lagged. While the engine leaves, nobody is let in any more.
const AGAIN: Duration = Duration::from_millis(100);

/// What is counted of an engine's life. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    families: Families,
    tally: Mutex<Tally>,
    began: Timestamp,
}

impl Metrics {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// Never, but for a defect: a name that Prometheus does not know.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let families = Families::new()?;
        let tally = Mutex::new(Tally::new(families.clone()));
        Ok(Self(Arc::new(Inner { families, tally, began: gadugi_sys::clock::now() })))
    }

    /// Counts what happens until the engine leaves, and what has happened since its life began: that has numbers above
    /// `begun_after`. To be begun once.
    pub(crate) async fn collect(self, handle: Handle, begun_after: u64) {
        let mut begun = false;
        loop {
            // An engine that leaves lets nobody watch.
            let Ok(mut watch) = handle.watch().await else { return };
            let caught_up = match begun {
                false => self.begin(&handle, begun_after, watch.up_to).await,
                true => self.catch_up(&handle, watch.up_to).await,
            };
            match caught_up {
                Ok(()) => begun = true,
                Err(failure) => tracing::warn!(%failure.message, "metrics begin without what was before"),
            }
            self.tally().up_to(watch.up_to);
            while let Some(news) = watch.news.recv().await {
                match news {
                    News::Event(fact) => self.take(&handle, &fact).await,
                    News::Activity { run, activity } => self.tally().activity(&run, &activity),
                    News::Machine(_) => {}
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// What Prometheus is told: everything counted, and how things stand at the moment. `sockets` is how many WebSockets are open.
    ///
    /// # Errors
    /// Where the engine leaves.
    pub(crate) async fn render(&self, handle: &Handle, sockets: usize) -> Result<String, Failure> {
        let now = gauges::look(handle, sockets).await?;
        let (seq, began) = (self.tally().seq(), self.0.began);
        let text = gauges::families(&now, seq, began).and_then(|gauges| {
            let mut all = self.0.families.gather();
            all.extend(gauges);
            TextEncoder::new().encode_to_string(&all)
        });
        text.map_err(|error| Failure { code: "metrics".into(), message: error.to_string(), hint: None })
    }

    async fn take(&self, handle: &Handle, fact: &Fact) {
        let unknown = self.tally().lacks(&fact.stored.event);
        if let Some(run) = unknown
            && let Err(failure) = self.learn(handle, &run, fact.stored.seq - 1).await
        {
            tracing::debug!(%run, %failure.message, "its past is not known to the metrics");
        }
        self.tally().take(&fact.stored, true);
    }

    /// What was before is known and not counted: it was another engine's.
    async fn begin(&self, handle: &Handle, begun_after: u64, up_to: u64) -> Result<(), Failure> {
        self.learn_all(handle, begun_after).await?;
        self.tally().up_to(begun_after);
        self.catch_up(handle, up_to).await
    }

    /// Takes in what is on record of all runs that are not over.
    async fn learn_all(&self, handle: &Handle, up_to: u64) -> Result<(), Failure> {
        let Reply::Runs { runs } = handle.ask(Request::Runs).await? else { return Ok(()) };
        for line in runs.iter().filter(|line| line.finished_at.is_none()) {
            self.learn(handle, &line.run, up_to).await?;
        }
        Ok(())
    }

    /// What is on record of a run up to that number is known, and not counted.
    async fn learn(&self, handle: &Handle, run: &RunId, up_to: u64) -> Result<(), Failure> {
        let mut after = 0;
        while after < up_to {
            let facts = handle.events_after(Some(run), after, PAGE).await?;
            let Some(last) = facts.last() else { break };
            after = last.stored.seq;
            let mut tally = self.tally();
            let old = facts.iter().filter(|fact| fact.stored.seq <= up_to);
            old.for_each(|fact| tally.take(&fact.stored, false));
        }
        Ok(())
    }

    /// Counts what the log holds up to that number and was not counted yet.
    async fn catch_up(&self, handle: &Handle, up_to: u64) -> Result<(), Failure> {
        let mut after = self.tally().seq();
        while after < up_to {
            let facts = handle.events_after(None, after, PAGE).await?;
            let Some(last) = facts.last() else { break };
            after = last.stored.seq;
            for fact in facts.iter().filter(|fact| fact.stored.seq <= up_to) {
                self.take(handle, fact).await;
            }
        }
        Ok(())
    }

    /// What is guarded is whole at any time.
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
