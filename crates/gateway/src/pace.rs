//! How many requests of one account are in flight at once, and whose turn is next.
//!
//! The window opens wide. A refusal (429, 529) halves what was in flight, at most once for all that was sent under one
//! window: refusals of requests that left before the halving say nothing about it. Each window's worth of requests that
//! were not refused makes it wider by one. While the account is held, after a refusal or because the vendor said that
//! nothing is left, nothing is sent.
//!
//! The next turn goes to the step that has least in flight among those that wait, and in turn among equals, so that one
//! that asks for much does not keep the others waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use gadugi_core::{StepId, Timestamp};
use hyper::{HeaderMap, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::notice::{Notice, SlowReason};
use crate::traffic::Notices;

/// Requests in flight at once, at most: those of 200 tasks that each have two or three under way.
const WIDEST: usize = 512;

/// Of these, one step's: an agent with all its helpers has a dozen. One that opens streams and reads none of them keeps
/// no more than these from the others.
const STEP_WIDEST: usize = 64;

/// The pause after a refusal that names none: doubled with each one that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Under a limit, one request is let through so often, to see whether it still holds.
const PROBE: Duration = Duration::from_secs(60);

/// A limit whose end the vendor did not say is asked after by a [`PROBE`] and held to be over then.
const UNKNOWN_LIMIT: Duration = Duration::from_secs(5 * 3600);

/// The refusal of a limit, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Limited {
    pub(crate) until: Option<Timestamp>,
    pub(crate) reason: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: bytes::Bytes,
}

/// Why there is no turn.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// The account's limit is reached.
    Limited(Limited),
    /// It did not come in time.
    TooLong,
}

pub(crate) struct Lane {
    shared: Arc<Shared>,
}

struct Shared {
    label: String,
    notices: Notices,
    state: Mutex<State>,
}

struct State {
    window: usize,
    in_flight: usize,
    /// Counts halvings.
    epoch: u64,
    /// Requests that were not refused since the window last grew.
    credit: usize,
    /// What the window has to regain before the account counts as eased.
    before: Option<usize>,
    /// Refusals in a row.
    refusals: u32,
    hold: Option<Instant>,
    limit: Option<Limit>,
    steps: HashMap<StepId, Entry>,
    /// Steps that wait, in turn.
    ring: VecDeque<StepId>,
}

struct Limit {
    said: Limited,
    over: Instant,
    probe: Instant,
}

#[derive(Default)]
struct Entry {
    in_flight: usize,
    waiting: VecDeque<oneshot::Sender<Result<Turn, Limited>>>,
}

type Grant = (oneshot::Sender<Result<Turn, Limited>>, Turn);

/// The right to have one request in flight, for as long as it lives.
pub(crate) struct Turn {
    shared: Arc<Shared>,
    step: StepId,
    epoch: u64,
}

impl Lane {
    pub(crate) fn new(label: String, notices: Notices) -> Self {
        let state = State {
            window: WIDEST,
            in_flight: 0,
            epoch: 0,
            credit: 0,
            before: None,
            refusals: 0,
            hold: None,
            limit: None,
            steps: HashMap::new(),
            ring: VecDeque::new(),
        };
        Self { shared: Arc::new(Shared { label, notices, state: Mutex::new(state) }) }
    }

    /// Waits for a turn, until then at the latest. Whoever no longer waits loses nothing but the place.
    pub(crate) async fn turn(&self, step: &StepId, latest: Instant) -> Result<Turn, Kept> {
        let (sender, turn) = oneshot::channel();
        let grants = {
            let mut state = self.shared.lock();
            if let Some(limited) = state.limited(Instant::now()) {
                return Err(Kept::Limited(limited));
            }
            let entry = state.steps.entry(step.clone()).or_default();
            entry.waiting.retain(|waiting| !waiting.is_closed());
            let first = entry.waiting.is_empty();
            entry.waiting.push_back(sender);
            if first && !state.ring.contains(step) {
                state.ring.push_back(step.clone());
            }
            self.shared.grant(&mut state)
        };
        hand_out(grants);
        match timeout_at(latest, turn).await {
            Ok(Ok(Ok(turn))) => Ok(turn),
            Ok(Ok(Err(limited))) => Err(Kept::Limited(limited)),
            Ok(Err(_)) | Err(_) => Err(Kept::TooLong),
        }
    }

    /// Another credential or another day: what was held back is forgotten.
    pub(crate) fn forget_limit(&self) {
        self.shared.lock().limit = None;
    }
}

impl Turn {
    /// The request was not refused.
    pub(crate) fn accepted(&self, exhausted: Option<Duration>) {
        let mut state = self.shared.lock();
        state.refusals = 0;
        state.limit = None;
        state.credit += 1;
        if state.credit >= state.window && state.window < WIDEST {
            (state.window, state.credit) = (state.window + 1, 0);
        }
        let window = state.window;
        let held = exhausted.is_some_and(|pause| self.shared.hold(&mut state, pause));
        if held {
            // Whoever is told that the account is slowed is told when it no longer is.
            state.before.get_or_insert(window);
        }
        let rests = state.hold.is_some_and(|until| Instant::now() < until);
        let eased = !rests && state.before.is_some_and(|before| window >= before);
        if eased {
            state.before = None;
        }
        let grants = self.shared.grant(&mut state);
        drop(state);
        hand_out(grants);
        let account = || self.shared.label.clone();
        if eased {
            self.shared.notices.tell(Notice::Eased { account: account() });
        }
        if let Some(pause) = exhausted.filter(|_| held) {
            let reason = SlowReason::Exhausted;
            self.shared.notices.tell(Notice::Slowed { account: account(), window, pause, reason });
        }
    }

