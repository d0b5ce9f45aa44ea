//! The shapes of Claude Code's lines, as far as gadugi reads them. Everything is optional: versions move, and a field
//! of another type must not cost the rest of its line.

use std::collections::BTreeMap;

use gadugi_core::{Timestamp, Usage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a line. Text that was cut in the middle of a character comes as half a surrogate pair (JavaScript writes such a
/// half as an escape, JSON has no meaning for it) or as bytes that are no UTF-8: a replacement character stands for
/// each, and the rest of the line still counts.
pub(super) fn read<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    serde_json::from_slice(line).or_else(|_| serde_json::from_str(&mended(line))).ok()
}

/// The text with a replacement character for each half of a character.
pub(crate) fn mended(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut mended = String::with_capacity(text.len());
    let mut rest = &text[..];
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let (kept, length) = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(Half::Leading), Some(Half::Trailing)) => (&rest[..12], 12),
            (Some(_), _) => ("\u{fffd}", 6),
            (None, _) => {
                // The escape and what is escaped, which may be another backslash.
                let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                (&rest[..length], length)
            }
        };
        mended.push_str(kept);
        rest = &rest[length..];
    }
    mended + rest
}

enum Half {
    Leading,
    Trailing,
}

/// The half of a surrogate pair that a text begins with: `\ud83d`.
fn surrogate(text: &str) -> Option<Half> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::Leading),
        0xdc00..=0xdfff => Some(Half::Trailing),
        _ => None,
    }
}

/// Any line but a result.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) subtype: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) model: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) claude_code_version: Option<String>,
    /// Set on the lines of a sub-agent.
    #[serde(deserialize_with = "lenient")]
    pub(super) parent_tool_use_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) message: Option<Message>,
    #[serde(deserialize_with = "lenient")]
    pub(super) attempt: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) max_retries: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) retry_delay_ms: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) error_status: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) error: Option<Value>,
    #[serde(deserialize_with = "lenient")]
    pub(super) rate_limit_info: Option<RateLimitInfo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    #[serde(deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) model: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) content: Content,
    #[serde(deserialize_with = "lenient")]
    pub(super) usage: Option<LineUsage>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Blocks(Vec::new())
    }
}

