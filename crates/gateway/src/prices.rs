//! What tokens cost.
//!
//! The table is what the vendor's price page says of its own API (<https://docs.claude.com/en/docs/about-claude/pricing>),
//! as Claude Code 2.1.197 carries it and reckons `modelUsage` by; looked up in November 2026. What the vendor takes more
//! for (inputs of more than 200,000 tokens by some models, data residency, priority tiers) and less (batches) is not in
//! it.

use crate::metered::{Costs, Tokens};

/// Prices of one model: millionths of a US dollar for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// A million tokens read.
    pub input: u64,
    /// A million tokens written.
    pub output: u64,
    /// A million tokens read from a cache.
    pub cache_read: u64,
    /// A million tokens put into a cache for five minutes.
    pub cache_write_5m: u64,
    /// A million tokens put into a cache for an hour.
    pub cache_write_1h: u64,
    /// One search of the web, in millionths of a US dollar.
    pub web_search: u64,
}

impl Price {
    /// From the price of a million tokens in thousandths of a US dollar: what caches cost follows from what reading
    /// costs (a tenth to read, a quarter more to write for five minutes, twice as much for an hour).
    pub const fn of_millidollars(input: u64, output: u64) -> Self {
        let input = input * 1000;
        Self {
            input,
            output: output * 1000,
            cache_read: input / 10,
            cache_write_5m: input + input / 4,
            cache_write_1h: input * 2,
            web_search: 10_000,
        }
    }

    /// What that costs.
    pub fn of(&self, tokens: &Tokens) -> Costs {
        Costs {
            input: self.input.saturating_mul(tokens.input),
            output: self.output.saturating_mul(tokens.output),
            cache_read: self.cache_read.saturating_mul(tokens.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_mul(tokens.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_mul(tokens.cache_write_1h),
            web_searches: self.web_search.saturating_mul(tokens.web_searches).saturating_mul(1_000_000),
        }
    }
}

/// By family: what a model's name begins with (behind a vendor's or a region's prefix), the longest match counting.
const TABLE: [(&str, Price); 22] = [
    (
        "claude-3-haiku",
        Price { cache_read: 30_000, cache_write_5m: 300_000, ..Price::of_millidollars(250, 1250) },
    ),
    ("claude-3-5-haiku", Price::of_millidollars(800, 4000)),
    ("claude-haiku-4-5", Price::of_millidollars(1000, 5000)),
    ("claude-haiku", Price::of_millidollars(1000, 5000)),
    ("claude-3-5-sonnet", Price::of_millidollars(3000, 15_000)),
    ("claude-3-7-sonnet", Price::of_millidollars(3000, 15_000)),
    ("claude-sonnet-4", Price::of_millidollars(3000, 15_000)),
    ("claude-sonnet-5", Price::of_millidollars(3000, 15_000)),
    ("claude-sonnet", Price::of_millidollars(3000, 15_000)),
    ("claude-3-opus", Price::of_millidollars(15_000, 75_000)),
    ("claude-opus-4-20", Price::of_millidollars(15_000, 75_000)),
    ("claude-opus-4-0", Price::of_millidollars(15_000, 75_000)),
    ("claude-opus-4-1", Price::of_millidollars(15_000, 75_000)),
    ("claude-opus-4-5", Price::of_millidollars(5000, 25_000)),
    ("claude-opus-4-6", Price::of_millidollars(5000, 25_000)),
    ("claude-opus-4-6#fast", Price::of_millidollars(30_000, 150_000)),
    ("claude-opus-4-7", Price::of_millidollars(5000, 25_000)),
    ("claude-opus-4-7#fast", Price::of_millidollars(30_000, 150_000)),
    ("claude-opus-4-8", Price::of_millidollars(5000, 25_000)),
    ("claude-opus-4-8#fast", Price::of_millidollars(10_000, 50_000)),
    ("claude-fable-5", Price::of_millidollars(10_000, 50_000)),
    ("claude-mythos-5", Price::of_millidollars(10_000, 50_000)),
];

/// A price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices(Vec<(String, Price)>);

impl Default for Prices {
    fn default() -> Self {
        Self(TABLE.iter().map(|(family, price)| ((*family).to_owned(), *price)).collect())
    }
}

impl Prices {
    /// Another price for a family, or one for a family that the list does not have. A name that ends in `#fast` is for
    /// requests at the vendor's higher speed.
    #[must_use]
    pub fn with(mut self, family: impl Into<String>, price: Price) -> Self {
        let family = family.into();
        self.0.retain(|(known, _)| *known != family);
        self.0.push((family, price));
        self
    }

    /// The price of a model, and whether it is guessed: a model that stands in no list is taken for as dear as the
    /// dearest that does.
    pub fn of(&self, model: &str, fast: bool) -> (Price, bool) {
        // A vendor's or a region's prefix (`us.anthropic.claude-…`) says nothing of the price.
        let name = model.find("claude-").map_or(model, |at| &model[at..]);
        let longest = |suffix: &str| {
            let families = self.0.iter().filter_map(|(family, price)| {
                let family = if suffix.is_empty() {
                    (!family.ends_with("#fast")).then_some(family.as_str())
                } else {
                    family.strip_suffix(suffix)
                };
                family.filter(|family| name.starts_with(family)).map(|family| (family.len(), *price))
            });
            families.max_by_key(|(length, _)| *length).map(|(_, price)| price)
        };
        let found = if fast { longest("#fast").or_else(|| longest("")) } else { longest("") };
        found.map_or_else(|| (self.dearest(), true), |price| (price, false))
    }

    fn dearest(&self) -> Price {
        let slow = self.0.iter().filter(|(family, _)| !family.ends_with("#fast"));
        let dearest = slow.map(|(_, price)| *price).max_by_key(|price| (price.output, price.input));
        dearest.unwrap_or(Price::of_millidollars(15_000, 75_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_family_counts_and_an_unknown_model_is_the_dearest() {
        let prices = Prices::default();
        let input = |model: &str, fast| (prices.of(model, fast).0.input / 1000, prices.of(model, fast).1);
        assert_eq!(input("claude-sonnet-4-5-20250929", false), (3000, false));
        assert_eq!(input("us.anthropic.claude-opus-4-1-20250805-v1:0", false), (15_000, false));
        assert_eq!(input("claude-opus-4-20250514", false), (15_000, false));
        assert_eq!(input("claude-opus-4-8", false), (5000, false));
        assert_eq!(input("claude-opus-4-8", true), (10_000, false));
        assert_eq!(input("claude-haiku-4-5", true), (1000, false));
        assert_eq!(input("gpt-next", false), (15_000, true));
        let own = Prices::default().with("gpt-next", Price::of_millidollars(1, 2));
        assert_eq!(own.of("gpt-next-2", false), (Price::of_millidollars(1, 2), false));
    }

    #[test]
    fn nothing_is_rounded_before_the_sum() {
        let price = Price::of_millidollars(3000, 15_000);
        let tokens = Tokens {
            input: 1,
            output: 2,
            cache_read: 1,
            cache_write_5m: 1,
            cache_write_1h: 1,
            web_searches: 1,
        };
        let costs = price.of(&tokens);
        let kinds = [3_000_000, 30_000_000, 300_000, 3_750_000, 6_000_000, 10_000_000_000];
        assert_eq!(costs.pico(), kinds.iter().sum::<u64>());
        assert_eq!(costs.microusd(), 10_044);
    }
}
