//! A step's account book: what it used, what is set aside for requests that are under way, and what it may spend.
//!
//! Before a request leaves, the most that it can cost is set aside: what it reads, guessed high from its size (or from what
//! earlier requests of the step came to for theirs), at the dearest kind of reading that it asks for, and all that it
//! allows the model to write. `spent + set aside <= budget` at all times, so that requests that are under way at once
//! cannot overspend together. Where the rest of the budget bears a shorter answer than was asked for, and nothing is under
//! way that could still give something back, the request leaves with a lower `max_tokens`; where it does not even bear
//! that, it is refused.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::metered::{Costs, Metered, PICO_IN_MICRO, Tokens};
use crate::prices::Price;

/// Tokens for each byte of a request, as long as nothing is known. Prose and code have about a quarter, scripts of more
/// than one byte a letter up to this much.
const TOKENS_OF_A_BYTE: f64 = 0.4;

/// How much more than the most that was seen is set aside.
const MARGIN: f64 = 1.25;

/// The shortest answer that is worth a request.
const SHORTEST_ANSWER: u64 = 256;

/// What is known of a request before it leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) price: Price,
    /// Bytes that will be read as text.
    pub(crate) bytes: u64,
    /// Tokens that are read besides: pictures and the like.
    pub(crate) besides: u64,
    /// What a token costs to read at the most: plainly, or into a cache.
    pub(crate) reading: u64,
    pub(crate) max_tokens: u64,
    /// Of these, what the model thinks before it answers.
    pub(crate) thinking: u64,
}

/// Whether a request may leave.
#[derive(Debug)]
pub(crate) enum Verdict {
    Granted(Reservation),
    /// With no more than so many `max_tokens`.
    Shortened(Reservation, u64),
    Refused {
        spent_microusd: u64,
        budget_microusd: u64,
    },
}

#[derive(Debug)]
pub(crate) struct Ledger {
    budget: Option<u64>,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    metered: Metered,
    reserved: u64,
    /// The most tokens for a byte that an answer came to.
    seen: Option<f64>,
}

impl State {
    fn tokens_read(&self, ask: &Ask) -> u64 {
        let ratio = self.seen.map_or(TOKENS_OF_A_BYTE, |seen| (seen * MARGIN).clamp(0.05, 2.0));
        (ask.bytes as f64 * ratio) as u64 + ask.besides + 1
    }
}

impl Ledger {
    pub(crate) fn new(budget_microusd: Option<u64>, already: Metered) -> Arc<Self> {
        let budget = budget_microusd.map(|budget| budget.saturating_mul(PICO_IN_MICRO));
        let state = Mutex::new(State { metered: already, reserved: 0, seen: None });
        Arc::new(Self { budget, state, freed: Notify::new() })
    }

    pub(crate) fn metered(&self) -> Metered {
        self.lock().metered.clone()
    }

    /// Counts bytes and requests.
    pub(crate) fn count(&self, requests: u64, bytes_in: u64, bytes_out: u64) {
        let metered = &mut self.lock().metered;
        metered.requests += requests;
        metered.bytes_in += bytes_in;
        metered.bytes_out += bytes_out;
    }

    /// Sets aside what a request may cost; waits while others of the step hold what it needs.
    pub(crate) async fn reserve(self: &Arc<Self>, ask: &Ask) -> Verdict {
        loop {
            let freed = self.freed.notified();
            if let Some(verdict) = self.try_reserve(ask) {
                return verdict;
            }
            freed.await;
        }
    }