impl Content {
    pub(super) fn into_blocks(self) -> Vec<Block> {
        match self {
            Self::Blocks(blocks) => blocks,
            Self::Text(text) => vec![Block { kind: "text".into(), text: Some(text), ..Block::default() }],
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Block {
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub(super) kind: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) text: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) input: Option<Value>,
    #[serde(deserialize_with = "lenient")]
    pub(super) is_error: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LineUsage {
    #[serde(deserialize_with = "lenient")]
    input_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    output_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    cache_read_input_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    cache_creation_input_tokens: u64,
}

impl LineUsage {
    pub(super) fn total(&self) -> Usage {
        Usage {
            input_tokens: sane(self.input_tokens),
            output_tokens: sane(self.output_tokens),
            cache_read_tokens: sane(self.cache_read_input_tokens),
            cache_write_tokens: sane(self.cache_creation_input_tokens),
            cost_microusd: 0,
        }
    }
}

/// Numbers come from outside and are added up elsewhere: what no step can use up (2^48, some 280 million millions) is
/// cut, so that no sum overflows.
pub(crate) fn sane(number: u64) -> u64 {
    number.min(1 << 48)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RateLimitInfo {
    #[serde(deserialize_with = "lenient")]
    pub(super) status: String,
    /// Seconds since 1970.
    #[serde(deserialize_with = "lenient")]
    resets_at: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) is_using_overage: bool,
    #[serde(rename = "rateLimitType", deserialize_with = "lenient")]
    pub(super) limit_type: Option<String>,
}

impl RateLimitInfo {
    pub(super) fn resets_at(&self) -> Option<Timestamp> {
        self.resets_at.map(|seconds| Timestamp((seconds * 1000.0) as i64))
    }
}

/// The last word. Errors carry `errors` where successes carry `result`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResultLine {
    #[serde(deserialize_with = "lenient")]
    pub(super) is_error: bool,
    #[serde(deserialize_with = "lenient")]
    pub(super) api_error_status: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) num_turns: u64,
    #[serde(deserialize_with = "lenient")]
    result: Option<String>,
    #[serde(deserialize_with = "lenient")]
    errors: Vec<Value>,
    #[serde(deserialize_with = "lenient")]
    total_cost_usd: f64,
    #[serde(deserialize_with = "lenient")]
    usage: Option<LineUsage>,
    #[serde(rename = "modelUsage", deserialize_with = "lenient")]
    model_usage: BTreeMap<String, ModelUsage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ModelUsage {
    #[serde(deserialize_with = "lenient")]
    input_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    output_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    cache_read_input_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    cache_creation_input_tokens: u64,
}

impl ModelUsage {
    fn total(&self) -> Usage {
        Usage {
            input_tokens: sane(self.input_tokens),
            output_tokens: sane(self.output_tokens),
            cache_read_tokens: sane(self.cache_read_input_tokens),
            cache_write_tokens: sane(self.cache_creation_input_tokens),
            cost_microusd: 0,
        }
    }
}

/// Adds tokens, each kind up to what is [`sane`].
pub(crate) fn add(to: &mut Usage, more: &Usage) {
    to.input_tokens = sane(to.input_tokens.saturating_add(more.input_tokens));
    to.output_tokens = sane(to.output_tokens.saturating_add(more.output_tokens));
    to.cache_read_tokens = sane(to.cache_read_tokens.saturating_add(more.cache_read_tokens));
    to.cache_write_tokens = sane(to.cache_write_tokens.saturating_add(more.cache_write_tokens));
}

impl ResultLine {
    pub(super) fn text(&self) -> String {
        match &self.result {
            Some(text) => text.clone(),
            None => {
                let errors =
                    self.errors.iter().map(|error| error.as_str().map_or(error.to_string(), str::to_owned));
                errors.collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// All models of the process together where they are named (side calls count), else the main conversation, else
    /// what its messages said.
    pub(super) fn usage_total(&self, messages: &Usage) -> Option<Usage> {
        let mut total = Usage::default();
        for model in self.model_usage.values() {
            add(&mut total, &model.total());
        }
        if total.tokens() == 0 {
            total = self.usage.as_ref().map_or(*messages, LineUsage::total);
        }
        // A float cast saturates: nonsense becomes 0 or the largest number, never a panic.
        total.cost_microusd = sane((self.total_cost_usd * 1e6).round() as u64);
        Some(total)
    }
}

/// A value of the wrong type counts as none.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + for<'a> Deserialize<'a>,
{
    let value = Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_was_cut_costs_no_more_than_itself() {
        for (line, text) in [
            (&br#"{"result":"a\ud83d"}"#[..], "a\u{fffd}"),
            (br#"{"result":"\ude00 b"}"#, "\u{fffd} b"),
            (br#"{"result":"\ud83d\ud83d\ude00"}"#, "\u{fffd}\u{1f600}"),
            (br#"{"result":"\ud83d\ude00"}"#, "\u{1f600}"),
            (br#"{"result":"\\ud83d \ud83d"}"#, "\\ud83d \u{fffd}"),
            (b"{\"result\":\"a\xff\\n\"}", "a\u{fffd}\n"),
        ] {
            let read: ResultLine = read(line).expect("a line");
            assert_eq!(read.text(), text, "{}", String::from_utf8_lossy(line));
        }
        // A failure whose words were cut is no success.
        let failed: ResultLine =
            read(br#"{"is_error":true,"num_turns":3,"result":"\ud83d"}"#).expect("a line");
        assert!(failed.is_error && failed.num_turns == 3);
        for line in [&b"{\"result\":\"\\"[..], b"{\"result\":\"\\u", b"\\\xc3", b"{\"result\":\"\\ud83"] {
            assert!(read::<ResultLine>(line).is_none());
        }
    }
}
