//! The shapes of Claude Code's lines, as far as gadugi reads them. Everything is optional: versions move, and a field
//! of another type must not cost the rest of its line.

use std::collections::BTreeMap;

use gadugi_core::{Timestamp, Usage};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

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
pub(super) fn sane(number: u64) -> u64 {
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
pub(super) fn add(to: &mut Usage, more: &Usage) {
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