    fn try_reserve(self: &Arc<Self>, ask: &Ask) -> Option<Verdict> {
        let mut state = self.lock();
        let read = state.tokens_read(ask);
        let reservation = |pico| Reservation {
            ledger: Arc::clone(self),
            pico,
            bytes: ask.bytes,
            besides: ask.besides,
            read,
        };
        let reading = read.saturating_mul(ask.reading);
        let whole = reading.saturating_add(ask.max_tokens.saturating_mul(ask.price.output));
        let Some(budget) = self.budget else { return Some(Verdict::Granted(reservation(0))) };
        let spent = state.metered.costs().pico();
        let left = budget.saturating_sub(spent).saturating_sub(state.reserved);
        if whole <= left {
            state.reserved += whole;
            return Some(Verdict::Granted(reservation(whole)));
        }
        if state.reserved > 0 {
            return None;
        }
        let bears = left.saturating_sub(reading) / ask.price.output.max(1);
        if bears >= ask.thinking + SHORTEST_ANSWER {
            let pico = reading + bears * ask.price.output;
            state.reserved += pico;
            return Some(Verdict::Shortened(reservation(pico), bears));
        }
        state.metered.over_budget = true;
        let (spent_microusd, budget_microusd) = (spent.div_ceil(PICO_IN_MICRO), budget / PICO_IN_MICRO);
        Some(Verdict::Refused { spent_microusd, budget_microusd })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is set aside for one request. It comes back when the request is settled, or gone.
#[derive(Debug)]
pub(crate) struct Reservation {
    ledger: Arc<Ledger>,
    pico: u64,
    bytes: u64,
    besides: u64,
    /// Tokens that it was thought to read.
    read: u64,
}

impl Reservation {
    /// What it was thought to read: all that is known where an answer does not say.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// The request came to that.
    pub(crate) fn settle(&mut self, model: &str, tokens: Tokens, costs: Costs, price_guessed: bool) {
        let mut state = self.ledger.lock();
        state.metered.add(model, tokens, costs, price_guessed);
        let seen = tokens.read().saturating_sub(self.besides) as f64 / self.bytes.max(1) as f64;
        if tokens.read() > 0 {
            state.seen = Some(state.seen.map_or(seen, |before| before.max(seen)));
        }
        state.reserved -= std::mem::take(&mut self.pico);
        drop(state);
        self.ledger.freed.notify_waiters();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.pico > 0 {
            self.ledger.lock().reserved -= self.pico;
            self.ledger.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price::of_millidollars(1000, 5000);

    fn ask(bytes: u64, max_tokens: u64) -> Ask {
        Ask { price: PRICE, bytes, besides: 0, reading: PRICE.input, max_tokens, thinking: 0 }
    }

    fn now(ledger: &Arc<Ledger>, ask: &Ask) -> Option<Verdict> {
        ledger.try_reserve(ask)
    }

    #[test]
    fn what_is_under_way_cannot_overspend_together() {
        // 1000 tokens written cost 5000 microdollars.
        let ledger = Ledger::new(Some(12_000), Metered::default());
        let one = now(&ledger, &ask(100, 1000));
        let Some(Verdict::Granted(mut one)) = one else { panic!("{one:?}") };
        let two = now(&ledger, &ask(100, 1000));
        let Some(Verdict::Granted(two)) = two else { panic!("{two:?}") };
        assert!(now(&ledger, &ask(100, 1000)).is_none(), "it waits for what the others hold");
        drop(two);
        let tokens = Tokens { input: 30, output: 1000, ..Tokens::default() };
        one.settle("m", tokens, PRICE.of(&tokens), false);
        let Some(Verdict::Granted(_three)) = now(&ledger, &ask(100, 1000)) else { panic!() };
        assert_eq!(ledger.metered().costs().microusd(), 5030);
    }

    #[test]
    fn the_rest_bears_a_shorter_answer_or_none() {
        let ledger = Ledger::new(Some(5000), Metered::default());
        let verdict = now(&ledger, &ask(0, 32_000));
        let Some(Verdict::Shortened(rest, 999)) = verdict else { panic!("{verdict:?}") };
        drop(rest);
        let verdict = now(&ledger, &Ask { thinking: 800, ..ask(0, 32_000) });
        assert!(matches!(verdict, Some(Verdict::Refused { .. })), "it could not even think: {verdict:?}");
        let none = Ledger::new(Some(0), Metered::default());
        let refused = now(&none, &ask(0, 1));
        assert!(
            matches!(refused, Some(Verdict::Refused { spent_microusd: 0, budget_microusd: 0 })),
            "{refused:?}"
        );
        assert!(matches!(now(&Ledger::new(None, Metered::default()), &ask(9, 9)), Some(Verdict::Granted(_))));
    }

    #[test]
    fn what_was_seen_is_believed_with_a_margin() {
        let ledger = Ledger::new(None, Metered::default());
        let reserve = |bytes| match now(&ledger, &ask(bytes, 1)) {
            Some(Verdict::Granted(reservation)) => reservation,
            other => panic!("{other:?}"),
        };
        let mut first = reserve(1000);
        assert_eq!(first.read(), 401);
        let tokens = Tokens { cache_read: 200, ..Tokens::default() };
        first.settle("m", tokens, PRICE.of(&tokens), false);
        assert_eq!(reserve(1000).read(), 251);
    }
}