    /// The request was refused. How long nothing is sent now.
    pub(crate) fn refused(&self, reason: SlowReason, asked: Option<Duration>) -> Duration {
        let mut state = self.shared.lock();
        let fresh = self.epoch == state.epoch;
        if fresh {
            let flown = state.in_flight.min(state.window);
            state.before = Some(state.before.map_or(flown, |before| before.max(flown)));
            state.window = (flown / 2).max(1);
            state.epoch += 1;
            state.credit = 0;
            state.refusals += 1;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << state.refusals.saturating_sub(1).min(5));
        let pause = asked.unwrap_or_else(|| doubled.min(LONGEST_PAUSE));
        if fresh || asked.is_some() {
            self.shared.hold(&mut state, pause);
        }
        let window = state.window;
        drop(state);
        if fresh {
            let account = self.shared.label.clone();
            self.shared.notices.tell(Notice::Slowed { account, window, pause, reason });
        }
        pause
    }

    /// The account's limit is reached: all who wait are told, and nothing is sent.
    pub(crate) fn limited(&self, said: &Limited, now: Timestamp) {
        let mut state = self.shared.lock();
        let length = said.until.map_or(UNKNOWN_LIMIT, |until| {
            Duration::from_millis(u64::try_from(until.0.saturating_sub(now.0)).unwrap_or(0))
        });
        let now = Instant::now();
        state.limit = Some(Limit { said: said.clone(), over: now + length, probe: now + PROBE });
        state.ring.clear();
        let waiting: Vec<_> =
            state.steps.values_mut().flat_map(|entry| std::mem::take(&mut entry.waiting)).collect();
        state.steps.retain(|_, entry| entry.in_flight > 0);
        drop(state);
        for sender in waiting {
            // Whoever is gone needs no answer.
            let _ = sender.send(Err(said.clone()));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.in_flight -= 1;
        if let Some(entry) = state.steps.get_mut(&self.step) {
            entry.in_flight -= 1;
            if entry.in_flight == 0 && entry.waiting.is_empty() {
                state.steps.remove(&self.step);
            }
        }
        let grants = self.shared.grant(&mut state);
        drop(state);
        hand_out(grants);
    }
}

impl State {
    /// The limit, if it still holds and this is no time to look.
    fn limited(&mut self, now: Instant) -> Option<Limited> {
        let limit = self.limit.as_mut()?;
        if now >= limit.over {
            self.limit = None;
            return None;
        }
        if now >= limit.probe {
            limit.probe = now + PROBE;
            return None;
        }
        Some(limit.said.clone())
    }

    /// The next who gets a turn.
    fn next(&mut self) -> Option<(StepId, oneshot::Sender<Result<Turn, Limited>>)> {
        loop {
            let flying = |step: &StepId| self.steps.get(step).map_or(0, |entry| entry.in_flight);
            let at = (0..self.ring.len()).min_by_key(|at| flying(&self.ring[*at]))?;
            if flying(&self.ring[at]) >= STEP_WIDEST {
                return None;
            }
            let step = self.ring.remove(at)?;
            let Some(entry) = self.steps.get_mut(&step) else { continue };
            while let Some(sender) = entry.waiting.pop_front() {
                if !sender.is_closed() {
                    if !entry.waiting.is_empty() {
                        self.ring.push_back(step.clone());
                    }
                    return Some((step, sender));
                }
            }
            if entry.in_flight == 0 {
                self.steps.remove(&step);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out what the window has room for. The senders are to be used once the lock is free: a turn that nobody takes
    /// gives itself back.
    fn grant(self: &Arc<Self>, state: &mut State) -> Vec<Grant> {
        let mut grants = Vec::new();
        if state.hold.is_some_and(|until| Instant::now() < until) {
            return grants;
        }
        state.hold = None;
        while state.in_flight < state.window {
            let Some((step, sender)) = state.next() else { break };
            state.in_flight += 1;
            state.steps.entry(step.clone()).or_default().in_flight += 1;
            grants.push((sender, Turn { shared: Arc::clone(self), step, epoch: state.epoch }));
        }
        grants
    }

    /// Sends nothing for so long. Whether that is longer than it would have been.
    fn hold(self: &Arc<Self>, state: &mut State, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        if state.hold.is_some_and(|before| before >= until) {
            return false;
        }
        state.hold = Some(until);
        let lane = Arc::downgrade(self);
        tokio::spawn(async move {
            sleep_until(until).await;
            wake(&lane);
        });
        true
    }
}

fn wake(lane: &Weak<Shared>) {
    let Some(shared) = lane.upgrade() else { return };
    let grants = {
        let mut state = shared.lock();
        shared.grant(&mut state)
    };
    hand_out(grants);
}

fn hand_out(grants: Vec<Grant>) {
    for (sender, turn) in grants {
        // Where the client is gone meanwhile, the turn comes back here and goes to the next.
        let _ = sender.send(Ok(turn));
    }
}

#[cfg(test)]
mod tests;
