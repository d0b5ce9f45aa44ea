//! What every part of a request's way shares: where notices go, and the record of one request.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gadugi_core::Timestamp;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::answer::BoxError;
use crate::ledger::Reservation;
use crate::log::Line;
use crate::meter::{Meter, Reading};
use crate::metered::{Costs, Tokens};
use crate::notice::{Notice, SlowReason};
use crate::pace::Turn;
use crate::step::Step;

/// Where notices go. What does not fit is gone: the queue holds 4096, and each step has one notice of each
/// kind in it at most, but for hosts (a hundred) and accounts (one a refusal, of which there is one a second at most).
#[derive(Clone)]
pub(crate) struct Notices(mpsc::Sender<Notice>);

/// What the queue of notices holds.
const NOTICES: usize = 4096;

impl Notices {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(NOTICES);
        (Self(sender), receiver)
    }

    /// Nothing rests on a notice alone that could find no room.
    pub(crate) fn tell(&self, notice: Notice) {
        let _ = self.0.try_send(notice);
    }
}

/// What was told of a step already.
#[derive(Default)]
pub(crate) struct Told {
    words: Mutex<HashSet<String>>,
    hosts: Mutex<HashSet<String>>,
    idle: AtomicU64,
}

/// Different things that are told of one step, and hosts, which it can think up.
const WORDS: usize = 128;
const HOSTS: usize = 100;

/// Lines of the log for what a step asked without using anything. A step that asks in vain without end would turn the
/// log, and what others used would be gone from it.
const IDLE_LINES: u64 = 2000;

impl Told {
    /// Whether a notice about `what` is the first one.
    pub(crate) fn first(&self, what: String) -> bool {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.len() < WORDS && words.insert(what)
    }

    /// The same about a host.
    pub(crate) fn first_host(&self, host: &str) -> bool {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.len() < HOSTS && hosts.insert(host.to_owned())
    }

    /// Whether the log has room for a line.
    fn logged(&self, tokens: &Tokens) -> bool {
        *tokens != Tokens::default() || self.idle.fetch_add(1, Ordering::Relaxed) < IDLE_LINES
    }
}

/// One request, from its first byte to the last of its answer. When it goes, by whatever way, it is settled and logged.
pub(crate) struct Exchange {
    pub(crate) step: Arc<Step>,
    pub(crate) kind: &'static str,
    pub(crate) model: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) fast: bool,
    /// What the step gets.
    pub(crate) status: u16,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) turn: Option<Turn>,
    pub(crate) meter: Option<Meter>,
    pub(crate) waited_ms: u64,
    pub(crate) sent: u32,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) whole: bool,
    /// It was refused for the step's budget.
    pub(crate) over_budget: bool,
    at: Timestamp,
    begun: Instant,
}

/// The client did not wait for an answer.
const CLIENT_GONE: u16 = 499;

impl Exchange {
    pub(crate) fn new(step: &Arc<Step>, kind: &'static str) -> Self {
        Self {
            step: Arc::clone(step),
            kind,
            model: None,
            host: None,
            fast: false,
            status: CLIENT_GONE,
            reservation: None,
            turn: None,
            meter: None,
            waited_ms: 0,
            sent: 0,
            bytes_in: 0,
            bytes_out: 0,
            whole: false,
            over_budget: false,
            at: gadugi_sys::clock::now(),
            begun: Instant::now(),
        }
    }

    fn arrived(&mut self, bytes: &[u8]) {
        self.bytes_in += bytes.len() as u64;
        if let Some(meter) = &mut self.meter {
            meter.feed(bytes);
        }
    }

    /// Counts what the answer used.
    fn settle(&mut self) -> (Tokens, Costs, bool) {
        let Some(mut meter) = self.meter.take() else { return Default::default() };
        let mut reading = meter.reading(self.whole);
        if matches!(meter, Meter::Blind) {
            reading = self.guess();
        }
        if let (Some(error), Some(turn)) = (&reading.error, &self.turn)
            && matches!(error.as_str(), "overloaded_error" | "rate_limit_error")
        {
            turn.refused(SlowReason::Overloaded, None);
        }
        self.whole &= reading.whole;
        if !reading.said {
            return Default::default();
        }
        let asked = self.model.clone().unwrap_or_default();
        let prices = &self.step.shared.prices;
        let (price, guessed) = prices.of(reading.model.as_deref().unwrap_or(&asked), self.fast);
        let costs = price.of(&reading.tokens);
        if let Some(mut reservation) = self.reservation.take() {
            reservation.settle(&asked, reading.tokens, costs, guessed);
        }
        (reading.tokens, costs, guessed)
    }

    /// What an answer came to that cannot be read: all that was set aside for reading, and its length.
    fn guess(&self) -> Reading {
        let input = self.reservation.as_ref().map_or(0, Reservation::read);
        let tokens = Tokens { input, output: self.bytes_in / 3, ..Tokens::default() };
        Reading { tokens, said: true, ..Reading::default() }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let (tokens, costs, price_guessed) = self.settle();
        let api = matches!(self.kind, "messages" | "count-tokens" | "models");
        self.step.ledger.count(u64::from(api), self.bytes_in, self.bytes_out);
        if !self.step.told.logged(&tokens) {
            return;
        }
        self.step.shared.log.write(&Line {
            at: gadugi_sys::clock::rfc3339(self.at),
            step: self.step.id.clone(),
            kind: self.kind.to_owned(),
            model: self.model.take(),
            host: self.host.take(),
            status: self.status,
            tokens,
            cost_usd: costs.pico() as f64 / 1e12,
            costs,
            price_guessed,
            ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            waited_ms: self.waited_ms,
            sent: self.sent,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            whole: self.whole,
            over_budget: self.over_budget,
        });
    }
}

/// An answer's body on its way to the step: each piece is passed on as it comes, and nothing is taken from upstream that
/// the step has no room for.
pub(crate) struct Passing<B> {
    inner: B,
    exchange: Exchange,
}

impl<B> Passing<B> {
    pub(crate) fn new(inner: B, exchange: Exchange) -> Self {
        Self { inner, exchange }
    }
}

impl<B> Body for Passing<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    this.exchange.arrived(bytes);
                }
                this.exchange.whole = this.inner.is_end_stream();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => {
                this.exchange.whole = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
