//! What a step used.

use std::collections::BTreeMap;
use std::ops::{Add, AddAssign};

use gadugi_core::Usage;
use serde::{Deserialize, Serialize};

/// Tokens, and what else is paid for, by kind. No kind is part of another. Written under the names that the rest of gadugi
/// uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// Read, not by way of a cache.
    #[serde(rename = "input_tokens")]
    pub input: u64,
    /// Written.
    #[serde(rename = "output_tokens")]
    pub output: u64,
    /// Read from a cache.
    #[serde(rename = "cache_read_tokens")]
    pub cache_read: u64,
    /// Put into a cache for five minutes, or for a time that was not said.
    #[serde(rename = "cache_write_5m_tokens")]
    pub cache_write_5m: u64,
    /// Put into a cache for an hour.
    #[serde(rename = "cache_write_1h_tokens")]
    pub cache_write_1h: u64,
    /// Searches of the web that the vendor ran (a number of requests, not tokens).
    pub web_searches: u64,
}

impl Tokens {
    /// All that was read, from wherever.
    pub fn read(&self) -> u64 {
        self.input + self.cache_read + self.cache_write()
    }

    /// All that was put into a cache.
    pub fn cache_write(&self) -> u64 {
        self.cache_write_5m + self.cache_write_1h
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, more: Self) {
        self.input += more.input;
        self.output += more.output;
        self.cache_read += more.cache_read;
        self.cache_write_5m += more.cache_write_5m;
        self.cache_write_1h += more.cache_write_1h;
        self.web_searches += more.web_searches;
    }
}

/// What tokens cost, by the same kinds, each in millionths of a millionth of a US dollar: so that no price times a
/// number is ever rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Costs {
    /// Of [`Tokens::input`].
    pub input: u64,
    /// Of [`Tokens::output`].
    pub output: u64,
    /// Of [`Tokens::cache_read`].
    pub cache_read: u64,
    /// Of [`Tokens::cache_write_5m`].
    pub cache_write_5m: u64,
    /// Of [`Tokens::cache_write_1h`].
    pub cache_write_1h: u64,
    /// Of [`Tokens::web_searches`].
    pub web_searches: u64,
}

/// Millionths of a millionth in a millionth.
pub(crate) const PICO_IN_MICRO: u64 = 1_000_000;

impl Costs {
    /// All kinds together, in millionths of a millionth of a US dollar.
    pub(crate) fn pico(&self) -> u64 {
        let kinds = [
            self.input,
            self.output,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
            self.web_searches,
        ];
        kinds.into_iter().fold(0, u64::saturating_add)
    }

    /// All kinds together, in millionths of a US dollar, rounded up.
    pub fn microusd(&self) -> u64 {
        self.pico().div_ceil(PICO_IN_MICRO)
    }
}

impl Add for Costs {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            input: self.input.saturating_add(more.input),
            output: self.output.saturating_add(more.output),
            cache_read: self.cache_read.saturating_add(more.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(more.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(more.cache_write_1h),
            web_searches: self.web_searches.saturating_add(more.web_searches),
        }
    }
}

/// What one model was used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelMetered {
    /// Answers that were metered.
    pub answers: u64,
    /// Tokens by kind.
    pub tokens: Tokens,
    /// What they cost.
    pub costs: Costs,
    /// Whether the model stands in no price list, so that the dearest price of any was taken.
    pub price_guessed: bool,
}

/// What a step used so far. It only grows. It can be stored, and given back by [`crate::Permit::already`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metered {
    /// By model, as the step named it in its requests.
    pub models: BTreeMap<String, ModelMetered>,
    /// Requests to the model API, with those that were refused here or there.
    pub requests: u64,
    /// Bytes that came in for the step: bodies of answers, and all that came through the proxy.
    pub bytes_in: u64,
    /// Bytes that the step sent out: bodies of requests, and all that went through the proxy.
    pub bytes_out: u64,
    /// Whether a request was refused because it could have cost more than was left of the step's budget.
    pub over_budget: bool,
}

impl Metered {
    /// Tokens of all models.
    pub fn tokens(&self) -> Tokens {
        let mut all = Tokens::default();
        self.models.values().for_each(|model| all += model.tokens);
        all
    }

    /// What all of it cost, by kind.
    pub fn costs(&self) -> Costs {
        self.models.values().fold(Costs::default(), |all, model| all + model.costs)
    }

    /// Whether no price of any model that answered is known: what all of it cost is a guess, far too high perhaps.
    pub fn all_guessed(&self) -> bool {
        !self.models.is_empty() && self.models.values().all(|model| model.price_guessed)
    }

    /// In the vocabulary of runs.
    pub fn usage(&self) -> Usage {
        let tokens = self.tokens();
        Usage {
            input_tokens: tokens.input,
            output_tokens: tokens.output,
            cache_read_tokens: tokens.cache_read,
            cache_write_tokens: tokens.cache_write(),
            cost_microusd: self.costs().microusd(),
        }
    }

    /// Counts one answer.
    pub(crate) fn add(&mut self, model: &str, tokens: Tokens, costs: Costs, price_guessed: bool) {
        let entry = self.models.entry(model.to_owned()).or_default();
        entry.answers += 1;
        entry.tokens += tokens;
        entry.costs = entry.costs + costs;
        entry.price_guessed |= price_guessed;
    }
}
