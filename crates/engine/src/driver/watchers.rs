//! Those in this process who watch everything: the page's server, metrics, notifications.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::handle::{Fact, News};
use crate::protocol::Activity;
use gadugi_core::RunId;

/// News that wait for one watcher. A task gives some 20 events in its life and four activities a second: 4,096 are what 200
/// tasks give in five seconds, some 2 MB. Who lags further is dropped, and reads from the log what it missed.
const WAITING: usize = 4096;

/// Of those so many are kept for what must not be lost: what a task does at the moment is left out where less is free.
const FOR_FACTS: usize = WAITING / 2;

#[derive(Debug, Default)]
pub(super) struct Watchers(Vec<mpsc::Sender<News>>);

impl Watchers {
    pub(super) fn add(&mut self) -> mpsc::Receiver<News> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.0.push(sender);
        receiver
    }

    /// Whether anybody watches.
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn fact(&mut self, fact: Fact) {
        self.tell(&News::Event(Arc::new(fact)));
    }

    /// What tells of a moment only is left out for those who have much to read.
    pub(super) fn activity(&self, run: &RunId, activity: &Activity) {
        for watcher in self.0.iter().filter(|watcher| watcher.capacity() > FOR_FACTS) {
            // One that is gone is noticed at the next fact.
            let _ = watcher.try_send(News::Activity { run: run.clone(), activity: activity.clone() });
        }
    }

    /// The same for all, or for none that lags: its channel closes.
    pub(super) fn tell(&mut self, news: &News) {
        self.0.retain(|watcher| match watcher.try_send(news.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => false,
        });
    }

    /// Nobody can watch anything any more.
    pub(super) fn dismiss(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use gadugi_core::{Event, Timestamp, Usage};
    use gadugi_store::StoredEvent;

    use super::*;

    fn fact(seq: u64) -> Fact {
        let event = Event::RunResumed { run: RunId::new("r") };
        Fact { stored: StoredEvent { seq, at: Timestamp(0), event }, report: None }
    }

    #[test]
    fn who_lags_is_dropped_and_keeps_nobody_waiting() {
        let mut watchers = Watchers::default();
        let (mut lags, mut reads) = (watchers.add(), watchers.add());
        for seq in 0..=WAITING as u64 {
            watchers.fact(fact(seq));
            assert!(matches!(reads.try_recv(), Ok(News::Event(fact)) if fact.seq == seq));
        }
        let mut got = 0;
        while lags.try_recv().is_ok() {
            got += 1;
        }
        assert_eq!(got, WAITING, "all that came before stands in it, in order");
        assert!(lags.is_closed() && !reads.is_closed());
        drop(reads);
        watchers.fact(fact(0));
        assert!(!watchers.any());
    }

    #[test]
    fn what_tells_of_a_moment_leaves_room_for_facts() {
        let mut watchers = Watchers::default();
        let mut news = watchers.add();
        let activity = Activity {
            task: gadugi_core::TaskId::new("a"),
            phase: None,
            action: String::new(),
            usage: Usage::default(),
        };
        for _ in 0..2 * WAITING {
            watchers.activity(&RunId::new("r"), &activity);
        }
        for seq in 0..FOR_FACTS as u64 {
            watchers.fact(fact(seq));
        }
        assert!(watchers.any());
        let mut facts = 0;
        while let Ok(one) = news.try_recv() {
            facts += usize::from(matches!(one, News::Event(_)));
        }
        assert_eq!(facts, FOR_FACTS);
    }
}
